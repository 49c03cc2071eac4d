//! The one integration test binary: each further one would link candle and wgpu again.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not what they call"
)]

mod adapter_training;
mod assets;
mod bad_input;
mod both;
mod calip;
mod checkpoints;
mod cli;
mod clip_data;
mod clip_goldens;
mod coop;
#[cfg(feature = "cuda")]
mod cuda;
mod dino;
mod eval;
mod features_in;
mod golden;
mod gradients;
mod grid_search;
mod layering;
mod leave_one_out;
mod methods;
mod methods_more;
mod models;
mod overlap;
mod photos;
mod photos_out;
mod preprocess;
mod project;
mod projection;
mod remote;
mod remote_formats;
mod remote_training;
mod report;
mod sampling;
mod several_labels;
mod shared;
mod source_text;
mod stories;
mod tokenizer;
mod training;
mod trouble;
mod tuning;
mod window;
