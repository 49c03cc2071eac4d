//! The trained methods: against torch in float64, and what may interrupt or steer a training.

use std::sync::Mutex;

use shotlens::features::Matrix;
use shotlens::methods::{
    Classifier, Knowledge, Method, MethodError, Monitor, Parameters, TrainStep, Views, fit,
    fit_watched,
};
use shotlens::progress::CancelToken;
use shotlens::support::SupportSet;

use crate::golden::{Golden, Scene, check_close};

const TRAINED: [Method; 5] = [
    Method::TipAdapterF,
    Method::ApeT,
    Method::ClipAdapter,
    Method::LpPlusPlus,
    Method::TaskRes,
];

fn scene() -> Scene {
    Scene::of(&Golden::open("more"))
}

fn logits(classifier: &dyn Classifier, scene: &Scene) -> Matrix {
    classifier.logits(scene.queries()).unwrap().0
}

fn fitted(method: Method, parameters: &Parameters, scene: &Scene) -> Matrix {
    logits(
        &*fit(method, parameters, &scene.knowledge()).unwrap(),
        scene,
    )
}

/// Largest difference between two matrices.
fn distance(a: &Matrix, b: &Matrix) -> f32 {
    let pairs = a.as_slice().iter().zip(b.as_slice());
    pairs.map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

/// Trains, cancelling after `cancel_after` steps; logits and all that was reported.
fn watched(
    method: Method,
    parameters: &Parameters,
    scene: &Scene,
    cancel_after: usize,
) -> (Matrix, Vec<TrainStep>) {
    let (steps, token) = (Mutex::new(Vec::new()), CancelToken::default());
    let report = |step: TrainStep| {
        steps.lock().unwrap().push(step);
        if step.step >= cancel_after {
            token.cancel();
        }
    };
    if cancel_after == 0 {
        token.cancel();
    }
    let monitor = Monitor::new(&report, Some(&token));
    let classifier = fit_watched(method, parameters, &scene.knowledge(), &monitor).unwrap();
    (logits(&*classifier, scene), steps.into_inner().unwrap())
}

#[track_caller]
fn check_method(method: Method) {
    let golden = Golden::open("more");
    let scene = Scene::of(&golden);
    let expected = golden.matrix(&format!("logits.{}", method.name()));
    let parameters = golden.hyper(method);
    let trained = fitted(method, &parameters, &scene);
    check_close(&trained, expected, 1e-3);
    let untrained = Parameters {
        epochs: Some(0),
        ..parameters
    };
    // The reference differs from where training starts by far more than the tolerance.
    assert!(distance(&fitted(method, &untrained, &scene), &trained) > 0.1);
}

#[test]
fn tip_adapter_f_matches_torch() {
    check_method(Method::TipAdapterF);
}

#[test]
fn ape_t_matches_torch() {
    check_method(Method::ApeT);
}

#[test]
fn clip_adapter_matches_torch() {
    check_method(Method::ClipAdapter);
}

#[test]
fn lp_pp_matches_torch() {
    check_method(Method::LpPlusPlus);
}

#[test]
fn taskres_matches_torch() {
    check_method(Method::TaskRes);
}

#[test]
fn untrained_methods_are_what_they_start_from() {
    let scene = scene();
    let start = |method| {
        let parameters = Parameters {
            epochs: Some(0),
            ..Parameters::published(method, 4)
        };
        fitted(method, &parameters, &scene)
    };
    let closed = |method| fitted(method, &Parameters::published(method, 4), &scene);
    check_close(
        &start(Method::TipAdapterF),
        &closed(Method::TipAdapter),
        1e-4,
    );
    check_close(&start(Method::TaskRes), &closed(Method::ZeroShot), 1e-4);
}

#[test]
fn equal_seeds_give_equal_results() {
    let scene = scene();
    for method in TRAINED {
        let train = |seed| {
            let parameters = Parameters {
                seed,
                ..Parameters::published(method, 4)
            };
            fitted(method, &parameters, &scene)
        };
        assert_eq!(train(3), train(3), "{method:?}");
        // With all photos in one batch a seed decides nothing but where CLIP-Adapter starts.
        if method == Method::ClipAdapter {
            assert_ne!(train(3), train(4));
        }
    }
}

#[test]
fn the_epoch_is_chosen_on_photos_held_out() {
    let scene = scene();
    for method in TRAINED {
        let parameters = Parameters::published(method, 4);
        let (_, steps) = watched(method, &parameters, &scene, usize::MAX);
        let judged = steps.iter().filter(|step| step.accuracy.is_some()).count();
        let last = steps.last().unwrap();
        assert_eq!(last.step, last.total, "{method:?}");
        assert_eq!(steps.len(), last.total, "{method:?}");
        // One step an epoch here; the last descent is as long as the best epoch says.
        let expected = match method {
            Method::TipAdapterF => 20,
            Method::ApeT => 30,
            Method::LpPlusPlus => 300,
            _ => 100,
        };
        assert_eq!(judged, expected, "{method:?}");
        let accuracies: Vec<f32> = steps.iter().filter_map(|step| step.accuracy).collect();
        let best = accuracies.iter().copied().fold(0.0, f32::max);
        let epoch = steps.len() - judged;
        assert!(accuracies[epoch - 1] >= best, "{method:?}");
        assert!(steps.iter().all(|step| step.loss.is_finite()));
    }
}

#[test]
fn with_one_photo_a_class_all_epochs_are_run() {
    let scene = scene();
    let support = scene.support.select(&[0, 4, 8, 12, 16]);
    let knowledge = Knowledge::new(&support, &scene.text);
    let steps = Mutex::new(Vec::new());
    let report = |step: TrainStep| steps.lock().unwrap().push(step);
    let monitor = Monitor::new(&report, None);
    let parameters = Parameters::published(Method::TaskRes, 1);
    fit_watched(Method::TaskRes, &parameters, &knowledge, &monitor).unwrap();
    let steps = steps.into_inner().unwrap();
    assert_eq!(steps.len(), 100);
    assert!(steps.iter().all(|step| step.accuracy.is_none()));
    assert!(steps[99].loss < steps[0].loss);
}

#[test]
fn a_cancelled_training_keeps_the_best_state_so_far() {
    let scene = scene();
    for method in TRAINED {
        let parameters = Parameters::published(method, 4);
        let (whole, steps) = watched(method, &parameters, &scene, usize::MAX);
        let trial = steps.iter().filter(|step| step.accuracy.is_some()).count();
        // The trial's best state stands, however far the last descent came.
        let (at_its_end, reported) = watched(method, &parameters, &scene, trial);
        assert_eq!(reported.len(), trial);
        let (later, _) = watched(method, &parameters, &scene, trial + 1);
        assert!(
            trial + 1 >= steps.len() || later == at_its_end,
            "{method:?}"
        );
        assert_ne!(at_its_end, whole, "{method:?}");
        // Within the trial it is the best epoch until then, not the latest.
        let accuracies: Vec<f32> = steps.iter().filter_map(|step| step.accuracy).collect();
        let (first, _) = watched(method, &parameters, &scene, 1);
        let worse = (1..trial).find(|epoch| {
            accuracies[*epoch] < accuracies[0]
                && accuracies[1..=*epoch].iter().all(|x| *x < accuracies[0])
        });
        if let Some(epoch) = worse {
            let (kept, _) = watched(method, &parameters, &scene, epoch + 1);
            assert_eq!(kept, first, "{method:?}");
        }
    }
}

#[test]
fn a_training_cancelled_at_once_gives_its_start() {
    let scene = scene();
    for method in TRAINED {
        let all = Parameters {
            epochs: Some(50),
            ..Parameters::published(method, 4)
        };
        let none = Parameters {
            epochs: Some(0),
            ..all
        };
        let (kept, steps) = watched(method, &all, &scene, 0);
        assert!(steps.is_empty());
        assert_eq!(kept, fitted(method, &none, &scene), "{method:?}");
        let (kept, steps) = watched(method, &all, &scene, 20);
        assert_eq!(steps.len(), 20);
        assert_ne!(kept, fitted(method, &none, &scene), "{method:?}");
    }
}

#[test]
fn every_epoch_draws_one_view_of_each_photo() {
    let scene = scene();
    let train = |views: &SupportSet| {
        let knowledge = Knowledge {
            views: Some(Views {
                original: views,
                adapted: None,
            }),
            ..scene.knowledge()
        };
        let parameters = Parameters {
            epochs: Some(12),
            ..Parameters::default()
        };
        let classifier = fit(Method::TipAdapterF, &parameters, &knowledge).unwrap();
        logits(&*classifier, &scene)
    };
    let parameters = Parameters {
        epochs: Some(12),
        ..Parameters::default()
    };
    let without = fitted(Method::TipAdapterF, &parameters, &scene);
    // Views that are the photos themselves change nothing; real ones do, though the keys stay the photos.
    check_close(&train(&scene.support), &without, 1e-4);
    let views = scene.rich_knowledge().views.unwrap().original;
    assert!(distance(&train(views), &without) > 1e-3);
}

#[test]
fn a_training_that_blows_up_says_so() {
    let scene = scene();
    let parameters = Parameters {
        learning_rate: Some(1e30),
        epochs: Some(5),
        ..Parameters::published(Method::ClipAdapter, 4)
    };
    let error = fit(Method::ClipAdapter, &parameters, &scene.knowledge()).err();
    let expected = MethodError::Diverged {
        method: Method::ClipAdapter,
    };
    assert_eq!(error, Some(expected));
}
