//! Training bottleneck adapters on photos in class folders ("CLIP Adaptation by Intra-modal Overlap Reduction", BMVC 2024,
//! arXiv 2409.11338; `akres001/CLIP_fewshot_imo` at 9e7de23b) or without labels (`dino`), and the visual projection alone (`ProLIP`).
//!
//! The frozen weights are plain tensors; only the adapters (and a head that is thrown away) are variables. What comes before the
//! first adapted block is computed once for each photo where memory allows. Order, dropout and start depend on the seed alone,
//! so training that was interrupted goes on to the same numbers.

mod checkpoint;
mod dino;
mod dropout;
mod file;
pub mod label_list;
mod labelled;
mod loss;
mod options;
mod parameters;
mod photos;
mod prolip;
mod run;
mod shelf;
mod spool;
mod timing;

use std::path::{Path, PathBuf};

use super::trained_on::TrainedOn;
use super::{Engine, EngineError};
use crate::clip::ClipError;
use crate::features::Features;
use crate::methods::overlap::{Bins, OverlapOptions, measure};
use crate::progress::Progress;

pub use file::{AdapterInfo, info};
pub use options::{Loss, MANY_PHOTOS, Preset, TrainingOptions};
pub(super) use photos::{Parts, Photos, SentPhoto};
pub(super) use shelf::{Saved, Shelf};

/// What training tells while it runs.
#[derive(Clone, Debug)]
pub enum Report {
    /// What was decided, before the first step.
    Planned(Plan),
    /// A step is done.
    Step(Step),
    /// The held-out photos were looked at.
    HeldOut(HeldOut),
}

/// What was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The recipe.
    pub preset: Preset,
    /// Photos to learn from.
    pub num_photos: usize,
    /// Photos held out.
    pub num_held_out: usize,
    /// Path and reason of each photo that was left out.
    pub skipped: Vec<(PathBuf, String)>,
    /// Steps in all.
    pub steps: usize,
    /// Photos of a step.
    pub batch: usize,
    /// Photos that go through the tower at once; the gradients of a step are summed over its parts.
    pub part: usize,
    /// Bytes that activations take for as long as training runs; 0 where photos are read anew for each step.
    pub bytes_of_activations: usize,
    /// About how many bytes a step takes.
    pub bytes_of_step: usize,
    /// The process that trains, and where, as "the worker on gpu, CUDA 0"; `None` is this one.
    pub worker: Option<String>,
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Steps done.
    pub step: usize,
    /// Steps in all.
    pub total: usize,
    /// The loss before the step.
    pub loss: f32,
    /// Photos learned from in a second, over this run.
    pub images_per_second: f64,
    /// Seconds left, looks at the held-out photos included.
    pub seconds_left: f64,
}

/// The held-out photos as the adapter now sees them.
#[derive(Clone, Debug)]
pub struct HeldOut {
    /// Steps done; 0 for the original features.
    pub step: usize,
    /// `[num_held_out, dim]`.
    pub features: Features,
    /// Class of every row.
    pub labels: Vec<usize>,
    /// How far same-class and different-class cosines overlap.
    pub figures: Figures,
}

/// How far same-class and different-class cosines overlap; `None` where there are no pairs of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Overlap coefficient, 0 to 1, on bins that as many pairs can bear.
    pub overlap: Option<f64>,
    /// Share of pairs of pairs in the right order, 0.5 to 1.
    pub auroc: Option<f64>,
}

/// What came of training.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Photos learned from.
    pub num_photos: usize,
    /// Photos held out.
    pub num_held_out: usize,
    /// Classes.
    pub num_classes: usize,
    /// Steps done.
    pub steps: usize,
    /// The step whose state was kept.
    pub kept_step: usize,
    /// The held-out photos by original features.
    pub before: Figures,
    /// The held-out photos by adapted features.
    pub after: Figures,
    /// Whether all steps were done.
    pub is_finished: bool,
}

/// Photos to learn from.
#[derive(Clone, Copy)]
pub struct Lesson<'a> {
    /// Files with the index of their class.
    pub photos: &'a [(PathBuf, usize)],
    /// Class names; only `ProLIP` reads them.
    pub classes: &'a [String],
    /// Files without a class; only DINO learns from them.
    pub unlabelled: &'a [PathBuf],
}

impl Engine {
    /// Trains an adapter and writes it to `out`, as authors' tensors with a summary in the metadata. A quarter of every class's
    /// photos (at most 1,000) is held out: they judge, and nothing else.
    ///
    /// When `progress` asks to stop, the checkpoint is saved and the best state so far is written; before the first step, an error.
    pub fn train_adapter(
        &self,
        lesson: Lesson<'_>,
        options: &TrainingOptions,
        out: &Path,
        progress: &Progress<'_>,
        on_report: &mut dyn FnMut(Report),
    ) -> Result<Outcome, EngineError> {
        if self.clip().adapter_places().is_none() {
            return Err(ClipError::AdapterNeedsTransformer.into());
        }
        let photos = photos::Photos::read(&listed(lesson, options.loss), progress)?;
        let photos = match options.loss {
            Loss::Dino => photos.judged_by_classes(),
            _ => photos,
        };
        let material = Material::new(&photos, lesson.classes, options.seed);
        check(&photos, &material.parts, options.loss)?;
        let mut shelf = Shelf::of(options);
        let elsewhere = match self.trainer() {
            Some((trainer, say)) => {
                let lesson = (self, &material);
                trainer.train(lesson, options, &mut shelf, progress, on_report, say)?
            }
            None => None,
        };
        let made = match elsewhere {
            Some(made) => made,
            None => self.train_on(&material, options, &mut shelf, progress, on_report)?,
        };
        file::write(out, &made.file)?;
        let Made { outcome, .. } = made;
        if let Some(checkpoint) = options.checkpoint.as_ref().filter(|_| outcome.is_finished) {
            // Of no use any more; where it cannot be removed it does no harm.
            std::fs::remove_file(checkpoint).ok();
        }
        Ok(outcome)
    }

    /// The same on photos that were read, in this process.
    pub(super) fn train_on(
        &self,
        material: &Material<'_>,
        options: &TrainingOptions,
        shelf: &mut Shelf<'_>,
        progress: &Progress<'_>,
        on_report: &mut dyn FnMut(Report),
    ) -> Result<Made, EngineError> {
        let Material {
            photos,
            parts,
            classes,
            num_classes,
        } = material;
        let course = run::Course {
            engine: self,
            photos,
            parts,
            num_classes: *num_classes,
        };
        let trained = match options.loss {
            Loss::ProLip => prolip::train(&course, classes, options, progress, on_report)?,
            Loss::CrossEntropy | Loss::Contrastive | Loss::Dino => {
                run::train(&course, options, shelf, progress, on_report)?
            }
        };
        let run::Trained {
            settled,
            tensors,
            outcome,
        } = trained;
        let trained_on = TrainedOn::new(parts.train.iter().map(|row| &photos.hashes[*row]));
        let file = file::packed(self.clip(), &settled, &tensors, &outcome, &trained_on)?;
        Ok(Made { file, outcome })
    }
}

/// Photos to learn from, and which of them judge.
pub(super) struct Material<'a> {
    pub(super) photos: &'a Photos,
    pub(super) parts: Parts,
    /// At least as many names as `num_classes`, where the loss reads them.
    pub(super) classes: &'a [String],
    pub(super) num_classes: usize,
}

impl<'a> Material<'a> {
    /// `seed` decides which photos are held out.
    pub(super) fn new(photos: &'a Photos, classes: &'a [String], seed: u64) -> Self {
        let num_classes = photos.labels.iter().flatten().max();
        let num_classes = num_classes.map_or(0, |label| label + 1);
        Self {
            parts: photos.parts(num_classes, seed),
            photos,
            classes,
            num_classes,
        }
    }

    /// A photo as a training elsewhere needs it.
    pub(super) fn to_send(
        &self,
        photo: usize,
        loss: Loss,
        engine: &Engine,
    ) -> Result<SentPhoto, EngineError> {
        let learns = self.parts.train.binary_search(&photo).is_ok();
        let picture = if learns && loss == Loss::Dino {
            let longest = dino::longest_side(engine.clip());
            Some(self.photos.picture(photo, longest)?)
        } else if learns || self.parts.held_out.contains(&photo) {
            let crop = self.photos.crop(photo, engine)?;
            let side = crop.size as u32;
            image::RgbImage::from_raw(side, side, crop.pixels)
        } else {
            None
        };
        Ok(SentPhoto {
            label: self.photos.labels[photo],
            hash: self.photos.hashes[photo],
            size: self.photos.sizes[photo],
            picture,
        })
    }
}

/// What came of training: the adapter's file, and in figures.
pub(super) struct Made {
    pub(super) file: Vec<u8>,
    pub(super) outcome: Outcome,
}

/// The photos that this loss learns from.
fn listed(lesson: Lesson<'_>, loss: Loss) -> Vec<(&PathBuf, Option<usize>)> {
    let labelled = lesson
        .photos
        .iter()
        .map(|(path, label)| (path, Some(*label)));
    let unlabelled = lesson.unlabelled.iter().map(|path| (path, None));
    let is_wanted = loss == Loss::Dino;
    labelled.chain(unlabelled.filter(|_| is_wanted)).collect()
}

/// Refuses photos that nothing can be learned from.
fn check(photos: &photos::Photos, parts: &photos::Parts, loss: Loss) -> Result<(), EngineError> {
    if loss == Loss::Dino {
        let count = parts.train.len();
        return if count >= 2 {
            Ok(())
        } else {
            Err(EngineError::Training(format!(
                "dino learns from two different photos at least, and {count} can be read: give a folder with more"
            )))
        };
    }
    let mut seen = photos.labels_of(&parts.train);
    seen.sort_unstable();
    seen.dedup();
    if seen.len() >= 2 {
        return Ok(());
    }
    Err(EngineError::Training(format!(
        "an adapter learns from photos of two classes at least, and {} can be read: give a folder with a folder of photos for each class",
        match seen.len() {
            0 => "none",
            _ => "those of one class only",
        }
    )))
}

/// Overlap of the held-out photos' features.
fn figures(features: &Features, labels: &[usize]) -> Result<Figures, EngineError> {
    let options = OverlapOptions {
        bins: Bins::Adaptive,
        ..OverlapOptions::default()
    };
    let overlap = measure(features, labels, &options, &Progress::silent())?;
    Ok(Figures {
        overlap: overlap.overlap,
        auroc: overlap.auroc,
    })
}
