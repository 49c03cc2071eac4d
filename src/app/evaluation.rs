//! How good the predictions are, by the person's own labels.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::App;
use crate::ids::{ClassId, PhotoId};
use crate::methods::reliability::{self, Bin, Coverage, Judged};

/// Labels may arrive several times a second.
const EVERY: Duration = Duration::from_millis(300);
/// Labels over which the running accuracy is taken.
pub const RUNNING: usize = 20;

/// Predictions judged by labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvaluationView {
    /// Whether it is shown.
    pub is_open: bool,
    /// Classes in the order of the matrix.
    pub classes: Vec<ClassId>,
    /// Labelled photos with a prediction that are no shots.
    pub num_judged: usize,
    /// How many of them are labelled as predicted.
    pub num_right: usize,
    /// Of them, labels that agree with the prediction and were given to many photos at once: nobody looked at each.
    pub num_unseen: usize,
    /// How often each class was predicted as each, `[label][prediction]`.
    pub confusion: Vec<Vec<usize>>,
    /// Confidence against accuracy.
    pub calibration: Vec<Bin>,
    /// Mean distance of the two, 0 to 1.
    pub calibration_error: f64,
    /// Accuracy of the surest predictions.
    pub coverage: Vec<Coverage>,
    /// For each label in its order: the share of the last [`RUNNING`] that was predicted before it was given, `[number, share]`.
    pub over_time: Vec<[f64; 2]>,
    /// Labels that were predicted before they were given, of those with a prediction then.
    pub predicted_before: (usize, usize),
}

/// When it was last computed.
#[derive(Default)]
pub(crate) struct Evaluation {
    pub(crate) view: EvaluationView,
    is_stale: bool,
    last: Option<Instant>,
}

impl Evaluation {
    /// Labels or predictions changed.
    pub(super) fn mark_stale(&mut self) {
        self.is_stale = true;
    }
}

impl App {
    /// How good the predictions are, by the labels so far.
    pub fn evaluation(&self) -> &EvaluationView {
        &self.evaluation.view
    }

    /// Photos labelled as the first class and predicted as the second, as the matrix counts them.
    pub fn confused(&self, label: ClassId, predicted: ClassId) -> Vec<PhotoId> {
        let judged = self.judged_photos();
        let wanted = judged.filter(|(_, truth, found, _)| *truth == label && *found == predicted);
        wanted.map(|(photo, ..)| photo).collect()
    }

    pub(super) fn show_evaluation(&mut self, is_open: bool) {
        self.evaluation.view.is_open = is_open;
        self.evaluation.is_stale |= is_open;
    }

    /// Follows labels and predictions while it is shown.
    pub(super) fn evaluate_when_due(&mut self, now: Instant) {
        let Evaluation {
            view,
            is_stale,
            last,
        } = &self.evaluation;
        let is_due = last.is_none_or(|last| now.duration_since(last) > EVERY);
        if view.is_open && *is_stale && is_due {
            let is_open = view.is_open;
            self.evaluation = Evaluation {
                view: EvaluationView {
                    is_open,
                    ..self.evaluated()
                },
                is_stale: false,
                last: Some(now),
            };
        }
    }

    /// Photo, label, prediction and confidence of the labelled photos that are no shots. Of several labels the one that was
    /// predicted, else the main one.
    fn judged_photos(&self) -> impl Iterator<Item = (PhotoId, ClassId, ClassId, f32)> + '_ {
        let pool = self.project().pool().iter();
        pool.filter(|photo| !self.is_shot(**photo))
            .filter_map(|photo| {
                let known = self.project().photo(*photo)?;
                let main = known.label?;
                let prediction = self.prediction(*photo)?;
                let class = prediction.class;
                let label = if known.shows(class) { class } else { main };
                Some((*photo, label, class, prediction.confidence))
            })
    }

    fn evaluated(&self) -> EvaluationView {
        let classes: Vec<ClassId> = self
            .project()
            .classes()
            .iter()
            .map(|class| class.id)
            .collect();
        let places: HashMap<ClassId, usize> = classes
            .iter()
            .enumerate()
            .map(|(place, class)| (*class, place))
            .collect();
        let judged: Vec<Judged> = self
            .judged_photos()
            .filter_map(|(_, label, predicted, confidence)| {
                Some(Judged {
                    truth: *places.get(&label)?,
                    predicted: *places.get(&predicted)?,
                    confidence,
                })
            })
            .collect();
        let seen: HashSet<PhotoId> = self
            .project()
            .judgements()
            .iter()
            .map(|one| one.photo)
            .collect();
        let num_unseen = self
            .judged_photos()
            .filter(|(photo, label, predicted, _)| label == predicted && !seen.contains(photo))
            .count();
        let calibration = reliability::calibration(&judged);
        let over_time = self.over_time();
        EvaluationView {
            is_open: false,
            num_judged: judged.len(),
            num_unseen,
            num_right: judged
                .iter()
                .filter(|one| one.truth == one.predicted)
                .count(),
            confusion: reliability::confusion(&judged, classes.len()),
            calibration_error: reliability::calibration_error(&calibration),
            calibration: calibration.to_vec(),
            coverage: reliability::coverage_curve(&judged),
            predicted_before: (
                over_time.iter().filter(|right| **right).count(),
                over_time.len(),
            ),
            over_time: running(&over_time),
            classes,
        }
    }

    /// Whether each label that still holds was predicted before it was given, in the order of labelling.
    fn over_time(&self) -> Vec<bool> {
        let project = self.project();
        let mut last: HashMap<PhotoId, usize> = HashMap::new();
        let all = project.judgements();
        for (number, judgement) in all.iter().enumerate() {
            last.insert(judgement.photo, number);
        }
        let counted = all.iter().enumerate().filter_map(|(number, one)| {
            let photo = project.photo(one.photo)?;
            let holds = last.get(&one.photo) == Some(&number) && photo.label == Some(one.label);
            holds.then(|| photo.shows(one.predicted))
        });
        counted.collect()
    }
}

/// The share that is right among the last [`RUNNING`], for each from the first on.
fn running(right: &[bool]) -> Vec<[f64; 2]> {
    let share = |end: usize| {
        let window = &right[end.saturating_sub(RUNNING)..end];
        let num_right = window.iter().filter(|right| **right).count();
        [end as f64, num_right as f64 / window.len() as f64]
    };
    (1..=right.len()).map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_share_forgets_what_is_long_ago() {
        let right: Vec<bool> = (0..30).map(|number| number >= 10).collect();
        let shares = running(&right);
        let at = |place: usize| shares[place].map(|x| (100.0 * x).round() as u32);
        assert_eq!(at(9), [1000, 0]);
        assert_eq!(at(19), [2000, 50]);
        assert_eq!(at(29), [3000, 100]);
    }
}
