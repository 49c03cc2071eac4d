//! Keys to actions; nothing while a text field has the focus.

use egui::{Context, Event, Key, KeyboardShortcut, Modifiers};

use crate::app::{App, Command};

use super::actions::{ACTIONS, Action, Strides};
use super::context::Request;
use super::keymap::Keymap;

/// Reads this frame's keys.
pub(super) fn handle_keys(
    context: &Context,
    app: &App,
    keymap: &Keymap,
    strides: Strides,
    commands: &mut Vec<Command>,
    requests: &mut Vec<Request>,
) {
    if context.text_edit_focused() {
        return;
    }
    // A button that was reached by Tab keeps Enter, Space and the arrows for itself.
    let has_focus = context.memory(|memory| memory.focused().is_some());
    let mut pressed: Vec<Action> = Vec::new();
    context.input_mut(|input| {
        for known in &ACTIONS {
            let is_kept = has_focus && known.action.yields_to_focus();
            let key = keymap.key_of(known).filter(|_| !is_kept);
            if key.is_some_and(|key| input.consume_shortcut(&key)) {
                pressed.push(known.action);
            }
        }
        for (key, action) in ALSO {
            if input.consume_shortcut(&key) {
                pressed.push(action);
            }
        }
        // A letter that is a key of something is not the beginning of a class's name.
        if !has_focus && pressed.is_empty() && app.selected().is_some() {
            requests.extend(typed_letters(&input.events).map(Request::QuickPick));
        }
    });
    for action in pressed {
        action.perform(app, strides, commands, requests);
    }
}

/// What Escape ends: the window over the photos that is open, else the selection of several.
pub(super) fn on_escape(app: &App) -> Option<Command> {
    let open = [
        (app.overlap().pairs.is_some(), Command::HidePairs),
        (
            app.adapter_training().is_open,
            Command::ShowAdapterTraining(false),
        ),
        (
            app.adapter_comparison().is_open,
            Command::ShowAdapterComparison(false),
        ),
        (app.comparison().is_open, Command::ShowComparison(false)),
        (app.evaluation().is_open, Command::ShowEvaluation(false)),
        (app.num_marked() > 0, Command::MarkPhotos(Vec::new(), false)),
    ];
    open.into_iter()
        .find(|(is_open, _)| *is_open)
        .map(|(_, command)| command)
}

/// Second keys that people try, which nobody can change.
const ALSO: [(KeyboardShortcut, Action); 3] = [
    (
        KeyboardShortcut::new(Modifiers::COMMAND, Key::Y),
        Action::Redo,
    ),
    (
        KeyboardShortcut::new(Modifiers::SHIFT, Key::Questionmark),
        Action::Help,
    ),
    (
        KeyboardShortcut::new(Modifiers::NONE, Key::Delete),
        Action::Clear,
    ),
];

/// Letters without Ctrl or Alt; digits and signs are keys of their own.
fn typed_letters(events: &[Event]) -> Option<String> {
    events.iter().find_map(|event| match event {
        Event::Text(text) if text.chars().all(char::is_alphabetic) && !text.is_empty() => {
            Some(text.clone())
        }
        _ => None,
    })
}
