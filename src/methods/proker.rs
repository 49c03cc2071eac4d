//! `ProKeR` (CVPR 2025; omarnust/BReg-Adapter at c89ce546): kernel ridge regression on what the class texts leave over.
//!
//! `k(a, b) = exp(-β (1 - a · b))`, `A = (K_SS / λ + I)⁻¹ (Y - X_S Wᵀ)`, `logits = x · Wᵀ + k(x, S) · A`:
//! raw cosines, without the factor 100, so the logits want a temperature of about 0.01.
//! `S` are all views of the photos. `ProKeR++`: the kernel on adapted features, cosines to the texts on original ones.

use faer::linalg::solvers::Solve as _;
use faer::{Mat, Side};
use rayon::prelude::*;

use super::keys::CHUNK;
use super::linear_algebra::{to_f32, to_f64};
use super::rows::Rows;
use super::{Classifier, Knowledge, Method, MethodError, Parameters, Queries};
use crate::features::{Features, Logits, Matrix};
use crate::progress::Progress;
use crate::support::SupportSet;

/// Most rows that are solved for: their kernel takes 2 GB.
const MOST_ROWS: usize = 16_384;

/// Views are left out beyond so many rows: four times as many would take 64 times as long.
const MOST_VIEWS: usize = 8192;

/// A fitted `ProKeR`.
pub(super) struct ProKeR {
    method: Method,
    /// `S`, `[n, key_dim]`.
    keys: Features,
    text: Features,
    text_scale: f32,
    /// `A`, `[n, num_classes]`.
    coefficients: Matrix,
    beta: f32,
}

impl ProKeR {
    pub(super) fn fit(
        method: Method,
        parameters: &Parameters,
        knowledge: &Knowledge<'_>,
    ) -> Result<Self, MethodError> {
        let Rows { original, keys } = knowledge.rows_for(method)?;
        if original.is_empty() {
            return Err(MethodError::TooFewShots {
                method,
                needed: "a labelled photo",
            });
        }
        if knowledge.support.len() > MOST_ROWS {
            return Err(MethodError::TooManyShots {
                method,
                got: knowledge.support.len(),
                most: MOST_ROWS,
            });
        }
        let (original, keys) = if original.len() > MOST_VIEWS.max(knowledge.support.len()) {
            let kept = fewer_views(original);
            (&original.select(&kept), &keys.select(&kept))
        } else {
            (original, keys)
        };
        let text_scale = if knowledge.use_class_names { 1.0 } else { 0.0 };
        let coefficients = solve(
            parameters,
            keys,
            &residuals(original, knowledge.text, f64::from(text_scale)),
        )?;
        Ok(Self {
            method,
            keys: keys.clone(),
            text: knowledge.text.clone(),
            text_scale,
            coefficients,
            beta: parameters.beta,
        })
    }
}

/// Equally many views of every photo, the first ones, about [`MOST_VIEWS`] together.
fn fewer_views(views: &SupportSet) -> Vec<usize> {
    let photos: usize = views.shots_per_class().iter().sum();
    let most = (MOST_VIEWS / photos.max(1)).max(1);
    let mut taken = std::collections::HashMap::new();
    let keep = |row: &usize| {
        let count = taken
            .entry((views.labels()[*row], views.groups()[*row]))
            .or_insert(0);
        *count += 1;
        *count <= most
    };
    (0..views.len()).filter(keep).collect()
}

/// `Y - X_S Wᵀ`, `[n, num_classes]`.
fn residuals(rows: &SupportSet, text: &Features, text_scale: f64) -> Mat<f64> {
    let prior = to_f64(rows.features().matrix()) * to_f64(text.matrix()).transpose();
    let labels = rows.labels();
    Mat::from_fn(rows.len(), text.len(), |row, class| {
        let target = if labels[row] == class { 1.0 } else { 0.0 };
        target - text_scale * prior[(row, class)]
    })
}

/// `A`.
fn solve(
    parameters: &Parameters,
    keys: &Features,
    residuals: &Mat<f64>,
) -> Result<Matrix, MethodError> {
    let keys = to_f64(keys.matrix());
    let (beta, lambda) = (f64::from(parameters.beta), f64::from(parameters.lambda));
    let mut system = &keys * keys.transpose();
    for col in 0..system.ncols() {
        for row in 0..system.nrows() {
            system[(row, col)] = (-beta * (1.0 - system[(row, col)])).exp() / lambda
                + if row == col { 1.0 } else { 0.0 };
        }
    }
    let factor = system
        .llt(Side::Lower)
        .map_err(|_not_positive| MethodError::Decomposition { what: "kernel" })?;
    Ok(to_f32(factor.solve(residuals).as_ref()))
}

impl Classifier for ProKeR {
    fn predict(
        &self,
        queries: Queries<'_>,
        progress: &Progress<'_>,
    ) -> Result<Logits, MethodError> {
        let original = queries.original;
        let probes = queries.checked_probes(self.method, self.text.dim(), self.keys.dim())?;
        let chunks: Result<Vec<Vec<f32>>, MethodError> = (0..original.len().div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                progress.check()?;
                let rows: Vec<usize> =
                    (chunk * CHUNK..original.len().min((chunk + 1) * CHUNK)).collect();
                let mut kernel = probes.select(&rows).cosines(&self.keys);
                for x in kernel.as_mut_slice() {
                    *x = (self.beta * (*x - 1.0)).exp();
                }
                let mut logits = kernel.times(&self.coefficients);
                let cosines = original.select(&rows).cosines(&self.text);
                for (logit, cosine) in logits.as_mut_slice().iter_mut().zip(cosines.as_slice()) {
                    *logit += self.text_scale * cosine;
                }
                Ok(logits.into_vec())
            })
            .collect();
        let mut logits = Matrix::zeros(original.len(), self.text.len());
        logits.as_mut_slice().copy_from_slice(&chunks?.concat());
        progress.step(original.len(), original.len())?;
        Ok(Logits(logits))
    }
}
