//! All methods side by side, cheap ones first; what was fitted for one set of labelled photos serves the next.

use std::collections::HashMap;
use std::sync::Arc;

use super::{CompareJob, StudyEvent, TestSet};
use crate::methods::{self, Classifier, Family, HeldOut, Method, MethodError, Monitor, Parameters};
use crate::progress::{Cancelled, Progress};
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
    parameters: Parameters,
    classifier: Arc<dyn Classifier>,
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
                        parameters: published(method, &job.lesson),
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
        if method.family() == Family::TextTraining {
            let said = "trained through the text tower: choose it as the method to train it";
            return Ok(row(
                Outcome::Unavailable(said.to_owned()),
                published(method, &job.lesson),
            ));
        }
        let mut known = job.availability.iter();
        let obstacle = known.find(|known| known.method == method);
        if let Some(reason) = obstacle.and_then(|known| known.obstacle.clone()) {
            let parameters = published(method, &job.lesson);
            return Ok(row(Outcome::Unavailable(reason), parameters));
        }
        if method.is_trained() && !job.trains {
            return Ok(row(Outcome::Untrained, published(method, &job.lesson)));
        }
        let known = self.fitted(method, job)?;
        let outcome = match (&job.test, known.left_out) {
            (Some(test), _) => measured(known.classifier.as_ref(), test)?,
            (None, Some((num_right, num_judged))) => Outcome::Measured {
                num_right,
                num_judged,
                basis: Basis::LeftOut,
            },
            (None, None) => Outcome::Unavailable(
                "no class has two shots, so that none can be left out: add shots".to_owned(),
            ),
        };
        Ok(row(outcome, known.parameters))
    }

    fn fitted(&mut self, method: Method, job: &CompareJob) -> Result<&Known, MethodError> {
        let is_known = self
            .known
            .get(&method)
            .is_some_and(|known| known.fingerprint == job.lesson.fingerprint);
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
    let given = published(method, lesson);
    let progress = Progress::new(&|_, _| (), &job.cancel);
    let tuned = lesson.judged(method, &given, true, &progress)?;
    let monitor = Monitor::new(&|_| (), Some(&job.cancel));
    let classifier = methods::fit_tuned(method, &given, &tuned.parameters, &knowledge, &monitor)?;
    // A training that was ended early is not what the method can do.
    if job.cancel.is_cancelled() {
        return Err(Cancelled.into());
    }
    Ok(Known {
        fingerprint: lesson.fingerprint,
        parameters: tuned.parameters,
        classifier: classifier.into(),
        left_out: right_of(&tuned.held_out),
    })
}

/// Right and judged shots, each scored by the others; `None` where none could be left out.
fn right_of(judged: &HeldOut) -> Option<(usize, usize)> {
    let right = judged.logits.top_classes();
    let right = right.iter().zip(&judged.labels);
    let num_right = right.filter(|(class, label)| class == label).count();
    (!judged.labels.is_empty()).then_some((num_right, judged.labels.len()))
}

/// What the method's authors publish for so many shots.
fn published(method: Method, lesson: &Lesson) -> Parameters {
    let shots = lesson.support.shots_per_class().into_iter().max();
    Parameters::published(method, shots.unwrap_or(0))
}

fn measured(classifier: &dyn Classifier, test: &TestSet) -> Result<Outcome, MethodError> {
    let classes = classifier.logits(test.queries())?.top_classes();
    Ok(Outcome::Measured {
        num_right: test.num_right(&classes),
        num_judged: test.labels.len(),
        basis: Basis::Labelled,
    })
}
