//! APE and APE++: Tip-Adapter on the channels that tell classes apart, votes weighted by how wrong the texts are.
//!
//! Channels by `J = -w0 S + w1 V`: S the mean product over texts and keys of different classes, V the variance over class
//! texts; the Q highest are kept, rows restricted to them and scaled to unit length again. A key's vote counts
//! `exp(γ · kl)`, `kl = log2((1 + 1e-6) / (p_y + 1e-6))` with p the softmax of the key's raw cosines to the texts.
//! `logits = 100 · x · Wᵀ (all channels) + α · exp(-β (1 - x' · F'ᵀ)) · (L ⊙ exp(γ kl))`
//! (APE, ICCV 2023; yangyangyang127/APE at 70460de7). APE++, ours: everything but the zero-shot term on adapted rows.

use std::collections::BTreeMap;

use super::evidence::Keyring;
use super::keys::Keys;
use super::tip_adapter::{Scale, predict_with_keys, read_with_keys};
use super::{Classifier, Knowledge, Method, MethodError, Parameters, Queries, Reading, Weighing};
use crate::features::{Features, Logits, Matrix};
use crate::progress::Progress;

/// A fitted APE.
#[derive(Clone)]
pub(super) struct Ape {
    method: Method,
    keys: Keys,
    /// `kl` of every sorted key.
    surprises: Vec<f32>,
    /// Length of the keys before the choice of channels.
    key_dim: usize,
    channels: Vec<usize>,
    scale: Scale,
}

impl Ape {
    pub(super) fn fit(
        method: Method,
        parameters: &Parameters,
        knowledge: &Knowledge<'_>,
    ) -> Result<Self, MethodError> {
        let all_keys = keys_of(method, knowledge)?;
        let labels = knowledge.support.labels();
        let channels =
            Criterion::new(all_keys, labels, knowledge.text, parameters).channels_without(&[]);
        let refined = refine(all_keys, &channels)?;
        let text = refine(knowledge.text, &channels)?;
        let mut keys = Keys::of_rows(method, &refined, knowledge);
        let by_row = surprises(&refined, knowledge.support.labels(), &text);
        let surprises: Vec<f32> = keys.order.iter().map(|row| by_row[*row]).collect();
        keys.log_weights = surprises
            .iter()
            .map(|surprise| parameters.gamma * surprise)
            .collect();
        Ok(Self {
            method,
            keys,
            surprises,
            key_dim: all_keys.dim(),
            channels,
            scale: Scale::of(parameters),
        })
    }

    /// The refined keys, weighed by γ.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// `kl` of every sorted key, which γ multiplies.
    pub(super) fn surprises(&self) -> &[f32] {
        &self.surprises
    }

    /// What is compared with the refined keys; keys, texts and queries of APE are all of one length.
    pub(super) fn refine_probes(&self, queries: Queries<'_>) -> Result<Features, MethodError> {
        let probes = queries.checked_probes(self.method, self.key_dim, self.key_dim)?;
        if probes.is_empty() {
            return Ok(Features::default());
        }
        refine(probes, &self.channels)
    }
}

impl Classifier for Ape {
    fn predict(
        &self,
        queries: Queries<'_>,
        progress: &Progress<'_>,
    ) -> Result<Logits, MethodError> {
        let probes = self.refine_probes(queries)?;
        predict_with_keys(&self.keys, self.scale, queries.original, &probes, progress)
    }

    fn read(&self, queries: Queries<'_>, hidden: &[&[usize]]) -> Result<Vec<Reading>, MethodError> {
        let probes = self.refine_probes(queries)?;
        read_with_keys(&self.keys, queries.original, &probes, hidden, |_| {
            Vec::new()
        })
    }

    fn weighing(&self) -> Weighing {
        let mut surprises = vec![0.0; self.surprises.len()];
        for (row, surprise) in self.keys.order.iter().zip(&self.surprises) {
            surprises[*row] = *surprise;
        }
        Weighing::Votes(Keyring {
            surprises,
            ..Keyring::new(&self.keys.labels())
        })
    }

    fn at(&self, parameters: &Parameters) -> Option<Box<dyn Classifier>> {
        let weights = self
            .surprises
            .iter()
            .map(|surprise| parameters.gamma * surprise);
        let mut keys = self.keys.clone();
        keys.log_weights = weights.collect();
        Some(Box::new(Self {
            keys,
            scale: Scale::of(parameters),
            ..self.clone()
        }))
    }
}

/// The keys before refinement, in the space of the texts.
pub(super) fn keys_of<'a>(
    method: Method,
    knowledge: &Knowledge<'a>,
) -> Result<&'a Features, MethodError> {
    let keys = knowledge.keys_for(method)?;
    if knowledge.support.is_empty() {
        return Err(MethodError::TooFewShots {
            method,
            needed: "a labelled photo",
        });
    }
    let (got, expected) = (keys.dim(), knowledge.text.dim());
    if got == expected {
        Ok(keys)
    } else {
        Err(MethodError::Dimension {
            what: "adapted support photos",
            got,
            expected,
        })
    }
}

/// The `count` channels with the highest J (at least one), in ascending order; S is over the texts alone without keys.
pub(super) fn choose_channels(
    keys: &Features,
    labels: &[usize],
    text: &Features,
    parameters: &Parameters,
    count: usize,
) -> Vec<usize> {
    let parameters = Parameters {
        channels: Some(count),
        ..*parameters
    };
    Criterion::new(keys, labels, text, &parameters).channels_without(&[])
}

/// J of every channel, kept as sums from which rows can be taken out.
pub(super) struct Criterion<'a> {
    keys: &'a Features,
    labels: &'a [usize],
    num_classes: usize,
    num_kept: usize,
    weights: (f64, f64),
    /// Text and keys of every class summed, `[num_classes, dim]`.
    class_sums: Vec<f64>,
    /// Sum of the class sums, and of their squares, for every channel.
    totals: Vec<(f64, f64)>,
    /// Variance of the class texts, for every channel.
    variances: Vec<f64>,
}

impl<'a> Criterion<'a> {
    pub(super) fn new(
        keys: &'a Features,
        labels: &'a [usize],
        text: &Features,
        parameters: &Parameters,
    ) -> Self {
        let (num_classes, dim) = (text.len(), text.dim());
        let wide = |rows: &[f32]| rows.iter().map(|x| f64::from(*x)).collect();
        let mut class_sums: Vec<f64> = wide(text.matrix().as_slice());
        for (row, label) in labels.iter().enumerate() {
            for (sum, x) in class_sums[label * dim..].iter_mut().zip(keys.row(row)) {
                *sum += f64::from(*x);
            }
        }
        let over_classes =
            |channel: usize| (0..num_classes).map(move |class| class * dim + channel);
        let total = |channel: usize| {
            let sums = over_classes(channel).map(|index| class_sums[index]);
            (sums.clone().sum(), sums.map(|sum| sum * sum).sum())
        };
        let variance = |channel: usize| {
            let texts = over_classes(channel).map(|at| f64::from(text.matrix().as_slice()[at]));
            let mean = texts.clone().sum::<f64>() / num_classes as f64;
            let degrees = num_classes.saturating_sub(1).max(1) as f64;
            texts.map(|x| (x - mean).powi(2)).sum::<f64>() / degrees
        };
        Self {
            keys,
            labels,
            num_classes,
            num_kept: parameters.channels.unwrap_or(dim / 2).clamp(1, dim.max(1)),
            weights: (f64::from(parameters.w0), f64::from(parameters.w1)),
            totals: (0..dim).map(total).collect(),
            variances: (0..dim).map(variance).collect(),
            class_sums,
        }
    }

    /// The channels with the highest J once these rows are gone, in ascending order.
    pub(super) fn channels_without(&self, rows: &[usize]) -> Vec<usize> {
        let dim = self.variances.len();
        let mut totals = self.totals.clone();
        let mut left: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for row in rows {
            let label = self.labels[*row];
            let sums = &self.class_sums[label * dim..][..dim];
            let left = left.entry(label).or_insert_with(|| sums.to_vec());
            for (left, x) in left.iter_mut().zip(self.keys.row(*row)) {
                *left -= f64::from(*x);
            }
        }
        for (label, left) in left {
            let sums = &self.class_sums[label * dim..][..dim];
            for ((total, left), sum) in totals.iter_mut().zip(left).zip(sums) {
                *total = (total.0 + left - sum, total.1 + left * left - sum * sum);
            }
        }
        let num_keys = (self.labels.len() - rows.len()) as f64 / self.num_classes as f64;
        let num_pairs = (self.num_classes * self.num_classes.saturating_sub(1)).max(1) as f64
            * (num_keys + 1.0).powi(2);
        let criteria: Vec<f64> = totals
            .iter()
            .zip(&self.variances)
            .map(|((sum, squares), variance)| {
                self.weights.1 * variance - self.weights.0 * (sum * sum - squares) / num_pairs
            })
            .collect();
        let mut channels: Vec<usize> = (0..dim).collect();
        channels.sort_by(|a, b| criteria[*b].total_cmp(&criteria[*a]));
        channels.truncate(self.num_kept);
        channels.sort_unstable();
        channels
    }
}

/// Rows restricted to the channels, of unit length; a row that vanishes there has no direction and stays zero.
fn refine(rows: &Features, channels: &[usize]) -> Result<Features, MethodError> {
    Features::normalized(rows.matrix().select_cols(channels)).map_err(|_no_direction| {
        MethodError::Decomposition {
            what: "refined channels",
        }
    })
}

/// `log2((1 + 1e-6) / (p + 1e-6))` of every key, p the share of its own class under `softmax(F' · W')`.
fn surprises(keys: &Features, labels: &[usize], text: &Features) -> Vec<f32> {
    let cosines: Matrix = keys.cosines(text);
    let surprise = |(row, label): (&[f32], &usize)| {
        let total: f64 = row.iter().map(|x| f64::from(*x).exp()).sum();
        let own = f64::from(row[*label]).exp() / total;
        ((1.0 + 1e-6) / (own + 1e-6)).log2() as f32
    };
    cosines.iter_rows().zip(labels).map(surprise).collect()
}
