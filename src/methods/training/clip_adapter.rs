//! CLIP-Adapter (IJCV 2024; gaopengcuhk/CLIP-Adapter at 08d07f8b): a bottleneck on the image feature, mixed with it.
//!
//! `a = relu(relu(x · Dᵀ) · Uᵀ)`, D `[dim / 4, dim]`, U `[dim, dim / 4]`, both without bias;
//! `z = α a + (1 - α) x`, `logits = 100 · z / ‖z‖ · Wᵀ`. Of unit features rather than raw ones, which gives the same: the
//! bottleneck scales with its input. SGD as in `CoOp`'s trainer, into which the authors' code goes: momentum 0.9, L2 5e-4.

use super::super::{Knowledge, LOGIT_SCALE, Parameters};
use super::descent::Start;
use super::kernels::{cross_entropy, zip_rows};
use super::optimiser::{Rule, Update};
use super::{Model, scaled};
use crate::features::Matrix;
use crate::support::random::Random;

/// A bottleneck on its way.
#[derive(Clone)]
pub(super) struct ClipAdapter {
    /// Class texts times 100; they count in any case, as there is nothing else to compare with.
    text: Matrix,
    down: Matrix,
    up: Matrix,
    /// α, the share of the adapted feature.
    share: f32,
}

pub(super) fn start(
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    learning_rate: f32,
) -> Start<ClipAdapter> {
    let dim = knowledge.text.dim();
    let width = (dim / 4).max(1);
    let mut random = Random::new(parameters.seed);
    let model = ClipAdapter {
        text: scaled(knowledge.text.matrix(), LOGIT_SCALE),
        down: linear(&mut random, width, dim),
        up: linear(&mut random, dim, width),
        share: parameters.alpha,
    };
    let update = Update::Sgd {
        momentum: 0.9,
        l2: 5e-4,
    };
    let rule = Rule {
        update,
        learning_rate,
        every: 1,
    };
    Start {
        model,
        rules: vec![rule; 2],
    }
}

/// `PyTorch`'s first weights of a linear layer: even between -1/√cols and 1/√cols, row by row, of the upper 24 bits of each
/// random number.
fn linear(random: &mut Random, rows: usize, cols: usize) -> Matrix {
    let bound = 1.0 / (cols as f32).sqrt();
    Matrix::from_fn(rows, cols, |_, _| {
        bound * (2.0 * (random.next_u64() >> 40) as f32 / (1_u32 << 24) as f32 - 1.0)
    })
}

/// What a pass forward leaves for the pass back.
struct Forward {
    /// `relu(x · Dᵀ)`.
    hidden: Matrix,
    /// `a`.
    adapted: Matrix,
    /// `z / ‖z‖`.
    mixed: Matrix,
    /// `‖z‖`, `[n, 1]`.
    lengths: Matrix,
    logits: Matrix,
}

impl ClipAdapter {
    fn forward(&self, rows: &Matrix) -> Forward {
        let hidden = relu(rows.times_transposed(&self.down));
        let adapted = relu(hidden.times_transposed(&self.up));
        let mut mixed = scaled(&adapted, self.share);
        zip_rows(&mut mixed, rows, |mixed, row| {
            for (z, x) in mixed.iter_mut().zip(row) {
                *z += (1.0 - self.share) * x;
            }
        });
        // A bottleneck whose outputs are all cut off leaves no direction at α = 1; its logits are then 0.
        let length = |row: &[f32]| row.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
        let lengths: Vec<f32> = mixed.iter_rows().map(length).collect();
        let lengths = Matrix::from_fn(rows.rows(), 1, |row, _| lengths[row]);
        zip_rows(&mut mixed, &lengths, |mixed, length| {
            for z in mixed {
                *z /= length[0];
            }
        });
        Forward {
            logits: mixed.times_transposed(&self.text),
            hidden,
            adapted,
            mixed,
            lengths,
        }
    }
}

impl Model for ClipAdapter {
    fn weights(&mut self) -> Vec<&mut Matrix> {
        vec![&mut self.down, &mut self.up]
    }

    fn logits(&self, rows: &Matrix) -> Matrix {
        self.forward(rows).logits
    }

    fn gradients(&self, rows: &Matrix, labels: &[usize], share: f32) -> (f32, Vec<Matrix>) {
        let Forward {
            hidden,
            adapted,
            mixed,
            lengths,
            mut logits,
        } = self.forward(rows);
        let loss = cross_entropy(&mut logits, labels, share);
        let mut by_mixed = logits.times(&self.text);
        through_length(&mut by_mixed, &mixed);
        zip_rows(&mut by_mixed, &lengths, |derivative, length| {
            let factor = self.share / length[0];
            for x in derivative {
                *x *= factor;
            }
        });
        let by_adapted = through_relu(by_mixed, &adapted);
        let by_hidden = through_relu(by_adapted.times(&self.up), &hidden);
        let (down, up) = (
            by_hidden.transposed_times(rows),
            by_adapted.transposed_times(&hidden),
        );
        (loss, vec![down, up])
    }
}

/// Takes off what points along the unit rows: `d - u (u · d)`, the derivative by a vector scaled to unit length, but for
/// the division by its length.
pub(super) fn through_length(derivative: &mut Matrix, unit_rows: &Matrix) {
    zip_rows(derivative, unit_rows, |derivative, unit| {
        let along: f32 = derivative.iter().zip(unit).map(|(x, u)| x * u).sum();
        for (x, u) in derivative.iter_mut().zip(unit) {
            *x -= along * u;
        }
    });
}

fn relu(mut matrix: Matrix) -> Matrix {
    let numbers = matrix.as_mut_slice().iter_mut();
    numbers.for_each(|x| *x = x.max(0.0));
    matrix
}

/// Zero where the output of the `relu` was zero.
fn through_relu(mut derivative: Matrix, output: &Matrix) -> Matrix {
    let numbers = derivative.as_mut_slice().iter_mut();
    for (x, output) in numbers.zip(output.as_slice()) {
        if *output <= 0.0 {
            *x = 0.0;
        }
    }
    derivative
}
