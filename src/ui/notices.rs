//! Sentences over the lower right corner: good news goes by itself, errors stay until dismissed.

use std::time::{Duration, Instant};

use egui::{Align, Align2, Area, Id, Layout, RichText, Ui, vec2};

use crate::app::{Command, Severity};

use super::context::PanelContext;
use super::theme::{self, Palette};

/// Draws the notices and dismisses those whose time is up. `said` is the window's own sentence, with when it was said.
pub(super) fn notices_ui(
    context: &egui::Context,
    cx: &mut PanelContext<'_>,
    said: &mut Option<(String, Instant)>,
) {
    const MAX_SHOWN: usize = 4;
    let notices = cx.app.notices();
    if said
        .as_ref()
        .is_some_and(|(_, since)| since.elapsed() > Duration::from_secs(5))
    {
        *said = None;
    }
    if notices.is_empty() && said.is_none() {
        return;
    }
    let first = notices.len().saturating_sub(MAX_SHOWN);
    Area::new(Id::unique("notices"))
        .anchor(Align2::RIGHT_BOTTOM, vec2(-16.0, -48.0))
        .order(egui::Order::Foreground)
        .show(context, |ui| {
            ui.set_max_width(420.0);
            if let Some((text, _)) = said {
                notice_ui(ui, Severity::Info, text);
                ui.request_repaint_after(Duration::from_secs(1));
            }
            for notice in &notices[first..] {
                if notice_ui(ui, notice.severity, &notice.text) {
                    cx.push(Command::DismissNotice(notice.id));
                }
            }
        });
    for notice in notices {
        let Some(patience) = patience(notice.severity) else {
            continue;
        };
        match patience.checked_sub(notice.since.elapsed()) {
            Some(left) if !left.is_zero() => context.request_repaint_after(left),
            _ => cx.push(Command::DismissNotice(notice.id)),
        }
    }
}

/// How long a notice stays; errors stay.
fn patience(severity: Severity) -> Option<Duration> {
    match severity {
        Severity::Info => Some(Duration::from_secs(6)),
        Severity::Warning => Some(Duration::from_secs(15)),
        Severity::Error => None,
    }
}

/// One notice; `true` when its cross was clicked.
fn notice_ui(ui: &mut Ui, severity: Severity, text: &str) -> bool {
    let palette = Palette::of(ui);
    let (mark, colour) = match severity {
        Severity::Info => ("Ⓘ", palette.accent),
        Severity::Warning => ("⚠", palette.warning),
        Severity::Error => ("⚠", palette.error),
    };
    let frame = theme::card(palette)
        .stroke(egui::Stroke::new(1.5, colour))
        .shadow(ui.visuals().popup_shadow);
    frame
        .show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.label(RichText::new(mark).color(colour).size(15.0));
                ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                    let dismiss = ui.small_button("×").accessible_name("Dismiss notice");
                    ui.with_layout(Layout::left_to_right(Align::Min), |ui| {
                        ui.add(egui::Label::new(text).wrap());
                    });
                    dismiss.clicked()
                })
                .inner
            })
            .inner
        })
        .inner
}
