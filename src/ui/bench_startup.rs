//! One start of the demo, timed from within: `shotlens bench startup` starts processes that do this.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{ShotlensWindow, bench};
use crate::app::{App, ModelChoice, StartWith};
use crate::worker::{Wake, thumbnail_reader};

const PATIENCE: Duration = Duration::from_mins(5);

/// Milliseconds to the first frame, to photos with their pictures, to the first prediction and to all of them, then the memory in
/// MB: frame after frame as a display would ask for them. Printed as a line of numbers.
///
/// # Errors
/// When the operating system gives no threads, or no predictions come.
pub fn run() -> Result<()> {
    println!("{}", once()?.map(|value| value.to_string()).join(" "));
    Ok(())
}

fn once() -> Result<[f64; 5]> {
    let begun = Instant::now();
    let wake: Wake = Arc::new(|| ());
    let app = App::start(StartWith::Demo, ModelChoice::default(), &wake)?;
    let context = egui::Context::default();
    let mut window = ShotlensWindow::new(&context, app, &thumbnail_reader::reader());
    let mut reached = [None; 4];
    for number in 0_u32.. {
        ensure!(
            begun.elapsed() < PATIENCE,
            "no predictions within five minutes"
        );
        let input = bench::input_at(f64::from(number) / 60.0);
        drop(bench::draw(&context, &mut window, input));
        let photos = &window.app.gallery().photos;
        let is_predicted = |photo: &crate::ids::PhotoId| window.app.prediction(*photo).is_some();
        let num_predicted = photos.iter().filter(|photo| is_predicted(photo)).count();
        let is_there = [
            true,
            !photos.is_empty() && window.thumbnails.has_pictures(),
            num_predicted > 0,
            num_predicted > 0 && num_predicted == photos.len() && window.app.is_idle(),
        ];
        for (reached, is_there) in reached.iter_mut().zip(is_there) {
            if is_there && reached.is_none() {
                *reached = Some(begun.elapsed().as_secs_f64() * 1e3);
            }
        }
        if reached.iter().all(Option::is_some) {
            break;
        }
        std::thread::sleep(Duration::from_millis(4));
    }
    let memory = memory_stats::memory_stats();
    let resident_mb = memory.map_or(0.0, |stats| stats.physical_mem as f64 / 1e6);
    let [frame, photos, first, all] = reached.map(Option::unwrap_or_default);
    Ok([frame, photos, first, all, resident_mb])
}
