//! A project of made-up photos on disk, its features in the cache already: for measuring how a large project opens.
//!
//! The photos are real, small and distinct JPEG files. Their features are drawn at random, since embedding a hundred thousand would take longer than everything that is measured.

use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use rayon::prelude::*;

use super::embed::{PhotoFeatures, PhotoRequest};
use super::{Engine, EngineError};
use crate::clip::OpenOptions;
use crate::image_io::ContentHash;
use crate::progress::Progress;
use crate::project::{
    self, CachedRow, Edit, FeatureCache, FileStamp, Locations, Project, ProjectState, Role, Wake,
    apply,
};
use crate::support::random::Random;

const SIDE: u32 = 48;
const NUM_CLASSES: usize = 10;
const NUM_SHOTS: usize = 16;
/// Rows that share a transaction of the cache.
const TOGETHER: usize = 4_096;

/// Makes the project at `path` with `num_pool` photos to label beside it, and ten classes of 16 shots, for the embedded model.
///
/// # Errors
/// When a file cannot be written, or there is a project already.
pub fn make(path: &Path, num_pool: usize, wake: Wake) -> Result<(), EngineError> {
    let failed = |problem: String| EngineError::Folder {
        problem,
        path: path.to_owned(),
    };
    let folder = path.with_extension("photos");
    let num_photos = num_pool + NUM_CLASSES * NUM_SHOTS;
    let files: Vec<(PathBuf, FileStamp)> = (0..num_photos)
        .into_par_iter()
        .map(|index| write_photo(&folder, index))
        .collect::<std::io::Result<_>>()
        .map_err(|error| failed(format!("the photos could not be written ({error})")))?;
    fill_cache(&files).map_err(failed)?;
    let state = state_of(&files).map_err(|error| failed(error.to_string()))?;
    Project::create(path, state, wake)
        .map(drop)
        .map_err(|error| failed(error.to_string()))
}

/// A picture whose colours tell its number.
fn write_photo(folder: &Path, index: usize) -> std::io::Result<(PathBuf, FileStamp)> {
    let folder = folder.join((index / 1_000).to_string());
    std::fs::create_dir_all(&folder)?;
    let mut random = Random::new(index as u64);
    let corners: Vec<u64> = (0..4).map(|_| random.next_u64()).collect();
    let picture = RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let corner = corners[usize::from(x > SIDE / 2) + 2 * usize::from(y > SIDE / 2)];
        let [red, green, blue, ..] = corner.to_le_bytes();
        Rgb([red, green, blue])
    });
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, 80)
        .encode_image(&picture)
        .map_err(std::io::Error::other)?;
    let path = folder.join(format!("{index}.jpg"));
    std::fs::write(&path, &jpeg)?;
    let stamp = FileStamp {
        hash: Some(ContentHash::of(&jpeg)),
        ..project::stamp(&path)
    };
    Ok((path, stamp))
}

/// Random features around a centre for each class, as many numbers as the embedded model gives.
fn fill_cache(files: &[(PathBuf, FileStamp)]) -> Result<(), String> {
    let engine = Engine::open(None, &OpenOptions::default(), None).map_err(|e| e.to_string())?;
    let sample = sample(&engine, &files[0].0)?;
    let locations = Locations::find().map_err(|error| error.to_string())?;
    let (mut cache, _) =
        FeatureCache::open(&locations.feature_cache()).map_err(|error| error.to_string())?;
    let space = engine.feature_space(None);
    let row_around = |seed: u64, len: usize, spread: f32| -> Vec<f32> {
        let mut random = Random::new(seed);
        let mut number = || random.next_u64() as f32 / u64::MAX as f32 - 0.5;
        (0..len).map(|_| spread * number()).collect()
    };
    let around = |index: usize, len: usize, kind: u64| -> Vec<f32> {
        let centre = row_around(kind + (index % NUM_CLASSES) as u64, len, 1.0);
        let own = row_around(kind + 1_000 + index as u64, len, 1.5);
        centre.iter().zip(own).map(|(a, b)| a + b).collect()
    };
    for (chunk_index, chunk) in files.chunks(TOGETHER).enumerate() {
        let rows: Vec<(ContentHash, CachedRow)> = chunk
            .par_iter()
            .enumerate()
            .filter_map(|(offset, (_, stamp))| {
                let index = chunk_index * TOGETHER + offset;
                let row = CachedRow {
                    features: around(index, sample.features.len(), 1 << 40),
                    hidden: sample
                        .hidden
                        .as_ref()
                        .map(|row| around(index, row.len(), 2 << 40)),
                };
                Some((stamp.hash?, row))
            })
            .collect();
        if !cache.put_many(&space, &rows) {
            return Err(cache.take_notes().join("; "));
        }
    }
    Ok(())
}

/// What the model makes of a photo, for the numbers' sizes.
fn sample(engine: &Engine, path: &Path) -> Result<PhotoFeatures, String> {
    let request = PhotoRequest {
        key: (),
        path: path.to_owned(),
        known: None,
    };
    let mut found = Err("the model gave nothing".to_owned());
    engine
        .embed_photos(&[request], None, &Progress::silent(), &mut |batch| {
            found = batch
                .into_iter()
                .next()
                .map_or(found.clone(), |((), outcome)| outcome);
        })
        .map_err(|error| error.to_string())?;
    found
}

fn state_of(files: &[(PathBuf, FileStamp)]) -> Result<ProjectState, project::EditError> {
    let mut state = ProjectState::new();
    let mut classes = Vec::new();
    for index in 0..NUM_CLASSES {
        let class = state.new_class(&format!("class {index}"));
        classes.push(class.id);
        apply(&mut state, Edit::AddClass(class))?;
    }
    let num_shots = NUM_CLASSES * NUM_SHOTS;
    let mut photos = Vec::with_capacity(files.len());
    for (index, (path, stamp)) in files.iter().enumerate() {
        let role = if index < num_shots {
            Role::Shot(classes[index % NUM_CLASSES])
        } else {
            Role::Pool
        };
        photos.push(state.new_photo(path, role, *stamp));
    }
    apply(&mut state, Edit::AddPhotos(photos))?;
    Ok(state)
}
