//! Numbers rounded to 16-bit brain floats, two of which lie in a `u32`: pairs are multiplied and added to an f32 sum at once.
//!
//! What a layer hands to the next one is rounded where it is made, as the next one would: half the memory to write and read.

mod attention;
mod layer;
#[cfg(not(target_arch = "x86_64"))]
#[path = "absent.rs"]
mod product;
#[cfg(target_arch = "x86_64")]
mod product;

use half::bf16;

use super::matmul::{Finish, Rows};
use super::output::SharedRows;
use super::pack::{PackedView, lanes};
use crate::clip::NumberFormat;

pub(in crate::clip::ops) use attention::attention_of_pairs;
pub(in crate::clip::ops) use layer::{numbers_of_pairs, pairs_of_pairs};
pub(in crate::clip) use product::PairProduct;

impl PairProduct {
    /// The product for layers of `format`; `None` where they multiply numbers one by one.
    pub(in crate::clip) fn of(format: NumberFormat) -> Option<Self> {
        let wanted = format == NumberFormat::Bf16 && lanes() == Self::LANES;
        Self::try_new().filter(|_| wanted)
    }
}

/// `finish(a · bᵀ)`.
#[derive(Clone, Copy)]
pub(super) struct PairTask<'a> {
    /// Rows of as many pairs as `b` has.
    pub(super) a: Rows<'a, u32>,
    pub(super) b: PackedView<'a, u32>,
    pub(super) finish: Finish<'a>,
    pub(super) out: Target<'a>,
}

/// Where a product of pairs goes.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    /// As it is.
    Numbers(SharedRows<'a>),
    /// Rounded, for an even number of columns.
    Pairs(SharedRows<'a, u32>),
}

/// One or two numbers, rounded: the first in the lower half, zero for a second that is not there.
pub(super) fn pair(numbers: &[f32]) -> u32 {
    let half = |index: usize| {
        let number = numbers.get(index).copied().unwrap_or_default();
        u32::from(bf16::from_f32(number).to_bits())
    };
    half(0) | half(1) << 16
}

/// The number of column `k` from the pair that holds it.
pub(super) fn number_of_pair(pair: u32, k: usize) -> f32 {
    f32::from_bits(if k.is_multiple_of(2) {
        pair << 16
    } else {
        pair & 0xffff_0000
    })
}

#[cfg(test)]
mod tests;
