//! The search over β and λ for `ProKeR`: a β's kernels serve all its λ.

use rayon::prelude::*;

use super::counts::Axes;
use super::linear::matches;
use super::scene::Validation;
use crate::methods::keys::CHUNK;
use crate::methods::proker::{Problem, logits};
use crate::methods::{Knowledge, Method, MethodError};
use crate::progress::Progress;

/// Most numbers of solutions that are held at once: 256 MB.
const MOST_NUMBERS: usize = 1 << 26;

/// Rightly classified photos for every β and λ.
pub(super) fn count(
    method: Method,
    knowledge: &Knowledge<'_>,
    validation: &Validation<'_>,
    axes: &Axes,
    progress: &Progress<'_>,
) -> Result<Vec<u32>, MethodError> {
    let problem = Problem::new(method, knowledge)?;
    let probes = problem.probes(validation.queries)?;
    let ridge = problem.ridge();
    let original = validation.queries.original;
    let at_once = (MOST_NUMBERS / problem.num_numbers().max(1)).max(1);
    let mut counts = Vec::with_capacity(axes.len());
    for beta in &axes.betas {
        for lambdas in axes.thirds.chunks(at_once) {
            progress.step(counts.len(), axes.len())?;
            let solutions = ridge.solve_all(*beta, lambdas)?;
            let chunks: Result<Vec<Vec<u32>>, MethodError> = (0..original.len().div_ceil(CHUNK))
                .into_par_iter()
                .map(|chunk| {
                    progress.check()?;
                    let rows: Vec<usize> =
                        (chunk * CHUNK..original.len().min((chunk + 1) * CHUNK)).collect();
                    let kernel = problem.kernel(&probes.select(&rows), *beta);
                    let prior = problem.prior(&original.select(&rows));
                    let labels = &validation.labels[rows[0]..rows[0] + rows.len()];
                    let count = |solution| matches(&logits(&kernel, solution, &prior), labels);
                    Ok(solutions.iter().map(count).collect())
                })
                .collect();
            let mut totals = vec![0; lambdas.len()];
            for chunk in chunks? {
                totals
                    .iter_mut()
                    .zip(chunk)
                    .for_each(|(total, count)| *total += count);
            }
            counts.extend(totals);
        }
    }
    Ok(counts)
}
