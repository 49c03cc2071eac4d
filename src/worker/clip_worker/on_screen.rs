//! The photos on screen, told to a job that is under way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::embed::PhotoRequest;
use crate::ids::PhotoId;

/// The photos on screen: what a job embeds of them comes before everything else.
#[derive(Clone, Debug, Default)]
pub struct OnScreen {
    shown: Arc<Shown>,
    /// The screen that the job's own order follows.
    known: u64,
}

#[derive(Debug, Default)]
struct Shown {
    /// Rises with every change.
    version: AtomicU64,
    photos: Mutex<Vec<PhotoId>>,
}

impl OnScreen {
    /// Others are on screen now.
    pub fn show(&self, photos: &[PhotoId]) {
        let mut shown = self.lock();
        photos.clone_into(&mut shown);
        self.shown.version.fetch_add(1, Ordering::Release);
    }

    /// For a job whose order begins with what is on screen now.
    #[must_use]
    pub fn from_now(&self) -> Self {
        Self {
            shown: self.shown.clone(),
            known: self.shown.version.load(Ordering::Acquire),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<PhotoId>> {
        let photos = self.shown.photos.lock();
        photos.unwrap_or_else(PoisonError::into_inner)
    }
}

/// The places of a job's photos, found by what is on screen.
pub(super) struct Places<'a> {
    on_screen: &'a OnScreen,
    seen: AtomicU64,
    of_photos: HashMap<PhotoId, usize>,
}

impl<'a> Places<'a> {
    pub(super) fn new(on_screen: &'a OnScreen, requests: &[PhotoRequest<PhotoId>]) -> Self {
        let places = requests.iter().enumerate();
        Self {
            on_screen,
            seen: AtomicU64::new(on_screen.known),
            of_photos: places
                .map(|(place, request)| (request.key, place))
                .collect(),
        }
    }

    /// Places of the photos on screen, whenever others are there.
    pub(super) fn awaited(&self) -> Option<Vec<usize>> {
        let version = self.on_screen.shown.version.load(Ordering::Acquire);
        if self.seen.swap(version, Ordering::Relaxed) == version {
            return None;
        }
        let photos = self.on_screen.lock();
        let places = photos.iter().filter_map(|photo| self.of_photos.get(photo));
        Some(places.copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_job_hears_of_each_screen_once() {
        let request = |id| PhotoRequest {
            key: PhotoId(id),
            path: PathBuf::new(),
            known: None,
        };
        let on_screen = OnScreen::default();
        on_screen.show(&[PhotoId(3)]);
        let requests = [3, 1, 2].map(request);
        let of_job = on_screen.from_now();
        let places = Places::new(&of_job, &requests);
        assert_eq!(places.awaited(), None);
        on_screen.show(&[PhotoId(9), PhotoId(2), PhotoId(3)]);
        assert_eq!(places.awaited(), Some(vec![2, 0]));
        assert_eq!(places.awaited(), None);
    }
}
