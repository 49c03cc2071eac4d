//! Writing photos or the classifier to somewhere else.

use std::path::PathBuf;

use super::App;
pub use crate::engine::export::photos::Choice;
pub use crate::engine::export::{Format, Link, Options};
use crate::ids::Generation;
use crate::progress::CancelToken;
use crate::worker::clip_worker::ClipJob;
pub use crate::worker::exporter::Exported;
use crate::worker::exporter::{ExportEvent, ExportJob};

/// How far an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportView {
    /// Photos predicted.
    pub done: usize,
    /// Of so many.
    pub total: usize,
}

/// The export that was asked for last.
#[derive(Default)]
pub(crate) struct Exporting {
    generation: Generation,
    cancel: CancelToken,
    view: Option<ExportView>,
}

impl App {
    /// The export under way.
    pub fn export(&self) -> Option<ExportView> {
        self.exporting.view
    }

    pub(super) fn start_export(&mut self, what: Exported, out: PathBuf) {
        if self.exporting.view.is_some() {
            return self.warn("An export is under way already: wait for it, or end it first");
        }
        if !self.has_model {
            return self.warn("Exporting takes predictions, and there is no model yet: try again once one is open");
        }
        let exporting = &mut self.exporting;
        exporting.generation = exporting.generation.next();
        exporting.cancel = CancelToken::default();
        exporting.view = Some(ExportView { done: 0, total: 0 });
        let job = ExportJob {
            generation: exporting.generation,
            cancel: exporting.cancel.clone(),
            state: self.project.state().clone(),
            file: self.project.path().map(ToOwned::to_owned),
            what,
            out,
        };
        self.submit_clip(ClipJob::Export(Box::new(job)));
    }

    pub(super) fn cancel_export(&mut self) {
        self.exporting.cancel.cancel();
    }

    pub(super) fn take_in_export(&mut self, generation: Generation, event: ExportEvent) {
        if generation != self.exporting.generation {
            return;
        }
        match event {
            ExportEvent::Progress(done, total) => {
                self.exporting.view = Some(ExportView { done, total });
            }
            ExportEvent::Done(said, skipped) => {
                self.exporting.view = None;
                self.info(said);
                for reason in skipped {
                    self.warn(reason);
                }
            }
            ExportEvent::Failed(reason) => {
                self.exporting.view = None;
                match reason {
                    Some(reason) => self.error(format!("Nothing was exported: {reason}")),
                    None => self.info("Nothing was exported"),
                }
            }
        }
    }
}
