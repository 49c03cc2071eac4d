//! The steps of training.

use std::time::Instant;

use super::checkpoint::{self, Best, State};
use super::dino::{self, Dino};
use super::dropout::mixed;
use super::file::{Written, adapter_tensors};
use super::labelled::Labelled;
use super::options::{Loss, Settled, TrainingOptions};
use super::parameters::{Parameter, Parameters};
use super::photos::{Activations, Parts, Photos};
use super::shelf::Shelf;
use super::{Figures, HeldOut, Outcome, Plan, Report, Step, figures};
use crate::clip::PixelValues;
use crate::engine::{Engine, EngineError};
use crate::features::{Features, Matrix};
use crate::progress::{Cancelled, Progress};
use crate::support::random::Random;

/// `AdamW`'s decay, PyTorch's default.
pub(super) const WEIGHT_DECAY: f64 = 0.01;

/// What is learned from, and by which model.
pub(super) struct Course<'a> {
    pub(super) engine: &'a Engine,
    pub(super) photos: &'a Photos,
    pub(super) parts: &'a Parts,
    pub(super) num_classes: usize,
}

/// What came of it, ready to be written.
pub(super) struct Trained {
    pub(super) settled: Settled,
    pub(super) tensors: Vec<Written>,
    pub(super) outcome: Outcome,
}

/// What is minimised, and how.
pub(super) trait Objective {
    /// One step on `photos`, the `step`th from 0; the loss before it.
    fn step(
        &self,
        parameters: &mut Parameters,
        step: usize,
        photos: &[usize],
    ) -> Result<f32, EngineError>;

    /// Whose adapters are judged and written.
    fn written<'p>(&'p self, parameters: &'p Parameters) -> &'p Parameters {
        parameters
    }

    /// What else must be known for going on.
    fn remembered(&self) -> &[Parameter] {
        &[]
    }
}

/// Refuses to go on with a loss that is no number.
pub(super) fn finite(loss: f32, step: usize) -> Result<(), EngineError> {
    if loss.is_finite() {
        return Ok(());
    }
    Err(EngineError::Training(format!(
        "the loss of step {} is no number any more: give a smaller --lr",
        step + 1
    )))
}

/// Trains adapters by cross-entropy, the contrastive loss or self-distillation.
pub(super) fn train(
    course: &Course<'_>,
    options: &TrainingOptions,
    shelf: &mut Shelf<'_>,
    progress: &Progress<'_>,
    on_report: &mut dyn FnMut(Report),
) -> Result<Trained, EngineError> {
    let clip = course.engine.clip();
    let (num_blocks, width) = clip.adapter_places().unwrap_or_default();
    let settled = Settled::new(options, course.parts.train.len(), num_blocks);
    if settled.blocks.is_empty() {
        return Err(EngineError::Training(format!(
            "the model has blocks 0 to {}, and none of them is to learn: give --blocks FIRST..END within them",
            num_blocks - 1
        )));
    }
    let head = (settled.loss == Loss::CrossEntropy).then(|| [course.num_classes, clip.dim()]);
    let parameters = Parameters::new(&settled, width, head, clip.device())?;
    let plan = match settled.loss {
        Loss::Dino => dino::plan(course, &settled, num_blocks),
        _ => plan(course, &settled, num_blocks),
    };
    on_report(Report::Planned(plan.clone()));
    let mut held_out = Activations::new(
        course.engine,
        course.photos,
        &settled,
        PixelValues::Normalised,
    );
    let objective: Box<dyn Objective + '_> = match settled.loss {
        Loss::Dino => Box::new(Dino::new(course, &settled, &plan, &parameters, progress)?),
        _ => Box::new(Labelled::new(course, &settled, &plan, progress)?),
    };
    if plan.bytes_of_activations > 0 {
        held_out.keep(&course.parts.held_out, progress)?;
    }
    let mut run = Run {
        held_out,
        fingerprint: settled.fingerprint(&course.photos.fingerprint()),
        course,
        settled,
        parameters,
        objective,
        plan,
        state: State::default(),
    };
    let outcome = run.finish(shelf, progress, on_report)?;
    let learned = run.written().adapter_numbers()?;
    Ok(Trained {
        tensors: adapter_tensors(&run.settled, &learned, num_blocks, width),
        settled: run.settled,
        outcome,
    })
}

/// How much memory training takes, and how a step is divided to keep to what it may.
fn plan(course: &Course<'_>, settled: &Settled, num_blocks: usize) -> Plan {
    let (of_photo, of_block) = course.engine.clip().training_bytes().unwrap_or_default();
    let (num_photos, num_held_out) = (course.parts.train.len(), course.parts.held_out.len());
    let of_activations = (num_photos + num_held_out) * of_photo;
    let is_kept = settled.steps * settled.batch > num_photos && of_activations <= settled.memory;
    let of_part = (num_blocks - settled.blocks.start) * of_block;
    let part = (settled.memory / of_part.max(1)).clamp(1, settled.batch);
    Plan {
        preset: settled.preset,
        num_photos,
        num_held_out,
        skipped: course.photos.skipped.clone(),
        worker: None,
        steps: settled.steps,
        batch: settled.batch,
        part,
        bytes_of_activations: if is_kept { of_activations } else { 0 },
        bytes_of_step: part * of_part,
    }
}

struct Run<'a> {
    course: &'a Course<'a>,
    settled: Settled,
    parameters: Parameters,
    objective: Box<dyn Objective + 'a>,
    held_out: Activations<'a>,
    plan: Plan,
    state: State,
    fingerprint: String,
}

impl Run<'_> {
    fn finish(
        &mut self,
        shelf: &mut Shelf<'_>,
        progress: &Progress<'_>,
        on_report: &mut dyn FnMut(Report),
    ) -> Result<Outcome, EngineError> {
        let before = self.look(0, on_report)?;
        if let Some(saved) = &shelf.found {
            let remembered = self.objective.remembered();
            self.state =
                checkpoint::load(saved, &self.fingerprint, &mut self.parameters, remembered)?;
        }
        if self.state.step == 0 {
            self.remember_best(before)?;
        }
        let stopped = self.steps(shelf, progress, on_report)?;
        if let Some(cancelled) = stopped.filter(|_| self.state.step == 0) {
            return Err(cancelled.into());
        }
        let mut kept_step = self.state.step;
        if let Some(best) = self.state.best.as_ref().filter(|_| self.settled.keeps_best) {
            for (parameter, numbers) in self.written().adapters().iter().zip(&best.tensors) {
                parameter.set(numbers)?;
            }
            kept_step = best.step;
        }
        Ok(Outcome {
            num_photos: self.plan.num_photos,
            num_held_out: self.plan.num_held_out,
            num_classes: self.course.num_classes,
            steps: self.state.step,
            kept_step,
            before,
            after: self.look(kept_step, on_report)?,
            is_finished: stopped.is_none(),
        })
    }

    /// All steps that are left; why it stopped, where it did.
    fn steps(
        &mut self,
        shelf: &mut Shelf<'_>,
        progress: &Progress<'_>,
        on_report: &mut dyn FnMut(Report),
    ) -> Result<Option<Cancelled>, EngineError> {
        let (start, first, total) = (Instant::now(), self.state.step, self.settled.steps);
        let mut saved = Instant::now();
        while self.state.step < total && !self.has_learned_enough() {
            if let Err(cancelled) = progress.step(self.state.step, total) {
                self.save(shelf)?;
                return Ok(Some(cancelled));
            }
            let loss = self.step()?;
            let step = self.state.step;
            let per_step = start.elapsed().as_secs_f64() / (step - first) as f64;
            on_report(Report::Step(Step {
                step,
                total,
                loss,
                images_per_second: self.settled.batch as f64 / per_step,
                seconds_left: per_step * (total - step) as f64,
            }));
            if step.is_multiple_of(self.settled.evaluate_every) || step == total {
                let figures = self.look(step, on_report)?;
                self.remember_best(figures)?;
            }
            if saved.elapsed() >= shelf.every {
                self.save(shelf)?;
                saved = Instant::now();
            }
        }
        progress.step(total, total)?;
        Ok(None)
    }

    /// Whether the held-out photos have not been told apart better for too long.
    fn has_learned_enough(&self) -> bool {
        let since_best = self
            .state
            .best
            .as_ref()
            .map(|best| self.state.step - best.step);
        matches!((since_best, self.settled.patience), (Some(since), Some(patience)) if since >= patience)
    }

    fn save(&self, shelf: &mut Shelf<'_>) -> Result<(), EngineError> {
        if !shelf.is_wanted() {
            return Ok(());
        }
        let remembered = self.objective.remembered();
        let packed =
            checkpoint::packed(&self.fingerprint, &self.state, &self.parameters, remembered)?;
        shelf.put(&packed)
    }

    /// The photos of a step: each epoch in an order of its own, a last batch that is not full left out.
    fn batch(&self, step: usize) -> Vec<usize> {
        let (train, size) = (&self.course.parts.train, self.settled.batch);
        let per_epoch = (train.len() / size).max(1);
        let mut order = train.clone();
        Random::new(mixed(&[self.settled.seed, (step / per_epoch) as u64])).shuffle(&mut order);
        let start = step % per_epoch * size;
        order[start..order.len().min(start + size)].to_vec()
    }

    /// One step; its loss.
    fn step(&mut self) -> Result<f32, EngineError> {
        let (step, batch) = (self.state.step, self.batch(self.state.step));
        let loss = self.objective.step(&mut self.parameters, step, &batch)?;
        self.state.step += 1;
        Ok(loss)
    }

    fn written(&self) -> &Parameters {
        self.objective.written(&self.parameters)
    }

    /// Looks at the held-out photos through the adapter, and tells.
    fn look(&self, step: usize, on_report: &mut dyn FnMut(Report)) -> Result<Figures, EngineError> {
        let clip = self.course.engine.clip();
        let photos = &self.course.parts.held_out;
        if photos.is_empty() {
            return Ok(Figures::default());
        }
        let adapter = self.written().frozen(&self.settled);
        let mut rows = Vec::new();
        for part in photos.chunks(self.plan.part) {
            let activations = self.held_out.of(part)?;
            let features =
                clip.finish_for_training(&activations, self.settled.blocks.start, &adapter)?;
            rows.extend(features.flatten_all()?.to_vec1::<f32>()?);
        }
        let features = Features::normalized(Matrix::new(photos.len(), clip.dim(), rows)?)?;
        let labels = self.course.photos.labels_of(photos);
        let figures = figures(&features, &labels)?;
        on_report(Report::HeldOut(HeldOut {
            step,
            features,
            labels,
            figures,
        }));
        Ok(figures)
    }

    /// Keeps the state when it is the best so far.
    fn remember_best(&mut self, figures: Figures) -> Result<(), EngineError> {
        let Some(auroc) = figures.auroc.filter(|_| self.settled.keeps_best) else {
            return Ok(());
        };
        if self
            .state
            .best
            .as_ref()
            .is_none_or(|best| auroc > best.auroc)
        {
            self.state.best = Some(Best {
                step: self.state.step,
                auroc,
                tensors: self.written().adapter_numbers()?,
            });
        }
        Ok(())
    }
}
