//! A field for a typed path: where no file dialog opens, or for those who would rather type.

use std::path::PathBuf;

use egui::{Id, Key, Modal, TextEdit};

use super::dialogs::Ask;
use super::theme::{self, Palette, semibold};
use crate::app::Command;

/// The open field.
pub(super) struct PathPrompt {
    ask: Ask,
    reason: Option<String>,
    text: String,
    is_new: bool,
}

impl PathPrompt {
    /// A field for `ask`; `reason` says why no dialog opened.
    pub(super) fn new(ask: Ask, reason: Option<String>) -> Self {
        Self {
            ask,
            reason,
            text: String::new(),
            is_new: true,
        }
    }

    /// Draws the field; `true` when it is done with. What was asked for goes to `commands`.
    pub(super) fn ui(&mut self, context: &egui::Context, commands: &mut Vec<Command>) -> bool {
        let mut is_done = false;
        let modal =
            Modal::new(Id::unique("path prompt")).frame(theme::dialog(&context.global_style()));
        let modal = modal.show(context, |ui| {
            ui.set_width(460.0);
            ui.label(semibold(self.ask.title()).heading());
            if let Some(reason) = &self.reason {
                ui.colored_label(Palette::of(ui).warning, reason);
            }
            let label = ui.label(if takes_many(&self.ask) {
                "Paths, one a line (Shift+Enter for a new line)"
            } else {
                "Path"
            });
            let rows = if takes_many(&self.ask) { 4 } else { 1 };
            let field = ui
                .add(
                    TextEdit::multiline(&mut self.text)
                        .desired_rows(rows)
                        .desired_width(f32::INFINITY)
                        .hint_text("/home/me/photos/hats")
                        .return_key(egui::KeyboardShortcut::new(
                            egui::Modifiers::SHIFT,
                            Key::Enter,
                        )),
                )
                .labelled_by(label.id);
            if std::mem::take(&mut self.is_new) {
                field.request_focus();
            }
            let enter = ui.input(|input| input.key_pressed(Key::Enter) && !input.modifiers.shift);
            ui.horizontal(|ui| {
                let command = self.ask.command(typed_paths(&self.text));
                let open = ui.add_enabled(command.is_some(), egui::Button::new(verb(&self.ask)));
                if (open.clicked() || enter)
                    && let Some(command) = command
                {
                    commands.push(command);
                    is_done = true;
                }
                is_done |= ui.button("Cancel").clicked();
            });
        });
        is_done || modal.should_close()
    }
}

/// What is done with the path.
fn verb(ask: &Ask) -> &'static str {
    match ask {
        Ask::Export(_) => "Export to this path",
        Ask::NewProject => "Make the project here",
        _ => "Open this path",
    }
}

fn takes_many(ask: &Ask) -> bool {
    matches!(
        ask,
        Ask::ClassFolders | Ask::Shots(_) | Ask::PoolFolders | Ask::PoolPhotos
    )
}

/// The paths in a text, one a line; `~` is the home folder, quotes and `file://` as file managers copy them are taken off.
pub(super) fn typed_paths(text: &str) -> Vec<PathBuf> {
    text.lines().filter_map(typed_path).collect()
}

fn typed_path(line: &str) -> Option<PathBuf> {
    let line = line.trim().trim_matches(['"', '\'']);
    let line = line.strip_prefix("file://").unwrap_or(line);
    if line.is_empty() {
        return None;
    }
    let home = std::env::home_dir();
    match (line.strip_prefix('~'), home) {
        (Some(rest), Some(home)) => Some(home.join(rest.trim_start_matches(['/', '\\']))),
        _ => Some(PathBuf::from(line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_people_paste_them() {
        let text = " \"/photos/red hats\" \n\nfile:///photos/shirts\n/photos/skirts/";
        let expected = ["/photos/red hats", "/photos/shirts", "/photos/skirts/"];
        assert_eq!(typed_paths(text), expected.map(PathBuf::from));
    }
}
