//! Whole stories in the real window with the real threads, told through what a screen reader hears, keys and the pointer.

use std::path::Path;

use egui::{Key, Modifiers, PointerButton, Pos2, pos2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use shotlens::app::{App, Command, Exported, Format, Options, SavedStatus, StartWith};
use shotlens::ids::PhotoId;

use crate::window::{Window, assets, drop_on_window, is_idle, open, run_apart, tiles, wait};

#[test]
fn thirty_photos_are_labelled_by_keys_ten_taken_back_five_given_again_and_all_is_there_the_next_day()
 {
    run_apart("stories::labelling");
}

#[test]
fn a_photo_is_given_several_classes_and_has_them_the_next_day() {
    run_apart("stories::several_labels");
}

#[test]
fn two_classes_become_one_and_two_again() {
    run_apart("stories::merging");
}

#[test]
fn sure_predictions_are_accepted_at_once() {
    run_apart("stories::accepting");
}

#[test]
fn a_line_drawn_on_the_map_selects_photos_that_a_key_labels() {
    run_apart("stories::lasso");
}

#[test]
fn a_table_that_was_exported_and_imported_says_the_same() {
    run_apart("stories::round_trip");
}

#[test]
fn photos_twice_are_found_and_a_leak_is_told() {
    run_apart("stories::twins");
}

#[test]
fn features_that_were_exported_come_back_without_embedding_anything() {
    run_apart("stories::features");
}

fn demo() -> Window {
    let mut window = open(StartWith::Demo);
    ready(&mut window);
    window
}

fn ready(window: &mut Window) {
    wait(window, "predictions", |window| {
        is_idle(window)
            && !tiles(window).is_empty()
            && tiles(window).iter().all(|tile| tile.contains('%'))
    });
}

fn press(window: &mut Window, key: Key, modifiers: Modifiers) {
    window.key_press_modifiers(modifiers, key);
    window.run_steps(2);
}

fn click(window: &mut Window, label: &str) {
    window.get_by_label(label).click();
    window.run_steps(4);
}

fn num_labelled(window: &Window) -> usize {
    let photos = window.state().app().project().photos().iter();
    photos.filter(|photo| photo.label.is_some()).count()
}

fn saved(window: &mut Window) {
    wait(window, "the last change on disk", |window| {
        matches!(window.state().app().saved(), SavedStatus::Saved(_))
    });
}

const REDO: Modifiers = Modifiers {
    shift: true,
    ..Modifiers::COMMAND
};

#[test]
#[ignore = "run apart, by the first story"]
fn labelling() {
    let mut window = demo();
    press(&mut window, Key::Home, Modifiers::NONE);
    let keys = [
        Key::Num1,
        Key::Num2,
        Key::Num3,
        Key::Num4,
        Key::Num5,
        Key::Num6,
    ];
    for number in 0..30 {
        press(&mut window, keys[number % keys.len()], Modifiers::NONE);
    }
    assert_eq!(num_labelled(&window), 30);
    for _ in 0..10 {
        press(&mut window, Key::Z, Modifiers::COMMAND);
    }
    assert_eq!(num_labelled(&window), 20);
    for _ in 0..5 {
        press(&mut window, Key::Z, REDO);
    }
    assert_eq!(num_labelled(&window), 25);
    saved(&mut window);
    let before: Vec<_> = window.state().app().project().photos().to_vec();
    let selected = window.state().app().selected();
    drop(window);

    let mut window = open(StartWith::Demo);
    ready(&mut window);
    let app = window.state().app();
    let labels = |photos: &[shotlens::project::Photo]| -> Vec<_> {
        photos.iter().map(|photo| (photo.id, photo.label)).collect()
    };
    assert_eq!(labels(app.project().photos()), labels(&before));
    assert_eq!(app.selected(), selected, "one goes on where one stopped");
    for _ in 0..5 {
        press(&mut window, Key::Z, REDO);
    }
    assert_eq!(
        num_labelled(&window),
        30,
        "what was undone yesterday is redone today"
    );
    press(&mut window, Key::Z, REDO);
    assert_eq!(num_labelled(&window), 30);
}

#[test]
#[ignore = "run apart, by the story of several labels"]
fn several_labels() {
    let mut window = demo();
    press(&mut window, Key::Home, Modifiers::NONE);
    let photo = window.state().app().selected().unwrap();
    click(&mut window, "Demo ⌄");
    click(&mut window, "Several labels a photo");
    press(&mut window, Key::Escape, Modifiers::NONE);
    for key in [Key::Num3, Key::Num1, Key::Num5, Key::Num1, Key::Num2] {
        press(&mut window, key, Modifiers::NONE);
    }
    let labels = |window: &Window| -> Vec<usize> {
        let project = window.state().app().project();
        let labels = project.photo(photo).unwrap().labels();
        let place = |id| project.classes().iter().position(|class| class.id == id);
        labels.map(|class| place(class).unwrap()).collect()
    };
    assert_eq!(labels(&window), [2, 1, 4]);
    press(&mut window, Key::Z, Modifiers::COMMAND);
    saved(&mut window);
    drop(window);

    let mut window = open(StartWith::Demo);
    ready(&mut window);
    assert_eq!(labels(&window), [2, 4]);
    press(&mut window, Key::Z, REDO);
    assert_eq!(labels(&window), [2, 1, 4]);
    for _ in 0..2 {
        press(&mut window, Key::Z, Modifiers::COMMAND);
    }
    assert_eq!(
        labels(&window),
        [2, 0, 4],
        "the day before can be taken back"
    );
}

#[test]
#[ignore = "run apart, by the second story"]
fn merging() {
    let mut window = demo();
    let names = |window: &Window| -> Vec<String> {
        let classes = window.state().app().project().classes().iter();
        classes.map(|class| class.name.clone()).collect()
    };
    let before = names(&window);
    click(&mut window, "Menu of bug");
    window.get_by_label_contains("Merge into").hover();
    window.run_steps(4);
    window.get_by_label_contains("Merge into").click();
    window.run_steps(6);
    let mut entries = window.get_all_by_label_contains("bird").filter(|node| {
        node.accesskit_node().role() == egui::accesskit::Role::Button
            && node
                .accesskit_node()
                .label()
                .is_some_and(|label| label.starts_with("bird") && !label.contains('%'))
    });
    entries.next_back().unwrap().click();
    drop(entries);
    window.run_steps(4);
    assert!(
        !names(&window).contains(&"bug".to_owned()),
        "{:?}",
        names(&window)
    );
    let bird = window
        .state()
        .app()
        .project()
        .class_named("bird")
        .unwrap()
        .id;
    assert_eq!(window.state().app().project().shots(bird).len(), 16);
    ready(&mut window);
    assert!(tiles(&window).iter().all(|tile| !tile.starts_with("bug")));
    press(&mut window, Key::Z, Modifiers::COMMAND);
    assert_eq!(names(&window), before);
    assert_eq!(window.state().app().project().shots(bird).len(), 8);
}

#[test]
#[ignore = "run apart, by the third story"]
fn accepting() {
    let mut window = demo();
    let app = window.state().app();
    let sure = app.acceptable(0.95);
    assert!(sure.len() > 10, "{} sure photos", sure.len());
    click(&mut window, "Accept sure…");
    click(&mut window, &format!("Accept {} predictions", sure.len()));
    assert_eq!(num_labelled(&window), sure.len());
    let app = window.state().app();
    for photo in sure {
        let label = app.project().photo(photo).unwrap().label;
        assert_eq!(label, app.prediction(photo).map(|found| found.class));
    }
    press(&mut window, Key::Z, Modifiers::COMMAND);
    assert_eq!(num_labelled(&window), 0, "one undo takes all of it back");
}

#[test]
#[ignore = "run apart, by the fourth story"]
fn lasso() {
    let mut window = demo();
    click(&mut window, "Map");
    wait(&mut window, "the map", |window| {
        let view = window.state().app().map();
        view.panes.len() == 2 && view.panes.iter().all(|pane| pane.share.is_none())
    });
    window.run_steps(2);
    let map = window.get_by_label_contains(": Original features").rect();
    let corners = [
        map.left_top(),
        map.right_top(),
        map.right_bottom(),
        map.left_bottom(),
    ];
    let centre = map.center();
    let line = corners.map(|corner: Pos2| corner + (centre - corner) * 0.03);
    draw(&mut window, &line);
    let app = window.state().app();
    assert_eq!(
        app.num_marked(),
        app.project().photos().len(),
        "all are inside"
    );

    // The upper half alone: some, not all; then a key labels them, and shots go to that class.
    let middle = pos2(map.right() - 5.0, centre.y);
    draw(
        &mut window,
        &[line[0], line[1], middle, pos2(map.left() + 5.0, centre.y)],
    );
    let marked = window.state().app().targets();
    assert!((1..116).contains(&marked.len()), "{}", marked.len());
    press(&mut window, Key::Num3, Modifiers::NONE);
    let app = window.state().app();
    let third = app.project().classes()[2].id;
    for photo in &marked {
        let photo = app.project().photo(*photo).unwrap();
        let is_of_third =
            photo.label == Some(third) || photo.role == shotlens::project::Role::Shot(third);
        assert!(is_of_third, "{photo:?}");
    }
    press(&mut window, Key::Z, Modifiers::COMMAND);
    assert_eq!(num_labelled(&window), 0);
}

/// Draws with the button held down.
fn draw(window: &mut Window, line: &[Pos2]) {
    let button = |at: Pos2, pressed: bool| egui::Event::PointerButton {
        pos: at,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    window.event(egui::Event::PointerMoved(line[0]));
    window.run_steps(1);
    window.event(button(line[0], true));
    window.run_steps(1);
    for ends in line.windows(2) {
        for step in 1..=8 {
            let at = ends[0] + (ends[1] - ends[0]) * (step as f32 / 8.0);
            window.event(egui::Event::PointerMoved(at));
            window.run_steps(1);
        }
    }
    window.event(button(line[line.len() - 1], false));
    window.run_steps(2);
}

/// Exports as a table through the dialog.
fn export_table(window: &mut Window, path: &Path) -> String {
    press(window, Key::S, Modifiers::COMMAND);
    click(window, "Type a path…");
    let field = window.get_by_role(egui::accesskit::Role::MultilineTextInput);
    field.type_text(path.to_str().unwrap());
    window.run_steps(2);
    click(window, "Export to this path");
    wait(window, "the table", |window| {
        path.is_file() && window.state().app().export().is_none()
    });
    std::fs::read_to_string(path).unwrap()
}

#[test]
#[ignore = "run apart, by the fifth story"]
fn round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = demo();
    press(&mut window, Key::Home, Modifiers::NONE);
    for key in [Key::Num1, Key::Num4, Key::Num2, Key::Num6] {
        press(&mut window, key, Modifiers::NONE);
    }
    ready(&mut window);
    let before = export_table(&mut window, &folder.path().join("before.csv"));
    assert_eq!(before.lines().count(), 117);

    begin_anew(&mut window, folder.path());
    drop_on_window(&mut window, &[folder.path().join("before.csv")]);
    wait(&mut window, "its photos", |window| {
        window.state().app().project().photos().len() == 116
    });
    ready(&mut window);
    let after = export_table(&mut window, &folder.path().join("after.csv"));
    // Who decided is an import now, and the order is that of the table.
    let told = |table: &str| -> std::collections::BTreeSet<String> {
        let rows = table.lines().map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            format!("{} {}", cells[0], cells[1])
        });
        rows.collect()
    };
    assert_eq!(told(&before), told(&after));
}

#[test]
#[ignore = "run apart, by the seventh story"]
fn features() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = demo();
    let out = folder.path().join("embeddings");
    let what = Exported::Photos(Format::ClipRetrieval, Options::default());
    let export = Command::Export(what, out.clone());
    window.state_mut().app_mut().apply(export);
    wait(&mut window, "the export", |window| {
        out.join("img_emb").is_dir() && window.state().app().export().is_none()
    });
    begin_anew(&mut window, folder.path());
    drop_on_window(&mut window, &[out]);
    wait(&mut window, "the photos", |window| {
        window.state().app().project().photos().len() == 116 && is_idle(window)
    });
    let app = window.state().app();
    assert_told(app, |text| text.starts_with("116 photos imported"));
}

#[test]
#[ignore = "run apart, by the sixth story"]
fn twins() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = open(StartWith::New(None));
    wait(&mut window, "the model", is_idle);
    drop_on_window(
        &mut window,
        &[assets("support/bird"), assets("support/bug")],
    );
    wait(&mut window, "two classes", |window| {
        window.state().app().project().classes().len() == 2
    });
    let shot = window.state().app().project().photos()[0]
        .path
        .to_path_buf();
    let copy = folder.path().join("copy.jpg");
    std::fs::copy(&shot, &copy).unwrap();
    window.hover_at(pos2(640.0, 300.0));
    window.run_steps(2);
    drop_on_window(&mut window, &[copy, assets("pool/bug")]);
    ready(&mut window);
    click(&mut window, "Check…");
    click(&mut window, "Photos twice");
    wait(&mut window, "the twins", |window| {
        window
            .state()
            .app()
            .gallery()
            .chosen
            .0
            .contains("nearly the same")
    });
    let app = window.state().app();
    let names: Vec<String> = app.gallery().photos[..2]
        .iter()
        .map(|photo| name(&window, *photo))
        .collect();
    let shot = shot.file_name().unwrap().to_string_lossy().into_owned();
    assert!(
        names.contains(&"copy.jpg".to_owned()) && names.contains(&shot),
        "{names:?}"
    );
    assert_told(app, |text| text.contains("1 are the same file"));
}

/// Another project, in which there is nothing.
fn begin_anew(window: &mut Window, folder: &Path) {
    let project = folder.join("again.shotlens");
    let new = Command::NewProject(Some(project));
    window.state_mut().app_mut().apply(new);
    wait(window, "an empty project", |window| {
        window.state().app().project().photos().is_empty() && is_idle(window)
    });
}

/// A sentence of the program is such a one.
#[track_caller]
fn assert_told(app: &App, is_it: impl Fn(&str) -> bool) {
    let notices: Vec<&str> = app
        .notices()
        .iter()
        .map(|notice| notice.text.as_str())
        .collect();
    assert!(notices.iter().any(|text| is_it(text)), "{notices:?}");
}

fn name(window: &Window, photo: PhotoId) -> String {
    let photo = window.state().app().project().photo(photo);
    photo.unwrap().file_name()
}
