//! Tip-Adapter-F (ECCV 2022; gaopengcuhk/Tip-Adapter at d0e2d6f8): Tip-Adapter whose keys are trained.
//!
//! `logits = 100 · x · Wᵀ + α · E · L`, `E = exp(-β (1 - x · Fᵀ))`. With `g` the derivative of the loss by the logits,
//! `dF = (α β E ⊙ g Lᵀ)ᵀ · x`. `AdamW`, ε = 1e-4, weight decay 0.01.

use super::super::{Knowledge, Parameters};
use super::descent::Start;
use super::kernels::{add_votes, cross_entropy, exp_all, zip_rows};
use super::optimiser::{Rule, Update};
use super::{Model, TrainedCache, scaled, text_scale};
use crate::features::Matrix;
use crate::support::SupportSet;

/// A cache on its way.
#[derive(Clone)]
pub(super) struct TipAdapterF {
    /// Class texts times 100, `[num_classes, dim]`.
    text: Matrix,
    /// `[num_keys, dim]`.
    keys: Matrix,
    /// The class of every key.
    labels: Vec<usize>,
    /// α for every key.
    alphas: Vec<f32>,
    beta: f32,
}

pub(super) fn start(
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    support: &SupportSet,
    learning_rate: f32,
) -> Start<TipAdapterF> {
    let model = TipAdapterF {
        text: scaled(knowledge.text.matrix(), text_scale(knowledge)),
        keys: support.features().matrix().clone(),
        labels: support.labels().to_vec(),
        alphas: vec![parameters.alpha; support.len()],
        beta: parameters.beta,
    };
    let update = Update::Adam {
        epsilon: 1e-4,
        decay: 0.01,
        l2: 0.0,
    };
    let rule = Rule {
        update,
        learning_rate,
        every: 1,
    };
    Start {
        model,
        rules: vec![rule],
    }
}

impl TipAdapterF {
    /// Logits and `E`.
    fn forward(&self, rows: &Matrix) -> (Matrix, Matrix) {
        let mut logits = rows.times_transposed(&self.text);
        let mut affinities = rows.times_transposed(&self.keys);
        exp_all(affinities.as_mut_slice(), self.beta, -self.beta);
        add_votes(&mut logits, &affinities, &self.labels, &self.alphas);
        (logits, affinities)
    }
}

impl Model for TipAdapterF {
    fn weights(&mut self) -> Vec<&mut Matrix> {
        vec![&mut self.keys]
    }

    fn logits(&self, rows: &Matrix) -> Matrix {
        self.forward(rows).0
    }

    fn gradients(&self, rows: &Matrix, labels: &[usize], share: f32) -> (f32, Vec<Matrix>) {
        let (mut logits, mut affinities) = self.forward(rows);
        let loss = cross_entropy(&mut logits, labels, share);
        let weights: Vec<f32> = self.alphas.iter().map(|alpha| alpha * self.beta).collect();
        zip_rows(&mut affinities, &logits, |affinities, derivative| {
            for ((x, label), weight) in affinities.iter_mut().zip(&self.labels).zip(&weights) {
                *x *= weight * derivative[*label];
            }
        });
        (loss, vec![affinities.transposed_times(rows)])
    }

    fn at(&self, parameters: &Parameters) -> Option<Self> {
        Some(Self {
            alphas: vec![parameters.alpha; self.labels.len()],
            beta: parameters.beta,
            ..self.clone()
        })
    }

    fn cache(&self) -> Option<TrainedCache> {
        Some(TrainedCache {
            text: self.text.clone(),
            keys: self.keys.clone(),
            labels: self.labels.clone(),
            votes: vec![1.0; self.labels.len()],
        })
    }
}
