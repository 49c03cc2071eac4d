//! Pasting: a picture, or the paths of files, from the clipboard.
//!
//! egui hands over a picture when the clipboard holds nothing else. Browsers put its address beside it as text, so when text is pasted, a thread looks whether there is a picture too.

use std::path::PathBuf;

use crossbeam_channel::{Receiver, Sender, bounded};
use egui::{ColorImage, Event};

use crate::app::{Command, Destination};

use super::path_prompt::typed_paths;

/// What came of a paste.
pub(super) enum Pasted {
    /// Do this.
    Found(Command),
    /// Nothing that Shotlens can use, in words.
    Nothing(&'static str),
}

/// Pastes under way.
pub(super) struct Clipboard {
    sender: Sender<Pasted>,
    pasted: Receiver<Pasted>,
}

impl Default for Clipboard {
    fn default() -> Self {
        let (sender, pasted) = bounded(2);
        Self { sender, pasted }
    }
}

impl Clipboard {
    /// Looks for a paste in this frame's events; not to be called while a text field has the focus.
    pub(super) fn handle_events(&self, context: &egui::Context) -> Option<Pasted> {
        let event = context.input(|input| {
            let is_paste = |event: &&Event| matches!(event, Event::Paste(_) | Event::PasteImage(_));
            input.events.iter().find(is_paste).cloned()
        })?;
        match event {
            Event::PasteImage(picture) => Some(Pasted::Found(paste_command(&picture))),
            Event::Paste(text) => {
                self.look_for_picture(context, text);
                None
            }
            _ => None,
        }
    }

    /// What a paste came to.
    pub(super) fn poll(&self) -> Option<Pasted> {
        self.pasted.try_recv().ok()
    }

    fn look_for_picture(&self, context: &egui::Context, text: String) {
        let (sender, context) = (self.sender.clone(), context.clone());
        std::thread::Builder::new()
            .name("clipboard".to_owned())
            .spawn(move || {
                // A full channel means that pastes are piling up: this one may go.
                sender.try_send(read_clipboard(&text)).ok();
                context.request_repaint();
            })
            .ok();
    }
}

fn read_clipboard(text: &str) -> Pasted {
    let picture = arboard::Clipboard::new().and_then(|mut clipboard| clipboard.get_image());
    if let Ok(picture) = picture {
        return Pasted::Found(Command::PasteImage {
            width: picture.width,
            height: picture.height,
            rgba: picture.bytes.into_owned(),
        });
    }
    let paths: Vec<PathBuf> = typed_paths(text)
        .into_iter()
        .filter(|path| path.is_absolute() && path.exists())
        .collect();
    if paths.is_empty() {
        Pasted::Nothing("The clipboard holds no picture and no path of one")
    } else {
        Pasted::Found(Command::AddPaths(Destination::Anywhere, paths))
    }
}

fn paste_command(picture: &ColorImage) -> Command {
    let rgba = picture
        .pixels
        .iter()
        .flat_map(egui::Color32::to_srgba_unmultiplied)
        .collect();
    Command::PasteImage {
        width: picture.width(),
        height: picture.height(),
        rgba,
    }
}
