//! Overlap of the support set, before and after.

use std::collections::HashSet;

use super::fitting::Fit;
use super::{ScoreEvent, ScoringThread};
use crate::features::Features;
use crate::ids::PhotoId;
use crate::image_io::ContentHash;
use crate::methods::MethodError;
use crate::methods::overlap::{Kind, Overlap, OverlapOptions, PairQuery, extreme_pairs, measure};
use crate::progress::Progress;
use crate::worker::lesson::Lesson;

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

/// The keys' contents and classes, the adapter, and the keys that did not train it, where some did.
type Key = (Vec<(ContentHash, usize)>, String, Option<Vec<usize>>);

impl ScoringThread {
    /// Measures the fit's support set, unless that is done already, and tells it.
    pub(super) fn tell_overlap(&mut self) {
        let Some(fit) = &self.fit else { return };
        let labels = fit.lesson.support.labels();
        let generation = fit.summary.generation;
        if !is_measurable(labels, &once_each(&fit.fitted.photos)) {
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
        let key = (contents, adapter, fit.lesson.unseen.clone());
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
                let note = unseen_note(fit).or_else(|| fit.overlap_note.clone());
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

/// Both kinds of features of the same shots: all, or where some trained the adapter, which pulled those together, the others. A
/// photo with several labels makes no pair with itself.
fn measure_both(fit: &Fit) -> Result<(Figures, Option<Figures>), MethodError> {
    let Lesson {
        support,
        adapted_keys,
        unseen,
        ..
    } = fit.lesson.as_ref();
    let labels = support.labels();
    let all = once_each(&fit.fitted.photos);
    let before = |rows: &[usize]| figures(support.features(), labels, rows);
    let Some(after) = adapted_keys else {
        return Ok((before(&all)?, None));
    };
    let rows = match unseen {
        None => all,
        Some(rows) if is_measurable(labels, rows) => {
            let is_first = |row: &&usize| all.binary_search(row).is_ok();
            rows.iter().filter(is_first).copied().collect()
        }
        Some(_) => return Ok((before(&all)?, None)),
    };
    Ok((before(&rows)?, Some(figures(after, labels, &rows)?)))
}

/// The first row of every photo.
fn once_each(photos: &[PhotoId]) -> Vec<usize> {
    let mut seen = HashSet::with_capacity(photos.len());
    (0..photos.len())
        .filter(|row| seen.insert(photos[*row]))
        .collect()
}

/// Whether there are pairs of either kind among these rows.
fn is_measurable(labels: &[usize], rows: &[usize]) -> bool {
    let mut classes: Vec<usize> = rows.iter().map(|row| labels[*row]).collect();
    classes.sort_unstable();
    classes.dedup();
    classes.len() > 1 && classes.len() < rows.len()
}

/// Which shots the figures are of, where not of all.
fn unseen_note(fit: &Fit) -> Option<String> {
    let lesson = &fit.lesson;
    let rows = lesson
        .unseen
        .as_ref()
        .filter(|_| lesson.adapted_keys.is_some())?;
    Some(if is_measurable(lesson.support.labels(), rows) {
        format!(
            "Both of the {} shots that did not train the adapter",
            rows.len()
        )
    } else {
        "The adapter was trained on these shots, so they cannot show what it is worth: add shots that it has not seen".to_owned()
    })
}

fn figures(features: &Features, labels: &[usize], rows: &[usize]) -> Result<Figures, MethodError> {
    let options = OverlapOptions::headline();
    if rows.len() == labels.len() {
        return measure(features, labels, &options, &Progress::silent());
    }
    let labels: Vec<usize> = rows.iter().map(|row| labels[*row]).collect();
    let features = features.select(rows);
    measure(&features, &labels, &options, &Progress::silent())
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
