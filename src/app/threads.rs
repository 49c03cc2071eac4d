//! The worker threads that an app talks to.

use super::App;
use crate::clip::{Activation, DeviceChoice, Precision};
use crate::engine::remote::WorkerSpec;
use crate::worker::clip_worker::{self, ClipEvent, ClipJob};
use crate::worker::download_worker::DownloadEvent;
use crate::worker::file_worker::{self, FileEvent, FileJob};
use crate::worker::map_worker::{self, MapEvent, MapJob};
use crate::worker::scoring_worker::{self, ScoreEvent, ScoreJob};
use crate::worker::study_worker::{self, StudyEvent, StudyJob};
use crate::worker::training_worker::{self, TrainEvent, TrainJob};
use crate::worker::{Wake, Worker};

/// One of each.
pub struct Threads {
    pub(super) clip: Worker<ClipJob, ClipEvent>,
    pub(super) scoring: Worker<ScoreJob, ScoreEvent>,
    pub(super) training: Worker<TrainJob, TrainEvent>,
    pub(super) study: Worker<StudyJob, StudyEvent>,
    pub(super) files: Worker<FileJob, FileEvent>,
    pub(super) map: Worker<MapJob, MapEvent>,
    pub(super) download: Option<Worker<(), DownloadEvent>>,
    pub(super) wake: Wake,
}

impl Threads {
    /// Starts all of them.
    pub(super) fn start(wake: Wake) -> std::io::Result<Self> {
        Ok(Self {
            clip: clip_worker::start(wake.clone())?,
            scoring: scoring_worker::start(wake.clone())?,
            training: training_worker::start(wake.clone())?,
            study: study_worker::start(wake.clone())?,
            files: file_worker::start(wake.clone())?,
            map: map_worker::start(wake.clone())?,
            download: None,
            wake,
        })
    }
}

impl App {
    /// The next event of one of the threads, if there is one.
    pub(super) fn next_event<Event>(
        &self,
        of: impl FnOnce(&Threads) -> Option<Event>,
    ) -> Option<Event> {
        self.threads.as_ref().and_then(of)
    }
}

/// Which CLIP to open, where.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelChoice {
    /// A known name or a path; `None` is the project's own or the embedded one.
    pub model: Option<String>,
    /// Where to run it.
    pub device: DeviceChoice,
    /// What its layers multiply.
    pub precision: Precision,
    /// Instead of what the checkpoint says.
    pub activation: Option<Activation>,
    /// Other processes that encode photos.
    pub workers: Vec<WorkerSpec>,
    /// Named on the command line: projects do not change it.
    pub is_forced: bool,
}
