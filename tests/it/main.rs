//! The one integration test binary: each further one would link candle and wgpu again.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows test functions, but not what they call"
)]

mod assets;
mod layering;
mod shared;
mod source_text;
