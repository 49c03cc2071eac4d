//! Photos as textures, read and downsized by a few threads while the window goes on drawing.
//!
//! The threads always work on what was on screen in the last frame, in that order: [`Thumbnails::end_frame`] replaces their list, so a request that scrolled away is dropped without any bookkeeping. Finished pictures come back through a bounded channel, a few are uploaded each frame, and textures unused for longest go when the budget is spent.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use egui::{ColorImage, TextureHandle, TextureOptions};

use crate::ids::PhotoId;

use super::thumbnail_readers::{Finished, Key, Readers, Wanted};

pub use crate::worker::thumbnail_reader::ReadThumbnail;

/// Textures on the graphics card, in bytes.
const BUDGET_BYTES: usize = 256 << 20;
// A 400-pixel thumbnail is 0.6 MB and uploads in well under a millisecond.
const UPLOADS_PER_FRAME: usize = 8;
/// Longer sides in pixels; few, so that resizing the tiles seldom reads a photo again.
const SIDES: [u32; 8] = [64, 112, 176, 256, 384, 560, 800, 1200];

/// What is there to draw for a photo.
#[derive(Clone)]
pub(super) enum Thumbnail {
    /// The picture; while a sharper one is read, a smaller one.
    Ready(TextureHandle),
    /// On its way.
    Loading,
    /// The file cannot be shown, and why.
    Broken(Arc<str>),
}

enum Entry {
    Texture(TextureHandle),
    Broken(Arc<str>),
}

struct Slot {
    entry: Entry,
    last_used: u64,
    num_bytes: usize,
}

/// All thumbnails of the window.
pub(super) struct Thumbnails {
    readers: Readers,
    slots: HashMap<Key, Slot>,
    wanted: Vec<Wanted>,
    // Wanted soon: just outside what is on screen.
    wanted_next: Vec<Wanted>,
    frame: u64,
    num_bytes: usize,
}

impl Thumbnails {
    /// Starts the reader threads; they repaint `context` when something is ready.
    pub(super) fn new(context: &egui::Context, read: &ReadThumbnail) -> Self {
        Self {
            readers: Readers::start(context, read),
            slots: HashMap::new(),
            wanted: Vec::new(),
            wanted_next: Vec::new(),
            frame: 0,
            num_bytes: 0,
        }
    }

    /// Uploads what was finished since the last frame; before anything is drawn.
    pub(super) fn begin_frame(&mut self, context: &egui::Context) {
        self.frame += 1;
        for _ in 0..UPLOADS_PER_FRAME {
            let Some(finished) = self.readers.try_next() else {
                return;
            };
            self.take_in(context, finished);
        }
        // Perhaps more is waiting.
        context.request_repaint();
    }

    /// Hands the threads what this frame lacked; after everything is drawn.
    pub(super) fn end_frame(&mut self) {
        self.wanted.append(&mut self.wanted_next);
        self.readers.replace_wanted(&mut self.wanted);
        if self.num_bytes > BUDGET_BYTES {
            self.evict();
        }
    }

    /// Whether a picture was drawn and none is missing on screen.
    pub(super) fn has_pictures(&self) -> bool {
        !self.slots.is_empty() && self.is_idle()
    }

    /// Whether everything that was drawn in the last frame was there.
    pub(super) fn is_idle(&self) -> bool {
        self.readers.is_idle()
    }

    /// The photo at least `side` pixels along its longer side, or what there is.
    pub(super) fn request(&mut self, photo: PhotoId, path: &Arc<Path>, side: f32) -> Thumbnail {
        let key = Key {
            photo,
            side: bucket(side),
        };
        if let Some(thumbnail) = self.look_up(key) {
            return thumbnail;
        }
        self.wanted.push(Wanted {
            key,
            path: Arc::clone(path),
        });
        let smaller = SIDES
            .iter()
            .rev()
            .map(|&side| Key { photo, side })
            .find_map(|key| self.look_up(key));
        smaller.unwrap_or(Thumbnail::Loading)
    }

    /// Reads the photo once nothing on screen is missing.
    pub(super) fn prefetch(&mut self, photo: PhotoId, path: &Arc<Path>, side: f32) {
        let key = Key {
            photo,
            side: bucket(side),
        };
        if !self.slots.contains_key(&key) {
            self.wanted_next.push(Wanted {
                key,
                path: Arc::clone(path),
            });
        }
    }

    /// Reads these photos again when they are next on screen.
    pub(super) fn forget(&mut self, photos: &[PhotoId]) {
        let sides = SIDES.iter();
        for key in sides.flat_map(|&side| photos.iter().map(move |&photo| Key { photo, side })) {
            if let Some(slot) = self.slots.remove(&key) {
                self.num_bytes -= slot.num_bytes;
            }
        }
    }

    fn look_up(&mut self, key: Key) -> Option<Thumbnail> {
        let slot = self.slots.get_mut(&key)?;
        slot.last_used = self.frame;
        Some(match &slot.entry {
            Entry::Texture(texture) => Thumbnail::Ready(texture.clone()),
            Entry::Broken(reason) => Thumbnail::Broken(Arc::clone(reason)),
        })
    }

    fn take_in(&mut self, context: &egui::Context, finished: Finished) {
        let Finished { key, picture } = finished;
        let (entry, num_bytes) = match picture {
            Ok(picture) => {
                let num_bytes = picture.pixels.len() * 4;
                (Entry::Texture(upload(context, key, picture)), num_bytes)
            }
            Err(reason) => (Entry::Broken(reason.into()), 0),
        };
        let slot = Slot {
            entry,
            last_used: self.frame,
            num_bytes,
        };
        self.num_bytes += num_bytes;
        if let Some(old) = self.slots.insert(key, slot) {
            self.num_bytes -= old.num_bytes;
        }
    }

    /// Frees the textures unused for longest until three quarters of the budget are left.
    fn evict(&mut self) {
        let mut by_age: Vec<(u64, Key)> = self
            .slots
            .iter()
            .map(|(key, slot)| (slot.last_used, *key))
            .collect();
        by_age.sort_unstable();
        for (last_used, key) in by_age {
            if self.num_bytes <= BUDGET_BYTES / 4 * 3 || last_used + 1 >= self.frame {
                return;
            }
            if let Some(slot) = self.slots.remove(&key) {
                self.num_bytes -= slot.num_bytes;
            }
        }
    }
}

fn bucket(side: f32) -> u32 {
    let side = side.ceil() as u32;
    let largest = SIDES[SIDES.len() - 1];
    SIDES
        .into_iter()
        .find(|&bucket| bucket >= side)
        .unwrap_or(largest)
}

fn upload(context: &egui::Context, key: Key, picture: ColorImage) -> TextureHandle {
    let name = format!("photo {} at {}", key.photo.0, key.side);
    context.load_texture(name, picture, TextureOptions::LINEAR)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn wait(thumbnails: &mut Thumbnails, context: &egui::Context, photo: PhotoId) -> Thumbnail {
        let path: Arc<Path> = Path::new("x.png").into();
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            thumbnails.begin_frame(context);
            let thumbnail = thumbnails.request(photo, &path, 100.0);
            thumbnails.end_frame();
            if !matches!(thumbnail, Thumbnail::Loading) || Instant::now() > deadline {
                return thumbnail;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn a_photo_arrives_as_a_texture_of_the_asked_size() {
        let context = egui::Context::default();
        let read: ReadThumbnail = Arc::new(|_, side| Ok(image::RgbImage::new(side, side / 2)));
        let mut thumbnails = Thumbnails::new(&context, &read);
        let Thumbnail::Ready(texture) = wait(&mut thumbnails, &context, PhotoId(1)) else {
            panic!("no texture");
        };
        assert_eq!(texture.size(), [112, 56]);
        assert!(thumbnails.is_idle());
    }

    #[test]
    fn a_broken_file_says_why_and_is_not_read_again() {
        let context = egui::Context::default();
        let read: ReadThumbnail = Arc::new(|path, _| Err(format!("no picture in {path:?}")));
        let mut thumbnails = Thumbnails::new(&context, &read);
        let Thumbnail::Broken(reason) = wait(&mut thumbnails, &context, PhotoId(1)) else {
            panic!("not broken");
        };
        assert_eq!(&*reason, "no picture in \"x.png\"");
    }

    #[test]
    fn textures_stay_within_the_budget() {
        let context = egui::Context::default();
        let read: ReadThumbnail = Arc::new(|_, side| Ok(image::RgbImage::new(side, side)));
        let mut thumbnails = Thumbnails::new(&context, &read);
        for photo in 0..60 {
            let picture = ColorImage::filled([1200, 1200], egui::Color32::WHITE);
            let key = Key {
                photo: PhotoId(photo),
                side: 1200,
            };
            thumbnails.frame += 1;
            thumbnails.take_in(
                &context,
                Finished {
                    key,
                    picture: Ok(picture),
                },
            );
            thumbnails.end_frame();
            assert!(thumbnails.num_bytes <= BUDGET_BYTES);
        }
        let newest = Key {
            photo: PhotoId(59),
            side: 1200,
        };
        assert!(thumbnails.slots.contains_key(&newest));
    }

    #[test]
    fn sizes_are_few() {
        assert_eq!(bucket(10.0), 64);
        assert_eq!(bucket(112.0), 112);
        assert_eq!(bucket(113.0), 176);
        assert_eq!(bucket(9000.0), 1200);
    }
}
