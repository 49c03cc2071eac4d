//! The bar at the foot: what is being done and how long it takes, skipped files, whether all is saved.

use std::time::Duration;

use egui::{Align, Layout, Popup, ProgressBar, RichText, ScrollArea, Ui};

use crate::app::{Activity, Command, ModelState, SavedStatus};

use super::context::PanelContext;
use super::format::{age, bytes, count, counted, duration};
use super::theme::Palette;

/// Draws the bar.
pub(super) fn status_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    ui.horizontal_centered(|ui| {
        activity_ui(ui, cx);
        super::export_dialog::export_status_ui(ui, cx);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            saved_ui(ui, cx.app.saved());
            skipped_ui(ui, cx);
        });
    });
}

fn activity_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let activity = cx.app.activity();
    if let Some(text) = model_text(&cx.app.model().state) {
        ui.spinner();
        ui.label(text);
        return;
    }
    if activity.paused {
        let left = activity.total.saturating_sub(activity.done);
        ui.label(format!(
            "Stopped with {} left",
            counted(left, "photo", "photos")
        ));
        if ui.button("Resume").clicked() {
            cx.push(Command::ResumeWork);
        }
        return;
    }
    let Some(label) = &activity.label else {
        ui.weak("Ready");
        return;
    };
    if activity.total == 0 {
        ui.spinner();
        ui.label(label);
        return;
    }
    ui.label(format!(
        "{label} {} of {}",
        count(activity.done),
        count(activity.total)
    ));
    let share = activity.done as f32 / activity.total as f32;
    let bar = ProgressBar::new(share)
        .desired_width(160.0)
        .desired_height(8.0)
        .fill(Palette::of(ui).accent);
    ui.add(bar).accessible_name(format!("{label} progress"));
    ui.weak(time_left(activity));
    if ui.button("Cancel").clicked() {
        cx.push(Command::CancelWork);
    }
}

/// As "00:21 left · 41 photos/s".
fn time_left(activity: &Activity) -> String {
    let left = activity
        .seconds_left
        .map(|seconds| format!("{} left", duration(seconds)));
    let rate = activity.rate.map(|rate| format!("{rate:.0} photos/s"));
    [left, rate]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" · ")
}

fn model_text(state: &ModelState) -> Option<String> {
    match state {
        ModelState::Loading => Some("Loading the model".to_owned()),
        ModelState::Downloading { done, total } => Some(format!(
            "Downloading the model: {} of {}",
            bytes(*done),
            bytes(*total)
        )),
        ModelState::Ready | ModelState::Failed(_) => None,
    }
}

fn saved_ui(ui: &mut Ui, saved: &SavedStatus) {
    let palette = Palette::of(ui);
    match saved {
        SavedStatus::Unchanged => {}
        SavedStatus::Saving => {
            ui.weak("saving");
        }
        SavedStatus::Saved(at) => {
            let since = at.elapsed().unwrap_or_default();
            ui.weak(format!("saved {} ago", age(since))).on_hover_text(
                "Every change is written as it happens; there is nothing to save by hand",
            );
            let step = if since < Duration::from_mins(1) {
                1
            } else {
                60
            };
            ui.request_repaint_after(Duration::from_secs(step));
        }
        SavedStatus::Failed(reason) => {
            ui.colored_label(palette.error, "not saved")
                .on_hover_text(reason);
        }
        SavedStatus::ReadOnly(reason) => {
            ui.colored_label(palette.warning, "read-only: changes are not kept")
                .on_hover_text(reason);
        }
    }
}

fn skipped_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let skipped = cx.app.skipped();
    if skipped.is_empty() {
        return;
    }
    let text = format!("{} skipped ▶", counted(skipped.len(), "file", "files"));
    let button = ui.button(RichText::new(text).color(Palette::of(ui).warning));
    Popup::menu(&button)
        .close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside)
        .show(|ui| {
            ui.set_width(420.0);
            ui.horizontal(|ui| {
                ui.strong("Left out");
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if ui.button("Clear list").clicked() {
                        cx.push(Command::ClearSkipped);
                        ui.close();
                    }
                });
            });
            // Two lines each; only those on screen are drawn.
            let height = 2.0 * ui.text_style_height(&egui::TextStyle::Body) + 6.0;
            ScrollArea::vertical().max_height(280.0).show_rows(
                ui,
                height,
                skipped.len(),
                |ui, rows| {
                    for file in &skipped[rows] {
                        ui.vertical(|ui| {
                            ui.spacing_mut().item_spacing.y = 1.0;
                            let path = file.path.display().to_string();
                            ui.add(egui::Label::new(path).truncate());
                            let reason = RichText::new(&file.reason).weak();
                            ui.add(egui::Label::new(reason).truncate());
                        });
                    }
                },
            );
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_has_units() {
        let activity = Activity {
            rate: Some(41.2),
            seconds_left: Some(21.0),
            ..Activity::default()
        };
        assert_eq!(time_left(&activity), "00:21 left · 41 photos/s");
        assert_eq!(time_left(&Activity::default()), "");
    }
}
