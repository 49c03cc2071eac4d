//! Made-up projects for the window's tests: the demo's pictures with predictions that no model made.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::app::{
    Activity, AdapterChoice, AdapterOption, AdapterStage, AdapterTrainingView, App, AvailableModel,
    Command, ComparisonView, Inspection, ModelState, ModelStatus, OverlapFigures, PairKind,
    PairList, Plan, Preset, SavedStatus, SkippedFile, TrainingStage, TrainingStep, TrainingView,
    Vote, scoring::Scoring,
};
use crate::ids::{ClassId, PhotoId};
use crate::methods::surface::Surface;
use crate::methods::{Method, Parameters};
use crate::project::{self, Edit, FileStamp, LabelSource, Project, ProjectState, Role, Settings};
use crate::worker::evidence_set::Scored;
use crate::worker::scoring_worker::{Availability, PoolPredictions};
use crate::worker::study_worker::{Basis, Outcome, Row};

use super::thumbnails::ReadThumbnail;

/// Even numbers from 0 to 1, the same in every run.
struct Dice(u32);

impl Dice {
    fn roll(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 24) as f32
    }
}

/// Reads photos as the program does, more simply.
pub(super) fn read_thumbnail() -> ReadThumbnail {
    Arc::new(|path: &Path, side: u32| {
        let picture = image::open(path).map_err(|err| err.to_string())?;
        Ok(picture.thumbnail(side, side).into_rgb8())
    })
}

/// A window that was just opened on nothing.
pub(super) fn empty() -> App {
    let mut app = App {
        title: "Untitled".to_owned(),
        ..App::default()
    };
    model(&mut app);
    app
}

/// The demo as it stands after embedding: six classes, eight shots each, predictions, both histograms.
pub(super) fn demo() -> App {
    let mut app = App {
        title: "Demo".to_owned(),
        is_demo: true,
        ..empty()
    };
    let mut state = ProjectState::new();
    let truth = add_demo_photos(&mut state);
    app.project = Project::without_file(state);
    predict(&mut app, &truth, false);
    label_some(&mut app, &truth);
    app.selected = Some(app.gallery.photos[1]);
    app.inspection = Some(inspection(&app, app.gallery.photos[1]));
    fit(&mut app);
    overlap(&mut app);
    app.saved = SavedStatus::Saved(SystemTime::now() + Duration::from_hours(1));
    app
}

/// The demo with one to five labels on the first photos.
pub(super) fn several_labels() -> App {
    let mut app = demo();
    app.apply(Command::SetMultiLabel(true));
    let classes = app.project.state().classes().iter();
    let classes: Vec<ClassId> = classes.map(|class| class.id).collect();
    for (photo, count) in app
        .gallery
        .photos
        .clone()
        .into_iter()
        .zip([2, 3, 5, 1, 2, 4])
    {
        let predicted = app.prediction(photo).map(|prediction| prediction.class);
        app.apply(Command::Label(vec![photo], None));
        let others = classes.iter().filter(|class| Some(**class) != predicted);
        let labels: Vec<ClassId> = predicted.into_iter().chain(others.copied()).collect();
        for class in &labels[..count] {
            app.apply(Command::Label(vec![photo], Some(*class)));
        }
    }
    app.apply(Command::Select(Some(app.gallery.photos[1])));
    app.inspection = Some(inspection(&app, app.gallery.photos[1]));
    app
}

/// A real project while it embeds, with everything in the status bar.
pub(super) fn busy() -> App {
    let mut app = App {
        title: "winter-coats.shotlens".to_owned(),
        is_demo: false,
        ..demo()
    };
    app.model.name = "CLIP ViT-B/32".to_owned();
    app.model.is_demo = false;
    app.activity = Activity {
        label: Some("Embedding".to_owned()),
        done: 312,
        total: 1204,
        rate: Some(41.0),
        seconds_left: Some(21.0),
        paused: false,
    };
    app.skipped = ["broken.jpg", "huge.png", "empty.tif"]
        .map(|name| SkippedFile {
            path: PathBuf::from("/photos").join(name),
            reason: "not a picture: the file ends before its header does".to_owned(),
        })
        .to_vec();
    let truth: Vec<(PhotoId, ClassId)> = pool_truth(app.project.state());
    predict(&mut app, &truth, true);
    app
}

/// Names in several scripts.
pub(super) const MANY_NAMES: [&str; 6] = [
    "帽子",
    "فستان",
    "🐛 caterpillars",
    "Çiçek",
    "цветок",
    "καπέλο",
];

/// `num_classes` classes and a large pool; without pictures, because most are never on screen.
pub(super) fn many(num_classes: usize, num_photos: usize) -> App {
    let mut app = empty();
    let mut project = ProjectState::new();
    let classes: Vec<ClassId> = (0..num_classes)
        .map(|index| {
            let name = MANY_NAMES.get(index).map_or_else(
                || format!("class number {}", index + 1),
                ToString::to_string,
            );
            add_class(&mut project, &name)
        })
        .collect();
    let paths: Vec<PathBuf> = pool_paths().into_iter().map(|(path, _)| path).collect();
    let mut truth = Vec::new();
    let photos = (0..num_photos)
        .map(|index| {
            let path = paths.get(index).cloned();
            let path = path.unwrap_or_else(|| format!("/pool/{index:06}.jpg").into());
            let photo = project.new_photo(&path, Role::Pool, FileStamp::default());
            truth.push((photo.id, classes[index * 7 % num_classes]));
            photo
        })
        .collect();
    project::apply(&mut project, Edit::AddPhotos(photos)).unwrap();
    app.project = Project::without_file(project);
    predict(&mut app, &truth, false);
    app.selected = app.gallery.photos.first().copied();
    app.inspection = Some(inspection(&app, app.gallery.photos[0]));
    app
}

fn demo_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo")
}

/// The pictures below a folder with the name of the folder they are in, in order.
fn class_photos(folder: &str) -> Vec<(PathBuf, String)> {
    let sorted = |folder: &Path| {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        paths
    };
    let mut photos = Vec::new();
    for class in sorted(&demo_folder().join(folder)) {
        let name = class.file_name().unwrap().to_string_lossy().into_owned();
        photos.extend(sorted(&class).into_iter().map(|path| (path, name.clone())));
    }
    photos
}

/// The pool, its classes mixed.
fn pool_paths() -> Vec<(PathBuf, String)> {
    let mut photos = class_photos("pool");
    let mut dice = Dice(7);
    for index in (1..photos.len()).rev() {
        photos.swap(index, (dice.roll() * (index + 1) as f32) as usize);
    }
    photos
}

fn add_class(project: &mut ProjectState, name: &str) -> ClassId {
    let class = project.new_class(name);
    let id = class.id;
    project::apply(project, Edit::AddClass(class)).unwrap();
    id
}

/// Adds shots and pool; returns the pool with what it shows.
fn add_demo_photos(project: &mut ProjectState) -> Vec<(PhotoId, ClassId)> {
    let mut photos = Vec::new();
    for (path, name) in class_photos("support") {
        let class = project.class_named(&name).map(|class| class.id);
        let class = class.unwrap_or_else(|| add_class(project, &name));
        photos.push(project.new_photo(&path, Role::Shot(class), FileStamp::default()));
    }
    let mut truth = Vec::new();
    for (path, name) in pool_paths() {
        let class = project.class_named(&name).unwrap().id;
        let photo = project.new_photo(&path, Role::Pool, FileStamp::default());
        truth.push((photo.id, class));
        photos.push(photo);
    }
    project::apply(project, Edit::AddPhotos(photos)).unwrap();
    truth
}

/// What the photos of the demo's pool show: the folder they are in.
fn pool_truth(project: &ProjectState) -> Vec<(PhotoId, ClassId)> {
    let class_of = |photo: &PhotoId| {
        let folder = project.photo(*photo)?.path.parent()?.file_name()?;
        let class = project.class_named(folder.to_str()?)?;
        Some((*photo, class.id))
    };
    project.pool().iter().filter_map(class_of).collect()
}

/// Mostly right, with varying confidence.
fn predict(app: &mut App, truth: &[(PhotoId, ClassId)], are_stale: bool) {
    let classes = app.project.state().classes();
    let mut dice = Dice(3);
    let index_of = |id: ClassId| {
        let place = classes.iter().position(|class| class.id == id);
        place.unwrap_or(0) as u32
    };
    let scored: Vec<Scored> = truth
        .iter()
        .map(|(_, class)| {
            let confidence = 0.3 + 0.69 * dice.roll().sqrt();
            let other = (dice.roll() * classes.len() as f32) as u32 % classes.len() as u32;
            let class = index_of(*class);
            Scored {
                margin: 0.1,
                entropy: 0.5,
                class: if confidence < 0.5 { other } else { class },
                confidence,
                zero_shot_class: if dice.roll() < 0.4 { other } else { class },
            }
        })
        .collect();
    let mut by_confidence: Vec<u32> = (0..scored.len() as u32).collect();
    by_confidence.sort_by(|a, b| {
        let confidence = |index: &u32| scored[*index as usize].confidence;
        confidence(a).total_cmp(&confidence(b))
    });
    let predictions = PoolPredictions {
        photos: truth.iter().map(|(photo, _)| *photo).collect(),
        classes: classes.iter().map(|class| class.id).collect(),
        scored,
        by_confidence,
        ..PoolPredictions::default()
    };
    app.scoring = Scoring::of_predictions(predictions, are_stale);
    app.gallery.photos = truth.iter().map(|(photo, _)| *photo).collect();
}

fn label_some(app: &mut App, truth: &[(PhotoId, ClassId)]) {
    let wrong = app.project.state().classes()[0].id;
    let labels = truth
        .iter()
        .enumerate()
        .filter(|(index, _)| [0, 4, 9, 11].contains(index))
        .map(|(index, (photo, class))| (*photo, Some(if index == 4 { wrong } else { *class })))
        .collect();
    let edit = Edit::SetLabels {
        labels,
        source: LabelSource::User,
        predicted: Vec::new(),
    };
    app.project.perform(edit).unwrap();
}

fn inspection(app: &App, photo: PhotoId) -> Inspection {
    let project = app.project.state();
    let classes: Vec<ClassId> = project.classes().iter().map(|class| class.id).collect();
    let predicted = app.prediction(photo).unwrap().class;
    let shares = |peak: f32| {
        let rest = (1.0 - peak) / (classes.len().max(2) - 1) as f32;
        let of = |class: &ClassId| if *class == predicted { peak } else { rest };
        classes.iter().map(of).collect::<Vec<f32>>()
    };
    let votes = classes
        .iter()
        .flat_map(|class| {
            project
                .shots(*class)
                .iter()
                .map(move |shot| (*shot, *class))
        })
        .enumerate()
        .filter(|(index, (_, class))| *class == predicted || index % 9 == 0)
        .map(|(index, (photo, class))| Vote {
            photo,
            class,
            affinity: 0.92 - 0.013 * (index % 17) as f32,
            weight: 0.8 - 0.04 * (index % 17) as f32,
            without: Some((predicted, 0.84)),
        })
        .collect();
    Inspection {
        photo,
        zero_shot: shares(0.44),
        method: shares(0.87),
        classes,
        votes,
        terms: None,
    }
}

/// A hill over α and β, best at 1.47 and 6.16.
fn surface() -> Surface {
    let alphas: Vec<f32> = std::iter::once(0.0)
        .chain((0..25_u8).map(|step| 10_f32.powf(-2.0 + f32::from(step) / 6.0)))
        .collect();
    let betas: Vec<f32> = (0..20_u8)
        .map(|step| 0.1 * 100_f32.powf(f32::from(step) / 19.0))
        .collect();
    let height = |beta: usize, alpha: usize| {
        let (up, across) = (beta as f32 - 17.0, alpha as f32 - 14.0);
        61.0 + 23.1 * (-(up * up / 60.0) - across * across / 40.0).exp()
    };
    let accuracies = (0..betas.len())
        .flat_map(|beta| (0..alphas.len()).map(move |alpha| height(beta, alpha)))
        .collect();
    Surface {
        betas,
        alphas,
        accuracies,
        thirds: Vec::new(),
    }
}

/// All methods, those that are named with their obstacle.
pub(super) fn availability(obstacles: &[(Method, &str)]) -> Vec<Availability> {
    Method::ALL
        .into_iter()
        .map(|method| Availability {
            method,
            obstacle: obstacles
                .iter()
                .find(|(of, _)| *of == method)
                .map(|(_, obstacle)| (*obstacle).to_owned()),
        })
        .collect()
}

/// Why GDA cannot be fitted on one shot per class.
pub(super) const GDA_OBSTACLE: &str = "GDA needs two photos of a class, or several views of each photo: add shots, or switch views on";

/// One shot per class: GDA cannot be fitted, and nothing can be tuned.
pub(super) fn one_shot() -> App {
    let mut app = demo();
    app.fit.availability = availability(&[
        (Method::Gda, GDA_OBSTACLE),
        (
            Method::Timo,
            "TIMO weighs several prompts of each class, and the class with fewest has 1: add prompts, or load them from a file",
        ),
    ]);
    (app.fit.tuned, app.fit.surface) = (false, None);
    app.fit.note = Some(
        "One shot per class: nothing to tune on, so the published defaults are used".to_owned(),
    );
    app
}

/// Tip-Adapter-F in training, a third of the way.
pub(super) fn training() -> App {
    let mut app = demo();
    choose(&mut app, Method::TipAdapterF);
    (app.fit.tuned, app.fit.surface) = (false, None);
    let losses = (1..=70_u8).map(f64::from);
    app.fit.training = Some(TrainingView {
        method: Method::TipAdapterF,
        step: 70,
        total: 200,
        losses: losses
            .map(|step| {
                [
                    step,
                    1.8 * (-step / 30.0).exp() + 0.12 + 0.05 * (step * 1.7).sin(),
                ]
            })
            .collect(),
        accuracies: [(10.0, 0.71), (30.0, 0.79), (50.0, 0.88), (70.0, 0.86)]
            .map(|(step, share)| [step, share])
            .to_vec(),
        seconds_left: Some(9.0),
        stage: TrainingStage::Running,
    });
    app
}

/// The dialog for adapters, half way through a training.
pub(super) fn adapter_training() -> App {
    let mut app = demo();
    let steps = (1..=150_u16).map(f64::from);
    app.trained_adapters.view = AdapterTrainingView {
        is_open: true,
        stage: AdapterStage::Running,
        name: "Demo adapter".to_owned(),
        plan: Some(Plan {
            preset: Preset::FewShot,
            num_photos: 36,
            num_held_out: 12,
            skipped: Vec::new(),
            steps: 300,
            batch: 32,
            part: 32,
            bytes_of_activations: 5 << 20,
            bytes_of_step: 210 << 20,
            worker: Some("the worker on gpu.example.org, CUDA 0 (NVIDIA H200)".to_owned()),
        }),
        step: Some(TrainingStep {
            step: 150,
            total: 300,
            loss: 0.31,
            images_per_second: 410.0,
            seconds_left: 11.0,
        }),
        losses: steps
            .map(|step| {
                [
                    step,
                    1.7 * (-step / 45.0).exp() + 0.1 + 0.04 * (step * 1.7).sin(),
                ]
            })
            .collect(),
        before: app.overlap.before.clone(),
        after: app.overlap.after.clone().map(|figures| (150, figures)),
        ..AdapterTrainingView::default()
    };
    app
}

/// The comparison, open: some methods measured, one cannot be fitted, the trained ones are left out.
pub(super) fn comparing() -> App {
    let mut app = demo();
    let rows = Method::ALL.into_iter().enumerate().map(|(index, method)| {
        let outcome = match method {
            Method::Timo | Method::TimoS => Outcome::Unavailable("TIMO weighs several prompts of each class, and the class with fewest has 1: add prompts, or load them from a file".to_owned()),
            method if method.is_trained() => Outcome::Untrained,
            _ => Outcome::Measured {
                num_right: 19 + (index * 7) % 22,
                num_judged: 43,
                basis: Basis::Labelled,
            },
        };
        Row {
            method,
            outcome,
            parameters: Parameters::default(),
        }
    });
    app.comparison.view = ComparisonView {
        is_open: true,
        rows: rows.collect(),
        basis: Some(Basis::Labelled),
        num_labelled: 43,
        is_running: true,
        num_done: 14,
        ..ComparisonView::default()
    };
    app
}

/// Chooses a method, as far as the project is concerned.
pub(super) fn choose(app: &mut App, method: Method) {
    let settings = Settings {
        method: method.name().to_owned(),
        ..app.project.state().settings().clone()
    };
    app.project.perform(Edit::SetSettings(settings)).unwrap();
}

fn fit(app: &mut App) {
    app.fit.tuned = true;
    app.fit.zero_shot_accuracy = Some(0.61);
    app.fit.method_accuracy = Some(0.84);
    app.fit.recommended = Some((3.4, 7.2, 0.1));
    app.fit.method = Method::TipAdapter;
    app.fit.surface = Some(Arc::new(surface()));
    app.fit.availability = availability(&[]);
    app.fit.temperature = 1.0;
}

/// Bell curves over 100 bins, centred on these cosines.
fn figures(paired_mean: f32, unpaired_mean: f32, auroc: f32, overlap: f32) -> OverlapFigures {
    let bell = |mean: f32| {
        let heights: Vec<f32> = (0..100)
            .map(|index| {
                let cosine = -1.0 + 0.02 * (index as f32 + 0.5);
                let height = (-((cosine - mean) / 0.11).powi(2)).exp();
                if height < 0.003 { 0.0 } else { height }
            })
            .collect();
        let sum: f32 = heights.iter().sum();
        heights.iter().map(|height| height / sum).collect()
    };
    OverlapFigures {
        paired: bell(paired_mean),
        unpaired: bell(unpaired_mean),
        overlap,
        auroc,
        auroc_interval: (auroc - 0.03, auroc + 0.03),
        paired_mean,
        unpaired_mean,
        num_paired: 168,
        num_unpaired: 960,
        variance: 0.4,
        sampled: false,
        too_few: true,
    }
}

fn overlap(app: &mut App) {
    app.overlap.before = Some(figures(0.62, 0.45, 0.81, 0.61));
    app.overlap.after = Some(figures(0.55, 0.18, 0.94, 0.38));
    app.overlap.adapter_title = "IsoCLIP (0, 0)".to_owned();
}

/// Opens the list of pairs in a demo.
pub(super) fn open_pairs(app: &mut App) {
    let project = app.project.state();
    let classes = project.classes();
    let (first, second) = (classes[0].id, classes[1].id);
    let shots = project.shots(first).iter();
    let pairs = shots
        .zip(project.shots(second))
        .map(|(a, b)| (*a, *b, 0.71))
        .collect();
    app.overlap.pairs = Some(PairList {
        kind: PairKind::Unpaired,
        low: 0.7,
        high: 0.72,
        adapted: false,
        pairs,
    });
}

fn model(app: &mut App) {
    app.model = ModelStatus {
        name: "Demo model".to_owned(),
        device: "CPU".to_owned(),
        device_note: Some("No CUDA: this build was made without the feature cuda".to_owned()),
        is_demo: true,
        state: ModelState::Ready,
    };
    app.models = [
        ("openai/vit-b-32", "CLIP ViT-B/32 (OpenAI)", 605, false),
        ("openai/vit-b-16", "CLIP ViT-B/16 (OpenAI)", 599, true),
        (
            "laion/vit-l-14",
            "OpenCLIP ViT-L/14 (LAION-2B)",
            1710,
            false,
        ),
    ]
    .map(|(name, title, megabytes, downloaded)| AvailableModel {
        name: name.to_owned(),
        title: title.to_owned(),
        bytes: megabytes * 1_000_000,
        licence: "MIT".to_owned(),
        downloaded,
    })
    .to_vec();
    app.adapters = [
        (AdapterChoice::Off, "None"),
        (AdapterChoice::IsoClip, "IsoCLIP (no training)"),
        (AdapterChoice::Pca, "PCA of words (no training)"),
    ]
    .map(|(choice, title)| AdapterOption {
        choice,
        title: title.to_owned(),
        summary: String::new(),
        unavailable: None,
    })
    .to_vec();
}
