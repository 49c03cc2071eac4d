//! The methods against the papers' formulas in float64 (tests/data/methods, made by the reference implementation).

use std::collections::HashMap;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use shotlens::features::{Features, Logits, Matrix};
use shotlens::methods::grid::{Grid, tune};
use shotlens::methods::leave_one_out::{alpha_grid, beta_grid, leave_one_out_logits};
use shotlens::methods::{
    Knowledge, Method, MethodError, Parameters, Queries, fit, gather_evidence,
    logits_from_evidence, predict_pool, tune_on_support,
};
use shotlens::progress::{CancelToken, Cancelled, Progress};
use shotlens::support::SupportSet;

/// A file of tests/data/methods.
pub(crate) struct Golden {
    matrices: HashMap<String, Matrix>,
    integers: HashMap<String, Vec<usize>>,
    pub(crate) json: serde_json::Value,
}

impl Golden {
    pub(crate) fn open(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/methods");
        let bytes = std::fs::read(folder.join(format!("{name}.safetensors"))).expect("test data");
        let file = SafeTensors::deserialize(&bytes).expect("test data");
        let (mut matrices, mut integers) = (HashMap::new(), HashMap::new());
        for (key, view) in file.tensors() {
            match view.dtype() {
                Dtype::F32 => {
                    let data = view
                        .data()
                        .as_chunks::<4>()
                        .0
                        .iter()
                        .map(|bytes| f32::from_le_bytes(*bytes))
                        .collect();
                    matrices.insert(
                        key,
                        Matrix::new(view.shape()[0], view.shape()[1], data).expect("test data"),
                    );
                }
                Dtype::I64 => {
                    let data = view
                        .data()
                        .as_chunks::<8>()
                        .0
                        .iter()
                        .map(|bytes| i64::from_le_bytes(*bytes) as usize)
                        .collect();
                    integers.insert(key, data);
                }
                other => panic!("{key} is {other:?}"),
            }
        }
        let json = std::fs::read(folder.join(format!("{name}.json")))
            .map_or(serde_json::Value::Null, |text| {
                serde_json::from_slice(&text).expect("test data")
            });
        Self {
            matrices,
            integers,
            json,
        }
    }

    pub(crate) fn matrix(&self, name: &str) -> &Matrix {
        &self.matrices[name]
    }

    pub(crate) fn features(&self, name: &str) -> Features {
        Features::normalized(self.matrix(name).clone()).expect("test data")
    }

    pub(crate) fn integers(&self, name: &str) -> &[usize] {
        &self.integers[name]
    }

    fn hyper(&self, method: Method) -> Parameters {
        let values = &self.json["hyper"][method.name()];
        let mut parameters = Parameters::default();
        let fields = [
            ("alpha", &mut parameters.alpha),
            ("beta", &mut parameters.beta),
            ("gamma", &mut parameters.gamma),
        ];
        for (key, field) in fields {
            if let Some(value) = values[key].as_f64() {
                *field = value as f32;
            }
        }
        parameters
    }
}

/// Everything in a golden that a method takes.
struct Scene {
    support: SupportSet,
    adapted_keys: Features,
    text: Features,
    queries: Features,
    adapted_queries: Features,
}

impl Scene {
    fn of(golden: &Golden) -> Self {
        let text = golden.features("text");
        let support = SupportSet::from_rows(
            golden.features("support"),
            golden.integers("labels").to_vec(),
            text.len(),
        )
        .expect("test data");
        Self {
            support,
            adapted_keys: golden.features("support_imo"),
            text,
            queries: golden.features("queries"),
            adapted_queries: golden.features("queries_imo"),
        }
    }

    fn knowledge(&self) -> Knowledge<'_> {
        Knowledge::new(&self.support, &self.text).with_adapted_keys(Some(&self.adapted_keys))
    }

    fn queries(&self) -> Queries<'_> {
        Queries {
            original: &self.queries,
            adapted: Some(&self.adapted_queries),
        }
    }
}

/// Largest difference, relative to the expected number or to 0.1 where that is smaller.
#[track_caller]
fn check_close(got: &Matrix, expected: &Matrix, tolerance: f32) {
    assert_eq!((got.rows(), got.cols()), (expected.rows(), expected.cols()));
    let difference =
        |(got, expected): (&f32, &f32)| (got - expected).abs() / expected.abs().max(0.1);
    let worst = got
        .as_slice()
        .iter()
        .zip(expected.as_slice())
        .map(difference)
        .fold(0.0, f32::max);
    assert!(worst <= tolerance, "differs by {worst:e}");
}

#[track_caller]
fn check_method(method: Method) {
    for name in ["0", "1", "2"] {
        let golden = Golden::open(name);
        let Some(expected) = golden.matrices.get(&format!("logits.{}", method.name())) else {
            continue;
        };
        let scene = Scene::of(&golden);
        let classifier = fit(method, &golden.hyper(method), &scene.knowledge()).expect("test data");
        check_close(
            &classifier.logits(scene.queries()).expect("test data").0,
            expected,
            1e-3,
        );
    }
}

#[test]
fn zero_shot_matches_the_reference() {
    check_method(Method::ZeroShot);
}

#[test]
fn tip_adapter_matches_the_reference() {
    check_method(Method::TipAdapter);
}

#[test]
fn tip_adapter_pp_matches_the_reference() {
    check_method(Method::TipAdapterPp);
}

#[test]
fn live_evidence_gives_the_logits_of_the_batch() {
    let scene = Scene::of(&Golden::open("2"));
    for (method, use_class_names) in [
        (Method::TipAdapter, true),
        (Method::TipAdapterPp, true),
        (Method::TipAdapterPp, false),
    ] {
        let knowledge = Knowledge {
            use_class_names,
            ..scene.knowledge()
        };
        let parameters = Parameters {
            alpha: 2.3,
            beta: 7.0,
            ..Parameters::default()
        };
        let batch = predict_pool(
            method,
            &parameters,
            &knowledge,
            scene.queries(),
            &Progress::silent(),
        )
        .unwrap();
        let evidence = gather_evidence(method, &knowledge, scene.queries()).unwrap();
        let labels = scene.support.labels();
        let rows: Vec<Vec<f32>> = evidence
            .iter()
            .map(|one| {
                logits_from_evidence(one, labels, scene.text.len(), &parameters, use_class_names)
            })
            .collect();
        let live = Matrix::from_rows(scene.text.len(), rows.iter().map(Vec::as_slice)).unwrap();
        check_close(&live, &batch.0, 1e-4);
    }
}

#[test]
fn a_photo_scores_the_same_alone_and_in_a_batch() {
    let scene = Scene::of(&Golden::open("2"));
    let classifier = fit(
        Method::TipAdapter,
        &Parameters::default(),
        &scene.knowledge(),
    )
    .unwrap();
    let batch = classifier.logits(scene.queries()).unwrap();
    let alone = classifier
        .logits(Queries::new(&scene.queries.select(&[77])))
        .unwrap();
    check_close(&alone.0, &batch.0.select_rows(&[77]), 1e-5);
}

#[test]
fn the_order_of_the_shots_changes_nothing() {
    let scene = Scene::of(&Golden::open("0"));
    let shuffled: Vec<usize> = (0..scene.support.len())
        .map(|i| (i * 5 + 3) % scene.support.len())
        .collect();
    let support = scene.support.select(&shuffled);
    let adapted = scene.adapted_keys.select(&shuffled);
    let other = Knowledge::new(&support, &scene.text).with_adapted_keys(Some(&adapted));
    let score = |knowledge| {
        fit(Method::TipAdapterPp, &Parameters::default(), knowledge)
            .unwrap()
            .logits(scene.queries())
            .unwrap()
    };
    check_close(&score(&other).0, &score(&scene.knowledge()).0, 1e-5);
    let tuned = |knowledge| {
        tune_on_support(
            Method::TipAdapter,
            &Parameters::default(),
            knowledge,
            &Progress::silent(),
        )
        .unwrap()
    };
    assert_eq!(
        tuned(&other).parameters,
        tuned(&scene.knowledge()).parameters
    );
}

#[test]
fn without_class_names_alpha_only_scales_the_logits() {
    let scene = Scene::of(&Golden::open("0"));
    let knowledge = Knowledge {
        use_class_names: false,
        ..scene.knowledge()
    };
    let score = |alpha| {
        let parameters = Parameters {
            alpha,
            ..Parameters::default()
        };
        fit(Method::TipAdapter, &parameters, &knowledge)
            .unwrap()
            .logits(scene.queries())
            .unwrap()
    };
    let mut doubled = score(1.0).0;
    doubled.as_mut_slice().iter_mut().for_each(|x| *x *= 2.0);
    check_close(&doubled, &score(2.0).0, 1e-6);
}

#[test]
fn what_is_missing_is_named() {
    let scene = Scene::of(&Golden::open("0"));
    let knowledge = Knowledge::new(&scene.support, &scene.text);
    let without_keys = fit(Method::TipAdapterPp, &Parameters::default(), &knowledge).err();
    assert_eq!(
        without_keys,
        Some(MethodError::NoAdaptedFeatures {
            method: Method::TipAdapterPp,
            what: "support photos"
        })
    );
    let classifier = fit(
        Method::TipAdapterPp,
        &Parameters::default(),
        &scene.knowledge(),
    )
    .unwrap();
    let without_queries = classifier.logits(Queries::new(&scene.queries)).unwrap_err();
    assert_eq!(
        without_queries,
        MethodError::NoAdaptedFeatures {
            method: Method::TipAdapterPp,
            what: "queries"
        }
    );
    let other_model = Scene::of(&Golden::open("1"));
    let wrong = classifier.logits(other_model.queries()).unwrap_err();
    assert_eq!(
        wrong,
        MethodError::Dimension {
            what: "queries",
            got: 32,
            expected: 64
        }
    );
}

#[test]
fn a_cancelled_prediction_stops() {
    let scene = Scene::of(&Golden::open("2"));
    let token = CancelToken::default();
    token.cancel();
    let progress = Progress::new(&|_, _| (), &token);
    let result = predict_pool(
        Method::TipAdapter,
        &Parameters::default(),
        &scene.knowledge(),
        scene.queries(),
        &progress,
    );
    assert_eq!(result, Err(MethodError::Cancelled(Cancelled)));
}

#[test]
fn the_grid_search_finds_what_naive_loops_find() {
    let golden = Golden::open("2");
    let scene = Scene::of(&golden);
    let labels = golden.integers("query_labels");
    let full = Grid::named("tip-adapter").unwrap();
    let grid = Grid {
        betas: full.betas.iter().step_by(13).copied().collect(),
        alphas: full.alphas.iter().step_by(3).copied().collect(),
    };
    for method in [Method::TipAdapter, Method::TipAdapterPp] {
        let tuned = tune(
            method,
            &Parameters::default(),
            &scene.knowledge(),
            scene.queries(),
            labels,
            &grid,
            &Progress::silent(),
        )
        .unwrap();
        let (mut best_correct, mut best) = (0, None);
        for beta in &grid.betas {
            for alpha in &grid.alphas {
                let parameters = Parameters {
                    alpha: *alpha,
                    beta: *beta,
                    ..Parameters::default()
                };
                let classifier = fit(method, &parameters, &scene.knowledge()).unwrap();
                let classes = classifier.logits(scene.queries()).unwrap().top_classes();
                let correct = classes
                    .iter()
                    .zip(labels)
                    .filter(|(class, label)| class == label)
                    .count();
                if correct > best_correct {
                    (best_correct, best) = (correct, Some(parameters));
                }
            }
        }
        assert_eq!(Some(tuned.parameters), best);
        assert!((tuned.accuracy - 100.0 * best_correct as f64 / labels.len() as f64).abs() < 1e-9);
        assert_eq!(tuned.num_combinations, grid.len());
    }
}

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

/// Golden 2's first classes with a few shots each, some of them views or duplicates of others.
fn small_scene_with_duplicates() -> (SupportSet, Features, Features) {
    let scene = Scene::of(&Golden::open("2"));
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
