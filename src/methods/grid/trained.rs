//! The search over α and β after a training that has left a cache: Tip-Adapter-F, APE-T.

use super::cache;
use super::counts::Axes;
use super::linear::matches;
use super::scene::Validation;
use crate::methods::keys::Keys;
use crate::methods::{Classifier, Method, MethodError, Parameters};
use crate::progress::Progress;

/// Rightly classified photos for every combination, up to rounding: training multiplies in another order.
pub(super) fn count(
    method: Method,
    fitted: &dyn Classifier,
    parameters: &Parameters,
    validation: &Validation<'_>,
    axes: &Axes,
    progress: &Progress<'_>,
) -> Result<Vec<u32>, MethodError> {
    match fitted.trained_cache().as_ref().and_then(Keys::of_trained) {
        Some(keys) => cache::count(&keys, validation, axes, progress),
        None => one_by_one(method, fitted, parameters, validation, axes, progress),
    }
}

/// For what is no cache of votes in favour: combination by combination.
fn one_by_one(
    method: Method,
    fitted: &dyn Classifier,
    parameters: &Parameters,
    validation: &Validation<'_>,
    axes: &Axes,
    progress: &Progress<'_>,
) -> Result<Vec<u32>, MethodError> {
    let count = |(step, place): (usize, [usize; 3])| {
        progress.step(step, axes.len())?;
        let moved = fitted
            .at(&axes.at(parameters, place))
            .ok_or(MethodError::FixedOnly { method })?;
        let logits = moved.predict(validation.queries, &Progress::silent())?;
        Ok(matches(&logits, validation.labels))
    };
    axes.places().enumerate().map(count).collect()
}
