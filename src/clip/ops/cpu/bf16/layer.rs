//! Layers on rows of pairs, in parallel.

use super::super::matmul::{Finish, Rows, in_blocks};
use super::super::output::{filled, rows};
use super::super::pack::PackedView;
use super::{PairProduct, PairTask, Target};

impl PairProduct {
    /// All numbers of `a`, row by row: once for all tasks that multiply them.
    pub(in crate::clip::ops::cpu) fn pairs(self, a: Rows<'_>) -> Vec<u32> {
        rows(a.count, a.stride.div_ceil(2), |row, pairs| {
            self.round(&a.data[row * a.stride..][..a.stride], pairs);
        })
    }
}

/// `finish(a · bᵀ)`, one number per output, for rows `a` of as many pairs as `b` has.
pub(in crate::clip::ops) fn numbers_of_pairs(
    product: PairProduct,
    a: &[u32],
    b: PackedView<'_, u32>,
    finish: Finish<'_>,
) -> Vec<f32> {
    filled(a.len() / b.inner, b.outputs, |out| {
        multiply(product, a, b, finish, Target::Numbers(out));
    })
}

/// The same, rounded; the number of outputs is even.
pub(in crate::clip::ops) fn pairs_of_pairs(
    product: PairProduct,
    a: &[u32],
    b: PackedView<'_, u32>,
    finish: Finish<'_>,
) -> Vec<u32> {
    filled(a.len() / b.inner, b.outputs / 2, |out| {
        multiply(product, a, b, finish, Target::Pairs(out));
    })
}

fn multiply(
    product: PairProduct,
    a: &[u32],
    b: PackedView<'_, u32>,
    finish: Finish<'_>,
    out: Target<'_>,
) {
    let a = Rows {
        data: a,
        count: a.len() / b.inner,
        stride: b.inner,
    };
    let task = PairTask { a, b, finish, out };
    in_blocks(a.count, &b, |rows, panels| product.run(&task, rows, panels));
}
