//! The search over α and β for Tip-Adapter and whatever else is a cache of keys.

use super::counts::Axes;
use super::scene::Validation;
use crate::methods::MethodError;
use crate::methods::keys::Keys;
use crate::methods::lanes::{LANES, Lanes, STEPS, class_sums, stepped_class_sums};
use crate::methods::lines::{Contest, count_on_lines, magnitudes, margins};
use crate::progress::Progress;

/// Rightly classified photos for every combination.
pub(super) fn count(
    keys: &Keys,
    validation: &Validation<'_>,
    axes: &Axes,
    progress: &Progress<'_>,
) -> Result<Vec<u32>, MethodError> {
    let heaviest = keys.log_weights.iter();
    let heaviest = heaviest.fold(0.0, |heaviest, weight| weight.abs().max(heaviest));
    let rounding = Rounding::of(keys, heaviest);
    validation.count(keys, validation.probes, axes, progress, |judged, counts| {
        let block = &judged.block;
        each_beta(keys, &block.cosines, &axes.betas, |index, sums| {
            let beta = axes.betas[index];
            let contest = Contest {
                rivals: &judged.rivals,
                sums,
                own_base: judged.own_base,
                labels: &judged.labels,
                margins: margins(
                    &judged.magnitudes,
                    &magnitudes(sums),
                    judged.alphas,
                    rounding.of_sums(beta),
                ),
            };
            count_on_lines(
                &contest,
                judged.alphas,
                counts.line(index),
                |class, lane, alpha| {
                    let sum = keys.class_sum(block, &keys.log_weights, beta, (class, lane));
                    block.zero_shot[class][lane] + alpha * sum
                },
            );
        });
    })
}

/// Class sums at every β: `each(index of β, sums)`; evenly spaced ones eight at a time.
pub(super) fn each_beta(
    keys: &Keys,
    cosines: &[Lanes],
    betas: &[f32],
    mut each: impl FnMut(usize, &[Lanes]),
) {
    let num_classes = keys.num_classes();
    let mut sums = vec![[0.0; LANES]; STEPS * num_classes];
    for run in runs(betas) {
        let first = betas[run.first];
        if let Some(step) = run.step {
            stepped_class_sums(
                cosines,
                &keys.log_weights,
                &keys.ends,
                (first, step),
                &mut sums,
            );
        } else {
            let sums = &mut sums[..num_classes];
            class_sums(cosines, &keys.log_weights, &keys.ends, first, sums);
        }
        for (offset, sums) in sums
            .chunks_exact(num_classes.max(1))
            .take(run.len)
            .enumerate()
        {
            each(run.first + offset, sums);
        }
    }
}

/// Consecutive β that are taken together.
pub(super) struct Run {
    pub(super) first: usize,
    pub(super) len: usize,
    /// Their distance, where there are eight at the same.
    pub(super) step: Option<f32>,
}

/// Runs of [`STEPS`] evenly spaced values, single ones between.
pub(super) fn runs(betas: &[f32]) -> Vec<Run> {
    let (mut runs, mut first) = (Vec::new(), 0);
    while first < betas.len() {
        let step = even_step(&betas[first..betas.len().min(first + STEPS)]);
        let len = if step.is_some() { STEPS } else { 1 };
        runs.push(Run { first, len, step });
        first += len;
    }
    runs
}

/// The distance of eight evenly spaced values (up to their rounding); `None` for fewer or for others.
fn even_step(values: &[f32]) -> Option<f32> {
    let (first, last) = (*values.first()?, *values.last()?);
    let step = (last - first) / (STEPS - 1) as f32;
    let is_even = |(index, value): (usize, &f32)| {
        (value - (first + index as f32 * step)).abs() <= 2.0 * f32::EPSILON * last.abs()
    };
    (values.len() == STEPS && values.iter().enumerate().all(is_even)).then_some(step)
}

/// How far stepped or factored sums may be from the classifier's.
pub(super) struct Rounding {
    /// Largest `|cosine - 1|`.
    reach: f32,
    /// Independent of β.
    constant: f32,
}

impl Rounding {
    /// For these keys with logarithms of weights up to `heaviest`.
    ///
    /// Of a term: nine exponentials within 2e-7, the rounding of their arguments, of eight products and of the weight, and
    /// β values that are even only up to rounding. Of a sum: one rounding for each key, on both sides.
    pub(super) fn of(keys: &Keys, heaviest: f32) -> Self {
        let roundings = 16.0 + 2.0 * heaviest + 2.0 * keys.most_keys() as f32;
        Self {
            reach: 1.0 + keys.longest(),
            constant: 9.0 * 2e-7 + f32::EPSILON * roundings,
        }
    }

    /// As a share of the largest sum.
    pub(super) fn of_sums(&self, beta: f32) -> f32 {
        self.constant + f32::EPSILON * 8.0 * beta.abs() * self.reach
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::Method;
    use crate::methods::grid::NamedGrid;

    #[test]
    fn the_authors_betas_are_stepped_and_uneven_ones_are_not() {
        for grid in [NamedGrid::TipAdapter, NamedGrid::TipX, NamedGrid::Imo] {
            let betas = grid.values(Method::TipAdapter).betas;
            let stepped = runs(&betas).iter().filter(|run| run.step.is_some()).count();
            assert_eq!(stepped, betas.len() / STEPS, "{grid:?}");
        }
        assert_eq!(even_step(&[0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8]), None);
        let lengths: Vec<usize> = runs(&[1.0; 19]).iter().map(|run| run.len).collect();
        assert_eq!(lengths, [8, 8, 1, 1, 1]);
    }
}
