//! What the fused operations do on a CPU, on plain slices.
//!
//! Written once over [`pulp::Simd`] and compiled for AVX-512, AVX2 and NEON; the best is chosen when it runs.
//! The matrix product has its own kernel because weights never change: they are packed once at load, where a general
//! product packs them in every call, and bias, residual and activation are applied while the sums are in the cache.

#![expect(
    clippy::inline_always,
    reason = "only what is inlined into a dispatched function is compiled for its instructions"
)]

mod activation;
mod attention;
mod attention_gradient;
mod bf16;
mod kernel;
mod matmul;
mod norm;
mod output;
mod pack;
mod slope;

pub(super) use activation::applied;
pub(super) use attention::attention;
pub(super) use attention_gradient::attention_gradient;
pub(in crate::clip) use bf16::PairProduct;
pub(super) use bf16::{attention_of_pairs, numbers_of_pairs, pairs_of_pairs};
pub use kernel::Kernel;
pub(super) use matmul::{Finish, matmul};
pub(super) use norm::{layer_norm, layer_norm_gradient, layer_norm_pairs};
pub(in crate::clip) use output::rows;
pub(super) use pack::PackedMatrix;
pub(super) use slope::{column_sums, times_slope};
