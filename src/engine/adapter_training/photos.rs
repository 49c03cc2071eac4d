//! The photos that an adapter learns from: read once, held out in part, and their way through the frozen blocks remembered where
//! memory allows.

use std::path::{Path, PathBuf};

use candle_core::Tensor;
use image::RgbImage;
use rayon::prelude::*;

use super::options::Settled;
use super::spool::Spool;
use crate::clip::preprocess::Crop;
use crate::clip::{Clip, PixelValues};
use crate::engine::{Engine, EngineError};
use crate::image_io::{self, ContentHash};
use crate::progress::Progress;
use crate::support::groups_of;
use crate::support::split::hold_out_quarter;

/// Photos held out at most: enough for a firm figure.
const MOST_HELD_OUT: usize = 1_000;
/// Photos read at a time.
const READ_AT_ONCE: usize = 64;

/// Photos that can be read.
pub(in crate::engine) struct Photos {
    /// Files, or names for people.
    pub(super) paths: Vec<PathBuf>,
    /// Class of each; `None` for photos without one.
    pub(super) labels: Vec<Option<usize>>,
    pub(super) hashes: Vec<ContentHash>,
    /// Width and height of each.
    pub(super) sizes: Vec<(u32, u32)>,
    /// Path and reason of each that was left out.
    pub(super) skipped: Vec<(PathBuf, String)>,
    /// The pixels, where they came from another process; `None`: they are read from the files.
    spool: Option<Spool>,
}

/// A photo as it goes to another process.
pub(in crate::engine) struct SentPhoto {
    pub(in crate::engine) label: Option<usize>,
    pub(in crate::engine) hash: ContentHash,
    /// Width and height of the file.
    pub(in crate::engine) size: (u32, u32),
    /// What training looks at: the crop that the model sees, or (DINO) the photo made smaller. `None` for photos that are neither
    /// learned from nor judge.
    pub(in crate::engine) picture: Option<RgbImage>,
}

/// Which photos are learned from and which judge.
pub(in crate::engine) struct Parts {
    pub(super) train: Vec<usize>,
    pub(super) held_out: Vec<usize>,
}

impl Photos {
    /// Hashes and decodes every photo, so that what cannot be read is known before training begins.
    pub(super) fn read(
        photos: &[(&PathBuf, Option<usize>)],
        progress: &Progress<'_>,
    ) -> Result<Self, EngineError> {
        let mut read = Self::over(None);
        for (index, batch) in photos.chunks(READ_AT_ONCE).enumerate() {
            progress.step(index * READ_AT_ONCE, photos.len())?;
            let found: Vec<_> = batch.par_iter().map(|(path, _)| look_at(path)).collect();
            for ((path, label), found) in batch.iter().zip(found) {
                match found {
                    Ok((hash, size)) => {
                        read.paths.push((*path).clone());
                        read.labels.push(*label);
                        read.hashes.push(hash);
                        read.sizes.push(size);
                    }
                    Err(reason) => read.skipped.push(((*path).clone(), reason)),
                }
            }
        }
        Ok(read)
    }

    /// None yet; their pixels will come from another process.
    ///
    /// # Errors
    /// When there is no place to put them.
    pub(in crate::engine) fn to_come() -> Result<Self, EngineError> {
        Ok(Self::over(Some(Spool::new()?)))
    }

    fn over(spool: Option<Spool>) -> Self {
        Self {
            paths: Vec::new(),
            labels: Vec::new(),
            hashes: Vec::new(),
            sizes: Vec::new(),
            skipped: Vec::new(),
            spool,
        }
    }

    /// Takes in one that came from another process.
    ///
    /// # Errors
    /// When it cannot be put down.
    pub(in crate::engine) fn take_in(&mut self, photo: &SentPhoto) -> Result<(), EngineError> {
        if let Some(spool) = &mut self.spool {
            spool.push(photo.picture.as_ref())?;
        }
        self.paths
            .push(format!("photo {}", self.paths.len()).into());
        self.labels.push(photo.label);
        self.hashes.push(photo.hash);
        self.sizes.push(photo.size);
        Ok(())
    }

    /// Path and reason of each that was left out.
    pub(in crate::engine) fn skipped(&self) -> &[(PathBuf, String)] {
        &self.skipped
    }

    /// How many there are.
    pub(in crate::engine) fn len(&self) -> usize {
        self.paths.len()
    }

    /// One as the model sees it.
    pub(super) fn crop(&self, photo: usize, engine: &Engine) -> Result<Crop, EngineError> {
        let Some(spool) = &self.spool else {
            return engine.crop_of(&self.paths[photo]);
        };
        let (picture, size) = (spool.picture(photo)?, engine.clip().preprocess().size);
        if picture.dimensions() != (size as u32, size as u32) {
            return Err(EngineError::Training(format!(
                "photo {photo} came with another size than {size} pixels"
            )));
        }
        let pixels = picture.into_raw();
        Ok(Crop { size, pixels })
    }

    /// One made smaller, so that no side is longer than `longest`; one from another process came so.
    pub(super) fn picture(&self, photo: usize, longest: u32) -> Result<RgbImage, EngineError> {
        if let Some(spool) = &self.spool {
            return spool.picture(photo);
        }
        let path = &self.paths[photo];
        let read = || {
            let (bytes, _) = image_io::read_photo(path)?;
            image_io::decode_rgb(&bytes, path)
        };
        let picture = read()
            .map_err(|error: image_io::DecodeError| EngineError::Training(error.to_string()))?;
        Ok(image_io::thumbnail(&picture, longest))
    }

    /// The same, without classes where there are not two of them: nothing could be told apart.
    pub(super) fn judged_by_classes(mut self) -> Self {
        let mut classes: Vec<usize> = self.labels.iter().flatten().copied().collect();
        classes.sort_unstable();
        classes.dedup();
        if classes.len() < 2 {
            self.labels.fill(None);
        }
        self
    }

    /// Holds a quarter of every class out, exact duplicates on one side, and of a large collection no more than
    /// [`MOST_HELD_OUT`]. Photos without a class are all learned from, but for duplicates of what judges.
    pub(super) fn parts(&self, num_classes: usize, seed: u64) -> Parts {
        let groups = groups_of(self.hashes.iter());
        let labels: Vec<usize> = self
            .labels
            .iter()
            .map(|label| label.unwrap_or(num_classes))
            .collect();
        let held = hold_out_quarter(&labels, &groups, num_classes, seed);
        let every = held.held_out.len().div_ceil(MOST_HELD_OUT).max(1);
        let is_kept = |row: &usize| groups[*row].is_multiple_of(every);
        let (mut held_out, returned): (Vec<usize>, Vec<usize>) =
            held.held_out.iter().partition(|row| is_kept(row));
        held_out.retain(|row| self.labels[*row].is_some());
        let mut train = held.train;
        train.extend(returned);
        train.sort_unstable();
        Parts { train, held_out }
    }

    /// Classes of photos that have one.
    pub(super) fn labels_of(&self, photos: &[usize]) -> Vec<usize> {
        let labels = photos.iter().filter_map(|photo| self.labels[*photo]);
        labels.collect()
    }

    /// Tells these photos and labels from others.
    pub(super) fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (hash, label) in self.hashes.iter().zip(&self.labels) {
            let label = label.map_or(u64::MAX, |label| label as u64);
            hasher.update(&hash.0).update(&label.to_le_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// Hash, width and height.
fn look_at(path: &Path) -> Result<(ContentHash, (u32, u32)), String> {
    let read = || {
        let (bytes, hash) = image_io::read_photo(path)?;
        let reduced = image_io::decode_reduced(&bytes, path, 1);
        reduced.map(|reduced| (hash, (reduced.width, reduced.height)))
    };
    read().map_err(|error: image_io::DecodeError| error.to_string())
}

/// What the first adapted block takes, for photos by their index.
pub(super) struct Activations<'a> {
    engine: &'a Engine,
    photos: &'a Photos,
    before: usize,
    pixels: PixelValues,
    /// One `[num_tokens, width]` for each of `photos` that was asked for ahead.
    kept: Vec<Option<Tensor>>,
}

impl<'a> Activations<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        photos: &'a Photos,
        settled: &Settled,
        pixels: PixelValues,
    ) -> Self {
        Self {
            engine,
            photos,
            before: settled.blocks.start,
            pixels,
            kept: vec![None; photos.paths.len()],
        }
    }

    /// Computes those of `photos` and keeps them.
    pub(super) fn keep(
        &mut self,
        photos: &[usize],
        progress: &Progress<'_>,
    ) -> Result<(), EngineError> {
        for (index, batch) in photos.chunks(READ_AT_ONCE).enumerate() {
            progress.step(index * READ_AT_ONCE, photos.len())?;
            let activations = self.computed(batch)?;
            for (row, photo) in batch.iter().enumerate() {
                self.kept[*photo] = Some(activations.get(row)?.copy()?);
            }
        }
        Ok(())
    }

    /// Those of `photos`, `[photos.len(), num_tokens, width]`.
    pub(super) fn of(&self, photos: &[usize]) -> Result<Tensor, EngineError> {
        let kept: Option<Vec<&Tensor>> = photos
            .iter()
            .map(|photo| self.kept[*photo].as_ref())
            .collect();
        match kept {
            Some(kept) => Ok(Tensor::stack(&kept, 0)?),
            None => self.computed(photos),
        }
    }

    fn computed(&self, photos: &[usize]) -> Result<Tensor, EngineError> {
        let crops = photos
            .par_iter()
            .map(|photo| self.photos.crop(*photo, self.engine));
        let crops: Vec<Crop> = crops.collect::<Result<_, _>>()?;
        let clip: &Clip = self.engine.clip();
        Ok(clip.activations(&crops, self.before, self.pixels)?)
    }
}
