//! What maps are drawn from, of everything embedded.

use std::sync::Arc;

use super::{ScoreEvent, ScoringThread};
use crate::engine::map::Ground;
use crate::features::{Features, Matrix};
use crate::ids::{ClassId, Generation, PhotoId};

/// The grounds of the original features and, where there are such, of the adapted ones.
#[derive(Clone, Debug, Default)]
pub struct Grounds {
    /// The photos, in the order of the rows.
    pub photos: Vec<PhotoId>,
    /// The classes whose texts come behind them, in the original space alone.
    pub texts: Vec<ClassId>,
    /// Original features; `None` for fewer than three photos.
    pub original: Option<Arc<Ground>>,
    /// Adapted features.
    pub adapted: Option<Arc<Ground>>,
}

impl ScoringThread {
    /// Makes the grounds, and tells them.
    pub(super) fn tell_grounds(&self, generation: Generation, texts: &[(ClassId, Vec<f32>)]) {
        let grounds = self.grounds(texts);
        self.out
            .send(ScoreEvent::Grounds(generation, Arc::new(grounds)));
    }

    fn grounds(&self, texts: &[(ClassId, Vec<f32>)]) -> Grounds {
        let mut rows = self.rows_with_direction();
        // Rows are in the order in which photos were embedded; a map is to be the same the next time.
        rows.sort_unstable_by_key(|row| self.table.photos()[*row]);
        let text_features = text_features(texts);
        let of_table = |places: &[usize]| rows_at(&rows, places);
        let original = Ground::new(
            rows.len(),
            |places| self.table.original(&of_table(places)).ok(),
            text_features.as_ref(),
        );
        let fit = self.fit.as_ref();
        let adapted = fit.and_then(|fit| {
            let take = |places: &[usize]| self.adapted_rows(fit, &of_table(places));
            Ground::new(rows.len(), take, None)
        });
        Grounds {
            photos: rows.iter().map(|row| self.table.photos()[*row]).collect(),
            texts: match text_features {
                Some(_) => texts.iter().map(|(class, _)| *class).collect(),
                None => Vec::new(),
            },
            original: original.map(Arc::new),
            adapted: adapted.map(Arc::new),
        }
    }

    /// Rows of everything embedded whose features have a direction.
    pub(super) fn rows_with_direction(&self) -> Vec<usize> {
        let has_direction = |row: &usize| {
            let raw = self.table.original_raw(&[*row]);
            raw.row(0).iter().any(|x| *x != 0.0)
        };
        (0..self.table.photos().len())
            .filter(has_direction)
            .collect()
    }
}

fn rows_at(rows: &[usize], places: &[usize]) -> Vec<usize> {
    places.iter().map(|place| rows[*place]).collect()
}

fn text_features(texts: &[(ClassId, Vec<f32>)]) -> Option<Features> {
    let dim = texts.first()?.1.len();
    let rows = Matrix::from_rows(dim, texts.iter().map(|(_, text)| text.as_slice())).ok()?;
    Features::normalized(rows).ok()
}
