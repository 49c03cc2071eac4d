//! The bar at the top: project, undo, model, theme, help.

use egui::{Align, Button, Layout, RichText, ThemePreference, Ui};

use crate::app::Command;

use super::chip::badge_ui;
use super::context::{PanelContext, Request};
use super::dialogs::Ask;
use super::icons::{Icon, icon_button_ui};
use super::model_menu::{model_chip_ui, model_menu_ui};
use super::theme::{Palette, semibold};

/// Draws the bar. `has_sides`: whether the left and right panels are open.
pub(super) fn top_bar_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, has_sides: &mut [bool; 2]) {
    ui.horizontal_centered(|ui| {
        let [left, right] = has_sides;
        side_toggle_ui(ui, left, Icon::LeftPanel, "Support set panel");
        ui.label(semibold("Shotlens").size(15.0));
        project_ui(ui, cx);
        undo_ui(ui, cx);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            side_toggle_ui(ui, right, Icon::RightPanel, "Method panel");
            let help = ui.button("Help").on_hover_text("Keys and panels (F1)");
            if help.clicked() {
                cx.request(Request::Help(None));
            }
            theme_ui(ui);
            model_chip_ui(ui, cx);
        });
    });
}

fn side_toggle_ui(ui: &mut Ui, is_open: &mut bool, icon: Icon, name: &str) {
    let verb = if *is_open { "Hide" } else { "Show" };
    let name = format!("{verb} the {}", name.to_lowercase());
    let response = icon_button_ui(ui, icon, &name);
    if response.clicked() {
        *is_open = !*is_open;
    }
}

fn project_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let title = if cx.app.title().is_empty() {
        "Untitled"
    } else {
        cx.app.title()
    };
    ui.menu_button(format!("{title} ⌄"), |ui| {
        for (title, ask) in [
            ("New project…", Ask::NewProject),
            ("Open project…", Ask::Project),
            ("Open folder…", Ask::ProjectFolder),
        ] {
            if ui.button(title).clicked() {
                cx.request(Request::Ask(ask));
            }
        }
        if ui.button("Type a path…").clicked() {
            cx.request(Request::TypePath(Ask::Project));
        }
        ui.separator();
        let import = ui
            .button("Import a list…")
            .on_hover_text("Photos with labels from a table, FiftyOne, Hugging Face or CoOp; or drop the file onto the window");
        if import.clicked() {
            cx.request(Request::Ask(Ask::List));
        }
        let export = ui
            .button("Export…")
            .on_hover_text("Labels, photos in folders, or the classifier");
        if export.clicked() {
            cx.request(Request::Export);
        }
        ui.separator();
        let mut several = cx.app.project().settings().multi_label;
        let switch = ui
            .checkbox(&mut several, "Several labels a photo")
            .on_hover_text("On: a class key adds its class to the photo, or takes it off again, and the photo stays selected; Enter accepts the prediction and moves on");
        if switch.changed() {
            cx.push(Command::SetMultiLabel(several));
        }
        ui.separator();
        if ui
            .add_enabled(!cx.app.is_demo(), Button::new("Open demo"))
            .clicked()
        {
            cx.push(Command::OpenDemo);
        }
    });
    if cx.app.is_demo() {
        badge_ui(ui, "demo", Palette::of(ui).accent);
    }
}

fn undo_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let app = cx.app;
    let entries = [
        ("↩", "Undo", app.undo_description(), Command::Undo),
        ("↪", "Redo", app.redo_description(), Command::Redo),
    ];
    for (icon, verb, what, command) in entries {
        let button = Button::new(RichText::new(icon).size(15.0));
        let response = ui.add_enabled(what.is_some(), button).accessible_name(verb);
        let response = match what {
            Some(what) => response.on_hover_text(format!("{verb}: {what}")),
            None => response.on_disabled_hover_text(format!("Nothing to {}", verb.to_lowercase())),
        };
        if response.clicked() {
            cx.push(command);
        }
    }
}

fn theme_ui(ui: &mut Ui) {
    let preference = ui.ctx().options(|options| options.theme_preference);
    let (icon, next, hint) = match preference {
        ThemePreference::System => (
            Icon::HalfMoon,
            ThemePreference::Light,
            "Theme: as the system",
        ),
        ThemePreference::Light => (Icon::Sun, ThemePreference::Dark, "Theme: light"),
        ThemePreference::Dark => (Icon::Moon, ThemePreference::System, "Theme: dark"),
    };
    if icon_button_ui(ui, icon, hint).clicked() {
        ui.ctx().set_theme(next);
    }
}

/// The line that says that this is a demo; `false` once it was dismissed.
pub(super) fn demo_banner_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) -> bool {
    let mut stays = true;
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let dismiss = ui
                .small_button("×")
                .accessible_name("Dismiss the demo banner");
            stays = !dismiss.clicked();
            ui.menu_button("Use a real CLIP model ⌄", |ui| model_menu_ui(ui, cx));
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let text = "This is a demo with a small model, so that it starts at once";
                ui.add(egui::Label::new(text).truncate());
            });
        });
    });
    stays
}
