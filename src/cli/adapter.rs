//! `shotlens adapter`

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand, ValueEnum};

use super::photo_list::{self, ListedPhoto};
use super::stderr::{ProgressLine, warn};
use super::{Common, session};
use crate::clip::PixelValues;
use crate::engine::adapter_training::{
    self, Figures, HeldOut, Lesson, Loss, Outcome, Plan, Preset, Report, Step, TrainingOptions,
    label_list,
};
use crate::progress::{CancelToken, Progress};
use crate::support::Dataset;

/// What to do with adapters.
#[derive(Subcommand, Debug)]
pub enum AdapterAction {
    /// Train an adapter on photos in class folders
    Train(Box<TrainArgs>),
    /// Print what an adapter file says of itself
    Info {
        /// The file
        #[arg(value_name = "A.safetensors")]
        file: PathBuf,
    },
}

/// Photos in, an adapter out.
#[derive(Args, Debug)]
pub struct TrainArgs {
    /// Photos to learn from, a folder per class; with --labels one folder of images, with dino any folder
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// A table with columns `ImageID` and `DisplayName` (or `LabelName`), as Open Images has them
    #[arg(long, value_name = "CSV")]
    labels: Option<PathBuf>,
    /// The file to write
    #[arg(long, value_name = "A.safetensors")]
    out: PathBuf,
    /// The recipe [default: few-shot below 5,000 photos, else paper]
    #[arg(long, value_enum)]
    preset: Option<PresetName>,
    /// ce (a linear head), supcon (contrastive), prolip (the visual projection alone) or dino (self-supervised, no labels)
    #[arg(long, value_enum, default_value_t)]
    loss: LossName,
    /// Passes over the photos; for prolip steps
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Photos of a step
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,
    /// `AdamW`'s step size
    #[arg(long, value_name = "X", value_parser = positive)]
    lr: Option<f64>,
    /// What the adapters' output is multiplied by
    #[arg(long, value_name = "S", value_parser = positive)]
    scale: Option<f64>,
    /// Share of the bottleneck that is switched off at each step [default: 0.1]
    #[arg(long, value_name = "P", value_parser = share)]
    dropout: Option<f64>,
    /// Blocks whose adapters learn, as 8..12 [default: few-shot the last third, paper all]
    #[arg(long, value_name = "FIRST..END", value_parser = blocks)]
    blocks: Option<Range<usize>>,
    /// What decides start, order, dropout and which photos are held out
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Megabytes for activations, and again for a step [default: 1024]
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u32).range(1..))]
    memory: Option<u32>,
    /// Go on from the checkpoint beside --out, where there is one
    #[arg(long)]
    resume: bool,
    /// Bytes from 0 to 1 while training, without the model's mean and deviation, as in the authors' code
    #[arg(long)]
    unnormalised: bool,
}

/// A recipe.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PresetName {
    /// As published, for thousands of photos
    Paper,
    /// For a few photos per class
    FewShot,
}

/// What training minimises.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LossName {
    /// Cross-entropy of a head that is thrown away
    #[default]
    Ce,
    /// Supervised contrastive
    Supcon,
    /// The visual projection towards the class names
    Prolip,
    /// A student towards its own slower teacher, on views of each photo; class folders only judge
    Dino,
}

impl TrainArgs {
    fn options(&self) -> TrainingOptions {
        let count = |number: Option<u32>| number.map(|number| number as usize);
        TrainingOptions {
            preset: self.preset.map(|preset| match preset {
                PresetName::Paper => Preset::Paper,
                PresetName::FewShot => Preset::FewShot,
            }),
            loss: match self.loss {
                LossName::Ce => Loss::CrossEntropy,
                LossName::Supcon => Loss::Contrastive,
                LossName::Prolip => Loss::ProLip,
                LossName::Dino => Loss::Dino,
            },
            epochs: count(self.epochs),
            batch: count(self.batch),
            learning_rate: self.lr,
            scale: self.scale,
            dropout: self.dropout,
            blocks: self.blocks.clone(),
            seed: self.seed,
            pixels: if self.unnormalised {
                PixelValues::ZeroToOne
            } else {
                PixelValues::Normalised
            },
            memory: count(self.memory).map(|megabytes| megabytes << 20),
            checkpoint: Some(checkpoint_beside(&self.out)),
            resume: self.resume,
        }
    }
}

/// Where the state of training that writes `out` is kept.
fn checkpoint_beside(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".training");
    out.with_file_name(name)
}

pub(super) fn run(action: &AdapterAction, common: &Common) -> Result<()> {
    match action {
        AdapterAction::Train(args) => train(args, common),
        AdapterAction::Info { file } => info(file, common),
    }
}

fn train(args: &TrainArgs, common: &Common) -> Result<()> {
    let engine = session::open_engine(common)?;
    let Labelled {
        photos,
        classes,
        unlabelled,
    } = match &args.labels {
        Some(list) => listed(&args.images, list)?,
        None => in_folders(&args.images, args.loss == LossName::Dino)?,
    };
    let (line, cancel) = (ProgressLine::new("training"), CancelToken::default());
    // The best state so far is written; a second Ctrl-C finds nobody else to ask.
    let token = cancel.clone();
    ctrlc::set_handler(move || token.cancel()).context("Ctrl-C cannot be listened for")?;
    let report = |done, total| line.report(done, total);
    let lesson = Lesson {
        photos: &photos,
        classes: &classes,
        unlabelled: &unlabelled,
    };
    let outcome = engine.train_adapter(
        lesson,
        &args.options(),
        &args.out,
        &Progress::new(&report, &cancel),
        &mut |report| tell(&report, common.json),
    )?;
    print(&outcome, &args.out, common.json);
    Ok(())
}

/// Files with the index of their class, and the classes' names.
struct Labelled {
    photos: Vec<(PathBuf, usize)>,
    classes: Vec<String>,
    unlabelled: Vec<PathBuf>,
}

/// Photos of class folders, and those without one where somebody learns from them.
fn in_folders(folder: &Path, learns_without: bool) -> Result<Labelled> {
    let photos = photo_list::list(&[folder.to_owned()])?;
    let (labelled, loose): (Vec<ListedPhoto>, Vec<_>) =
        photos.into_iter().partition(|photo| photo.class.is_some());
    if !loose.is_empty() && !learns_without {
        warn(&format!(
            "{} photos directly in {} have no class and are left out",
            loose.len(),
            folder.display()
        ));
    }
    let classes = Dataset::from_paths("", labelled.iter().map(|photo| photo.name.clone())).classes;
    let indexed = labelled.into_iter().filter_map(|photo| {
        let label = classes.binary_search(photo.class.as_ref()?).ok()?;
        Some((photo.path, label))
    });
    let indexed: Vec<(PathBuf, usize)> = indexed.collect();
    if classes.len() < 2 && !learns_without {
        bail!(
            "{} has {} class folders; an adapter learns from two at least",
            folder.display(),
            classes.len()
        );
    }
    Ok(Labelled {
        photos: indexed,
        classes,
        unlabelled: loose.into_iter().map(|photo| photo.path).collect(),
    })
}

/// Images of a table.
fn listed(folder: &Path, list: &Path) -> Result<Labelled> {
    let text = std::fs::read_to_string(list)
        .with_context(|| format!("could not read {}", list.display()))?;
    let rows = label_list::parse(&text).with_context(|| list.display().to_string())?;
    let files: Vec<PathBuf> = photo_list::list(&[folder.to_owned()])?
        .into_iter()
        .map(|photo| photo.path)
        .collect();
    let (photos, labels, num_missing) = label_list::matched(&rows, &files);
    if num_missing > 0 {
        warn(&format!(
            "{num_missing} of {} rows name images that are not in {}",
            rows.len(),
            folder.display()
        ));
    }
    Ok(Labelled {
        photos,
        classes: labels,
        unlabelled: Vec::new(),
    })
}

fn tell(report: &Report, is_json: bool) {
    match report {
        Report::Planned(plan) => tell_plan(plan, is_json),
        Report::HeldOut(HeldOut { step, figures, .. }) if is_json => {
            println!(
                "{}",
                serde_json::json!({"step": step, "overlap": figures.overlap, "auroc": figures.auroc})
            );
        }
        Report::HeldOut(HeldOut { step, figures, .. }) => {
            println!("step {step}: held-out photos {}", words(*figures));
        }
        Report::Step(step) if is_json => println!(
            "{}",
            serde_json::json!({
                "step": step.step, "steps": step.total, "loss": step.loss,
                "images_per_second": step.images_per_second, "seconds_left": step.seconds_left,
            })
        ),
        Report::Step(Step {
            step,
            total,
            loss,
            images_per_second,
            seconds_left,
        }) => {
            if step.is_multiple_of(10) || step == total {
                println!(
                    "step {step} of {total}: loss {loss:.4}, {images_per_second:.1} photos/s, {seconds_left:.0} s left"
                );
            }
        }
    }
}

fn tell_plan(plan: &Plan, is_json: bool) {
    for (_, reason) in &plan.skipped {
        warn(&format!("skipped: {reason}"));
    }
    let megabytes = |bytes: usize| bytes.div_ceil(1 << 20);
    let (kept, step) = (
        megabytes(plan.bytes_of_activations),
        megabytes(plan.bytes_of_step),
    );
    if is_json {
        println!(
            "{}",
            serde_json::json!({
                "preset": plan.preset.name(), "photos": plan.num_photos, "held_out": plan.num_held_out, "steps": plan.steps,
                "batch": plan.batch, "part": plan.part, "activations_mb": kept, "step_mb": step, "worker": plan.worker,
            })
        );
        return;
    }
    if let Some(worker) = &plan.worker {
        println!("trained by {worker}");
    }
    let activations = match kept {
        0 => "photos are read anew for every step".to_owned(),
        _ => format!("{kept} MB for what is computed once"),
    };
    println!(
        "{}: {} photos to learn from, {} held out; {} steps of {} photos, {} at a time; memory: {activations}, about {step} MB for a step",
        plan.preset.name(),
        plan.num_photos,
        plan.num_held_out,
        plan.steps,
        plan.batch,
        plan.part,
    );
}

fn words(figures: Figures) -> String {
    let number =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    format!(
        "AUROC {}, overlap {}",
        number(figures.auroc),
        number(figures.overlap)
    )
}

fn print(outcome: &Outcome, out: &Path, is_json: bool) {
    if is_json {
        let figures = |figures: &Figures| serde_json::json!({"overlap": figures.overlap, "auroc": figures.auroc});
        println!(
            "{}",
            serde_json::json!({
                "out": out, "photos": outcome.num_photos, "held_out": outcome.num_held_out, "classes": outcome.num_classes,
                "steps": outcome.steps, "kept_step": outcome.kept_step, "finished": outcome.is_finished,
                "before": figures(&outcome.before), "after": figures(&outcome.after),
            })
        );
        return;
    }
    println!(
        "{} photos of {} classes, {} steps, state of step {} kept in {}",
        outcome.num_photos,
        outcome.num_classes,
        outcome.steps,
        outcome.kept_step,
        out.display()
    );
    println!("held-out photos before: {}", words(outcome.before));
    println!("held-out photos after:  {}", words(outcome.after));
}

fn info(file: &Path, common: &Common) -> Result<()> {
    let info = adapter_training::info(file)?;
    if common.json {
        let tensors: serde_json::Map<_, _> = info
            .tensors
            .iter()
            .map(|(name, shape)| (name.clone(), serde_json::json!(shape)))
            .collect();
        let metadata: serde_json::Map<_, _> = info
            .metadata
            .iter()
            .map(|(key, value)| {
                (
                    key.clone(),
                    serde_json::from_str(value).unwrap_or_else(|_text| value.as_str().into()),
                )
            })
            .collect();
        println!(
            "{}",
            serde_json::json!({"tensors": tensors, "metadata": metadata, "trained_on": info.num_photos})
        );
        return Ok(());
    }
    let num_numbers: usize = info
        .tensors
        .iter()
        .map(|(_, shape)| shape.iter().product::<usize>())
        .sum();
    println!("{} tensors, {num_numbers} numbers", info.tensors.len());
    if let Some(num_photos) = info.num_photos {
        println!("trained on {num_photos} different photos, which it knows again");
    }
    for (key, value) in &info.metadata {
        println!("{key}: {value}");
    }
    Ok(())
}

fn positive(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|value: &f64| value.is_finite() && *value > 0.0)
        .ok_or_else(|| "expected a number above 0".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|value: &f64| (0.0..=0.9).contains(value))
        .ok_or_else(|| "expected a number from 0 to 0.9".to_owned())
}

fn blocks(text: &str) -> Result<Range<usize>, String> {
    let parsed = text
        .split_once("..")
        .and_then(|(first, end)| Some(first.parse().ok()?..end.parse().ok()?));
    parsed
        .filter(|blocks: &Range<usize>| blocks.start < blocks.end)
        .ok_or_else(|| "expected FIRST..END as in 8..12, END not included".to_owned())
}
