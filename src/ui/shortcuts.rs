//! Keys to commands; nothing while a text field has the focus.

use egui::{Context, Event, Key, Modifiers};

use crate::app::{App, Command, Step};

use super::context::Request;

/// How far the arrow and page keys go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strides {
    /// Photos in a row.
    pub(super) columns: usize,
    /// Rows on screen.
    pub(super) rows: usize,
}

const DIGITS: [Key; 10] = [
    Key::Num1,
    Key::Num2,
    Key::Num3,
    Key::Num4,
    Key::Num5,
    Key::Num6,
    Key::Num7,
    Key::Num8,
    Key::Num9,
    Key::Num0,
];

/// Reads this frame's keys.
pub(super) fn handle_keys(
    context: &Context,
    app: &App,
    strides: Strides,
    commands: &mut Vec<Command>,
    requests: &mut Vec<Request>,
) {
    if context.text_edit_focused() {
        return;
    }
    // A button that was reached by Tab keeps Enter and the arrows for itself.
    let has_focus = context.memory(|memory| memory.focused().is_some());
    context.input_mut(|input| {
        let mut pressed = |modifiers, key| input.consume_key(modifiers, key);
        let redo = pressed(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z)
            || pressed(Modifiers::COMMAND, Key::Y);
        if redo {
            commands.push(Command::Redo);
        }
        if pressed(Modifiers::COMMAND, Key::Z) {
            commands.push(Command::Undo);
        }
        if pressed(Modifiers::NONE, Key::F1) || pressed(Modifiers::SHIFT, Key::Questionmark) {
            requests.push(Request::Help(None));
        }
        if let Some(command) = labelling(app, &mut pressed, has_focus) {
            commands.push(command);
        }
        if !has_focus && app.selected().is_some() {
            requests.extend(typed_letters(&input.events).map(Request::QuickPick));
        }
        let mut pressed = |modifiers, key| input.consume_key(modifiers, key);
        if !has_focus {
            commands.extend(moves(strides, &mut pressed).map(Command::MoveSelection));
        }
    });
}

/// Letters without Ctrl or Alt; digits and signs are keys of their own.
fn typed_letters(events: &[Event]) -> Option<String> {
    events.iter().find_map(|event| match event {
        Event::Text(text) if text.chars().all(char::is_alphabetic) && !text.is_empty() => {
            Some(text.clone())
        }
        _ => None,
    })
}

fn labelling(
    app: &App,
    pressed: &mut impl FnMut(Modifiers, Key) -> bool,
    has_focus: bool,
) -> Option<Command> {
    let selected = app.selected()?;
    let classes = app.project().classes();
    for (key, class) in DIGITS.iter().zip(classes) {
        if pressed(Modifiers::NONE, *key) {
            return Some(Command::Label(vec![selected], Some(class.id)));
        }
    }
    if !has_focus && pressed(Modifiers::NONE, Key::Enter) {
        return Some(Command::AcceptPrediction(selected));
    }
    let is_clear =
        pressed(Modifiers::NONE, Key::Backspace) || pressed(Modifiers::NONE, Key::Delete);
    is_clear.then(|| Command::Label(vec![selected], None))
}

fn moves(
    strides: Strides,
    pressed: &mut impl FnMut(Modifiers, Key) -> bool,
) -> impl Iterator<Item = Step> {
    let row = strides.columns as isize;
    let page = row * strides.rows as isize;
    let keys = [
        (Key::ArrowLeft, Step::By(-1)),
        (Key::ArrowRight, Step::By(1)),
        (Key::ArrowUp, Step::By(-row)),
        (Key::ArrowDown, Step::By(row)),
        (Key::PageUp, Step::By(-page)),
        (Key::PageDown, Step::By(page)),
        (Key::Home, Step::First),
        (Key::End, Step::Last),
    ];
    keys.map(|(key, step)| pressed(Modifiers::NONE, key).then_some(step))
        .into_iter()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_as_many_photos_as_there_are_columns() {
        let strides = Strides {
            columns: 5,
            rows: 3,
        };
        let only = |wanted: Key| {
            let mut pressed = |_: Modifiers, key: Key| key == wanted;
            moves(strides, &mut pressed).collect::<Vec<_>>()
        };
        assert_eq!(only(Key::ArrowDown), [Step::By(5)]);
        assert_eq!(only(Key::PageUp), [Step::By(-15)]);
        assert_eq!(only(Key::End), [Step::Last]);
    }
}
