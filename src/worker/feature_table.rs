//! All features of a project, by photo.

use std::collections::HashMap;

use crate::features::{FeatureError, Features, Matrix};
use crate::ids::PhotoId;
use crate::image_io::ContentHash;

use super::clip_worker::EmbeddedPhoto;
use crate::engine::embed::PhotoFeatures;

/// Rows that grow as photos are embedded.
#[derive(Default)]
pub struct FeatureTable {
    rows: HashMap<PhotoId, usize>,
    photos: Vec<PhotoId>,
    hashes: Vec<ContentHash>,
    original: Rows,
    hidden: Rows,
    bottleneck: Rows,
}

/// A matrix that grows by rows; rows that are missing hold NaN.
#[derive(Default)]
struct Rows {
    width: usize,
    data: Vec<f32>,
}

impl Rows {
    fn set(&mut self, row: usize, values: Option<&[f32]>) {
        if let Some(values) = values {
            if self.width == 0 {
                self.width = values.len();
            }
            if values.len() == self.width {
                self.fill_to(row + 1);
                self.data[row * self.width..(row + 1) * self.width].copy_from_slice(values);
            }
        }
    }

    fn fill_to(&mut self, rows: usize) {
        let len = self.data.len().max(rows * self.width);
        self.data.resize(len, f32::NAN);
    }

    fn row(&self, row: usize) -> Option<&[f32]> {
        let values = self.data.get(row * self.width..(row + 1) * self.width)?;
        (!values.is_empty() && !values[0].is_nan()).then_some(values)
    }

    fn select(&self, rows: &[usize]) -> Option<Matrix> {
        let selected: Option<Vec<&[f32]>> = rows.iter().map(|row| self.row(*row)).collect();
        Matrix::from_rows(self.width, selected?).ok()
    }
}

impl FeatureTable {
    /// Takes in photos; one that is there already is replaced, and that is told.
    pub fn insert(&mut self, embedded: &[EmbeddedPhoto]) -> bool {
        let num_before = self.photos.len();
        for EmbeddedPhoto {
            photo,
            original,
            adapted,
        } in embedded
        {
            let row = *self.rows.entry(*photo).or_insert_with(|| {
                self.photos.push(*photo);
                self.hashes.push(hash_of(original));
                self.photos.len() - 1
            });
            self.hashes[row] = hash_of(original);
            self.original.set(row, Some(&original.features));
            self.hidden.set(row, original.hidden.as_deref());
            self.bottleneck.set(row, adapted.as_deref());
        }
        self.photos.len() - num_before < embedded.len()
    }

    /// Forgets the features through bottleneck adapters, when others are chosen.
    pub fn clear_bottleneck(&mut self) {
        self.bottleneck = Rows::default();
    }

    /// All photos, in the order of their rows.
    pub fn photos(&self) -> &[PhotoId] {
        &self.photos
    }

    /// The row of a photo.
    pub fn row_of(&self, photo: PhotoId) -> Option<usize> {
        self.rows.get(&photo).copied()
    }

    /// The content hash of a row.
    pub fn hash(&self, row: usize) -> ContentHash {
        self.hashes[row]
    }

    /// Original features of these rows, of unit length.
    pub fn original(&self, rows: &[usize]) -> Result<Features, FeatureError> {
        Features::normalized(self.original_raw(rows))
    }

    /// Original features of these rows, as the projection gives them.
    pub fn original_raw(&self, rows: &[usize]) -> Matrix {
        self.original
            .select(rows)
            .unwrap_or_else(|| Matrix::zeros(rows.len(), self.original.width))
    }

    /// Features before the projection, where the model has such.
    pub fn hidden(&self, rows: &[usize]) -> Option<Matrix> {
        self.hidden.select(rows)
    }

    /// Features through bottleneck adapters, if all these rows have them.
    pub fn bottleneck(&self, rows: &[usize]) -> Option<Matrix> {
        self.bottleneck.select(rows)
    }
}

/// Every photo that was embedded was read, and so hashed.
fn hash_of(photo: &PhotoFeatures) -> ContentHash {
    photo.stamp.hash.unwrap_or(ContentHash([0; 32]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::FileStamp;

    fn embedded(photo: i64, features: [f32; 2], adapted: Option<[f32; 2]>) -> EmbeddedPhoto {
        let original = PhotoFeatures {
            stamp: FileStamp {
                hash: Some(ContentHash([photo as u8; 32])),
                ..FileStamp::default()
            },
            features: features.to_vec(),
            hidden: None,
            original: None,
        };
        EmbeddedPhoto {
            photo: PhotoId(photo),
            original,
            adapted: adapted.map(|row| row.to_vec()),
        }
    }

    #[test]
    fn rows_are_replaced_and_missing_adapted_rows_are_not_made_up() {
        let mut table = FeatureTable::default();
        table.insert(&[
            embedded(7, [1.0, 0.0], None),
            embedded(8, [3.0, 4.0], Some([0.0, 1.0])),
        ]);
        table.insert(&[embedded(7, [0.0, 2.0], None)]);
        assert_eq!(table.photos(), [PhotoId(7), PhotoId(8)]);
        assert_eq!(table.original(&[0, 1]).unwrap().row(0), [0.0, 1.0]);
        assert!(table.bottleneck(&[0, 1]).is_none());
        assert_eq!(table.bottleneck(&[1]).unwrap().row(0), [0.0, 1.0]);
        assert!(table.hidden(&[0]).is_none());
    }
}
