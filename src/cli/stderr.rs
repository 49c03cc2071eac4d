//! What goes to stderr: progress where a person watches, warnings always.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// One line that counts up on a terminal and is silent elsewhere.
pub(super) struct ProgressLine {
    label: &'static str,
    shown: Mutex<Instant>,
    started: Instant,
    is_terminal: bool,
}

impl ProgressLine {
    pub(super) fn new(label: &'static str) -> Self {
        let now = Instant::now();
        Self {
            label,
            shown: Mutex::new(now),
            started: now,
            is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// For [`crate::progress::Progress`].
    pub(super) fn report(&self, done: usize, total: usize) {
        if !self.is_terminal {
            return;
        }
        let Ok(mut shown) = self.shown.try_lock() else {
            return;
        };
        if shown.elapsed() > Duration::from_millis(100) || done == total {
            *shown = Instant::now();
            let rate = done as f64 / self.started.elapsed().as_secs_f64().max(1e-3);
            let end = if done == total { "\n" } else { "" };
            write!(
                std::io::stderr(),
                "\r{} {done} / {total}  {rate:.1}/s {end}",
                self.label
            )
            .ok();
        }
    }
}

/// A sentence on stderr.
pub(super) fn warn(text: &str) {
    writeln!(std::io::stderr(), "shotlens: {text}").ok();
}
