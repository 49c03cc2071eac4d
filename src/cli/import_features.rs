//! Photos with features that another program has made: which model that was, and which rows are wanted.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::stderr::{ProgressLine, warn};
use super::{Common, session};
use crate::engine::Engine;
use crate::engine::feature_files::FeatureSource;
use crate::engine::feature_files::source::sample;
use crate::engine::import::features::{self, ImportedFeatures};
use crate::models::EMBEDDED_NAME;
use crate::progress::{CancelToken, Progress};

/// What was read, its features in the cache.
pub(super) struct Read {
    pub(super) features: ImportedFeatures,
    /// The model as a project names it.
    pub(super) model: Option<String>,
}

/// Reads all rows of a source, or with `sample` so many by a seed.
pub(super) fn read(
    path: &Path,
    wanted: Option<(usize, u64)>,
    root: Option<&Path>,
    common: &Common,
) -> Result<Read> {
    let source = FeatureSource::open(path)?;
    let model = model_of(&source, common)?;
    let engine = session::open_engine(&Common {
        model: Some(model.clone()),
        ..common.clone()
    })
    .with_context(|| {
        format!(
            "the features of {} need the model that made them; name it with --model",
            path.display()
        )
    })?;
    check(&source, &engine)?;
    let total = source.num_rows();
    let rows = match wanted {
        Some((count, seed)) => sample(total, count, seed),
        None => (0..total).collect(),
    };
    let (line, cancel) = (ProgressLine::new("reading"), CancelToken::default());
    let report = |done, total| line.report(done, total);
    let features = features::read(
        &source,
        &rows,
        root,
        &engine,
        &Progress::new(&report, &cancel),
    )?;
    tell(&source, &features, &engine);
    Ok(Read {
        features,
        model: (model != EMBEDDED_NAME).then(|| lasting(model)),
    })
}

/// As the flags say, else as the file does.
fn model_of(source: &FeatureSource, common: &Common) -> Result<String> {
    if let Some(model) = &common.model {
        return Ok(model.clone());
    }
    match source.model() {
        Some((name, _)) => Ok(name.to_owned()),
        None => bail!(
            "this does not say which model made its features; name it with --model (a file, a folder, or a name of `shotlens model list`): {}",
            source.path().display()
        ),
    }
}

/// Where the file says by which weights its features were made, they must be these.
fn check(source: &FeatureSource, engine: &Engine) -> Result<()> {
    match source.model() {
        Some((name, Some(hash))) if hash != engine.clip().hash() => bail!(
            "the features were made by {name}, whose weights have the SHA-256 {hash}; those of the model {} have {}: {}",
            engine.name(),
            engine.clip().hash(),
            source.path().display()
        ),
        _ => Ok(()),
    }
}

fn tell(source: &FeatureSource, features: &ImportedFeatures, engine: &Engine) {
    if features.num_without_file > 0 {
        warn(&format!(
            "{} of {} photos have no file here; they can be predicted and labelled, but not seen (--root names the folder that relative paths start from)",
            features.num_without_file,
            features.imported.photos.len()
        ));
    }
    if features.num_compared == 0 && source.model().is_none() {
        warn(&format!(
            "no photo's file is here to see whether the features are of the model {}",
            engine.name()
        ));
    }
}

/// A path that still leads there from another folder.
fn lasting(model: String) -> String {
    match std::path::absolute(&model) {
        Ok(path) if path.exists() => path.to_string_lossy().into_owned(),
        _ => model,
    }
}
