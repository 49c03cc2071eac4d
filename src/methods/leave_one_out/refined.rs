//! How wrong the texts are about every key on any choice of channels, from the products on one choice.

use crate::features::{Features, Matrix};
use crate::methods::lanes::{LANES, Lanes, exp};

/// Products of keys and texts on the channels of the whole support set, to be corrected for others.
pub(super) struct Refined<'a> {
    keys: &'a Matrix,
    /// `[dim, num_classes]`.
    text: Matrix,
    is_kept: Vec<bool>,
    /// `[num_keys, num_classes]`.
    products: Matrix,
    key_squares: Vec<f64>,
    text_squares: Vec<f64>,
}

impl<'a> Refined<'a> {
    pub(super) fn new(keys: &'a Matrix, text: &Features, channels: &[usize]) -> Self {
        let (few_keys, few_text) = (
            keys.select_cols(channels),
            text.matrix().select_cols(channels),
        );
        let squares = |matrix: &Matrix| {
            let square = |row: &[f32]| row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
            matrix.iter_rows().map(square).collect()
        };
        let mut is_kept = vec![false; keys.cols()];
        for channel in channels {
            is_kept[*channel] = true;
        }
        Self {
            keys,
            text: text.matrix().transposed(),
            is_kept,
            products: few_keys.times_transposed(&few_text),
            key_squares: squares(&few_keys),
            text_squares: squares(&few_text),
        }
    }

    /// `log2((1 + 1e-6) / (p + 1e-6))` of every key on these channels, p the share of its own class.
    pub(super) fn surprises(&self, channels: &[usize], labels: &[usize]) -> Vec<f32> {
        let mut changes = Vec::new();
        let mut is_new = vec![false; self.is_kept.len()];
        for channel in channels {
            is_new[*channel] = true;
        }
        for (channel, (is_kept, is_new)) in self.is_kept.iter().zip(is_new).enumerate() {
            if *is_kept != is_new {
                changes.push((channel, if is_new { 1.0 } else { -1.0 }));
            }
        }
        let mut text_squares = self.text_squares.clone();
        for (channel, sign) in &changes {
            for (square, x) in text_squares.iter_mut().zip(self.text.row(*channel)) {
                *square += f64::from(*sign) * f64::from(*x) * f64::from(*x);
            }
        }
        let inverse_lengths: Vec<f32> = text_squares
            .iter()
            .map(|square| (1.0 / square.max(1e-24).sqrt()) as f32)
            .collect();
        pulp::Arch::new().dispatch(Surprises {
            refined: self,
            changes: &changes,
            inverse_lengths: &inverse_lengths,
            labels,
        })
    }
}

struct Surprises<'a> {
    refined: &'a Refined<'a>,
    changes: &'a [(usize, f32)],
    inverse_lengths: &'a [f32],
    labels: &'a [usize],
}

impl pulp::WithSimd for Surprises<'_> {
    type Output = Vec<f32>;

    #[expect(
        clippy::inline_always,
        reason = "must be compiled with the instruction set that was dispatched to"
    )]
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Vec<f32> {
        let Self {
            refined,
            changes,
            inverse_lengths,
            labels,
        } = self;
        let mut cosines = vec![0.0; inverse_lengths.len()];
        let mut surprises = Vec::with_capacity(labels.len());
        for (key, label) in labels.iter().enumerate() {
            cosines.copy_from_slice(refined.products.row(key));
            let mut square = refined.key_squares[key];
            for (channel, sign) in changes {
                let x = refined.keys.row(key)[*channel];
                square += f64::from(*sign) * f64::from(x) * f64::from(x);
                let weight = sign * x;
                for (cosine, text) in cosines.iter_mut().zip(refined.text.row(*channel)) {
                    *cosine += weight * text;
                }
            }
            let inverse = (1.0 / square.max(1e-24).sqrt()) as f32;
            for (cosine, inverse_text) in cosines.iter_mut().zip(inverse_lengths) {
                *cosine *= inverse * inverse_text;
            }
            let own = cosines[*label].exp() / sum_of_exp(&cosines);
            surprises.push(((1.0 + 1e-6) / (own + 1e-6)).log2());
        }
        surprises
    }
}

/// `Σ exp(x)`.
#[expect(
    clippy::inline_always,
    reason = "must be compiled with the instruction set that was dispatched to"
)]
#[inline(always)]
fn sum_of_exp(numbers: &[f32]) -> f32 {
    let mut totals: Lanes = [0.0; LANES];
    let (whole, rest) = numbers.as_chunks::<LANES>();
    for numbers in whole {
        let powers = exp(numbers);
        for lane in 0..LANES {
            totals[lane] += powers[lane];
        }
    }
    totals.iter().sum::<f32>() + rest.iter().map(|x| x.exp()).sum::<f32>()
}
