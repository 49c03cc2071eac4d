//! `shotlens export`

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::stderr::{ProgressLine, warn};
use super::{Common, session};
use crate::engine::Engine;
use crate::engine::export::photos::Choice;
use crate::engine::export::{ExportError, Format, Link, Options};
use crate::progress::{CancelToken, Progress};
use crate::project::{OpenedProject, ProjectFile};

/// A project in, its photos or its classifier out.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// The project file
    project: PathBuf,
    /// What to write
    #[arg(long, value_enum)]
    format: ExportFormat,
    /// Where: a file for csv, parquet and classifier, else a folder
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// How photos get into folders; they are never moved
    #[arg(long, value_enum, default_value_t)]
    link: LinkKind,
    /// Photos that are only predicted have no class
    #[arg(long)]
    labelled_only: bool,
    /// Predictions below this confidence give no class
    #[arg(long, value_name = "0..1", default_value_t = 0.0)]
    min_confidence: f32,
    /// Replace what is there
    #[arg(long)]
    force: bool,
}

/// What to write.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum ExportFormat {
    /// A table: `path,label,prediction,confidence,decided_by`
    Csv,
    /// A folder per class
    Folders,
    /// Hugging Face: images/ and metadata.jsonl
    Imagefolder,
    /// `FiftyOne`: data/ and labels.json
    Fiftyone,
    /// COCO without boxes: images/, annotations.json, predictions.json
    Coco,
    /// Ultralytics: train/CLASS/ and val/CLASS/
    Yolo,
    /// The table with features
    Parquet,
    /// Features as clip-retrieval has them: `img_emb/*.npy` and `metadata/*.parquet`
    ClipRetrieval,
    /// The fitted method, for `label`, `watch` and other programs
    Classifier,
}

/// How photos get into folders.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LinkKind {
    /// As files of their own
    #[default]
    Copy,
    /// As symbolic links
    Symlink,
    /// As second names of the same files, on the same disk
    Hardlink,
}

impl ExportFormat {
    fn of_photos(self) -> Option<Format> {
        Some(match self {
            Self::Csv => Format::Csv,
            Self::Folders => Format::Folders,
            Self::Imagefolder => Format::ImageFolder,
            Self::Fiftyone => Format::FiftyOne,
            Self::Coco => Format::Coco,
            Self::Yolo => Format::Yolo,
            Self::Parquet => Format::Parquet,
            Self::ClipRetrieval => Format::ClipRetrieval,
            Self::Classifier => return None,
        })
    }
}

pub(super) fn run(args: &ExportArgs, common: &Common) -> Result<()> {
    // Refused before minutes of embedding.
    if args.out.symlink_metadata().is_ok() && !args.force {
        return Err(ExportError::Exists {
            path: args.out.clone(),
        }
        .into());
    }
    let project = ProjectFile::open(&args.project)?;
    let model = common.model.clone();
    let common = Common {
        model: model.or_else(|| project.state.settings().model.clone()),
        ..common.clone()
    };
    let engine = session::open_engine(&common)?;
    match args.format.of_photos() {
        Some(format) => write_photos(args, format, &project, &engine, &common),
        None => write_classifier(args, &project, &engine, &common),
    }
}

fn write_photos(
    args: &ExportArgs,
    format: Format,
    project: &OpenedProject,
    engine: &Engine,
    common: &Common,
) -> Result<()> {
    let (line, cancel) = (ProgressLine::new("predicting"), CancelToken::default());
    let report = |done, total| line.report(done, total);
    let sources = project.file.label_sources()?;
    let exportable =
        engine.exportable(&project.state, &sources, &Progress::new(&report, &cancel))?;
    if let Some(note) = &exportable.note {
        warn(note);
    }
    let link = match args.link {
        LinkKind::Copy => Link::Copy,
        LinkKind::Symlink => Link::Symlink,
        LinkKind::Hardlink => Link::Hardlink,
    };
    let options = Options {
        link,
        choice: Choice {
            is_labelled_only: args.labelled_only,
            min_confidence: args.min_confidence,
        },
        replaces: args.force,
    };
    let written = exportable.write(format, &args.out, &options)?;
    for reason in &written.skipped {
        warn(&format!("left out: {reason}"));
    }
    if written.num_without_class > 0 {
        warn(&format!(
            "{} photos have no class and are left out",
            written.num_without_class
        ));
    }
    if common.json {
        println!(
            "{}",
            serde_json::json!({
                "photos": written.num_photos, "without_class": written.num_without_class,
                "skipped": written.skipped, "out": args.out,
            })
        );
    } else {
        println!("{} photos in {}", written.num_photos, args.out.display());
    }
    Ok(())
}

fn write_classifier(
    args: &ExportArgs,
    project: &OpenedProject,
    engine: &Engine,
    common: &Common,
) -> Result<()> {
    let (line, cancel) = (ProgressLine::new("embedding"), CancelToken::default());
    let report = |done, total| line.report(done, total);
    let progress = Progress::new(&report, &cancel);
    let found = engine.project_classifier(&project.state, true, &progress)?;
    for (_, reason) in &found.skipped {
        warn(&format!("left out: {reason}"));
    }
    let classifier = &found.learned.classifier;
    classifier.write(&args.out, engine)?;
    let (recipe, accuracy) = (&classifier.recipe, found.learned.judged.accuracy);
    if common.json {
        println!(
            "{}",
            serde_json::json!({
                "method": recipe.method.name(), "classes": recipe.classes, "shots": recipe.support.len(),
                "accuracy": accuracy, "temperature": super::digits(recipe.calibration.temperature), "out": args.out,
            })
        );
    } else {
        let (shots, classes) = (recipe.support.len(), recipe.classes.len());
        println!(
            "{} on {shots} shots of {classes} classes in {}",
            recipe.method.title(),
            args.out.display()
        );
    }
    Ok(())
}
