//! All state of the window, without a window: panels read [`App`] and push [`Command`]s, [`App::apply`] carries them out,
//! [`App::poll`] takes in what the worker threads finished. No egui types here, and nothing that waits.

mod command;
mod fit;
mod gallery;
mod prediction;
mod status;

use std::collections::HashMap;
use std::path::Path;

pub use command::{AdapterChoice, Command, Destination, PairKind, Parameter, Step};
pub use fit::{AdapterOption, FitStatus, OverlapFigures, OverlapView, PairList};
pub use gallery::{Filter, Gallery, Sort};
pub use prediction::{Inspection, Prediction, Vote};
pub use status::{Activity, AvailableModel, ModelState, ModelStatus, Notice, SavedStatus, Severity, SkippedFile};

use crate::ids::PhotoId;
use crate::project::state::ProjectState;

/// Everything the window shows and changes.
#[derive(Default)]
pub struct App {
    pub(crate) project: ProjectState,
    pub(crate) title: String,
    pub(crate) is_demo: bool,
    pub(crate) model: ModelStatus,
    pub(crate) models: Vec<AvailableModel>,
    pub(crate) adapters: Vec<AdapterOption>,
    pub(crate) activity: Activity,
    pub(crate) predictions: HashMap<PhotoId, Prediction>,
    pub(crate) gallery: Gallery,
    pub(crate) selected: Option<PhotoId>,
    pub(crate) fit: FitStatus,
    pub(crate) inspection: Option<Inspection>,
    pub(crate) overlap: OverlapView,
    pub(crate) notices: Vec<Notice>,
    pub(crate) skipped: Vec<SkippedFile>,
    pub(crate) saved: SavedStatus,
    pub(crate) undo: Option<String>,
    pub(crate) redo: Option<String>,
}

impl App {
    /// Classes, photos, labels and settings.
    pub fn project(&self) -> &ProjectState {
        &self.project
    }
    /// Name of the project, as "winter-coats.shotlens" or "Demo".
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
    pub fn prediction(&self, photo: PhotoId) -> Option<&Prediction> {
        self.predictions.get(&photo)
    }
    /// The photos of the gallery, filtered and sorted.
    pub fn gallery(&self) -> &Gallery {
        &self.gallery
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
        self.undo.as_deref()
    }
    /// What redo would do again.
    pub fn redo_description(&self) -> Option<&str> {
        self.redo.as_deref()
    }
    /// Carries out one command.
    pub fn apply(&mut self, command: Command) {
        drop(command);
    }
    /// Takes in what the worker threads finished since the last call.
    pub fn poll(&mut self) {}
    /// The folder that pasted pictures and the like are kept in.
    pub fn data_folder(&self) -> Option<&Path> {
        None
    }
}
