//! `ProKeR` (CVPR 2025; omarnust/BReg-Adapter at c89ce546): kernel ridge regression on what the class texts leave over.
//!
//! `k(a, b) = exp(-β (1 - a · b))`, `A = (K_SS / λ + I)⁻¹ (Y - X_S Wᵀ)`, `logits = x · Wᵀ + k(x, S) · A`:
//! raw cosines, without the factor 100, so the logits want a temperature of about 0.01.

use faer::linalg::solvers::Solve as _;
use faer::{Mat, Side};
use rayon::prelude::*;

use super::keys::CHUNK;
use super::linear_algebra::{to_f32, to_f64};
use super::{Classifier, Knowledge, Method, MethodError, Parameters, Queries};
use crate::features::{Features, Logits, Matrix};
use crate::progress::Progress;

/// A fitted `ProKeR`.
pub(super) struct ProKeR {
    keys: Features,
    text: Features,
    text_scale: f32,
    /// `A`, `[num_keys, num_classes]`.
    coefficients: Matrix,
    beta: f32,
}

impl ProKeR {
    pub(super) fn fit(
        parameters: &Parameters,
        knowledge: &Knowledge<'_>,
    ) -> Result<Self, MethodError> {
        let keys = knowledge.keys_for(Method::ProKeR)?.clone();
        let support = knowledge.support;
        let text_scale = if knowledge.use_class_names { 1.0 } else { 0.0 };
        let (rows, text) = (to_f64(keys.matrix()), to_f64(knowledge.text.matrix()));
        let (beta, lambda) = (f64::from(parameters.beta), f64::from(parameters.lambda));
        let mut system = &rows * rows.transpose();
        for col in 0..system.ncols() {
            for row in 0..system.nrows() {
                system[(row, col)] = (-beta * (1.0 - system[(row, col)])).exp() / lambda
                    + if row == col { 1.0 } else { 0.0 };
            }
        }
        let prior = &rows * text.transpose();
        let labels = support.labels();
        let residuals = Mat::from_fn(rows.nrows(), support.num_classes(), |row, class| {
            let target = if labels[row] == class { 1.0 } else { 0.0 };
            target - f64::from(text_scale) * prior[(row, class)]
        });
        let factor = system
            .llt(Side::Lower)
            .map_err(|_not_positive| MethodError::Decomposition { what: "kernel" })?;
        let coefficients = to_f32(factor.solve(residuals).as_ref());
        Ok(Self {
            keys,
            text: knowledge.text.clone(),
            text_scale,
            coefficients,
            beta: parameters.beta,
        })
    }
}

impl Classifier for ProKeR {
    fn predict(
        &self,
        queries: Queries<'_>,
        progress: &Progress<'_>,
    ) -> Result<Logits, MethodError> {
        let original = queries.original;
        let (got, expected) = (original.dim(), self.text.dim());
        if got != expected && !original.is_empty() {
            return Err(MethodError::Dimension {
                what: "queries",
                got,
                expected,
            });
        }
        let chunks: Result<Vec<Vec<f32>>, MethodError> = (0..original.len().div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                progress.check()?;
                let rows: Vec<usize> =
                    (chunk * CHUNK..original.len().min((chunk + 1) * CHUNK)).collect();
                let rows = original.select(&rows);
                let mut kernel = rows.cosines(&self.keys);
                for x in kernel.as_mut_slice() {
                    *x = (self.beta * (*x - 1.0)).exp();
                }
                let mut logits = kernel.times(&self.coefficients);
                for (logit, cosine) in logits
                    .as_mut_slice()
                    .iter_mut()
                    .zip(rows.cosines(&self.text).as_slice())
                {
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
