//! Tuning with an adapter that some of the shots have trained: it has pulled those together, so none of them may judge.

use crate::features::Features;
use crate::methods::grid::{self, Grid};
use crate::methods::{Knowledge, Method, MethodError, Parameters, Queries};
use crate::progress::Progress;

/// Parameters of a ++ method that let the shots that trained the adapter classify the shots that did not (`unseen`, rows of the
/// support set); `defaults` where all shots trained it, or none is left to be a key.
pub(super) fn tune_apart(
    method: Method,
    defaults: Parameters,
    knowledge: &Knowledge<'_>,
    unseen: &[usize],
    progress: &Progress<'_>,
) -> Result<Parameters, MethodError> {
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
        &Grid::of(method),
        progress,
    )?;
    Ok(tuned.parameters)
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
    use crate::support::SupportSet;

    fn features(rows: &[[f32; 2]]) -> Features {
        Features::normalized(Matrix::from_rows(2, rows.iter().map(<[f32; 2]>::as_slice)).unwrap())
            .unwrap()
    }

    /// Four shots that trained the adapter, pulled together by it, and two that did not, which it confuses.
    fn tuned(unseen: &[usize]) -> Parameters {
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
        let knowledge = Knowledge::new(&support, &text).with_adapted_keys(Some(&adapted));
        tune_apart(
            Method::TipAdapterPp,
            Parameters::default(),
            &knowledge,
            unseen,
            &Progress::silent(),
        )
        .unwrap()
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
