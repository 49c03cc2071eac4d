//! How fast a step of training is, on pictures of noise: what is in them does not change the time.

use std::time::Instant;

use super::dropout::dropout;
use super::loss;
use super::options::{Loss, Preset, Settled, TrainingOptions};
use super::parameters::{AdamW, Gradients, Parameters};
use super::run::WEIGHT_DECAY;
use crate::clip::ClipError;
use crate::clip::preprocess::Crop;
use crate::engine::{Engine, EngineError};
use crate::support::random::Random;

/// Classes of the head: as many as a general set has.
const NUM_CLASSES: usize = 100;

impl Engine {
    /// Photos a second of whole steps of the paper's recipe (adapters in every block, cross-entropy, `AdamW`) on batches of
    /// `batch`, from the pixels on: the best of `repetitions` steps after one to warm up.
    ///
    /// # Errors
    /// When the model has no blocks to adapt.
    pub fn training_rate(&self, batch: usize, repetitions: usize) -> Result<f64, EngineError> {
        let clip = self.clip();
        let (num_blocks, width) = clip
            .adapter_places()
            .ok_or(ClipError::AdapterNeedsTransformer)?;
        let options = TrainingOptions {
            preset: Some(Preset::Paper),
            loss: Loss::CrossEntropy,
            batch: Some(batch),
            ..TrainingOptions::default()
        };
        let settled = Settled::new(&options, batch, num_blocks);
        let head = Some([NUM_CLASSES, clip.dim()]);
        let mut parameters = Parameters::new(&settled, width, head, clip.device())?;
        let crops = noise(clip.preprocess().size, batch);
        let labels: Vec<usize> = (0..batch).map(|photo| photo % NUM_CLASSES).collect();
        let photos: Vec<usize> = (0..batch).collect();
        let mut best = f64::INFINITY;
        for number in 1..=repetitions + 1 {
            let start = Instant::now();
            let switched_off = dropout(settled.dropout, 0, number, &photos, clip.device());
            let adapter = parameters.adapter(&settled, switched_off);
            let embeddings = clip.crops_for_training(&crops, &adapter)?;
            let mut gradients = Gradients::none(&parameters);
            let first = parameters.adapters().len();
            let head = parameters.head();
            let (_, own) =
                loss::of_batch(&embeddings.detach(), &labels, head, first, &mut gradients)?;
            let found = (embeddings * own)?.sum_all()?.backward()?;
            gradients.add(parameters.adapters(), 0, &found)?;
            let adamw = AdamW {
                learning_rate: settled.learning_rate,
                weight_decay: WEIGHT_DECAY,
                epsilon: 1e-8,
            };
            adamw.step(&mut parameters, &gradients, number)?;
            if number > 1 {
                best = best.min(start.elapsed().as_secs_f64());
            }
        }
        Ok(batch as f64 / best)
    }
}

fn noise(size: usize, count: usize) -> Vec<Crop> {
    let mut random = Random::new(1);
    let mut crop = || Crop {
        size,
        pixels: (0..size * size * 3)
            .map(|_| (255.0 * random.uniform()) as u8)
            .collect(),
    };
    (0..count).map(|_| crop()).collect()
}
