//! A picture of the real window for scripts: `SHOTLENS_SCREENSHOT=/x.png`, and `SHOTLENS_EXIT=1` to leave afterwards.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use egui::{ColorImage, ViewportCommand};

/// A picture is taken after this long, whatever is still under way.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long all has to be quiet before.
const QUIET: Duration = Duration::from_millis(600);

/// The picture to take.
pub(super) struct Screenshot {
    path: Option<PathBuf>,
    exits: bool,
    started: Instant,
    quiet_since: Option<Instant>,
    is_written: Arc<AtomicBool>,
}

impl Screenshot {
    /// As the environment says.
    pub(super) fn from_environment() -> Self {
        Self {
            path: std::env::var_os("SHOTLENS_SCREENSHOT").map(PathBuf::from),
            exits: std::env::var_os("SHOTLENS_EXIT").is_some_and(|value| value == "1"),
            started: Instant::now(),
            quiet_since: None,
            is_written: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Takes the picture once `is_quiet`, closes the window once it is written.
    pub(super) fn poll(&mut self, context: &egui::Context, is_quiet: bool) {
        if self.exits && self.is_written.load(Ordering::Relaxed) {
            context.send_viewport_cmd(ViewportCommand::Close);
        }
        if self.path.is_none() {
            return;
        }
        context.request_repaint_after(Duration::from_millis(100));
        let now = Instant::now();
        if is_quiet {
            self.quiet_since.get_or_insert(now);
        } else {
            self.quiet_since = None;
        }
        let has_settled = self
            .quiet_since
            .is_some_and(|since| now.saturating_duration_since(since) > QUIET);
        if (has_settled || self.started.elapsed() > PATIENCE)
            && let Some(path) = self.path.take()
        {
            self.take(context, path);
        }
    }

    fn take(&self, context: &egui::Context, path: PathBuf) {
        let (is_written, repaint) = (Arc::clone(&self.is_written), context.clone());
        context.request_screenshot(move |picture| {
            let written = std::thread::Builder::new()
                .name("screenshot".to_owned())
                .spawn(move || {
                    if let Err(err) = write(&picture, &path) {
                        eprintln!(
                            "could not write the screenshot to {}: {err}",
                            path.display()
                        );
                    }
                    is_written.store(true, Ordering::Relaxed);
                    repaint.request_repaint();
                });
            if let Err(err) = written {
                eprintln!("could not write the screenshot: no thread for it ({err})");
            }
        });
        context.request_repaint();
    }
}

fn write(picture: &ColorImage, path: &std::path::Path) -> Result<(), image::ImageError> {
    let [width, height] = picture.size;
    let rgb: Vec<u8> = picture
        .pixels
        .iter()
        .flat_map(|pixel| [pixel.r(), pixel.g(), pixel.b()])
        .collect();
    image::save_buffer(
        path,
        &rgb,
        width as u32,
        height as u32,
        image::ColorType::Rgb8,
    )
}
