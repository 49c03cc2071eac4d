//! The methods that weigh views and prompts, against the papers' formulas in float64 (`make_methods_golden.py`).

use shotlens::methods::{Knowledge, Method, MethodError, Parameters, fit};

use crate::golden::{Golden, Scene, check_close};

/// Fits on `knowledge` of the scene and compares.
#[track_caller]
fn check_method(method: Method, knowledge: impl FnOnce(&Scene) -> Knowledge<'_>) {
    let golden = Golden::open("more");
    let expected = golden.matrix(&format!("logits.{}", method.name()));
    let scene = Scene::of(&golden);
    let classifier = fit(method, &golden.hyper(method), &knowledge(&scene)).expect("test data");
    let logits = classifier.logits(scene.queries()).expect("test data");
    check_close(&logits.0, expected, 1e-3);
}

#[test]
fn gda_takes_every_view_by_itself() {
    check_method(Method::Gda, Scene::rich_knowledge);
}

#[test]
fn gda_pp_matches_the_reference() {
    check_method(Method::GdaPp, Scene::rich_knowledge);
}

#[test]
fn proker_takes_every_view_by_itself() {
    check_method(Method::ProKeR, Scene::rich_knowledge);
}

#[test]
fn proker_pp_matches_the_reference() {
    check_method(Method::ProKeRPp, Scene::rich_knowledge);
}

#[test]
fn timo_with_prompts_taken_twice_matches_the_reference() {
    check_method(Method::Timo, Scene::rich_knowledge);
}

#[test]
fn timo_s_with_every_prompt_matches_the_reference() {
    check_method(Method::TimoS, Scene::rich_knowledge);
}

#[test]
fn timo_needs_prompts_by_themselves() {
    let scene = Scene::of(&Golden::open("more"));
    let parameters = Parameters::published(Method::Timo, 4);
    let error = fit(Method::Timo, &parameters, &scene.knowledge()).err();
    let expected = MethodError::TooFewPrompts {
        method: Method::Timo,
        fewest: 1,
    };
    assert_eq!(error, Some(expected));
}

#[test]
fn timo_works_with_one_photo_a_class() {
    let scene = Scene::of(&Golden::open("more"));
    let support = scene.support.select(&[0, 4, 8, 12, 16]);
    let knowledge = Knowledge {
        support: &support,
        views: None,
        ..scene.rich_knowledge()
    };
    let parameters = Parameters::published(Method::Timo, 1);
    let logits = fit(Method::Timo, &parameters, &knowledge)
        .unwrap()
        .logits(scene.queries())
        .unwrap();
    let right = (0..40).filter(|query| logits.top_classes()[*query] == query % 5);
    assert!(right.count() >= 24);
}
