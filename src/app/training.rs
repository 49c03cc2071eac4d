//! Training in the background: when it starts, how far it is, what becomes of it.

use std::time::Instant;

use super::App;
use crate::ids::Generation;
use crate::methods::{Family, Method, Parameters, TrainStep};
use crate::progress::CancelToken;
use crate::worker::clip_worker::ClipJob;
use crate::worker::lesson::{Trained, Training as Asked};
use crate::worker::scoring_worker::ScoreJob;
use crate::worker::training_worker::{TrainEvent, TrainJob};

/// A training as the window shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingView {
    /// The method.
    pub method: Method,
    /// Steps taken.
    pub step: usize,
    /// Steps in all; 0 until it is known.
    pub total: usize,
    /// Loss after each step, `[step, loss]`.
    pub losses: Vec<[f64; 2]>,
    /// Share of the photos held out that are right, `[step, share]`, where it was measured.
    pub accuracies: Vec<[f64; 2]>,
    /// Seconds left, once it is known.
    pub seconds_left: Option<f64>,
    /// How it stands.
    pub stage: TrainingStage,
}

/// How a training stands.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainingStage {
    /// Steps are taken.
    Running,
    /// All steps were taken; what it is worth is found on folds of the shots.
    Judging,
    /// All steps were taken.
    Done,
    /// Somebody ended it; the best so far is in use.
    EndedEarly,
    /// Somebody ended it before there was anything to keep.
    Stopped,
    /// It did not work, and why.
    Failed(String),
}

/// The training that was asked for last.
#[derive(Default)]
pub(crate) struct Training {
    generation: Generation,
    cancel: CancelToken,
    asked: Option<Asked>,
    started: Option<Instant>,
}

impl App {
    /// Trains `method` on the last lesson, unless exactly that runs or was ended already.
    pub(super) fn train_if_new(&mut self, method: Method, parameters: Parameters) {
        let Some(lesson) = self.scoring.lesson.clone() else {
            return;
        };
        let wanted = Some(Asked::new(method, &parameters, &lesson));
        if self.training.asked == wanted {
            return;
        }
        self.training.cancel.cancel();
        self.training = Training {
            generation: self.training.generation.next(),
            cancel: CancelToken::default(),
            asked: wanted,
            started: Some(Instant::now()),
        };
        self.fit.training = Some(TrainingView::begun(method));
        let job = TrainJob {
            generation: self.training.generation,
            method,
            parameters,
            lesson,
            cancel: self.training.cancel.clone(),
        };
        if method.family() == Family::TextTraining {
            let classes = self.project().classes().iter();
            let names = classes.map(|class| class.name.replace('_', " ")).collect();
            self.submit_clip(ClipJob::LearnContext(job, names));
            return;
        }
        let is_taken = self
            .threads
            .as_ref()
            .is_none_or(|threads| threads.training.submit(job));
        if !is_taken {
            self.error("The thread that trains has stopped; restart Shotlens (nothing is lost)");
        }
    }

    /// The method in use takes no training, or is trained: what still runs for another is not wanted any more.
    pub(super) fn training_not_needed(&mut self, method: Method) {
        let is_other = |view: &TrainingView| view.method != method;
        if self.fit.training.as_ref().is_some_and(is_other) {
            self.forget_training();
        }
    }

    pub(super) fn forget_training(&mut self) {
        self.training.cancel.cancel();
        self.training.generation = self.training.generation.next();
        self.training.asked = None;
        self.fit.training = None;
    }

    /// Ends the training; the best so far is kept.
    pub(super) fn end_training(&mut self) {
        self.training.cancel.cancel();
    }

    /// Trains again what was ended early.
    pub(super) fn train_again(&mut self) {
        self.training.asked = None;
        self.submit_scoring(ScoreJob::ForgetTrained);
        self.scoring.mark_dirty();
    }

    pub(super) fn poll_training(&mut self) {
        while let Some(event) = self.next_event(|threads| threads.training.try_next()) {
            self.take_in_training(event);
        }
    }

    pub(super) fn take_in_training(&mut self, event: TrainEvent) {
        let now = self.training.generation;
        match event {
            TrainEvent::Steps(generation, steps) if generation == now => self.take_in_steps(&steps),
            TrainEvent::Finished(generation, trained) if generation == now => {
                self.take_in_trained(*trained);
            }
            TrainEvent::Judged(generation, training, judged) if generation == now => {
                self.set_stage(TrainingStage::Done);
                self.submit_scoring(ScoreJob::SetJudged(training, judged));
                self.scoring.mark_dirty();
            }
            TrainEvent::NotJudged(generation) if generation == now && self.is_judging() => {
                self.set_stage(TrainingStage::Done);
            }
            TrainEvent::Cancelled(generation) if generation == now => {
                self.set_stage(TrainingStage::Stopped);
            }
            TrainEvent::Failed(generation, message) if generation == now => {
                self.set_stage(TrainingStage::Failed(message));
            }
            _ => {}
        }
    }

    fn take_in_steps(&mut self, steps: &[TrainStep]) {
        let elapsed = self.training.started.map(|started| started.elapsed());
        let (Some(view), Some(elapsed)) = (&mut self.fit.training, elapsed) else {
            return;
        };
        for step in steps {
            (view.step, view.total) = (step.step, step.total);
            let at = step.step as f64;
            view.losses.push([at, f64::from(step.loss)]);
            let measured = step.accuracy.map(|share| [at, f64::from(share)]);
            view.accuracies.extend(measured);
        }
        let left = view.total.saturating_sub(view.step) as f64;
        // The first steps are slower than the rest.
        view.seconds_left =
            (view.step > 2).then(|| elapsed.as_secs_f64() / view.step as f64 * left);
    }

    fn take_in_trained(&mut self, trained: Trained) {
        let is_judged = self
            .fit
            .training
            .as_ref()
            .is_some_and(|training| training.method.family() == Family::LightTraining);
        let stage = match self.training.cancel.is_cancelled() {
            true => TrainingStage::EndedEarly,
            false if is_judged => TrainingStage::Judging,
            false => TrainingStage::Done,
        };
        self.set_stage(stage);
        self.submit_scoring(ScoreJob::SetTrained(Box::new(trained)));
        self.scoring.mark_dirty();
    }

    fn is_judging(&self) -> bool {
        let training = self.fit.training.as_ref();
        training.is_some_and(|training| training.stage == TrainingStage::Judging)
    }

    fn set_stage(&mut self, stage: TrainingStage) {
        if let Some(view) = &mut self.fit.training {
            (view.stage, view.seconds_left) = (stage, None);
        }
    }
}

impl TrainingView {
    /// A training that has just begun.
    fn begun(method: Method) -> Self {
        Self {
            method,
            step: 0,
            total: 0,
            losses: Vec::new(),
            accuracies: Vec::new(),
            seconds_left: None,
            stage: TrainingStage::Running,
        }
    }

    /// Share of the photos held out that were right at best, 0 to 1.
    pub fn best_accuracy(&self) -> Option<f64> {
        let shares = self.accuracies.iter().map(|[_, share]| *share);
        shares.reduce(f64::max)
    }
}
