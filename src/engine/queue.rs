//! Which photo is decoded next.

use std::sync::{Mutex, PoisonError};

/// Indices of the photos that somebody looks at and waits for, whenever these have changed; they are decoded before all others.
pub type Awaited<'a> = &'a (dyn Fn() -> Option<Vec<usize>> + Sync);

/// Photos still to be decoded, each given once.
pub(super) struct Queue<'a> {
    awaited: Awaited<'a>,
    state: Mutex<State>,
}

struct State {
    /// All photos in their order, as indices of what was asked for.
    photos: Vec<usize>,
    /// Place in `photos` of the next.
    next: usize,
    /// The last is taken first.
    awaited: Vec<usize>,
    /// Whether a photo, by its index, is wanted and was not given yet.
    is_left: Vec<bool>,
}

impl<'a> Queue<'a> {
    /// Of `num_requests` photos those that are still missing, in this order.
    pub(super) fn new(num_requests: usize, photos: Vec<usize>, awaited: Awaited<'a>) -> Self {
        let mut is_left = vec![false; num_requests];
        for photo in &photos {
            is_left[*photo] = true;
        }
        let state = State {
            photos,
            next: 0,
            awaited: Vec::new(),
            is_left,
        };
        Self {
            awaited,
            state: Mutex::new(state),
        }
    }

    /// The next photo; `None` when none are left.
    pub(super) fn take(&self) -> Option<usize> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut awaited) = (self.awaited)() {
            awaited.reverse();
            state.awaited = awaited;
        }
        state.take()
    }

    /// Nobody wants the others any more.
    pub(super) fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_left.fill(false);
    }
}

impl State {
    fn take(&mut self) -> Option<usize> {
        loop {
            let photo = self.awaited.pop().or_else(|| self.next_in_order())?;
            if self.is_left.get_mut(photo).is_some_and(std::mem::take) {
                return Some(photo);
            }
        }
    }

    fn next_in_order(&mut self) -> Option<usize> {
        self.next += 1;
        self.photos.get(self.next - 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_photo_is_given_once_and_those_on_screen_first() {
        let screen = Mutex::new(None);
        let awaited = || screen.lock().unwrap().take();
        let queue = Queue::new(8, vec![1, 2, 3, 5, 6, 7], &awaited);
        assert_eq!(queue.take(), Some(1));
        *screen.lock().unwrap() = Some(vec![6, 0, 1, 3, 99]);
        assert_eq!([queue.take(), queue.take()], [Some(6), Some(3)]);
        *screen.lock().unwrap() = Some(vec![7]);
        let rest: Vec<usize> = std::iter::from_fn(|| queue.take()).collect();
        assert_eq!(rest, [7, 2, 5]);
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn a_closed_queue_gives_nothing() {
        let queue = Queue::new(3, vec![0, 1, 2], &|| None);
        assert_eq!(queue.take(), Some(0));
        queue.close();
        assert_eq!(queue.take(), None);
    }
}
