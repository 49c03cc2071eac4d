//! Predictions of everything embedded, a slice at a time, so that newer jobs get in between.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fitting::Fit;
use super::{ScoreEvent, ScoringThread};
use crate::features::Features;
use crate::ids::{ClassId, Generation, PhotoId};
use crate::methods::{MethodError, Queries, Weighing, gather_evidence, gather_readings};
use crate::worker::evidence_set::{EvidenceSet, Scored, scored};

/// Photos predicted between two looks at the job queue: some twenty milliseconds against 1,600 keys of 512 numbers on two cores.
const SLICE: usize = 1024;
/// Products of photos and keys between two looks: against 50,000 keys a whole [`SLICE`] takes half a second, while photos that
/// were scrolled into view wait.
const SLICE_PRODUCTS: usize = SLICE * 1600;
/// Photos that the methods take at once on each of two cores.
const LEAST_SLICE: usize = 128;

/// While a pool is still being predicted or embedded, the window hears of it this often.
const TELL_EVERY: Duration = Duration::from_millis(150);

/// Predictions of all photos with features, sorted by photo.
#[derive(Clone, Debug, Default)]
pub struct PoolPredictions {
    /// Of the fit or the slider that they belong to.
    pub generation: Generation,
    /// Photos in ascending order.
    pub photos: Vec<PhotoId>,
    /// What is predicted for each.
    pub scored: Vec<Scored>,
    /// Classes that the scores' indices mean.
    pub classes: Vec<ClassId>,
    /// Indices into `photos`, the least confident first.
    pub by_confidence: Vec<u32>,
}

impl PoolPredictions {
    /// What is predicted for a photo.
    pub fn get(&self, photo: PhotoId) -> Option<&Scored> {
        self.photos
            .binary_search(&photo)
            .ok()
            .map(|index| &self.scored[index])
    }
}

/// What evidence is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Scores alone.
    Scores,
    /// The inspector, which shows how alike the shots are, too.
    Inspection,
}

/// How far the pool is predicted.
#[derive(Default)]
pub(super) struct Pool {
    scored: Vec<Scored>,
    wanted: usize,
    told: Option<Instant>,
    is_untold: bool,
}

impl Pool {
    /// Predicts everything anew, and tells it as soon as it is done.
    pub(super) fn restart(&mut self) {
        self.scored.clear();
        (self.told, self.is_untold) = (None, true);
    }

    /// There are `rows` rows to predict now.
    pub(super) fn grow(&mut self, rows: usize) {
        self.wanted = rows;
    }

    /// Whether there is something left to predict.
    pub(super) fn is_behind(&self) -> bool {
        self.scored.len() < self.wanted
    }

    /// How long until predictions that nobody has heard of are due: rows trickle in while photos are embedded.
    pub(super) fn tell_in(&self) -> Option<Duration> {
        let told = self.told.filter(|_| self.is_untold)?;
        Some(TELL_EVERY.saturating_sub(told.elapsed()))
    }
}

impl ScoringThread {
    /// Predicts the next slice of the pool, and tells it all when it is due.
    pub(super) fn predict_some(&mut self) {
        let Some(fit) = &self.fit else {
            self.pool.wanted = 0;
            return;
        };
        let start = self.pool.scored.len();
        if start < self.pool.wanted {
            let num_keys = fit.lesson.support.len().max(1);
            let slice = (SLICE_PRODUCTS / num_keys).clamp(LEAST_SLICE, SLICE);
            let rows: Vec<usize> = (start..self.pool.wanted.min(start + slice)).collect();
            match self.scores(fit, &rows) {
                Ok(scores) => {
                    self.pool.scored.extend(scores);
                    self.pool.is_untold = true;
                }
                Err(error) => {
                    self.pool.wanted = start;
                    self.out.send(ScoreEvent::Failed(error.to_string()));
                }
            }
        }
        let is_complete = self.pool.scored.len() >= self.pool.wanted;
        let is_due = self
            .pool
            .told
            .is_none_or(|told| told.elapsed() > TELL_EVERY);
        if self.pool.is_untold && is_complete && is_due {
            self.out
                .send(ScoreEvent::Predictions(Arc::new(self.predictions(fit))));
            (self.pool.told, self.pool.is_untold) = (Some(Instant::now()), false);
        }
    }

    fn predictions(&self, fit: &Fit) -> PoolPredictions {
        let is_known = |row: &usize| self.pool.scored[*row] != UNKNOWN;
        let mut rows: Vec<usize> = (0..self.pool.scored.len()).filter(is_known).collect();
        rows.sort_unstable_by_key(|row| self.table.photos()[*row]);
        let scored: Vec<Scored> = rows.iter().map(|row| self.pool.scored[*row]).collect();
        let mut by_confidence: Vec<u32> = (0..scored.len() as u32).collect();
        by_confidence.sort_by(|a, b| {
            scored[*a as usize]
                .confidence
                .total_cmp(&scored[*b as usize].confidence)
        });
        PoolPredictions {
            generation: fit.summary.generation,
            photos: rows.iter().map(|row| self.table.photos()[*row]).collect(),
            scored,
            classes: fit.fitted.classes.clone(),
            by_confidence,
        }
    }

    /// Scores of rows; those that cannot be scored (yet) are [`UNKNOWN`].
    fn scores(&self, fit: &Fit, rows: &[usize]) -> Result<Vec<Scored>, MethodError> {
        let mut scores = vec![UNKNOWN; rows.len()];
        let places = (0..rows.len()).filter(|place| self.can_score(fit, rows[*place]));
        let (shots, others): (Vec<usize>, Vec<usize>) =
            places.partition(|place| self.own_keys(fit, rows[*place]).is_some());
        self.score_others(fit, rows, &others, &mut scores)?;
        let shot_rows: Vec<usize> = shots.iter().map(|place| rows[*place]).collect();
        let set = self.evidence_of(fit, &shot_rows, Purpose::Scores)?;
        let (parameters, temperature) = (&fit.summary.parameters, fit.summary.temperature);
        for (place, row) in shots.iter().zip(shot_rows) {
            let photo = self.table.photos()[row];
            if let Some(score) = set.score(photo, parameters, temperature) {
                scores[*place] = score;
            }
        }
        Ok(scores)
    }

    /// Scores of the photos at these places of `rows`, none of which is a shot.
    fn score_others(
        &self,
        fit: &Fit,
        rows: &[usize],
        places: &[usize],
        scores: &mut [Scored],
    ) -> Result<(), MethodError> {
        if places.is_empty() {
            return Ok(());
        }
        let rows: Vec<usize> = places.iter().map(|place| rows[*place]).collect();
        let (Ok(original), Some(adapted)) = (
            self.table.original(&rows),
            self.adapted_if_needed(fit, &rows),
        ) else {
            return Ok(());
        };
        let queries = Queries {
            adapted: adapted.as_ref(),
            ..Queries::new(&original)
        };
        let logits = fit.classifier.logits(queries)?;
        let zero_shot = original.cosines(&fit.lesson.text);
        for (index, place) in places.iter().enumerate() {
            let (logits, zero_shot) = (logits.0.row(index), zero_shot.row(index));
            scores[*place] = scored(logits, zero_shot, fit.summary.temperature);
        }
        Ok(())
    }

    /// Whether a row has a direction, and adapted features where the method needs them.
    fn can_score(&self, fit: &Fit, row: usize) -> bool {
        let has_direction = self
            .table
            .original_raw(&[row])
            .as_slice()
            .iter()
            .any(|x| *x != 0.0);
        let is_adapted = !fit.fitted.method.needs_adapter()
            || fit.encoder.is_some()
            || self.table.bottleneck(&[row]).is_some();
        has_direction && is_adapted
    }

    /// Evidence of rows that can be scored. A photo that is a shot itself is scored by the others, as in leave-one-out: its own
    /// vote would always be right. In a cache it is masked, and its class's sum is scaled by K/(K-1).
    fn evidence_of(
        &self,
        fit: &Fit,
        rows: &[usize],
        purpose: Purpose,
    ) -> Result<EvidenceSet, MethodError> {
        let mut set = EvidenceSet {
            support: Arc::clone(&fit.fitted),
            ..EvidenceSet::default()
        };
        if rows.is_empty() {
            return Ok(set);
        }
        let (Ok(original), Some(adapted)) =
            (self.table.original(rows), self.adapted_if_needed(fit, rows))
        else {
            return Ok(set);
        };
        let queries = Queries {
            adapted: adapted.as_ref(),
            ..Queries::new(&original)
        };
        let own_keys = |row: &usize| self.own_keys(fit, *row).unwrap_or_default();
        let hidden: Vec<&[usize]> = rows.iter().map(own_keys).collect();
        let (method, classifier) = (fit.fitted.method, &*fit.classifier);
        let knowledge = fit.lesson.knowledge();
        let evidence = match purpose {
            Purpose::Scores => gather_readings(classifier, &knowledge, queries, &hidden),
            Purpose::Inspection => {
                gather_evidence(method, classifier, &knowledge, queries, &hidden)
            }
        }?;
        let weighing = &fit.fitted.weighing;
        for ((row, mut evidence), keys) in rows.iter().zip(evidence).zip(hidden) {
            let photo = self.table.photos()[*row];
            if let Some(key) = keys.first() {
                if let Some(reading) = fit.held_out.reading(weighing, *key) {
                    evidence.reading = reading;
                } else if let Weighing::Votes(_) = weighing {
                    set.own.insert(photo, fit.own_class(keys));
                }
            }
            set.photos.insert(photo, evidence);
        }
        Ok(set)
    }

    /// The keys that come from the same picture as a row.
    fn own_keys<'a>(&self, fit: &'a Fit, row: usize) -> Option<&'a [usize]> {
        fit.key_hashes.get(&self.table.hash(row)).map(Vec::as_slice)
    }

    /// The inner `None`: not needed; the outer: needed, and not there.
    #[expect(clippy::option_option, reason = "two questions with one answer each")]
    pub(super) fn adapted_if_needed(&self, fit: &Fit, rows: &[usize]) -> Option<Option<Features>> {
        if fit.fitted.method.needs_adapter() {
            self.adapted_rows(fit, rows).map(Some)
        } else {
            Some(None)
        }
    }

    /// Gathers evidence for the photos on screen and tells it.
    pub(super) fn tell_evidence(&self) {
        let Some(fit) = &self.fit else { return };
        let rows = self
            .shown
            .iter()
            .filter_map(|photo| self.table.row_of(*photo));
        let rows: Vec<usize> = rows.filter(|row| self.can_score(fit, *row)).collect();
        match self.evidence_of(fit, &rows, Purpose::Inspection) {
            Ok(set) => self.out.send(ScoreEvent::Evidence(Arc::new(set))),
            Err(error) => self.out.send(ScoreEvent::Failed(error.to_string())),
        }
    }
}

/// A photo whose features have no direction, or whose adapted features are not there yet.
const UNKNOWN: Scored = Scored {
    class: u32::MAX,
    confidence: 0.0,
    margin: 0.0,
    entropy: 0.0,
    zero_shot_class: 0,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_are_found_by_photo() {
        let scored = vec![
            Scored {
                class: 1,
                confidence: 0.5,
                margin: 0.1,
                entropy: 0.7,
                zero_shot_class: 0,
            },
            UNKNOWN,
        ];
        let predictions = PoolPredictions {
            photos: vec![PhotoId(3), PhotoId(9)],
            scored,
            ..PoolPredictions::default()
        };
        assert_eq!(
            predictions.get(PhotoId(3)).map(|scored| scored.class),
            Some(1)
        );
        assert!(predictions.get(PhotoId(4)).is_none());
    }
}
