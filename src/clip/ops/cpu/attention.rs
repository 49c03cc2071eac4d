//! Softmax attention straight from packed queries, keys and values.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::activation::exp;
use super::kernel::dispatch;
use super::matmul::{Finish, Rows, Task};
use super::output::{SharedRows, filled};
use super::pack::{PackedView, Strided};
use crate::clip::ops::AttentionShape;

/// Attention of `qkv`, rows of `[q | k | v]`, each `num_heads` heads side by side; every sequence and head is a task.
pub(in crate::clip::ops) fn attention(qkv: &[f32], shape: AttentionShape) -> Vec<f32> {
    let AttentionShape {
        num_tokens,
        width,
        num_heads,
        ..
    } = shape;
    let num_sequences = qkv.len() / (num_tokens * 3 * width);
    filled(num_sequences * num_tokens, width, |out| {
        (0..num_sequences * num_heads)
            .into_par_iter()
            .for_each(|index| {
                let (sequence, head) = (index / num_heads, index % num_heads);
                let column = head * shape.head_width();
                let from = sequence * num_tokens * 3 * width + column;
                let out = out.from(sequence * num_tokens, column);
                Head {
                    qkv: &qkv[from..],
                    shape,
                    out,
                }
                .attend();
            });
    })
}

/// One head of one sequence.
struct Head<'a> {
    /// From the first query's first number of this head on.
    qkv: &'a [f32],
    shape: AttentionShape,
    /// From the first output's first number of this head on.
    out: SharedRows<'a>,
}

impl Head<'_> {
    fn attend(&self) {
        let AttentionShape {
            num_tokens, width, ..
        } = self.shape;
        let head_width = self.shape.head_width();
        let stride = 3 * width;
        let keys = Strided {
            data: &self.qkv[width..],
            outputs: num_tokens,
            inner: head_width,
            output_stride: stride,
            inner_stride: 1,
        };
        let values = Strided {
            data: &self.qkv[2 * width..],
            outputs: head_width,
            inner: num_tokens,
            output_stride: 1,
            inner_stride: stride,
        };
        let mut scores = vec![0.0; num_tokens * num_tokens];
        let queries = Rows {
            data: self.qkv,
            count: num_tokens,
            stride,
        };
        multiply(queries, keys, SharedRows::new(&mut scores, num_tokens));
        dispatch(Softmax {
            scores: &mut scores,
            num_tokens,
            scale: 1.0 / (head_width as f32).sqrt(),
            is_causal: self.shape.is_causal,
        });
        let weights = Rows {
            data: &scores,
            count: num_tokens,
            stride: num_tokens,
        };
        multiply(weights, values, self.out);
    }
}

/// `a · bᵀ` into `out`, on this thread.
pub(super) fn multiply(a: Rows<'_>, b: Strided<'_>, out: SharedRows<'_>) {
    let mut panels = vec![0.0; b.packed_len()];
    b.pack_into(&mut panels);
    let b = PackedView {
        data: &panels,
        outputs: b.outputs,
        inner: b.inner,
    };
    let task = Task {
        a,
        b,
        finish: Finish::default(),
        out,
        rows: 0..a.count,
        panels: 0..b.num_panels(),
    };
    task.run();
}

/// Softmax of `scale · scores` along every row; with a causal mask row i keeps its first i + 1 columns.
pub(super) struct Softmax<'a> {
    pub(super) scores: &'a mut [f32],
    pub(super) num_tokens: usize,
    pub(super) scale: f32,
    pub(super) is_causal: bool,
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let scale = simd.splat_f32s(self.scale);
        for (index, row) in self.scores.chunks_exact_mut(self.num_tokens).enumerate() {
            let num_seen = if self.is_causal { index + 1 } else { row.len() };
            let (row, masked) = row.split_at_mut(num_seen);
            masked.fill(0.0);
            let (vectors, rest) = S::as_mut_simd_f32s(row);
            let largest = vectors
                .iter()
                .fold(simd.splat_f32s(f32::NEG_INFINITY), |largest, vector| {
                    simd.max_f32s(largest, *vector)
                });
            let largest = rest
                .iter()
                .copied()
                .fold(simd.reduce_max_f32s(largest), f32::max);
            let offset = simd.splat_f32s(-largest * self.scale);
            let mut total = simd.splat_f32s(0.0);
            for vector in vectors {
                *vector = exp(simd, simd.mul_add_e_f32s(*vector, scale, offset));
                total = simd.add_f32s(total, *vector);
            }
            let mut total = simd.reduce_sum_f32s(total);
            if !rest.is_empty() {
                let vector = simd.partial_load_f32s(rest);
                simd.partial_store_f32s(
                    rest,
                    exp(simd, simd.mul_add_e_f32s(vector, scale, offset)),
                );
                total += rest.iter().sum::<f32>();
            }
            let inverse = 1.0 / total;
            for weight in row {
                *weight *= inverse;
            }
        }
    }
}
