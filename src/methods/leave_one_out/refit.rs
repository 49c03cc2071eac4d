//! Methods without a closed form: fitted anew for every fold.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::given::Given;
use super::parts::Parts;
use super::space::Space;
use crate::features::{Features, Matrix};
use crate::methods::{
    Knowledge, Method, MethodError, Monitor, Parameters, Queries, TrainStep, Views, fit_watched,
};
use crate::progress::Progress;
use crate::support::SupportSet;

/// Every photo under the method fitted to the other folds at `parameters`; the space only weighs what was fitted.
pub(super) fn judge<'a>(
    method: Method,
    parameters: &Parameters,
    space: &Space,
    knowledge: &Knowledge<'a>,
    progress: &Progress<'_>,
) -> Result<Given<'a>, MethodError> {
    let parts = Parts::folds(knowledge.support);
    let mut given = Given::zero_shot(knowledge, &parts);
    let nothing = given.terms[0].clone();
    given.terms = vec![nothing.clone(); space.settings.len()];
    given.bases = vec![nothing; space.settings.len()];
    let finished = AtomicUsize::new(0);
    let report = |step: TrainStep| {
        let done = finished.fetch_add(1, Ordering::Relaxed) + 1;
        progress.report(done.min(parts.len() * step.total), parts.len() * step.total);
    };
    let monitor = Monitor::new(&report, progress.cancel_token());
    let folds: Result<Vec<Option<Terms>>, MethodError> = (0..parts.len())
        .into_par_iter()
        .map(|fold| {
            let terms = terms_of_fold(
                method,
                parameters,
                space,
                &Fold {
                    knowledge,
                    hidden: parts.rows_of(fold),
                    monitor: &monitor,
                },
            )?;
            // A training that was cancelled gives what it has.
            progress.check()?;
            Ok(terms)
        })
        .collect();
    for (fold, terms) in folds?.into_iter().enumerate() {
        let rows = parts.rows_of(fold);
        let Some(terms) = terms else {
            given.leave_out(rows);
            continue;
        };
        let (bases, terms): (Vec<Matrix>, Vec<Matrix>) = terms.into_iter().unzip();
        given.fill(rows, &bases, &terms);
    }
    Ok(given)
}

/// Base and term of the photos of a fold for every setting, `[num_photos, num_classes]` each.
type Terms = Vec<(Matrix, Matrix)>;

/// A fold, and who watches it being learnt without.
struct Fold<'a> {
    knowledge: &'a Knowledge<'a>,
    hidden: &'a [usize],
    monitor: &'a Monitor<'a>,
}

/// `None` where too little is left to fit.
fn terms_of_fold(
    method: Method,
    parameters: &Parameters,
    space: &Space,
    fold: &Fold<'_>,
) -> Result<Option<Terms>, MethodError> {
    let Fold {
        knowledge,
        hidden,
        monitor,
    } = fold;
    let rest = Rest::new(knowledge, hidden);
    let classifier = match fit_watched(method, parameters, &rest.knowledge(knowledge), monitor) {
        Ok(classifier) => classifier,
        Err(MethodError::TooFewShots { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let original = knowledge.support.features().select(hidden);
    let adapted = knowledge.adapted_keys.map(|keys| keys.select(hidden));
    let queries = Queries {
        adapted: adapted.as_ref(),
        ..Queries::new(&original)
    };
    let (readings, weighing) = (classifier.read(queries, &[])?, classifier.weighing());
    let terms = space.settings.iter().map(|parameters| {
        let mut bases = Matrix::zeros(hidden.len(), knowledge.support.num_classes());
        let mut terms = bases.clone();
        for (index, reading) in readings.iter().enumerate() {
            let (base, term) = weighing.split(reading, parameters);
            bases.row_mut(index).copy_from_slice(&base);
            terms.row_mut(index).copy_from_slice(&term);
        }
        (bases, terms)
    });
    Ok(Some(terms.collect()))
}

/// What is known without some rows and their views.
pub(super) struct Rest {
    support: SupportSet,
    adapted: Option<Features>,
    views: Option<(SupportSet, Option<Features>)>,
}

impl Rest {
    pub(super) fn new(knowledge: &Knowledge<'_>, hidden: &[usize]) -> Self {
        let groups = knowledge.support.groups();
        let hidden_groups: std::collections::HashSet<usize> =
            hidden.iter().map(|row| groups[*row]).collect();
        let rest = |groups: &[usize]| -> Vec<usize> {
            (0..groups.len())
                .filter(|row| !hidden_groups.contains(&groups[*row]))
                .collect()
        };
        let rows = rest(groups);
        Self {
            support: knowledge.support.select(&rows),
            adapted: knowledge.adapted_keys.map(|keys| keys.select(&rows)),
            views: knowledge.views.map(|views| {
                let rows = rest(views.original.groups());
                let adapted = views.adapted.map(|adapted| adapted.select(&rows));
                (views.original.select(&rows), adapted)
            }),
        }
    }

    /// The same texts, fewer photos.
    pub(super) fn knowledge<'b>(&'b self, all: &Knowledge<'b>) -> Knowledge<'b> {
        Knowledge {
            support: &self.support,
            adapted_keys: self.adapted.as_ref(),
            views: self.views.as_ref().map(|(original, adapted)| Views {
                original,
                adapted: adapted.as_ref(),
            }),
            ..*all
        }
    }
}
