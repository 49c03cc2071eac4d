//! The model chip of the top bar and its menu.

use egui::{Button, RichText, Ui};

use crate::app::{AvailableModel, Command, ModelState, ModelStatus};

use super::context::{PanelContext, Request};
use super::dialogs::Ask;
use super::format::bytes;
use super::theme::{Palette, semibold};

/// Draws the chip, as "demo model · CPU · 41 photos/s", with its menu.
pub(super) fn model_chip_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let app = cx.app;
    let text = chip_text(app.model(), app.activity().rate);
    let text = match &app.model().state {
        ModelState::Failed(_) => RichText::new(text).color(Palette::of(ui).error),
        _ => RichText::new(text),
    };
    let menu = ui.menu_button(text, |ui| model_menu_ui(ui, cx));
    menu.response.on_hover_text("Choose another CLIP model");
}

fn chip_text(model: &ModelStatus, rate: Option<f64>) -> String {
    let name = match &*model.name {
        _ if model.is_demo => "Demo model",
        "" => "CLIP model",
        name => name,
    };
    let state = match &model.state {
        ModelState::Loading => "loading".to_owned(),
        ModelState::Downloading { done, total } => {
            let share = *done as f64 / (*total).max(1) as f64;
            format!("downloading {:.0} %", share * 100.0)
        }
        ModelState::Failed(_) => "failed".to_owned(),
        ModelState::Ready => {
            // Why nothing better is in use stands in the menu.
            let device = model.device.split(" (").next().unwrap_or_default();
            let rate = rate.map(|rate| format!(" · {rate:.0} photos/s"));
            format!("{device}{}", rate.unwrap_or_default())
        }
    };
    format!("{name} · {state} ⌄")
}

/// As "Demo model on CPU (this build has no CUDA)".
fn chip_title(model: &ModelStatus) -> String {
    let name = if model.is_demo {
        "Demo model"
    } else {
        &model.name
    };
    format!("{name} on {}", model.device)
}

/// The menu; also opened by the demo's banner.
pub(super) fn model_menu_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    ui.set_width(430.0);
    let model = cx.app.model();
    let palette = Palette::of(ui);
    ui.label(semibold(chip_title(model)));
    if let Some(note) = &model.device_note {
        ui.add(egui::Label::new(RichText::new(note).small().weak()).wrap());
    }
    if let ModelState::Failed(reason) = &model.state {
        ui.add(egui::Label::new(RichText::new(reason).color(palette.error)).wrap());
    }
    ui.separator();
    if !model.is_demo {
        row_ui(ui, "Demo model", "small, built in", "Use", || {
            cx.commands.push(Command::OpenModel(None));
        });
    }
    for available in cx.app.available_models() {
        available_ui(ui, cx.commands, available);
    }
    ui.separator();
    ui.horizontal(|ui| {
        if ui.button("Open a downloaded file…").clicked() {
            cx.request(Request::Ask(Ask::Model));
            ui.close();
        }
        if ui.button("Type a path…").clicked() {
            cx.request(Request::TypePath(Ask::Model));
            ui.close();
        }
    });
}

fn available_ui(ui: &mut Ui, commands: &mut Vec<Command>, model: &AvailableModel) {
    let facts = format!("{} · {}", bytes(model.bytes), model.licence);
    let action = if model.downloaded { "Use" } else { "Download" };
    row_ui(ui, &model.title, &facts, action, || {
        commands.push(if model.downloaded {
            Command::OpenModel(Some(model.name.clone()))
        } else {
            Command::DownloadModel(model.name.clone())
        });
    });
}

/// Title and facts on the left, a button on the right.
fn row_ui(ui: &mut Ui, title: &str, facts: &str, action: &str, act: impl FnOnce()) {
    ui.horizontal(|ui| {
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let button = ui
                .add(
                    Button::new(action)
                        .min_size(egui::vec2(78.0, 0.0))
                        .fill(Palette::of(ui).accent_soft),
                )
                .accessible_name(format!("{action} {title}"));
            if button.clicked() {
                act();
                ui.close();
            }
            ui.with_layout(egui::Layout::top_down(egui::Align::Min), |ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                ui.add(egui::Label::new(title).truncate());
                ui.add(egui::Label::new(RichText::new(facts).small().weak()).truncate());
            });
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chip_names_model_device_and_rate() {
        let model = ModelStatus {
            name: "CLIP ViT-B/32".to_owned(),
            device: "CPU (this build has no CUDA)".to_owned(),
            state: ModelState::Ready,
            ..ModelStatus::default()
        };
        assert_eq!(
            chip_text(&model, Some(41.3)),
            "CLIP ViT-B/32 · CPU · 41 photos/s ⌄"
        );
    }
}
