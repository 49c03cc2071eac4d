//! The methods against the papers' formulas in float64.

use shotlens::features::{Features, Matrix};
use shotlens::methods::leave_one_out::held_out;
use shotlens::methods::{
    Classifier, Evidence, Knowledge, Method, MethodError, Parameter, Parameters, Queries, fit,
    gather_evidence, predict_pool, tune_on_support,
};
use shotlens::progress::{CancelToken, Cancelled, Progress};
use shotlens::support::SupportSet;

use crate::golden::{Golden, Scene, check_close};

#[track_caller]
fn check_method(method: Method) {
    for name in ["0", "1", "2"] {
        let Some(golden) = Golden::find(name) else {
            continue;
        };
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
fn tip_x_matches_the_reference() {
    check_method(Method::TipX);
}

#[test]
fn tip_x_pp_matches_the_reference() {
    check_method(Method::TipXPp);
}

#[test]
fn ape_matches_the_reference() {
    check_method(Method::Ape);
}

#[test]
fn ape_pp_matches_the_reference() {
    check_method(Method::ApePp);
}

#[test]
fn gda_matches_the_reference() {
    check_method(Method::Gda);
}

#[test]
fn proker_matches_the_reference() {
    check_method(Method::ProKeR);
}

#[test]
fn tip_x_with_a_frozen_range_scores_a_photo_alone_as_in_a_batch() {
    let Some(golden) = Golden::find("2") else {
        return;
    };
    let scene = Scene::of(&golden);
    let parameters = Parameters {
        gamma: 3.0,
        ..Parameters::default()
    };
    let classifier = fit(Method::TipXPp, &parameters, &scene.knowledge()).unwrap();
    let batch = classifier.logits(scene.queries()).unwrap();
    let (original, adapted) = (
        scene.queries.select(&[5]),
        scene.adapted_queries.select(&[5]),
    );
    let alone = classifier
        .logits(Queries {
            adapted: Some(&adapted),
            ..Queries::new(&original)
        })
        .unwrap();
    check_close(&alone.0, &batch.0.select_rows(&[5]), 1e-3);
}

#[test]
fn gda_needs_scatter_within_a_class() {
    let scene = Scene::of(&Golden::open("1"));
    let error = fit(Method::Gda, &Parameters::default(), &scene.knowledge()).err();
    assert!(
        matches!(
            error,
            Some(MethodError::TooFewShots {
                method: Method::Gda,
                ..
            })
        ),
        "{error:?}"
    );
}

/// Everything that a method shows, weighed at its own and at other parameters, against batches.
#[track_caller]
fn check_evidence(method: Method, scene: &Scene, knowledge: &Knowledge<'_>) {
    let fitted_at = Parameters {
        epochs: Some(2),
        ..Parameters::default()
    };
    // Sliders that need a fit stay where they were.
    let moved = |parameter, to: f32| {
        if method.follows(parameter) {
            to
        } else {
            fitted_at.value(parameter)
        }
    };
    let moved_to = Parameters {
        alpha: moved(Parameter::Alpha, 2.3),
        beta: moved(Parameter::Beta, 7.0),
        gamma: moved(Parameter::Gamma, 0.4),
        ..fitted_at
    };
    let classifier = fit(method, &fitted_at, knowledge).unwrap();
    let evidence = gather_evidence(method, &*classifier, knowledge, scene.queries(), &[]).unwrap();
    let weighing = classifier.weighing();
    let live = |parameters: &Parameters| {
        let logits = |one: &Evidence| weighing.logits(&one.reading, parameters);
        let rows: Vec<Vec<f32>> = evidence.iter().map(logits).collect();
        Matrix::from_rows(scene.text.len(), rows.iter().map(Vec::as_slice)).unwrap()
    };
    let batch = |classifier: &dyn Classifier| classifier.logits(scene.queries()).unwrap().0;
    check_close(&live(&fitted_at), &batch(&*classifier), 1e-4);
    if !method.is_trained() {
        let other = fit(method, &moved_to, knowledge).unwrap();
        check_close(&live(&moved_to), &batch(&*other), 1e-4);
    }
    if let Some(followed) = classifier.at(&moved_to) {
        check_close(&live(&moved_to), &batch(&*followed), 1e-4);
    }
    check_close(&zero_shot_of(&evidence), &zero_shot(scene), 1e-5);
}

#[test]
fn live_evidence_gives_the_logits_of_the_batch() {
    let rich = Scene::of(&Golden::open("more"));
    let same_lengths = Scene::of(&Golden::open("0"));
    // CALIP and CoOp want more than features.
    let others = [Method::Calip, Method::CoOp];
    for method in Method::ALL
        .into_iter()
        .filter(|method| !others.contains(method))
    {
        // APE++ compares adapted features with texts, which have another length in the rich scene.
        let scene = if method == Method::ApePp {
            &same_lengths
        } else {
            &rich
        };
        for use_class_names in [true, false] {
            let knowledge = Knowledge {
                use_class_names,
                ..scene.rich_knowledge()
            };
            check_evidence(method, scene, &knowledge);
        }
    }
}

fn zero_shot_of(evidence: &[Evidence]) -> Matrix {
    let rows = evidence.iter().map(|one| one.zero_shot.as_slice());
    Matrix::from_rows(evidence[0].zero_shot.len(), rows).unwrap()
}

fn zero_shot(scene: &Scene) -> Matrix {
    let classifier = fit(Method::ZeroShot, &Parameters::default(), &scene.knowledge()).unwrap();
    classifier.logits(scene.queries()).unwrap().0
}

#[test]
fn a_shot_with_its_keys_hidden_is_scored_as_when_it_is_left_out() {
    let scene = Scene::of(&Golden::open("0"));
    let parameters = Parameters {
        gamma: 2.0,
        ..Parameters::default()
    };
    let knowledge = scene.knowledge();
    let shots = Queries {
        adapted: Some(&scene.adapted_keys),
        ..Queries::new(scene.support.features())
    };
    let rows: Vec<usize> = (0..scene.support.len()).collect();
    let hidden: Vec<&[usize]> = rows.iter().map(std::slice::from_ref).collect();
    let counts = scene.support.rows_per_class();
    for method in [
        Method::TipAdapter,
        Method::TipAdapterPp,
        Method::TipX,
        Method::TipXPp,
    ] {
        let classifier = fit(method, &parameters, &knowledge).unwrap();
        let evidence = gather_evidence(method, &*classifier, &knowledge, shots, &hidden).unwrap();
        let left_out = held_out(method, &parameters, &knowledge, &Progress::silent()).unwrap();
        assert_eq!(left_out.rows, rows);
        for (row, evidence) in evidence.iter().enumerate() {
            let mut logits = classifier.weighing().logits(&evidence.reading, &parameters);
            let (own, base) = (scene.support.labels()[row], &evidence.reading.base);
            let count = counts[own] as f32;
            logits[own] = base[own] + (logits[own] - base[own]) * count / (count - 1.0);
            let expected = left_out.logits.0.select_rows(&[row]);
            let got = Matrix::new(1, logits.len(), logits).unwrap();
            check_close(&got, &expected, 1e-4);
        }
    }
}

#[test]
fn a_photo_scores_the_same_alone_and_in_a_batch() {
    let Some(golden) = Golden::find("2") else {
        return;
    };
    let scene = Scene::of(&golden);
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
    let Some(golden) = Golden::find("2") else {
        return;
    };
    let scene = Scene::of(&golden);
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
fn without_any_shots_the_class_names_decide() {
    let scene = Scene::of(&Golden::open("0"));
    let nothing = SupportSet::from_rows(Features::default(), Vec::new(), scene.text.len()).unwrap();
    let knowledge = Knowledge::new(&nothing, &scene.text);
    let score = |method| {
        fit(method, &Parameters::default(), &knowledge)
            .unwrap()
            .logits(Queries::new(&scene.queries))
            .unwrap()
    };
    check_close(
        &score(Method::TipAdapter).0,
        &score(Method::ZeroShot).0,
        1e-6,
    );
    let tuned = tune_on_support(
        Method::TipAdapter,
        &Parameters::default(),
        &knowledge,
        &Progress::silent(),
    )
    .unwrap();
    assert!(!tuned.is_tuned);
    let classifier = fit(Method::TipAdapter, &Parameters::default(), &knowledge).unwrap();
    let queries = Queries::new(&scene.queries);
    let evidence =
        gather_evidence(Method::TipAdapter, &*classifier, &knowledge, queries, &[]).unwrap();
    assert!(evidence[0].reading.affinities.is_empty());
}

#[test]
fn the_strongest_votes_come_first_and_add_up_to_the_logit() {
    let scene = Scene::of(&Golden::open("0"));
    let parameters = Parameters {
        alpha: 2.0,
        ..Parameters::default()
    };
    for method in [Method::TipAdapter, Method::Ape] {
        let classifier = fit(method, &parameters, &scene.knowledge()).unwrap();
        let evidence = gather_evidence(
            method,
            &*classifier,
            &scene.knowledge(),
            scene.queries(),
            &[],
        )
        .unwrap();
        let (reading, weighing) = (&evidence[3].reading, classifier.weighing());
        let votes = weighing.strongest_votes(&evidence[3], &parameters, scene.support.len());
        assert!(votes.is_sorted_by(|a, b| a.weight >= b.weight));
        let logits = weighing.logits(reading, &parameters);
        let of_class_1 = votes
            .iter()
            .filter(|vote| scene.support.labels()[vote.row] == 1);
        let sum = reading.base[1] + of_class_1.map(|vote| vote.weight).sum::<f32>();
        assert!((sum - logits[1]).abs() < 1e-4 * logits[1].abs().max(1.0));
    }
}
