//! A job's photos on their way to the window: counted, with their adapted features, and how fast it goes.

use std::time::{Duration, Instant};

use super::{ClipEvent, EmbeddedPhoto};
use crate::engine::Engine;
use crate::engine::embed_both::BothOutcome;
use crate::ids::{Generation, PhotoId};
use crate::worker::Outbox;

/// Counts one job's photos and tells them.
pub(super) struct PhotoRun<'a> {
    generation: Generation,
    total: usize,
    done: usize,
    fresh: usize,
    started: Instant,
    told: Option<Instant>,
    out: &'a Outbox<ClipEvent>,
}

impl<'a> PhotoRun<'a> {
    pub(super) fn new(generation: Generation, total: usize, out: &'a Outbox<ClipEvent>) -> Self {
        Self {
            generation,
            total,
            done: 0,
            fresh: 0,
            started: Instant::now(),
            told: None,
            out,
        }
    }

    /// Tells a batch of features, with the adapted ones where there are such; `num_done` of them will not come again in this pass.
    pub(super) fn hand_over(
        &mut self,
        engine: &Engine,
        batch: Vec<(PhotoId, BothOutcome)>,
        num_done: usize,
    ) {
        self.done += num_done;
        if self.told.is_some() || num_done <= engine.batch_size() {
            self.fresh += num_done;
        }
        let (mut embedded, mut skipped) = (Vec::with_capacity(batch.len()), Vec::new());
        for (photo, outcome) in batch {
            match outcome {
                Ok((original, adapted)) => embedded.push(EmbeddedPhoto {
                    photo,
                    original,
                    adapted,
                }),
                Err(reason) => skipped.push((photo, reason)),
            }
        }
        self.out.send(ClipEvent::Photos {
            generation: self.generation,
            embedded,
            skipped,
        });
        if self
            .told
            .is_none_or(|told| told.elapsed() > Duration::from_millis(100))
            || self.done == self.total
        {
            self.told = Some(Instant::now());
            let seconds = self.started.elapsed().as_secs_f64();
            let rate = (self.fresh > 0 && seconds > 0.5).then(|| self.fresh as f64 / seconds);
            self.out.send(ClipEvent::Progress {
                generation: self.generation,
                done: self.done,
                total: self.total,
                rate,
            });
        }
    }
}
