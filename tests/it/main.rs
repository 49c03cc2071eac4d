//! The one integration test binary: each further one would link candle and wgpu again.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not what they call"
)]

mod assets;
mod bad_input;
mod checkpoints;
mod cli;
mod clip_data;
mod clip_goldens;
mod golden;
mod gradients;
mod layering;
mod methods;
mod methods_more;
mod models;
mod overlap;
mod photos;
mod preprocess;
mod project;
mod projection;
mod shared;
mod source_text;
mod tokenizer;
mod training;
mod tuning;
mod window;
