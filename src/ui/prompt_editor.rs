//! The prompts of a class, one a line.

use egui::{Id, Key, Modal, ScrollArea, TextEdit};

use super::theme::{self, semibold};
use crate::app::Command;
use crate::ids::ClassId;
use crate::project::Class;

/// The open editor.
pub(super) struct PromptEditor {
    class: ClassId,
    name: String,
    text: String,
    is_new: bool,
}

impl PromptEditor {
    /// An editor for the prompts of a class.
    pub(super) fn new(class: &Class) -> Self {
        Self {
            class: class.id,
            name: class.name.clone(),
            text: class.prompts.join("\n"),
            is_new: true,
        }
    }

    /// Draws the editor; `true` when it is done with.
    pub(super) fn ui(&mut self, context: &egui::Context, commands: &mut Vec<Command>) -> bool {
        let mut is_done = false;
        let frame = theme::dialog(&context.global_style());
        let modal = Modal::new(Id::unique("prompt editor")).frame(frame);
        let modal = modal.show(context, |ui| {
            ui.set_width(480.0);
            ui.label(semibold(format!("Prompts of {}", self.name)).heading());
            let label = ui.label("One a line; {name} stands for the class's name. Several are averaged, and TIMO weighs them");
            ScrollArea::vertical().max_height(260.0).show(ui, |ui| {
                let field = TextEdit::multiline(&mut self.text)
                    .desired_rows(8)
                    .desired_width(f32::INFINITY)
                    .hint_text("a photo of a {name}");
                let field = ui.add(field).labelled_by(label.id);
                if std::mem::take(&mut self.is_new) {
                    field.request_focus();
                }
            });
            let is_confirmed = ui.input(|input| {
                input.key_pressed(Key::Enter) && input.modifiers.command
            });
            ui.horizontal(|ui| {
                let save = ui.button("Use these prompts").on_hover_text("Ctrl+Enter");
                if save.clicked() || is_confirmed {
                    commands.push(Command::SetPrompts(self.class, lines(&self.text)));
                    is_done = true;
                }
                is_done |= ui.button("Cancel").clicked();
            });
        });
        is_done || modal.should_close()
    }
}

fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_prompt_and_blank_lines_are_none() {
        assert_eq!(
            lines(" a {name}\n\n  a drawing of a {name} \n"),
            ["a {name}", "a drawing of a {name}"]
        );
        assert!(lines(" \n").is_empty());
    }
}
