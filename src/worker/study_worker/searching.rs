//! A plain search on validation photos for methods whose authors published no grid: every combination is fitted.

use super::ValidateJob;
use crate::methods::grid::Tuned;
use crate::methods::leave_one_out::{alpha_grid, beta_grid};
use crate::methods::surface::Surface;
use crate::methods::{self, Method, MethodError, Parameter, Parameters};
use crate::progress::Progress;

/// Values of γ that are tried between the ends of its range.
const NUM_GAMMAS: u16 = 9;

/// The best of all combinations of the method's parameters, the first of equals.
pub(super) fn search(job: &ValidateJob, progress: &Progress<'_>) -> Result<Tuned, MethodError> {
    let values = |parameter, all: Vec<f32>, now: f32| {
        if job.method.parameters().contains(&parameter) {
            all
        } else {
            vec![now]
        }
    };
    let base = job.parameters;
    let alphas = values(Parameter::Alpha, alpha_grid(), base.alpha);
    let betas = values(Parameter::Beta, beta_grid(), base.beta);
    let gammas = values(Parameter::Gamma, gamma_grid(job.method), base.gamma);
    let total = alphas.len() * betas.len() * gammas.len();
    let mut surface = Surface {
        accuracies: vec![0.0; betas.len() * alphas.len()],
        thirds: Vec::new(),
        betas,
        alphas,
    };
    let mut thirds = vec![base.gamma; surface.accuracies.len()];
    let (mut best, mut done) = (None, 0);
    for (row, beta) in surface.betas.clone().into_iter().enumerate() {
        for gamma in gammas.iter().copied() {
            for (column, alpha) in surface.alphas.clone().into_iter().enumerate() {
                progress.step(done, total)?;
                done += 1;
                let parameters = Parameters {
                    alpha,
                    beta,
                    gamma,
                    ..base
                };
                let accuracy = accuracy(job, &parameters)?;
                let place = row * surface.alphas.len() + column;
                if accuracy as f32 > surface.accuracies[place] {
                    (surface.accuracies[place], thirds[place]) = (accuracy as f32, gamma);
                }
                if best.is_none_or(|(most, _)| accuracy > most) {
                    best = Some((accuracy, parameters));
                }
            }
        }
    }
    if gammas.len() > 1 {
        surface.thirds = thirds;
    }
    let (accuracy, parameters) = best.unwrap_or((0.0, base));
    Ok(Tuned {
        parameters,
        accuracy,
        num_combinations: total,
        surface,
    })
}

fn gamma_grid(method: Method) -> Vec<f32> {
    let Some(range) = method.range(Parameter::Gamma) else {
        return Vec::new();
    };
    let share = |step: u16| f32::from(step) / f32::from(NUM_GAMMAS - 1);
    let at = |share: f32| {
        if range.is_logarithmic {
            range.min * (range.max / range.min).powf(share)
        } else {
            range.min + (range.max - range.min) * share
        }
    };
    (0..NUM_GAMMAS).map(|step| at(share(step))).collect()
}

/// Share of the photos that are right, percent.
fn accuracy(job: &ValidateJob, parameters: &Parameters) -> Result<f64, MethodError> {
    let classifier = methods::fit(job.method, parameters, &job.lesson.knowledge())?;
    let classes = classifier.logits(job.test.queries())?.top_classes();
    let num_right = job.test.num_right(&classes);
    Ok(100.0 * num_right as f64 / job.test.labels.len().max(1) as f64)
}
