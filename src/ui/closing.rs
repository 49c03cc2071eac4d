//! Closing the window waits until all is on disk; where the disk refuses, it asks first.

use std::time::Duration;

use egui::{Context, Id, Modal, ViewportCommand};

use crate::app::SavedStatus;

use super::theme::{self, semibold};

/// How far the wish to close the window has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Closing {
    /// Nobody wants to close it.
    #[default]
    No,
    /// It closes once all is on disk.
    Waiting,
    /// Somebody lets what is not on disk go.
    Sure,
}

impl Closing {
    /// Holds the window open while something is on its way to the disk; closes it afterwards.
    pub(super) fn poll(&mut self, context: &Context, saved: &SavedStatus) {
        let is_unsaved = matches!(saved, SavedStatus::Saving | SavedStatus::Failed(_));
        if context.input(|input| input.viewport().close_requested())
            && *self != Self::Sure
            && is_unsaved
        {
            context.send_viewport_cmd(ViewportCommand::CancelClose);
            *self = Self::Waiting;
        }
        if *self != Self::Waiting {
            return;
        }
        if is_unsaved {
            context.request_repaint_after(Duration::from_millis(50));
        } else {
            *self = Self::Sure;
            context.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    /// Asks what to do where the disk refuses.
    pub(super) fn ui(&mut self, context: &Context, saved: &SavedStatus) {
        let (Self::Waiting, SavedStatus::Failed(reason)) = (*self, saved) else {
            return;
        };
        let frame = theme::dialog(&context.global_style());
        let modal = Modal::new(Id::unique("closing")).frame(frame);
        let modal = modal.show(context, |ui| {
            ui.set_width(440.0_f32.min(context.content_rect().width() - 60.0));
            ui.label(semibold("The last changes are not saved yet").heading());
            ui.label(reason);
            ui.label("Once they are saved the window closes by itself.");
            ui.horizontal(|ui| {
                if ui.button("Keep the window open").clicked() {
                    *self = Self::No;
                }
                if ui.button("Close and lose these changes").clicked() {
                    *self = Self::Sure;
                    context.send_viewport_cmd(ViewportCommand::Close);
                }
            });
        });
        if modal.should_close() && *self == Self::Waiting {
            *self = Self::No;
        }
    }
}
