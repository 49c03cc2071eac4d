//! The one integration test binary.

mod checkpoints;
mod clip_data;
mod clip_goldens;
mod gradients;
