//! Tuning with an adapter that some of the shots have trained: it has pulled those together, so none of them may judge.

use super::EngineError;
use crate::features::Features;
use crate::methods::grid::{self, Grid};
use crate::methods::{Knowledge, Method, Parameters, Queries};
use crate::progress::Progress;

/// Parameters of a ++ method that let the shots that trained the adapter classify the shots that did not (`unseen`, rows of the
/// support set); the method's defaults where all shots trained it, or none is left to be a key.
pub(super) fn tune_apart(
    method: Method,
    knowledge: &Knowledge<'_>,
    unseen: &[usize],
    progress: &Progress<'_>,
) -> Result<Parameters, EngineError> {
    let defaults = method.default_parameters();
    let support = knowledge.support;
    let keys: Vec<usize> = (0..support.len())
        .filter(|row| !shares_group(knowledge, *row, unseen))
        .collect();
    let Some(adapted) = knowledge
        .adapted_keys
        .filter(|_| !unseen.is_empty() && !keys.is_empty())
    else {
        return Ok(defaults);
    };
    let (support_apart, keys_apart) = (support.select(&keys), adapted.select(&keys));
    let (original, judged): (Features, Features) =
        (support.features().select(unseen), adapted.select(unseen));
    let labels: Vec<usize> = unseen.iter().map(|row| support.labels()[*row]).collect();
    let apart = Knowledge {
        support: &support_apart,
        adapted_keys: Some(&keys_apart),
        views: None,
        ..*knowledge
    };
    let queries = Queries {
        adapted: Some(&judged),
        ..Queries::new(&original)
    };
    let tuned = grid::tune(
        method,
        &defaults,
        &apart,
        queries,
        &labels,
        &Grid::imo(),
        progress,
    )?;
    Ok(tuned.parameters)
}

/// Whether a row is one of the unseen photos, or a copy or view of one.
fn shares_group(knowledge: &Knowledge<'_>, row: usize, unseen: &[usize]) -> bool {
    let groups = knowledge.support.groups();
    unseen.iter().any(|other| groups[*other] == groups[row])
}
