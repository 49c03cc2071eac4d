//! Methods that are trained for seconds on cached features, with gradients derived by hand.
//!
//! A [`Model`] says its logits and the gradients of their cross-entropy; [`descent`] does the rest: batches, optimiser,
//! schedule, the choice of an epoch on photos held out, and stopping whenever somebody asks for it.
//! Where a photo has several views, every epoch sees a random one of each, as the papers augment photos anew every epoch.

mod ape_t;
mod clip_adapter;
mod descent;
#[cfg(test)]
mod gradient_check;
mod kernels;
mod lp_pp;
mod optimiser;
mod photos;
mod taskres;
mod tip_adapter_f;

use rayon::prelude::*;

use super::evidence::{Keyring, logits_as_readings};
use super::stored::Linear;
use super::{
    Classifier, Knowledge, LOGIT_SCALE, Method, MethodError, Parameters, Queries, Reading,
    Weighing, check,
};
use crate::features::{Logits, Matrix};
use crate::progress::{CancelToken, Progress};
use descent::Course;
use photos::Photos;

/// Queries scored together.
const CHUNK: usize = 256;

/// What a step of training tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainStep {
    /// Steps done, from 1.
    pub step: usize,
    /// Steps there will be; falls once the best epoch is known.
    pub total: usize,
    /// Mean cross-entropy of the step's photos before the step.
    pub loss: f32,
    /// Share of the held-out photos classified rightly, 0 to 1; after the last step of an epoch, while the best is sought.
    pub accuracy: Option<f32>,
}

/// Who watches a training, and may stop it.
#[derive(Clone, Copy)]
pub struct Monitor<'a> {
    report: &'a (dyn Fn(TrainStep) + Sync),
    cancel: Option<&'a CancelToken>,
}

impl<'a> Monitor<'a> {
    /// Reports every step to `report`; once `cancel` is set, training ends with the best state so far.
    pub fn new(report: &'a (dyn Fn(TrainStep) + Sync), cancel: Option<&'a CancelToken>) -> Self {
        Self { report, cancel }
    }

    /// Reports to nobody and never stops.
    pub fn silent() -> Self {
        Self {
            report: &|_| (),
            cancel: None,
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_some_and(CancelToken::is_cancelled)
    }
}

/// What is trained: its logits, and how they change with its weights.
trait Model: Clone + Send + Sync {
    /// The matrices that training changes, always in the same order.
    fn weights(&mut self) -> Vec<&mut Matrix>;

    /// Logits of `rows` `[n, dim]`, `[n, num_classes]`.
    fn logits(&self, rows: &Matrix) -> Matrix;

    /// `share` times the summed cross-entropy of the rows, and its gradients in the order of [`Self::weights`].
    fn gradients(&self, rows: &Matrix, labels: &[usize], share: f32) -> (f32, Vec<Matrix>);

    /// The same weights at other parameters; `None` where none can be changed after training.
    fn at(&self, _parameters: &Parameters) -> Option<Self> {
        None
    }

    /// The one linear map that it is, if it is one.
    fn linear(&self) -> Option<Linear> {
        None
    }

    /// What is left of a cache.
    fn cache(&self) -> Option<TrainedCache> {
        None
    }
}

/// A cache that training has left: `logits = x · textᵀ + α Σ_j votes_j exp(-β (1 - x · keys_j))`.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedCache {
    /// Class texts with their weight, `[num_classes, dim]`.
    pub text: Matrix,
    /// `[num_keys, dim]`, of any length.
    pub keys: Matrix,
    /// The class of every key.
    pub labels: Vec<usize>,
    /// The weight of every key's vote before α.
    pub votes: Vec<f32>,
}

/// A model as a classifier.
struct Trained<M> {
    model: M,
    dim: usize,
    num_classes: usize,
}

impl<M: Model + 'static> Classifier for Trained<M> {
    fn predict(
        &self,
        queries: Queries<'_>,
        progress: &Progress<'_>,
    ) -> Result<Logits, MethodError> {
        queries.check_dim(self.dim)?;
        let rows = queries.original;
        let chunks: Result<Vec<Vec<f32>>, MethodError> = (0..rows.len().div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                progress.check()?;
                let indices: Vec<usize> =
                    (chunk * CHUNK..rows.len().min((chunk + 1) * CHUNK)).collect();
                let rows = rows.matrix().select_rows(&indices);
                Ok(self.model.logits(&rows).into_vec())
            })
            .collect();
        let mut logits = Matrix::zeros(rows.len(), self.num_classes);
        logits.as_mut_slice().copy_from_slice(&chunks?.concat());
        progress.step(rows.len(), rows.len())?;
        Ok(Logits(logits))
    }

    fn read(&self, queries: Queries<'_>, hidden: &[&[usize]]) -> Result<Vec<Reading>, MethodError> {
        let Some(cache) = self.model.cache() else {
            return Ok(logits_as_readings(&self.logits(queries)?));
        };
        queries.check_dim(self.dim)?;
        if queries.original.is_empty() {
            return Ok(Vec::new());
        }
        let rows = queries.original.matrix();
        let (base, affinities) = (
            rows.times_transposed(&cache.text),
            rows.times_transposed(&cache.keys),
        );
        let reading = |query: usize| {
            let mut affinities = affinities.row(query).to_vec();
            for key in hidden.get(query).copied().unwrap_or_default() {
                affinities[*key] = f32::NEG_INFINITY;
            }
            Reading {
                base: base.row(query).to_vec(),
                affinities,
                ..Reading::default()
            }
        };
        Ok((0..rows.rows()).map(reading).collect())
    }

    fn weighing(&self) -> Weighing {
        self.model.cache().map_or(Weighing::Fixed, |cache| {
            Weighing::Votes(Keyring {
                values: cache.votes,
                ..Keyring::new(&cache.labels)
            })
        })
    }

    fn at(&self, parameters: &Parameters) -> Option<Box<dyn Classifier>> {
        Some(Box::new(Self {
            model: self.model.at(parameters)?,
            ..*self
        }))
    }

    fn linear(&self) -> Option<Linear> {
        self.model.linear()
    }

    fn trained_cache(&self) -> Option<TrainedCache> {
        self.model.cache()
    }
}

/// Trains `method`, which must be one of those trained on features.
pub(super) fn fit(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    monitor: &Monitor<'_>,
) -> Result<Box<dyn Classifier>, MethodError> {
    check(method, knowledge)?;
    // LP++ computes its step sizes from fixed rows.
    let views = knowledge.views.filter(|_| method != Method::LpPlusPlus);
    let photos = Photos::new(&Knowledge {
        views,
        ..*knowledge
    })?;
    let shots = knowledge.support.shots_per_class().into_iter().max();
    let course = Course::published(method, shots.unwrap_or(0), parameters);
    let training = Training {
        course,
        photos,
        knowledge,
        monitor,
    };
    match method {
        Method::TipAdapterF => training
            .run(|support, rate| Ok(tip_adapter_f::start(parameters, knowledge, support, rate))),
        Method::ApeT => {
            let channels = ape_t::channels(parameters, knowledge);
            training.run(|support, rate| {
                Ok(ape_t::start(
                    parameters, knowledge, support, &channels, rate,
                ))
            })
        }
        Method::ClipAdapter => {
            training.run(|_, rate| Ok(clip_adapter::start(parameters, knowledge, rate)))
        }
        Method::TaskRes => training.run(|_, rate| Ok(taskres::start(parameters, knowledge, rate))),
        Method::LpPlusPlus => {
            training.run(|support, _| lp_pp::start(parameters, knowledge, support))
        }
        _ => Err(MethodError::FixedOnly { method }),
    }
}

/// Everything that a training takes but its model.
struct Training<'a> {
    course: Course,
    photos: Photos<'a>,
    knowledge: &'a Knowledge<'a>,
    monitor: &'a Monitor<'a>,
}

/// Weight of the class texts in the logits: 100, or 0 where class names do not count.
fn text_scale(knowledge: &Knowledge<'_>) -> f32 {
    if knowledge.use_class_names {
        LOGIT_SCALE
    } else {
        0.0
    }
}

/// `matrix` times `factor`.
fn scaled(matrix: &Matrix, factor: f32) -> Matrix {
    let mut scaled = matrix.clone();
    scaled.as_mut_slice().iter_mut().for_each(|x| *x *= factor);
    scaled
}
