//! The whole program as a newcomer meets it: folders dropped on the real window, the embedded model, the real threads.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use shotlens::app::{AdapterStage, App, ModelChoice, Parameter, SavedStatus, StartWith};
use shotlens::ui::ShotlensWindow;
use shotlens::worker::{Wake, thumbnail_reader};

pub(crate) type Window = Harness<'static, ShotlensWindow>;

/// Longer than any machine needs; a deadline, not a measure.
const DEADLINE: Duration = Duration::from_mins(4);

/// A test in a process of its own, since where Shotlens keeps things is told by an environment variable.
pub(crate) fn run_apart(name: &str) {
    let home = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env("SHOTLENS_HOME", home.path())
        .status()
        .unwrap();
    assert!(status.success(), "{name} failed; its output is above");
}

#[test]
fn a_newcomer_drops_folders_sees_predictions_moves_a_slider_labels_and_undoes() {
    run_apart("window::newcomer");
}

#[test]
fn the_demo_opens_with_predictions_and_both_histograms() {
    run_apart("window::demo");
}

#[test]
fn an_adapter_is_trained_by_a_click_and_is_in_use_then() {
    run_apart("window::adapter");
}

pub(crate) fn open(start: StartWith) -> Window {
    Harness::builder()
        .with_size(egui::vec2(1280.0, 800.0))
        .allow_missing_glyphs()
        .build_eframe(move |creation| {
            let context = creation.egui_ctx.clone();
            let wake: Wake = Arc::new(move || context.request_repaint());
            let app = App::start(start, ModelChoice::default(), &wake).unwrap();
            ShotlensWindow::new(&creation.egui_ctx, app, &thumbnail_reader::reader())
        })
}

/// Draws frames until `is_done`.
#[track_caller]
pub(crate) fn wait(window: &mut Window, what: &str, is_done: impl Fn(&Window) -> bool) {
    let start = Instant::now();
    loop {
        window.run_steps(1);
        if is_done(window) {
            return;
        }
        assert!(
            start.elapsed() < DEADLINE,
            "waited in vain for {what}; notices: {:?}",
            window.state().app().notices()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn is_idle(window: &Window) -> bool {
    window.state().app().is_idle()
}

/// What the tiles of the gallery say to a screen reader.
pub(crate) fn tiles(window: &Window) -> Vec<String> {
    window
        .get_all_by_label_contains("— photo")
        .filter_map(|node| node.accesskit_node().label())
        .collect()
}

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("the program reads files by their paths".to_owned())
    }
}

pub(crate) fn drop_on_window(window: &mut Window, paths: &[PathBuf]) {
    window.input_mut().dropped_files = paths
        .iter()
        .map(|path| Arc::new(Dropped(path.clone())) as _)
        .collect();
    window.run_steps(2);
}

/// The demo's photos stand for a newcomer's folders.
pub(crate) fn assets(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("assets/demo")
        .join(part)
}

#[test]
#[ignore = "run apart, by the test of the newcomer"]
fn newcomer() {
    let mut window = open(StartWith::New(None));
    wait(&mut window, "the model", is_idle);
    drop_on_window(
        &mut window,
        &[assets("support/bird"), assets("support/bug")],
    );
    wait(&mut window, "two classes", |window| {
        window.state().app().project().classes().len() == 2
    });
    window.hover_at(egui::pos2(640.0, 300.0));
    window.run_steps(2);
    drop_on_window(&mut window, &[assets("pool/bug"), assets("pool/bird")]);
    wait(&mut window, "predictions of the pool", |window| {
        is_idle(window)
            && tiles(window).len() > 3
            && tiles(window).iter().all(|tile| tile.contains('%'))
    });
    let tuned = tiles(&window);
    assert!(
        tuned
            .iter()
            .all(|tile| tile.starts_with("bird") || tile.starts_with("bug")),
        "{tuned:?}"
    );

    let alpha = window.state().app().parameter(Parameter::Alpha);
    let other = if alpha > 5.0 { 0.05 } else { 90.0 };
    window.get_by_label("alpha").set_value_accesskit(other);
    window.run_steps(2);
    assert_ne!(
        tiles(&window),
        tuned,
        "predictions follow the slider from {alpha} to {other}"
    );
    assert!(
        !window.state().app().fit().tuned,
        "a touch of the slider ends the tuning"
    );

    let photo = window.state().app().gallery().photos[0];
    let label = |window: &Window| window.state().app().project().photo(photo).unwrap().label;
    window
        .get_all_by_label_contains("— photo")
        .next()
        .unwrap()
        .click();
    window.run_steps(3);
    assert_eq!(window.state().app().selected(), Some(photo));
    window.key_press(egui::Key::Num2);
    window.run_steps(3);
    let second = window.state().app().project().classes()[1].id;
    assert_eq!(label(&window), Some(second));
    window.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::Z);
    window.run_steps(3);
    assert_eq!(label(&window), None, "undone");

    wait(&mut window, "both histograms", |window| {
        window.state().app().overlap().after.is_some() && is_idle(window)
    });
    window.run_steps(2);
    for name in ["overlap before", "overlap after"] {
        assert!(window.query_by_label_contains(name).is_some(), "{name}");
    }
    wait(&mut window, "the last change on disk", |window| {
        matches!(window.state().app().saved(), SavedStatus::Saved(_))
    });
}

#[test]
#[ignore = "run apart, by the test of the demo"]
fn demo() {
    let mut window = open(StartWith::Demo);
    wait(&mut window, "the demo", |window| {
        is_idle(window) && !tiles(window).is_empty()
    });
    wait(&mut window, "predictions", |window| {
        tiles(window).iter().all(|tile| tile.contains('%'))
    });
    wait(&mut window, "histograms", |window| {
        window.state().app().overlap().after.is_some()
    });
    window.run_steps(2);
    for name in ["overlap before", "overlap after"] {
        let spoken = window
            .get_by_label_contains(name)
            .accesskit_node()
            .label()
            .unwrap();
        assert!(spoken.contains("AUROC"), "{spoken}");
    }
    let fit = window.state().app().fit();
    assert!(
        fit.tuned && fit.method_accuracy > fit.zero_shot_accuracy,
        "{fit:?}"
    );
}

#[test]
#[ignore = "run apart, by the test of the adapter"]
fn adapter() {
    let mut window = open(StartWith::Demo);
    wait(&mut window, "the demo", is_idle);
    window.get_by_label("Train adapter…").click();
    window.run_steps(4);
    window.get_by_label("Train").click();
    let view = |window: &Window| window.state().app().adapter_training().clone();
    // Looked at every 25 steps: by then there are both histograms.
    wait(&mut window, "the second histogram", |window| {
        let view = view(window);
        view.after.is_some() || !view.stage.is_busy()
    });
    assert!(view(&window).before.is_some(), "{:?}", view(&window).stage);
    window.get_by_label("End now").click();
    wait(&mut window, "the adapter", |window| {
        matches!(view(window).stage, AdapterStage::Done(_))
    });
    wait(&mut window, "features through it", is_idle);
    let app = window.state().app();
    let adapter = app.project().settings().adapter.clone().unwrap();
    assert!(adapter.ends_with("Demo adapter.safetensors"), "{adapter}");
    assert!(app.adapter_options().iter().any(|option| {
        option.title == "Demo adapter"
            && option.summary.contains("Trained on 36 photos of 6 classes")
    }));
    // The shots that it learned from cannot show what it is worth.
    let overlap = app.overlap();
    assert!(overlap.after.is_some());
    let note = overlap.note.clone().unwrap();
    assert!(note.contains("12 shots that did not train"), "{note}");

    let show = shotlens::app::Command::ShowAdapterComparison(true);
    window.state_mut().app_mut().apply(show);
    wait(&mut window, "the adapters side by side", |window| {
        let view = window.state().app().adapter_comparison();
        !view.is_running
    });
    let view = window.state().app().adapter_comparison();
    let titles: Vec<&str> = view.rows.iter().map(|row| row.title.as_str()).collect();
    assert_eq!(
        titles[..2],
        ["Original features", "Demo adapter"],
        "{titles:?}"
    );
    assert!(titles.len() >= 4, "{titles:?} {:?}", view.problems);
    for row in &view.rows {
        let figures = row.figures.as_ref().unwrap();
        assert!((0.0..=1.0).contains(&figures.overlap) && figures.auroc > 0.5);
        assert!(
            row.accuracy.iter().flatten().all(|share| *share > 50.0),
            "{row:?}"
        );
    }
    assert!(view.methods.len() >= 6 && view.classes.len() >= 2);
}
