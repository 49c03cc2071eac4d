//! The one integration test binary: each further one would link candle and wgpu again.

mod assets;
mod layering;
mod shared;
mod source_text;
