//! The left panel: the classes and their shots.

use egui::{Align, Layout, Role, ScrollArea, Sense, Stroke, Ui, WidgetInfo};

use crate::app::{Command, Destination, prompt_sets};

use super::chip::question_ui;
use super::class_card::CardEdits;
use super::context::{PanelContext, Request};
use super::dialogs::Ask;
use super::drops::no_drops_reason;
use super::format::counted;
use super::help::Topic;
use super::theme::{self, Palette, semibold};

/// View state of the panel.
#[derive(Default)]
pub(super) struct SupportPanel {
    edits: CardEdits,
}

impl SupportPanel {
    /// Draws the panel.
    pub(super) fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        cx.zones.add(ui, ui.max_rect(), Destination::Support);
        header_ui(ui, cx);
        let classes = cx.app.project().classes();
        ScrollArea::vertical()
            .auto_shrink([false, false])
            .show(ui, |ui| {
                if classes.is_empty() {
                    empty_ui(ui);
                }
                for class in classes {
                    ui.push_id(class.id, |ui| self.edits.ui(ui, cx, class));
                }
                add_class_ui(ui, cx);
                if classes.len() == 1 {
                    ui.weak(
                        "One class only: add another, so that there is something to tell apart",
                    );
                }
            });
    }
}

fn header_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let project = cx.app.project();
    let num_shots: usize = project
        .classes()
        .iter()
        .map(|class| project.shots(class.id).len())
        .sum();
    ui.horizontal(|ui| {
        ui.label(semibold("Support set").heading());
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if question_ui(ui, "Help on the support set").clicked() {
                cx.request(Request::Help(Some(Topic::SupportSet)));
            }
            if !project.classes().is_empty() {
                let menu = ui.menu_button("•••", |ui| prompts_menu_ui(ui, cx));
                menu.response
                    .accessible_name("Prompts of all classes")
                    .on_hover_text("Prompts of all classes: from a file, or the papers'");
            }
            if num_shots > 0 {
                let classes = counted(project.classes().len(), "class", "classes");
                let shots = counted(num_shots, "shot", "shots");
                let both = format!("{classes} · {shots}");
                // The shots alone where the panel is narrow: the classes below have numbers.
                let font = egui::TextStyle::Small.resolve(ui.style());
                let color = ui.visuals().weak_text_color();
                let galley = ui.painter().layout_no_wrap(both.clone(), font, color);
                let said = if galley.size().x <= ui.available_width() {
                    both.clone()
                } else {
                    shots
                };
                ui.add(egui::Label::new(egui::RichText::new(said).small().weak()).truncate())
                    .on_hover_text(both);
            }
        });
    });
}

/// Prompts for all classes: from a file, or a published set.
fn prompts_menu_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    ui.set_min_width(330.0);
    ui.label(semibold("Prompts of all classes").small());
    let load = ui
        .button("Load prompts…")
        .on_hover_text("A JSON file as CuPL's: {\"class name\": [\"prompt\", …], …}");
    if load.clicked() {
        cx.request(Request::Ask(Ask::Prompts));
    }
    if ui.button("Type the file's path…").clicked() {
        cx.request(Request::TypePath(Ask::Prompts));
    }
    ui.separator();
    ui.label(semibold("The papers' prompts").small());
    for set in prompt_sets() {
        let said = match set.prompts.as_slice() {
            [only] => only.clone(),
            several => counted(several.len(), "prompt", "prompts"),
        };
        let button =
            egui::Button::new(set.name).right_text(egui::RichText::new(said).small().weak());
        let response = ui.add(button).on_hover_text(set.prompts.join("\n"));
        if response.clicked() {
            cx.push(Command::UsePromptSet(set.name.to_owned()));
        }
    }
}

fn empty_ui(ui: &mut Ui) {
    ui.add_space(12.0);
    ui.label(semibold("Teach CLIP your classes"));
    ui.label("Drop one folder of photos per class here. Each folder becomes a class with its name; a handful of photos is enough");
    ui.add_space(4.0);
}

/// The card under the last class.
fn add_class_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let palette = Palette::of(ui);
    let size = egui::vec2(ui.available_width(), 54.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let is_lit = response.hovered() || response.has_focus();
    let colour = if is_lit { palette.accent } else { palette.weak };
    if is_lit {
        ui.painter()
            .rect_filled(rect, theme::ROUNDING + 2, palette.accent_soft);
    }
    paint_dashed_edge(ui, rect.shrink(1.0), colour);
    let hint = if no_drops_reason().is_some() {
        "or paste the folder's path"
    } else {
        "or drop folders here"
    };
    let painter = ui.painter();
    painter.text(
        rect.center() - egui::vec2(0.0, 1.0),
        egui::Align2::CENTER_BOTTOM,
        "+ Add class folder…",
        theme::semibold_font(13.0),
        if is_lit { palette.strong } else { palette.text },
    );
    painter.text(
        rect.center() + egui::vec2(0.0, 3.0),
        egui::Align2::CENTER_TOP,
        hint,
        egui::FontId::proportional(11.5),
        palette.weak,
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Add class folder…"));
    let response = match no_drops_reason() {
        Some(reason) => response.on_hover_text(reason),
        None => response,
    };
    if response.clicked() {
        cx.request(Request::Ask(Ask::ClassFolders));
    }
    response.context_menu(|ui| {
        if ui.button("Type a path…").clicked() {
            cx.request(Request::TypePath(Ask::ClassFolders));
        }
    });
}

fn paint_dashed_edge(ui: &Ui, rect: egui::Rect, colour: egui::Color32) {
    let corners = [
        rect.left_top(),
        rect.right_top(),
        rect.right_bottom(),
        rect.left_bottom(),
        rect.left_top(),
    ];
    let dashes = egui::Shape::dashed_line(&corners, Stroke::new(1.0, colour), 5.0, 4.0);
    ui.painter().extend(dashes);
}
