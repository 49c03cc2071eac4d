//! The one integration test binary.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod checkpoints;
mod clip_data;
mod clip_goldens;
mod gradients;
