//! Training without labels: DINO (Caron et al., ICCV 2021, arXiv 2104.14294; `facebookresearch/dino`) as the adapters' authors use
//! it (`dino_clip_training.py` of `akres001/CLIP_fewshot_imo` at 9e7de23b).
//!
//! A student learns to say of one view of a photo what a teacher says of another; the teacher's adapters follow the student's
//! slowly, and they are what is written. The student's adapters alone learn: the head stays at its random start, and dropout is the
//! student's. Positions are interpolated for the smaller local views, as the authors do.
//!
//! At a size for one machine: 4 local views of each photo instead of 10, and a head of 2,048 outputs instead of 65,536; its inner
//! widths (2,048 and 256) are DINO's. Few photos are few steps, so that the teacher follows faster: it keeps 0.98 of itself after
//! the first step, with `paper` 0.9998 as the authors'.

mod colour;
mod head;
mod loss;
mod pictures;
mod schedule;
#[cfg(test)]
mod tests;

use candle_core::{DType, Result, Tensor};

use super::Plan;
use super::dropout::dropout;
use super::options::{Preset, Settled};
use super::parameters::{AdamW, Gradients, Parameter, Parameters};
use super::run::{Course, Objective, finite};
use crate::clip::{BottleneckAdapter, Clip};
use crate::engine::EngineError;
use crate::progress::Progress;
use head::{HIDDEN, Head};
use loss::{NUM_GLOBAL, distilled, moved_centre, sharpened};
pub(super) use pictures::longest_side;
use pictures::{Pictures, Views};
use schedule::Schedule;

/// Local views of each photo.
const NUM_LOCAL: usize = 4;
/// Outputs of the head.
const OUT_DIM: usize = 2048;
/// Longest gradient of a tensor.
const LONGEST_GRADIENT: f64 = 0.3;
/// Numbers of `[out_dim]` and of `[hidden]` that a view keeps in the head for its way back.
const KEPT_IN_HEAD: (usize, usize) = (8, 6);

/// How much memory training takes, and how a step is divided to keep to what it may. What is kept are the decoded photos to learn
/// from, made smaller, and what the first adapted block takes of the held-out ones.
pub(super) fn plan(course: &Course<'_>, settled: &Settled, num_blocks: usize) -> Plan {
    let clip = course.engine.clip();
    let (of_photo, of_block) = clip.training_bytes().unwrap_or_default();
    let pictures = course.parts.train.iter();
    let pictures: usize = pictures
        .map(|photo| Pictures::bytes(clip, course.photos.sizes[*photo]))
        .sum();
    let of_activations = pictures + course.parts.held_out.len() * of_photo;
    let of_head = (KEPT_IN_HEAD.0 * OUT_DIM + KEPT_IN_HEAD.1 * HIDDEN) * size_of::<f32>();
    let of_views =
        (num_blocks - settled.blocks.start) as f64 * of_block as f64 * global_views(clip);
    let of_part = of_views as usize + (NUM_GLOBAL + NUM_LOCAL) * of_head;
    let part = (settled.memory / of_part.max(1)).clamp(1, settled.batch);
    Plan {
        preset: settled.preset,
        num_photos: course.parts.train.len(),
        num_held_out: course.parts.held_out.len(),
        skipped: course.photos.skipped.clone(),
        worker: None,
        steps: settled.steps,
        batch: settled.batch,
        part,
        bytes_of_activations: if of_activations <= settled.memory {
            of_activations
        } else {
            0
        },
        bytes_of_step: part * of_part,
    }
}

/// All views of a photo, counted in global ones by their tokens.
fn global_views(clip: &Clip) -> f64 {
    let patch = clip.vision_size().map_or(1, |(_, _, patch)| patch);
    let num_tokens = |size: usize| ((size / patch).pow(2) + 1) as f64;
    let size = clip.preprocess().size;
    let local = num_tokens(clip.local_size().unwrap_or(size)) / num_tokens(size);
    NUM_GLOBAL as f64 + NUM_LOCAL as f64 * local
}

/// What the steps need.
pub(super) struct Dino<'a> {
    course: &'a Course<'a>,
    settled: Settled,
    /// Photos whose views go through the tower at once.
    part: usize,
    schedule: Schedule,
    pictures: Pictures<'a>,
    head: Head,
    /// The teacher's adapters, and the centre `[out_dim]` behind them.
    teacher: Parameters,
}

impl<'a> Dino<'a> {
    /// A teacher that is the student; reads the photos, where the plan keeps them.
    pub(super) fn new(
        course: &'a Course<'a>,
        settled: &Settled,
        plan: &Plan,
        student: &Parameters,
        progress: &Progress<'_>,
    ) -> std::result::Result<Self, EngineError> {
        let clip = course.engine.clip();
        let mut pictures = Pictures::new(course.photos, clip, NUM_LOCAL, settled.seed);
        if plan.bytes_of_activations > 0 {
            pictures.keep(&course.parts.train, progress)?;
        }
        let centre = Tensor::zeros(OUT_DIM, DType::F32, clip.device())?;
        Ok(Self {
            course,
            settled: settled.clone(),
            part: plan.part,
            schedule: Schedule {
                steps: settled.steps,
                learning_rate: settled.learning_rate,
                momentum: match settled.preset {
                    Preset::Paper => 0.9998,
                    Preset::FewShot => 0.98,
                },
            },
            pictures,
            head: Head::new(clip.dim(), OUT_DIM, settled.seed, clip.device())?,
            teacher: student.for_teacher(&centre)?,
        })
    }

    fn centre(&self) -> &Parameter {
        &self.teacher.head()[0]
    }

    /// Logits of what the tower makes of activations through `adapter`.
    fn logits(&self, activations: &Tensor, adapter: &BottleneckAdapter) -> Result<Tensor> {
        let clip = self.course.engine.clip();
        let embeddings = clip.finish_for_training(activations, self.settled.blocks.start, adapter);
        self.head
            .forward(&embeddings.map_err(candle_core::Error::wrap)?)
    }

    /// What is constant about views: what the first adapted block takes.
    fn activations(&self, crops: &[crate::clip::preprocess::Crop]) -> Result<Tensor> {
        let clip = self.course.engine.clip();
        clip.activations(crops, self.settled.blocks.start, self.settled.pixels)
            .map_err(candle_core::Error::wrap)
    }

    /// The adapters of `parameters` for the student, with the dropout of these views of photos.
    fn student(
        &self,
        parameters: &Parameters,
        step: usize,
        photos: &[usize],
        views: std::ops::Range<usize>,
    ) -> BottleneckAdapter {
        let Settled {
            dropout: share,
            seed,
            ..
        } = self.settled;
        let num_views = NUM_GLOBAL + NUM_LOCAL;
        let ids = views.flat_map(|view| photos.iter().map(move |photo| photo * num_views + view));
        let ids: Vec<usize> = ids.collect();
        let device = self.course.engine.clip().device();
        parameters.adapter(&self.settled, dropout(share, seed, step, &ids, device))
    }

    /// The loss that `photos` have a part in, of `num_photos` in all, and the sum of the teacher's logits, `[out_dim]`.
    fn loss(
        &self,
        parameters: &Parameters,
        step: usize,
        photos: &[usize],
        num_photos: usize,
    ) -> std::result::Result<(Tensor, Tensor), EngineError> {
        let Views { global, local } = self.pictures.views(photos, step)?;
        let (global, local) = (self.activations(&global)?, self.activations(&local)?);
        let teacher = self.teacher.frozen(&self.settled);
        let taught = self.logits(&global, &teacher)?;
        let temperature = self.schedule.temperature(step);
        let shares = sharpened(&taught, &self.centre().var.detach(), temperature)?;
        let student = self.student(parameters, step, photos, 0..NUM_GLOBAL);
        let of_global = self.logits(&global, &student)?;
        let student = self.student(parameters, step, photos, NUM_GLOBAL..NUM_GLOBAL + NUM_LOCAL);
        let of_local = self.logits(&local, &student)?;
        let said = Tensor::cat(&[of_global, of_local], 0)?;
        Ok((distilled(&said, &shares, num_photos)?, taught.sum(0)?))
    }

    /// Loss and gradients of a batch, and the teacher's mean logits.
    fn gradients(
        &self,
        parameters: &Parameters,
        step: usize,
        batch: &[usize],
    ) -> std::result::Result<(f32, Gradients, Tensor), EngineError> {
        let mut gradients = Gradients::none(parameters);
        let (mut loss, mut sum) = (0.0, self.centre().var.zeros_like()?);
        for part in batch.chunks(self.part) {
            let (own, taught) = self.loss(parameters, step, part, batch.len())?;
            gradients.add(parameters.adapters(), 0, &own.backward()?)?;
            loss += own.to_scalar::<f32>()?;
            sum = (sum + taught)?;
        }
        let num_rows = (NUM_GLOBAL * batch.len()) as f64;
        Ok((loss, gradients, (sum / num_rows)?.detach()))
    }

    /// Moves the teacher towards the student.
    fn follow(&self, student: &Parameters, step: usize) -> Result<()> {
        let kept = self.schedule.momentum(step);
        let (kept, new) = (kept as f32, (1.0 - kept) as f32);
        for (teacher, student) in self.teacher.adapters().iter().zip(student.adapters()) {
            let mut numbers = teacher.numbers()?;
            for (own, student) in numbers.iter_mut().zip(student.numbers()?) {
                *own = kept * *own + new * student;
            }
            teacher.set(&numbers)?;
        }
        Ok(())
    }
}

impl Objective for Dino<'_> {
    fn step(
        &self,
        parameters: &mut Parameters,
        step: usize,
        photos: &[usize],
    ) -> std::result::Result<f32, EngineError> {
        let (loss, mut gradients, mean) = self.gradients(parameters, step, photos)?;
        finite(loss, step)?;
        gradients.clip(LONGEST_GRADIENT);
        let adamw = AdamW {
            learning_rate: self.schedule.learning_rate(step),
            weight_decay: self.schedule.weight_decay(step),
            epsilon: 1e-8,
        };
        adamw.step_sparing_biases(parameters, &gradients, step + 1)?;
        self.follow(parameters, step)?;
        let centre = moved_centre(self.centre().var.as_tensor(), &mean)?;
        self.centre().var.set(&centre.detach())?;
        Ok(loss)
    }

    fn written<'p>(&'p self, _: &'p Parameters) -> &'p Parameters {
        &self.teacher
    }

    fn remembered(&self) -> &[Parameter] {
        &self.teacher.all
    }
}
