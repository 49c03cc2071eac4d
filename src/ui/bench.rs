//! `shotlens bench ui`: how long a frame takes on the processor, without a display.
//!
//! A frame is everything between two pictures that the window's thread does: taking in events, carrying out commands, laying
//! out, tessellating. What the graphics card does with the triangles is not in it.

mod grid;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::app::{App, Command, Filter, Parameter, Sort, Step, SyntheticSize};
use crate::worker::{Wake, thumbnail_reader};

use super::ShotlensWindow;
use super::thumbnails::ReadThumbnail;

pub use grid::run as run_grid;

const FRAMES: usize = 600;
const FRAME_SECONDS: f64 = 1.0 / 60.0;
/// A million photos take their time.
const PATIENCE: Duration = Duration::from_mins(10);

/// The figures of one situation.
struct Row {
    scene: &'static str,
    photos: usize,
    times_ms: Vec<f64>,
    resident_mb: Option<f64>,
}

/// Measures every scene and prints a row for each; with `project` on that file, opening included.
///
/// # Errors
/// When the operating system gives no threads, or predictions do not come.
pub fn run(num_pool: usize, project: Option<&Path>, json: bool) -> Result<()> {
    let keys = SyntheticSize {
        num_classes: 100,
        num_shots: 16,
        num_pool: 10_000,
        dim: 512,
    };
    let many = SyntheticSize {
        num_classes: 10,
        num_shots: 16,
        num_pool,
        dim: 64,
    };
    let mut rows = Vec::new();
    let mut window = if let Some(path) = project {
        Measured::open(path, num_pool, &mut rows)?
    } else {
        let mut window = Measured::synthetic(&keys)?;
        rows.push(window.measure("idle", |_, _, _| ()));
        rows.push(window.measure("drag-alpha", drag_alpha));
        drop(window);
        Measured::synthetic(&many)?
    };
    let scenes: [(&'static str, Act); 6] = [
        ("scroll", scroll),
        ("filter", filter),
        ("sort", sort),
        ("label", label),
        ("accept", accept),
        ("evaluation", evaluation),
    ];
    rows.extend(scenes.map(|(name, act)| window.measure(name, act)));
    if window.lay_out_map(&mut rows) {
        rows.push(window.measure("map", zoom_map));
    } else {
        eprintln!(
            "the map of {num_pool} photos was not finished within ten minutes, so its scenes are left out"
        );
    }
    if json {
        let rows: Vec<_> = rows.iter().map(Row::json).collect();
        println!("{}", serde_json::Value::from(rows));
    } else {
        println!(
            "{:<18} {:>8} {:>7} {:>9} {:>9} {:>9} {:>9}",
            "scene", "photos", "frames", "median", "99 %", "worst", "memory"
        );
        rows.iter().for_each(Row::print);
    }
    Ok(())
}

/// What happens before a frame.
type Act = fn(&mut ShotlensWindow, &mut egui::RawInput, usize);

fn drag_alpha(window: &mut ShotlensWindow, _: &mut egui::RawInput, frame: usize) {
    let share = 0.5 - 0.5 * (frame as f64 / 40.0).cos();
    window
        .app
        .apply(Command::SetParameter(Parameter::Alpha, 100_f64.powf(share)));
}

fn scroll(_: &mut ShotlensWindow, input: &mut egui::RawInput, frame: usize) {
    let direction = if frame < FRAMES / 2 { -1.0 } else { 1.0 };
    turn_wheel(input, direction * 400.0);
}

/// Over the centre of the window.
fn turn_wheel(input: &mut egui::RawInput, by: f32) {
    let over = egui::Event::PointerMoved(egui::pos2(640.0, 300.0));
    input.events.push(over);
    input.events.push(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: egui::vec2(0.0, by),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Unknown,
        modifiers: egui::Modifiers::NONE,
    });
}

fn filter(window: &mut ShotlensWindow, _: &mut egui::RawInput, frame: usize) {
    let class = window.app.project().classes().first().map(|class| class.id);
    let filters = [
        Filter::Unlabelled,
        Filter::Labelled,
        Filter::Disagreeing,
        class.map_or(Filter::All, Filter::Class),
        Filter::All,
    ];
    if frame.is_multiple_of(12) {
        window
            .app
            .apply(Command::SetFilter(filters[frame / 12 % filters.len()]));
    }
}

fn sort(window: &mut ShotlensWindow, _: &mut egui::RawInput, frame: usize) {
    let sorts = [
        Sort::Name,
        Sort::LeastSure,
        Sort::Margin,
        Sort::Class,
        Sort::Newest,
        Sort::Added,
    ];
    if frame == 0 {
        window.app.apply(Command::SetFilter(Filter::All));
    }
    if frame.is_multiple_of(12) {
        window
            .app
            .apply(Command::SetSort(sorts[frame / 12 % sorts.len()]));
    }
}

/// Twenty labels a second, in a gallery that shows what has none yet, the least sure first.
fn label(window: &mut ShotlensWindow, _: &mut egui::RawInput, frame: usize) {
    let app = &mut window.app;
    if frame == 0 {
        app.apply(Command::SetSort(Sort::LeastSure));
        app.apply(Command::SetFilter(Filter::Unlabelled));
        app.apply(Command::MoveSelection(Step::First));
    }
    if frame.is_multiple_of(3) {
        let classes = app.project().classes();
        let class = classes
            .get(frame / 3 % classes.len().max(1))
            .map(|class| class.id);
        let photos = app.targets();
        app.apply(Command::Label(photos, class));
    }
}

/// The dialog that accepts all sure predictions, its threshold as it opens.
fn accept(window: &mut ShotlensWindow, _: &mut egui::RawInput, frame: usize) {
    if frame == 0 {
        window.accept_dialog = Some(super::AcceptDialog::default());
    }
}

/// The window of figures, while labels go on.
fn evaluation(window: &mut ShotlensWindow, input: &mut egui::RawInput, frame: usize) {
    if frame == 0 {
        window.accept_dialog = None;
        window.app.apply(Command::ShowEvaluation(true));
    }
    label(window, input, frame);
}

/// The map of all photos, larger and smaller: every point is placed anew in every frame.
fn zoom_map(_: &mut ShotlensWindow, input: &mut egui::RawInput, frame: usize) {
    let direction = if (frame / 20).is_multiple_of(2) {
        1.0
    } else {
        -1.0
    };
    turn_wheel(input, direction * 30.0);
}

/// A window whose frames are timed.
struct Measured {
    context: egui::Context,
    window: ShotlensWindow,
    num_frames: usize,
}

impl Measured {
    fn new(app: App, read: &ReadThumbnail) -> Self {
        let context = egui::Context::default();
        let window = ShotlensWindow::new(&context, app, read);
        Self {
            context,
            window,
            num_frames: 0,
        }
    }

    fn synthetic(size: &SyntheticSize) -> Result<Self> {
        let mut measured = Self::unfitted(size)?;
        let is_idle = measured.window.app.wait_until_idle(PATIENCE);
        ensure!(is_idle, "no predictions came within ten minutes");
        Ok(measured)
    }

    /// A window whose features are there and whose first fit is due.
    fn unfitted(size: &SyntheticSize) -> Result<Self> {
        let app = App::synthetic(size, Arc::new(|| ()))?;
        let read: ReadThumbnail = Arc::new(|_, side| {
            let grey = image::Rgb([90, 120, 150]);
            Ok(image::RgbImage::from_pixel(side, side * 3 / 4, grey))
        });
        Ok(Self::new(app, &read))
    }

    /// Opens a project file and times how long its photos, then their predictions, take to be seen.
    fn open(path: &Path, num_pool: usize, rows: &mut Vec<Row>) -> Result<Self> {
        let wake: Wake = Arc::new(|| ());
        if !path.exists() {
            // Made by another app, so that nothing of it is warm.
            drop(App::measured(path, num_pool, &wake)?);
        }
        let start = Instant::now();
        let app = App::measured(path, num_pool, &wake)?;
        let mut measured = Self::new(app, &thumbnail_reader::reader());
        let mut times_ms = Vec::new();
        let mut frame_until =
            |measured: &mut Self, what: &'static str, is_done: fn(&ShotlensWindow) -> bool| {
                while !is_done(&measured.window) {
                    ensure!(start.elapsed() < PATIENCE, "no {what} within ten minutes");
                    times_ms.push(measured.frame(|_, _, _| (), 0));
                }
                Ok(start.elapsed().as_secs_f64() * 1e3)
            };
        let photos_ms = frame_until(&mut measured, "photos", has_photos)?;
        let predicted_ms = frame_until(&mut measured, "predictions", |window| {
            window
                .app
                .gallery()
                .photos
                .first()
                .is_some_and(|photo| window.app.prediction(*photo).is_some())
        })?;
        frame_until(&mut measured, "end of embedding", |window| {
            window.app.is_idle()
        })?;
        let opened = measured.row("open: photos", vec![photos_ms]);
        rows.push(opened);
        rows.push(measured.row("open: predictions", vec![predicted_ms]));
        rows.push(measured.row("open: frames", times_ms));
        Ok(measured)
    }

    fn measure(&mut self, scene: &'static str, act: Act) -> Row {
        // The first frames fill caches of text and layout, as the first frames of a window do while it opens; what a scene does first counts.
        for _ in 0..30 {
            self.frame(|_, _, _| (), 0);
        }
        let times_ms = (0..FRAMES).map(|frame| self.frame(act, frame)).collect();
        self.row(scene, times_ms)
    }

    /// Opens the map and times how long its points, then their neighbourhoods take, and the frames meanwhile; `false` if it was
    /// not finished, with rows for what there was.
    fn lay_out_map(&mut self, rows: &mut Vec<Row>) -> bool {
        self.window.app.apply(Command::ShowEvaluation(false));
        self.window.app.apply(Command::SetFilter(Filter::All));
        self.window.app.apply(Command::ShowMap(true));
        let start = Instant::now();
        let (mut times_ms, mut points_ms) = (Vec::new(), None);
        let mut neighbours_ms = None;
        while neighbours_ms.is_none() && start.elapsed() < PATIENCE {
            times_ms.push(self.frame(|_, _, _| (), 0));
            let elapsed_ms = start.elapsed().as_secs_f64() * 1e3;
            let panes = &self.window.app.map().panes;
            if !panes.is_empty() {
                points_ms.get_or_insert(elapsed_ms);
                let is_finished = panes.iter().all(|pane| pane.share.is_none());
                neighbours_ms = is_finished.then_some(elapsed_ms);
            }
        }
        let once = [
            ("map: points", points_ms),
            ("map: neighbours", neighbours_ms),
        ];
        for (scene, ms) in once {
            rows.extend(ms.map(|ms| self.row(scene, vec![ms])));
        }
        rows.push(self.row("map: frames", times_ms));
        neighbours_ms.is_some()
    }

    /// Draws a frame; how long it took, in milliseconds.
    fn frame(&mut self, act: Act, frame: usize) -> f64 {
        let mut input = input_at(self.num_frames as f64 * FRAME_SECONDS);
        self.num_frames += 1;
        let window = &mut self.window;
        let start = Instant::now();
        act(window, &mut input, frame);
        let triangles = draw(&self.context, window, input);
        let elapsed = start.elapsed();
        drop(triangles);
        // A display leaves this time to the other threads.
        std::thread::sleep(Duration::from_secs_f64(FRAME_SECONDS).saturating_sub(elapsed));
        elapsed.as_secs_f64() * 1e3
    }

    fn row(&self, scene: &'static str, mut times_ms: Vec<f64>) -> Row {
        times_ms.sort_by(f64::total_cmp);
        let resident = memory_stats::memory_stats();
        Row {
            scene,
            photos: self.window.app.project().pool().len(),
            times_ms,
            resident_mb: resident.map(|stats| stats.physical_mem as f64 / 1e6),
        }
    }
}

/// What a window of 1280x800 is told at a time, in seconds.
pub(super) fn input_at(time: f64) -> egui::RawInput {
    let size = egui::vec2(1280.0, 800.0);
    egui::RawInput {
        screen_rect: Some(egui::Rect::from_min_size(egui::Pos2::ZERO, size)),
        time: Some(time),
        ..egui::RawInput::default()
    }
}

/// One frame, to the triangles that a graphics card would get.
pub(super) fn draw(
    context: &egui::Context,
    window: &mut ShotlensWindow,
    input: egui::RawInput,
) -> Vec<egui::ClippedPrimitive> {
    window.app.poll();
    let output = context.run_ui(input, |ui| window.frame_ui(ui));
    context.tessellate(output.shapes, output.pixels_per_point)
}

/// What this share of ascending `values` stays below; 0 of none.
fn quantile(values: &[f64], share: f64) -> f64 {
    let last = values.len().saturating_sub(1);
    let value = values.get((share * last as f64).round() as usize);
    value.copied().unwrap_or_default()
}

/// Whether the gallery shows photos with their pictures.
fn has_photos(window: &ShotlensWindow) -> bool {
    !window.app.gallery().photos.is_empty() && window.thumbnails.has_pictures()
}

impl Row {
    /// The time that this share of the frames stays below.
    fn quantile(&self, share: f64) -> f64 {
        quantile(&self.times_ms, share)
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "scene": self.scene, "photos": self.photos, "frames": self.times_ms.len(),
            "p50_ms": self.quantile(0.5), "p99_ms": self.quantile(0.99), "worst_ms": self.quantile(1.0),
            "resident_mb": self.resident_mb,
        })
    }

    fn print(&self) {
        let (p50, p99, worst) = (self.quantile(0.5), self.quantile(0.99), self.quantile(1.0));
        let memory = self
            .resident_mb
            .map_or_else(|| "-".to_owned(), |mb| format!("{mb:.0} MB"));
        println!(
            "{:<18} {:>8} {:>7} {p50:>6.2} ms {p99:>6.2} ms {worst:>6.2} ms {memory:>9}",
            self.scene,
            self.photos,
            self.times_ms.len()
        );
    }
}
