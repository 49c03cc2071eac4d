//! One test binary: each further one would link candle and wgpu again.

mod methods;
mod overlap;
mod project;
mod projection;
