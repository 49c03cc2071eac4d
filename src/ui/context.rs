//! What every panel is given: the state to read, and where to put what the person asks for.

use crate::app::{App, Command};
use crate::ids::{ClassId, PhotoId};
use crate::project::{Class, Photo};

use super::dialogs::Ask;
use super::drops::DropZones;
use super::help::Topic;
use super::thumbnails::Thumbnails;

/// Something only the window can do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Request {
    /// Open a file dialog.
    Ask(Ask),
    /// Open the field for a typed path.
    TypePath(Ask),
    /// Pick the selected photo's class by typing; this was typed.
    QuickPick(String),
    /// Accept all sure predictions at once.
    AcceptMany,
    /// Export photos or the classifier.
    Export,
    /// Open the list of all commands.
    Palette,
    /// Edit the prompts of a class.
    EditPrompts(ClassId),
    /// Open the help.
    Help(Option<Topic>),
}

/// Read the state, push commands.
pub(super) struct PanelContext<'a> {
    pub(super) app: &'a App,
    pub(super) thumbnails: &'a mut Thumbnails,
    pub(super) zones: &'a mut DropZones,
    pub(super) commands: &'a mut Vec<Command>,
    pub(super) requests: &'a mut Vec<Request>,
}

impl<'a> PanelContext<'a> {
    /// Asks the app for something.
    pub(super) fn push(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Asks the window for something.
    pub(super) fn request(&mut self, request: Request) {
        self.requests.push(request);
    }

    /// The class with this id.
    pub(super) fn class(&self, id: ClassId) -> Option<&'a Class> {
        self.app.project().class(id)
    }

    /// The photo with this id.
    pub(super) fn photo(&self, id: PhotoId) -> Option<&'a Photo> {
        self.app.project().photo(id)
    }
}
