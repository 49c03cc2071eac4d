//! All methods side by side, cheap ones first; what was fitted for one set of labelled photos serves the next.

use std::collections::HashMap;
use std::sync::Arc;

use super::{CompareJob, StudyEvent, TestSet};
use crate::methods::{self, Classifier, Method, MethodError, Monitor, Parameters, tune_on_support};
use crate::progress::Progress;
use crate::worker::Outbox;
use crate::worker::lesson::{Fingerprint, Lesson};

/// What a method was judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Labelled photos that are no shots.
    Labelled,
    /// The shots, each scored by the others.
    LeftOut,
}

/// How a method did.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// So many photos are right, of so many.
    Measured {
        /// Rightly classified.
        num_right: usize,
        /// Judged.
        num_judged: usize,
        /// What by.
        basis: Basis,
    },
    /// It cannot be fitted, and what to do about it.
    Unavailable(String),
    /// It would have to be trained, which was not asked for.
    Untrained,
}

/// A method and how it did.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The method.
    pub method: Method,
    /// How it did.
    pub outcome: Outcome,
    /// The parameters that it was measured with, chosen on the shots.
    pub parameters: Parameters,
}

/// Fitted methods, kept for the next comparison.
#[derive(Default)]
pub(super) struct Comparing {
    known: HashMap<Method, Known>,
}

/// A method fitted on a lesson at parameters chosen on its shots.
struct Known {
    fingerprint: Fingerprint,
    base: Parameters,
    parameters: Parameters,
    classifier: Option<Arc<dyn Classifier>>,
    /// Right and judged shots, each scored by the others.
    left_out: Option<(usize, usize)>,
}

impl Comparing {
    pub(super) fn compare(&mut self, job: &CompareJob, out: &Outbox<StudyEvent>) {
        let (cheap, trained): (Vec<Method>, Vec<Method>) = Method::ALL
            .into_iter()
            .partition(|method| !method.is_trained());
        for method in cheap.into_iter().chain(trained) {
            if job.cancel.is_cancelled() {
                break;
            }
            match self.row(method, job) {
                Ok(row) => out.send(StudyEvent::Row(job.generation, row)),
                Err(MethodError::Cancelled(_)) => break,
                Err(error) => {
                    let row = Row {
                        method,
                        outcome: Outcome::Unavailable(error.to_string()),
                        parameters: job.parameters,
                    };
                    out.send(StudyEvent::Row(job.generation, row));
                }
            }
        }
        out.send(StudyEvent::Compared(job.generation));
    }

    fn row(&mut self, method: Method, job: &CompareJob) -> Result<Row, MethodError> {
        let row = |outcome, parameters| Row {
            method,
            outcome,
            parameters,
        };
        if let Err(error) = methods::check(method, &job.lesson.knowledge()) {
            return Ok(row(Outcome::Unavailable(error.to_string()), job.parameters));
        }
        if method.is_trained() && !job.trains {
            return Ok(row(Outcome::Untrained, job.parameters));
        }
        let known = self.fitted(method, job)?;
        let outcome = match (&job.test, &known.classifier, known.left_out) {
            (Some(test), Some(classifier), _) => measured(classifier.as_ref(), test)?,
            (_, _, Some((num_right, num_judged))) => Outcome::Measured {
                num_right,
                num_judged,
                basis: Basis::LeftOut,
            },
            _ => Outcome::Unavailable(
                "No class has two shots, so that none can be left out: add shots".to_owned(),
            ),
        };
        Ok(row(outcome, known.parameters))
    }

    fn fitted(&mut self, method: Method, job: &CompareJob) -> Result<&Known, MethodError> {
        let is_known = self.known.get(&method).is_some_and(|known| {
            known.fingerprint == job.lesson.fingerprint && known.base == job.parameters
        });
        if !is_known {
            let known = learn(method, job)?;
            self.known.insert(method, known);
        }
        self.known
            .get(&method)
            .ok_or(MethodError::FixedOnly { method })
    }
}

fn learn(method: Method, job: &CompareJob) -> Result<Known, MethodError> {
    let lesson: &Lesson = &job.lesson;
    let knowledge = lesson.knowledge();
    let progress = Progress::new(&|_, _| (), &job.cancel);
    let tuned = tune_on_support(method, &job.parameters, &knowledge, &progress)?;
    let judged = &tuned.held_out;
    let right = judged.logits.top_classes();
    let right = right.iter().zip(&judged.labels);
    let num_right = right.filter(|(class, label)| class == label).count();
    let left_out = (!judged.labels.is_empty()).then_some((num_right, judged.labels.len()));
    let (given, found, watching) = (&job.parameters, &tuned.parameters, Monitor::silent());
    let classifier = methods::fit_tuned(method, given, found, &knowledge, &watching)?;
    Ok(Known {
        fingerprint: lesson.fingerprint,
        base: job.parameters,
        parameters: tuned.parameters,
        classifier: Some(classifier.into()),
        left_out,
    })
}

fn measured(classifier: &dyn Classifier, test: &TestSet) -> Result<Outcome, MethodError> {
    let classes = classifier.logits(test.queries())?.top_classes();
    let pairs = classes.iter().zip(&test.labels);
    Ok(Outcome::Measured {
        num_right: pairs.filter(|(class, label)| class == label).count(),
        num_judged: test.labels.len(),
        basis: Basis::Labelled,
    })
}
