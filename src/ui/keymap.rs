//! Which key does what: the defaults, and what the person changed, kept in a file beside the projects.

use std::collections::BTreeMap;

use egui::{Key, KeyboardShortcut, Modifiers};

use super::actions::{ACTIONS, Action, Known};
use crate::project::key_file::KeyRows;

/// The keys in use.
#[derive(Debug, Default)]
pub(super) struct Keymap {
    /// By the action's name; `None`: no key at all.
    changed: BTreeMap<String, Option<KeyboardShortcut>>,
    is_unsaved: bool,
}

impl Keymap {
    /// What a file says.
    pub(super) fn of(rows: KeyRows) -> Self {
        Self {
            changed: understood(rows),
            is_unsaved: false,
        }
    }

    /// What is to be kept, once after every change.
    pub(super) fn take_unsaved(&mut self) -> Option<KeyRows> {
        std::mem::take(&mut self.is_unsaved).then(|| self.rows())
    }

    /// The key of an action.
    pub(super) fn key_of(&self, known: &Known) -> Option<KeyboardShortcut> {
        self.changed.get(known.id).copied().unwrap_or(known.default)
    }

    /// Gives an action a key; who had it before has none.
    pub(super) fn give(&mut self, action: Action, key: KeyboardShortcut) {
        for known in &ACTIONS {
            if known.action != action && self.key_of(known) == Some(key) {
                self.changed.insert(known.id.to_owned(), None);
            }
        }
        self.changed.insert(action.known().id.to_owned(), Some(key));
        self.is_unsaved = true;
    }

    /// Back to the defaults.
    pub(super) fn reset(&mut self) {
        self.changed.clear();
        self.is_unsaved = true;
    }

    /// Whether something was changed.
    pub(super) fn is_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    fn rows(&self) -> KeyRows {
        let rows = self.changed.iter();
        rows.map(|(id, key)| (id.clone(), key.map(written)))
            .collect()
    }
}

/// As "Ctrl+Shift+Z", which [`read`] understands whatever the system.
fn written(key: KeyboardShortcut) -> String {
    let Modifiers {
        alt,
        ctrl,
        shift,
        mac_cmd,
        command,
    } = key.modifiers;
    let parts = [
        (command || ctrl || mac_cmd, "Ctrl"),
        (alt, "Alt"),
        (shift, "Shift"),
    ];
    let mut text = String::new();
    for (_, name) in parts.into_iter().filter(|(is_on, _)| *is_on) {
        text.push_str(name);
        text.push('+');
    }
    text.push_str(key.logical_key.name());
    text
}

fn read(text: &str) -> Option<KeyboardShortcut> {
    let mut modifiers = Modifiers::NONE;
    let mut rest = text;
    while let Some((first, others)) = rest.split_once('+').filter(|(_, rest)| !rest.is_empty()) {
        modifiers |= match first {
            "Ctrl" => Modifiers::COMMAND,
            "Alt" => Modifiers::ALT,
            "Shift" => Modifiers::SHIFT,
            _ => return None,
        };
        rest = others;
    }
    Some(KeyboardShortcut::new(modifiers, Key::from_name(rest)?))
}

/// The file's rows; those that nobody understands are left out.
fn understood(rows: KeyRows) -> BTreeMap<String, Option<KeyboardShortcut>> {
    let is_known = |id: &str| ACTIONS.iter().any(|known| known.id == id);
    rows.into_iter()
        .filter(|(id, _)| is_known(id))
        .filter_map(|(id, key)| match key {
            None => Some((id, None)),
            Some(text) => Some((id, Some(read(&text)?))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_being_written() {
        for known in &ACTIONS {
            if let Some(key) = known.default {
                assert_eq!(read(&written(key)), Some(key), "{}", written(key));
            }
        }
        assert_eq!(read("Hyper+Q"), None);
    }

    #[test]
    fn a_key_belongs_to_one_action_and_a_file_keeps_it() {
        let mut keymap = Keymap::default();
        let enter = Action::Accept.known().default.unwrap();
        keymap.give(Action::Clear, enter);
        assert_eq!(keymap.key_of(Action::Clear.known()), Some(enter));
        assert_eq!(keymap.key_of(Action::Accept.known()), None);
        let again = understood(keymap.rows());
        assert_eq!(again, keymap.changed);
        assert!(keymap.take_unsaved().is_some() && keymap.take_unsaved().is_none());
        keymap.reset();
        assert_eq!(keymap.key_of(Action::Accept.known()), Some(enter));
    }
}
