//! `shotlens bench ui --grid`: a slider at every size of pool and number of keys.
//!
//! Two times each: from a slider's step to the frame with the new predictions of all photos on screen, and from a step to the
//! new predictions of the whole pool. β is what moves: it takes every exponential anew, where α only weighs sums.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Measured, draw, input_at, quantile};
use crate::app::{Command, Parameter, SyntheticSize};

const CLASSES: usize = 100;
/// As of ViT-B/32.
const DIM: usize = 512;
/// Steps of the slider while frames are timed.
const STEPS: usize = 200;
/// A million photos against 50,000 keys are 5e13 operations: ten minutes on two cores.
const PATIENCE: Duration = Duration::from_hours(1);
/// Passes over the pool: the median of five, or of as many as begin within this time.
const PASSES: usize = 5;
const PASSES_WITHIN: Duration = Duration::from_secs(10);

/// One size of pool with one number of keys.
struct Cell {
    photos: usize,
    keys: usize,
    on_screen: usize,
    frames_ms: Vec<f64>,
    pool_seconds: Option<f64>,
    resident_mb: Option<f64>,
}

/// Measures every size of pool with every number of keys and prints a row for each.
///
/// # Errors
/// When the operating system gives no threads.
pub fn run(pools: &[usize], keys: &[usize], json: bool) -> Result<()> {
    let mut cells = Vec::new();
    if !json {
        println!(
            "{:>8} {:>7} {:>9} {:>9} {:>9} {:>9} {:>11} {:>9}",
            "photos", "keys", "on screen", "median", "99 %", "worst", "whole pool", "memory"
        );
    }
    for keys in keys {
        for photos in pools {
            let cell = measure(*photos, *keys)?;
            if !json {
                cell.print();
            }
            cells.push(cell.json());
        }
    }
    if json {
        println!("{}", serde_json::Value::from(cells));
    }
    Ok(())
}

fn measure(photos: usize, keys: usize) -> Result<Cell> {
    let size = SyntheticSize {
        num_classes: CLASSES.min(keys),
        num_shots: keys / CLASSES.min(keys),
        num_pool: photos,
        dim: DIM,
    };
    let mut window = Measured::unfitted(&size)?;
    // Before the first fit, which would else search for the best values: a figure of its own.
    step(&mut window, 0);
    let first = window.window.app.gallery().photos.first().copied();
    window.window.app.apply(Command::Select(first));
    // Overlap and what else follows from a fit is behind the second pass.
    let mut pool_seconds = pass(&mut window, 1).and_then(|_| pass(&mut window, 2));
    let mut frames_ms = Vec::new();
    if pool_seconds.is_some() {
        for number in 0..STEPS {
            frames_ms.push(window.frame(|window, _, number| beta(window, number), number));
        }
        pool_seconds = passes(&mut window);
    } else {
        eprintln!("{photos} photos against {keys} keys were not done within an hour");
    }
    frames_ms.sort_by(f64::total_cmp);
    let resident = memory_stats::memory_stats();
    Ok(Cell {
        photos,
        keys: size.num_classes * size.num_shots,
        on_screen: window.window.app.shown().len(),
        frames_ms,
        pool_seconds,
        resident_mb: resident.map(|stats| stats.physical_mem as f64 / 1e6),
    })
}

/// Moves β; no two steps in a row are alike.
fn beta(window: &mut super::ShotlensWindow, number: usize) {
    let value = 3.0 + (number % 40) as f64 * 0.1;
    window
        .app
        .apply(Command::SetParameter(Parameter::Beta, value));
}

fn step(window: &mut Measured, number: usize) {
    beta(&mut window.window, number);
}

/// Seconds from a step to the whole pool's predictions; `None` after [`PATIENCE`].
fn pass(window: &mut Measured, number: usize) -> Option<f64> {
    // A frame tells the scoring thread which photos are on screen.
    let start = Instant::now();
    step(window, number);
    drop(draw(&window.context, &mut window.window, input_at(0.0)));
    while start.elapsed() < PATIENCE {
        window.window.app.poll();
        if window.window.app.is_idle() {
            return Some(start.elapsed().as_secs_f64());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    None
}

/// The median of some passes.
fn passes(window: &mut Measured) -> Option<f64> {
    // The passes of the last steps end before the first that is timed.
    pass(window, 0)?;
    let (start, mut seconds) = (Instant::now(), Vec::new());
    while seconds.is_empty() || seconds.len() < PASSES && start.elapsed() < PASSES_WITHIN {
        seconds.push(pass(window, seconds.len() + 1)?);
    }
    seconds.sort_by(f64::total_cmp);
    Some(quantile(&seconds, 0.5))
}

impl Cell {
    fn json(&self) -> serde_json::Value {
        let at = |share| (!self.frames_ms.is_empty()).then(|| quantile(&self.frames_ms, share));
        serde_json::json!({
            "photos": self.photos, "keys": self.keys, "dim": DIM, "on_screen": self.on_screen, "frames": self.frames_ms.len(),
            "p50_ms": at(0.5), "p99_ms": at(0.99), "worst_ms": at(1.0),
            "pool_seconds": self.pool_seconds, "resident_mb": self.resident_mb,
        })
    }

    fn print(&self) {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let ms = |share| quantile(&self.frames_ms, share);
        println!(
            "{:>8} {:>7} {:>9} {:>6.2} ms {:>6.2} ms {:>6.2} ms {:>11} {:>9}",
            self.photos,
            self.keys,
            self.on_screen,
            ms(0.5),
            ms(0.99),
            ms(1.0),
            or_dash(self.pool_seconds.map(|seconds| format!("{seconds:.3} s"))),
            or_dash(self.resident_mb.map(|mb| format!("{mb:.0} MB"))),
        );
    }
}
