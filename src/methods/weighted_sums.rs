//! Class sums for several weights of every key at once: what APE's search needs for all its γ.
//!
//! Weights do not depend on the query and affinities not on γ, so 20 values of γ share every exponential. Affinities are
//! kept between evenly spaced β and only multiplied.

#![expect(
    clippy::inline_always,
    reason = "kernels must be compiled with the instruction set that was dispatched to"
)]

use super::lanes::{LANES, Lanes, exp};

/// Weights taken at once: five sums fit into the registers of AVX2, and 5 and 20 are APE's numbers of γ.
const TILE: usize = 5;

/// Several non-negative weights for each key.
pub(crate) struct Weights {
    /// `[num_tiles, num_keys]`.
    tiles: Vec<Vec<[f32; TILE]>>,
    count: usize,
}

impl Weights {
    /// `weight(index, key)` for `count` weights of `num_keys` keys.
    pub(crate) fn new(count: usize, num_keys: usize, weight: impl Fn(usize, usize) -> f32) -> Self {
        let of_key = |tile: usize, key: usize| {
            std::array::from_fn(|place| {
                let index = tile * TILE + place;
                if index < count {
                    weight(index, key)
                } else {
                    0.0
                }
            })
        };
        let tiles = (0..count.div_ceil(TILE))
            .map(|tile| (0..num_keys).map(|key| of_key(tile, key)).collect())
            .collect();
        Self { tiles, count }
    }

    /// Number of weights for each key.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Sums over every class, `[self.len(), num_classes]` weight by weight; `affinities` `[num_keys]`, keys sorted by class.
    pub(crate) fn class_sums(&self, affinities: &[Lanes], ends: &[usize], sums: &mut [Lanes]) {
        for (tile, sums) in self.tiles.iter().zip(sums.chunks_mut(TILE * ends.len())) {
            pulp::Arch::new().dispatch(TileSums {
                affinities,
                weights: tile,
                ends,
                sums,
            });
        }
    }
}

struct TileSums<'a> {
    affinities: &'a [Lanes],
    weights: &'a [[f32; TILE]],
    ends: &'a [usize],
    /// `[up to TILE, num_classes]`.
    sums: &'a mut [Lanes],
}

impl pulp::WithSimd for TileSums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let num_classes = self.ends.len();
        let mut start = 0;
        for (class, end) in self.ends.iter().enumerate() {
            let mut totals = [[0.0; LANES]; TILE];
            let keys = self.affinities[start..*end]
                .iter()
                .zip(&self.weights[start..*end]);
            for (affinity, weights) in keys {
                for (total, weight) in totals.iter_mut().zip(weights) {
                    for lane in 0..LANES {
                        total[lane] += weight * affinity[lane];
                    }
                }
            }
            let rows = self.sums.chunks_mut(num_classes);
            for (row, total) in rows.zip(&totals) {
                row[class] = *total;
            }
            start = *end;
        }
    }
}

/// `exp(β (cosine - 1))` of every key.
pub(crate) fn affinities(cosines: &[Lanes], beta: f32, out: &mut [Lanes]) {
    pulp::Arch::new().dispatch(Affinities { cosines, beta, out });
}

struct Affinities<'a> {
    cosines: &'a [Lanes],
    beta: f32,
    out: &'a mut [Lanes],
}

impl pulp::WithSimd for Affinities<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for (out, cosine) in self.out.iter_mut().zip(self.cosines) {
            let mut argument = [0.0; LANES];
            for lane in 0..LANES {
                argument[lane] = self.beta * (cosine[lane] - 1.0);
            }
            *out = exp(&argument);
        }
    }
}

/// Multiplies every number by that at the same place in `factors`.
pub(crate) fn multiply(numbers: &mut [Lanes], factors: &[Lanes]) {
    pulp::Arch::new().dispatch(Multiply { numbers, factors });
}

struct Multiply<'a> {
    numbers: &'a mut [Lanes],
    factors: &'a [Lanes],
}

impl pulp::WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for (numbers, factors) in self.numbers.iter_mut().zip(self.factors) {
            for lane in 0..LANES {
                numbers[lane] *= factors[lane];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::lanes::class_sums;

    #[test]
    fn sums_for_seven_weights_equal_seven_sums() {
        let cosines: Vec<Lanes> = (0..9)
            .map(|key| std::array::from_fn(|lane| ((key * 16 + lane) as f32 * 0.7).sin()))
            .collect();
        let (ends, beta) = ([4, 4, 9], 3.0);
        let log_weight = |index: usize, key: usize| 0.1 * index as f32 * (key % 4) as f32;
        let weights = Weights::new(7, 9, |index, key| log_weight(index, key).exp());
        let mut votes = vec![[0.0; LANES]; 9];
        affinities(&cosines, 2.5, &mut votes);
        let mut factors = votes.clone();
        affinities(&cosines, beta - 2.5, &mut factors);
        multiply(&mut votes, &factors);
        let mut together = vec![[0.0; LANES]; weights.len() * 3];
        weights.class_sums(&votes, &ends, &mut together);
        for (index, together) in together.chunks(3).enumerate() {
            let log_weights: Vec<f32> = (0..9).map(|key| log_weight(index, key)).collect();
            let mut alone = [[0.0; LANES]; 3];
            class_sums(&cosines, &log_weights, &ends, beta, &mut alone);
            for (together, alone) in together.as_flattened().iter().zip(alone.as_flattened()) {
                assert!(
                    (together - alone).abs() <= 2e-6 * alone,
                    "{together} {alone}"
                );
            }
        }
    }
}
