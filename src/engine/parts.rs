//! Features of the parts of photos, for CALIP: made anew each time, as they are fifty times as many numbers as the photos' own.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{Engine, EngineError};
use crate::clip::preprocess::Crop;
use crate::features::{Features, Matrix};
use crate::image_io;
use crate::methods::Parts;
use crate::progress::Progress;

/// Features of the parts of photos, of unit length.
#[derive(Clone, Debug)]
pub struct PartRows {
    /// Photo after photo, `[num_photos · num_parts, dim]`.
    features: Features,
    num_parts: usize,
}

impl PartRows {
    /// What a method takes.
    pub fn parts(&self) -> Parts<'_> {
        Parts {
            features: &self.features,
            num_parts: self.num_parts,
        }
    }

    /// The parts of the photos with these indices, in this order.
    #[must_use]
    pub fn select(&self, photos: &[usize]) -> Self {
        let rows = photos
            .iter()
            .flat_map(|photo| photo * self.num_parts..(photo + 1) * self.num_parts);
        Self {
            features: self.features.select(&rows.collect::<Vec<_>>()),
            num_parts: self.num_parts,
        }
    }
}

impl Engine {
    /// Features of the parts of photos that can be read (as [`Engine::embed_all`] has found out); `None` where the model's image
    /// tower gives none.
    pub fn embed_parts(
        &self,
        photos: &[PathBuf],
        progress: &Progress<'_>,
    ) -> Result<Option<PartRows>, EngineError> {
        let Some(num_parts) = self.clip().num_parts() else {
            return Ok(None);
        };
        let mut rows = Vec::new();
        for (index, batch) in photos.chunks(self.batch_size()).enumerate() {
            progress.step(index * self.batch_size(), photos.len())?;
            let crops: Vec<Crop> = batch
                .par_iter()
                .map(|path| self.crop_of(path))
                .collect::<Result<_, _>>()?;
            rows.extend(
                self.clip()
                    .encode_parts(&crops)?
                    .into_iter()
                    .flat_map(Matrix::into_vec),
            );
        }
        progress.step(photos.len(), photos.len())?;
        let rows = Matrix::new(photos.len() * num_parts, self.clip().dim(), rows)?;
        Ok(Some(PartRows {
            features: Features::normalized(rows)?,
            num_parts,
        }))
    }

    /// A photo as the model sees it.
    pub fn crop_of(&self, path: &Path) -> Result<Crop, EngineError> {
        let crop = || {
            let (bytes, _) = image_io::read_photo(path)?;
            self.crop_of_file(&bytes, path)
        };
        crop().map_err(|error: image_io::DecodeError| EngineError::Training(error.to_string()))
    }
}
