//! `ProKeR` (CVPR 2025; omarnust/BReg-Adapter at c89ce546): kernel ridge regression on what the class texts leave over.
//!
//! `k(a, b) = exp(-β (1 - a · b))`, `A = (K_SS / λ + I)⁻¹ (Y - X_S Wᵀ)`, `logits = x · Wᵀ + k(x, S) · A`:
//! raw cosines, without the factor 100, so the logits want a temperature of about 0.01.
//! `S` are all views of the photos. `ProKeR++`: the kernel on adapted features, cosines to the texts on original ones.

use faer::Mat;
use rayon::prelude::*;

use super::keys::CHUNK;
use super::linear_algebra::to_f64;
use super::ridge::Ridge;
use super::rows::Rows;
use super::{Classifier, Knowledge, Method, MethodError, Parameters, Queries};
use crate::features::{Features, Logits, Matrix};
use crate::progress::Progress;
use crate::support::SupportSet;

/// Most rows that are solved for: their kernel takes 2 GB.
const MOST_ROWS: usize = 16_384;

/// Views are left out beyond so many rows: four times as many would take 64 times as long.
const MOST_VIEWS: usize = 8192;

/// What `ProKeR` learns from, before β and λ.
pub(super) struct Problem {
    method: Method,
    /// `S`, `[n, key_dim]`.
    keys: Features,
    text: Features,
    text_scale: f32,
    /// `Y - X_S Wᵀ`, `[n, num_classes]`.
    residuals: Mat<f64>,
}

impl Problem {
    pub(super) fn new(method: Method, knowledge: &Knowledge<'_>) -> Result<Self, MethodError> {
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
        Ok(Self {
            method,
            residuals: residuals(original, knowledge.text, f64::from(text_scale)),
            keys: keys.clone(),
            text: knowledge.text.clone(),
            text_scale,
        })
    }

    /// The equations for any β and λ.
    pub(super) fn ridge(&self) -> Ridge<'_> {
        Ridge::new(&self.keys, &self.residuals)
    }

    /// Numbers in one solution.
    pub(super) fn num_numbers(&self) -> usize {
        self.residuals.nrows() * self.residuals.ncols()
    }

    /// The features that are compared with the keys.
    pub(super) fn probes<'a>(&self, queries: Queries<'a>) -> Result<&'a Features, MethodError> {
        queries.checked_probes(self.method, self.text.dim(), self.keys.dim())
    }

    /// `x · Wᵀ`, `[rows, num_classes]`.
    pub(super) fn prior(&self, rows: &Features) -> Matrix {
        let mut cosines = rows.cosines(&self.text);
        for cosine in cosines.as_mut_slice() {
            *cosine *= self.text_scale;
        }
        cosines
    }

    /// `k(x, S)`, `[rows, n]`.
    pub(super) fn kernel(&self, probes: &Features, beta: f32) -> Matrix {
        let mut kernel = probes.cosines(&self.keys);
        for x in kernel.as_mut_slice() {
            *x = (beta * (*x - 1.0)).exp();
        }
        kernel
    }
}

/// Logits of the rows of a kernel.
pub(super) fn logits(kernel: &Matrix, coefficients: &Matrix, prior: &Matrix) -> Logits {
    let mut logits = kernel.times(coefficients);
    for (logit, prior) in logits.as_mut_slice().iter_mut().zip(prior.as_slice()) {
        *logit += prior;
    }
    Logits(logits)
}

/// A fitted `ProKeR`.
pub(super) struct ProKeR {
    problem: Problem,
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
        let problem = Problem::new(method, knowledge)?;
        Ok(Self {
            coefficients: problem.ridge().solve(parameters.beta, parameters.lambda)?,
            problem,
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

impl Classifier for ProKeR {
    fn predict(
        &self,
        queries: Queries<'_>,
        progress: &Progress<'_>,
    ) -> Result<Logits, MethodError> {
        let original = queries.original;
        let probes = self.problem.probes(queries)?;
        let chunks: Result<Vec<Vec<f32>>, MethodError> = (0..original.len().div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                progress.check()?;
                let rows: Vec<usize> =
                    (chunk * CHUNK..original.len().min((chunk + 1) * CHUNK)).collect();
                let kernel = self.problem.kernel(&probes.select(&rows), self.beta);
                let prior = self.problem.prior(&original.select(&rows));
                Ok(logits(&kernel, &self.coefficients, &prior).0.into_vec())
            })
            .collect();
        let mut logits = Matrix::zeros(original.len(), self.problem.text.len());
        logits.as_mut_slice().copy_from_slice(&chunks?.concat());
        progress.step(original.len(), original.len())?;
        Ok(Logits(logits))
    }
}
