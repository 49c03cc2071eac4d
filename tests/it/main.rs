//! The one integration test binary: each further one would link candle and wgpu again.

mod assets;
mod layering;
mod methods;
mod overlap;
mod project;
mod projection;
mod shared;
mod source_text;
