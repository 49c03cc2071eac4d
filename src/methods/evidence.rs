//! Live scoring: what a photo shows, kept so that a slider only has to weigh it anew.
//!
//! Features do not change while α and β move, so the cosines are taken once ([`gather_evidence`]) and
//! [`logits_from_evidence`] is left with one exponential for each key: microseconds for a photo, below a
//! millisecond for all that a screen shows. The logits equal those of [`super::Classifier::logits`] up to rounding.

use super::keys::Keys;
use super::lanes::{LANES, exp};
use super::{Knowledge, Method, MethodError, Parameters, Queries};
use crate::progress::Progress;

/// What one photo shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Zero-shot logits, 100 times the cosine with every class text, `[num_classes]`.
    pub zero_shot: Vec<f32>,
    /// Cosine with every key, in the order of the support set's rows, `[num_keys]`; β is not applied yet.
    pub affinities: Vec<f32>,
}

/// A support photo's vote for its class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vote {
    /// Row in the support set.
    pub row: usize,
    /// Cosine of photo and shot, -1 to 1.
    pub cosine: f32,
    /// What the vote adds to the logit of the shot's class: `α exp(-β (1 - cosine))`.
    pub weight: f32,
}

/// The evidence for every query, in their order.
pub fn gather_evidence(
    method: Method,
    knowledge: &Knowledge<'_>,
    queries: Queries<'_>,
) -> Result<Vec<Evidence>, MethodError> {
    let with_names = Knowledge {
        use_class_names: true,
        ..*knowledge
    };
    let keys = Keys::new(method, &with_names)?;
    let num_keys = keys.order.len();
    let blocks = keys.map_blocks(
        queries.original,
        queries.probes_for(method)?,
        &Progress::silent(),
        |block| {
            (0..block.len)
                .map(|lane| {
                    let mut affinities = vec![0.0; num_keys];
                    for (row, cosine) in keys.order.iter().zip(&block.cosines) {
                        affinities[*row] = cosine[lane];
                    }
                    Evidence {
                        zero_shot: block.zero_shot.iter().map(|class| class[lane]).collect(),
                        affinities,
                    }
                })
                .collect::<Vec<_>>()
        },
    )?;
    Ok(blocks.into_iter().flatten().collect())
}

/// Logits of one photo, `[num_classes]`: `zero_shot + α Σ exp(-β (1 - affinity))` over the keys of each class.
///
/// `labels`: the class of every key. Without `use_class_names` the zero-shot part is left out.
/// For the method "zero-shot" pass α = 0 and `use_class_names`.
pub fn logits_from_evidence(
    evidence: &Evidence,
    labels: &[usize],
    num_classes: usize,
    parameters: &Parameters,
    use_class_names: bool,
) -> Vec<f32> {
    let mut sums = vec![0.0; num_classes];
    if parameters.alpha != 0.0 {
        add_affinities(&evidence.affinities, labels, parameters.beta, &mut sums);
    }
    for (sum, zero_shot) in sums.iter_mut().zip(&evidence.zero_shot) {
        *sum = if use_class_names { *zero_shot } else { 0.0 } + parameters.alpha * *sum;
    }
    sums
}

/// Adds every key's affinity to the sum of its class.
fn add_affinities(cosines: &[f32], labels: &[usize], beta: f32, sums: &mut [f32]) {
    pulp::Arch::new().dispatch(|| {
        for (cosines, labels) in cosines.chunks(LANES).zip(labels.chunks(LANES)) {
            let mut argument = [0.0; LANES];
            for (argument, cosine) in argument.iter_mut().zip(cosines) {
                *argument = beta * (cosine - 1.0);
            }
            for (affinity, label) in exp(&argument).iter().zip(labels) {
                sums[*label] += affinity;
            }
        }
    });
}

/// The `count` support rows whose votes weigh most, heaviest first; equal votes in the order of the rows.
pub fn strongest_votes(evidence: &Evidence, parameters: &Parameters, count: usize) -> Vec<Vote> {
    let vote = |(row, cosine): (usize, &f32)| {
        let weight = parameters.alpha * (parameters.beta * (cosine - 1.0)).exp();
        Vote {
            row,
            cosine: *cosine,
            weight,
        }
    };
    let mut votes: Vec<Vote> = evidence.affinities.iter().enumerate().map(vote).collect();
    votes.sort_by(|a, b| b.cosine.total_cmp(&a.cosine));
    votes.truncate(count);
    votes
}
