//! Photos that changed, went away or came back under the program: they are told apart, told of, and read again.
//!
//! Labels belong to the photo's place in the project, so they stay whatever becomes of the file; features follow its content.

use std::collections::{HashMap, HashSet};

use super::files::photos;
use super::{App, Filter};
use crate::ids::{Generation, PhotoId};
use crate::project::{FileStamp, Photo};
use crate::worker::Worker;
use crate::worker::look_again::{self, KnownPhoto, Looked};

/// What is known of files that are not as they were.
#[derive(Default)]
pub(crate) struct LookingAgain {
    worker: Option<(Generation, Worker<(), Looked>)>,
    gone: HashSet<PhotoId>,
    /// How files were that have been read again: what cannot be read is not read again until it changes once more.
    tried: HashMap<PhotoId, FileStamp>,
    /// Photos were skipped since the last look.
    has_failures: bool,
    /// Read since, and found to have another content.
    changed: Vec<PhotoId>,
    /// Pictures that the window drew from an older file.
    outdated: Vec<PhotoId>,
}

impl App {
    /// Asks the disk, on a thread of its own, whether the photos are still there and as they were.
    pub(super) fn look_again(&mut self) {
        let Some(threads) = &self.threads else {
            return;
        };
        if self.looking_again.worker.is_some() {
            return;
        }
        let photos = self.project().photos().iter();
        let is_read = |photo: PhotoId| self.embedding.has(photo) || self.embedding.failed(photo);
        let known = photos
            .filter(|photo| is_read(photo.id))
            .map(|photo| KnownPhoto {
                photo: photo.id,
                path: photo.path.clone(),
                stamp: photo.file,
            });
        // Without a thread nothing is looked at; the next occasion comes.
        let started = look_again::start(threads.wake.clone(), known.collect());
        let epoch = self.embedding.epoch();
        self.looking_again.worker = started.ok().map(|worker| (epoch, worker));
    }

    pub(super) fn poll_looking_again(&mut self) {
        let Some((epoch, worker)) = &self.looking_again.worker else {
            return;
        };
        let (epoch, Some(looked)) = (*epoch, worker.try_next()) else {
            return;
        };
        self.looking_again.worker = None;
        if epoch == self.embedding.epoch() {
            self.take_in_look(&looked);
        }
    }

    fn take_in_look(&mut self, looked: &Looked) {
        let gone: HashSet<PhotoId> = looked.gone.iter().copied().collect();
        let before = std::mem::replace(&mut self.looking_again.gone, gone);
        let now = &self.looking_again.gone;
        let newly = looked.gone.iter().filter(|photo| !before.contains(photo));
        let newly: Vec<PhotoId> = newly.copied().collect();
        let mut back: Vec<PhotoId> = before.difference(now).copied().collect();
        back.sort_unstable();
        if let Some(named) = self.named(&newly) {
            self.warn(format!(
                "{named} no longer where the project has them. Labels and features are kept; put the files back (and return to this window), or remove the photos from the project"
            ));
        }
        if let Some(named) = self.named(&back) {
            self.info(format!("{named} back"));
        }
        let tried = &mut self.looking_again.tried;
        let is_news =
            |(photo, stamp): &&(PhotoId, FileStamp)| tried.insert(*photo, *stamp) != Some(*stamp);
        let different = looked
            .different
            .iter()
            .filter(is_news)
            .map(|(photo, _)| *photo);
        let again: Vec<PhotoId> = different.chain(back).collect();
        if again.is_empty() {
            return;
        }
        for photo in &again {
            self.read_again(*photo);
        }
        self.looking_again.outdated.extend(again);
        self.embed_what_is_missing();
    }

    /// A photo was skipped.
    pub(super) fn note_failure(&mut self) {
        self.looking_again.has_failures = true;
    }

    /// Files that are not there are told of together, and read once they are back.
    pub(super) fn look_after_failures(&mut self) {
        if std::mem::take(&mut self.looking_again.has_failures) {
            self.look_again();
        }
    }

    /// A photo was read whose content is not the one that was read before.
    pub(super) fn note_changed(&mut self, photo: PhotoId) {
        self.looking_again.changed.push(photo);
    }

    /// Says which photos have changed since they were read, and makes them a choice of the filter menu.
    pub(super) fn tell_changed(&mut self) {
        let changed = std::mem::take(&mut self.looking_again.changed);
        let Some(named) = self.named(&changed) else {
            return;
        };
        self.warn(format!(
            "{named} another picture than when the project read them last. Features are made anew, labels are kept: look at them again under “Changed on disk” in the menu of filters"
        ));
        if self.gallery.filter != Filter::Chosen {
            self.gallery.chosen = ("Changed on disk".to_owned(), changed);
        }
    }

    /// Photos whose picture on screen is of an older file, once.
    pub fn take_outdated_pictures(&mut self) -> Vec<PhotoId> {
        std::mem::take(&mut self.looking_again.outdated)
    }

    /// Another project.
    pub(super) fn forget_looks(&mut self) {
        self.looking_again = LookingAgain::default();
    }

    /// As "12 photos (hat.jpg and others) are"; `None` for none.
    fn named(&self, ids: &[PhotoId]) -> Option<String> {
        let name = |id: &PhotoId| self.project().photo(*id).map(Photo::file_name);
        let first = ids.iter().find_map(name)?;
        Some(match ids.len() {
            1 => format!("1 photo ({first}) is"),
            many => format!("{} ({first} and others) are", photos(many)),
        })
    }
}
