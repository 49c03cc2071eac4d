//! Tip-X and Tip-X++: Tip-Adapter plus how alike two photos look to the class texts.
//!
//! `M_ij = KL(p_i ‖ q_j)` of the softmaxes (T = 0.5 on raw cosines) of query i and key j over the class texts;
//! `logits = Tip-Adapter + γ · (-ψ(M)) · L`, where ψ scales M linearly to the range of the affinities `A = x · Fᵀ`
//! (SuS-X, ICCV 2023; vishaal27/SuS-X at d7d4d378, without its two bugs). ++: `A` from adapted features, `M` from original ones.
//!
//! The third term is linear in M, and M in the keys' log-probabilities, so a class needs only their sum.

use rayon::prelude::*;

use super::keys::{Block, CHUNK, Keys};
use super::lanes::{LANES, Lanes};
use super::tip_adapter::{TipAdapter, hidden_of, read_with_keys};
use super::{Classifier, Knowledge, Method, MethodError, Parameters, Queries, Reading, Weighing};
use crate::features::{Features, Logits, Matrix};
use crate::progress::Progress;

/// Cosines are divided by this before the softmax.
const TEMPERATURE: f64 = 0.5;

/// Where ψ takes the ranges of M and A from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SignatureRange {
    /// From the support photos among each other, so that one photo alone has a score.
    #[default]
    Support,
    /// From all queries of a prediction against the support photos, as the authors do.
    Queries,
}

/// Smallest and largest of M and of A.
#[derive(Clone, Copy, Debug)]
struct Ranges {
    divergence: (f32, f32),
    affinity: (f32, f32),
}

/// What ψ multiplies and adds.
pub(super) struct PenaltyScale {
    slope: f32,
    low: f32,
    offset: f32,
}

impl PenaltyScale {
    /// Sum of ψ over `num_keys` keys whose divergences, below one of `entropy` each, add up to `crosses` less.
    fn penalty(&self, num_keys: f32, entropy: f32, crosses: f32) -> f32 {
        let divergences = if self.slope > 0.0 {
            num_keys * (entropy - self.low) - crosses
        } else {
            0.0
        };
        self.slope * divergences + num_keys * self.offset
    }
}

/// A fitted Tip-X.
#[derive(Clone)]
pub(super) struct TipX {
    method: Method,
    cache: TipAdapter,
    gamma: f32,
    /// Adapted keys for Tip-X++, the original ones else, in the order of the support set.
    keys: Features,
    text: Features,
    /// `ln (q_j C)`, `[num_keys, num_classes]`.
    log_signatures: Matrix,
    /// Sum of `ln (q_j C)` over the keys of every class, `[num_classes, num_classes]`.
    class_signatures: Matrix,
    keys_per_class: Vec<usize>,
    labels: Vec<usize>,
    /// Ranges of the support photos; `None` where those of the queries count.
    frozen: Option<Ranges>,
}

impl TipX {
    pub(super) fn fit(
        method: Method,
        parameters: &Parameters,
        knowledge: &Knowledge<'_>,
    ) -> Result<Self, MethodError> {
        let support = knowledge.support;
        let keys = knowledge.keys_for(method)?.clone();
        if support.is_empty() {
            return Err(MethodError::TooFewShots {
                method,
                needed: "a labelled photo",
            });
        }
        let log_signatures = log_softmax(support.features(), knowledge.text);
        let mut class_signatures = Matrix::zeros(support.num_classes(), support.num_classes());
        for (row, label) in log_signatures.iter_rows().zip(support.labels()) {
            for (sum, x) in class_signatures.row_mut(*label).iter_mut().zip(row) {
                *sum += x;
            }
        }
        let cache = TipAdapter::fit(method, parameters, knowledge)?;
        let text = knowledge.text.clone();
        let keys_per_class = support.rows_per_class();
        let mut fitted = Self {
            method,
            cache,
            gamma: parameters.gamma,
            keys,
            text,
            log_signatures,
            class_signatures,
            keys_per_class,
            labels: support.labels().to_vec(),
            frozen: None,
        };
        if parameters.signature_range == SignatureRange::Support {
            let groups = support.groups();
            let is_other = |query: usize, key: usize| groups[query] != groups[key];
            fitted.frozen = Some(fitted.ranges(
                support.features(),
                &fitted.keys,
                &is_other,
                &Progress::silent(),
            )?);
        }
        Ok(fitted)
    }

    /// Ranges over all queries and keys for which `counts(query, key)`.
    fn ranges(
        &self,
        original: &Features,
        probes: &Features,
        counts: &(dyn Fn(usize, usize) -> bool + Sync),
        progress: &Progress<'_>,
    ) -> Result<Ranges, MethodError> {
        let empty = Ranges {
            divergence: (f32::INFINITY, f32::NEG_INFINITY),
            affinity: (f32::INFINITY, f32::NEG_INFINITY),
        };
        let chunks: Result<Vec<Ranges>, MethodError> = (0..original.len().div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                progress.check()?;
                let rows: Vec<usize> =
                    (chunk * CHUNK..original.len().min((chunk + 1) * CHUNK)).collect();
                let (signatures, entropies) = signatures(&original.select(&rows), &self.text);
                let crosses = signatures.times_transposed(&self.log_signatures);
                let affinities = probes.select(&rows).cosines(&self.keys);
                let mut ranges = empty;
                for (index, query) in rows.iter().enumerate() {
                    for key in (0..self.keys.len()).filter(|key| counts(*query, *key)) {
                        widen(
                            &mut ranges.divergence,
                            entropies[index] - crosses.row(index)[key],
                        );
                        widen(&mut ranges.affinity, affinities.row(index)[key]);
                    }
                }
                Ok(ranges)
            })
            .collect();
        let mut all = empty;
        for ranges in chunks? {
            all.divergence = (
                all.divergence.0.min(ranges.divergence.0),
                all.divergence.1.max(ranges.divergence.1),
            );
            all.affinity = (
                all.affinity.0.min(ranges.affinity.0),
                all.affinity.1.max(ranges.affinity.1),
            );
        }
        Ok(all)
    }

    /// How the third term is scaled for these queries.
    pub(super) fn scale(
        &self,
        queries: Queries<'_>,
        progress: &Progress<'_>,
    ) -> Result<PenaltyScale, MethodError> {
        let ranges = if let Some(ranges) = self.frozen {
            ranges
        } else {
            let probes = queries.probes_for(self.method)?;
            self.ranges(queries.original, probes, &|_, _| true, progress)?
        };
        let (low, high) = ranges.divergence;
        let width = high - low;
        // A single pair, or keys that all look alike, have no range to scale: their term is the same for all.
        let slope = if width > 0.0 {
            (ranges.affinity.1 - ranges.affinity.0) / width
        } else {
            0.0
        };
        let offset = if ranges.affinity.0.is_finite() {
            ranges.affinity.0
        } else {
            0.0
        };
        Ok(PenaltyScale { slope, low, offset })
    }

    /// `ψ(M) · L` of a block's queries, which γ weighs against the cache, `[num_classes]`.
    pub(super) fn penalties(
        &self,
        original: &Features,
        block: &Block,
        scale: &PenaltyScale,
    ) -> Vec<Lanes> {
        let rows: Vec<usize> = (block.first..block.first + block.len).collect();
        let (signatures, entropies) = signatures(&original.select(&rows), &self.text);
        let crosses = self.class_signatures.times_transposed(&signatures);
        let of_class = |(crosses, num_keys): (&[f32], &usize)| {
            let num_keys = *num_keys as f32;
            let mut penalties = [0.0; LANES];
            for ((penalty, cross), entropy) in penalties.iter_mut().zip(crosses).zip(&entropies) {
                *penalty = scale.penalty(num_keys, *entropy, *cross);
            }
            penalties
        };
        crosses
            .iter_rows()
            .zip(&self.keys_per_class)
            .map(of_class)
            .collect()
    }

    /// [`Self::penalties`] without the hidden keys of the block's queries; `hidden` may be empty.
    pub(super) fn penalties_without(
        &self,
        original: &Features,
        block: &Block,
        scale: &PenaltyScale,
        hidden: &[&[usize]],
    ) -> Vec<Lanes> {
        let mut penalties = self.penalties(original, block, scale);
        let rows: Vec<usize> = (block.first..block.first + hidden.len()).collect();
        let (signatures, entropies) = signatures(&original.select(&rows), &self.text);
        for (lane, keys) in hidden.iter().enumerate() {
            for key in *keys {
                let logs = self.log_signatures.row(*key).iter();
                let shares = signatures.row(lane).iter().zip(logs);
                let cross = shares.map(|(share, log)| share * log).sum();
                penalties[self.labels[*key]][lane] -= scale.penalty(1.0, entropies[lane], cross);
            }
        }
        penalties
    }

    /// The cache below the third term.
    pub(super) fn keys(&self) -> &Keys {
        self.cache.keys()
    }
}

impl Classifier for TipX {
    fn predict(
        &self,
        queries: Queries<'_>,
        progress: &Progress<'_>,
    ) -> Result<Logits, MethodError> {
        let scale = self.scale(queries, progress)?;
        self.cache
            .predict_adjusted(queries, progress, |block, logits| {
                let penalties = self.penalties(queries.original, block, &scale);
                for (logits, penalties) in logits.iter_mut().zip(&penalties) {
                    for (logit, penalty) in logits.iter_mut().zip(penalties) {
                        *logit -= self.gamma * penalty;
                    }
                }
            })
    }

    fn read(&self, queries: Queries<'_>, hidden: &[&[usize]]) -> Result<Vec<Reading>, MethodError> {
        let scale = self.scale(queries, &Progress::silent())?;
        let probes = queries.probes_for(self.method)?;
        read_with_keys(self.keys(), queries.original, probes, hidden, |block| {
            self.penalties_without(queries.original, block, &scale, hidden_of(hidden, block))
        })
    }

    fn weighing(&self) -> Weighing {
        self.cache.weighing()
    }

    fn at(&self, parameters: &Parameters) -> Option<Box<dyn Classifier>> {
        Some(Box::new(Self {
            cache: self.cache.with(parameters),
            gamma: parameters.gamma,
            ..self.clone()
        }))
    }
}

/// `p = softmax` of every row over the classes, and `Σ p ln (p C)`.
fn signatures(rows: &Features, text: &Features) -> (Matrix, Vec<f32>) {
    let mut shares = log_softmax(rows, text);
    let num_classes = text.len() as f32;
    let share = |x: f32| x.exp() / num_classes;
    let entropies = shares
        .iter_rows()
        .map(|row| row.iter().map(|x| share(*x) * x).sum())
        .collect();
    for x in shares.as_mut_slice() {
        *x = share(*x);
    }
    (shares, entropies)
}

/// `ln (C · softmax(cosines / T))`, `[num_rows, num_classes]`.
///
/// Times the number of classes C, so that it is near 0: divergences are differences of 1e-2 between sums, which would
/// otherwise be of the order of `ln C` and lose three digits. C cancels in every divergence.
fn log_softmax(rows: &Features, text: &Features) -> Matrix {
    let mut scores = rows.cosines(text);
    for row in 0..scores.rows() {
        let row = scores.row_mut(row);
        let mean = row
            .iter()
            .map(|x| (f64::from(*x) / TEMPERATURE).exp())
            .sum::<f64>()
            / row.len() as f64;
        for x in row {
            *x = (f64::from(*x) / TEMPERATURE - mean.ln()) as f32;
        }
    }
    scores
}

fn widen(range: &mut (f32, f32), x: f32) {
    *range = (range.0.min(x), range.1.max(x));
}
