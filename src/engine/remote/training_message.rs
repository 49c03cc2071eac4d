//! What is said about training: plain data, and how it comes from and becomes what training works with.

use std::path::PathBuf;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::clip::PixelValues;
use crate::engine::adapter_training::{
    Figures, HeldOut, Loss, Outcome, Plan, Preset, Report, Saved, SentPhoto, Step, TrainingOptions,
};
use crate::features::{Features, Matrix};
use crate::image_io::ContentHash;

/// A photo to learn from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LessonPhoto {
    /// Its class.
    pub label: Option<u32>,
    /// Of the file.
    pub hash: [u8; 32],
    /// Width and height of the file.
    pub size: (u32, u32),
    /// Width, height and pixels of what training looks at.
    pub picture: Option<(u32, u32, Vec<u8>)>,
}

/// What to train.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Comes back with everything that is said of it.
    pub id: u64,
    /// Class names.
    pub classes: Vec<String>,
    /// How.
    pub recipe: Recipe,
    /// Name and bytes of a state to go on from.
    pub saved: Option<(String, Vec<u8>)>,
    /// Milliseconds between two states that are sent back.
    pub save_every: u64,
}

/// [`TrainingOptions`] without files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    preset: Option<String>,
    loss: String,
    epochs: Option<u64>,
    batch: Option<u64>,
    learning_rate: Option<f64>,
    scale: Option<f64>,
    dropout: Option<f64>,
    blocks: Option<(u64, u64)>,
    seed: u64,
    is_unnormalised: bool,
    memory: Option<u64>,
}

/// How a training goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum News {
    /// So much of something is done.
    Progress {
        /// Steps done.
        done: u64,
        /// Of so many.
        total: u64,
    },
    /// What was decided.
    Planned(PlanData),
    /// A step is done.
    Step {
        /// Steps done.
        step: u64,
        /// Steps in all.
        total: u64,
        /// Before the step.
        loss: f32,
        /// Photos in a second.
        images_per_second: f64,
        /// Left.
        seconds_left: f64,
    },
    /// The held-out photos were looked at.
    HeldOut {
        /// Steps done.
        step: u64,
        /// Row after row.
        features: Vec<f32>,
        /// Class of every row.
        labels: Vec<u32>,
        /// How far apart they are.
        figures: FigureData,
    },
    /// A state to go on from, as its file's bytes.
    Saved(Vec<u8>),
}

/// A [`Plan`] without what the asker knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanData {
    preset: String,
    num_photos: u64,
    num_held_out: u64,
    steps: u64,
    batch: u64,
    part: u64,
    bytes_of_activations: u64,
    bytes_of_step: u64,
}

/// [`Figures`]: overlap and AUROC.
pub type FigureData = (Option<f64>, Option<f64>);

/// What came of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingResult {
    /// The adapter's file.
    pub file: Vec<u8>,
    num_photos: u64,
    num_held_out: u64,
    num_classes: u64,
    steps: u64,
    kept_step: u64,
    before: FigureData,
    after: FigureData,
    is_finished: bool,
}

impl LessonPhoto {
    pub(super) fn new(photo: SentPhoto) -> Self {
        Self {
            label: photo.label.map(|label| label as u32),
            hash: photo.hash.0,
            size: photo.size,
            picture: photo
                .picture
                .map(|picture| (picture.width(), picture.height(), picture.into_raw())),
        }
    }

    /// `None` where there are too few pixels, or too many.
    pub(super) fn unpacked(self) -> Option<SentPhoto> {
        let picture = match self.picture {
            None => None,
            Some((width, height, pixels)) => {
                let num_bytes = u64::from(width)
                    .checked_mul(height.into())?
                    .checked_mul(3)?;
                let picture = (pixels.len() as u64 == num_bytes)
                    .then(|| RgbImage::from_raw(width, height, pixels));
                Some(picture??)
            }
        };
        Some(SentPhoto {
            label: self.label.map(|label| label as usize),
            hash: ContentHash(self.hash),
            size: self.size,
            picture,
        })
    }
}

impl Order {
    pub(super) fn saved(saved: Option<&Saved>) -> Option<(String, Vec<u8>)> {
        saved.map(|saved| (saved.name.clone(), saved.file.clone()))
    }
}

impl Recipe {
    pub(super) fn new(options: &TrainingOptions) -> Self {
        let count = |number: Option<usize>| number.map(|number| number as u64);
        Self {
            preset: options.preset.map(|preset| preset.name().to_owned()),
            loss: options.loss.name().to_owned(),
            epochs: count(options.epochs),
            batch: count(options.batch),
            learning_rate: options.learning_rate,
            scale: options.scale,
            dropout: options.dropout,
            blocks: options
                .blocks
                .as_ref()
                .map(|blocks| (blocks.start as u64, blocks.end as u64)),
            seed: options.seed,
            is_unnormalised: options.pixels == PixelValues::ZeroToOne,
            memory: count(options.memory),
        }
    }

    /// `None` where a name is unknown.
    pub(super) fn options(self) -> Option<TrainingOptions> {
        let count = |number: Option<u64>| number.map(|number| number as usize);
        Some(TrainingOptions {
            preset: match self.preset {
                Some(name) => Some(Preset::named(&name)?),
                None => None,
            },
            loss: Loss::named(&self.loss)?,
            epochs: count(self.epochs),
            batch: count(self.batch),
            learning_rate: self.learning_rate,
            scale: self.scale,
            dropout: self.dropout,
            blocks: self.blocks.map(|(start, end)| start as usize..end as usize),
            seed: self.seed,
            pixels: if self.is_unnormalised {
                PixelValues::ZeroToOne
            } else {
                PixelValues::Normalised
            },
            memory: count(self.memory),
            checkpoint: None,
            resume: false,
        })
    }
}

impl News {
    pub(super) fn new(report: Report) -> Self {
        match report {
            Report::Planned(plan) => Self::Planned(PlanData {
                preset: plan.preset.name().to_owned(),
                num_photos: plan.num_photos as u64,
                num_held_out: plan.num_held_out as u64,
                steps: plan.steps as u64,
                batch: plan.batch as u64,
                part: plan.part as u64,
                bytes_of_activations: plan.bytes_of_activations as u64,
                bytes_of_step: plan.bytes_of_step as u64,
            }),
            Report::Step(step) => Self::Step {
                step: step.step as u64,
                total: step.total as u64,
                loss: step.loss,
                images_per_second: step.images_per_second,
                seconds_left: step.seconds_left,
            },
            Report::HeldOut(held_out) => Self::HeldOut {
                step: held_out.step as u64,
                features: held_out.features.matrix().as_slice().to_vec(),
                labels: held_out.labels.iter().map(|label| *label as u32).collect(),
                figures: packed(held_out.figures),
            },
        }
    }
}

impl PlanData {
    /// `None` where the recipe is unknown.
    pub(super) fn plan(self, skipped: Vec<(PathBuf, String)>, worker: String) -> Option<Plan> {
        Some(Plan {
            preset: Preset::named(&self.preset)?,
            num_photos: self.num_photos as usize,
            num_held_out: self.num_held_out as usize,
            skipped,
            steps: self.steps as usize,
            batch: self.batch as usize,
            part: self.part as usize,
            bytes_of_activations: self.bytes_of_activations as usize,
            bytes_of_step: self.bytes_of_step as usize,
            worker: Some(worker),
        })
    }
}

/// The held-out photos; `None` where rows and labels do not fit together.
pub(super) fn held_out(
    step: u64,
    features: Vec<f32>,
    labels: &[u32],
    figures: FigureData,
) -> Option<HeldOut> {
    let rows = labels.len();
    let matrix = Matrix::new(rows, features.len() / rows.max(1), features).ok()?;
    Some(HeldOut {
        step: step as usize,
        features: Features::normalized(matrix).ok()?,
        labels: labels.iter().map(|label| *label as usize).collect(),
        figures: unpacked(figures),
    })
}

/// A step as it was told.
pub(super) fn step(
    (step, total): (u64, u64),
    loss: f32,
    images_per_second: f64,
    seconds_left: f64,
) -> Step {
    Step {
        step: step as usize,
        total: total as usize,
        loss,
        images_per_second,
        seconds_left,
    }
}

impl TrainingResult {
    pub(super) fn new(file: Vec<u8>, outcome: &Outcome) -> Self {
        Self {
            file,
            num_photos: outcome.num_photos as u64,
            num_held_out: outcome.num_held_out as u64,
            num_classes: outcome.num_classes as u64,
            steps: outcome.steps as u64,
            kept_step: outcome.kept_step as u64,
            before: packed(outcome.before),
            after: packed(outcome.after),
            is_finished: outcome.is_finished,
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        Outcome {
            num_photos: self.num_photos as usize,
            num_held_out: self.num_held_out as usize,
            num_classes: self.num_classes as usize,
            steps: self.steps as usize,
            kept_step: self.kept_step as usize,
            before: unpacked(self.before),
            after: unpacked(self.after),
            is_finished: self.is_finished,
        }
    }
}

fn packed(figures: Figures) -> FigureData {
    (figures.overlap, figures.auroc)
}

fn unpacked((overlap, auroc): FigureData) -> Figures {
    Figures { overlap, auroc }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_out_as_they_went_in_and_unknown_names_do_not() {
        for preset in [None, Some(Preset::Paper), Some(Preset::FewShot)] {
            let options = TrainingOptions {
                preset,
                loss: Loss::Dino,
                epochs: Some(3),
                learning_rate: Some(1e-3),
                blocks: Some(8..12),
                seed: 7,
                pixels: PixelValues::ZeroToOne,
                memory: Some(5 << 20),
                ..TrainingOptions::default()
            };
            assert_eq!(Recipe::new(&options).options(), Some(options));
        }
        let mut recipe = Recipe::new(&TrainingOptions::default());
        recipe.loss = "hinge".to_owned();
        assert_eq!(recipe.options(), None);
    }

    #[test]
    fn pixels_that_are_no_picture_are_no_photo() {
        let photo = |picture| LessonPhoto {
            label: Some(1),
            hash: [7; 32],
            size: (20, 10),
            picture,
        };
        assert!(photo(None).unpacked().is_some());
        assert!(photo(Some((2, 1, vec![0; 6]))).unpacked().is_some());
        for (width, height) in [(2, 2), (u32::MAX, u32::MAX), (1 << 31, 1 << 31)] {
            let odd = photo(Some((width, height, vec![0; 6])));
            assert!(odd.unpacked().is_none(), "{width} x {height}");
        }
    }
}
