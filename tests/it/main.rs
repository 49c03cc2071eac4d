//! The one integration test binary: each further one would link candle and wgpu again.
//! The one integration test binary.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not what they call"
)]

mod assets;
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
