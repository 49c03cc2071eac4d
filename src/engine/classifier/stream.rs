//! Any number of photos through a classifier, in the memory of a few batches.

use std::path::PathBuf;

use super::{PhotoClassifier, Prediction};
use crate::engine::{Engine, EngineError};
use crate::features::Matrix;
use crate::image_io::ContentHash;
use crate::progress::Progress;
use crate::project::FileStamp;

/// Batches of the encoder that are in memory at once: enough that decoding runs ahead, little beside the model.
const NUM_BATCHES: usize = 8;

/// What became of a photo.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledPhoto {
    /// Its place in the list given.
    pub index: usize,
    /// Its content.
    pub hash: ContentHash,
    /// The likeliest class.
    pub prediction: Prediction,
    /// Its original features `[dim]` as the projection gives them.
    pub features: Vec<f32>,
}

/// Photos of one stretch of the list, each once, in its order.
#[derive(Clone, Debug, Default)]
pub struct Stretch {
    /// Those that could be read.
    pub labelled: Vec<LabelledPhoto>,
    /// Index and reason of the others.
    pub skipped: Vec<(usize, String)>,
}

impl Engine {
    /// Predicts photos and hands them over stretch by stretch, in the order of `paths`; the files as they were last read come
    /// second, one each, or none.
    ///
    /// # Errors
    /// When the model fails, `progress` is cancelled or `on_stretch` fails; what was handed over stays valid.
    pub fn label_photos<E: From<EngineError>>(
        &self,
        classifier: &PhotoClassifier,
        (paths, known): (&[PathBuf], &[FileStamp]),
        progress: &Progress<'_>,
        on_stretch: &mut dyn FnMut(Stretch) -> Result<(), E>,
    ) -> Result<(), E> {
        let size = NUM_BATCHES * self.batch_size();
        for (number, paths_of_stretch) in paths.chunks(size).enumerate() {
            let start = number * size;
            progress
                .step(start, paths.len())
                .map_err(EngineError::from)?;
            let known_of_stretch = known.get(start..).unwrap_or_default();
            let photos = (paths_of_stretch, known_of_stretch);
            on_stretch(self.label_stretch(classifier, start, photos, progress)?)?;
        }
        progress.report(paths.len(), paths.len());
        Ok(())
    }

    fn label_stretch(
        &self,
        classifier: &PhotoClassifier,
        start: usize,
        (paths, known): (&[PathBuf], &[FileStamp]),
        progress: &Progress<'_>,
    ) -> Result<Stretch, EngineError> {
        let photos: Vec<(PathBuf, usize)> = paths.iter().map(|path| (path.clone(), 0)).collect();
        let (split, skipped) =
            self.embed_split(&photos, known, classifier.looks(), &progress.quiet())?;
        let rows = rows_of(&split.rows.features);
        let labelled = classifier.predict(&split)?.into_iter().zip(rows);
        let labelled = labelled.zip(split.places.iter().zip(&split.hashes));
        Ok(Stretch {
            labelled: labelled
                .map(|((prediction, features), (place, hash))| LabelledPhoto {
                    index: start + place,
                    hash: *hash,
                    prediction,
                    features,
                })
                .collect(),
            skipped: skipped
                .into_iter()
                .map(|(place, reason)| (start + place, reason))
                .collect(),
        })
    }
}

fn rows_of(matrix: &Matrix) -> impl Iterator<Item = Vec<f32>> + '_ {
    (0..matrix.rows()).map(|row| matrix.row(row).to_vec())
}
