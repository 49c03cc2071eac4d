//! The main job through the window, driven as a screen reader drives it: folders dropped, predictions, a slider, a label, undo, both histograms.
//!
//! The window is drawn by egui without a graphics card; the threads behind it and the embedded model are the real ones.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Key, Modifiers, pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use shotlens::app::{App, ModelChoice, StartWith};
use shotlens::ui::ShotlensWindow;
use shotlens::worker::thumbnail_reader;

const TEST: &str = "window::folders_dropped_on_the_window_are_learned_from_live";
const PATIENCE: Duration = Duration::from_mins(3);

type Window = Harness<'static, ShotlensWindow>;

/// Projects and caches go where `SHOTLENS_HOME` says, and only a process of its own can be told so.
fn run_in_own_home() -> bool {
    if std::env::var_os("SHOTLENS_HOME").is_some() {
        return false;
    }
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env("SHOTLENS_HOME", home.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{}{text}",
        String::from_utf8_lossy(&output.stdout)
    );
    true
}

fn open(folder: &Path) -> Window {
    let start = StartWith::New(Some(folder.join("test.shotlens")));
    let app = App::start(start, ModelChoice::default(), Arc::new(|| ())).unwrap();
    Harness::builder()
        .with_size(egui::vec2(1280.0, 800.0))
        .build_eframe(move |creation| {
            ShotlensWindow::new(&creation.egui_ctx, app, &thumbnail_reader::reader())
        })
}

/// Draws frames until `is_done`.
#[track_caller]
fn wait(window: &mut Window, what: &str, is_done: impl Fn(&Window) -> bool) {
    let start = Instant::now();
    loop {
        window.run_steps(2);
        if is_done(window) {
            return;
        }
        let notices = window.state().app().notices();
        assert!(start.elapsed() < PATIENCE, "no {what}: {notices:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("the window leaves reading to its threads".to_owned())
    }
}

/// Drops folders of the demo's pictures at `x`.
fn drop_folders(window: &mut Window, x: f32, folders: [&str; 2]) {
    window.hover_at(pos2(x, 330.0));
    window.run_steps(2);
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo");
    window.input_mut().dropped_files = folders
        .map(|folder| Arc::new(Dropped(demo.join(folder))) as egui::DroppedFileHandle)
        .to_vec();
    window.run_steps(2);
}

/// What the tiles on screen say, as "birds 93 % — photo crow-01.jpg".
fn tiles(window: &Window) -> Vec<String> {
    window
        .get_all_by_label_contains(" — photo ")
        .filter_map(|node| node.accesskit_node().label())
        .collect()
}

fn are_predicted(window: &Window) -> bool {
    let num_tiles = window.query_all_by_label_contains(" % — photo ").count();
    num_tiles >= 6 && window.state().app().is_idle()
}

#[test]
fn folders_dropped_on_the_window_are_learned_from_live() {
    if run_in_own_home() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut window = open(folder.path());
    wait(&mut window, "model", |window| {
        window.state().app().is_idle()
    });

    drop_folders(&mut window, 60.0, ["support/birds", "support/fruit"]);
    wait(&mut window, "classes", |window| {
        window.query_all_by_label_contains("Name of class").count() == 2
    });
    drop_folders(&mut window, 640.0, ["pool/birds", "pool/fruit"]);
    wait(&mut window, "predictions", are_predicted);
    let before = tiles(&window);
    let is_right = |tile: &&String| tile.starts_with("birds");
    let num_birds = before.iter().filter(is_right).count();
    assert!(num_birds * 2 > before.len(), "birds come first: {before:?}");

    window.get_by_label("alpha").set_value_accesskit(80.0);
    window.run_steps(1);
    window.run_steps(1);
    let moved = tiles(&window);
    assert_ne!(
        before, moved,
        "the slider changes what is on screen at once"
    );

    window.key_press(Key::Home);
    window.run_steps(3);
    window.key_press(Key::Num2);
    window.run_steps(3);
    let is_labelled = |window: &Window| {
        window
            .query_all_by_label_contains(", labelled fruit")
            .count()
    };
    assert_eq!(is_labelled(&window), 1);
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.run_steps(3);
    assert_eq!(is_labelled(&window), 0);

    wait(&mut window, "histogram", |window| {
        let before = window.query_all_by_label_contains("overlap before: AUROC");
        before.count() == 1
    });
}
