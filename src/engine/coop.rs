//! `CoOp`: context words learned through the frozen text tower (Zhou et al., IJCV 2022, arXiv 2109.01134; `KaiyangZhou/CoOp` at
//! ff61507c, `trainers/coop.py` and `configs/trainers/CoOp/rn50*.yaml`).
//!
//! The photos' features are those that are there already. The text features' gradient comes from the loss alone, and goes
//! back through the tower in chunks of classes, so that many classes need no more memory than a few.

use std::f64::consts::PI;

use candle_core::{DType, Device, Tensor, Var, backprop::GradStore};

use super::{Engine, EngineError};
use crate::clip::{Clip, ContextPrompts};
use crate::features::{Features, Matrix};
use crate::methods::LOGIT_SCALE;
use crate::progress::Progress;
use crate::support::SupportSet;
use crate::support::random::Random;

/// Step size of the first epoch, which gets the context away from where it began.
const WARM_UP_LEARNING_RATE: f64 = 1e-5;
const MOMENTUM: f64 = 0.9;
const WEIGHT_DECAY: f64 = 5e-4;
/// Length of the vectors that a random context starts with.
const INITIAL_DEVIATION: f64 = 0.02;
/// The words that a context of four vectors starts with, as in the authors' `ctxv1` configurations.
const INITIAL_WORDS: &str = "a photo of a";
/// How to train; the defaults are the paper's.
#[derive(Clone, Debug, PartialEq)]
pub struct CoOpOptions {
    /// Context vectors, 1 to 74. Four start as "a photo of a", others as random numbers.
    pub num_context: usize,
    /// Vectors to start from instead, `[num_context, text width]`.
    pub start: Option<Matrix>,
    /// Passes over the photos; 50, 100 or 200 for 1, up to 4 and more shots where `None`.
    pub epochs: Option<usize>,
    /// Step size after the first epoch, before it falls along a cosine.
    pub learning_rate: f64,
    /// Photos of a step.
    pub batch: usize,
    /// What decides the start of a random context and the order of the photos.
    pub seed: u64,
    /// What the way back through the text tower may keep at once, in bytes: classes beyond go through it one chunk after
    /// another, and forwards twice.
    pub memory: usize,
}

impl Default for CoOpOptions {
    fn default() -> Self {
        Self {
            num_context: 16,
            start: None,
            epochs: None,
            learning_rate: 2e-3,
            batch: 32,
            seed: 1,
            memory: 256 << 20,
        }
    }
}

/// One step of training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoOpStep {
    /// Steps done, from 1.
    pub step: usize,
    /// Steps in all.
    pub total: usize,
    /// Mean cross-entropy of the step's photos, before the step.
    pub loss: f32,
}

/// What was learned.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnedContext {
    /// The context vectors, `[num_context, text width]`.
    pub context: Matrix,
    /// Class texts with that context, `[num_classes, dim]`.
    pub text: Features,
    /// Mean cross-entropy of its epoch: of the last, or of the best where training was stopped.
    pub loss: f32,
    /// Whether training ran to its end.
    pub is_finished: bool,
}

impl Engine {
    /// Learns one context for all classes. `support` has one row a photo, or several views of each: every epoch takes one of
    /// each photo's rows. `names` are class names, underscores count as spaces.
    ///
    /// When `progress` asks to stop, the context of the best epoch so far comes back; before the first is over, an error.
    pub fn learn_context(
        &self,
        names: &[String],
        support: &SupportSet,
        options: &CoOpOptions,
        progress: &Progress<'_>,
        on_step: &mut dyn FnMut(CoOpStep),
    ) -> Result<LearnedContext, EngineError> {
        let trainer = Trainer::new(self.clip(), names, support, options)?;
        trainer.run(progress, on_step)
    }
}

/// Passes over the photos that the paper takes for so many shots.
fn epochs_for(num_shots: usize) -> usize {
    match num_shots {
        0 | 1 => 50,
        2..=4 => 100,
        _ => 200,
    }
}

/// The step size of an epoch: constant and small in the first, then along a cosine (`ConstantWarmupScheduler` around
/// `CosineAnnealingLR`, whose own count begins after the first).
fn learning_rate(epoch: usize, epochs: usize, first: f64) -> f64 {
    match epoch {
        0 => WARM_UP_LEARNING_RATE,
        _ => 0.5 * first * (1.0 + (PI * (epoch - 1) as f64 / epochs as f64).cos()),
    }
}

struct Trainer<'a> {
    clip: &'a Clip,
    prompts: ContextPrompts,
    head: Head,
    photos: Vec<Vec<usize>>,
    options: CoOpOptions,
    epochs: usize,
    chunk: usize,
}

impl<'a> Trainer<'a> {
    fn new(
        clip: &'a Clip,
        names: &[String],
        support: &SupportSet,
        options: &CoOpOptions,
    ) -> Result<Self, EngineError> {
        let prompts = clip.context_prompts(names, options.num_context)?;
        let photos = support.rows_of_photos();
        if photos.is_empty() {
            return Err(EngineError::Training(
                "CoOp needs a labelled photo: drop some on a class".to_owned(),
            ));
        }
        let num_shots = support.shots_per_class().into_iter().max().unwrap_or(0);
        Ok(Self {
            head: Head::new(support, clip.device())?,
            photos,
            epochs: options
                .epochs
                .unwrap_or_else(|| epochs_for(num_shots))
                .max(1),
            chunk: (options.memory / prompts.bytes_per_class().max(1)).max(1),
            options: options.clone(),
            prompts,
            clip,
        })
    }

    fn initial_context(&self, random: &mut Random) -> Result<Tensor, EngineError> {
        let (rows, width) = (self.options.num_context, self.clip.text_width());
        let words = self.clip.word_embeddings(INITIAL_WORDS)?;
        let start = match &self.options.start {
            Some(start) => start.clone(),
            None if words.rows() == rows => words,
            None => Matrix::from_fn(rows, width, |_, _| {
                (INITIAL_DEVIATION * random.normal()) as f32
            }),
        };
        if (start.rows(), start.cols()) != (rows, width) {
            return Err(EngineError::Training(format!(
                "a context of {rows} vectors of {width} numbers cannot start from {} of {}",
                start.rows(),
                start.cols()
            )));
        }
        Ok(tensor(&start, self.clip.device())?)
    }

    fn run(
        &self,
        progress: &Progress<'_>,
        on_step: &mut dyn FnMut(CoOpStep),
    ) -> Result<LearnedContext, EngineError> {
        let mut random = Random::new(self.options.seed);
        let mut optimiser = Optimiser::new(&self.initial_context(&mut random)?)?;
        let mut best: Option<(f32, Tensor)> = None;
        let (mut step, mut loss) = (0, f32::NAN);
        let batch = self.options.batch.max(1);
        // As the authors' loader does: a last batch that is not full is left out, unless it is the only one.
        let num_batches = (self.photos.len() / batch).max(1);
        let total = self.epochs * num_batches;
        for epoch in 0..self.epochs {
            let rate = learning_rate(epoch, self.epochs, self.options.learning_rate);
            let rows = self.rows_of_epoch(&mut random);
            let mut sum = 0.0;
            for rows in rows.chunks(batch).take(num_batches) {
                if let (Err(cancelled), best) = (progress.step(step, total), best.as_ref()) {
                    let (loss, context) = best.ok_or(cancelled)?;
                    return self.learned(context, *loss, false);
                }
                let (step_loss, gradient) = self.gradient(optimiser.value(), rows)?;
                optimiser.step(&gradient, rate)?;
                step += 1;
                sum += step_loss;
                on_step(CoOpStep {
                    step,
                    total,
                    loss: step_loss,
                });
            }
            loss = sum / num_batches as f32;
            if best.as_ref().is_none_or(|(best, _)| loss < *best) {
                best = Some((loss, optimiser.value().copy()?));
            }
        }
        progress.step(total, total)?;
        self.learned(optimiser.value(), loss, true)
    }

    /// One row of each photo, in random order.
    fn rows_of_epoch(&self, random: &mut Random) -> Vec<u32> {
        let mut rows: Vec<u32> = self
            .photos
            .iter()
            .map(|rows| rows[random.below(rows.len())] as u32)
            .collect();
        random.shuffle(&mut rows);
        rows
    }

    /// Mean cross-entropy of some photos and its gradient with respect to the context.
    fn gradient(&self, context: &Tensor, rows: &[u32]) -> Result<(f32, Tensor), EngineError> {
        let num_classes = self.prompts.len();
        let variable = Var::from_tensor(context)?;
        let encode = |start: usize| {
            let classes = start..num_classes.min(start + self.chunk);
            self.clip
                .encode_with_context(&self.prompts, variable.as_tensor(), classes)
        };
        let mut chunks = Vec::new();
        for start in (0..num_classes).step_by(self.chunk) {
            let text = encode(start)?;
            // Where there are several chunks none keeps what the way back needs: it is computed once more.
            chunks.push(if self.chunk < num_classes {
                text.detach()
            } else {
                text
            });
        }
        let text = Tensor::cat(&chunks, 0)?.detach();
        let (loss, text_gradient) = self.head.text_gradient(&text, rows)?;
        let mut sum: Option<Tensor> = None;
        for (index, chunk) in chunks.into_iter().enumerate() {
            let start = index * self.chunk;
            let chunk = if self.chunk < num_classes {
                encode(start)?
            } else {
                chunk
            };
            let gradient = pulled_back(&chunk, &text_gradient, start, &variable)?;
            sum = Some(match sum {
                Some(sum) => (sum + gradient)?,
                None => gradient,
            });
        }
        let gradient =
            sum.ok_or_else(|| EngineError::Training("there are no classes".to_owned()))?;
        Ok((loss, gradient))
    }

    fn learned(
        &self,
        context: &Tensor,
        loss: f32,
        is_finished: bool,
    ) -> Result<LearnedContext, EngineError> {
        let num_classes = self.prompts.len();
        let mut rows = Vec::new();
        for start in (0..num_classes).step_by(self.chunk) {
            let classes = start..num_classes.min(start + self.chunk);
            let text = self
                .clip
                .encode_with_context(&self.prompts, context, classes)?;
            rows.extend(numbers(&text)?);
        }
        let text = Matrix::new(num_classes, self.clip.dim(), rows)?;
        let (num_context, width) = context.dims2()?;
        Ok(LearnedContext {
            context: Matrix::new(num_context, width, numbers(context)?)?,
            text: Features::normalized(text)?,
            loss,
            is_finished,
        })
    }
}

/// The context's gradient from that of a chunk's text features.
fn pulled_back(
    chunk: &Tensor,
    text_gradient: &Tensor,
    start: usize,
    context: &Var,
) -> candle_core::Result<Tensor> {
    let own = text_gradient.narrow(0, start, chunk.dim(0)?)?;
    taken(&(chunk * own)?.sum_all()?.backward()?, context)
}

fn taken(gradients: &GradStore, variable: &Var) -> candle_core::Result<Tensor> {
    match gradients.get(variable) {
        Some(gradient) => Ok(gradient.detach()),
        None => candle_core::bail!("the loss does not depend on what is trained"),
    }
}

/// What the loss needs of the photos.
struct Head {
    /// Unit rows, `[num_rows, dim]`.
    features: Tensor,
    /// `[num_rows]`
    labels: Tensor,
}

impl Head {
    fn new(support: &SupportSet, device: &Device) -> Result<Self, EngineError> {
        let labels: Vec<u32> = support.labels().iter().map(|label| *label as u32).collect();
        Ok(Self {
            features: tensor(support.features().matrix(), device)?,
            labels: Tensor::new(labels, device)?,
        })
    }

    /// Mean cross-entropy of `100 · x · Wᵀ` over the rows, with `W` the text features at unit length, and its gradient with
    /// respect to the text features as they are.
    fn text_gradient(&self, text: &Tensor, rows: &[u32]) -> candle_core::Result<(f32, Tensor)> {
        let rows = Tensor::new(rows, text.device())?;
        let (features, labels) = (
            self.features.index_select(&rows, 0)?,
            self.labels.index_select(&rows, 0)?,
        );
        let text = Var::from_tensor(text)?;
        let unit = text.broadcast_div(&text.sqr()?.sum_keepdim(1)?.sqrt()?)?;
        let logits = (features.matmul(&unit.t()?)? * f64::from(LOGIT_SCALE))?;
        let loss = candle_nn::loss::cross_entropy(&logits, &labels)?;
        Ok((loss.to_scalar()?, taken(&loss.backward()?, &text)?))
    }
}

/// Stochastic gradient descent as PyTorch does it: decay joins the gradient, the gradient joins the velocity.
struct Optimiser {
    value: Tensor,
    velocity: Option<Tensor>,
}

impl Optimiser {
    fn new(start: &Tensor) -> candle_core::Result<Self> {
        Ok(Self {
            value: start.copy()?,
            velocity: None,
        })
    }

    fn value(&self) -> &Tensor {
        &self.value
    }

    fn step(&mut self, gradient: &Tensor, learning_rate: f64) -> candle_core::Result<()> {
        let gradient = (gradient + (&self.value * WEIGHT_DECAY)?)?;
        let velocity = match &self.velocity {
            Some(velocity) => ((velocity * MOMENTUM)? + gradient)?,
            None => gradient,
        };
        self.value = (&self.value - (&velocity * learning_rate)?)?.detach();
        self.velocity = Some(velocity.detach());
        Ok(())
    }
}

fn tensor(rows: &Matrix, device: &Device) -> candle_core::Result<Tensor> {
    Tensor::from_slice(rows.as_slice(), (rows.rows(), rows.cols()), device)
}

fn numbers(tensor: &Tensor) -> candle_core::Result<Vec<f32>> {
    tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}
