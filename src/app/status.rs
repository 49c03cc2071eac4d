//! What the status bar and the notices tell.

use std::path::PathBuf;
use std::time::{Instant, SystemTime};

/// How long-running work stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Activity {
    /// What is being done, as "embedding"; `None` when idle.
    pub label: Option<String>,
    /// Photos finished.
    pub done: usize,
    /// Photos in all.
    pub total: usize,
    /// Photos a second, once it is known.
    pub rate: Option<f64>,
    /// Seconds left, once it is known.
    pub seconds_left: Option<f64>,
    /// Cancelled by the user with work left over.
    pub paused: bool,
}

/// A file that was left out, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct SkippedFile {
    /// The file.
    pub path: PathBuf,
    /// What is wrong and what to do about it.
    pub reason: String,
}

/// How serious a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something is not as asked.
    Warning,
    /// Something did not work.
    Error,
}

/// A sentence for the person.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// To dismiss it.
    pub id: u64,
    /// How serious.
    pub severity: Severity,
    /// What happened, to which file, what to do.
    pub text: String,
    /// When it came up.
    pub since: Instant,
}

/// The CLIP in use.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ModelStatus {
    /// As "CLIP ViT-B/32" or "demo model".
    pub name: String,
    /// As "CPU", with why nothing better is used.
    pub device: String,
    /// Why nothing better than this device is in use, when something might be.
    pub device_note: Option<String>,
    /// The small embedded model.
    pub is_demo: bool,
    /// Whether it is ready, loading or failed.
    pub state: ModelState,
}

/// Whether CLIP can be used yet.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum ModelState {
    /// Being read, or fetched: megabytes done and in all.
    #[default]
    Loading,
    /// Being fetched from the hub.
    Downloading {
        /// Bytes fetched.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// Ready.
    Ready,
    /// Could not be opened, and why.
    Failed(String),
}

/// Whether the project is on disk.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum SavedStatus {
    /// Nothing was changed yet in this session.
    #[default]
    Unchanged,
    /// A change is on its way to the disk.
    Saving,
    /// The last change was committed then.
    Saved(SystemTime),
    /// The disk refused; labels are kept in memory.
    Failed(String),
    /// Another Shotlens has the project open; changes are not kept.
    ReadOnly(String),
}

/// A known model that could be fetched.
#[derive(Clone, Debug, PartialEq)]
pub struct AvailableModel {
    /// Name on the command line.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Bytes to fetch.
    pub bytes: u64,
    /// As its publisher states it.
    pub licence: String,
    /// Already in the models folder.
    pub downloaded: bool,
}
