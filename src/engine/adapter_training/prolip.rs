//! `ProLIP` (Fahes et al., 2024, arXiv 2410.05270; astra-vision/ProLIP at b43e795c): only the visual projection is trained, by
//! cross-entropy of `100 · cos` with the class texts plus `λ ‖P - P₀‖²`, `λ = 1 / K` for K shots: nothing to validate on.
//!
//! 300 steps of Adam on all photos at once, step size 1e-5 along a cosine, ε = 1e-4. Ours sees one square of each photo.

use std::f64::consts::PI;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::file::Written;
use super::options::{Settled, TrainingOptions};
use super::parameters::{AdamW, Parameter};
use super::run::{Course, Trained};
use super::{Figures, HeldOut, Outcome, Plan, Report, Step, figures};
use crate::clip::preprocess::Crop;
use crate::engine::{EngineError, prompts};
use crate::features::{Features, Matrix};
use crate::methods::LOGIT_SCALE;
use crate::progress::Progress;

const STEPS: usize = 300;
const LEARNING_RATE: f64 = 1e-5;
const EPSILON: f64 = 1e-4;
/// Steps between two looks at the held-out photos.
const LOOK_EVERY: usize = 50;

/// Trains the visual projection.
pub(super) fn train(
    course: &Course<'_>,
    classes: &[String],
    options: &TrainingOptions,
    progress: &Progress<'_>,
    on_report: &mut dyn FnMut(Report),
) -> std::result::Result<Trained, EngineError> {
    let engine = course.engine;
    let Some(start) = engine.clip().image_projection().cloned() else {
        return Err(crate::clip::ClipError::AdapterNeedsTransformer.into());
    };
    let steps = options.epochs.unwrap_or(STEPS).max(1);
    let num_photos = course.parts.train.len();
    let settled = Settled {
        steps,
        batch: num_photos,
        learning_rate: options.learning_rate.unwrap_or(LEARNING_RATE),
        scale: 1.0,
        dropout: 0.0,
        ..Settled::new(options, num_photos, 0)
    };
    on_report(Report::Planned(plan(course, &settled, start.cols())));
    let prompts: Vec<Vec<String>> = classes[..course.num_classes]
        .iter()
        .map(|name| vec![prompts::default_prompt(name)])
        .collect();
    let text = engine.class_features(prompts.iter().map(Vec::as_slice))?;
    let scene = Scene {
        hidden: hidden(course, &course.parts.train, progress)?,
        held_out: hidden(course, &course.parts.held_out, progress)?,
        text: tensor(text.matrix())?,
        start: tensor(&start)?,
        course,
    };
    let mut projection = Parameter::new("visual.proj".to_owned(), &scene.start)?;
    let before = scene.look(&projection, 0, on_report)?;
    let (done, is_finished) = scene.steps(&mut projection, &settled, progress, on_report)?;
    let outcome = Outcome {
        num_photos,
        num_held_out: course.parts.held_out.len(),
        num_classes: course.num_classes,
        steps: done,
        kept_step: done,
        before,
        after: scene.look(&projection, done, on_report)?,
        is_finished,
    };
    let learned = Matrix::new(start.rows(), start.cols(), projection.numbers()?)?.transposed();
    let tensors = vec![Written {
        name: projection.name,
        dims: vec![learned.rows(), learned.cols()],
        numbers: learned.into_vec(),
    }];
    Ok(Trained {
        settled,
        tensors,
        outcome,
    })
}

fn plan(course: &Course<'_>, settled: &Settled, width: usize) -> Plan {
    let (num_photos, num_held_out) = (course.parts.train.len(), course.parts.held_out.len());
    let bytes = |rows: usize| rows * width * size_of::<f32>();
    Plan {
        preset: settled.preset,
        num_photos,
        num_held_out,
        skipped: course.photos.skipped.clone(),
        worker: None,
        steps: settled.steps,
        batch: num_photos,
        part: num_photos,
        bytes_of_activations: bytes(num_photos + num_held_out),
        bytes_of_step: 6 * bytes(num_photos),
    }
}

/// What comes before the projection, `[photos.len(), width]`.
fn hidden(
    course: &Course<'_>,
    photos: &[usize],
    progress: &Progress<'_>,
) -> std::result::Result<Tensor, EngineError> {
    let (mut rows, mut width) = (Vec::new(), 0);
    for (index, batch) in photos.chunks(course.engine.batch_size()).enumerate() {
        progress.step(index * course.engine.batch_size(), photos.len())?;
        let crops = batch
            .par_iter()
            .map(|photo| course.photos.crop(*photo, course.engine));
        let crops: Vec<Crop> = crops.collect::<std::result::Result<_, _>>()?;
        let encoded = course.engine.clip().encode_crops(&crops, None)?;
        if let Some(hidden) = encoded.hidden {
            width = hidden.cols();
            rows.extend(hidden.into_vec());
        }
    }
    Ok(tensor(&Matrix::new(photos.len(), width, rows)?)?)
}

struct Scene<'a> {
    /// Of the photos to learn from, `[num_photos, width]`.
    hidden: Tensor,
    /// Of the held-out photos.
    held_out: Tensor,
    /// `[num_classes, dim]`
    text: Tensor,
    /// The model's own projection, `[dim, width]`.
    start: Tensor,
    course: &'a Course<'a>,
}

impl Scene<'_> {
    /// All steps; how many were done, and whether those were all.
    fn steps(
        &self,
        projection: &mut Parameter,
        settled: &Settled,
        progress: &Progress<'_>,
        on_report: &mut dyn FnMut(Report),
    ) -> std::result::Result<(usize, bool), EngineError> {
        let start = std::time::Instant::now();
        let shots = self.most_shots().max(1) as f64;
        for step in 0..settled.steps {
            if let Err(cancelled) = progress.step(step, settled.steps) {
                return if step == 0 {
                    Err(cancelled.into())
                } else {
                    Ok((step, false))
                };
            }
            let loss = self.loss(projection.var.as_tensor(), 1.0 / shots)?;
            let found = loss.backward()?;
            let Some(gradient) = found.get(&projection.var) else {
                return Err(EngineError::Training(
                    "the loss does not depend on the projection".to_owned(),
                ));
            };
            let gradient: Vec<f32> = gradient.flatten_all()?.to_vec1()?;
            let along = 0.5 * (1.0 + (PI * step as f64 / settled.steps as f64).cos());
            let adam = AdamW {
                learning_rate: settled.learning_rate * along,
                weight_decay: 0.0,
                epsilon: EPSILON,
            };
            let mut numbers = projection.numbers()?;
            adam.update(&mut numbers, &gradient, &mut projection.moments, step + 1);
            projection.set(&numbers)?;
            let (done, per_step) = (step + 1, start.elapsed().as_secs_f64() / (step + 1) as f64);
            on_report(Report::Step(Step {
                step: done,
                total: settled.steps,
                loss: loss.to_scalar()?,
                images_per_second: settled.batch as f64 / per_step,
                seconds_left: per_step * (settled.steps - done) as f64,
            }));
            if done.is_multiple_of(LOOK_EVERY) {
                self.look(projection, done, on_report)?;
            }
        }
        progress.step(settled.steps, settled.steps)?;
        Ok((settled.steps, true))
    }

    fn most_shots(&self) -> usize {
        let mut shots = vec![0; self.course.num_classes];
        for label in self.course.photos.labels_of(&self.course.parts.train) {
            shots[label] += 1;
        }
        shots.into_iter().max().unwrap_or(0)
    }

    fn loss(&self, projection: &Tensor, lambda: f64) -> Result<Tensor> {
        let labels = self.course.photos.labels_of(&self.course.parts.train);
        let labels: Vec<u32> = labels.into_iter().map(|label| label as u32).collect();
        let labels = Tensor::new(labels, projection.device())?;
        let features = self.hidden.matmul(&projection.t()?)?;
        let unit = features.broadcast_div(&features.sqr()?.sum_keepdim(1)?.sqrt()?)?;
        let logits = (unit.matmul(&self.text.t()?)? * f64::from(LOGIT_SCALE))?;
        let moved = (projection - &self.start)?.sqr()?.sum_all()?;
        candle_nn::loss::cross_entropy(&logits, &labels)? + (moved * lambda)?
    }

    fn look(
        &self,
        projection: &Parameter,
        step: usize,
        on_report: &mut dyn FnMut(Report),
    ) -> std::result::Result<Figures, EngineError> {
        let photos = &self.course.parts.held_out;
        if photos.is_empty() {
            return Ok(Figures::default());
        }
        let rows = self.held_out.matmul(&projection.var.t()?)?;
        let (num_rows, dim) = rows.dims2()?;
        let features =
            Features::normalized(Matrix::new(num_rows, dim, rows.flatten_all()?.to_vec1()?)?)?;
        let labels = self.course.photos.labels_of(photos);
        let figures = figures(&features, &labels)?;
        on_report(Report::HeldOut(HeldOut {
            step,
            features,
            labels,
            figures,
        }));
        Ok(figures)
    }
}

fn tensor(rows: &Matrix) -> Result<Tensor> {
    Tensor::from_slice(
        rows.as_slice(),
        (rows.rows(), rows.cols()),
        &candle_core::Device::Cpu,
    )
}
