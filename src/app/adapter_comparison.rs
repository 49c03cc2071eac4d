//! Adapters side by side: overlap, variance, accuracy, and whether less overlap comes back as accuracy.

use std::path::{Path, PathBuf};

use super::adapters::{name_of, named_file};
use super::scoring::inspecting::figures_of;
use super::{AdapterChoice, App, OverlapFigures};
use crate::engine::report::{Basis, MethodRow, Report};
use crate::ids::Generation;
use crate::methods::Method;
use crate::methods::overlap::{ClassVariance, ScatterPoint};
use crate::progress::CancelToken;
use crate::worker::adapter_comparer::{AdapterComparisonJob, ComparisonEvent};
use crate::worker::clip_worker::ClipJob;

/// The ++ methods that adapters are compared by, each beside the one without ++.
pub const COMPARED: [(Method, Method); 3] = [
    (Method::TipAdapter, Method::TipAdapterPp),
    (Method::TipX, Method::TipXPp),
    (Method::Ape, Method::ApePp),
];

/// One kind of features.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterRow {
    /// As "IsoCLIP (0, 0)", or the file's name.
    pub title: String,
    /// Overlap of the shots; `None` where the adapter was trained on all of them.
    pub figures: Option<OverlapFigures>,
    /// Variance of the features within and between classes.
    pub variance: Option<ClassVariance>,
    /// Share that each of [`COMPARED`] gets right, percent of the mean over classes.
    pub accuracy: [Option<f64>; 3],
    /// What to know of the figures.
    pub notes: Vec<String>,
}

/// What the window shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdapterComparisonView {
    /// Whether it is shown.
    pub is_open: bool,
    /// Whether more is to come.
    pub is_running: bool,
    /// The original features first.
    pub rows: Vec<AdapterRow>,
    /// The rows whose histograms are shown as before and after.
    pub sides: [usize; 2],
    /// A point per class: the project's adapter.
    pub classes: Vec<ScatterPoint>,
    /// A point per ++ method and adapter.
    pub methods: Vec<ScatterPoint>,
    /// Whether labelled photos judge, else the shots, cross-fitted.
    pub judges_by_labels: bool,
    /// What could not be compared, and why.
    pub problems: Vec<String>,
}

/// The comparison that was asked for last.
#[derive(Default)]
pub(crate) struct AdapterComparison {
    generation: Generation,
    cancel: CancelToken,
    pub(crate) view: AdapterComparisonView,
}

impl App {
    /// Adapters side by side.
    pub fn adapter_comparison(&self) -> &AdapterComparisonView {
        &self.adapter_comparison.view
    }

    pub(super) fn show_adapter_comparison(&mut self, is_open: bool) {
        self.adapter_comparison.cancel.cancel();
        let generation = self.adapter_comparison.generation.next();
        self.adapter_comparison = AdapterComparison {
            generation,
            cancel: CancelToken::default(),
            view: AdapterComparisonView {
                is_open,
                is_running: is_open,
                sides: [0, 1],
                ..AdapterComparisonView::default()
            },
        };
        if !is_open {
            return;
        }
        let job = AdapterComparisonJob {
            generation,
            state: self.project().clone(),
            files: self.other_adapter_files(),
            cancel: self.adapter_comparison.cancel.clone(),
        };
        self.submit_clip(ClipJob::CompareAdapters(Box::new(job)));
    }

    /// Usable adapter files that are not the project's own.
    fn other_adapter_files(&self) -> Vec<PathBuf> {
        let own = named_file(self.project().settings());
        let usable = self
            .adapters
            .iter()
            .filter(|option| option.unavailable.is_none());
        let files = usable.filter_map(|option| match &option.choice {
            AdapterChoice::File(path) if Some(path) != own.as_ref() => Some(path.clone()),
            _ => None,
        });
        files.collect()
    }

    pub(super) fn choose_side(&mut self, side: usize, row: usize) {
        let sides = &mut self.adapter_comparison.view.sides;
        if let Some(chosen) = sides.get_mut(side) {
            *chosen = row;
        }
    }

    pub(super) fn adapters_compared(&mut self, generation: Generation, event: ComparisonEvent) {
        if generation != self.adapter_comparison.generation {
            return;
        }
        let own = named_file(self.project().settings());
        let view = &mut self.adapter_comparison.view;
        match event {
            ComparisonEvent::Report(report) if view.rows.is_empty() => {
                view.begin(&report, own.as_deref());
            }
            ComparisonEvent::Report(report) => view.add(&report),
            ComparisonEvent::Unusable(file, reason) => {
                view.problems.push(format!("{}: {reason}", name_of(&file)));
            }
            ComparisonEvent::Finished(problem) => {
                view.is_running = false;
                view.problems.extend(problem);
            }
        }
    }
}

impl AdapterComparisonView {
    /// Takes the original features, the project's own adapter and those that need no training from the first report.
    fn begin(&mut self, report: &Report, own: Option<&Path>) {
        self.judges_by_labels = report.basis == Basis::Labelled;
        self.rows.extend(original(report));
        for (place, _) in report.spaces.iter().enumerate() {
            let mut row = of_space(report, place);
            if let Some(own) = own.filter(|_| place == 0 && report.stand_in.is_none()) {
                row.title = name_of(own);
            }
            self.rows.push(row);
        }
        self.classes.clone_from(&report.class_points);
        self.methods
            .extend(report.method_points.iter().map(|found| found.point.clone()));
        self.problems.extend(report.stand_in.clone());
        let unavailable = report.unavailable.iter();
        self.problems
            .extend(unavailable.map(|(name, reason)| format!("{name}: {reason}")));
    }

    /// Takes the first kind of adapted features from a further report.
    fn add(&mut self, report: &Report) {
        if report.spaces.is_empty() {
            return;
        }
        self.rows.push(of_space(report, 0));
        let own = report.method_points.iter().filter(|found| found.space == 0);
        self.methods.extend(own.map(|found| found.point.clone()));
    }
}

/// The original features, of all shots or of those that the first adapter has not seen.
fn original(report: &Report) -> Option<AdapterRow> {
    let space = report.spaces.first()?;
    let accuracy = |method| accuracy_of(report, |row| row.method == method);
    Some(AdapterRow {
        title: "Original features".to_owned(),
        figures: Some(figures_of(&space.before)),
        variance: Some(space.variance_before),
        accuracy: COMPARED.map(|(plain, _)| accuracy(plain)),
        notes: Vec::new(),
    })
}

fn of_space(report: &Report, place: usize) -> AdapterRow {
    let space = &report.spaces[place];
    let accuracy = |method| {
        accuracy_of(report, |row| {
            row.method == method && row.space.as_ref() == Some(&space.title)
        })
    };
    AdapterRow {
        title: space.title.clone(),
        figures: space.after.as_ref().map(figures_of),
        variance: space.variance_after,
        accuracy: COMPARED.map(|(_, adapted)| accuracy(adapted)),
        notes: space.notes.clone(),
    }
}

fn accuracy_of(report: &Report, is_wanted: impl Fn(&MethodRow) -> bool) -> Option<f64> {
    let row = report.methods.iter().find(|row| is_wanted(row))?;
    let accuracy = match report.basis {
        Basis::Labelled => row.labelled,
        Basis::Shots => row.shots,
    };
    accuracy.map(|found| found.mean_recall)
}
