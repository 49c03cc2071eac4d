//! A thread that trains an adapter: the photos go on being embedded and predicted meanwhile.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::Outbox;
use super::clip_worker::ClipEvent;
use super::training_worker::TELL_EVERY;
use crate::engine::adapter_training::{
    HeldOut, Lesson, Outcome, Plan, Report, Step, TrainingOptions,
};
use crate::engine::{Engine, EngineError};
use crate::ids::Generation;
use crate::image_io;
use crate::methods::overlap::{Overlap, OverlapOptions, measure};
use crate::progress::{CancelToken, Progress};

/// What to train.
#[derive(Clone, Debug)]
pub struct AdapterJob {
    /// Comes back with everything that this job tells.
    pub generation: Generation,
    /// What it is trained on.
    pub photos: AdapterPhotos,
    /// How.
    pub options: TrainingOptions,
    /// The file to write.
    pub out: PathBuf,
    /// Ends the training early; the best so far is kept.
    pub cancel: CancelToken,
}

/// Photos to learn from.
#[derive(Clone, Debug)]
pub enum AdapterPhotos {
    /// Photos with the index of their class, and the names of the classes.
    Labelled(Vec<(PathBuf, usize)>, Vec<String>),
    /// A folder with a folder of photos for each class.
    Folder(PathBuf),
}

/// What is told of a training.
#[derive(Clone, Debug)]
pub enum AdapterEvent {
    /// What was decided, before the first step.
    Planned(Plan),
    /// Steps that were taken since the last of these.
    Steps(Vec<Step>),
    /// The held-out photos after so many steps; 0: by original features.
    Looked(usize, Box<Overlap>),
    /// The file is written.
    Finished(PathBuf, Box<Outcome>),
    /// Somebody ended it before there was anything to keep.
    Cancelled,
    /// It did not work, as a sentence.
    Failed(String),
}

/// Trains on a thread of its own, which tells all of it through `out`.
pub(super) fn spawn(engine: Arc<Engine>, job: AdapterJob, out: Outbox<ClipEvent>) {
    let generation = job.generation;
    let body = move |out: &Outbox<ClipEvent>| train(&engine, &job, out);
    out.on_thread("adapter trainer", body, |error| {
        let message = format!("the system gave no thread to train on: {error}");
        ClipEvent::Adapter(generation, AdapterEvent::Failed(message))
    });
}

fn train(engine: &Engine, job: &AdapterJob, out: &Outbox<ClipEvent>) {
    let tell = |event| out.send(ClipEvent::Adapter(job.generation, event));
    tell(match trained(engine, job, &tell) {
        Ok(outcome) => AdapterEvent::Finished(job.out.clone(), Box::new(outcome)),
        Err(EngineError::Cancelled(_)) => AdapterEvent::Cancelled,
        Err(error) => AdapterEvent::Failed(error.to_string()),
    });
    crate::memory::give_back();
}

fn trained(
    engine: &Engine,
    job: &AdapterJob,
    tell: &dyn Fn(AdapterEvent),
) -> Result<Outcome, EngineError> {
    let (photos, classes) = match &job.photos {
        AdapterPhotos::Labelled(photos, classes) => (photos.clone(), classes.clone()),
        AdapterPhotos::Folder(folder) => in_class_folders(folder)?,
    };
    let lesson = Lesson {
        photos: &photos,
        classes: &classes,
        unlabelled: &[],
    };
    let (mut steps, mut told) = (Vec::new(), Instant::now());
    let mut on_report = |report| match report {
        Report::Planned(plan) => tell(AdapterEvent::Planned(plan)),
        Report::Step(step) => {
            steps.push(step);
            if told.elapsed() >= TELL_EVERY || step.step == step.total {
                told = Instant::now();
                tell(AdapterEvent::Steps(std::mem::take(&mut steps)));
            }
        }
        Report::HeldOut(held_out) => {
            if let Some(overlap) = overlap_of(&held_out) {
                tell(AdapterEvent::Looked(held_out.step, Box::new(overlap)));
            }
        }
    };
    let progress = Progress::new(&|_, _| (), &job.cancel);
    engine.train_adapter(lesson, &job.options, &job.out, &progress, &mut on_report)
}

/// Overlap of the held-out photos, for the histogram; `None` where they are too few for any pair.
fn overlap_of(held_out: &HeldOut) -> Option<Overlap> {
    let options = OverlapOptions::headline();
    let silent = Progress::silent();
    measure(&held_out.features, &held_out.labels, &options, &silent)
        .ok()
        .filter(|overlap| overlap.overlap.is_some())
}

/// Photos with the index of their class.
type Labelled = (Vec<(PathBuf, usize)>, Vec<String>);

/// The photos of a folder by the folder in it that they are in.
fn in_class_folders(folder: &Path) -> Result<Labelled, EngineError> {
    let problem = |problem: String| EngineError::Folder {
        problem,
        path: folder.to_owned(),
    };
    let listed = image_io::list_photos(folder).map_err(|error| problem(error.to_string()))?;
    let mut classes: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in listed {
        let mut parts = path.components();
        if let (Some(class), Some(_)) = (parts.next(), parts.next()) {
            let class = class.as_os_str().to_string_lossy().into_owned();
            classes.entry(class).or_default().push(folder.join(&path));
        }
    }
    if classes.len() < 2 {
        let found = format!(
            "an adapter learns from two classes at least, and this folder holds {} folders with photos; choose one that has a folder of photos for each class",
            classes.len()
        );
        return Err(problem(found));
    }
    let (names, paths): (Vec<_>, Vec<_>) = classes.into_iter().unzip();
    let numbered = paths.into_iter().enumerate();
    let photos =
        numbered.flat_map(|(class, paths)| paths.into_iter().map(move |path| (path, class)));
    Ok((photos.collect(), names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_class_folders_is_numbered_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/2.jpg", "a/deep/1.jpg", "a/3.jpg", "loose.jpg"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "no picture yet").unwrap();
        }
        let (photos, classes) = in_class_folders(folder.path()).unwrap();
        assert_eq!(classes, ["a", "b"]);
        let labels: Vec<usize> = photos.iter().map(|(_, class)| *class).collect();
        assert_eq!(labels, [0, 0, 1]);
        std::fs::remove_dir_all(folder.path().join("b")).unwrap();
        let error = in_class_folders(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("a folder of photos for each class"),
            "{error}"
        );
    }
}
