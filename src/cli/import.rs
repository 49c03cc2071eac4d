//! `shotlens import`

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use super::Common;
use super::stderr::warn;
use crate::engine::import::{ImportFormat, read};
use crate::project::{Project, ProjectState};

/// A list of labelled photos in, a new project out.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// A table, a folder of photos, or a data set's list
    source: PathBuf,
    /// The project file to make; never overwritten
    #[arg(long, value_name = "PROJECT.shotlens")]
    out: PathBuf,
    /// What the source is
    #[arg(long, value_enum, default_value_t)]
    format: SourceFormat,
    /// The folder that relative paths start from [default: the list's own]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
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
}

impl SourceFormat {
    fn format(self) -> Option<ImportFormat> {
        match self {
            Self::Auto => None,
            Self::Csv => Some(ImportFormat::Csv),
            Self::Folders => Some(ImportFormat::Folders),
            Self::Imagefolder => Some(ImportFormat::ImageFolder),
            Self::Fiftyone => Some(ImportFormat::FiftyOne),
            Self::Coop => Some(ImportFormat::CoOp),
        }
    }
}

pub(super) fn run(args: &ImportArgs, common: &Common) -> Result<()> {
    let imported = read(&args.source, args.format.format(), args.root.as_deref())?;
    for reason in &imported.skipped {
        warn(&format!("left out: {reason}"));
    }
    let mut project = Project::create(&args.out, ProjectState::new(), Arc::new(|| ()))?;
    let edit = imported.edit(project.state_mut());
    project.perform(edit)?;
    if !project.flush() {
        bail!("the project could not be written: {}", args.out.display());
    }
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
                "skipped": imported.skipped, "out": args.out,
            })
        );
    } else {
        println!(
            "{photos} photos, {labelled} labelled, {classes} classes in {}",
            args.out.display()
        );
    }
    Ok(())
}
