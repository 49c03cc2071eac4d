//! Undo and redo, on the thread that owns the state: an undone edit is seen at once, the file follows.
//!
//! The whole history is in the project file. Of it, the steps around the present are kept here, and more are fetched before they are needed (see [`History::wanted`]).

use std::collections::VecDeque;

use crate::project::apply::apply_recording;
use crate::project::edit::{Edit, EditError, RowChange};
use crate::project::state::ProjectState;

/// How many steps are fetched at a time.
pub(super) const PAGE: usize = 1_000;

/// Fewer steps than this ahead of an undo or redo: time to fetch more.
const LOW_WATER: usize = 200;

/// Two moves of the same slider further apart than this are two steps.
const MERGE_WINDOW_MS: i64 = 2_000;

/// One step of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Counts up from 1 without gaps.
    pub seq: u64,
    /// When it was first done (or last continued), milliseconds since 1970.
    pub at_ms: i64,
    /// What the undo menu says.
    pub description: String,
    /// What redo does.
    pub edit: Edit,
    /// What undo does.
    pub inverse: Edit,
}

/// What the file has to do to follow the memory.
#[derive(Clone, Debug)]
pub struct Commit {
    /// What happened to the history.
    pub kind: CommitKind,
    /// The rows that changed.
    pub changes: Vec<RowChange>,
    /// Milliseconds since 1970.
    pub at_ms: i64,
}

/// What happened to the history.
#[derive(Clone, Debug)]
pub enum CommitKind {
    /// A new step; whatever was undone before it is forgotten.
    New(Step),
    /// The newest step goes on: same number, same inverse.
    Continue(Step),
    /// The step with this number was undone.
    Undo(u64),
    /// The step with this number was done again.
    Redo(u64),
}

impl CommitKind {
    /// The number of the step.
    pub fn seq(&self) -> u64 {
        match self {
            Self::New(step) | Self::Continue(step) => step.seq,
            Self::Undo(seq) | Self::Redo(seq) => *seq,
        }
    }
}

/// Steps that the file should be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The steps just before this number.
    Before(u64),
    /// The steps just after this number.
    After(u64),
}

/// The steps around the present.
#[derive(Clone, Debug, Default)]
pub struct History {
    // Oldest first; the last one is undone next.
    done: VecDeque<Step>,
    // Oldest first; the first one is redone next.
    undone: VecDeque<Step>,
    // Number of the newest step that is done, and of the newest at all; 0 for none.
    applied: u64,
    newest: u64,
    is_sealed: bool,
}

impl History {
    /// The history of a file: `applied` and `newest` as it counts them, and the steps around, oldest first.
    pub(super) fn from_parts(
        applied: u64,
        newest: u64,
        done: Vec<Step>,
        undone: Vec<Step>,
    ) -> Self {
        Self {
            done: done.into(),
            undone: undone.into(),
            applied,
            newest,
            is_sealed: true,
        }
    }

    /// Applies `edit`, makes it the newest step, and says what the file has to write.
    ///
    /// A step that moves the same slider on within two seconds joins the one before, unless [`Self::end_gesture`] came between.
    pub fn perform(
        &mut self,
        state: &mut ProjectState,
        edit: Edit,
        at_ms: i64,
    ) -> Result<Commit, EditError> {
        let description = edit.describe(state);
        let mut changes = Vec::new();
        let inverse = apply_recording(state, edit.clone(), &mut changes)?;
        let is_sealed = std::mem::replace(&mut self.is_sealed, false);
        let can_continue = !is_sealed && self.undone.is_empty() && self.newest == self.applied;
        let last = self.done.back_mut().filter(|last| {
            can_continue
                && at_ms - last.at_ms <= MERGE_WINDOW_MS
                && edit.merges_with(&last.edit, &last.inverse)
        });
        let kind = if let Some(last) = last {
            *last = Step {
                at_ms,
                description,
                edit,
                ..last.clone()
            };
            CommitKind::Continue(last.clone())
        } else {
            let step = Step {
                seq: self.applied + 1,
                at_ms,
                description,
                edit,
                inverse,
            };
            self.undone.clear();
            self.done.push_back(step.clone());
            self.applied = step.seq;
            self.newest = step.seq;
            CommitKind::New(step)
        };
        Ok(Commit {
            kind,
            changes,
            at_ms,
        })
    }

    /// The next edit is a step of its own, however soon it comes: a slider was let go.
    pub fn end_gesture(&mut self) {
        self.is_sealed = true;
    }

    /// Takes the last step back; `None` when there is none (or it has not arrived from the file yet).
    pub fn undo(
        &mut self,
        state: &mut ProjectState,
        at_ms: i64,
    ) -> Result<Option<Commit>, EditError> {
        self.is_sealed = true;
        let Some(mut step) = self.done.pop_back() else {
            return Ok(None);
        };
        let mut changes = Vec::new();
        match apply_recording(state, step.inverse.clone(), &mut changes) {
            Ok(edit) => step.edit = edit,
            Err(error) => {
                self.done.push_back(step);
                return Err(error);
            }
        }
        let seq = step.seq;
        self.applied = seq - 1;
        self.undone.push_front(step);
        Ok(Some(Commit {
            kind: CommitKind::Undo(seq),
            changes,
            at_ms,
        }))
    }

    /// Does the last undone step again; `None` when there is none.
    pub fn redo(
        &mut self,
        state: &mut ProjectState,
        at_ms: i64,
    ) -> Result<Option<Commit>, EditError> {
        self.is_sealed = true;
        let Some(mut step) = self.undone.pop_front() else {
            return Ok(None);
        };
        let mut changes = Vec::new();
        match apply_recording(state, step.edit.clone(), &mut changes) {
            Ok(inverse) => step.inverse = inverse,
            Err(error) => {
                self.undone.push_front(step);
                return Err(error);
            }
        }
        let seq = step.seq;
        self.applied = seq;
        self.done.push_back(step);
        Ok(Some(Commit {
            kind: CommitKind::Redo(seq),
            changes,
            at_ms,
        }))
    }

    /// What undo would take back.
    pub fn undo_description(&self) -> Option<&str> {
        self.done.back().map(|step| step.description.as_str())
    }

    /// What redo would do again.
    pub fn redo_description(&self) -> Option<&str> {
        self.undone.front().map(|step| step.description.as_str())
    }

    /// How many steps are done, all the way back to the first.
    pub fn num_done(&self) -> u64 {
        self.applied
    }

    /// How many steps are undone and can be done again.
    pub fn num_undone(&self) -> u64 {
        self.newest - self.applied
    }

    /// Steps that will soon be needed and are not here, if any.
    pub fn wanted(&self) -> Option<Wanted> {
        let first_done = self.done.front().map_or(self.applied + 1, |step| step.seq);
        let last_undone = self.undone.back().map_or(self.applied, |step| step.seq);
        if self.done.len() < LOW_WATER && first_done > 1 {
            Some(Wanted::Before(first_done))
        } else if self.undone.len() < LOW_WATER && last_undone < self.newest {
            Some(Wanted::After(last_undone))
        } else {
            None
        }
    }

    /// Takes in steps that the file was asked for, oldest first; steps that no longer join on are dropped.
    pub fn extend(&mut self, wanted: Wanted, steps: Vec<Step>) {
        let still_wanted = self.wanted() == Some(wanted);
        match wanted {
            Wanted::Before(_) if still_wanted => {
                steps
                    .into_iter()
                    .rev()
                    .for_each(|step| self.done.push_front(step));
            }
            Wanted::After(_) if still_wanted => self.undone.extend(steps),
            _ => (),
        }
    }

    /// Lets go of steps far from the present, for a project whose file has them all (see [`Self::wanted`]), so that a long session does not grow.
    pub fn trim(&mut self) {
        if self.done.len() > 4 * PAGE {
            self.done.drain(..self.done.len() - PAGE);
        }
        self.undone.truncate(4 * PAGE);
    }
}
