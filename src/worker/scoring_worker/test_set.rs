//! Photos to judge methods by, with the features that methods take: of the pool, or of a folder that was only embedded.

use std::sync::Arc;

use super::fitting::Fit;
use super::{ScoreEvent, ScoringThread};
use crate::engine::embed::PhotoFeatures;
use crate::features::{Features, Matrix};
use crate::ids::{Generation, PhotoId};
use crate::image_io::ContentHash;
use crate::worker::study_worker::TestSet;

/// A photo that is in no project, with its class.
#[derive(Clone, Debug)]
pub struct StrayPhoto {
    /// Original features.
    pub original: PhotoFeatures,
    /// Through the bottleneck adapters, where such are chosen.
    pub adapted: Option<Vec<f32>>,
    /// Its class.
    pub class: usize,
}

impl ScoringThread {
    /// Gathers photos of the pool that are known to be of these classes, shots left out, and tells them.
    pub(super) fn tell_test(&self, generation: Generation, photos: &[(PhotoId, Vec<usize>)]) {
        let is_known = |row: usize| self.is_known(&self.table.hash(row));
        let known: Vec<(usize, &[usize])> = photos
            .iter()
            .filter_map(|(photo, classes)| Some((self.table.row_of(*photo)?, classes.as_slice())))
            .filter(|(_, classes)| !classes.is_empty())
            .collect();
        let kept: Vec<(usize, &[usize])> = known
            .iter()
            .copied()
            .filter(|(row, _)| !is_known(*row))
            .collect();
        let rows: Vec<usize> = kept.iter().map(|(row, _)| *row).collect();
        let adapted = self.fit.as_ref().filter(|_| !rows.is_empty());
        let adapted = adapted.and_then(|fit| self.adapted_rows(fit, &rows));
        let test = self.table.original(&rows).ok().map(|original| TestSet {
            original,
            adapted,
            labels: kept.iter().map(|(_, classes)| classes[0]).collect(),
            also: kept
                .iter()
                .map(|(_, classes)| classes[1..].to_vec())
                .collect(),
            num_shots_left_out: known.len() - kept.len(),
        });
        self.out
            .send(ScoreEvent::Test(generation, test.map(Arc::new)));
    }

    /// Whether a photo is a shot, or trained the adapter: it cannot judge.
    fn is_known(&self, hash: &ContentHash) -> bool {
        let is_shot = |fit: &Fit| fit.key_hashes.contains_key(hash);
        self.fit.as_ref().is_some_and(is_shot) || self.trained_on.contains(hash)
    }

    /// The same of photos that are in no project.
    pub(super) fn tell_stray_test(&self, generation: Generation, photos: &[StrayPhoto]) {
        let test = self.stray_test(photos).map(Arc::new);
        self.out.send(ScoreEvent::StrayTest(generation, test));
    }

    fn stray_test(&self, photos: &[StrayPhoto]) -> Option<TestSet> {
        let fit = self.fit.as_ref()?;
        let is_known = |photo: &&StrayPhoto| {
            let hash = photo.original.stamp.hash;
            hash.is_some_and(|hash| self.is_known(&hash))
        };
        let kept: Vec<&StrayPhoto> = photos.iter().filter(|photo| !is_known(photo)).collect();
        let rows = |values: Option<Vec<&[f32]>>| {
            let values = values?;
            Matrix::from_rows(values.first()?.len(), values).ok()
        };
        let raw = rows(
            kept.iter()
                .map(|photo| Some(photo.original.features.as_slice()))
                .collect(),
        )?;
        let hidden = rows(
            kept.iter()
                .map(|photo| photo.original.hidden.as_deref())
                .collect(),
        );
        let adapted = match &fit.encoder {
            Some(encoder) => encoder.adapt(&raw, hidden.as_ref()).ok(),
            None => rows(kept.iter().map(|photo| photo.adapted.as_deref()).collect()),
        };
        Some(TestSet {
            original: Features::normalized(raw).ok()?,
            adapted: adapted.and_then(|rows| Features::normalized(rows).ok()),
            labels: kept.iter().map(|photo| photo.class).collect(),
            also: Vec::new(),
            num_shots_left_out: photos.len() - kept.len(),
        })
    }
}
