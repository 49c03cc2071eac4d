//! Class texts with learned context, for comparing `CoOp` with other methods.

use super::coop::CoOpOptions;
use super::{Engine, EngineError};
use crate::features::Features;
use crate::methods::Parameters;
use crate::progress::Progress;
use crate::support::SupportSet;

/// Class texts `[num_classes, dim]` that `CoOp` learns from `views`, or from `support` where there are none.
///
/// `parameters` may bring epochs, step size and seed of their own.
pub fn learned_text(
    engine: &Engine,
    classes: &[String],
    support: &SupportSet,
    views: Option<&SupportSet>,
    parameters: &Parameters,
    progress: &Progress<'_>,
) -> Result<Features, EngineError> {
    let defaults = CoOpOptions::default();
    let options = CoOpOptions {
        epochs: parameters.epochs,
        learning_rate: parameters
            .learning_rate
            .map_or(defaults.learning_rate, f64::from),
        seed: parameters.seed,
        ..defaults
    };
    let rows = views.unwrap_or(support);
    Ok(engine
        .learn_context(classes, rows, &options, progress, &mut |_| ())?
        .text)
}
