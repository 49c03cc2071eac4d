//! The methods against the papers' formulas in float64.

use shotlens::features::{Features, Matrix};
use shotlens::methods::evidence::strongest_votes;
use shotlens::methods::{
    Knowledge, Method, MethodError, Parameters, Queries, fit, gather_evidence,
    logits_from_evidence, predict_pool, tune_on_support,
};
use shotlens::progress::{CancelToken, Cancelled, Progress};
use shotlens::support::SupportSet;

use crate::golden::{Golden, Scene, check_close};

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
    let scene = Scene::of(&Golden::open("2"));
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
    let evidence =
        gather_evidence(Method::TipAdapter, &knowledge, Queries::new(&scene.queries)).unwrap();
    assert!(evidence[0].affinities.is_empty());
}

#[test]
fn the_strongest_votes_come_first_and_add_up_to_the_logit() {
    let scene = Scene::of(&Golden::open("0"));
    let parameters = Parameters {
        alpha: 2.0,
        ..Parameters::default()
    };
    let evidence =
        &gather_evidence(Method::TipAdapter, &scene.knowledge(), scene.queries()).unwrap()[3];
    let votes = strongest_votes(evidence, &parameters, scene.support.len());
    assert!(votes.is_sorted_by(|a, b| a.weight >= b.weight));
    let logits = logits_from_evidence(
        evidence,
        scene.support.labels(),
        scene.text.len(),
        &parameters,
        true,
    );
    let of_class_1 = votes
        .iter()
        .filter(|vote| scene.support.labels()[vote.row] == 1);
    let sum = evidence.zero_shot[1] + of_class_1.map(|vote| vote.weight).sum::<f32>();
    assert!((sum - logits[1]).abs() < 1e-4 * logits[1].abs().max(1.0));
}
