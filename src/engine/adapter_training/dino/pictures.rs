//! Decoded photos, made smaller, and the views of them that a step looks at.

use std::borrow::Cow;

use image::RgbImage;
use rayon::prelude::*;

use super::super::dropout::mixed;
use super::super::photos::Photos;
use super::colour::{Chances, distort};
use super::loss::NUM_GLOBAL;
use crate::clip::Clip;
use crate::clip::preprocess::{Crop, Preprocess};
use crate::clip::view::View;
use crate::engine::EngineError;
use crate::progress::Progress;
use crate::support::random::Random;

/// Longest side of a photo that is kept, in sides of what the model sees: about what the smallest local crop needs.
const SIDES: usize = 3;
/// Photos read at a time.
const READ_AT_ONCE: usize = 64;
/// Share of a photo's area that a global and a local view see.
const GLOBAL_SCALE: (f64, f64) = (0.25, 1.0);
const LOCAL_SCALE: (f64, f64) = (0.05, 0.25);

/// The photos and how they are cut.
pub(super) struct Pictures<'a> {
    photos: &'a Photos,
    kept: Vec<Option<RgbImage>>,
    global: Preprocess,
    local: Preprocess,
    num_local: usize,
    seed: u64,
}

/// Views of some photos: the first view of every photo, then the second of every photo, and so on.
pub(super) struct Views {
    pub(super) global: Vec<Crop>,
    pub(super) local: Vec<Crop>,
}

impl<'a> Pictures<'a> {
    /// None is read yet. `num_local` local views of each photo; `seed` decides all views.
    pub(super) fn new(photos: &'a Photos, clip: &Clip, num_local: usize, seed: u64) -> Self {
        let global = clip.preprocess().clone();
        Self {
            photos,
            kept: vec![None; photos.len()],
            local: Preprocess {
                size: clip.local_size().unwrap_or(global.size),
                ..global.clone()
            },
            global,
            num_local,
            seed,
        }
    }

    /// Bytes that a photo of this width and height takes.
    pub(super) fn bytes(clip: &Clip, (width, height): (u32, u32)) -> usize {
        let (long, max) = (width.max(height).max(1), longest(clip.preprocess()));
        let factor = (f64::from(max) / f64::from(long)).min(1.0);
        let side = |side: u32| (f64::from(side) * factor).ceil() as usize;
        3 * side(width) * side(height)
    }

    /// Reads those of `photos` and keeps them.
    pub(super) fn keep(
        &mut self,
        photos: &[usize],
        progress: &Progress<'_>,
    ) -> Result<(), EngineError> {
        for (index, batch) in photos.chunks(READ_AT_ONCE).enumerate() {
            progress.step(index * READ_AT_ONCE, photos.len())?;
            let read: Vec<RgbImage> = batch
                .par_iter()
                .map(|photo| self.read(*photo))
                .collect::<Result<_, _>>()?;
            for (photo, picture) in batch.iter().zip(read) {
                self.kept[*photo] = Some(picture);
            }
        }
        Ok(())
    }

    /// Views of `photos` at `step`: what a photo's are depends on seed, step and photo alone.
    pub(super) fn views(&self, photos: &[usize], step: usize) -> Result<Views, EngineError> {
        let of_photos: Vec<Vec<Crop>> = photos
            .par_iter()
            .map(|photo| {
                let picture = match &self.kept[*photo] {
                    Some(picture) => Cow::Borrowed(picture),
                    None => Cow::Owned(self.read(*photo)?),
                };
                let view = |index| self.view(&picture, *photo, step, index);
                Ok((0..NUM_GLOBAL + self.num_local).map(view).collect())
            })
            .collect::<Result<_, EngineError>>()?;
        let of_views = |views: std::ops::Range<usize>| {
            let of_view = |view: usize| of_photos.iter().map(move |crops| crops[view].clone());
            views.flat_map(of_view).collect()
        };
        Ok(Views {
            global: of_views(0..NUM_GLOBAL),
            local: of_views(NUM_GLOBAL..NUM_GLOBAL + self.num_local),
        })
    }

    /// One view of a photo: the first two global, the first always blurred, the second rarely, but sometimes solarised.
    fn view(&self, picture: &RgbImage, photo: usize, step: usize, index: usize) -> Crop {
        let seeds = [self.seed, step as u64, photo as u64, index as u64];
        let mut random = Random::new(mixed(&seeds));
        let (preprocess, scale) = if index < NUM_GLOBAL {
            (&self.global, GLOBAL_SCALE)
        } else {
            (&self.local, LOCAL_SCALE)
        };
        let (blur, solarise) = match index {
            0 => (1.0, 0.0),
            1 => (0.1, 0.2),
            _ => (0.5, 0.0),
        };
        let (width, height) = picture.dimensions();
        let view = View::draw_of_scale(scale, width, height, &mut || random.uniform());
        let mut crop = preprocess.view(picture, &view);
        let chances = Chances { blur, solarise };
        distort(&mut crop, self.global.size, chances, &mut random);
        crop
    }

    fn read(&self, photo: usize) -> Result<RgbImage, EngineError> {
        self.photos.picture(photo, longest(&self.global))
    }
}

/// Longest side of a photo that is kept, for a model.
pub(in super::super) fn longest_side(clip: &Clip) -> u32 {
    longest(clip.preprocess())
}

fn longest(preprocess: &Preprocess) -> u32 {
    (SIDES * preprocess.size) as u32
}
