//! Opening projects, changing them, undo and redo, and whether it is all on disk.

use std::path::{Path, PathBuf};

use super::threads::ModelChoice;
use super::{App, Destination, ModelState, SavedStatus, Sort};
use crate::clip::OpenOptions;
use crate::project::{Edit, Project, ProjectError, Saving};
use crate::worker::clip_worker::ClipJob;
use crate::worker::file_worker::{FileJob, ProjectTarget};
use crate::worker::scoring_worker::ScoreJob;

/// What to open.
#[derive(Clone, Debug, PartialEq)]
pub enum StartWith {
    /// The project of the last time, or the demo.
    Last,
    /// The demo.
    Demo,
    /// This project file.
    File(PathBuf),
    /// A new project of this folder's photos.
    Folder(PathBuf),
    /// An empty project at this path, or in Shotlens' own folder.
    New(Option<PathBuf>),
}

impl App {
    /// Opens a project in the background.
    pub(super) fn open(&mut self, start: StartWith) {
        if let StartWith::File(path) = &start
            && std::path::absolute(path).ok().as_deref() == self.project.path()
        {
            self.info("This project is open already");
            return;
        }
        if start == StartWith::Demo && self.is_demo {
            return;
        }
        if let SavedStatus::Failed(reason) = &self.saved {
            self.error(format!(
                "This project's last changes are not saved, so it stays open: {reason}"
            ));
            return;
        }
        let target = match start {
            StartWith::Last => ProjectTarget::Last,
            StartWith::Demo => ProjectTarget::Demo,
            StartWith::File(path) => ProjectTarget::File(path),
            StartWith::Folder(folder) => {
                self.files.opening = true;
                self.submit_files(FileJob::Open(ProjectTarget::New(None)));
                self.add_paths(Destination::Anywhere, vec![folder]);
                return;
            }
            StartWith::New(path) => ProjectTarget::New(path),
        };
        self.files.opening = true;
        self.submit_files(FileJob::Open(target));
    }

    pub(super) fn project_opened(&mut self, project: Project, is_demo: bool) {
        self.files.opening = false;
        self.title = match project.path().and_then(Path::file_stem) {
            Some(stem) if !is_demo => stem.to_string_lossy().into_owned(),
            _ => "Demo".to_owned(),
        };
        self.is_demo = is_demo;
        // The old project's last changes may still be on their way to the disk: the file worker waits for them, not the window.
        let old = std::mem::replace(&mut self.project, project);
        self.submit_files(FileJob::Close(Box::new(old)));
        self.saved = SavedStatus::Unchanged;
        if let Saving::ReadOnly { reason } = self.project.saving() {
            let text = format!("Opened for reading only: {reason}. Changes are not possible here");
            self.saved = SavedStatus::ReadOnly(text.clone());
            self.warn(text);
        }
        self.clear_skipped();
        self.forget_looks();
        self.forget_searches();
        self.map.forget();
        self.inspection = None;
        self.overlap = super::OverlapView::default();
        self.fit = super::FitStatus::default();
        self.selected = self.project().view().selected;
        self.clear_marks();
        self.gallery = super::ordering::gallery_of(self.project().view());
        self.forget_embedded();
        self.scoring.start_over();
        self.submit_scoring(ScoreJob::Forget);
        self.follow_settings();
        self.follow_model();
        self.project_changed();
        self.take_in_what_waited();
    }

    /// Opens the project's model, unless the command line named one for all projects.
    fn follow_model(&mut self) {
        let wanted = self.project().settings().model.clone();
        let ModelChoice {
            model, is_forced, ..
        } = &self.scoring.model;
        if !is_forced && wanted != *model {
            self.open_model(ModelChoice {
                model: wanted,
                ..self.scoring.model.clone()
            });
        }
    }

    /// Follows method, parameters and adapter of the project, whoever changed them.
    pub(super) fn follow_settings(&mut self) {
        let before = self.scoring.bottleneck_file();
        let shots = self.num_shots();
        self.scoring
            .settings_changed(self.project.state().settings(), shots);
        if self.scoring.bottleneck_file() != before {
            self.submit_scoring(ScoreJob::ClearBottleneck);
            self.embed_again();
            self.offer_adapters();
        }
        if self.has_model && self.scoring.takes_words() {
            self.submit_clip(ClipJob::EmbedWords);
        }
    }

    pub(super) fn open_failed(&mut self, message: String) {
        self.files.opening = false;
        self.files.forget_what_waited();
        self.error(message);
        if self.title.is_empty() {
            self.open(StartWith::Demo);
        }
    }

    /// Opens a model in the background; features of another model are dropped.
    pub(super) fn open_model(&mut self, choice: ModelChoice) {
        self.stop_embedding();
        self.model.state = ModelState::Loading;
        self.scoring.model = choice.clone();
        let ModelChoice {
            model,
            device,
            precision,
            activation,
            workers,
            ..
        } = choice;
        self.submit_clip(ClipJob::OpenModel {
            model,
            options: OpenOptions {
                device,
                precision,
                activation,
            },
            workers,
        });
    }

    /// Carries out a change to the project, as a step that undo takes back.
    pub(super) fn perform(&mut self, edit: Edit) -> bool {
        let reach = Reach::of(&edit);
        match self.project.perform(edit) {
            Ok(()) => {
                match reach {
                    Reach::Settings => self.scoring.mark_dirty(),
                    Reach::Labels => self.labels_changed(),
                    Reach::Everything => self.project_changed(),
                }
                true
            }
            Err(error) => {
                self.warn(error.to_string());
                false
            }
        }
    }

    pub(super) fn undo(&mut self) {
        let undone = self.project.undo();
        self.travelled(undone);
    }

    pub(super) fn redo(&mut self) {
        let redone = self.project.redo();
        self.travelled(redone);
    }

    fn travelled(&mut self, moved: Result<bool, ProjectError>) {
        match moved {
            Ok(true) => {
                self.follow_settings();
                self.follow_model();
                self.project_changed();
            }
            Ok(false) => {}
            Err(error) => self.warn(error.to_string()),
        }
    }

    pub(super) fn poll_saving(&mut self) {
        self.project.poll();
        let saved = match self.project.saving() {
            Saving::NoFile | Saving::Saved { at: None } => SavedStatus::Unchanged,
            Saving::Saved { at: Some(at) } => SavedStatus::Saved(*at),
            Saving::Pending => SavedStatus::Saving,
            Saving::Failed { message } => SavedStatus::Failed(message.clone()),
            Saving::ReadOnly { .. } => return,
        };
        if let (SavedStatus::Failed(message), false) =
            (&saved, matches!(self.saved, SavedStatus::Failed(_)))
        {
            self.error(message.clone());
        }
        self.saved = saved;
    }

    /// Remembers how the project is looked at.
    pub(super) fn save_view(&mut self) {
        let view = super::ordering::view_of(&self.gallery, self.selected, self.project().view());
        self.project.set_view(view);
    }

    /// Labels decide what the gallery shows, and what is learnt where the project learns from them.
    fn labels_changed(&mut self) {
        if self.project().settings().learn_from_labels {
            self.scoring.mark_dirty();
        }
        self.evaluation.mark_stale();
        self.revision += 1;
        if self.gallery.sort == Sort::Class {
            self.forget_order();
        }
        self.refresh_gallery();
    }

    /// Follows every change of classes, photos, labels or settings.
    pub(super) fn project_changed(&mut self) {
        if self
            .selected
            .is_some_and(|photo| self.project().photo(photo).is_none())
        {
            self.selected = None;
        }
        self.prune_marks();
        self.forget_order();
        self.evaluation.mark_stale();
        self.embed_what_is_missing();
        self.scoring.mark_dirty();
        self.refresh_gallery();
    }
}

/// How far a change reaches. Sliders send sixty a second, so what they do not touch is left alone.
enum Reach {
    Settings,
    Labels,
    Everything,
}

impl Reach {
    fn of(edit: &Edit) -> Self {
        match edit {
            Edit::SetSettings(_) => Self::Settings,
            Edit::SetLabels { .. } | Edit::SetLabelSets { .. } | Edit::SetUnsure(_) => Self::Labels,
            _ => Self::Everything,
        }
    }
}
