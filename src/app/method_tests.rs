//! Methods as a person uses them, with the real threads on made-up features.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{App, Command, FEWEST_LABELLED, Parameter, SyntheticSize, TrainingStage};
use crate::ids::ClassId;
use crate::methods::Method;
use crate::worker::study_worker::{Basis, Outcome};

/// Longer than any machine needs; a deadline, not a measure.
const DEADLINE: Duration = Duration::from_mins(2);

fn app(num_shots: usize) -> App {
    let size = SyntheticSize {
        num_classes: 3,
        num_shots,
        num_pool: 30,
        dim: 16,
    };
    let mut app = App::synthetic(&size, Arc::new(|| ())).unwrap();
    assert!(app.wait_until_idle(DEADLINE));
    app
}

/// Polls until `is_done`.
#[track_caller]
fn wait(app: &mut App, what: &str, is_done: impl Fn(&App) -> bool) {
    let start = Instant::now();
    while !is_done(app) {
        assert!(
            start.elapsed() < DEADLINE,
            "waited in vain for {what}; idle: {}; notices: {:?}; training: {:?}",
            app.is_idle(),
            app.notices(),
            app.fit().training
        );
        app.poll();
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn choose(app: &mut App, method: Method) {
    app.apply(Command::SetMethod(method.name().to_owned()));
    wait(app, method.title(), |app| {
        app.is_idle() && app.fit().availability.len() == Method::ALL.len()
    });
}

/// Labels photos of the pool as what they are.
fn label(app: &mut App, count: usize) {
    let classes: Vec<ClassId> = app
        .project()
        .classes()
        .iter()
        .map(|class| class.id)
        .collect();
    let pool = app.project().pool().to_vec();
    for (index, photo) in pool.into_iter().take(count).enumerate() {
        let class = classes[index % classes.len()];
        app.apply(Command::Label(vec![photo], Some(class)));
    }
}

fn obstacle(app: &App, method: Method) -> Option<String> {
    let mut all = app.fit().availability.iter();
    all.find(|found| found.method == method)
        .and_then(|found| found.obstacle.clone())
}

#[test]
fn every_method_predicts_or_says_why_not_and_what_predicts_instead() {
    let mut app = app(4);
    let untrained = Method::ALL
        .into_iter()
        .filter(|method| !method.is_trained());
    for method in untrained {
        choose(&mut app, method);
        let photo = app.project().pool()[0];
        assert!(app.prediction(photo).is_some(), "{method:?}");
        match obstacle(&app, method) {
            None => assert_eq!((app.fit().method, &app.fit().obstacle), (method, &None)),
            Some(reason) => {
                assert_eq!(app.fit().obstacle, Some(reason));
                assert_ne!(app.fit().method, method);
                assert!(!app.fit().method.needs_adapter());
            }
        }
    }
    assert!(app.notices().is_empty(), "{:?}", app.notices());
}

#[test]
fn gda_with_one_shot_says_what_it_needs_and_leaves_the_others_alone() {
    let mut app = app(1);
    choose(&mut app, Method::Gda);
    let said = app.fit().obstacle.clone().unwrap_or_default();
    assert!(
        said.contains("two photos") && said.contains("add shots"),
        "{said}"
    );
    assert_eq!(app.fit().method, Method::TipAdapter);
    choose(&mut app, Method::ProKeR);
    assert_eq!(
        (app.fit().method, &app.fit().obstacle),
        (Method::ProKeR, &None)
    );
}

#[test]
fn a_point_of_the_heat_map_is_taken_over_as_one_step() {
    let mut app = app(4);
    choose(&mut app, Method::Ape);
    assert!(app.fit().tuned);
    let surface = app.fit().surface.clone().unwrap();
    let (alpha, beta) = (f64::from(surface.alphas[3]), f64::from(surface.betas[2]));
    app.apply(Command::SetPoint(alpha, beta, Some(0.5)));
    assert!(!app.fit().tuned);
    wait(&mut app, "the point", App::is_idle);
    let value = |parameter| app.parameter(parameter);
    assert!((value(Parameter::Alpha) - alpha).abs() < 1e-6);
    assert!((value(Parameter::Beta) - beta).abs() < 1e-6);
    assert!((value(Parameter::Gamma) - 0.5).abs() < 1e-9);
    app.apply(Command::Undo);
    assert!(app.project().settings().auto_tuned);
}

#[test]
fn methods_are_compared_on_labelled_photos_as_labels_arrive() {
    let mut app = app(4);
    app.apply(Command::ShowComparison(true));
    let is_done = |app: &App| {
        let view = app.comparison();
        !view.is_running && view.rows.len() == Method::ALL.len()
    };
    wait(&mut app, "the shots' figures", is_done);
    assert_eq!(app.comparison().basis, Some(Basis::LeftOut));

    label(&mut app, FEWEST_LABELLED + 2);
    wait(&mut app, "the labels' figures", |app| {
        is_done(app) && app.comparison().basis == Some(Basis::Labelled)
    });
    let view = app.comparison().clone();
    assert_eq!(view.num_labelled, FEWEST_LABELLED + 2);
    for row in &view.rows {
        match &row.outcome {
            Outcome::Measured {
                num_judged, basis, ..
            } => assert_eq!(
                (*num_judged, *basis),
                (FEWEST_LABELLED + 2, Basis::Labelled)
            ),
            Outcome::Untrained => assert!(row.method.is_trained()),
            Outcome::Unavailable(_) if row.method == Method::CoOp => {}
            Outcome::Unavailable(reason) => {
                assert_eq!(Some(reason), obstacle(&app, row.method).as_ref());
            }
        }
    }
    let right = |method: Method| {
        let row = view.rows.iter().find(|row| row.method == method).unwrap();
        let Outcome::Measured { num_right, .. } = row.outcome else {
            panic!("{row:?}")
        };
        num_right
    };
    // The made-up classes lie far apart.
    assert!(right(Method::Gda) >= FEWEST_LABELLED && right(Method::TipAdapter) >= FEWEST_LABELLED);

    app.apply(Command::SetLearnFromLabels(true));
    wait(&mut app, "the shots' figures again", |app| {
        is_done(app) && app.comparison().labels_are_shots
    });
    assert_eq!(app.comparison().basis, Some(Basis::LeftOut));
}

#[test]
fn a_training_runs_beside_everything_else_and_its_outcome_predicts() {
    let mut app = app(4);
    app.apply(Command::SetMethod(Method::TaskRes.name().to_owned()));
    let stage = |app: &App| {
        app.fit()
            .training
            .as_ref()
            .map(|training| training.stage.clone())
    };
    wait(&mut app, "training", |app| {
        stage(app) == Some(TrainingStage::Done)
    });
    wait(&mut app, "predictions", App::is_idle);
    assert_eq!(app.fit().method, Method::TaskRes);
    let photo = app.project().pool()[0];
    assert!(
        app.prediction(photo)
            .is_some_and(|prediction| !prediction.stale)
    );
    // A label that is no shot changes nothing that was learnt.
    let before = app.fit().training.clone();
    label(&mut app, 2);
    let shot = app.project().shots(app.project().classes()[0].id)[0];
    app.apply(Command::MovePhotos(vec![shot], None));
    wait(&mut app, "another training", |app| {
        stage(app) == Some(TrainingStage::Done) && app.fit().training != before && app.is_idle()
    });
    choose(&mut app, Method::TipAdapter);
    assert_eq!(app.fit().training, None);
}

#[test]
fn a_trained_cache_is_tuned_on_folds_and_weighed_without_training_again() {
    let mut app = app(4);
    app.apply(Command::SetMethod(Method::TipAdapterF.name().to_owned()));
    wait(&mut app, "training and judging", |app| {
        app.fit().surface.is_some() && app.is_idle()
    });
    assert!(app.fit().tuned && app.fit().method_accuracy.is_some());
    let trained = app.fit().training.clone();
    app.apply(Command::SetParameter(Parameter::Alpha, 3.0));
    app.apply(Command::ReleaseParameter);
    wait(&mut app, "the slider", App::is_idle);
    assert!(!app.fit().tuned);
    assert_eq!(app.fit().training, trained);
    app.apply(Command::Tune);
    wait(&mut app, "tuning", |app| app.is_idle() && app.fit().tuned);
    assert_eq!(app.fit().training, trained);
}

#[test]
fn a_training_that_is_ended_keeps_the_best_so_far() {
    let mut app = app(8);
    app.apply(Command::SetMethod(Method::ClipAdapter.name().to_owned()));
    wait(&mut app, "the first steps", |app| {
        let training = app.fit().training.as_ref();
        training.is_some_and(|training| training.step > 0)
    });
    app.apply(Command::EndTraining);
    wait(&mut app, "the end", |app| {
        let training = app.fit().training.as_ref();
        training.is_some_and(|training| training.stage != TrainingStage::Running) && app.is_idle()
    });
    let photo = app.project().pool()[0];
    assert!(
        app.prediction(photo)
            .is_some_and(|prediction| !prediction.stale)
    );
    assert_eq!(app.fit().method, Method::ClipAdapter);
}
