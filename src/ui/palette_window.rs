//! All commands by name: type a few letters, Enter does it. Every key can be changed here.

use egui::{
    Button, Context, Event, Id, Key, KeyboardShortcut, Modal, RichText, ScrollArea, TextEdit, Ui,
};

use super::actions::{ACTIONS, Action, Known};
use super::fuzzy;
use super::keymap::Keymap;
use super::theme::{self, semibold};

/// The open palette.
#[derive(Default)]
pub(super) struct CommandPalette {
    text: String,
    chosen: usize,
    was_drawn: bool,
    /// The next key is given to this action.
    asks_for: Option<Action>,
}

/// What came of a frame.
pub(super) enum Outcome {
    /// Still open.
    Open,
    /// Closed, with something to do perhaps.
    Closed(Option<Action>),
}

impl CommandPalette {
    /// Draws it.
    pub(super) fn ui(&mut self, context: &Context, keymap: &mut Keymap) -> Outcome {
        self.take_key(context, keymap);
        let modal = Modal::new(Id::unique("palette")).frame(theme::dialog(&context.global_style()));
        let height = (context.content_rect().height() - 220.0).max(160.0);
        let modal = modal.show(context, |ui| {
            ui.set_width(460.0);
            let title = ui.label(semibold("Commands").heading());
            let field = TextEdit::singleline(&mut self.text)
                .desired_width(f32::INFINITY)
                .hint_text("type a few letters");
            let field = ui.add(field).labelled_by(title.id);
            if !std::mem::replace(&mut self.was_drawn, true) {
                field.request_focus();
            }
            if field.changed() {
                self.chosen = 0;
            }
            let found = found(&self.text);
            self.move_choice(ui, found.len());
            let clicked = ScrollArea::vertical()
                .max_height(height)
                .auto_shrink([false, true])
                .show(ui, |ui| self.list_ui(ui, &found, keymap))
                .inner;
            Self::foot_ui(ui, keymap);
            let enter = self.asks_for.is_none() && ui.input(|input| input.key_pressed(Key::Enter));
            clicked.or_else(|| {
                found
                    .get(self.chosen)
                    .filter(|_| enter)
                    .map(|known| known.action)
            })
        });
        match modal.inner {
            Some(action) => Outcome::Closed(Some(action)),
            None if modal.should_close() && self.asks_for.is_none() => Outcome::Closed(None),
            None => Outcome::Open,
        }
    }

    /// Gives the next key to the action that asked for it; Escape keeps the old one.
    fn take_key(&mut self, context: &Context, keymap: &mut Keymap) {
        let Some(action) = self.asks_for else { return };
        let key = context.input_mut(|input| {
            let place = input
                .events
                .iter()
                .position(|event| matches!(event, Event::Key { pressed: true, .. }))?;
            match input.events.remove(place) {
                Event::Key { key, modifiers, .. } => Some(KeyboardShortcut::new(modifiers, key)),
                _ => None,
            }
        });
        let Some(key) = key else { return };
        // The letter that the key also types belongs to nobody.
        context.input_mut(|input| {
            input
                .events
                .retain(|event| !matches!(event, Event::Text(_)));
        });
        self.asks_for = None;
        if key.logical_key != Key::Escape {
            keymap.give(action, key);
        }
    }

    /// A line for each; the action that was clicked.
    fn list_ui(&mut self, ui: &mut Ui, found: &[&Known], keymap: &Keymap) -> Option<Action> {
        if found.is_empty() {
            ui.weak("No command has these letters");
        }
        let mut clicked = None;
        ui.spacing_mut().item_spacing.y = 2.0;
        for (index, known) in found.iter().enumerate() {
            ui.horizontal(|ui| {
                let asks = self.asks_for == Some(known.action);
                let key = match keymap.key_of(known) {
                    _ if asks => "press a key".to_owned(),
                    Some(key) => ui.ctx().format_shortcut(&key),
                    None => "no key".to_owned(),
                };
                let button = Button::new(RichText::new(key).monospace().small())
                    .min_size(egui::vec2(104.0, 0.0));
                let change = ui
                    .add(button)
                    .on_hover_text("Change the key: click, then press the new one");
                if change.clicked() {
                    self.asks_for = Some(known.action);
                }
                let row = Button::selectable(index == self.chosen, known.title)
                    // Beside a text on the right, the title stands on the left.
                    .right_text("")
                    .min_size(egui::vec2(ui.available_width(), 0.0));
                let response = ui.add(row);
                if response.clicked() {
                    clicked = Some(known.action);
                }
                if index == self.chosen && !ui.clip_rect().contains_rect(response.rect) {
                    response.scroll_to_me(None);
                }
            });
        }
        clicked
    }

    fn foot_ui(ui: &mut Ui, keymap: &mut Keymap) {
        ui.horizontal(|ui| {
            ui.weak("Enter does it; a click on a key changes it");
            if keymap.is_changed() && ui.small_button("All keys as they were").clicked() {
                keymap.reset();
            }
        });
    }

    fn move_choice(&mut self, ui: &Ui, num_found: usize) {
        let by = ui.input(|input| {
            let pressed = |key| isize::from(input.key_pressed(key));
            pressed(Key::ArrowDown) - pressed(Key::ArrowUp)
        });
        let last = num_found.saturating_sub(1);
        self.chosen = self.chosen.saturating_add_signed(by).min(last);
    }
}

/// Commands whose title has these letters, the best first.
fn found(text: &str) -> Vec<&'static Known> {
    let mut ranked: Vec<(u32, usize)> = ACTIONS
        .iter()
        .enumerate()
        .filter_map(|(place, known)| Some((fuzzy::distance(known.title, text)?, place)))
        .collect();
    ranked.sort_unstable();
    ranked
        .into_iter()
        .map(|(_, place)| &ACTIONS[place])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_letters_find_a_command() {
        assert_eq!(found("undo")[0].action, Action::Undo);
        assert_eq!(found("acsure")[0].action, Action::AcceptMany);
        assert_eq!(found("").len(), ACTIONS.len());
        assert!(found("zzz").is_empty());
    }
}
