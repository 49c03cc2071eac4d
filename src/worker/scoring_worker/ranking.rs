//! The pool in the order of a search: like a photo, like a text, or as different from each other as can be.

use super::{ScoreEvent, ScoringThread};
use crate::features::Features;
use crate::features::Matrix;
use crate::ids::{Generation, PhotoId};

/// What to search for.
#[derive(Clone, Debug, PartialEq)]
pub enum RankBy {
    /// Photos like this one.
    Photo(PhotoId),
    /// Photos like a text, by its feature, of unit length.
    Text(Vec<f32>),
    /// So that each photo is as far as possible from those before it and from the shots (k-centre, greedily; Sener and
    /// Savarese, ICLR 2018).
    Diverse,
}

/// So many photos are put in the order of their distances; behind them nobody labels that far at a time.
const NUM_DIVERSE: usize = 200;

impl ScoringThread {
    /// Ranks everything embedded, and tells it.
    pub(super) fn tell_ranking(&self, generation: Generation, by: &RankBy) {
        let photos = self.ranked(by).unwrap_or_default();
        self.out.send(ScoreEvent::Ranked(generation, photos));
    }

    fn ranked(&self, by: &RankBy) -> Option<Vec<PhotoId>> {
        let rows = self.rows_with_direction();
        let features = self.table.original(&rows).ok()?;
        let order = match by {
            RankBy::Photo(photo) => {
                let own = self.table.original(&[self.table.row_of(*photo)?]).ok()?;
                by_cosine(&features, &own)
            }
            RankBy::Text(text) => {
                let text = Matrix::new(1, text.len(), text.clone()).ok()?;
                by_cosine(&features, &Features::normalized(text).ok()?)
            }
            RankBy::Diverse => {
                let shots = self.fit.as_ref().map(|fit| fit.lesson.support.features());
                diverse(&features, shots, NUM_DIVERSE)
            }
        };
        let photo = |place: usize| self.table.photos()[rows[place]];
        Some(order.into_iter().map(photo).collect())
    }
}

/// Rows of `features`, the most alike to the one row of `query` first.
fn by_cosine(features: &Features, query: &Features) -> Vec<usize> {
    let cosines = features.cosines(query);
    let mut order: Vec<usize> = (0..features.len()).collect();
    order.sort_by(|a, b| cosines.row(*b)[0].total_cmp(&cosines.row(*a)[0]));
    order
}

/// The first `count` rows, each the furthest from all before it and from `known`; duplicates of those come last and are left out.
fn diverse(features: &Features, known: Option<&Features>, count: usize) -> Vec<usize> {
    let mut nearest = vec![f32::NEG_INFINITY; features.len()];
    if let Some(known) = known.filter(|known| !known.is_empty()) {
        let cosines = features.cosines(known);
        for (row, nearest) in nearest.iter_mut().enumerate() {
            *nearest = cosines.row(row).iter().copied().fold(*nearest, f32::max);
        }
    }
    let mut order = Vec::new();
    while order.len() < count.min(features.len()) {
        let furthest = nearest.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
        let Some((next, _)) = furthest.filter(|(_, cosine)| **cosine < 0.9999) else {
            break;
        };
        order.push(next);
        let cosines = features.cosines(&features.select(&[next]));
        for (row, nearest) in nearest.iter_mut().enumerate() {
            *nearest = nearest.max(cosines.row(row)[0]);
        }
        nearest[next] = f32::INFINITY;
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(rows: &[[f32; 2]]) -> Features {
        let rows = Matrix::from_rows(2, rows.iter().map(<[f32; 2]>::as_slice)).unwrap();
        Features::normalized(rows).unwrap()
    }

    #[test]
    fn the_most_alike_come_first() {
        let rows = features(&[[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
        assert_eq!(by_cosine(&rows, &features(&[[1.0, 0.1]])), [1, 2, 0]);
    }

    #[test]
    fn diverse_photos_are_far_from_the_shots_and_from_each_other() {
        let rows = features(&[
            [1.0, 0.0],
            [0.99, 0.1],
            [-1.0, 0.1],
            [0.0, 1.0],
            [-1.0, 0.1],
        ]);
        let order = diverse(&rows, Some(&features(&[[1.0, 0.0]])), 3);
        assert_eq!(order[..2], [2, 3], "{order:?}");
        assert!(!order.contains(&0), "a copy of a shot teaches nothing");
    }
}
