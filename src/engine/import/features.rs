//! Photos with their features, as other tools have embedded them: the features go into the cache, so that nothing is embedded
//! again, whether the photos' files are here or not.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{ClassNames, ImportError, Imported, ImportedPhoto, base, content, io};
use crate::engine::Engine;
use crate::engine::export::label_cell;
use crate::engine::export::table::{BY_SHOT, BY_UNSURE};
use crate::engine::feature_files::{FeatureRow, FeatureSource};
use crate::engine::imported::hash_without_file;
use crate::features::{Features, Matrix};
use crate::image_io;
use crate::progress::Progress;
use crate::project::{self, FileStamp};

/// Rows in memory at once: 200 MB of features at 768 numbers each.
const STRETCH: usize = 1 << 16;
/// Photos that are embedded here to see whether the features are of this model.
const NUM_COMPARED: usize = 4;
/// Other decoders and half precision leave the cosine above 0.98; another model's features are as good as random.
const LEAST_COSINE: f32 = 0.9;

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct ImportedFeatures {
    /// The photos, each with its stamp.
    pub imported: Imported,
    /// Photos whose files are not there.
    pub num_without_file: usize,
    /// Photos that were embedded here and agree.
    pub num_compared: usize,
}

/// Reads rows of `source` (rising indices) into `engine`'s cache. `root`: what relative paths are relative to, where that is
/// not the folder that `source` lies in.
pub fn read(
    source: &FeatureSource,
    rows: &[usize],
    root: Option<&Path>,
    engine: &Engine,
    progress: &Progress<'_>,
) -> Result<ImportedFeatures, ImportError> {
    let root = base(source.path(), root);
    let mut taker = Taker {
        root: std::path::absolute(root).map_err(|error| io(error, root))?,
        engine,
        source,
        seen: HashSet::new(),
        classes: ClassNames::default(),
        out: ImportedFeatures::default(),
    };
    for (number, stretch) in rows.chunks(STRETCH).enumerate() {
        step(progress, number * STRETCH, rows.len())?;
        let (photos, features) = source.read(stretch)?;
        taker.take(photos, features)?;
    }
    step(progress, rows.len(), rows.len())?;
    if taker.out.imported.photos.is_empty() {
        return Err(content("it has no rows", source.path()));
    }
    let mut out = taker.out;
    out.imported.classes = taker.classes.names;
    out.imported.classes.sort();
    Ok(out)
}

fn step(progress: &Progress<'_>, done: usize, total: usize) -> Result<(), ImportError> {
    let stepped = progress.step(done, total);
    stepped.map_err(|error| ImportError::Engine(error.into()))
}

struct Taker<'a> {
    root: PathBuf,
    engine: &'a Engine,
    source: &'a FeatureSource,
    seen: HashSet<PathBuf>,
    classes: ClassNames,
    out: ImportedFeatures,
}

impl Taker<'_> {
    fn take(&mut self, photos: Vec<FeatureRow>, features: Matrix) -> Result<(), ImportError> {
        let dim = self.engine.clip().dim();
        if features.cols() != dim {
            let name = self.engine.name();
            return Err(self.wrong(format!(
                "its features have {} numbers, those of the model {name} {dim}; name the model that made them with --model", features.cols()
            )));
        }
        let features = Features::normalized(features)
            .map_err(|error| self.wrong(format!("a feature cannot be used ({error})")))?;
        let paths: Vec<PathBuf> = photos
            .iter()
            .map(|photo| self.root.join(&photo.path))
            .collect();
        let stamps: Vec<FileStamp> = (paths.par_iter().enumerate())
            .map(|(row, path)| stamp(path, features.row(row)))
            .collect();
        self.compare(&paths, &stamps, &features)?;
        let rows = stamps.iter().enumerate();
        let rows = rows.filter_map(|(row, stamp)| Some((stamp.hash?, features.row(row).to_vec())));
        if !self.engine.remember_imported(rows.collect()) {
            return Err(self.wrong(
                "the cache of features could not take these (is its disk full?)".to_owned(),
            ));
        }
        for ((photo, path), stamp) in photos.into_iter().zip(paths).zip(stamps) {
            self.add(&photo, path, stamp);
        }
        Ok(())
    }

    /// Embeds a few photos whose files are there: features of another model would make every prediction wrong.
    fn compare(
        &mut self,
        paths: &[PathBuf],
        stamps: &[FileStamp],
        features: &Features,
    ) -> Result<(), ImportError> {
        if self.out.num_compared >= NUM_COMPARED {
            return Ok(());
        }
        let with_file = (0..paths.len()).filter(|row| stamps[*row].size > 0);
        let compared: Vec<usize> = with_file.take(NUM_COMPARED).collect();
        let files: Vec<PathBuf> = compared.iter().map(|row| paths[*row].clone()).collect();
        let own = self.engine.embed_all(&files, None, &Progress::silent())?;
        for (index, place) in own.kept.iter().enumerate() {
            let row = own.features.select_rows(&[index]);
            let row = Features::normalized(row).map_err(crate::engine::EngineError::from)?;
            let cosine = row.cosines(&features.select(&[compared[*place]])).row(0)[0];
            if cosine < LEAST_COSINE {
                return Err(self.wrong(format!(
                    "the features are not of the model {}: {} as it embeds it has a cosine of only {cosine:.2} to its row; name the model that made them with --model",
                    self.engine.name(), files[*place].display()
                )));
            }
        }
        self.out.num_compared += own.kept.len();
        Ok(())
    }

    fn add(&mut self, photo: &FeatureRow, path: PathBuf, stamp: FileStamp) {
        let imported = &mut self.out.imported;
        if !self.seen.insert(path.clone()) {
            let reason = format!(
                "listed more than once, the first row counts: {}",
                path.display()
            );
            imported.skipped.push(reason);
            return;
        }
        let mut labels = photo
            .label
            .as_deref()
            .map(label_cell::split)
            .unwrap_or_default();
        labels.retain(|label| !label.trim().is_empty());
        self.classes.add(&labels);
        let mut labels = labels.into_iter();
        let label = labels.next();
        self.out.num_without_file += usize::from(stamp.size == 0);
        imported.photos.push(ImportedPhoto {
            path,
            is_shot: label.is_some() && photo.decided_by.as_deref() == Some(BY_SHOT),
            is_unsure: label.is_none() && photo.decided_by.as_deref() == Some(BY_UNSURE),
            label,
            also: labels.collect(),
            known: Some(stamp),
        });
    }

    fn wrong(&self, problem: String) -> ImportError {
        content(problem, self.source.path())
    }
}

/// A photo by its content; one that cannot be read by its features.
fn stamp(path: &Path, features: &[f32]) -> FileStamp {
    let before = project::stamp(path);
    let hash = match image_io::read_photo(path) {
        Ok((_, hash)) => hash,
        Err(_) => hash_without_file(features),
    };
    FileStamp {
        hash: Some(hash),
        ..before
    }
}
