//! Overlap of the support set, before and after.

use super::fitting::Fit;
use super::{ScoreEvent, ScoringThread};
use crate::features::Features;
use crate::ids::PhotoId;
use crate::image_io::ContentHash;
use crate::methods::MethodError;
use crate::methods::overlap::{Kind, Overlap, OverlapOptions, PairQuery, extreme_pairs, measure};
use crate::progress::Progress;

/// Figures of one kind of features.
pub type Figures = Overlap;

/// How many pairs a list holds.
const MAX_PAIRS_LISTED: usize = 60;

/// Which pairs to list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairRequest {
    /// Same class or different classes.
    pub kind: Kind,
    /// Smallest cosine.
    pub low: f32,
    /// Largest cosine.
    pub high: f32,
    /// Of the adapted features instead of the original ones.
    pub adapted: bool,
}

/// What overlap was measured on, so that a slider or another method does not have it measured again.
#[derive(Default)]
pub(super) struct OverlapState {
    /// A fit has not been told its overlap yet.
    pub(super) is_due: bool,
    measured: Option<(Key, Figures, Option<Figures>)>,
}

/// The keys' contents and classes, and the adapter.
type Key = (Vec<(ContentHash, usize)>, String);

impl ScoringThread {
    /// Measures the fit's support set, unless that is done already, and tells it.
    pub(super) fn tell_overlap(&mut self) {
        let Some(fit) = &self.fit else { return };
        let labels = fit.lesson.support.labels();
        let num_classes = fit
            .lesson
            .support
            .shots_per_class()
            .iter()
            .filter(|shots| **shots > 0)
            .count();
        let generation = fit.summary.generation;
        if num_classes < 2 || labels.len() == num_classes {
            let note = Some("Overlap needs two classes, and two photos in one of them".to_owned());
            self.out.send(ScoreEvent::Overlap {
                generation,
                before: None,
                after: None,
                note,
            });
            return;
        }
        let contents = fit
            .fitted
            .photos
            .iter()
            .filter_map(|photo| self.table.row_of(*photo));
        let contents = contents
            .map(|row| self.table.hash(row))
            .zip(labels.iter().copied())
            .collect();
        let adapter = if fit.lesson.adapted_keys.is_some() {
            format!("{}!", fit.summary.adapter_title)
        } else {
            String::new()
        };
        let key = (contents, adapter);
        let measured = match self
            .overlap
            .measured
            .take()
            .filter(|(known, ..)| *known == key)
        {
            Some((_, before, after)) => Ok((before, after)),
            None => measure_both(fit),
        };
        match measured {
            Ok((before, after)) => {
                let note = fit.overlap_note.clone();
                self.overlap.measured = Some((key, before.clone(), after.clone()));
                let (before, after) = (Some(Box::new(before)), after.map(Box::new));
                self.out.send(ScoreEvent::Overlap {
                    generation,
                    before,
                    after,
                    note,
                });
            }
            Err(error) => self.out.send(ScoreEvent::Failed(error.to_string())),
        }
    }

    /// Lists pairs of support photos and tells them.
    pub(super) fn tell_pairs(&self, request: PairRequest) {
        let Some(fit) = &self.fit else { return };
        match listed_pairs(fit, &request) {
            Ok(pairs) => self.out.send(ScoreEvent::Pairs(request, pairs)),
            Err(error) => self.out.send(ScoreEvent::Failed(error.to_string())),
        }
    }
}

fn measure_both(fit: &Fit) -> Result<(Figures, Option<Figures>), MethodError> {
    let labels = fit.lesson.support.labels();
    let after = fit
        .lesson
        .adapted_keys
        .as_ref()
        .map(|keys| figures(keys, labels))
        .transpose()?;
    Ok((figures(fit.lesson.support.features(), labels)?, after))
}

fn figures(features: &Features, labels: &[usize]) -> Result<Figures, MethodError> {
    measure(
        features,
        labels,
        &OverlapOptions::headline(),
        &Progress::silent(),
    )
}

fn listed_pairs(
    fit: &Fit,
    request: &PairRequest,
) -> Result<Vec<(PhotoId, PhotoId, f32)>, MethodError> {
    let features = match &fit.lesson.adapted_keys {
        Some(keys) if request.adapted => keys,
        _ => fit.lesson.support.features(),
    };
    let PairRequest {
        kind, low, high, ..
    } = *request;
    let query = PairQuery {
        kind,
        low,
        high,
        count: MAX_PAIRS_LISTED,
    };
    let support = &fit.lesson.support;
    let pairs = extreme_pairs(
        features,
        support.labels(),
        Some(support.groups()),
        &query,
        &Progress::silent(),
    )?;
    let photo = |row: usize| fit.fitted.photos[row];
    Ok(pairs
        .into_iter()
        .map(|pair| (photo(pair.first), photo(pair.second), pair.cosine))
        .collect())
}
