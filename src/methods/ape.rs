//! APE and APE++: Tip-Adapter on the channels that tell classes apart, votes weighted by how wrong the texts are.
//!
//! Channels by `J = -w0 S + w1 V`: S the mean product over texts and keys of different classes, V the variance over class
//! texts; the Q highest are kept, rows restricted to them and scaled to unit length again. A key's vote counts
//! `exp(γ · kl)`, `kl = log2((1 + 1e-6) / (p_y + 1e-6))` with p the softmax of the key's raw cosines to the texts.
//! `logits = 100 · x · Wᵀ (all channels) + α · exp(-β (1 - x' · F'ᵀ)) · (L ⊙ exp(γ kl))`
//! (APE, ICCV 2023; yangyangyang127/APE at 70460de7). APE++, ours: everything but the zero-shot term on adapted rows.

use super::keys::Keys;
use super::tip_adapter::{Scale, predict_with_keys};
use super::{Classifier, Knowledge, Method, MethodError, Parameters, Queries};
use crate::features::{Features, Logits, Matrix};
use crate::progress::Progress;

/// A fitted APE.
pub(super) struct Ape {
    method: Method,
    keys: Keys,
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
        let all_keys = knowledge.keys_for(method)?;
        if knowledge.support.is_empty() {
            return Err(MethodError::TooFewShots {
                method,
                needed: "a labelled photo",
            });
        }
        if all_keys.dim() != knowledge.text.dim() {
            let (got, expected) = (all_keys.dim(), knowledge.text.dim());
            return Err(MethodError::Dimension {
                what: "adapted support photos",
                got,
                expected,
            });
        }
        let count = parameters.channels.unwrap_or(knowledge.text.dim() / 2);
        let labels = knowledge.support.labels();
        let channels = choose_channels(all_keys, labels, knowledge.text, parameters, count);
        let refined = refine(all_keys, &channels)?;
        let text = refine(knowledge.text, &channels)?;
        let mut keys = Keys::of_rows(method, &refined, knowledge);
        let surprise = surprises(&refined, knowledge.support.labels(), &text);
        keys.log_weights = keys
            .order
            .iter()
            .map(|row| parameters.gamma * surprise[*row])
            .collect();
        Ok(Self {
            method,
            keys,
            key_dim: all_keys.dim(),
            channels,
            scale: Scale {
                alpha: parameters.alpha,
                beta: parameters.beta,
            },
        })
    }
}

impl Classifier for Ape {
    fn predict(
        &self,
        queries: Queries<'_>,
        progress: &Progress<'_>,
    ) -> Result<Logits, MethodError> {
        // Keys, texts and queries of APE are all of one length.
        let probes = queries.checked_probes(self.method, self.key_dim, self.key_dim)?;
        if probes.is_empty() {
            return Ok(Logits(Matrix::zeros(0, self.keys.num_classes())));
        }
        let probes = refine(probes, &self.channels)?;
        predict_with_keys(&self.keys, self.scale, queries.original, &probes, progress)
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
    let (num_classes, dim) = (text.len(), text.dim());
    let num_shots = keys.len() as f64 / num_classes as f64;
    let pairs =
        (num_classes * num_classes.saturating_sub(1)).max(1) as f64 * (num_shots + 1.0).powi(2);
    let mut sums: Vec<f64> = text
        .matrix()
        .as_slice()
        .iter()
        .map(|x| f64::from(*x))
        .collect();
    for (row, label) in labels.iter().enumerate() {
        for (sum, x) in sums[label * dim..].iter_mut().zip(keys.row(row)) {
            *sum += f64::from(*x);
        }
    }
    let criterion = |channel: usize| {
        let class_sums = || (0..num_classes).map(|class| sums[class * dim + channel]);
        let similarity =
            (class_sums().sum::<f64>().powi(2) - class_sums().map(|s| s * s).sum::<f64>()) / pairs;
        let texts = || (0..num_classes).map(|class| f64::from(text.row(class)[channel]));
        let mean = texts().sum::<f64>() / num_classes as f64;
        let variance = texts().map(|x| (x - mean).powi(2)).sum::<f64>()
            / num_classes.saturating_sub(1).max(1) as f64;
        f64::from(parameters.w1) * variance - f64::from(parameters.w0) * similarity
    };
    let criteria: Vec<f64> = (0..dim).map(criterion).collect();
    let mut channels: Vec<usize> = (0..dim).collect();
    channels.sort_by(|a, b| criteria[*b].total_cmp(&criteria[*a]));
    channels.truncate(count.clamp(1, dim.max(1)));
    channels.sort_unstable();
    channels
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
