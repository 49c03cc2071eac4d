//! A thread that lays adapters side by side: for each file a report of the project as if it were the project's adapter.

use std::path::PathBuf;
use std::sync::Arc;

use super::Outbox;
use super::clip_worker::ClipEvent;
use crate::engine::report::Report;
use crate::engine::{Engine, EngineError};
use crate::ids::Generation;
use crate::progress::{CancelToken, Progress};
use crate::project::{Edit, ProjectState, Settings, apply};

/// What to compare.
#[derive(Clone, Debug)]
pub struct AdapterComparisonJob {
    /// Comes back with everything that this job tells.
    pub generation: Generation,
    /// The project; its own adapter comes first.
    pub state: ProjectState,
    /// Adapter files besides.
    pub files: Vec<PathBuf>,
    /// Ends it early.
    pub cancel: CancelToken,
}

/// What is told of it.
#[derive(Clone, Debug)]
pub enum ComparisonEvent {
    /// A report; the first holds `IsoCLIP` and PCA as well, of the others the first kind of features is what is new.
    Report(Box<Report>),
    /// One file cannot be used, and why.
    Unusable(PathBuf, String),
    /// There is nothing more to come; what went wrong, where something did.
    Finished(Option<String>),
}

/// Compares on a thread of its own, which tells all of it through `out`.
pub(super) fn spawn(engine: Arc<Engine>, job: AdapterComparisonJob, out: Outbox<ClipEvent>) {
    let generation = job.generation;
    let finished =
        move |failure| ClipEvent::AdaptersCompared(generation, ComparisonEvent::Finished(failure));
    let body = move |out: &Outbox<ClipEvent>| out.send(finished(compare(&engine, job, out)));
    out.on_thread("adapter comparer", body, |error| {
        finished(Some(format!(
            "the system gave no thread to compare on: {error}"
        )))
    });
}

fn compare(engine: &Engine, job: AdapterComparisonJob, out: &Outbox<ClipEvent>) -> Option<String> {
    let AdapterComparisonJob {
        generation,
        mut state,
        files,
        cancel,
    } = job;
    let tell = |event| out.send(ClipEvent::AdaptersCompared(generation, event));
    let progress = Progress::new(&|_, _| (), &cancel);
    match engine.report(&state, &progress) {
        Ok(report) => tell(ComparisonEvent::Report(Box::new(report))),
        Err(EngineError::Cancelled(_)) => return None,
        Err(error) => return Some(error.to_string()),
    }
    for file in files {
        let settings = Settings {
            adapter: Some(file.to_string_lossy().into_owned()),
            ..state.settings().clone()
        };
        if let Err(error) = apply(&mut state, Edit::SetSettings(settings)) {
            return Some(error.to_string());
        }
        match engine.report(&state, &progress) {
            Ok(report) => match report.stand_in.clone() {
                None => tell(ComparisonEvent::Report(Box::new(report))),
                Some(reason) => tell(ComparisonEvent::Unusable(file, reason)),
            },
            Err(EngineError::Cancelled(_)) => return None,
            Err(error) => tell(ComparisonEvent::Unusable(file, error.to_string())),
        }
    }
    None
}
