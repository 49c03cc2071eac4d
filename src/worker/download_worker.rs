//! The thread that fetches one model.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{Outbox, Wake, Worker};
use crate::models::{Hub, ModelError, ModelStore, known_models};
use crate::progress::{CancelToken, Progress};

/// What the download tells.
pub enum DownloadEvent {
    /// Bytes fetched, of how many.
    Progress {
        /// So far.
        done: u64,
        /// In all.
        total: u64,
    },
    /// The model of this name is there.
    Finished(String),
    /// It could not be fetched, and why.
    Failed(String),
}

/// Starts a thread that fetches the known model `name` and ends; what it fetched so far is kept when it fails.
pub fn start(wake: Wake, name: String) -> std::io::Result<Worker<(), DownloadEvent>> {
    Worker::start("model download", wake, move |_jobs, out| {
        let event = match fetch(&name, &out) {
            Ok(()) => DownloadEvent::Finished(name),
            Err(error) => DownloadEvent::Failed(error.to_string()),
        };
        out.send(event);
    })
}

fn fetch(name: &str, out: &Outbox<DownloadEvent>) -> Result<(), ModelError> {
    let Some(model) = known_models().iter().find(|model| model.name == name) else {
        let known = known_models()
            .iter()
            .map(|model| model.name.clone())
            .collect();
        return Err(ModelError::Unknown {
            name: name.to_owned(),
            known,
        });
    };
    let told = Mutex::new(Instant::now());
    let report = |done: usize, total: usize| {
        let Ok(mut told) = told.try_lock() else {
            return;
        };
        if told.elapsed() > Duration::from_millis(200) {
            *told = Instant::now();
            out.send(DownloadEvent::Progress {
                done: done as u64,
                total: total as u64,
            });
        }
    };
    ModelStore::open()?
        .download(
            model,
            &Hub::from_env(),
            &Progress::new(&report, &CancelToken::default()),
        )
        .map(|_path| ())
}
