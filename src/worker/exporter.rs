//! A thread that writes photos, or the classifier, of a project to somewhere else.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::Outbox;
use super::clip_worker::ClipEvent;
use crate::engine::export::{ExportError, Format, Options};
use crate::engine::{Engine, EngineError};
use crate::ids::{Generation, PhotoId};
use crate::progress::{CancelToken, Progress};
use crate::project::{ProjectFile, ProjectState};

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Exported {
    /// Photos with their labels and predictions.
    Photos(Format, Options),
    /// The fitted method.
    Classifier,
}

/// What to write, where.
#[derive(Clone, Debug)]
pub struct ExportJob {
    /// Comes back with everything that this job tells.
    pub generation: Generation,
    /// The project.
    pub state: ProjectState,
    /// Its file, which knows who gave each label.
    pub file: Option<PathBuf>,
    /// What to write.
    pub what: Exported,
    /// Where.
    pub out: PathBuf,
    /// Ends it early; nothing is written then.
    pub cancel: CancelToken,
}

/// What is told of it.
#[derive(Clone, Debug)]
pub enum ExportEvent {
    /// Photos predicted, of all.
    Progress(usize, usize),
    /// It is written: what was, and why photos are missing.
    Done(String, Vec<String>),
    /// It was ended early, or does not work.
    Failed(Option<String>),
}

/// Exports on a thread of its own, which tells all of it through `out`.
pub(super) fn spawn(engine: Arc<Engine>, job: ExportJob, out: Outbox<ClipEvent>) {
    let generation = job.generation;
    let event = move |event| ClipEvent::Export(generation, event);
    let body = move |out: &Outbox<ClipEvent>| out.send(event(exported(&engine, &job, out)));
    out.on_thread("exporter", body, |error| {
        let said = format!("The system gave no thread to export on: {error}");
        event(ExportEvent::Failed(Some(said)))
    });
}

fn exported(engine: &Engine, job: &ExportJob, out: &Outbox<ClipEvent>) -> ExportEvent {
    match export(engine, job, out) {
        Ok((said, skipped)) => ExportEvent::Done(said, skipped),
        Err(ExportError::Engine(EngineError::Cancelled(_))) => ExportEvent::Failed(None),
        Err(ExportError::Exists { path }) => ExportEvent::Failed(Some(format!(
            "There is something already; choose another name, or tick “Replace what is there”: {}",
            path.display()
        ))),
        Err(error) => ExportEvent::Failed(Some(error.to_string())),
    }
}

fn export(
    engine: &Engine,
    job: &ExportJob,
    out: &Outbox<ClipEvent>,
) -> Result<(String, Vec<String>), ExportError> {
    let report = |done: usize, total: usize| {
        let event = ExportEvent::Progress(done, total);
        out.send(ClipEvent::Export(job.generation, event));
    };
    let progress = Progress::new(&report, &job.cancel);
    let place = job.out.display();
    match job.what {
        Exported::Photos(format, options) => {
            if job.out.symlink_metadata().is_ok() && !options.replaces {
                let path = job.out.clone();
                return Err(ExportError::Exists { path });
            }
            let exportable = engine.exportable(&job.state, &sources(job), &progress)?;
            progress.check().map_err(EngineError::from)?;
            let written = exportable.write(format, &job.out, &options)?;
            let mut said = format!("{} photos written: {place}", written.num_photos);
            if written.num_without_class > 0 {
                said = format!(
                    "{said} ({} have no class and are left out)",
                    written.num_without_class
                );
            }
            let note = exportable.note.iter().cloned();
            Ok((said, note.chain(written.skipped).collect()))
        }
        Exported::Classifier => {
            let found = engine.project_classifier(&job.state, true, &progress)?;
            let classifier = &found.learned.classifier;
            classifier.write(&job.out, engine)?;
            let method = classifier.recipe.method.title();
            let num_classes = classifier.recipe.classes.len();
            let skipped = found.skipped.into_iter().map(|(_, reason)| reason);
            Ok((
                format!("{method} for {num_classes} classes written: {place}"),
                skipped.collect(),
            ))
        }
    }
}

/// Who gave each label; where that cannot be read, a person did.
fn sources(job: &ExportJob) -> HashMap<PhotoId, String> {
    let read = |path: &PathBuf| ProjectFile::look_who_labelled(path).ok();
    job.file.as_ref().and_then(read).unwrap_or_default()
}
