//! Where there is little to judge by, or somebody stops it.

use shotlens::methods::calibration::{calibrate, default_temperature};
use shotlens::methods::{Knowledge, Method, MethodError, Parameters, tune_on_support};
use shotlens::progress::{CancelToken, Cancelled, Progress};
use shotlens::support::SupportSet;

use super::scene::SmallScene;
use super::{CLOSED_FORM, parameters};

#[test]
fn where_nobody_can_judge_the_given_parameters_stay() {
    let scene = SmallScene::new();
    let first = |label: usize| {
        scene
            .support
            .labels()
            .iter()
            .position(|x| *x == label)
            .unwrap()
    };
    let one_shot = scene
        .support
        .select(&[first(0), first(1), first(2), first(6)]);
    let adapted = scene
        .adapted
        .select(&[first(0), first(1), first(2), first(6)]);
    let nothing = scene.support.select(&[]);
    let no_adapted = scene.adapted.select(&[]);
    for (support, adapted) in [(&one_shot, &adapted), (&nothing, &no_adapted)] {
        let knowledge = Knowledge {
            support,
            adapted_keys: Some(adapted),
            ..scene.knowledge()
        };
        for method in Method::ALL {
            let given = parameters();
            let found = tune_on_support(method, &given, &knowledge, &Progress::silent()).unwrap();
            assert!(!found.is_tuned && found.num_judged == 0 && found.accuracy.is_none());
            assert_eq!((found.parameters, found.surface), (given, None));
            let calibration = calibrate(method, &given, &knowledge, &Progress::silent()).unwrap();
            assert_eq!(
                (calibration.temperature, calibration.is_fitted),
                (default_temperature(method), false)
            );
        }
    }
}

#[test]
fn a_single_class_is_always_right() {
    let scene = SmallScene::new();
    let rows: Vec<usize> = (0..scene.support.len())
        .filter(|row| scene.support.labels()[*row] == 2)
        .collect();
    let chosen = scene.support.select(&rows);
    let support = SupportSet::new(
        chosen.features().clone(),
        vec![0; rows.len()],
        1,
        chosen.groups().to_vec(),
    )
    .unwrap();
    let (text, adapted) = (scene.text.select(&[2]), scene.adapted.select(&rows));
    let knowledge = Knowledge::new(&support, &text).with_adapted_keys(Some(&adapted));
    for method in &CLOSED_FORM[..8] {
        let found = tune_on_support(
            *method,
            &Parameters::default(),
            &knowledge,
            &Progress::silent(),
        )
        .unwrap();
        assert_eq!(found.accuracy, Some(100.0), "{method:?}");
    }
}

#[test]
fn texts_that_mislead_are_reported_and_not_switched_off() {
    let scene = SmallScene::new();
    let misleading = scene.text.select(&[3, 0, 1, 4, 2, 6, 5]);
    let knowledge = Knowledge {
        text: &misleading,
        ..scene.knowledge()
    };
    // A ceiling on α, so that the photos cannot drown the texts.
    for method in [
        Method::TipAdapter,
        Method::TipX,
        Method::Ape,
        Method::ProKeR,
    ] {
        let tune = |use_class_names| {
            let knowledge = Knowledge {
                use_class_names,
                ..knowledge
            };
            tune_on_support(
                method,
                &Parameters::default(),
                &knowledge,
                &Progress::silent(),
            )
            .unwrap()
        };
        let (with, without) = (tune(true), tune(false));
        let better = without.accuracy > with.accuracy;
        assert_eq!(
            with.better_without_names,
            without.accuracy.filter(|_| better),
            "{method:?}"
        );
        assert_eq!(without.better_without_names, None);
    }
}

#[test]
fn numbers_that_are_none_and_cancelled_searches_are_refused() {
    let scene = SmallScene::new();
    let knowledge = scene.knowledge();
    let token = CancelToken::default();
    token.cancel();
    let cancelled = Progress::new(&|_, _| (), &token);
    for method in Method::ALL {
        let given = Parameters {
            beta: f32::NAN,
            ..parameters()
        };
        let error = tune_on_support(method, &given, &knowledge, &Progress::silent()).unwrap_err();
        assert!(error.to_string().starts_with("β is NaN"), "{error}");
        if [Method::Calip, Method::CoOp].contains(&method) {
            continue;
        }
        let stopped = tune_on_support(method, &parameters(), &knowledge, &cancelled);
        assert_eq!(
            stopped,
            Err(MethodError::Cancelled(Cancelled)),
            "{method:?}"
        );
    }
}
