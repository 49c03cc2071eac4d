//! Questions about shots and pairs: which predictions a shot decides, which photos are the same, how a class falls in two.

use std::collections::HashSet;

use super::fitting::Fit;
use super::{ScoreEvent, ScoringThread};
use crate::features::{Features, dot};
use crate::ids::{Generation, PhotoId};
use crate::methods::{MethodError, Queries, Weighing, gather_readings};
use crate::support::two_means::two_means;
use crate::worker::evidence_set::scored;

/// Photos looked at between two evidence matrices.
const SLICE: usize = 512;

/// Two photos that show (nearly) the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Twins {
    /// One.
    pub first: PhotoId,
    /// The other.
    pub second: PhotoId,
    /// Cosine of their features.
    pub cosine: f32,
    /// The files are equal to the byte.
    pub is_same_file: bool,
}

/// What a shot decides.
#[derive(Clone, Debug, PartialEq)]
pub enum Decided {
    /// The photos that would be predicted as another class without it.
    Photos(Vec<PhotoId>),
    /// The method does not weigh shots one by one, or there is no such shot.
    Unknown,
}

impl ScoringThread {
    /// Finds out which predictions would change without a shot, and tells it.
    pub(super) fn tell_decided(&self, generation: Generation, shot: PhotoId) {
        let decided = match self.fit.as_ref().map(|fit| self.decided(fit, shot)) {
            Some(Ok(Some(photos))) => Decided::Photos(photos),
            Some(Err(error)) => {
                self.out.send(ScoreEvent::Failed(error.to_string()));
                Decided::Unknown
            }
            Some(Ok(None)) | None => Decided::Unknown,
        };
        self.out
            .send(ScoreEvent::Decided(generation, shot, decided));
    }

    fn decided(&self, fit: &Fit, shot: PhotoId) -> Result<Option<Vec<PhotoId>>, MethodError> {
        let key = fit.fitted.photos.iter().position(|photo| *photo == shot);
        let (Some(key), weighing @ Weighing::Votes(_)) = (key, &fit.fitted.weighing) else {
            return Ok(None);
        };
        let (parameters, temperature) = (&fit.summary.parameters, fit.summary.temperature);
        // A shot votes for photos, not for itself or another shot.
        let shots: HashSet<PhotoId> = fit.fitted.photos.iter().copied().collect();
        let is_shot = |row: usize| shots.contains(&self.table.photos()[row]);
        let rows = self.rows_with_direction().into_iter();
        let rows: Vec<usize> = rows.filter(|row| !is_shot(*row)).collect();
        let mut decided = Vec::new();
        for rows in rows.chunks(SLICE) {
            let (Ok(original), Some(adapted)) =
                (self.table.original(rows), self.adapted_if_needed(fit, rows))
            else {
                continue;
            };
            let queries = Queries {
                adapted: adapted.as_ref(),
                ..Queries::new(&original)
            };
            let knowledge = fit.lesson.knowledge();
            let evidence = gather_readings(&*fit.classifier, &knowledge, queries, &[])?;
            for (row, mut evidence) in rows.iter().zip(evidence) {
                let class = |reading: &_| {
                    scored(&weighing.logits(reading, parameters), &[], temperature).class
                };
                let with = class(&evidence.reading);
                evidence.reading.affinities[key] = f32::NEG_INFINITY;
                if class(&evidence.reading) != with {
                    decided.push(self.table.photos()[*row]);
                }
            }
        }
        Ok(Some(decided))
    }

    /// Measures pairs of photos, tells those at least as alike as `least`, the most alike first.
    pub(super) fn tell_twins(
        &self,
        generation: Generation,
        pairs: &[(PhotoId, PhotoId)],
        least: f32,
    ) {
        let twins = |(first, second): &(PhotoId, PhotoId)| {
            let rows = [self.table.row_of(*first)?, self.table.row_of(*second)?];
            let features = self.table.original(&rows).ok()?;
            let cosine = dot(features.row(0), features.row(1));
            (cosine >= least).then(|| Twins {
                first: *first,
                second: *second,
                cosine,
                is_same_file: self.table.hash(rows[0]) == self.table.hash(rows[1]),
            })
        };
        let mut found: Vec<Twins> = pairs.iter().filter_map(twins).collect();
        found.sort_by(|a, b| b.cosine.total_cmp(&a.cosine));
        self.out.send(ScoreEvent::Twins(generation, found));
    }

    /// Splits photos into two groups that are alike within, and tells the smaller one.
    pub(super) fn tell_split(&self, generation: Generation, photos: &[PhotoId]) {
        let known = photos
            .iter()
            .filter_map(|photo| Some((*photo, self.table.row_of(*photo)?)));
        let known: Vec<(PhotoId, usize)> = known.collect();
        let rows: Vec<usize> = known.iter().map(|(_, row)| *row).collect();
        let split = self
            .table
            .original(&rows)
            .ok()
            .and_then(|features: Features| two_means(&features));
        let second = split.map_or_else(Vec::new, |is_second| {
            let members = known
                .iter()
                .zip(is_second)
                .filter(|(_, is_second)| *is_second);
            members.map(|((photo, _), _)| *photo).collect()
        });
        self.out.send(ScoreEvent::Split(generation, second));
    }
}
