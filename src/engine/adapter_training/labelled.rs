//! Steps that learn from labels: cross-entropy of a head, or the contrastive loss.

use candle_core::Tensor;

use super::Plan;
use super::dropout::dropout;
use super::loss;
use super::options::Settled;
use super::parameters::{AdamW, Gradients, Parameters};
use super::photos::Activations;
use super::run::{Course, Objective, WEIGHT_DECAY, finite};
use crate::engine::EngineError;
use crate::progress::Progress;

/// What the steps need.
pub(super) struct Labelled<'a> {
    course: &'a Course<'a>,
    settled: Settled,
    /// Photos that go through the tower at once.
    part: usize,
    learned: Activations<'a>,
}

impl<'a> Labelled<'a> {
    /// Computes what comes before the first adapted block, where the plan keeps it.
    pub(super) fn new(
        course: &'a Course<'a>,
        settled: &Settled,
        plan: &Plan,
        progress: &Progress<'_>,
    ) -> Result<Self, EngineError> {
        let mut learned = Activations::new(course.engine, course.photos, settled, settled.pixels);
        if plan.bytes_of_activations > 0 {
            learned.keep(&course.parts.train, progress)?;
        }
        Ok(Self {
            course,
            settled: settled.clone(),
            part: plan.part,
            learned,
        })
    }

    /// Loss and gradients of a batch. Where it goes through the tower in parts, the embeddings of all are computed first, then
    /// the loss, then each part once more with what its way back needs.
    fn gradients(
        &self,
        parameters: &Parameters,
        step: usize,
        batch: &[usize],
    ) -> Result<(f32, Gradients), EngineError> {
        let Settled {
            dropout: share,
            seed,
            ref blocks,
            ..
        } = self.settled;
        let clip = self.course.engine.clip();
        let embed = |photos: &[usize]| {
            let dropout = dropout(share, seed, step, photos, clip.device());
            let adapter = parameters.adapter(&self.settled, dropout);
            let activations = self.learned.of(photos)?;
            Ok::<_, EngineError>(clip.finish_for_training(&activations, blocks.start, &adapter)?)
        };
        let parts: Vec<&[usize]> = batch.chunks(self.part).collect();
        let mut embedded = Vec::with_capacity(parts.len());
        for part in &parts {
            let embeddings = embed(part)?;
            embedded.push(if parts.len() > 1 {
                embeddings.detach()
            } else {
                embeddings
            });
        }
        let all = Tensor::cat(&embedded, 0)?.detach();
        let labels = self.course.photos.labels_of(batch);
        let (adapters, head) = (parameters.adapters(), parameters.head());
        let mut gradients = Gradients::none(parameters);
        let (loss, of_embeddings) =
            loss::of_batch(&all, &labels, head, adapters.len(), &mut gradients)?;
        let mut start = 0;
        for (part, embeddings) in parts.iter().zip(embedded) {
            let embeddings = if parts.len() > 1 {
                embed(part)?
            } else {
                embeddings
            };
            let own = of_embeddings.narrow(0, start, part.len())?;
            let found = (embeddings * own)?.sum_all()?.backward()?;
            gradients.add(adapters, 0, &found)?;
            start += part.len();
        }
        Ok((loss, gradients))
    }
}

impl Objective for Labelled<'_> {
    fn step(
        &self,
        parameters: &mut Parameters,
        step: usize,
        photos: &[usize],
    ) -> Result<f32, EngineError> {
        let (loss, gradients) = self.gradients(parameters, step, photos)?;
        finite(loss, step)?;
        let adamw = AdamW {
            learning_rate: self.settled.learning_rate,
            weight_decay: WEIGHT_DECAY,
            epsilon: 1e-8,
        };
        adamw.step(parameters, &gradients, step + 1)?;
        Ok(loss)
    }
}
