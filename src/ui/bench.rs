//! `shotlens bench ui`: how long a frame takes on the processor, without a display.
//!
//! A frame is everything between two pictures that the window's thread does: taking in events, carrying out commands, laying
//! out, tessellating. What the graphics card does with the triangles is not in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::app::{App, Command, Parameter, SyntheticSize};

use super::ShotlensWindow;
use super::thumbnails::ReadThumbnail;

const FRAMES: usize = 600;
const FRAME_SECONDS: f64 = 1.0 / 60.0;

/// One situation.
struct Scene {
    name: &'static str,
    size: SyntheticSize,
    act: fn(&mut App, &mut egui::RawInput, usize),
}

/// The figures of one situation.
struct Row {
    scene: &'static str,
    photos: usize,
    times_ms: Vec<f64>,
    resident_mb: Option<f64>,
}

/// Measures every scene and prints a row for each.
///
/// # Errors
/// When the operating system gives no threads, or predictions do not come.
pub fn run(json: bool) -> Result<()> {
    let keys = SyntheticSize {
        num_classes: 100,
        num_shots: 16,
        num_pool: 10_000,
        dim: 512,
    };
    let many = SyntheticSize {
        num_classes: 10,
        num_shots: 16,
        num_pool: 100_000,
        dim: 64,
    };
    let scenes = [
        Scene {
            name: "idle",
            size: keys,
            act: |_, _, _| (),
        },
        Scene {
            name: "drag-alpha",
            size: keys,
            act: drag_alpha,
        },
        Scene {
            name: "scroll",
            size: many,
            act: scroll,
        },
    ];
    let rows = scenes.iter().map(measure).collect::<Result<Vec<_>>>()?;
    if json {
        println!(
            "{}",
            serde_json::Value::from(rows.iter().map(Row::json).collect::<Vec<_>>())
        );
    } else {
        println!(
            "{:<12} {:>8} {:>7} {:>9} {:>9} {:>9} {:>9}",
            "scene", "photos", "frames", "median", "99 %", "worst", "memory"
        );
        rows.iter().for_each(Row::print);
    }
    Ok(())
}

fn drag_alpha(app: &mut App, _: &mut egui::RawInput, frame: usize) {
    let share = 0.5 - 0.5 * (frame as f64 / 40.0).cos();
    app.apply(Command::SetParameter(Parameter::Alpha, 100_f64.powf(share)));
}

fn scroll(_: &mut App, input: &mut egui::RawInput, frame: usize) {
    let direction = if frame < FRAMES / 2 { -1.0 } else { 1.0 };
    input
        .events
        .push(egui::Event::PointerMoved(egui::pos2(640.0, 300.0)));
    input.events.push(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: egui::vec2(0.0, direction * 400.0),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Unknown,
        modifiers: egui::Modifiers::NONE,
    });
}

fn measure(scene: &Scene) -> Result<Row> {
    let mut app = App::synthetic(&scene.size, Arc::new(|| ()))?;
    ensure!(
        app.wait_until_idle(Duration::from_mins(2)),
        "no predictions came within two minutes"
    );
    let context = egui::Context::default();
    let read: ReadThumbnail = Arc::new(|_, side| {
        Ok(image::RgbImage::from_pixel(
            side,
            side * 3 / 4,
            image::Rgb([90, 120, 150]),
        ))
    });
    let mut window = ShotlensWindow::new(&context, app, &read);
    let mut times_ms = Vec::with_capacity(FRAMES);
    // The first frames fill caches of text and layout, as the first frames of a window do while it opens.
    for frame in 0..FRAMES + 30 {
        let mut input = egui::RawInput {
            screen_rect: Some(egui::Rect::from_min_size(
                egui::Pos2::ZERO,
                egui::vec2(1280.0, 800.0),
            )),
            time: Some(frame as f64 * FRAME_SECONDS),
            ..egui::RawInput::default()
        };
        let start = Instant::now();
        (scene.act)(window.app_mut(), &mut input, frame);
        window.app_mut().poll();
        let output = context.run_ui(input, |ui| window.frame_ui(ui));
        let triangles = context.tessellate(output.shapes, output.pixels_per_point);
        let elapsed = start.elapsed();
        drop(triangles);
        if frame >= 30 {
            times_ms.push(elapsed.as_secs_f64() * 1e3);
        }
        // A display leaves this time to the other threads.
        std::thread::sleep(Duration::from_secs_f64(FRAME_SECONDS).saturating_sub(elapsed));
    }
    times_ms.sort_by(f64::total_cmp);
    let resident_mb = memory_stats::memory_stats().map(|stats| stats.physical_mem as f64 / 1e6);
    Ok(Row {
        scene: scene.name,
        photos: scene.size.num_pool,
        times_ms,
        resident_mb,
    })
}

impl Row {
    /// The time that this share of the frames stays below.
    fn quantile(&self, share: f64) -> f64 {
        let last = self.times_ms.len().saturating_sub(1);
        self.times_ms
            .get((share * last as f64).round() as usize)
            .copied()
            .unwrap_or_default()
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
            "{:<12} {:>8} {:>7} {p50:>6.2} ms {p99:>6.2} ms {worst:>6.2} ms {memory:>9}",
            self.scene,
            self.photos,
            self.times_ms.len()
        );
    }
}
