//! The inner loops of training: exponentials, sums by class and the cross-entropy with its derivative.

use pulp::Arch;
use rayon::prelude::*;

use super::super::lanes::{LANES, exp};
use crate::features::Matrix;

/// Numbers that one thread takes at a time.
const CHUNK: usize = 1 << 13;

/// Makes `exp(scale · x + shift)` of every number.
pub(super) fn exp_all(values: &mut [f32], scale: f32, shift: f32) {
    values.par_chunks_mut(CHUNK).for_each(|values| {
        Arch::new().dispatch(Exponentials {
            values,
            scale,
            shift,
        });
    });
}

struct Exponentials<'a> {
    values: &'a mut [f32],
    scale: f32,
    shift: f32,
}

impl pulp::WithSimd for Exponentials<'_> {
    type Output = ();

    #[expect(
        clippy::inline_always,
        reason = "kernels must be compiled with the instruction set that was dispatched to"
    )]
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for values in self.values.chunks_mut(LANES) {
            let mut lanes = [0.0; LANES];
            for (lane, x) in lanes.iter_mut().zip(&*values) {
                *lane = self.scale * x + self.shift;
            }
            values.copy_from_slice(&exp(&lanes)[..values.len()]);
        }
    }
}

/// Applies `each(row of left, row of right)` to all rows of two matrices with equally many, in parallel.
pub(super) fn zip_rows(
    left: &mut Matrix,
    right: &Matrix,
    each: impl Fn(&mut [f32], &[f32]) + Sync,
) {
    let (cols, other_cols) = (left.cols().max(1), right.cols().max(1));
    left.as_mut_slice()
        .par_chunks_mut(cols)
        .zip(right.as_slice().par_chunks(other_cols))
        .with_min_len(8)
        .for_each(|(left, right)| each(left, right));
}

/// `logits[i, labels[j]] += weights[j] · affinities[i, j]` for all keys j.
pub(super) fn add_votes(
    logits: &mut Matrix,
    affinities: &Matrix,
    labels: &[usize],
    weights: &[f32],
) {
    zip_rows(logits, affinities, |logits, affinities| {
        for ((affinity, label), weight) in affinities.iter().zip(labels).zip(weights) {
            logits[*label] += weight * affinity;
        }
    });
}

/// Returns `share · Σ -ln softmax(logits)[label]` and leaves its derivative in `logits`; no number where a logit is none.
pub(super) fn cross_entropy(logits: &mut Matrix, labels: &[usize], share: f32) -> f32 {
    let cols = logits.cols().max(1);
    let losses: Vec<f64> = logits
        .as_mut_slice()
        .par_chunks_mut(cols)
        .zip(labels)
        .with_min_len(8)
        .map(|(row, label)| loss_of_row(row, *label, share))
        .collect();
    (losses.iter().sum::<f64>() * f64::from(share)) as f32
}

fn loss_of_row(row: &mut [f32], label: usize, share: f32) -> f64 {
    if row.iter().any(|x| !x.is_finite()) {
        return f64::NAN;
    }
    let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let own = row[label];
    exp_all(row, 1.0, -highest);
    let total: f32 = row.iter().sum();
    let scale = share / total;
    for x in &mut *row {
        *x *= scale;
    }
    row[label] -= share;
    f64::from(total).ln() + f64::from(highest - own)
}
