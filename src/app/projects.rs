//! Opening projects, changing them, undo and redo, and whether it is all on disk.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::threads::ModelChoice;
use super::{App, Destination, ModelState, SavedStatus};
use crate::project::file::{Access, OpenedProject, ProjectFile};
use crate::project::history::Commit;
use crate::project::writer::{ProjectWriter, WriterEvent};
use crate::project::{Edit, ProjectState, locations};
use crate::worker::clip_worker::ClipJob;
use crate::worker::file_worker::{FileJob, ProjectTarget};

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

    pub(super) fn project_opened(&mut self, opened: OpenedProject, is_demo: bool) {
        let OpenedProject { file, state, history } = opened;
        self.files.opening = false;
        self.title = match file.path().file_stem() {
            Some(stem) if !is_demo => stem.to_string_lossy().into_owned(),
            _ => "Demo".to_owned(),
        };
        self.is_demo = is_demo;
        self.saved = match file.access() {
            Access::Writable => SavedStatus::Unchanged,
            Access::ReadOnly { reason } => {
                let text = format!("Opened for reading only: {reason}. Changes will not be kept");
                self.warn(text.clone());
                SavedStatus::ReadOnly(text)
            }
        };
        self.start_writer(file);
        self.take_project(state, history);
    }

    fn start_writer(&mut self, file: ProjectFile) {
        self.writer = None;
        let Some(wake) = self.threads.as_ref().map(|threads| threads.wake.clone()) else { return };
        if matches!(file.access(), Access::ReadOnly { .. }) {
            return;
        }
        match ProjectWriter::start(file, wake) {
            Ok(writer) => self.writer = Some(writer),
            Err(error) => {
                self.saved = SavedStatus::Failed(error.to_string());
                self.error(error.to_string());
            }
        }
    }

    fn take_project(&mut self, state: ProjectState, history: crate::project::history::History) {
        (self.project, self.history) = (state, history);
        self.skipped.clear();
        self.inspection = None;
        self.overlap = super::OverlapView::default();
        self.selected = self.project.view().selected;
        self.gallery = super::ordering::gallery_of(self.project.view());
        self.forget_embedded();
        self.scoring.start_over();
        let wanted = self.project.settings().model.clone();
        if wanted.is_some() && wanted != self.scoring.model.model {
            self.open_model(ModelChoice { model: wanted, device: self.scoring.model.device });
        }
        self.project_changed();
    }

    pub(super) fn open_failed(&mut self, message: String) {
        self.files.opening = false;
        self.error(message);
        if self.title.is_empty() {
            self.open(StartWith::Demo);
        }
    }

    /// Leaves the demo for a project of one's own, at once: the file follows.
    pub(super) fn leave_demo(&mut self) {
        let created = locations::new_project_path().and_then(|path| {
            let state = ProjectState::new();
            Ok((ProjectFile::create(&path, &state)?, state))
        });
        match created {
            Ok((file, state)) => {
                let opened = OpenedProject { file, state, history: Default::default() };
                self.project_opened(opened, false);
                self.info("Started a project of your own; the demo stays in the menu");
            }
            Err(error) => self.error(error.to_string()),
        }
    }

    /// Opens a model in the background; features of another model are dropped.
    pub(super) fn open_model(&mut self, choice: ModelChoice) {
        self.model.state = ModelState::Loading;
        self.model.name = choice.model.clone().unwrap_or_else(|| "demo model".to_owned());
        self.scoring.model = choice.clone();
        self.submit_clip(ClipJob::OpenModel { model: choice.model, device: choice.device });
    }

    /// Carries out a change to the project, as a step that undo takes back.
    pub(super) fn perform(&mut self, edit: Edit) -> bool {
        let performed = self.history.perform(&mut self.project, edit, now_ms());
        self.committed(performed.map(Some))
    }

    pub(super) fn undo(&mut self) {
        let undone = self.history.undo(&mut self.project, now_ms());
        self.committed(undone);
        self.scoring.settings_changed(self.project.settings());
    }

    pub(super) fn redo(&mut self) {
        let redone = self.history.redo(&mut self.project, now_ms());
        self.committed(redone);
        self.scoring.settings_changed(self.project.settings());
    }

    fn committed(&mut self, commit: Result<Option<Commit>, crate::project::EditError>) -> bool {
        match commit {
            Ok(Some(commit)) => {
                if let Some(writer) = &mut self.writer {
                    writer.commit(commit);
                    self.saved = SavedStatus::Saving;
                }
                self.fetch_history();
                self.project_changed();
                true
            }
            Ok(None) => false,
            Err(error) => {
                self.warn(error.to_string());
                false
            }
        }
    }

    fn fetch_history(&mut self) {
        if let (Some(writer), Some(wanted)) = (&mut self.writer, self.history.wanted()) {
            writer.request_steps(wanted);
        }
    }

    pub(super) fn poll_writer(&mut self) {
        while let Some(event) = self.writer.as_mut().and_then(ProjectWriter::try_next) {
            match event {
                WriterEvent::Saved { .. } => self.saved = SavedStatus::Saved(Instant::now()),
                WriterEvent::Failed { message } => {
                    self.error(message.clone());
                    self.saved = SavedStatus::Failed(message);
                }
                WriterEvent::Steps { wanted, steps } => self.history.extend(wanted, steps),
            }
        }
    }

    /// Remembers how the project is looked at.
    pub(super) fn save_view(&mut self) {
        let view = super::ordering::view_of(&self.gallery, self.selected, self.project.view());
        if view != *self.project.view() {
            self.project.set_view(view.clone());
            if let Some(writer) = &mut self.writer {
                writer.save_view(view);
            }
        }
    }

    /// Follows every change of classes, photos, labels or settings.
    pub(super) fn project_changed(&mut self) {
        if self.selected.is_some_and(|photo| self.project.photo(photo).is_none()) {
            self.selected = None;
        }
        self.embed_what_is_missing();
        self.scoring.mark_dirty();
        self.refresh_gallery();
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as i64
}
