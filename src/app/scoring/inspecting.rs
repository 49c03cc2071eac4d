//! What is told of single photos and pairs of photos.

use crate::app::{App, Inspection, OverlapFigures, PairKind, Terms, Vote};
use crate::ids::{ClassId, PhotoId};
use crate::methods::overlap::{Kind, Overlap};
use crate::methods::{LOGIT_SCALE, Method, Weighing, calibration};
use crate::worker::evidence_set::scored;
use crate::worker::scoring_worker::{PairRequest, ScoreJob};

/// How many support photos the inspector lists.
const MAX_VOTES: usize = 12;

impl App {
    /// Asks for evidence for what is on screen, the selected photo included.
    pub(in crate::app) fn show_photos(&mut self, mut photos: Vec<PhotoId>) {
        if let Some(selected) = self.selected.filter(|selected| !photos.contains(selected)) {
            photos.push(selected);
        }
        self.scoring.shown.clone_from(&photos);
        self.embedding.show(&photos);
        self.submit_scoring(ScoreJob::Show(photos));
    }

    /// Says everything about the selected photo.
    pub(in crate::app) fn inspect(&mut self) {
        self.inspection = self.selected.and_then(|photo| self.inspection_of(photo));
    }

    fn inspection_of(&self, photo: PhotoId) -> Option<Inspection> {
        let set = &self.scoring.evidence;
        let parameters = self.parameters();
        let logits = set.logits(photo, &parameters)?;
        let evidence = set.photos.get(&photo)?;
        let weighing = &set.support.weighing;
        let strongest = weighing.strongest_votes(evidence, &parameters, MAX_VOTES);
        let votes = strongest
            .into_iter()
            .filter(|vote| vote.cosine.is_finite())
            .filter_map(|vote| {
                let class = *set
                    .support
                    .classes
                    .get(*set.support.labels.get(vote.row)?)?;
                Some(Vote {
                    photo: *set.support.photos.get(vote.row)?,
                    class,
                    affinity: vote.cosine,
                    weight: vote.weight,
                    without: self.without(photo, vote.row),
                })
            });
        Some(Inspection {
            photo,
            classes: set.support.classes.clone(),
            zero_shot: calibration::confidences(&evidence.zero_shot, 1.0),
            method: calibration::confidences(&logits, self.scoring.temperature.max(1e-3)),
            votes: votes.collect(),
            terms: (!matches!(weighing, Weighing::Votes(_))).then(|| {
                let scale = logit_scale(set.support.method);
                let names = set.support.use_class_names.then_some(scale);
                terms(&evidence.zero_shot, &logits, names.unwrap_or(0.0))
            }),
        })
    }

    /// What would be predicted for a photo without a key's vote, and how surely.
    fn without(&self, photo: PhotoId, key: usize) -> Option<(ClassId, f32)> {
        let set = &self.scoring.evidence;
        let logits = set.logits_without(photo, key, &self.parameters())?;
        let scored = scored(&logits, &[], self.scoring.temperature.max(1e-3));
        let class = *set.support.classes.get(scored.class as usize)?;
        Some((class, scored.confidence))
    }

    pub(in crate::app) fn show_pairs(
        &mut self,
        kind: PairKind,
        low: f32,
        high: f32,
        adapted: bool,
    ) {
        let kind = match kind {
            PairKind::Paired => Kind::Paired,
            PairKind::Unpaired => Kind::Unpaired,
        };
        self.submit_scoring(ScoreJob::Pairs(PairRequest {
            kind,
            low,
            high,
            adapted,
        }));
    }
}

/// What the zero-shot logits are multiplied by within a method's logits.
fn logit_scale(method: Method) -> f32 {
    match method {
        // Its logits are raw cosines.
        Method::ProKeR | Method::ProKeRPp => 1.0 / LOGIT_SCALE,
        _ => 1.0,
    }
}

/// Splits logits into what the class names say and the rest.
fn terms(zero_shot: &[f32], logits: &[f32], scale: f32) -> Vec<Terms> {
    let names: Vec<f32> = zero_shot.iter().map(|logit| logit * scale).collect();
    let shots: Vec<f32> = logits
        .iter()
        .zip(&names)
        .map(|(all, names)| all - names)
        .collect();
    // Only differences between classes count, in a softmax.
    let centred = |values: Vec<f32>| {
        let mean = values.iter().sum::<f32>() / values.len().max(1) as f32;
        values.into_iter().map(move |value| value - mean)
    };
    centred(names)
        .zip(centred(shots))
        .map(|(names, shots)| Terms { names, shots })
        .collect()
}

/// A measured overlap as the window shows it.
pub(in crate::app) fn figures_of(overlap: &Overlap) -> OverlapFigures {
    let number = |value: Option<f64>| value.unwrap_or_default() as f32;
    let shares = |shares: &[f64]| shares.iter().map(|share| *share as f32).collect();
    let auroc = number(overlap.auroc);
    let interval = overlap.auroc_interval.as_ref();
    OverlapFigures {
        paired: shares(&overlap.paired),
        unpaired: shares(&overlap.unpaired),
        overlap: number(overlap.overlap),
        auroc,
        auroc_interval: interval.map_or((auroc, auroc), |interval| {
            (interval.low as f32, interval.high as f32)
        }),
        paired_mean: number(overlap.paired_mean),
        unpaired_mean: number(overlap.unpaired_mean),
        num_paired: overlap.num_paired as u64,
        num_unpaired: overlap.num_unpaired as u64,
        variance: overlap.variance as f32,
        sampled: overlap.is_sampled,
        too_few: overlap.has_too_few,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_add_up_to_the_logits_but_for_what_all_classes_share() {
        let (zero_shot, logits) = ([20.0, 22.0, 21.0], [25.0, 21.0, 23.0]);
        let terms = terms(&zero_shot, &logits, 1.0);
        let sums: Vec<f32> = terms.iter().map(|term| term.names + term.shots).collect();
        assert_eq!(sums, [2.0, -2.0, 0.0]);
        assert_eq!((terms[1].names, terms[1].shots), (1.0, -3.0));
    }
}
