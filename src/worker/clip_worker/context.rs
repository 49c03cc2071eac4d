//! `CoOp`: context words learnt through the text tower, told as the training worker tells its trainings.

use std::time::Instant;

use crate::engine::coop::{CoOpOptions, CoOpStep, LearnedContext};
use crate::engine::{Engine, EngineError};
use crate::methods::{self, Knowledge, TrainStep};
use crate::progress::Progress;
use crate::worker::lesson::{Trained, Training};
use crate::worker::training_worker::{TELL_EVERY, TrainEvent, TrainJob};

/// Learns and tells all of it.
pub(super) fn learn(
    engine: &Engine,
    job: &TrainJob,
    names: &[String],
    tell: &mut dyn FnMut(TrainEvent),
) {
    let defaults = CoOpOptions::default();
    let options = CoOpOptions {
        epochs: job.parameters.epochs,
        learning_rate: job
            .parameters
            .learning_rate
            .map_or(defaults.learning_rate, f64::from),
        seed: job.parameters.seed,
        ..defaults
    };
    let (mut steps, mut told) = (Vec::new(), Instant::now());
    let mut on_step = |step: CoOpStep| {
        steps.push(TrainStep {
            step: step.step,
            total: step.total,
            loss: step.loss,
            accuracy: None,
        });
        if told.elapsed() >= TELL_EVERY || step.step == step.total {
            told = Instant::now();
            tell(TrainEvent::Steps(
                job.generation,
                std::mem::take(&mut steps),
            ));
        }
    };
    let progress = Progress::new(&|_, _| (), &job.cancel);
    let support = &job.lesson.support;
    let learned = engine.learn_context(names, support, &options, &progress, &mut on_step);
    let event = match learned {
        Ok(learned) => trained(job, &learned),
        Err(EngineError::Cancelled(_)) => TrainEvent::Cancelled(job.generation),
        Err(error) => TrainEvent::Failed(job.generation, error.to_string()),
    };
    tell(event);
}

/// The method with the texts that were learnt.
fn trained(job: &TrainJob, learned: &LearnedContext) -> TrainEvent {
    let knowledge = Knowledge {
        learned_text: Some(&learned.text),
        ..job.lesson.knowledge()
    };
    match methods::fit(job.method, &job.parameters, &knowledge) {
        Ok(classifier) => TrainEvent::Finished(
            job.generation,
            Box::new(Trained {
                training: Training::new(job.method, &job.parameters, &job.lesson),
                classifier: classifier.into(),
                judged: None,
            }),
        ),
        Err(error) => TrainEvent::Failed(job.generation, error.to_string()),
    }
}
