//! Training of any [`Model`]: epochs of shuffled batches, and how many epochs, found on photos held out.

use super::super::{Classifier, Method, MethodError, Parameters};
use super::kernels::cross_entropy;
use super::optimiser::{Optimiser, Rule, cosine};
use super::{Model, TrainStep, Trained, Training};
use crate::features::{Matrix, arg_max};
use crate::support::SupportSet;
use crate::support::random::Random;
use crate::support::split::Holdout;

/// Most logits that are held at once; a larger batch adds its gradients up in parts.
const MOST_LOGITS: usize = 1 << 22;

/// How long and in which steps a method is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Course {
    method: Method,
    epochs: usize,
    /// Whether all epochs are run: somebody asked for so many.
    is_fixed: bool,
    batch: usize,
    is_cosine: bool,
    /// Of the first step, where the method does not compute its own.
    learning_rate: f32,
    seed: u64,
}

impl Course {
    /// The published course of `method` for `shots` photos a class, with what `parameters` say otherwise.
    ///
    /// Tip-Adapter-F: 20 epochs of 256, 1e-3. APE-T: 30 epochs of 256, 1e-3, as on most of its data sets.
    /// CLIP-Adapter and `TaskRes`: as `CoOp`'s and their own trainer, 50 to 200 epochs by the number of shots, without the
    /// one epoch of warm-up. LP++: 300 steps on all photos at once, at a constant rate.
    pub(super) fn published(method: Method, shots: usize, parameters: &Parameters) -> Self {
        let by_shots = |few: usize, some: usize, many: usize| match shots {
            0 | 1 => few,
            2..=7 => some,
            _ => many,
        };
        let (epochs, batch, learning_rate) = match method {
            Method::TipAdapterF => (20, 256, 1e-3),
            Method::ApeT => (30, 256, 1e-3),
            Method::ClipAdapter => (by_shots(50, 100, 200), 32, 2e-3),
            Method::TaskRes => (by_shots(100, 100, 200), 256, 2e-3),
            _ => (300, usize::MAX, 0.0),
        };
        Self {
            method,
            epochs: parameters.epochs.unwrap_or(epochs),
            is_fixed: parameters.epochs.is_some(),
            batch,
            is_cosine: method != Method::LpPlusPlus,
            learning_rate: parameters.learning_rate.unwrap_or(learning_rate),
            seed: parameters.seed,
        }
    }

    fn steps_an_epoch(&self, num_photos: usize) -> usize {
        num_photos.div_ceil(self.batch)
    }
}

/// A model before its first step, and how its weights are trained.
pub(super) struct Start<M> {
    pub(super) model: M,
    pub(super) rules: Vec<Rule>,
}

/// A model as it was after an epoch, and how well it did on the photos held out.
struct Best<M> {
    model: M,
    epoch: usize,
    accuracy: f32,
    likelihood: f64,
}

/// Where a descent ended.
struct Descended<M> {
    latest: M,
    best: Option<Best<M>>,
    is_cancelled: bool,
}

/// One descent: on which photos, judged on which.
struct Descent<'a> {
    photos: Vec<usize>,
    held_out: &'a [usize],
    epochs: usize,
    /// Steps of a descent before this one.
    steps_before: usize,
    /// Steps of all descents.
    total: usize,
}

impl Training<'_> {
    /// Trains from `start(photos to learn from, learning rate)`.
    ///
    /// A quarter of the photos tells the best epoch, by accuracy, then likelihood; then all photos are learnt from for as
    /// many. Without a choice of epochs (one photo a class, or a number asked for) all photos are learnt from at once.
    /// A cancelled training gives the best epoch's state, or the latest state where no epoch was judged.
    pub(super) fn run<M: Model + 'static>(
        &self,
        start: impl Fn(&SupportSet, f32) -> Result<Start<M>, MethodError>,
    ) -> Result<Box<dyn Classifier>, MethodError> {
        let model = self.best_model(start)?;
        Ok(Box::new(Trained {
            model,
            dim: self.knowledge.text.dim(),
            num_classes: self.knowledge.text.len(),
        }))
    }

    fn best_model<M: Model>(
        &self,
        start: impl Fn(&SupportSet, f32) -> Result<Start<M>, MethodError>,
    ) -> Result<M, MethodError> {
        let course = &self.course;
        let begin =
            |photos: &[usize]| start(&self.photos.support.select(photos), course.learning_rate);
        let all: Vec<usize> = (0..self.photos.len()).collect();
        let steps = |photos: &[usize], epochs| epochs * course.steps_an_epoch(photos.len());
        let Holdout { train, held_out } = self.photos.hold_out(course.seed);
        let is_chosen = !course.is_fixed && !held_out.is_empty() && !train.is_empty();
        let trial_steps = if is_chosen {
            steps(&train, course.epochs)
        } else {
            0
        };
        let finals = |epochs| Descent {
            epochs,
            held_out: &[],
            steps_before: trial_steps,
            total: trial_steps + steps(&all, epochs),
            photos: all.clone(),
        };
        if !is_chosen {
            return Ok(self.descend(&finals(course.epochs), begin(&all)?)?.latest);
        }
        let trial = Descent {
            held_out: &held_out,
            epochs: course.epochs,
            steps_before: 0,
            total: trial_steps + steps(&all, course.epochs),
            photos: train,
        };
        let trial = self.descend(&trial, begin(&trial.photos)?)?;
        let Some(best) = trial.best else {
            return Ok(trial.latest);
        };
        if trial.is_cancelled {
            return Ok(best.model);
        }
        let last = self.descend(&finals(best.epoch), begin(&all)?)?;
        Ok(if last.is_cancelled {
            best.model
        } else {
            last.latest
        })
    }

    fn descend<M: Model>(
        &self,
        descent: &Descent<'_>,
        start: Start<M>,
    ) -> Result<Descended<M>, MethodError> {
        let course = &self.course;
        let steps_an_epoch = course.steps_an_epoch(descent.photos.len());
        let mut random = Random::new(course.seed);
        let mut optimiser = Optimiser::new(start.rules);
        let mut end = Descended {
            latest: start.model,
            best: None,
            is_cancelled: false,
        };
        let mut photos = descent.photos.clone();
        let mut step = 0;
        for epoch in 1..=descent.epochs {
            random.shuffle(&mut photos);
            for batch in photos.chunks(course.batch.min(photos.len()).max(1)) {
                if self.monitor.is_cancelled() {
                    end.is_cancelled = true;
                    return Ok(end);
                }
                // The schedule is that of the whole course, wherever this descent ends.
                let factor = if course.is_cosine {
                    cosine(step, course.epochs * steps_an_epoch)
                } else {
                    1.0
                };
                let loss =
                    self.step(&mut end.latest, batch, &mut random, &mut optimiser, factor)?;
                step += 1;
                let is_judged = step == epoch * steps_an_epoch && !descent.held_out.is_empty();
                let accuracy = is_judged.then(|| self.judge(&mut end, epoch, descent.held_out));
                (self.monitor.report)(TrainStep {
                    step: descent.steps_before + step,
                    total: descent.total,
                    loss,
                    accuracy,
                });
            }
        }
        self.check_finite(&mut end.latest)?;
        Ok(end)
    }

    /// One step on the photos of a batch; their loss before it.
    fn step<M: Model>(
        &self,
        model: &mut M,
        batch: &[usize],
        random: &mut Random,
        optimiser: &mut Optimiser,
        factor: f32,
    ) -> Result<f32, MethodError> {
        let rows_at_once = (MOST_LOGITS / self.knowledge.text.len().max(1)).max(32);
        let share = 1.0 / batch.len() as f32;
        let mut loss = 0.0;
        let mut sums: Vec<Matrix> = Vec::new();
        for photos in batch.chunks(rows_at_once) {
            let rows = self.photos.draw(photos, random);
            let (part, gradients) = model.gradients(&rows, &self.photos.labels(photos), share);
            loss += part;
            if sums.is_empty() {
                sums = gradients;
                continue;
            }
            for (sum, gradient) in sums.iter_mut().zip(gradients) {
                let sum = sum.as_mut_slice().iter_mut();
                sum.zip(gradient.as_slice()).for_each(|(sum, x)| *sum += x);
            }
        }
        if !loss.is_finite() {
            return Err(self.diverged());
        }
        optimiser.step(model.weights(), &sums, factor);
        Ok(loss)
    }

    /// Share of the photos held out that the latest state classifies rightly; the state is kept if it is the best.
    fn judge<M: Model>(&self, end: &mut Descended<M>, epoch: usize, held_out: &[usize]) -> f32 {
        let rows = self
            .photos
            .support
            .features()
            .matrix()
            .select_rows(held_out);
        let labels = self.photos.labels(held_out);
        let mut logits = end.latest.logits(&rows);
        let is_right = |(row, label): (&[f32], &usize)| arg_max(row) == *label;
        let num_right = logits
            .iter_rows()
            .zip(&labels)
            .filter(|x| is_right(*x))
            .count();
        let accuracy = num_right as f32 / labels.len() as f32;
        let likelihood = -f64::from(cross_entropy(&mut logits, &labels, 1.0));
        let is_better = end.best.as_ref().is_none_or(|best| {
            accuracy > best.accuracy || (accuracy >= best.accuracy && likelihood > best.likelihood)
        });
        if is_better {
            end.best = Some(Best {
                model: end.latest.clone(),
                epoch,
                accuracy,
                likelihood,
            });
        }
        accuracy
    }

    fn check_finite<M: Model>(&self, model: &mut M) -> Result<(), MethodError> {
        let is_finite = |weights: &&mut Matrix| weights.as_slice().iter().all(|x| x.is_finite());
        if model.weights().iter().all(is_finite) {
            Ok(())
        } else {
            Err(self.diverged())
        }
    }

    fn diverged(&self) -> MethodError {
        MethodError::Diverged {
            method: self.course.method,
        }
    }
}
