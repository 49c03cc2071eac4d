//! The way back through softmax attention.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::activation::{load, store};
use super::attention::{Softmax, multiply};
use super::kernel::dispatch;
use super::matmul::Rows;
use super::output::{SharedRows, filled};
use super::pack::Strided;
use crate::clip::ops::AttentionShape;

/// Rows and columns of a square that is transposed at a time: a cache line each.
const SQUARE: usize = 16;

/// The gradient of `qkv`, rows of `[q | k | v]`, from `gradient`, that of the attention of `qkv`; every sequence and head is a task.
///
/// With weights p, output p · v and s the scores: dv = pᵀ · do, dp = do · vᵀ, ds = p · (dp - rowsum(dp · p)), dq = ds · k,
/// dk = dsᵀ · q. The weights are computed again: kept, they would be most of what a long sequence keeps.
pub(in crate::clip::ops) fn attention_gradient(
    qkv: &[f32],
    gradient: &[f32],
    shape: AttentionShape,
) -> Vec<f32> {
    let AttentionShape {
        num_tokens,
        width,
        num_heads,
        ..
    } = shape;
    let num_sequences = gradient.len() / (num_tokens * width);
    filled(num_sequences * num_tokens, 3 * width, |out| {
        (0..num_sequences * num_heads)
            .into_par_iter()
            .for_each(|index| {
                let (sequence, head) = (index / num_heads, index % num_heads);
                let (row, column) = (sequence * num_tokens, head * shape.head_width());
                Head {
                    qkv: &qkv[row * 3 * width + column..],
                    gradient: &gradient[row * width + column..],
                    shape,
                    out: out.from(row, column),
                }
                .go_back();
            });
    })
}

/// One head of one sequence.
struct Head<'a> {
    /// From the first query's first number of this head on.
    qkv: &'a [f32],
    /// From the first output's gradient's first number of this head on.
    gradient: &'a [f32],
    shape: AttentionShape,
    /// From the first query's gradient's first number of this head on.
    out: SharedRows<'a>,
}

impl Head<'_> {
    fn go_back(&self) {
        let AttentionShape {
            num_tokens, width, ..
        } = self.shape;
        let scale = 1.0 / (self.shape.head_width() as f32).sqrt();
        let [q, k, v] = [0, width, 2 * width].map(|column| Side {
            data: &self.qkv[column..],
            stride: 3 * width,
            shape: self.shape,
        });
        let out = Side {
            data: self.gradient,
            stride: width,
            shape: self.shape,
        };
        let mut weights = vec![0.0; num_tokens * num_tokens];
        multiply(
            q.rows(),
            k.tokens(),
            SharedRows::new(&mut weights, num_tokens),
        );
        dispatch(Softmax {
            scores: &mut weights,
            num_tokens,
            scale,
            is_causal: self.shape.is_causal,
        });
        let mut scores = vec![0.0; num_tokens * num_tokens];
        multiply(
            out.rows(),
            v.tokens(),
            SharedRows::new(&mut scores, num_tokens),
        );
        dispatch(ScoreGradient {
            weights: &weights,
            gradient: &mut scores,
            num_tokens,
            scale,
        });
        let square = |data| Rows {
            data,
            count: num_tokens,
            stride: num_tokens,
        };
        multiply(square(&scores), k.numbers(), self.out);
        let turned = transposed(&scores, num_tokens);
        multiply(square(&turned), q.numbers(), self.out.from(0, width));
        let turned = transposed(&weights, num_tokens);
        multiply(square(&turned), out.numbers(), self.out.from(0, 2 * width));
    }
}

/// The queries, keys, values or outputs of a head, a row of `head width` numbers for each token.
#[derive(Clone, Copy)]
struct Side<'a> {
    data: &'a [f32],
    stride: usize,
    shape: AttentionShape,
}

impl<'a> Side<'a> {
    /// As the left-hand side of a product over the numbers of a token.
    fn rows(&self) -> Rows<'a> {
        Rows {
            data: self.data,
            count: self.shape.num_tokens,
            stride: self.stride,
        }
    }

    /// As the right-hand side of a product over the numbers of a token.
    fn tokens(&self) -> Strided<'a> {
        Strided {
            data: self.data,
            outputs: self.shape.num_tokens,
            inner: self.shape.head_width(),
            output_stride: self.stride,
            inner_stride: 1,
        }
    }

    /// As the right-hand side of a product over the tokens.
    fn numbers(&self) -> Strided<'a> {
        Strided {
            data: self.data,
            outputs: self.shape.head_width(),
            inner: self.shape.num_tokens,
            output_stride: 1,
            inner_stride: self.stride,
        }
    }
}

/// From the gradient of every row of weights to that of its scores: `scale · p · (dp - sum(dp · p))`.
struct ScoreGradient<'a> {
    weights: &'a [f32],
    gradient: &'a mut [f32],
    num_tokens: usize,
    scale: f32,
}

impl WithSimd for ScoreGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self.gradient.chunks_exact_mut(self.num_tokens);
        for (gradient, weights) in rows.zip(self.weights.chunks_exact(self.num_tokens)) {
            let mut total = simd.splat_f32s(0.0);
            let parts = gradient.chunks(S::F32_LANES);
            for (gradient, weights) in parts.zip(weights.chunks(S::F32_LANES)) {
                total = simd.mul_add_e_f32s(load(simd, gradient), load(simd, weights), total);
            }
            let mean = simd.splat_f32s(simd.reduce_sum_f32s(total));
            let scale = simd.splat_f32s(self.scale);
            let parts = gradient.chunks_mut(S::F32_LANES);
            for (gradient, weights) in parts.zip(weights.chunks(S::F32_LANES)) {
                let centred = simd.sub_f32s(load(simd, gradient), mean);
                let weights = simd.mul_f32s(load(simd, weights), scale);
                store(simd, gradient, simd.mul_f32s(centred, weights));
            }
        }
    }
}

/// A matrix of `size` rows and columns, transposed.
fn transposed(from: &[f32], size: usize) -> Vec<f32> {
    let mut to = vec![0.0; size * size];
    for top in (0..size).step_by(SQUARE) {
        for left in (0..size).step_by(SQUARE) {
            for column in left..(left + SQUARE).min(size) {
                let rows = top..(top + SQUARE).min(size);
                let cells = &mut to[column * size..][rows.clone()];
                for (cell, row) in cells.iter_mut().zip(rows) {
                    *cell = from[row * size + column];
                }
            }
        }
    }
    to
}
