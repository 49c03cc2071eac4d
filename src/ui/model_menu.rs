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
    let mut text = if model.name.is_empty() {
        "CLIP model".to_owned()
    } else {
        model.name.clone()
    };
    match &model.state {
        ModelState::Loading => text.push_str(" · loading"),
        ModelState::Downloading { done, total } => {
            let share = *done as f64 / (*total).max(1) as f64;
            text.push_str(&format!(" · downloading {:.0} %", share * 100.0));
        }
        ModelState::Failed(_) => text.push_str(" · failed"),
        ModelState::Ready => {
            text.push_str(&format!(" · {}", model.device));
            if let Some(rate) = rate {
                text.push_str(&format!(" · {rate:.0} photos/s"));
            }
        }
    }
    text.push_str(" ⌄");
    text
}

/// The menu; also opened by the demo's banner.
pub(super) fn model_menu_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    ui.set_width(430.0);
    let model = cx.app.model();
    let palette = Palette::of(ui);
    ui.label(semibold(format!("{} on {}", model.name, model.device)));
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
            device: "CPU".to_owned(),
            state: ModelState::Ready,
            ..ModelStatus::default()
        };
        assert_eq!(
            chip_text(&model, Some(41.3)),
            "CLIP ViT-B/32 · CPU · 41 photos/s ⌄"
        );
    }
}
