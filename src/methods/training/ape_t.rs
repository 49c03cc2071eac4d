//! APE-T (ICCV 2023; yangyangyang127/APE at 70460de7): a residual a class on the channels that tell classes apart, and
//! a weight for every key's vote.
//!
//! The residual `r_c` is added, on the Q channels with the highest `J = -w0 S + w1 V` over the class texts, to the text of
//! class c and to its keys: with `R = x · rᵀ`,
//! `logits = 100 · (x · Wᵀ + R) + α Σ_j v_j exp(-β (1 - x · F_j - R_y))`, nothing scaled to unit length again.
//! As the paper means it: the released code mixes up the numbers of channels of APE and APE-T.
//! `AdamW`, ε = 1e-3, weight decay 0.1.

use super::super::ape::choose_channels;
use super::super::{Knowledge, Parameters};
use super::descent::Start;
use super::kernels::{add_votes, cross_entropy, exp_all, zip_rows};
use super::optimiser::{Rule, Update};
use super::{Model, TrainedCache, scaled, text_scale};
use crate::features::{Features, Matrix};
use crate::support::SupportSet;

/// A residual and weights on their way.
#[derive(Clone)]
pub(super) struct ApeT {
    /// Class texts times their scale, `[num_classes, dim]`.
    text: Matrix,
    /// 100, or 0 where class names do not count.
    text_scale: f32,
    /// `[num_keys, dim]`.
    keys: Matrix,
    /// The class of every key.
    labels: Vec<usize>,
    channels: Vec<usize>,
    alpha: f32,
    beta: f32,
    /// `r`, `[num_classes, num_channels]`.
    residual: Matrix,
    /// `v`, `[1, num_keys]`.
    votes: Matrix,
}

/// The channels that are trained: those asked for, or 25 of 32, the middle of the authors' settings (800 of 1024).
pub(super) fn channels(parameters: &Parameters, knowledge: &Knowledge<'_>) -> Vec<usize> {
    let text = knowledge.text;
    let count = parameters.channels.unwrap_or(text.dim() * 25 / 32);
    choose_channels(&Features::default(), &[], text, parameters, count)
}

pub(super) fn start(
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    support: &SupportSet,
    channels: &[usize],
    learning_rate: f32,
) -> Start<ApeT> {
    let text_scale = text_scale(knowledge);
    let model = ApeT {
        text: scaled(knowledge.text.matrix(), text_scale),
        text_scale,
        keys: support.features().matrix().clone(),
        labels: support.labels().to_vec(),
        channels: channels.to_vec(),
        alpha: parameters.alpha,
        beta: parameters.beta,
        residual: Matrix::zeros(knowledge.text.len(), channels.len()),
        votes: Matrix::from_fn(1, support.len(), |_, _| 1.0),
    };
    let update = Update::Adam {
        epsilon: 1e-3,
        decay: 0.1,
        l2: 0.0,
    };
    let rule = Rule {
        update,
        learning_rate,
        every: 1,
    };
    Start {
        model,
        rules: vec![rule; 2],
    }
}

/// What a pass forward leaves for the pass back.
struct Forward {
    /// Rows restricted to the channels.
    refined: Matrix,
    /// `exp(..)`, `[n, num_keys]`.
    affinities: Matrix,
    /// `α Σ_j v_j exp(..)`, `[n, num_classes]`.
    cache: Matrix,
    logits: Matrix,
}

impl ApeT {
    fn forward(&self, rows: &Matrix) -> Forward {
        let refined = rows.select_cols(&self.channels);
        let shifts = refined.times_transposed(&self.residual);
        let mut affinities = rows.times_transposed(&self.keys);
        zip_rows(&mut affinities, &shifts, |affinities, shifts| {
            for (x, label) in affinities.iter_mut().zip(&self.labels) {
                *x += shifts[*label];
            }
        });
        exp_all(affinities.as_mut_slice(), self.beta, -self.beta);
        let weights: Vec<f32> = self
            .votes
            .as_slice()
            .iter()
            .map(|v| v * self.alpha)
            .collect();
        let mut cache = Matrix::zeros(rows.rows(), self.text.rows());
        add_votes(&mut cache, &affinities, &self.labels, &weights);
        let mut logits = rows.times_transposed(&self.text);
        zip_rows(&mut logits, &shifts, |logits, shifts| {
            for (logit, shift) in logits.iter_mut().zip(shifts) {
                *logit += self.text_scale * shift;
            }
        });
        zip_rows(&mut logits, &cache, |logits, cache| {
            logits
                .iter_mut()
                .zip(cache)
                .for_each(|(logit, x)| *logit += x);
        });
        Forward {
            refined,
            affinities,
            cache,
            logits,
        }
    }
}

impl Model for ApeT {
    fn weights(&mut self) -> Vec<&mut Matrix> {
        vec![&mut self.residual, &mut self.votes]
    }

    fn logits(&self, rows: &Matrix) -> Matrix {
        self.forward(rows).logits
    }

    fn gradients(&self, rows: &Matrix, labels: &[usize], share: f32) -> (f32, Vec<Matrix>) {
        let Forward {
            refined,
            affinities,
            mut cache,
            mut logits,
        } = self.forward(rows);
        let loss = cross_entropy(&mut logits, labels, share);
        let mut votes = Matrix::zeros(1, self.labels.len());
        for (affinities, derivative) in affinities.iter_rows().zip(logits.iter_rows()) {
            let terms = affinities.iter().zip(&self.labels);
            for (sum, (x, label)) in votes.as_mut_slice().iter_mut().zip(terms) {
                *sum += self.alpha * x * derivative[*label];
            }
        }
        // By R, through the text and, with the factor β, through the cache.
        zip_rows(&mut cache, &logits, |cache, derivative| {
            for (x, derivative) in cache.iter_mut().zip(derivative) {
                *x = derivative * (self.text_scale + self.beta * *x);
            }
        });
        (loss, vec![cache.transposed_times(&refined), votes])
    }

    fn at(&self, parameters: &Parameters) -> Option<Self> {
        Some(Self {
            alpha: parameters.alpha,
            beta: parameters.beta,
            ..self.clone()
        })
    }

    /// The residual goes into texts and keys.
    fn cache(&self) -> Option<TrainedCache> {
        let (mut text, mut keys) = (self.text.clone(), self.keys.clone());
        let add = |row: &mut [f32], class: usize, scale: f32| {
            for (channel, shift) in self.channels.iter().zip(self.residual.row(class)) {
                row[*channel] += scale * shift;
            }
        };
        for class in 0..text.rows() {
            add(text.row_mut(class), class, self.text_scale);
        }
        for (row, label) in self.labels.iter().enumerate() {
            add(keys.row_mut(row), *label, 1.0);
        }
        Some(TrainedCache {
            text,
            keys,
            labels: self.labels.clone(),
            votes: self.votes.as_slice().to_vec(),
        })
    }
}
