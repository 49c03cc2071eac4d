//! `shotlens preprocess`

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use rayon::prelude::*;

use super::photo_list::{self, ListedPhoto};
use super::stderr::warn;
use super::tensor_file::TensorWriter;
use super::{Common, session};
use crate::clip::preprocess::{Crop, Preprocess};
use crate::image_io::{self, DecodeError};

/// Photos in, crops out.
#[derive(Args, Debug)]
pub struct PreprocessArgs {
    /// Folders and photos
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// The file to write
    #[arg(long, value_name = "C.safetensors")]
    out: PathBuf,
}

pub(super) fn run(args: &PreprocessArgs, common: &Common) -> Result<()> {
    let engine = session::open_engine(common)?;
    let photos = photo_list::list(&args.paths)?;
    refuse_equal_names(&photos)?;
    let preprocess = engine.clip().preprocess();
    let crops: Vec<Result<Crop, DecodeError>> = photos
        .par_iter()
        .map(|photo| crop(photo, preprocess))
        .collect();
    let (mut writer, mut skipped) = (TensorWriter::default(), Vec::new());
    for (photo, crop) in photos.iter().zip(crops) {
        match crop {
            Ok(crop) => writer.bytes(&photo.name, vec![crop.size, crop.size, 3], crop.pixels),
            Err(error) => {
                warn(&format!("skipped: {error}"));
                skipped.push(photo.name.as_str());
            }
        }
    }
    if skipped.len() == photos.len() {
        bail!("none of the {} photos could be read", photos.len());
    }
    writer.metadata("skipped", serde_json::to_string(&skipped)?);
    writer.metadata("preprocess", preprocess.id());
    writer.write(&args.out)?;
    if common.json {
        println!(
            "{}",
            serde_json::json!({"photos": photos.len() - skipped.len(), "skipped": skipped, "out": args.out})
        );
    } else {
        println!(
            "{} crops in {}",
            photos.len() - skipped.len(),
            args.out.display()
        );
    }
    Ok(())
}

fn crop(photo: &ListedPhoto, preprocess: &Preprocess) -> Result<Crop, DecodeError> {
    let (bytes, _) = image_io::read_photo(&photo.path)?;
    preprocess.crop_file(&bytes, &photo.path)
}

/// Crops are named by relative path, so two folders may not hold the same names.
fn refuse_equal_names(photos: &[ListedPhoto]) -> Result<()> {
    let mut seen = HashMap::new();
    for photo in photos {
        if let Some(first) = seen.insert(&photo.name, &photo.path) {
            bail!(
                "{} and {} would both be called {}; preprocess them into two files",
                first.display(),
                photo.path.display(),
                photo.name
            );
        }
    }
    Ok(())
}
