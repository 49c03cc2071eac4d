//! The menu of adapted features: what stands beside the original ones.

use egui::{ComboBox, Ui};

use crate::app::{AdapterChoice, AdapterOption, Command};
use crate::project::Settings;

use super::context::{PanelContext, Request};
use super::dialogs::Ask;

/// Draws the menu as wide as there is room.
pub(super) fn adapter_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, settings: &Settings) {
    let options = cx.app.adapter_options();
    let current = options
        .iter()
        .find(|option| is_current(&option.choice, settings.adapter.as_deref()));
    let overlap = cx.app.overlap();
    let title = match (current, &settings.adapter) {
        // Without a choice the panel still shows what adapted features would do.
        (_, None) if overlap.after.is_some() => format!("{} for comparison", overlap.adapter_title),
        (Some(option), _) => option.title.clone(),
        (None, Some(adapter)) => file_title(adapter),
        (None, None) => "None".to_owned(),
    };
    let combo = ComboBox::from_id_salt("adapter")
        .width(ui.available_width())
        .truncate()
        .selected_text(title)
        .show_ui(ui, |ui| {
            for option in options {
                option_ui(ui, cx, option, settings);
            }
            ui.separator();
            if ui.button("From a file…").clicked() {
                cx.request(Request::Ask(Ask::Adapter));
            }
            if ui.button("Type a path…").clicked() {
                cx.request(Request::TypePath(Ask::Adapter));
            }
        });
    combo
        .response
        .accessible_name("Adapted features")
        .on_hover_text("Features with less intra-modal overlap: photos of one class closer together than photos of different classes");
}

fn option_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, option: &AdapterOption, settings: &Settings) {
    let is_chosen = is_current(&option.choice, settings.adapter.as_deref());
    let is_available = option.unavailable.is_none();
    let button = egui::Button::selectable(is_chosen, &option.title);
    let response = ui.add_enabled(is_available, button);
    if response.clicked() {
        cx.push(Command::SetAdapter(option.choice.clone()));
    }
    if let Some(reason) = &option.unavailable {
        response.on_disabled_hover_text(reason);
    } else if !option.summary.is_empty() {
        response.on_hover_text(&option.summary);
    }
}

/// An adapter file's name, without folder and extension.
fn file_title(path: &str) -> String {
    let stem = std::path::Path::new(path).file_stem();
    stem.map_or_else(
        || path.to_owned(),
        |stem| stem.to_string_lossy().into_owned(),
    )
}

/// Whether the project's setting (`isoclip[:TOP,BOTTOM]`, `pca[:DIM]`, a path, or nothing) means this choice.
fn is_current(choice: &AdapterChoice, setting: Option<&str>) -> bool {
    let is_kind =
        |kind: &str| setting.is_some_and(|setting| setting.split(':').next() == Some(kind));
    match choice {
        AdapterChoice::Off => setting.is_none(),
        AdapterChoice::IsoClip => is_kind("isoclip"),
        AdapterChoice::Pca => is_kind("pca"),
        AdapterChoice::File(path) => setting.is_some_and(|setting| path.as_os_str() == setting),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_shown_by_its_name() {
        assert_eq!(
            file_title("/some/where/demo-adapter.safetensors"),
            "demo-adapter"
        );
    }

    #[test]
    fn the_setting_finds_its_menu_entry() {
        assert!(is_current(&AdapterChoice::Off, None));
        assert!(is_current(&AdapterChoice::IsoClip, Some("isoclip:3,0")));
        assert!(is_current(&AdapterChoice::Pca, Some("pca")));
        assert!(!is_current(&AdapterChoice::Pca, Some("isoclip")));
        let file = AdapterChoice::File("/a/b.safetensors".into());
        assert!(is_current(&file, Some("/a/b.safetensors")));
    }
}
