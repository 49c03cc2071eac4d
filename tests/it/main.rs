//! One test binary: each further one would link candle and wgpu again.

mod golden;
mod methods;
mod overlap;
mod projection;
mod tuning;
