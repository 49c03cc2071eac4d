//! An open project: memory, history and file kept in step.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::ids::PhotoId;
use crate::project::edit::{Edit, EditError};
use crate::project::error::ProjectError;
use crate::project::file::{Access, OpenedProject, ProjectFile};
use crate::project::history::{Commit, History, Wanted};
use crate::project::state::{FileStamp, ProjectState, View};
use crate::project::writer::{ProjectWriter, Wake, WriterEvent};

/// How far the file follows the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saving {
    /// There is no file: the demo.
    NoFile,
    /// The file holds everything.
    Saved {
        /// Since when; `None`: since it was opened.
        at: Option<SystemTime>,
    },
    /// Something is on its way to the file.
    Pending,
    /// Something could not be written; it is tried again and again.
    Failed {
        /// What happened, to which file, what to do.
        message: String,
    },
    /// The project can be looked at only.
    ReadOnly {
        /// Why, as part of a sentence.
        reason: String,
    },
}

/// An open project.
pub struct Project {
    state: ProjectState,
    history: History,
    path: Option<PathBuf>,
    // `None` without a file, or when it is open for reading only.
    writer: Option<ProjectWriter>,
    saving: Saving,
    asked_for: Option<Wanted>,
}

impl Default for Project {
    /// An empty project without a file.
    fn default() -> Self {
        Self::without_file(ProjectState::new())
    }
}

impl Project {
    /// A project without a file, such as the demo; it ends with the process.
    pub fn without_file(state: ProjectState) -> Self {
        Self::new(state, History::default(), None, Saving::NoFile)
    }

    /// Makes a project file at `path` with the content of `state` (empty: [`ProjectState::new`]) and opens it. Never overwrites. Reads and writes: not for the window's thread.
    pub fn create(path: &Path, state: ProjectState, wake: Wake) -> Result<Self, ProjectError> {
        let file = ProjectFile::create(path, &state)?;
        Self::on_file(
            OpenedProject {
                file,
                state,
                history: History::default(),
            },
            wake,
        )
    }

    /// Opens the project file at `path`. Reads: not for the window's thread.
    ///
    /// `wake` is called from the writer's thread when [`Self::poll`] has something to take.
    pub fn open(path: &Path, wake: Wake) -> Result<Self, ProjectError> {
        Self::on_file(ProjectFile::open(path)?, wake)
    }

    fn on_file(opened: OpenedProject, wake: Wake) -> Result<Self, ProjectError> {
        let OpenedProject {
            file,
            state,
            history,
        } = opened;
        let path = Some(file.path().to_owned());
        if let Access::ReadOnly { reason } = file.access().clone() {
            return Ok(Self::new(state, history, path, Saving::ReadOnly { reason }));
        }
        let mut project = Self::new(state, history, path, Saving::Saved { at: None });
        project.writer = Some(ProjectWriter::start(file, wake)?);
        Ok(project)
    }

    fn new(state: ProjectState, history: History, path: Option<PathBuf>, saving: Saving) -> Self {
        Self {
            state,
            history,
            path,
            writer: None,
            saving,
            asked_for: None,
        }
    }

    /// Classes, photos, settings, view.
    pub fn state(&self) -> &ProjectState {
        &self.state
    }

    /// For fresh ids only: [`ProjectState::new_class`], [`ProjectState::new_photo`]. Everything else goes through [`Self::perform`].
    pub fn state_mut(&mut self) -> &mut ProjectState {
        &mut self.state
    }

    /// What can be undone and redone.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Where the project file is; `None`: there is none.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// How far the file follows the memory.
    pub fn saving(&self) -> &Saving {
        &self.saving
    }

    /// Changes the project; it is written behind. Never waits.
    pub fn perform(&mut self, edit: Edit) -> Result<(), ProjectError> {
        self.require_writable()?;
        let commit = self.history.perform(&mut self.state, edit, now_ms())?;
        self.send(commit);
        Ok(())
    }

    /// The next edit is an undo step of its own, however soon it comes: a slider was let go.
    pub fn end_gesture(&mut self) {
        self.history.end_gesture();
    }

    /// Takes the last change back; `false`: there is none. Never waits.
    pub fn undo(&mut self) -> Result<bool, ProjectError> {
        self.travel(History::undo)
    }

    /// Makes the last undone change again; `false`: there is none. Never waits.
    pub fn redo(&mut self) -> Result<bool, ProjectError> {
        self.travel(History::redo)
    }

    /// Keeps the view for the next opening. Never waits; without a file or the right to write it is kept in memory.
    pub fn set_view(&mut self, view: View) {
        if *self.state.view() == view {
            return;
        }
        self.state.set_view(view.clone());
        if let Some(writer) = &mut self.writer {
            writer.save_view(view);
            self.mark_pending();
        }
    }

    /// Keeps how files were found on disk (hash, size, time); no step of the history. Never waits.
    pub fn set_files(&mut self, mut files: Vec<(PhotoId, FileStamp)>) {
        files.retain(|(id, file)| {
            self.state
                .photo(*id)
                .is_some_and(|photo| photo.file != *file)
        });
        for &(id, file) in &files {
            self.state.set_file(id, file);
        }
        if let Some(writer) = self.writer.as_mut().filter(|_| !files.is_empty()) {
            writer.save_files(files);
            self.mark_pending();
        }
    }

    /// Takes in what the writer has to say; `true`: [`Self::saving`] or the history changed. Never waits.
    pub fn poll(&mut self) -> bool {
        let Some(writer) = &mut self.writer else {
            return false;
        };
        let mut has_news = false;
        while let Some(event) = writer.try_next() {
            has_news = true;
            match event {
                WriterEvent::Saved {
                    num_written, at, ..
                } => {
                    let is_all = num_written == writer.num_sent();
                    self.saving = if is_all {
                        Saving::Saved { at: Some(at) }
                    } else {
                        Saving::Pending
                    };
                }
                WriterEvent::Failed { message } => self.saving = Saving::Failed { message },
                WriterEvent::Steps { wanted, steps } => {
                    self.asked_for = None;
                    self.history.extend(wanted, steps);
                }
            }
        }
        self.fetch_history();
        has_news
    }

    /// Waits until the file holds everything; `false`: it cannot be written. Not for the window's thread.
    pub fn flush(&mut self) -> bool {
        let is_saved = self.writer.as_mut().is_none_or(ProjectWriter::flush);
        self.poll();
        is_saved
    }

    fn travel(
        &mut self,
        step: fn(&mut History, &mut ProjectState, i64) -> Result<Option<Commit>, EditError>,
    ) -> Result<bool, ProjectError> {
        self.require_writable()?;
        let Some(commit) = step(&mut self.history, &mut self.state, now_ms())? else {
            return Ok(false);
        };
        self.send(commit);
        Ok(true)
    }

    fn send(&mut self, commit: Commit) {
        if let Some(writer) = &mut self.writer {
            writer.commit(commit);
            self.history.trim();
            self.mark_pending();
            self.fetch_history();
        }
    }

    fn fetch_history(&mut self) {
        if let (Some(writer), Some(wanted), None) =
            (&mut self.writer, self.history.wanted(), self.asked_for)
        {
            self.asked_for = Some(wanted);
            writer.request_steps(wanted);
        }
    }

    /// A failure stays on show until something was written.
    fn mark_pending(&mut self) {
        if !matches!(self.saving, Saving::Failed { .. }) {
            self.saving = Saving::Pending;
        }
    }

    fn require_writable(&self) -> Result<(), ProjectError> {
        match (&self.saving, &self.path) {
            (Saving::ReadOnly { reason }, Some(path)) => Err(ProjectError::ReadOnly {
                reason: reason.clone(),
                path: path.clone(),
            }),
            _ => Ok(()),
        }
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
