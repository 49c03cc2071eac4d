//! The search over α, β and γ for Tip-X: γ moves the bases of the lines, so one pass over the classes for every β and γ.

use super::cache::{Rounding, each_beta};
use super::counts::Axes;
use super::scene::{Judged, Validation};
use crate::methods::lanes::{LANES, Lanes, blend};
use crate::methods::lines::{Contest, count_on_lines, magnitudes, margins};
use crate::methods::tip_x::TipX;
use crate::methods::{Knowledge, Method, MethodError, Parameters};
use crate::progress::Progress;

/// Rightly classified photos for every combination.
pub(super) fn count(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    validation: &Validation<'_>,
    axes: &Axes,
    progress: &Progress<'_>,
) -> Result<Vec<u32>, MethodError> {
    let fitted = TipX::fit(method, parameters, knowledge)?;
    let scale = fitted.scale(validation.queries, progress)?;
    let keys = fitted.keys();
    let rounding = Rounding::of(keys, 0.0);
    validation.count(keys, validation.probes, axes, progress, |judged, counts| {
        let block = &judged.block;
        let penalties = fitted.penalties(validation.queries.original, block, &scale);
        let lines = Lines::new(judged, &penalties);
        let mut rivals = judged.rivals.clone();
        each_beta(keys, &block.cosines, &axes.betas, |beta_index, sums| {
            let beta = axes.betas[beta_index];
            let sum_sizes = magnitudes(sums);
            for (gamma_index, gamma) in axes.thirds.iter().enumerate() {
                blend(&judged.rivals, &penalties, -gamma, &mut rivals);
                let bases = lines.base_sizes(*gamma);
                let contest = Contest {
                    rivals: &rivals,
                    sums,
                    own_base: lines.own_bases(*gamma),
                    labels: &judged.labels,
                    margins: margins(&bases, &sum_sizes, judged.alphas, rounding.of_sums(beta)),
                };
                let counts = counts.line(beta_index * axes.thirds.len() + gamma_index);
                count_on_lines(&contest, judged.alphas, counts, |class, lane, alpha| {
                    let sum = keys.class_sum(block, &keys.log_weights, beta, (class, lane));
                    let cache = block.zero_shot[class][lane] + alpha * sum;
                    cache - gamma * penalties[class][lane]
                });
            }
        });
    })
}

/// What the third term does to a block's bases.
struct Lines<'a> {
    judged: &'a Judged<'a>,
    own_penalty: Lanes,
    penalty_sizes: Lanes,
}

impl<'a> Lines<'a> {
    fn new(judged: &'a Judged<'a>, penalties: &[Lanes]) -> Self {
        let own = |lane: usize| {
            let row = penalties.get(judged.labels[lane] as usize);
            row.map_or(0.0, |row| row[lane])
        };
        Self {
            judged,
            own_penalty: std::array::from_fn(own),
            penalty_sizes: magnitudes(penalties),
        }
    }

    fn own_bases(&self, gamma: f32) -> Lanes {
        std::array::from_fn(|lane| self.judged.own_base[lane] - gamma * self.own_penalty[lane])
    }

    /// Both parts by themselves, as both are rounded; `LANES` numbers.
    fn base_sizes(&self, gamma: f32) -> [f32; LANES] {
        std::array::from_fn(|lane| {
            self.judged.magnitudes[lane] + 2.0 * gamma.abs() * self.penalty_sizes[lane]
        })
    }
}
