//! The thread that compares methods and searches on validation photos: work of seconds that nothing on screen waits for.
//!
//! Whatever a method learns, it learns from the shots; the photos that it is then judged by take no part in that.

mod comparing;
mod searching;

use std::sync::Arc;

use super::lesson::Lesson;
use super::scoring_worker::Availability;
use super::{Outbox, Wake, Worker};
use crate::features::Features;
use crate::ids::Generation;
use crate::methods::grid::{self, Grid, Tuned};
use crate::methods::{Method, MethodError, Parameters, Queries};
use crate::progress::{CancelToken, Progress};

pub use comparing::{Basis, Outcome, Row};

/// Photos whose classes are known, and which are no shots.
#[derive(Clone, Debug)]
pub struct TestSet {
    /// Original features.
    pub original: Features,
    /// The same photos through the adapted encoder, where there is one.
    pub adapted: Option<Features>,
    /// The class of every photo.
    pub labels: Vec<usize>,
    /// Further classes that count as right, of every photo; empty: none has such.
    pub also: Vec<Vec<usize>>,
    /// Photos that were left out because they are shots.
    pub num_shots_left_out: usize,
}

impl TestSet {
    /// How many of these classes, one a photo, are right.
    pub fn num_right(&self, classes: &[usize]) -> usize {
        let is_further = |photo: usize, class: &usize| {
            let further = self.also.get(photo);
            further.is_some_and(|further| further.contains(class))
        };
        let pairs = classes.iter().zip(&self.labels).enumerate();
        pairs
            .filter(|(photo, (class, label))| class == label || is_further(*photo, class))
            .count()
    }

    /// The photos, as the methods take them.
    pub fn queries(&self) -> Queries<'_> {
        Queries {
            adapted: self.adapted.as_ref(),
            ..Queries::new(&self.original)
        }
    }
}

/// What to compare.
#[derive(Clone, Debug)]
pub struct CompareJob {
    /// Comes back with every row.
    pub generation: Generation,
    /// What the methods learn from.
    pub lesson: Arc<Lesson>,
    /// Which methods can be fitted on it.
    pub availability: Vec<Availability>,
    /// What they are judged by; `None`: the shots, each left out once.
    pub test: Option<Arc<TestSet>>,
    /// Whether the methods that are trained take part.
    pub trains: bool,
    /// Stops it between two methods.
    pub cancel: CancelToken,
}

/// What to search on.
#[derive(Clone, Debug)]
pub struct ValidateJob {
    /// Comes back.
    pub generation: Generation,
    /// What the method learns from.
    pub lesson: Arc<Lesson>,
    /// The photos to choose by.
    pub test: Arc<TestSet>,
    /// The method.
    pub method: Method,
    /// Values of what the grid does not vary.
    pub parameters: Parameters,
    /// Stops it.
    pub cancel: CancelToken,
}

/// What the study worker can be asked.
pub enum StudyJob {
    /// Compare methods.
    Compare(CompareJob),
    /// Search a method's grid on validation photos.
    Validate(ValidateJob),
}

/// What the study worker tells.
pub enum StudyEvent {
    /// A method was measured.
    Row(Generation, Row),
    /// All methods were, or somebody stopped it.
    Compared(Generation),
    /// Combinations tried, of all.
    Searching(Generation, usize, usize),
    /// The best of the grid.
    Validated(Generation, Box<Tuned>),
    /// The search did not work, as a sentence; `None`: somebody stopped it.
    NotValidated(Generation, Option<String>),
}

/// Starts the thread.
pub fn start(wake: Wake) -> std::io::Result<Worker<StudyJob, StudyEvent>> {
    Worker::start("study worker", wake, |jobs, out| {
        let mut comparing = comparing::Comparing::default();
        for job in jobs {
            match job {
                StudyJob::Compare(job) => comparing.compare(&job, &out),
                StudyJob::Validate(job) => out.send(validate(&job, &out)),
            }
        }
    })
}

fn validate(job: &ValidateJob, out: &Outbox<StudyEvent>) -> StudyEvent {
    let generation = job.generation;
    let report = |done, total| out.send(StudyEvent::Searching(generation, done, total));
    let progress = Progress::new(&report, &job.cancel);
    let found = match grid::tune(
        job.method,
        &job.parameters,
        &job.lesson.knowledge(),
        job.test.queries(),
        &job.test.labels,
        &Grid::of(job.method),
        &progress,
    ) {
        Err(MethodError::FixedOnly { .. }) => searching::search(job, &progress),
        found => found,
    };
    match found {
        Ok(tuned) => StudyEvent::Validated(generation, Box::new(tuned)),
        Err(MethodError::Cancelled(_)) => StudyEvent::NotValidated(generation, None),
        Err(error) => StudyEvent::NotValidated(generation, Some(error.to_string())),
    }
}
