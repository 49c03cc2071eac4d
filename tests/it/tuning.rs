//! Leave-one-out against naive loops in float64.

use shotlens::features::{Features, Logits, Matrix};
use shotlens::methods::leave_one_out::{alpha_grid, beta_grid, leave_one_out_logits};
use shotlens::methods::{Knowledge, Method, Parameters, tune_on_support};
use shotlens::progress::Progress;
use shotlens::support::SupportSet;

use crate::golden::{Golden, Scene, check_close};

/// Logits of row `row` from the rows of other groups, in float64, straight from the definition.
fn naive_leave_one_out(
    knowledge: &Knowledge<'_>,
    keys: &Features,
    row: usize,
    parameters: &Parameters,
) -> Vec<f64> {
    let dot = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum::<f64>()
    };
    let support = knowledge.support;
    let left: Vec<usize> = (0..support.len())
        .filter(|other| support.groups()[*other] != support.groups()[row])
        .collect();
    (0..support.num_classes())
        .map(|class| {
            let affinity = |key: &usize| {
                (-f64::from(parameters.beta) * (1.0 - dot(keys.row(row), keys.row(*key)))).exp()
            };
            let mut sum: f64 = left
                .iter()
                .filter(|key| support.labels()[**key] == class)
                .map(affinity)
                .sum();
            if class == support.labels()[row] {
                let count = |rows: &[usize]| {
                    rows.iter()
                        .filter(|key| support.labels()[**key] == class)
                        .count() as f64
                };
                sum *= count(&(0..support.len()).collect::<Vec<_>>()) / count(&left);
            }
            let text = if knowledge.use_class_names {
                100.0 * dot(support.features().row(row), knowledge.text.row(class))
            } else {
                0.0
            };
            text + f64::from(parameters.alpha) * sum
        })
        .collect()
}

/// Golden 0's first classes with a few shots each, some of them views or duplicates of others.
fn small_scene_with_duplicates() -> (SupportSet, Features, Features) {
    let scene = Scene::of(&Golden::open("0"));
    let rows: Vec<usize> = (0..scene.support.len())
        .filter(|row| scene.support.labels()[*row] < 6 && row % 3 != 0)
        .collect();
    let rows = [rows.as_slice(), &rows[..4], &rows[..1]].concat();
    let chosen = scene.support.select(&rows);
    let (labels, groups) = (chosen.labels().to_vec(), chosen.groups().to_vec());
    let support = SupportSet::new(chosen.features().clone(), labels, 6, groups).expect("test data");
    let text = scene.text.select(&[0, 1, 2, 3, 4, 5]);
    (support, scene.adapted_keys.select(&rows), text)
}

#[test]
fn leave_one_out_is_a_refit_without_the_photo_and_its_duplicates() {
    let (support, adapted, text) = small_scene_with_duplicates();
    for use_class_names in [true, false] {
        let knowledge = Knowledge {
            use_class_names,
            ..Knowledge::new(&support, &text).with_adapted_keys(Some(&adapted))
        };
        let parameters = Parameters {
            alpha: 3.0,
            beta: 4.0,
            ..Parameters::default()
        };
        let (Logits(got), labels) = leave_one_out_logits(
            Method::TipAdapterPp,
            &parameters,
            &knowledge,
            &Progress::silent(),
        )
        .unwrap();
        assert_eq!(labels, support.labels());
        let rows: Vec<Vec<f32>> = (0..support.len())
            .map(|row| {
                naive_leave_one_out(&knowledge, &adapted, row, &parameters)
                    .iter()
                    .map(|x| *x as f32)
                    .collect()
            })
            .collect();
        check_close(
            &got,
            &Matrix::from_rows(6, rows.iter().map(Vec::as_slice)).unwrap(),
            1e-3,
        );
    }
}

#[test]
fn leave_one_out_tuning_chooses_the_best_of_all_combinations() {
    let (support, adapted, text) = small_scene_with_duplicates();
    let knowledge = Knowledge::new(&support, &text).with_adapted_keys(Some(&adapted));
    let tuned = tune_on_support(
        Method::TipAdapterPp,
        &Parameters::default(),
        &knowledge,
        &Progress::silent(),
    )
    .unwrap();
    assert!(tuned.is_tuned);
    assert_eq!(
        (tuned.num_judged, tuned.num_combinations),
        (support.len(), alpha_grid().len() * beta_grid().len())
    );
    let account = |parameters: &Parameters| {
        let (mut correct, mut likelihood) = (0, 0.0);
        for (row, label) in support.labels().iter().enumerate() {
            let logits = naive_leave_one_out(&knowledge, &adapted, row, parameters);
            let best = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = logits.iter().map(|x| (x - best).exp()).sum();
            likelihood += (logits[*label] - best - total.ln()) / support.len() as f64;
            correct += usize::from(logits[*label] >= best);
        }
        (correct, likelihood)
    };
    let chosen = account(&tuned.parameters);
    assert!(
        (tuned.accuracy.unwrap() - 100.0 * chosen.0 as f64 / support.len() as f64).abs() < 1e-9
    );
    assert!((tuned.mean_log_likelihood.unwrap() - chosen.1).abs() < 1e-3);
    for beta in beta_grid() {
        for alpha in alpha_grid() {
            let other = account(&Parameters {
                alpha,
                beta,
                ..Parameters::default()
            });
            let is_better =
                other.0 > chosen.0 || (other.0 == chosen.0 && other.1 > chosen.1 + 1e-4);
            assert!(!is_better, "α {alpha} β {beta}: {other:?} beats {chosen:?}");
        }
    }
}

#[test]
fn one_shot_per_class_keeps_the_defaults() {
    let scene = Scene::of(&Golden::open("1"));
    let found = tune_on_support(
        Method::TipAdapter,
        &Parameters::default(),
        &scene.knowledge(),
        &Progress::silent(),
    )
    .unwrap();
    assert_eq!(
        (found.parameters, found.is_tuned, found.accuracy),
        (Parameters::default(), false, None)
    );
}

#[test]
fn empty_classes_and_single_shots_do_not_disturb_tuning() {
    let (support, _, text) = small_scene_with_duplicates();
    let first_of_class_5 = support
        .labels()
        .iter()
        .position(|label| *label == 5)
        .unwrap();
    let kept: Vec<usize> = (0..support.len())
        .filter(|row| support.labels()[*row] < 4 || *row == first_of_class_5)
        .collect();
    let sparse = support.select(&kept);
    let found = tune_on_support(
        Method::TipAdapter,
        &Parameters::default(),
        &Knowledge::new(&sparse, &text),
        &Progress::silent(),
    )
    .unwrap();
    assert!(found.is_tuned);
    assert_eq!(found.num_judged, sparse.len() - 1);
}
