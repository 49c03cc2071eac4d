//! All methods side by side, kept up to date while photos are labelled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::App;
use crate::ids::{ClassId, Generation, PhotoId};
use crate::methods::Method;
use crate::progress::CancelToken;
use crate::worker::lesson::Fingerprint;
use crate::worker::scoring_worker::ScoreJob;
use crate::worker::study_worker::{Basis, CompareJob, Row, StudyJob, TestSet};

/// With fewer labelled photos, an accuracy on them says next to nothing.
pub const FEWEST_LABELLED: usize = 10;

/// Labels may arrive several times a second; the comparison follows more calmly.
const COMPARE_EVERY: Duration = Duration::from_millis(400);

/// What the comparison shows.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each asked for by itself"
)]
pub struct ComparisonView {
    /// Whether it is shown.
    pub is_open: bool,
    /// Whether methods that are trained take part.
    pub trains: bool,
    /// One row for each method that was measured so far, in the order of the menu.
    pub rows: Vec<Row>,
    /// What the figures rest on.
    pub basis: Option<Basis>,
    /// Labelled photos of the pool that are no shots.
    pub num_labelled: usize,
    /// Whether labelled photos are shots, so that none is left to judge by.
    pub labels_are_shots: bool,
    /// Whether it is being measured.
    pub is_running: bool,
    /// Methods of this round that are measured.
    pub num_done: usize,
}

/// What a comparison depends on.
#[derive(Clone, Debug, PartialEq)]
struct Question {
    fingerprint: Fingerprint,
    labelled: Vec<(PhotoId, Vec<usize>)>,
    trains: bool,
    judges_by_labels: bool,
}

/// The comparison that was asked for last.
#[derive(Default)]
pub(crate) struct Comparison {
    generation: Generation,
    cancel: CancelToken,
    asked: Option<Question>,
    last: Option<Instant>,
    pub(crate) view: ComparisonView,
}

impl App {
    /// The comparison of all methods.
    pub fn comparison(&self) -> &ComparisonView {
        &self.comparison.view
    }

    pub(super) fn show_comparison(&mut self, is_open: bool) {
        self.comparison.view.is_open = is_open;
        if !is_open {
            self.stop_comparing();
        }
    }

    pub(super) fn train_in_comparison(&mut self, trains: bool) {
        self.comparison.view.trains = trains;
    }

    /// Another project or model: what was measured belongs to the old one.
    pub(super) fn forget_comparison(&mut self) {
        self.stop_comparing();
        let view = ComparisonView {
            is_open: self.comparison.view.is_open,
            trains: self.comparison.view.trains,
            ..ComparisonView::default()
        };
        self.comparison.view = view;
    }

    fn stop_comparing(&mut self) {
        self.comparison.cancel.cancel();
        self.comparison.generation = self.comparison.generation.next();
        (self.comparison.asked, self.comparison.view.is_running) = (None, false);
    }

    /// Whether something changed that the open comparison depends on.
    pub(super) fn comparison_is_due(&self) -> bool {
        self.comparison.view.is_open
            && self
                .question()
                .is_some_and(|question| self.comparison.asked.as_ref() != Some(&question))
    }

    fn question(&self) -> Option<Question> {
        let lesson = self.scoring.lesson.as_ref()?;
        let learns = self.project().settings().learn_from_labels;
        let labelled = self.labelled_pool();
        let judges_by_labels = !learns && labelled.len() >= FEWEST_LABELLED;
        Some(Question {
            fingerprint: lesson.fingerprint,
            labelled: if judges_by_labels {
                labelled
            } else {
                Vec::new()
            },
            trains: self.comparison.view.trains,
            judges_by_labels,
        })
    }

    /// Labelled photos of the pool that have features, with the indices of their classes.
    fn labelled_pool(&self) -> Vec<(PhotoId, Vec<usize>)> {
        let project = self.project();
        let classes: Vec<ClassId> = project.classes().iter().map(|class| class.id).collect();
        let pool = project
            .pool()
            .iter()
            .filter_map(|photo| project.photo(*photo));
        pool.filter_map(|photo| {
            let place = |label| classes.iter().position(|class| *class == label);
            let labels: Vec<usize> = photo.labels().filter_map(place).collect();
            let judges = !labels.is_empty() && self.embedding.has(photo.id);
            judges.then_some((photo.id, labels))
        })
        .collect()
    }

    /// Measures anew when something changed and the last time is a moment ago.
    pub(super) fn compare_when_due(&mut self, now: Instant) {
        let is_calm = self
            .comparison
            .last
            .is_none_or(|last| now.duration_since(last) > COMPARE_EVERY);
        if !self.comparison.view.is_open || !is_calm || !self.comparison_is_due() {
            return;
        }
        let Some(question) = self.question() else {
            return;
        };
        self.comparison.cancel.cancel();
        self.comparison.cancel = CancelToken::default();
        let generation = self.comparison.generation.next();
        (self.comparison.generation, self.comparison.last) = (generation, Some(now));
        let num_labelled = self.labelled_pool().len();
        let view = &mut self.comparison.view;
        (view.is_running, view.num_done, view.num_labelled) = (true, 0, num_labelled);
        view.labels_are_shots = self.project.state().settings().learn_from_labels;
        let labelled = question.labelled.clone();
        let judges_by_labels = question.judges_by_labels;
        self.comparison.asked = Some(question);
        if judges_by_labels {
            self.submit_scoring(ScoreJob::Test(generation, labelled));
        } else {
            self.submit_comparison(None);
        }
    }

    /// The labelled photos are ready to be judged by.
    pub(super) fn compare_by(&mut self, generation: Generation, test: Option<Arc<TestSet>>) {
        if generation != self.comparison.generation || !self.comparison.view.is_running {
            return;
        }
        let test = test.filter(|test| !test.labels.is_empty());
        if let Some(test) = &test {
            self.comparison.view.num_labelled = test.labels.len();
        }
        self.submit_comparison(test);
    }

    fn submit_comparison(&mut self, test: Option<Arc<TestSet>>) {
        let (Some(lesson), Some(question)) = (&self.scoring.lesson, &self.comparison.asked) else {
            return;
        };
        let basis = if test.is_some() {
            Basis::Labelled
        } else {
            Basis::LeftOut
        };
        let job = CompareJob {
            generation: self.comparison.generation,
            lesson: Arc::clone(lesson),
            availability: self.fit.availability.clone(),
            test,
            trains: question.trains,
            cancel: self.comparison.cancel.clone(),
        };
        let view = &mut self.comparison.view;
        // Figures of another kind must not stand beside the new ones.
        if view.basis != Some(basis) {
            view.rows.clear();
        }
        view.basis = Some(basis);
        self.submit_study(StudyJob::Compare(job));
    }

    pub(super) fn take_in_row(&mut self, generation: Generation, row: Row) {
        if generation != self.comparison.generation {
            return;
        }
        let view = &mut self.comparison.view;
        view.num_done += 1;
        view.rows.retain(|old| old.method != row.method);
        view.rows.push(row);
        let place = |method: Method| Method::ALL.iter().position(|other| *other == method);
        view.rows.sort_by_key(|row| place(row.method));
    }

    pub(super) fn comparison_done(&mut self, generation: Generation) {
        if generation == self.comparison.generation {
            self.comparison.view.is_running = false;
        }
    }
}
