//! Adapter files: which there are, and training one.

use std::path::PathBuf;

use super::files::photos;
use super::scoring::inspecting::figures_of;
use super::{AdapterChoice, AdapterOption, App, OverlapFigures};
pub use crate::clip::PixelValues;
use crate::engine::adapter_training::Outcome;
pub use crate::engine::adapter_training::{
    Loss, Plan, Preset, Step as TrainingStep, TrainingOptions,
};
use crate::ids::Generation;
use crate::progress::CancelToken;
use crate::project::{Locations, Settings};
use crate::worker::adapter_trainer::{AdapterEvent, AdapterJob, AdapterPhotos};
use crate::worker::clip_worker::{ClipJob, FoundAdapter};

/// An adapter that is to be trained.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterRequest {
    /// Its name; the file goes into Shotlens' own folder.
    pub name: String,
    /// A folder of class folders to learn from; `None` is the support set.
    pub folder: Option<PathBuf>,
    /// How; where the state is kept is not its business.
    pub options: TrainingOptions,
}

/// The dialog for training an adapter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdapterTrainingView {
    /// It is on screen.
    pub is_open: bool,
    /// What the next one learns from; `None` is the support set.
    pub folder: Option<PathBuf>,
    /// How the training stands.
    pub stage: AdapterStage,
    /// The adapter's name.
    pub name: String,
    /// What was decided, once it is.
    pub plan: Option<Plan>,
    /// The last step.
    pub step: Option<TrainingStep>,
    /// Loss before each step, `[step, loss]`.
    pub losses: Vec<[f64; 2]>,
    /// The photos held out, by original features.
    pub before: Option<OverlapFigures>,
    /// The same through the adapter, after so many steps.
    pub after: Option<(usize, OverlapFigures)>,
}

/// How the training of an adapter stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum AdapterStage {
    /// Nothing was asked for yet.
    #[default]
    Idle,
    /// Photos are read, steps are taken.
    Running,
    /// Somebody ended it: the best so far is being written.
    Ending,
    /// The file is written; in words, what it came to.
    Done(String),
    /// It was ended before there was anything to keep.
    Stopped,
    /// It did not work, and why.
    Failed(String),
}

impl AdapterStage {
    /// Whether a thread is at it.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Running | Self::Ending)
    }
}

/// The training that was asked for last, and the files that are known.
#[derive(Default)]
pub(crate) struct Adapters {
    generation: Generation,
    cancel: CancelToken,
    pub(crate) view: AdapterTrainingView,
    /// The embedding's generation when training began: where it is over, the project or model is another one.
    began_with: Generation,
    found: Vec<FoundAdapter>,
    /// Files that a project named and that lie elsewhere.
    named: Vec<PathBuf>,
}

impl App {
    /// The dialog for training an adapter.
    pub fn adapter_training(&self) -> &AdapterTrainingView {
        &self.trained_adapters.view
    }

    /// Names of adapters that there are already.
    pub fn adapter_names(&self) -> impl Iterator<Item = String> + '_ {
        let finished = |found: &&FoundAdapter| !found.is_unfinished;
        let found = self.trained_adapters.found.iter().filter(finished);
        found.map(|found| name_of(&found.path))
    }

    /// Names under which a training was interrupted.
    pub fn unfinished_adapters(&self) -> impl Iterator<Item = String> + '_ {
        let found = self.trained_adapters.found.iter();
        found
            .filter(|found| found.is_unfinished)
            .map(|found| name_of(&found.path))
    }

    pub(super) fn show_adapter_training(&mut self, is_open: bool) {
        let view = &mut self.trained_adapters.view;
        view.is_open = is_open;
        if is_open && !view.stage.is_busy() {
            *view = AdapterTrainingView {
                is_open,
                ..AdapterTrainingView::default()
            };
            self.list_adapters();
        }
    }

    pub(super) fn train_adapter(&mut self, request: AdapterRequest) {
        if self.trained_adapters.view.stage.is_busy() {
            self.warn("One adapter at a time: end the other training first");
            return;
        }
        let Some(out) = file_for(&request.name) else {
            self.error("There is no folder for adapters: set SHOTLENS_HOME to a folder that Shotlens may write");
            return;
        };
        let photos = match request.folder {
            Some(folder) => AdapterPhotos::Folder(folder),
            None => self.labelled_photos(),
        };
        let mut checkpoint = out.clone().into_os_string();
        checkpoint.push(".training");
        let adapters = &mut self.trained_adapters;
        adapters.generation = adapters.generation.next();
        adapters.cancel = CancelToken::default();
        adapters.began_with = self.embedding.epoch();
        adapters.view = AdapterTrainingView {
            is_open: true,
            folder: adapters.view.folder.take(),
            stage: AdapterStage::Running,
            name: request.name,
            ..AdapterTrainingView::default()
        };
        let job = AdapterJob {
            generation: adapters.generation,
            photos,
            options: TrainingOptions {
                checkpoint: Some(checkpoint.into()),
                ..request.options
            },
            out,
            cancel: adapters.cancel.clone(),
        };
        self.submit_clip(ClipJob::TrainAdapter(Box::new(job)));
    }

    /// The support set as files.
    fn labelled_photos(&self) -> AdapterPhotos {
        let project = self.project();
        let files = self.support().into_iter().filter_map(|(photo, class)| {
            let photo = project.photo(photo)?;
            Some((photo.path.to_path_buf(), class))
        });
        let names = project.classes().iter().map(|class| class.name.clone());
        AdapterPhotos::Labelled(files.collect(), names.collect())
    }

    /// Ends the training; the best so far is kept.
    pub(super) fn end_adapter_training(&mut self) {
        let adapters = &mut self.trained_adapters;
        if adapters.view.stage == AdapterStage::Running {
            adapters.cancel.cancel();
            adapters.view.stage = AdapterStage::Ending;
        }
    }

    pub(super) fn take_in_adapter(&mut self, generation: Generation, event: AdapterEvent) {
        if generation != self.trained_adapters.generation {
            return;
        }
        let view = &mut self.trained_adapters.view;
        match event {
            AdapterEvent::Planned(plan) => view.plan = Some(plan),
            AdapterEvent::Steps(steps) => {
                // A worker that was started again goes on from an earlier step.
                let first = steps.first().map_or(0.0, |step| step.step as f64);
                view.losses.retain(|[step, _]| *step < first);
                let points = steps
                    .iter()
                    .map(|step| [step.step as f64, f64::from(step.loss)]);
                view.losses.extend(points);
                view.step = steps.last().copied().or(view.step);
            }
            AdapterEvent::Looked(0, overlap) => view.before = Some(figures_of(&overlap)),
            AdapterEvent::Looked(step, overlap) => view.after = Some((step, figures_of(&overlap))),
            AdapterEvent::Finished(path, outcome) => self.adapter_trained(path, &outcome),
            AdapterEvent::Cancelled => view.stage = AdapterStage::Stopped,
            AdapterEvent::Failed(message) => {
                self.error(format!("No adapter was trained: {message}"));
                self.trained_adapters.view.stage = AdapterStage::Failed(message);
            }
        }
    }

    /// A new adapter: it is what the person waited for, so it is put to use.
    fn adapter_trained(&mut self, path: PathBuf, outcome: &Outcome) {
        let adapters = &mut self.trained_adapters;
        let is_here = adapters.began_with == self.embedding.epoch();
        let said = in_words(outcome, is_here);
        adapters.view.stage = AdapterStage::Done(said.clone());
        let is_seen = adapters.view.is_open;
        self.list_adapters();
        if is_here {
            self.apply(super::Command::SetAdapter(AdapterChoice::File(path)));
        }
        if !is_seen {
            self.info(said);
        }
    }

    /// Asks which adapter files there are, for the menu.
    pub(super) fn list_adapters(&mut self) {
        if let Some(folder) = Locations::find().ok().map(|found| found.adapters()) {
            self.submit_clip(ClipJob::ListAdapters(folder));
        }
    }

    pub(super) fn adapters_listed(&mut self, found: Vec<FoundAdapter>) {
        self.trained_adapters.found = found;
        self.offer_adapters();
    }

    /// Puts files behind what every model can have in the menu; those that projects named stay there.
    pub(super) fn offer_adapters(&mut self) {
        let current = self.project.state().settings();
        if let Some(path) = named_file(current)
            && !self.trained_adapters.named.contains(&path)
        {
            self.trained_adapters.named.push(path);
        }
        let is_file = |option: &AdapterOption| matches!(option.choice, AdapterChoice::File(_));
        self.adapters.retain(|option| !is_file(option));
        let Adapters { found, named, .. } = &self.trained_adapters;
        let finished = found.iter().filter(|found| !found.is_unfinished);
        self.adapters
            .extend(finished.clone().map(|found| AdapterOption {
                choice: AdapterChoice::File(found.path.clone()),
                title: name_of(&found.path),
                summary: found.summary.clone(),
                unavailable: found.unavailable.clone(),
            }));
        let is_listed = |path: &PathBuf| finished.clone().any(|found| found.path == *path);
        let elsewhere = named.iter().filter(|path| !is_listed(path));
        self.adapters.extend(elsewhere.map(|path| AdapterOption {
            choice: AdapterChoice::File(path.clone()),
            title: name_of(path),
            summary: path.display().to_string(),
            unavailable: None,
        }));
    }
}

/// The adapter file that settings name.
pub(super) fn named_file(settings: &Settings) -> Option<PathBuf> {
    use crate::engine::adapted::AdapterSpec;
    match settings.adapter.as_deref()?.parse().ok()? {
        AdapterSpec::File(path) => Some(path),
        AdapterSpec::IsoClip(_) | AdapterSpec::Pca(_) => None,
    }
}

fn in_words(outcome: &Outcome, is_here: bool) -> String {
    let numbers = |before: Option<f64>, after: Option<f64>, name: &str| {
        Some(format!("{name} {:.2} → {:.2}", before?, after?))
    };
    let (before, after) = (outcome.before, outcome.after);
    let figures: Vec<String> = [
        numbers(before.overlap, after.overlap, "overlap"),
        numbers(before.auroc, after.auroc, "AUROC"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let judged = if figures.is_empty() {
        String::new()
    } else {
        let held_out = photos(outcome.num_held_out);
        format!(
            ": {} on {held_out} that it did not learn from",
            figures.join(", ")
        )
    };
    let use_of_it = if is_here {
        "It is in use now"
    } else {
        "Choose it in the menu of adapted features"
    };
    format!(
        "Trained on {} in {} steps{judged}. {use_of_it}",
        photos(outcome.num_photos),
        outcome.kept_step
    )
}

/// Where an adapter of this name goes; characters that no file may have become spaces.
fn file_for(name: &str) -> Option<PathBuf> {
    let is_bad = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
    let name = name.replace(is_bad, " ");
    let folder = Locations::find().ok()?.adapters();
    Some(folder.join(format!("{}.safetensors", name.trim())))
}

pub(super) fn name_of(path: &std::path::Path) -> String {
    let stem = path.file_stem();
    stem.map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::adapter_training::Figures;

    fn outcome(overlap: Option<f64>) -> Outcome {
        let figures = |overlap| Figures {
            overlap,
            auroc: None,
        };
        Outcome {
            num_photos: 36,
            num_held_out: 12,
            num_classes: 6,
            steps: 100,
            kept_step: 75,
            before: figures(overlap),
            after: figures(overlap.map(|before| before / 2.0)),
            is_finished: true,
        }
    }

    #[test]
    fn a_training_is_told_with_its_figures_and_what_became_of_it() {
        let said = in_words(&outcome(Some(0.5)), true);
        assert_eq!(
            said,
            "Trained on 36 photos in 75 steps: overlap 0.50 → 0.25 on 12 photos that it did not learn from. It is in use now"
        );
        assert!(
            in_words(&outcome(None), false)
                .ends_with("75 steps. Choose it in the menu of adapted features")
        );
    }

    #[test]
    fn a_training_goes_from_begin_to_the_file_in_the_menu() {
        let mut app = App::default();
        app.show_adapter_training(true);
        app.train_adapter(AdapterRequest {
            name: "mine".to_owned(),
            folder: None,
            options: TrainingOptions::default(),
        });
        assert_eq!(app.adapter_training().stage, AdapterStage::Running);
        let generation = app.trained_adapters.generation;
        let step = TrainingStep {
            step: 1,
            total: 300,
            loss: 2.0,
            images_per_second: 40.0,
            seconds_left: 9.0,
        };
        app.take_in_adapter(generation, AdapterEvent::Steps(vec![step]));
        assert_eq!(app.adapter_training().losses, [[1.0, 2.0]]);
        app.end_adapter_training();
        assert_eq!(app.adapter_training().stage, AdapterStage::Ending);
        let path = PathBuf::from("/data/adapters/mine.safetensors");
        let finished = AdapterEvent::Finished(path.clone(), Box::new(outcome(Some(0.5))));
        app.take_in_adapter(generation.next(), finished.clone());
        assert!(
            app.adapter_training().stage.is_busy(),
            "an older job's end counted"
        );
        app.take_in_adapter(generation, finished);
        assert!(
            matches!(&app.adapter_training().stage, AdapterStage::Done(said) if said.contains("0.50 → 0.25"))
        );
        assert_eq!(app.project().settings().adapter.as_deref(), path.to_str());
        app.adapters_listed(vec![]);
        let choice = AdapterChoice::File(path);
        assert!(
            app.adapter_options()
                .iter()
                .any(|option| option.choice == choice)
        );
    }
}
