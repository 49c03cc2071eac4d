//! Softmax attention on pairs: queries, keys, values and the weights of the values are rounded, scores and sums are not.

use rayon::prelude::*;

use super::super::attention::Softmax;
use super::super::kernel::dispatch;
use super::super::matmul::{Finish, Rows};
use super::super::output::{SharedRows, filled};
use super::super::pack::{PackedView, Strided, packed_len, panel_width};
use super::{PairProduct, PairTask, Target};
use crate::clip::ops::AttentionShape;

/// Attention of `qkv`, rows of pairs of `[q | k | v]`, each `num_heads` heads of even width side by side, as rows of pairs; every
/// sequence and head is a task.
pub(in crate::clip::ops) fn attention_of_pairs(
    product: PairProduct,
    qkv: &[u32],
    shape: AttentionShape,
) -> Vec<u32> {
    let AttentionShape {
        num_tokens,
        width,
        num_heads,
        ..
    } = shape;
    let pairs = width / 2;
    let num_sequences = qkv.len() / (num_tokens * 3 * pairs);
    filled(num_sequences * num_tokens, pairs, |out| {
        (0..num_sequences * num_heads)
            .into_par_iter()
            .for_each_init(Room::default, |room, index| {
                let (sequence, head) = (index / num_heads, index % num_heads);
                let column = head * shape.head_width() / 2;
                let from = sequence * num_tokens * 3 * pairs + column;
                let head = Head {
                    product,
                    qkv: &qkv[from..],
                    shape,
                    out: out.from(sequence * num_tokens, column),
                };
                head.attend(room);
            });
    })
}

/// What a thread writes while it attends, used again for its next head.
#[derive(Default)]
struct Room {
    panels: Vec<u32>,
    scores: Vec<f32>,
    weights: Vec<u32>,
}

/// One head of one sequence.
struct Head<'a> {
    product: PairProduct,
    /// From the first query's first pair of this head on.
    qkv: &'a [u32],
    shape: AttentionShape,
    /// From the first output's first pair of this head on.
    out: SharedRows<'a, u32>,
}

impl Head<'_> {
    fn attend(&self, room: &mut Room) {
        let AttentionShape {
            num_tokens,
            width,
            is_causal,
            ..
        } = self.shape;
        let (head_width, stride) = (self.shape.head_width(), 3 * width / 2);
        let (inner, token_pairs) = (head_width / 2, num_tokens.div_ceil(2));
        room.scores.resize(num_tokens * num_tokens, 0.0);
        room.weights.resize(num_tokens * token_pairs, 0);

        let keys = Strided {
            data: &self.qkv[width / 2..],
            outputs: num_tokens,
            inner,
            output_stride: stride,
            inner_stride: 1,
        };
        room.panels.resize(keys.packed_len(), 0);
        keys.pack_into(&mut room.panels);
        let queries = Rows {
            data: self.qkv,
            count: num_tokens,
            stride,
        };
        let scores = Target::Numbers(SharedRows::new(&mut room.scores, num_tokens));
        self.multiply(queries, &room.panels, num_tokens, inner, scores);

        dispatch(Softmax {
            scores: &mut room.scores,
            num_tokens,
            scale: 1.0 / (head_width as f32).sqrt(),
            is_causal,
        });
        let rows = room.weights.chunks_exact_mut(token_pairs);
        for (scores, weights) in room.scores.chunks_exact(num_tokens).zip(rows) {
            self.product.round(scores, weights);
        }

        let values = Values {
            data: &self.qkv[width..],
            stride,
            num_tokens,
            head_width,
        };
        room.panels.resize(packed_len(head_width, token_pairs), 0);
        values.pack_into(&mut room.panels);
        let weights = Rows {
            data: &room.weights,
            count: num_tokens,
            stride: token_pairs,
        };
        let out = Target::Pairs(self.out);
        self.multiply(weights, &room.panels, head_width, token_pairs, out);
    }

    /// `a · panelsᵀ` into `out`, on this thread.
    fn multiply(
        &self,
        a: Rows<'_, u32>,
        panels: &[u32],
        outputs: usize,
        inner: usize,
        out: Target<'_>,
    ) {
        let b = PackedView {
            data: panels,
            outputs,
            inner,
        };
        let task = PairTask {
            a,
            b,
            finish: Finish::default(),
            out,
        };
        self.product.run(&task, 0..a.count, 0..b.num_panels());
    }
}

/// The values of a head, a row of pairs for every token.
struct Values<'a> {
    data: &'a [u32],
    stride: usize,
    num_tokens: usize,
    head_width: usize,
}

impl Values<'_> {
    /// Writes panels whose rows are two tokens each: a cell is the pair of one column's numbers.
    fn pack_into(&self, target: &mut [u32]) {
        let token_pairs = self.num_tokens.div_ceil(2);
        let panels = target.chunks_mut(panel_width() * token_pairs);
        for (panel, target) in panels.enumerate() {
            let first = panel * panel_width();
            let width = target.len() / token_pairs;
            let used = width.min(self.head_width - first);
            let pairs = first / 2..first / 2 + used / 2;
            for (k, row) in target.chunks_exact_mut(width).enumerate() {
                let upper = &self.data[2 * k * self.stride..][pairs.clone()];
                let (cells, _) = row.as_chunks_mut();
                if 2 * k + 1 < self.num_tokens {
                    let lower = &self.data[(2 * k + 1) * self.stride..][pairs.clone()];
                    interleave(upper, lower, cells);
                } else {
                    interleave(upper, &[0; LONGEST_ROW][..upper.len()], cells);
                }
                row[used..].fill(0);
            }
        }
    }
}

/// Pairs of a panel's row.
const LONGEST_ROW: usize = 32;

/// From pairs along two rows to pairs down their columns.
fn interleave(first: &[u32], second: &[u32], cells: &mut [[u32; 2]]) {
    for (cells, (a, b)) in cells.iter_mut().zip(first.iter().zip(second)) {
        *cells = [a & 0xffff | b << 16, a >> 16 | b & 0xffff_0000];
    }
}
