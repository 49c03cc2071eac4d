//! A job's photos on their way to the window: counted, with their adapted features, and how fast it goes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{ClipEvent, EmbeddedPhoto};
use crate::engine::Engine;
use crate::engine::adapted::AdaptedEncoder;
use crate::engine::embed::PhotoFeatures;
use crate::features::Matrix;
use crate::ids::{Generation, PhotoId};
use crate::worker::Outbox;

/// Where adapted features come from.
#[derive(Clone, Copy)]
pub(super) enum Adapted<'a> {
    /// There are none (yet).
    None,
    /// One matrix applied to the original ones.
    Projected(&'a AdaptedEncoder),
    /// The batch has them; these are the original ones.
    Beside(&'a HashMap<PhotoId, PhotoFeatures>),
}

impl<'a> Adapted<'a> {
    pub(super) fn by(projection: Option<&'a AdaptedEncoder>) -> Self {
        projection.map_or(Self::None, Self::Projected)
    }

    /// Both kinds of features of a photo.
    fn beside(self, photo: PhotoId, features: PhotoFeatures) -> Option<EmbeddedPhoto> {
        let (original, adapted) = match self {
            Self::None => (features, None),
            Self::Projected(encoder) => {
                let adapted = projected(encoder, &features);
                (features, adapted)
            }
            Self::Beside(originals) => (originals.get(&photo)?.clone(), Some(features.features)),
        };
        Some(EmbeddedPhoto {
            photo,
            original,
            adapted,
        })
    }
}

/// A photo's features through a projection; `None` where the model gives nothing to project.
pub(super) fn projected(encoder: &AdaptedEncoder, photo: &PhotoFeatures) -> Option<Vec<f32>> {
    let row = |values: &[f32]| Matrix::new(1, values.len(), values.to_vec()).ok();
    let hidden = photo.hidden.as_deref().and_then(row);
    let adapted = encoder.adapt(&row(&photo.features)?, hidden.as_ref());
    adapted.ok().map(Matrix::into_vec)
}

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

    /// Tells a batch of features, with the adapted ones where there are such.
    pub(super) fn hand_over(
        &mut self,
        engine: &Engine,
        batch: Vec<(PhotoId, Result<PhotoFeatures, String>)>,
        adapted: Adapted<'_>,
    ) {
        self.done += batch.len();
        if self.told.is_some() || batch.len() <= engine.batch_size() {
            self.fresh += batch.len();
        }
        let (mut embedded, mut skipped) = (Vec::with_capacity(batch.len()), Vec::new());
        for (photo, outcome) in batch {
            match outcome {
                Ok(features) => embedded.extend(adapted.beside(photo, features)),
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
