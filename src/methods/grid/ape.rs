//! The search over α, β and γ for APE: γ weighs the keys, so all γ share the affinities of a β.

use super::cache::{Rounding, runs};
use super::counts::Axes;
use super::scene::Validation;
use crate::methods::ape::Ape;
use crate::methods::lanes::{LANES, Lanes};
use crate::methods::lines::{Contest, count_on_lines, magnitudes, margins};
use crate::methods::weighted_sums::{Weights, affinities, multiply};
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
    let fitted = Ape::fit(method, parameters, knowledge)?;
    let (keys, surprises) = (fitted.keys(), fitted.surprises());
    let probes = fitted.refine_probes(validation.queries)?;
    let log_weights: Vec<Vec<f32>> = axes
        .thirds
        .iter()
        .map(|gamma| surprises.iter().map(|surprise| gamma * surprise).collect())
        .collect();
    let weights = Weights::new(axes.thirds.len(), surprises.len(), |gamma, key| {
        f64::from(log_weights[gamma][key]).exp() as f32
    });
    let heaviest = log_weights
        .iter()
        .flatten()
        .fold(0.0, |heaviest, weight| weight.abs().max(heaviest));
    let rounding = Rounding::of(keys, heaviest);
    let num_classes = keys.num_classes();
    validation.count(keys, &probes, axes, progress, |judged, counts| {
        let block = &judged.block;
        let mut sums = vec![[0.0; LANES]; weights.len() * num_classes];
        each_beta(&block.cosines, &axes.betas, |beta_index, votes| {
            let beta = axes.betas[beta_index];
            weights.class_sums(votes, &keys.ends, &mut sums);
            for (gamma_index, sums) in sums.chunks_exact(num_classes).enumerate() {
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
                let counts = counts.line(beta_index * weights.len() + gamma_index);
                count_on_lines(&contest, judged.alphas, counts, |class, lane, alpha| {
                    let log_weights = &log_weights[gamma_index];
                    let sum = keys.class_sum(block, log_weights, beta, (class, lane));
                    block.zero_shot[class][lane] + alpha * sum
                });
            }
        });
    })
}

/// Affinities of every key at every β: `each(index of β, affinities)`; evenly spaced ones by multiplication.
fn each_beta(cosines: &[Lanes], betas: &[f32], mut each: impl FnMut(usize, &[Lanes])) {
    let mut votes = vec![[0.0; LANES]; cosines.len()];
    let mut factors = votes.clone();
    let mut factors_step = None;
    for run in runs(betas) {
        affinities(cosines, betas[run.first], &mut votes);
        each(run.first, &votes);
        let Some(step) = run.step else {
            continue;
        };
        if factors_step != Some(step) {
            affinities(cosines, step, &mut factors);
            factors_step = Some(step);
        }
        for index in run.first + 1..run.first + run.len {
            multiply(&mut votes, &factors);
            each(index, &votes);
        }
    }
}
