//! The one integration test binary: each further one would link candle and wgpu again.
//! The one integration test binary.

mod assets;
mod checkpoints;
mod clip_data;
mod clip_goldens;
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
