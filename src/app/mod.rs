//! All state of the window, without a window: panels read [`App`] and push [`Command`]s, [`App::apply`] carries them out,
//! [`App::poll`] takes in what the worker threads finished. No egui types here, and nothing that waits.

mod adapter_comparison;
mod adapters;
mod checks;
mod classes;
mod command;
mod commands;
mod comparison;
mod embedding;
mod evaluation;
mod exporting;
mod files;
mod fit;
mod gallery;
mod looking_again;
mod map;
#[cfg(test)]
mod method_tests;
mod models;
mod notices;
mod ordering;
mod prediction;
mod projects;
mod prompting;
pub(crate) mod scoring;
mod searching;
mod selection;
mod several_labels;
mod status;
mod synthetic;
mod threads;
mod training;
mod validation;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

pub use adapter_comparison::{AdapterComparisonView, AdapterRow, COMPARED};
pub use adapters::{
    AdapterRequest, AdapterStage, AdapterTrainingView, Loss, PixelValues, Plan, Preset,
    TrainingOptions, TrainingStep,
};
pub use checks::Check;
pub use command::{AdapterChoice, Command, Destination, PairKind, Parameter, Step};
pub use comparison::{ComparisonView, FEWEST_LABELLED};
pub use evaluation::{EvaluationView, RUNNING};
pub use exporting::{Choice, ExportView, Exported, Format, Link, Options};
pub use fit::{AdapterOption, FitStatus, OverlapFigures, OverlapView, PairList};
pub use gallery::{Filter, Gallery, Sort};
pub use map::{Hue, Ink, MapColour, MapLayout, MapPane, MapView, Point};
pub use prediction::{Inspection, Prediction, Terms, Vote};
pub use projects::StartWith;
pub use prompting::{PromptSet, prompt_sets};
pub use selection::Mark;
pub use status::{
    Activity, AvailableModel, ModelState, ModelStatus, Notice, SavedStatus, Severity, SkippedFile,
};
pub use synthetic::SyntheticSize;
pub use threads::{ModelChoice, Threads};
pub use training::{TrainingStage, TrainingView};
pub use validation::ValidationView;

use crate::ids::PhotoId;
use crate::project::{Project, ProjectState};

/// Everything the window shows and changes.
#[derive(Default)]
pub struct App {
    pub(crate) project: Project,
    pub(crate) title: String,
    pub(crate) is_demo: bool,
    pub(crate) has_model: bool,
    pub(crate) model: ModelStatus,
    pub(crate) models: Vec<AvailableModel>,
    pub(crate) adapters: Vec<AdapterOption>,
    pub(crate) activity: Activity,
    pub(crate) gallery: Gallery,
    /// The pool in this order, while neither pool nor predictions change: a label only filters it anew.
    pub(crate) order: Option<(Sort, Vec<PhotoId>)>,
    /// Rises with every change of labels, photos and predictions.
    pub(crate) revision: u64,
    pub(crate) selected: Option<PhotoId>,
    pub(crate) marks: selection::Marks,
    pub(crate) fit: FitStatus,
    pub(crate) inspection: Option<Inspection>,
    pub(crate) overlap: OverlapView,
    pub(crate) notices: Vec<Notice>,
    pub(crate) skipped: Vec<SkippedFile>,
    /// Where each is in `skipped`: a folder that went away skips all of its photos at once.
    pub(crate) skipped_at: HashMap<PathBuf, usize>,
    pub(crate) saved: SavedStatus,
    pub(crate) scoring: scoring::Scoring,
    pub(crate) training: training::Training,
    pub(crate) comparison: comparison::Comparison,
    pub(crate) validation: validation::Validation,
    pub(crate) trained_adapters: adapters::Adapters,
    pub(crate) evaluation: evaluation::Evaluation,
    pub(crate) adapter_comparison: adapter_comparison::AdapterComparison,
    pub(crate) map: map::Map,
    pub(crate) checks: checks::Checks,
    pub(crate) exporting: exporting::Exporting,
    pub(crate) search: searching::Search,
    pub(crate) looking_again: looking_again::LookingAgain,
    pub(crate) embedding: embedding::Embedding,
    pub(crate) files: files::PendingFiles,
    pub(crate) threads: Option<Threads>,
    pub(crate) next_notice: u64,
}

impl App {
    /// An app with its threads, opening `start` in the background.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn start(
        start: StartWith,
        model: threads::ModelChoice,
        wake: &crate::worker::Wake,
    ) -> std::io::Result<Self> {
        let mut app = Self {
            threads: Some(Threads::start(Arc::clone(wake))?),
            ..Self::default()
        };
        app.list_models();
        app.submit_files(crate::worker::file_worker::FileJob::ReadKeys);
        app.open_model(model);
        app.open(start);
        Ok(app)
    }

    /// Classes, photos, labels and settings.
    pub fn project(&self) -> &ProjectState {
        self.project.state()
    }
    /// Name of the project, as "winter-coats" or "Demo".
    pub fn title(&self) -> &str {
        &self.title
    }
    /// Whether this is the demo project.
    pub fn is_demo(&self) -> bool {
        self.is_demo
    }
    /// The CLIP in use.
    pub fn model(&self) -> &ModelStatus {
        &self.model
    }
    /// The known models, for the model menu.
    pub fn available_models(&self) -> &[AvailableModel] {
        &self.models
    }
    /// What the adapter menu offers with this model.
    pub fn adapter_options(&self) -> &[AdapterOption] {
        &self.adapters
    }
    /// Long-running work.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }
    /// What is predicted for a photo, once its features exist.
    pub fn prediction(&self, photo: PhotoId) -> Option<Prediction> {
        self.scoring.prediction(photo)
    }
    /// The photos of the gallery, filtered and sorted.
    pub fn gallery(&self) -> &Gallery {
        &self.gallery
    }
    /// The photos on screen, as the window last said.
    pub fn shown(&self) -> &[PhotoId] {
        self.scoring.shown()
    }
    /// The selected photo.
    pub fn selected(&self) -> Option<PhotoId> {
        self.selected
    }
    /// The method as it stands.
    pub fn fit(&self) -> &FitStatus {
        &self.fit
    }
    /// Everything about the selected photo, once its features exist.
    pub fn inspection(&self) -> Option<&Inspection> {
        self.inspection.as_ref()
    }
    /// Overlap before and after.
    pub fn overlap(&self) -> &OverlapView {
        &self.overlap
    }
    /// Sentences for the person, the newest last.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }
    /// Files that were left out.
    pub fn skipped(&self) -> &[SkippedFile] {
        &self.skipped
    }
    /// Whether the project is on disk.
    pub fn saved(&self) -> &SavedStatus {
        &self.saved
    }
    /// What undo would take back.
    pub fn undo_description(&self) -> Option<&str> {
        self.project.history().undo_description()
    }
    /// What redo would do again.
    pub fn redo_description(&self) -> Option<&str> {
        self.project.history().redo_description()
    }
    /// Whether everything that was asked for is done: nothing to embed, to fit, to predict or to open.
    pub fn is_idle(&self) -> bool {
        self.files.is_empty()
            && self.activity.label.is_none()
            && self.model.state != ModelState::Loading
            && self.scoring.is_settled()
    }

    /// Takes in what the threads finished since the last call; never waits.
    pub fn poll(&mut self) {
        self.poll_files();
        self.poll_clip();
        self.poll_looking_again();
        self.poll_download();
        self.poll_scoring();
        self.poll_training();
        self.poll_study();
        self.poll_map();
        self.poll_saving();
        self.refit_when_due(Instant::now());
        self.compare_when_due(Instant::now());
        self.evaluate_when_due(Instant::now());
        self.map_when_due(Instant::now());
    }
}
