//! `shotlens import`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use super::stderr::warn;
use super::{Common, import_features};
use crate::engine::feature_files::FeatureSource;
use crate::engine::import::{ImportFormat, Imported, read};
use crate::project::{Edit, Project, ProjectState, Settings};

/// A list of labelled photos, or photos with features, in; a new project out.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// A table, a folder of photos, a data set's list, a Parquet table with features or a folder of such, or clip-retrieval's folder
    source: PathBuf,
    /// The project file to make; never overwritten
    #[arg(long, value_name = "PROJECT.shotlens")]
    out: PathBuf,
    /// What the source is
    #[arg(long, value_enum, default_value_t)]
    format: SourceFormat,
    /// The folder that relative paths start from [default: the one that the source lies in]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Of photos with features: only so many, drawn at random
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Decides which are drawn
    #[arg(long, value_name = "S", default_value_t = 1, requires = "sample")]
    seed: u64,
}

/// What the source is.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
enum SourceFormat {
    /// Found out by its name and content
    #[default]
    Auto,
    /// A table with `path,label` or `filename,class`
    Csv,
    /// A folder per class
    Folders,
    /// Hugging Face: metadata.jsonl with `file_name` and `label`
    Imagefolder,
    /// `FiftyOne`: data/ and labels.json
    Fiftyone,
    /// `CoOp`'s `split_zhou_*.json`
    Coop,
    /// Features: `img_emb`/*.npy and metadata/*.parquet
    ClipRetrieval,
    /// Features: tables with columns of paths and features
    Parquet,
}

impl SourceFormat {
    fn format(self) -> Option<ImportFormat> {
        match self {
            Self::Auto | Self::ClipRetrieval | Self::Parquet => None,
            Self::Csv => Some(ImportFormat::Csv),
            Self::Folders => Some(ImportFormat::Folders),
            Self::Imagefolder => Some(ImportFormat::ImageFolder),
            Self::Fiftyone => Some(ImportFormat::FiftyOne),
            Self::Coop => Some(ImportFormat::CoOp),
        }
    }

    fn has_features(self, source: &Path) -> bool {
        match self {
            Self::ClipRetrieval | Self::Parquet => true,
            Self::Auto => FeatureSource::is_one(source),
            _ => false,
        }
    }
}

pub(super) fn run(args: &ImportArgs, common: &Common) -> Result<()> {
    if args.out.exists() {
        // Refused before minutes of reading.
        bail!(
            "there is something already; name another file: {}",
            args.out.display()
        );
    }
    let (imported, settings, num_without_file) = if args.format.has_features(&args.source) {
        let sample = args.sample.map(|count| (count, args.seed));
        let read = import_features::read(&args.source, sample, args.root.as_deref(), common)?;
        (
            read.features.imported,
            Some(settings(read.model)),
            read.features.num_without_file,
        )
    } else if args.sample.is_some() {
        bail!(
            "--sample draws from photos with features (Parquet or clip-retrieval's folder), and this is neither: {}",
            args.source.display()
        );
    } else {
        (
            read(&args.source, args.format.format(), args.root.as_deref())?,
            None,
            0,
        )
    };
    for reason in &imported.skipped {
        warn(&format!("left out: {reason}"));
    }
    write(&imported, settings, &args.out)?;
    tell(args, &imported, num_without_file, common);
    Ok(())
}

/// How a project of photos with features begins: on their model, and learning from labels, as there is nothing else to learn from.
fn settings(model: Option<String>) -> Settings {
    Settings {
        model,
        learn_from_labels: true,
        ..ProjectState::new().settings().clone()
    }
}

fn write(imported: &Imported, settings: Option<Settings>, out: &Path) -> Result<()> {
    let mut project = Project::create(out, ProjectState::new(), Arc::new(|| ()))?;
    if let Some(settings) = settings {
        project.perform(Edit::SetSettings(settings))?;
    }
    let edit = imported.edit(project.state_mut());
    project.perform(edit)?;
    if !project.flush() {
        bail!("the project could not be written: {}", out.display());
    }
    Ok(())
}

fn tell(args: &ImportArgs, imported: &Imported, num_without_file: usize, common: &Common) {
    let labelled = imported
        .photos
        .iter()
        .filter(|photo| photo.label.is_some())
        .count();
    let (photos, classes) = (imported.photos.len(), imported.classes.len());
    if common.json {
        println!(
            "{}",
            serde_json::json!({
                "photos": photos, "labelled": labelled, "classes": imported.classes,
                "without_file": num_without_file, "skipped": imported.skipped, "out": args.out,
            })
        );
    } else {
        println!(
            "{photos} photos, {labelled} labelled, {classes} classes in {}",
            args.out.display()
        );
    }
}
