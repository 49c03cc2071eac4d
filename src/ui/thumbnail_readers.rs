//! The threads that read photos for [`super::thumbnails`].

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};
use egui::ColorImage;

use crate::ids::PhotoId;

use super::thumbnails::ReadThumbnail;

// Two read while one draws: more would fight CLIP for the cores.
const NUM_READERS: usize = 2;
/// Finished pictures that wait for the window; when it is hidden, the readers pause here.
const MAX_WAITING: usize = 32;

/// One photo at one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) photo: PhotoId,
    /// Longer side in pixels.
    pub(super) side: u32,
}

/// A picture that is missing on screen.
pub(super) struct Wanted {
    pub(super) key: Key,
    pub(super) path: Arc<Path>,
}

/// A picture, or why there is none.
pub(super) struct Finished {
    pub(super) key: Key,
    pub(super) picture: Result<ColorImage, String>,
}

#[derive(Default)]
struct Queue {
    // The next one last.
    wanted: Vec<Wanted>,
    in_progress: HashSet<Key>,
    is_closing: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    has_work: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A reader that panicked leaves the queue whole: it holds the lock only to take an item out.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reader threads.
pub(super) struct Readers {
    shared: Arc<Shared>,
    finished: Receiver<Finished>,
}

impl Readers {
    /// Starts them. Without threads (the system has none left) nothing is ever finished.
    pub(super) fn start(context: &egui::Context, read: &ReadThumbnail) -> Self {
        let shared = Arc::<Shared>::default();
        let (sender, finished) = bounded(MAX_WAITING);
        for index in 0..NUM_READERS {
            let (shared, sender) = (Arc::clone(&shared), sender.clone());
            let (read, context) = (Arc::clone(read), context.clone());
            std::thread::Builder::new()
                .name(format!("thumbnails {index}"))
                .spawn(move || run(&shared, &sender, &read, &context))
                .ok();
        }
        Self { shared, finished }
    }

    /// A finished picture, if there is one.
    pub(super) fn try_next(&self) -> Option<Finished> {
        let finished = self.finished.try_recv().ok()?;
        self.shared.lock().in_progress.remove(&finished.key);
        Some(finished)
    }

    /// Replaces what the threads work on, the most urgent first; empties `wanted`.
    pub(super) fn replace_wanted(&self, wanted: &mut Vec<Wanted>) {
        let mut queue = self.shared.lock();
        wanted.retain(|wanted| !queue.in_progress.contains(&wanted.key));
        wanted.reverse();
        std::mem::swap(&mut queue.wanted, wanted);
        let has_work = !queue.wanted.is_empty();
        drop(queue);
        wanted.clear();
        if has_work {
            self.shared.has_work.notify_all();
        }
    }

    /// Nothing wanted and nothing under way.
    pub(super) fn is_idle(&self) -> bool {
        let queue = self.shared.lock();
        queue.wanted.is_empty() && queue.in_progress.is_empty()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.shared.lock().is_closing = true;
        self.shared.has_work.notify_all();
    }
}

fn run(shared: &Shared, sender: &Sender<Finished>, read: &ReadThumbnail, context: &egui::Context) {
    while let Some(Wanted { key, path }) = next(shared) {
        let picture = read(&path, key.side).map(|picture| {
            let size = [picture.width() as usize, picture.height() as usize];
            ColorImage::from_rgb(size, picture.as_raw())
        });
        if sender.send(Finished { key, picture }).is_err() {
            return;
        }
        context.request_repaint();
    }
}

fn next(shared: &Shared) -> Option<Wanted> {
    let mut queue = shared.lock();
    loop {
        if queue.is_closing {
            return None;
        }
        if let Some(wanted) = queue.wanted.pop() {
            if queue.in_progress.insert(wanted.key) {
                return Some(wanted);
            }
            continue;
        }
        queue = shared
            .has_work
            .wait(queue)
            .unwrap_or_else(PoisonError::into_inner);
    }
}
