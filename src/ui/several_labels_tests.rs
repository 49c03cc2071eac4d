//! Several labels a photo, by keys and buttons.

use egui::accesskit::Toggled;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use crate::app::Command;
use crate::ids::PhotoId;

use super::window_tests::{asked, window};
use super::{ShotlensWindow, fixture};

type Window = Harness<'static, ShotlensWindow>;

/// The demo after a click on the option in the project's menu.
fn several() -> Window {
    let mut harness = window(fixture::demo());
    harness.get_by_label("Demo ⌄").click();
    harness.run_steps(3);
    harness.get_by_label("Several labels a photo").click();
    assert_eq!(asked(&mut harness), [Command::SetMultiLabel(true)]);
    harness.key_press(Key::Escape);
    asked(&mut harness);
    harness
}

fn press(harness: &mut Window, key: Key, modifiers: Modifiers) {
    harness.key_press_modifiers(modifiers, key);
    asked(harness);
}

fn names(harness: &Window, photo: PhotoId) -> Vec<String> {
    let project = harness.state().app.project();
    let labels = project.photo(photo).unwrap().labels();
    labels
        .map(|class| project.class(class).unwrap().name.clone())
        .collect()
}

fn is_on(harness: &Window, class: &str) -> bool {
    let label = format!("Label as {class}");
    let button = harness.get_by_label(&label);
    button.accesskit_node().toggled() == Some(Toggled::True)
        || button.accesskit_node().is_selected() == Some(true)
}

#[test]
fn keys_add_and_take_off_classes_and_enter_moves_on() {
    let mut harness = several();
    let photo = harness.state().app.selected().unwrap();
    let classes = harness.state().app.project().classes().iter();
    let classes: Vec<String> = classes.map(|class| class.name.clone()).collect();
    press(&mut harness, Key::Num2, Modifiers::NONE);
    press(&mut harness, Key::Num1, Modifiers::NONE);
    assert_eq!(harness.state().app.selected(), Some(photo));
    let both = [classes[1].clone(), classes[0].clone()];
    assert_eq!(names(&harness, photo), both);
    let said = format!("labelled {} and {} — photo", both[0], both[1]);
    assert_eq!(harness.get_all_by_label_contains(&said).count(), 1);
    let on: Vec<bool> = classes[..3]
        .iter()
        .map(|class| is_on(&harness, class))
        .collect();
    assert_eq!(on, [true, true, false]);

    press(&mut harness, Key::Num2, Modifiers::NONE);
    assert_eq!(names(&harness, photo), classes[..1]);
    press(&mut harness, Key::Z, Modifiers::COMMAND);
    assert_eq!(names(&harness, photo), both);

    let predicted = harness.state().app.prediction(photo).unwrap().class;
    press(&mut harness, Key::Enter, Modifiers::NONE);
    let app = &harness.state().app;
    assert!(app.project().photo(photo).unwrap().shows(predicted));
    let next = app.selected().unwrap();
    assert_ne!(next, photo, "Enter moves on");
    press(&mut harness, Key::ArrowLeft, Modifiers::NONE);
    press(&mut harness, Key::Enter, Modifiers::NONE);
    let app = &harness.state().app;
    assert_eq!(app.selected(), Some(next), "also where nothing is to add");

    press(&mut harness, Key::ArrowLeft, Modifiers::NONE);
    press(&mut harness, Key::Backspace, Modifiers::NONE);
    assert_eq!(names(&harness, photo), [""; 0]);
    assert_eq!(harness.state().app.selected(), Some(photo));
}

#[test]
fn a_prediction_among_several_labels_is_right() {
    let mut harness = several();
    let app = &mut harness.state_mut().app;
    let photo = app.gallery.photos[1];
    let predicted = app.prediction(photo).unwrap().class;
    let other = app.project().classes().iter();
    let other = other
        .map(|class| class.id)
        .find(|id| *id != predicted)
        .unwrap();
    app.apply(Command::ShowEvaluation(true));
    let before = app.agreement_above(0.0);
    app.apply(Command::Label(vec![photo], None));
    app.apply(Command::Label(vec![photo], Some(other)));
    assert_eq!(app.agreement_above(0.0), (before.0, before.1 + 1));
    assert_eq!(app.confused(other, predicted), [photo]);
    app.apply(Command::Label(vec![photo], Some(predicted)));
    assert_eq!(app.agreement_above(0.0), (before.0 + 1, before.1 + 1));
    assert!(!app.confused(other, predicted).contains(&photo));
    assert!(app.confused(predicted, predicted).contains(&photo));
    app.poll();
    let view = app.evaluation();
    assert_eq!(
        (view.num_right, view.num_judged),
        (before.0 + 1, before.1 + 1)
    );
}
