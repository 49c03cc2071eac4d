//! The thread that trains: one method at a time, on a lesson of the scoring worker, so that nothing else ever waits for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::lesson::{Lesson, Trained, Training};
use super::{Outbox, Wake, Worker};
use crate::ids::Generation;
use crate::methods::{
    self, LeaveOneOut, Method, MethodError, Monitor, Parameters, TrainStep, tune_on_support,
};
use crate::progress::{CancelToken, Progress};

/// The window hears of steps this often: a curve that grows smoothly, and no flood of events.
pub(super) const TELL_EVERY: Duration = Duration::from_millis(60);

/// What to train.
#[derive(Clone, Debug)]
pub struct TrainJob {
    /// Comes back with everything that this job tells.
    pub generation: Generation,
    /// The method.
    pub method: Method,
    /// Its parameters.
    pub parameters: Parameters,
    /// What it is trained on.
    pub lesson: Arc<Lesson>,
    /// Ends the training early; the best so far is kept.
    pub cancel: CancelToken,
}

/// What the training worker tells.
pub enum TrainEvent {
    /// Steps that were taken since the last of these.
    Steps(Generation, Vec<TrainStep>),
    /// The training is over, by its end or because somebody ended it.
    Finished(Generation, Box<Trained>),
    /// What the trained method is worth: trained anew for folds of the shots, with the best values of what weighs it.
    Judged(Generation, Training, Arc<LeaveOneOut>),
    /// Judging ended without an outcome.
    NotJudged(Generation),
    /// Somebody ended it before there was anything to keep.
    Cancelled(Generation),
    /// It did not work, as a sentence.
    Failed(Generation, String),
}

/// Starts the thread.
pub fn start(wake: Wake) -> std::io::Result<Worker<TrainJob, TrainEvent>> {
    Worker::start("training worker", wake, |jobs, out| {
        for job in jobs {
            let event = train(&job, &out);
            let is_trained = matches!(event, TrainEvent::Finished(..));
            out.send(event);
            if is_trained {
                out.send(judge(&job));
            }
        }
    })
}

fn train(job: &TrainJob, out: &Outbox<TrainEvent>) -> TrainEvent {
    let generation = job.generation;
    let teller = Teller::new(generation, out);
    let tell = |step| teller.take(step);
    let fitted = methods::fit_watched(
        job.method,
        &job.parameters,
        &job.lesson.knowledge(),
        &Monitor::new(&tell, Some(&job.cancel)),
    );
    teller.flush();
    match fitted {
        Ok(classifier) => TrainEvent::Finished(
            generation,
            Box::new(Trained {
                training: Training::new(job.method, &job.parameters, &job.lesson)
                    .measured(teller.best_accuracy()),
                classifier: classifier.into(),
                judged: None,
            }),
        ),
        Err(MethodError::Cancelled(_)) => TrainEvent::Cancelled(generation),
        Err(error) => TrainEvent::Failed(generation, error.to_string()),
    }
}

fn judge(job: &TrainJob) -> TrainEvent {
    let generation = job.generation;
    let progress = Progress::new(&|_, _| (), &job.cancel);
    // What was ended early is not trained five times more.
    let judged = progress.check().map_err(MethodError::from).and_then(|()| {
        let knowledge = job.lesson.knowledge();
        tune_on_support(job.method, &job.parameters, &knowledge, &progress)
    });
    let training = Training::new(job.method, &job.parameters, &job.lesson);
    judged.map_or(TrainEvent::NotJudged(generation), |judged| {
        TrainEvent::Judged(generation, training, Arc::new(judged))
    })
}

/// Collects steps and tells them every few milliseconds.
struct Teller<'a> {
    generation: Generation,
    out: &'a Outbox<TrainEvent>,
    state: Mutex<Untold>,
}

struct Untold {
    steps: Vec<TrainStep>,
    told: Instant,
    best_accuracy: Option<f32>,
}

impl<'a> Teller<'a> {
    fn new(generation: Generation, out: &'a Outbox<TrainEvent>) -> Self {
        Self {
            generation,
            out,
            state: Mutex::new(Untold {
                steps: Vec::new(),
                told: Instant::now(),
                best_accuracy: None,
            }),
        }
    }

    fn take(&self, step: TrainStep) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if step.accuracy > state.best_accuracy {
            state.best_accuracy = step.accuracy;
        }
        state.steps.push(step);
        if state.told.elapsed() >= TELL_EVERY || step.step == step.total {
            state.told = Instant::now();
            let steps = std::mem::take(&mut state.steps);
            self.out.send(TrainEvent::Steps(self.generation, steps));
        }
    }

    fn flush(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.steps.is_empty() {
            let steps = std::mem::take(&mut state.steps);
            self.out.send(TrainEvent::Steps(self.generation, steps));
        }
    }

    fn best_accuracy(&self) -> Option<f32> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.best_accuracy
    }
}
