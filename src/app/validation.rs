//! Choosing parameters on a folder of photos whose classes are known, which stay outside the project.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::App;
use super::files::photos;
use crate::ids::Generation;
use crate::methods::grid::Tuned;
use crate::progress::CancelToken;
use crate::worker::clip_worker::{ClipJob, EmbeddedFolder};
use crate::worker::scoring_worker::ScoreJob;
use crate::worker::study_worker::{StudyEvent, StudyJob, TestSet, ValidateJob};

/// A search on a validation folder as the window shows it.
#[derive(Clone, Debug, PartialEq)]
pub enum ValidationView {
    /// Photos are embedded: done, of all (0 until it is known).
    Embedding(usize, usize),
    /// Combinations are tried: done, of all (0 until it is known).
    Searching(usize, usize),
    /// The parameters in use come from it; how many photos it was, and which were left out.
    Done(String),
}

/// The search that was asked for last.
#[derive(Default)]
pub(crate) struct Validation {
    generation: Generation,
    cancel: CancelToken,
    folder: PathBuf,
    /// What was left out, in words.
    left_out: Vec<String>,
    num_photos: usize,
}

impl App {
    /// Embeds a folder and searches the method's grid on it.
    pub(super) fn tune_on_folder(&mut self, folder: &Path) {
        if self.scoring.lesson.is_none() {
            self.warn("Add classes with shots first: there is nothing to choose parameters for");
            return;
        }
        self.cancel_validation();
        self.validation = Validation {
            generation: self.validation.generation,
            cancel: CancelToken::default(),
            folder: folder.to_owned(),
            ..Validation::default()
        };
        self.fit.validation = Some(ValidationView::Embedding(0, 0));
        let classes = self.project().classes().iter();
        let job = ClipJob::EmbedFolder {
            generation: self.validation.generation,
            folder: folder.to_owned(),
            classes: classes.map(|class| class.name.clone()).collect(),
            adapter: self.scoring.bottleneck_file(),
            cancel: self.validation.cancel.clone(),
        };
        self.submit_clip(job);
    }

    pub(super) fn cancel_validation(&mut self) {
        self.validation.cancel.cancel();
        self.validation.generation = self.validation.generation.next();
        if !matches!(self.fit.validation, Some(ValidationView::Done(_))) {
            self.fit.validation = None;
        }
    }

    pub(super) fn folder_progress(&mut self, generation: Generation, done: usize, total: usize) {
        if generation == self.validation.generation {
            self.fit.validation = Some(ValidationView::Embedding(done, total));
        }
    }

    pub(super) fn folder_embedded(
        &mut self,
        generation: Generation,
        embedded: Result<Box<EmbeddedFolder>, Option<String>>,
    ) {
        if generation != self.validation.generation {
            return;
        }
        match embedded {
            Ok(folder) => {
                let EmbeddedFolder {
                    photos: embedded,
                    unknown_folders,
                    num_unreadable,
                } = *folder;
                if !unknown_folders.is_empty() {
                    let names = unknown_folders.join(", ");
                    let said = format!("folders that are no class of the project: {names}");
                    self.validation.left_out.push(said);
                }
                if num_unreadable > 0 {
                    let said = format!("{} that cannot be read", photos(num_unreadable));
                    self.validation.left_out.push(said);
                }
                self.fit.validation = Some(ValidationView::Searching(0, 0));
                self.submit_scoring(ScoreJob::StrayTest(generation, embedded));
            }
            Err(message) => self.validation_failed(message),
        }
    }

    /// The folder's photos are ready to be searched on.
    pub(super) fn search_by(&mut self, generation: Generation, test: Option<Arc<TestSet>>) {
        if generation != self.validation.generation {
            return;
        }
        let (Some(test), Some(lesson)) = (
            test.filter(|test| !test.labels.is_empty()),
            self.scoring.lesson.clone(),
        ) else {
            self.validation_failed(Some(
                "all photos of the validation folder are shots already, or trained the adapter: choose others"
                    .to_owned(),
            ));
            return;
        };
        if test.num_shots_left_out > 0 {
            let said = format!(
                "{} that are shots already, or trained the adapter",
                photos(test.num_shots_left_out)
            );
            self.validation.left_out.push(said);
        }
        self.validation.num_photos = test.labels.len();
        let job = ValidateJob {
            generation,
            lesson,
            test,
            method: self.fit.method,
            parameters: self.parameters(),
            cancel: self.validation.cancel.clone(),
        };
        self.submit_study(StudyJob::Validate(job));
    }

    pub(super) fn poll_study(&mut self) {
        while let Some(event) = self.next_event(|threads| threads.study.try_next()) {
            match event {
                StudyEvent::Row(generation, row) => self.take_in_row(generation, row),
                StudyEvent::Compared(generation) => self.comparison_done(generation),
                StudyEvent::Searching(generation, done, total) => {
                    if generation == self.validation.generation {
                        self.fit.validation = Some(ValidationView::Searching(done, total));
                    }
                }
                StudyEvent::Validated(generation, tuned) => {
                    if generation == self.validation.generation {
                        self.validated(&tuned);
                    }
                }
                StudyEvent::NotValidated(generation, message) => {
                    if generation == self.validation.generation {
                        self.validation_failed(message);
                    }
                }
            }
        }
    }

    fn validated(&mut self, tuned: &Tuned) {
        self.set_all(&tuned.parameters);
        let folder = self.validation.folder.file_name().map_or_else(
            || self.validation.folder.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        );
        let left_out = if self.validation.left_out.is_empty() {
            String::new()
        } else {
            format!("; left out: {}", self.validation.left_out.join("; "))
        };
        let said = format!(
            "Chosen on {} of {folder}, {:.1} % of them right{left_out}",
            photos(self.validation.num_photos),
            tuned.accuracy
        );
        self.fit.validation = Some(ValidationView::Done(said));
        self.fit.surface = Some(Arc::new(tuned.surface.clone()));
    }

    fn validation_failed(&mut self, message: Option<String>) {
        self.fit.validation = None;
        if let Some(message) = message {
            self.warn(format!("Nothing was tuned: {message}"));
        }
    }

    pub(super) fn submit_study(&mut self, job: StudyJob) {
        let is_taken = self
            .threads
            .as_ref()
            .is_none_or(|threads| threads.study.submit(job));
        if !is_taken {
            self.error(
                "The thread that compares methods has stopped; restart Shotlens (nothing is lost)",
            );
        }
    }
}
