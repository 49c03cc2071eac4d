//! The one integration test binary: each further one would link candle and wgpu again.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not what they call"
)]

mod adapter_training;
mod assets;
mod calip;
mod checkpoints;
mod cli;
mod clip_data;
mod clip_goldens;
mod coop;
mod golden;
mod gradients;
mod layering;
mod methods;
mod models;
mod overlap;
mod photos;
mod preprocess;
mod project;
mod projection;
mod shared;
mod source_text;
mod tokenizer;
mod tuning;
mod window;
