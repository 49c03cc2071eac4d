//! Tuning with an adapter that some of the shots have trained: it has pulled those together, so none of them may judge.

use crate::features::{Features, Logits};
use crate::methods::grid::{self, Grid, Tuned};
use crate::methods::leave_one_out::held_out;
use crate::methods::{
    self, HeldOut, Knowledge, LeaveOneOut, Method, MethodError, Parameters, Queries,
    tune_on_support,
};
use crate::progress::Progress;
use crate::support::SupportSet;

/// Parameters of a ++ method that let the shots that trained the adapter classify the shots that did not (`unseen`, rows of the
/// support set); `defaults` where all shots trained it, or none is left to be a key.
pub(super) fn tune_apart(
    method: Method,
    defaults: Parameters,
    knowledge: &Knowledge<'_>,
    unseen: &[usize],
    progress: &Progress<'_>,
) -> Result<Parameters, MethodError> {
    let apart = Apart::new(knowledge, unseen);
    Ok(apart
        .map(|apart| apart.tuned(method, &defaults, progress))
        .transpose()?
        .map_or(defaults, |tuned| tuned.parameters))
}

/// What the shots say of `method`, at `parameters` or (`tunes`) at the best, each judged by others: left out one at a time, or
/// where the method's adapter was trained on some of them (all but `unseen`), by those.
///
/// # Errors
/// As [`tune_on_support`].
pub fn judge_shots(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    unseen: Option<&[usize]>,
    tunes: bool,
    progress: &Progress<'_>,
) -> Result<LeaveOneOut, MethodError> {
    match unseen {
        Some(unseen) if method.needs_adapter() => {
            judge_apart(method, parameters, knowledge, unseen, tunes, progress)
        }
        _ if tunes => tune_on_support(method, parameters, knowledge, progress),
        _ => {
            let held_out = held_out(method, parameters, knowledge, progress)?;
            Ok(LeaveOneOut {
                accuracy: held_out.accuracy(),
                num_judged: held_out.labels.len(),
                held_out,
                ..LeaveOneOut::untuned(parameters)
            })
        }
    }
}

/// The same with all that is told of leaving shots out: what the shots that trained the adapter give the ones that did not, at
/// `parameters`, or (`tunes`) at the best. Nothing is judged where all shots trained it, or none is left to be a key.
///
/// # Errors
/// As [`crate::methods::tune_on_support`].
fn judge_apart(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    unseen: &[usize],
    tunes: bool,
    progress: &Progress<'_>,
) -> Result<LeaveOneOut, MethodError> {
    let Some(apart) = Apart::new(knowledge, unseen) else {
        return Ok(LeaveOneOut::untuned(parameters));
    };
    let mut judged = LeaveOneOut::untuned(parameters);
    if tunes && !method.parameters().is_empty() {
        let tuned = apart.tuned(method, parameters, progress)?;
        judged.parameters = tuned.parameters;
        judged.num_combinations = tuned.num_combinations;
        judged.surface = Some(tuned.surface);
        judged.is_tuned = true;
    }
    let zero_shot = apart.logits(Method::ZeroShot, &Parameters::default())?;
    judged.zero_shot_accuracy = apart.held_out(zero_shot).accuracy();
    judged.held_out = apart.held_out(apart.logits(method, &judged.parameters)?);
    judged.accuracy = judged.held_out.accuracy();
    judged.num_judged = unseen.len();
    Ok(judged)
}

/// A support set in two parts: keys that trained the adapter, and photos that did not and judge.
struct Apart<'a> {
    knowledge: &'a Knowledge<'a>,
    support: SupportSet,
    keys: Features,
    original: Features,
    adapted: Features,
    labels: Vec<usize>,
}

impl<'a> Apart<'a> {
    /// `None` where there is nobody to judge, or no key.
    fn new(knowledge: &'a Knowledge<'a>, unseen: &[usize]) -> Option<Self> {
        let support = knowledge.support;
        let keys: Vec<usize> = (0..support.len())
            .filter(|row| !shares_group(knowledge, *row, unseen))
            .collect();
        let adapted = knowledge
            .adapted_keys
            .filter(|_| !unseen.is_empty() && !keys.is_empty())?;
        Some(Self {
            knowledge,
            support: support.select(&keys),
            keys: adapted.select(&keys),
            original: support.features().select(unseen),
            adapted: adapted.select(unseen),
            labels: unseen.iter().map(|row| support.labels()[*row]).collect(),
        })
    }

    fn knowledge(&self) -> Knowledge<'_> {
        Knowledge {
            support: &self.support,
            adapted_keys: Some(&self.keys),
            views: None,
            ..*self.knowledge
        }
    }

    fn queries(&self) -> Queries<'_> {
        Queries {
            adapted: Some(&self.adapted),
            ..Queries::new(&self.original)
        }
    }

    fn tuned(
        &self,
        method: Method,
        defaults: &Parameters,
        progress: &Progress<'_>,
    ) -> Result<Tuned, MethodError> {
        let (knowledge, grid) = (self.knowledge(), Grid::of(method));
        let (queries, labels) = (self.queries(), &self.labels);
        grid::tune(
            method, defaults, &knowledge, queries, labels, &grid, progress,
        )
    }

    fn logits(&self, method: Method, parameters: &Parameters) -> Result<Logits, MethodError> {
        methods::fit(method, parameters, &self.knowledge())?.logits(self.queries())
    }

    /// Without rows: what a slider changes is not followed for single shots.
    fn held_out(&self, logits: Logits) -> HeldOut {
        HeldOut {
            labels: self.labels.clone(),
            logits,
            ..HeldOut::default()
        }
    }
}

/// Whether a row is one of the unseen photos, or a copy or view of one.
fn shares_group(knowledge: &Knowledge<'_>, row: usize, unseen: &[usize]) -> bool {
    let groups = knowledge.support.groups();
    unseen.iter().any(|other| groups[*other] == groups[row])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Matrix;

    fn features(rows: &[[f32; 2]]) -> Features {
        Features::normalized(Matrix::from_rows(2, rows.iter().map(<[f32; 2]>::as_slice)).unwrap())
            .unwrap()
    }

    /// Four shots that trained the adapter, pulled together by it, and two that did not, which it confuses.
    fn with_scene<T>(look: impl Fn(&Knowledge<'_>) -> T) -> T {
        let original = features(&[
            [1.0, 0.1],
            [1.0, 0.0],
            [0.1, 1.0],
            [0.0, 1.0],
            [1.0, 0.2],
            [0.2, 1.0],
        ]);
        let adapted = features(&[
            [1.0, 0.0],
            [1.0, 0.0],
            [0.0, 1.0],
            [0.0, 1.0],
            [0.0, 1.0],
            [1.0, 0.0],
        ]);
        let text = features(&[[1.0, 0.9], [0.9, 1.0]]);
        let support =
            SupportSet::new(original, vec![0, 0, 1, 1, 0, 1], 2, (0..6).collect()).unwrap();
        look(&Knowledge::new(&support, &text).with_adapted_keys(Some(&adapted)))
    }

    fn tuned(unseen: &[usize]) -> Parameters {
        let (method, defaults) = (Method::TipAdapterPp, Parameters::default());
        with_scene(|knowledge| {
            tune_apart(method, defaults, knowledge, unseen, &Progress::silent()).unwrap()
        })
    }

    fn judged(unseen: &[usize], tunes: bool) -> LeaveOneOut {
        let (method, parameters) = (
            Method::TipAdapterPp,
            Parameters {
                alpha: 20.0,
                ..Parameters::default()
            },
        );
        with_scene(|knowledge| {
            judge_apart(
                method,
                &parameters,
                knowledge,
                unseen,
                tunes,
                &Progress::silent(),
            )
            .unwrap()
        })
    }

    #[test]
    fn what_is_told_is_of_the_photos_apart_at_the_parameters_in_use() {
        // At α = 20 the misled votes win; tuned, the texts do.
        let fixed = judged(&[4, 5], false);
        assert_eq!((fixed.accuracy, fixed.is_tuned), (Some(0.0), false));
        let best = judged(&[4, 5], true);
        assert_eq!((best.accuracy, best.is_tuned), (Some(100.0), true));
        assert_eq!(best.parameters, tuned(&[4, 5]));
        assert_eq!(best.zero_shot_accuracy, Some(100.0));
        assert_eq!(judged(&[], true).accuracy, None);
    }

    #[test]
    fn only_shots_that_did_not_train_the_adapter_judge() {
        // They are right by the texts alone, and the trained shots' votes only mislead them.
        assert!(tuned(&[4, 5]).alpha < 0.2, "{:?}", tuned(&[4, 5]));
    }

    #[test]
    fn where_all_shots_trained_it_the_defaults_stay() {
        assert_eq!(tuned(&[]), Parameters::default());
    }
}
