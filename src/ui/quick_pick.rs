//! A class picked by typing part of its name: for the classes that have no key.

use egui::{Button, Id, Key, Modal, ScrollArea, TextEdit};

use crate::app::{App, Command};
use crate::project::Class;

use super::chip::chip_ui;
use super::fuzzy;
use super::theme::{self, semibold};

const MAX_SHOWN: usize = 12;

/// The open list.
pub(super) struct QuickPick {
    text: String,
    chosen: usize,
    is_new: bool,
}

impl QuickPick {
    /// A list that starts with what was typed.
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            chosen: 0,
            is_new: true,
        }
    }

    /// Draws the list; `true` when it is done with. The label goes to `commands`.
    pub(super) fn ui(
        &mut self,
        context: &egui::Context,
        app: &App,
        commands: &mut Vec<Command>,
    ) -> bool {
        let photos = app.targets();
        if photos.is_empty() {
            return true;
        }
        let modal =
            Modal::new(Id::unique("quick pick")).frame(theme::dialog(&context.global_style()));
        let response = modal.show(context, |ui| {
            ui.set_width(300.0);
            let title = ui.label(semibold("Label as").heading());
            let field = ui
                .add(TextEdit::singleline(&mut self.text).desired_width(f32::INFINITY))
                .labelled_by(title.id);
            if std::mem::take(&mut self.is_new) {
                field.request_focus();
            }
            if field.changed() {
                self.chosen = 0;
            }
            let found = matches(app.project().classes(), &self.text);
            self.move_choice(ui, found.len());
            let picked = list_ui(ui, &found, self.chosen);
            let enter = ui.input(|input| input.key_pressed(Key::Enter));
            picked.or_else(|| {
                found
                    .get(self.chosen)
                    .filter(|_| enter)
                    .map(|class| class.id)
            })
        });
        if let Some(class) = response.inner {
            commands.push(Command::Label(photos, Some(class)));
            return true;
        }
        response.should_close()
    }

    fn move_choice(&mut self, ui: &egui::Ui, num_found: usize) {
        let (up, down) = ui.input(|input| {
            (
                input.key_pressed(Key::ArrowUp),
                input.key_pressed(Key::ArrowDown),
            )
        });
        if down {
            self.chosen += 1;
        }
        if up {
            self.chosen = self.chosen.saturating_sub(1);
        }
        self.chosen = self.chosen.min(num_found.saturating_sub(1));
    }
}

/// The classes; the id of the one that was clicked.
fn list_ui(ui: &mut egui::Ui, found: &[&Class], chosen: usize) -> Option<crate::ids::ClassId> {
    if found.is_empty() {
        ui.weak("No class has these letters");
    }
    let mut picked = None;
    ScrollArea::vertical().max_height(340.0).show(ui, |ui| {
        for (index, class) in found.iter().enumerate() {
            ui.horizontal(|ui| {
                chip_ui(ui, class, 18.0);
                let row = Button::selectable(index == chosen, &class.name);
                if ui.add(row).clicked() {
                    picked = Some(class.id);
                }
            });
        }
    });
    picked
}

/// Classes whose name has these letters, the best first.
fn matches<'a>(classes: &'a [Class], text: &str) -> Vec<&'a Class> {
    let ranked = classes.iter().filter_map(|class| {
        let distance = fuzzy::distance(&class.name, text)?;
        Some((distance, class.position, class))
    });
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort_by_key(|(distance, position, _)| (*distance, *position));
    ranked.truncate(MAX_SHOWN);
    ranked.into_iter().map(|(_, _, class)| class).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ClassId;

    #[test]
    fn names_that_begin_with_the_letters_come_first() {
        let class = |position: u32, name: &str| Class {
            id: ClassId(i64::from(position)),
            name: name.to_owned(),
            prompts: Vec::new(),
            colour: 0,
            position,
        };
        let classes = [class(0, "straw hat"), class(1, "Hats"), class(2, "coat")];
        let found: Vec<&str> = matches(&classes, "ha")
            .iter()
            .map(|class| class.name.as_str())
            .collect();
        assert_eq!(found, ["Hats", "straw hat"]);
        assert!(matches(&classes, "zebra").is_empty());
    }
}
