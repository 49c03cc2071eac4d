//! Everything that a key can do: what it is called, its key unless the person gave it another, and what it pushes.

use egui::{Key, KeyboardShortcut, Modifiers};

use crate::app::{App, Check, Command, Mark, Step};

use super::context::Request;

/// How far the arrow and page keys go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strides {
    /// Photos in a row.
    pub(super) columns: usize,
    /// Rows on screen.
    pub(super) rows: usize,
}

/// Something that a key, or a line of the command palette, does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Label as the class at this place of the list.
    Label(usize),
    PickClass,
    Accept,
    AcceptMany,
    Clear,
    SetAside,
    Mark,
    MarkAll,
    Left,
    Right,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Undo,
    Redo,
    Tune,
    Compare,
    TrainAdapter,
    Evaluate,
    Map,
    Mistakes,
    Twins,
    Outliers,
    Diverse,
    LearnFromLabels,
    CompareAdapters,
    Export,
    Palette,
    Help,
}

/// An action with its name in the file of keys, its title, and its key.
pub(super) struct Known {
    pub(super) action: Action,
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) default: Option<KeyboardShortcut>,
}

const fn plain(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

const fn command(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

const COMMAND_SHIFT: Modifiers = Modifiers {
    shift: true,
    ..Modifiers::COMMAND
};

const fn known(
    action: Action,
    id: &'static str,
    title: &'static str,
    default: Option<KeyboardShortcut>,
) -> Known {
    Known {
        action,
        id,
        title,
        default,
    }
}

/// All of them, in the order of the help. Shortcuts with more modifiers come before the same key with fewer.
pub(super) const ACTIONS: [Known; 41] = [
    known(
        Action::Label(0),
        "label 1",
        "Label as class 1",
        Some(plain(Key::Num1)),
    ),
    known(
        Action::Label(1),
        "label 2",
        "Label as class 2",
        Some(plain(Key::Num2)),
    ),
    known(
        Action::Label(2),
        "label 3",
        "Label as class 3",
        Some(plain(Key::Num3)),
    ),
    known(
        Action::Label(3),
        "label 4",
        "Label as class 4",
        Some(plain(Key::Num4)),
    ),
    known(
        Action::Label(4),
        "label 5",
        "Label as class 5",
        Some(plain(Key::Num5)),
    ),
    known(
        Action::Label(5),
        "label 6",
        "Label as class 6",
        Some(plain(Key::Num6)),
    ),
    known(
        Action::Label(6),
        "label 7",
        "Label as class 7",
        Some(plain(Key::Num7)),
    ),
    known(
        Action::Label(7),
        "label 8",
        "Label as class 8",
        Some(plain(Key::Num8)),
    ),
    known(
        Action::Label(8),
        "label 9",
        "Label as class 9",
        Some(plain(Key::Num9)),
    ),
    known(
        Action::Label(9),
        "label 10",
        "Label as class 10",
        Some(plain(Key::Num0)),
    ),
    known(
        Action::PickClass,
        "pick class",
        "Label as a class found by name",
        Some(plain(Key::Slash)),
    ),
    known(
        Action::Accept,
        "accept",
        "Accept what is predicted",
        Some(plain(Key::Enter)),
    ),
    known(
        Action::AcceptMany,
        "accept many",
        "Accept all sure predictions…",
        COMMAND_SHIFT_ENTER,
    ),
    known(
        Action::Clear,
        "clear",
        "Clear the label",
        Some(plain(Key::Backspace)),
    ),
    known(
        Action::SetAside,
        "set aside",
        "Set aside as unsure, and go on",
        Some(plain(Key::Minus)),
    ),
    known(
        Action::Mark,
        "mark",
        "Select together with others",
        Some(plain(Key::Space)),
    ),
    known(
        Action::MarkAll,
        "mark all",
        "Select all photos shown",
        Some(command(Key::A)),
    ),
    known(
        Action::Left,
        "left",
        "Photo before",
        Some(plain(Key::ArrowLeft)),
    ),
    known(
        Action::Right,
        "right",
        "Next photo",
        Some(plain(Key::ArrowRight)),
    ),
    known(Action::Up, "up", "Photo above", Some(plain(Key::ArrowUp))),
    known(
        Action::Down,
        "down",
        "Photo below",
        Some(plain(Key::ArrowDown)),
    ),
    known(
        Action::PageUp,
        "page up",
        "A screen up",
        Some(plain(Key::PageUp)),
    ),
    known(
        Action::PageDown,
        "page down",
        "A screen down",
        Some(plain(Key::PageDown)),
    ),
    known(
        Action::First,
        "first",
        "First photo",
        Some(plain(Key::Home)),
    ),
    known(Action::Last, "last", "Last photo", Some(plain(Key::End))),
    known(
        Action::Redo,
        "redo",
        "Redo",
        Some(KeyboardShortcut::new(COMMAND_SHIFT, Key::Z)),
    ),
    known(Action::Undo, "undo", "Undo", Some(command(Key::Z))),
    known(
        Action::Tune,
        "tune",
        "Tune on the support set",
        Some(command(Key::T)),
    ),
    known(Action::Compare, "compare", "Compare methods", None),
    known(
        Action::Evaluate,
        "evaluate",
        "How good are the predictions?",
        Some(command(Key::E)),
    ),
    known(
        Action::Map,
        "map",
        "Photos as a map or as a grid",
        Some(command(Key::M)),
    ),
    known(Action::Mistakes, "mistakes", "Find likely mistakes", None),
    known(Action::Twins, "twins", "Find photos twice", None),
    known(
        Action::Outliers,
        "outliers",
        "Find photos unlike all others",
        None,
    ),
    known(
        Action::Diverse,
        "diverse",
        "Most different photos first",
        None,
    ),
    known(
        Action::LearnFromLabels,
        "learn from labels",
        "Learn from my labels, or not",
        None,
    ),
    known(
        Action::CompareAdapters,
        "compare adapters",
        "Compare adapters",
        None,
    ),
    known(
        Action::TrainAdapter,
        "train adapter",
        "Train an adapter…",
        None,
    ),
    known(Action::Export, "export", "Export…", Some(command(Key::S))),
    known(
        Action::Palette,
        "palette",
        "All commands",
        Some(command(Key::K)),
    ),
    known(Action::Help, "help", "Help", Some(plain(Key::F1))),
];

const COMMAND_SHIFT_ENTER: Option<KeyboardShortcut> =
    Some(KeyboardShortcut::new(COMMAND_SHIFT, Key::Enter));

impl Action {
    /// What is known of it.
    pub(super) fn known(self) -> &'static Known {
        let mut all = ACTIONS.iter();
        all.find(|known| known.action == self)
            .unwrap_or(&ACTIONS[0])
    }

    /// Whether a button that was reached by Tab keeps the key for itself.
    pub(super) fn yields_to_focus(self) -> bool {
        let known = self.known();
        !matches!(self, Self::Label(_) | Self::Clear)
            && known.default.is_some_and(|key| key.modifiers.is_none())
            && self != Self::Help
    }

    /// Does it.
    pub(super) fn perform(
        self,
        app: &App,
        strides: Strides,
        commands: &mut Vec<Command>,
        requests: &mut Vec<Request>,
    ) {
        if let Some(step) = self.step(strides) {
            return commands.push(Command::MoveSelection(step));
        }
        if let Some(request) = self.request(app) {
            return requests.push(request);
        }
        commands.extend(self.command(app));
    }

    fn step(self, strides: Strides) -> Option<Step> {
        let row = strides.columns as isize;
        let page = row * strides.rows as isize;
        Some(match self {
            Self::Left => Step::By(-1),
            Self::Right => Step::By(1),
            Self::Up => Step::By(-row),
            Self::Down => Step::By(row),
            Self::PageUp => Step::By(-page),
            Self::PageDown => Step::By(page),
            Self::First => Step::First,
            Self::Last => Step::Last,
            _ => return None,
        })
    }

    fn request(self, app: &App) -> Option<Request> {
        Some(match self {
            Self::PickClass if app.selected().is_some() => Request::QuickPick(String::new()),
            Self::AcceptMany => Request::AcceptMany,
            Self::Export => Request::Export,
            Self::Palette => Request::Palette,
            Self::Help => Request::Help(None),
            _ => return None,
        })
    }

    /// `None` where there is nothing to do it to.
    fn command(self, app: &App) -> Option<Command> {
        let targets = || Some(app.targets()).filter(|photos| !photos.is_empty());
        Some(match self {
            Self::Label(place) => {
                let class = app.project().classes().get(place)?.id;
                Command::Label(targets()?, Some(class))
            }
            Self::Accept => Command::AcceptPredictions(targets()?),
            Self::Clear => Command::Label(targets()?, None),
            Self::SetAside => {
                let photos = targets()?;
                let is_aside = |photo: &_| app.project().photo(*photo).is_some_and(|p| p.unsure);
                let unsure = !photos.iter().all(is_aside);
                Command::SetUnsure(photos, unsure)
            }
            Self::Mark => Command::Mark(app.selected()?, Mark::Toggle),
            Self::MarkAll => Command::MarkGallery,
            Self::Undo => Command::Undo,
            Self::Redo => Command::Redo,
            Self::Tune => Command::Tune,
            Self::Compare => Command::ShowComparison(!app.comparison().is_open),
            Self::Evaluate => Command::ShowEvaluation(!app.evaluation().is_open),
            Self::Map => Command::ShowMap(!app.map().is_open),
            Self::Mistakes => Command::FindMistakes,
            Self::Twins => Command::Find(Check::Twins),
            Self::Outliers => Command::Find(Check::Outliers),
            Self::Diverse => Command::FindDiverse,
            Self::LearnFromLabels => {
                Command::SetLearnFromLabels(!app.project().settings().learn_from_labels)
            }
            Self::CompareAdapters => Command::ShowAdapterComparison(true),
            Self::TrainAdapter => Command::ShowAdapterTraining(true),
            _ => return None,
        })
    }
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
        assert_eq!(Action::Down.step(strides), Some(Step::By(5)));
        assert_eq!(Action::PageUp.step(strides), Some(Step::By(-15)));
        assert_eq!(Action::Last.step(strides), Some(Step::Last));
    }

    #[test]
    fn names_and_keys_are_given_once() {
        for (index, known) in ACTIONS.iter().enumerate() {
            for other in &ACTIONS[..index] {
                assert!(known.id != other.id && known.action != other.action);
                assert!(known.default.is_none() || known.default != other.default);
            }
        }
    }
}
