//! GDA ("A hard-to-beat baseline", ICLR 2024; mrflogs/ICLR24 at 560fe211): Gaussian classes with one shared covariance.
//!
//! `μ_c` class means, `S = Σ (v - μ_y)(v - μ_y)ᵀ`, `Σ̂ = S / (n-1)`, `P = dim · (S + tr(Σ̂) I)⁻¹`;
//! `w_c = P μ_c`, `b_c = ln(1/C) - ½ μ_cᵀ P μ_c`; `logits = 100 · x · Wᵀ + α (x · w + b)`.
//! Works with one photo a class only where it has several views: else there is no scatter within a class.

use faer::linalg::solvers::Solve as _;
use faer::{Mat, Side};

use super::linear_algebra::{to_f32, to_f64};
use super::{Classifier, Knowledge, LOGIT_SCALE, Method, MethodError, Parameters, Queries};
use crate::features::{Logits, Matrix};
use crate::progress::Progress;

/// A fitted GDA: one linear map.
pub(super) struct Gda {
    /// `100 W + α w`, `[num_classes, dim]`.
    weights: Matrix,
    /// `α b`, `[num_classes]`.
    biases: Vec<f32>,
}

impl Gda {
    pub(super) fn fit(
        parameters: &Parameters,
        knowledge: &Knowledge<'_>,
    ) -> Result<Self, MethodError> {
        let method = Method::Gda;
        knowledge.keys_for(method)?;
        let support = knowledge.support;
        let too_few = MethodError::TooFewShots {
            method,
            needed: "two photos or views of a class that differ",
        };
        if support.len() < 2 {
            return Err(too_few);
        }
        let means = to_f64(&support.class_means());
        let rows = to_f64(support.features().matrix());
        let labels = support.labels();
        let centred = Mat::from_fn(rows.nrows(), rows.ncols(), |row, col| {
            rows[(row, col)] - means[(labels[row], col)]
        });
        let mut scatter = centred.transpose() * &centred;
        let trace =
            (0..scatter.nrows()).map(|i| scatter[(i, i)]).sum::<f64>() / (support.len() - 1) as f64;
        if trace < 1e-9 {
            return Err(too_few);
        }
        for i in 0..scatter.nrows() {
            scatter[(i, i)] += trace;
        }
        let factor = scatter
            .llt(Side::Lower)
            .map_err(|_not_positive| MethodError::Decomposition { what: "covariance" })?;
        let mut weights = factor
            .solve(means.transpose().to_owned())
            .transpose()
            .to_owned();
        weights *= faer::Scale(support.features().dim() as f64);
        let num_classes = support.num_classes();
        let alpha = f64::from(parameters.alpha);
        let bias = |class: usize| {
            let quadratic: f64 = (0..means.ncols())
                .map(|col| weights[(class, col)] * means[(class, col)])
                .sum();
            (alpha * (-(num_classes as f64).ln() - 0.5 * quadratic)) as f32
        };
        let biases = (0..num_classes).map(bias).collect();
        let text_scale = if knowledge.use_class_names {
            f64::from(LOGIT_SCALE)
        } else {
            0.0
        };
        let text = to_f64(knowledge.text.matrix());
        let combined = Mat::from_fn(num_classes, text.ncols(), |row, col| {
            text_scale * text[(row, col)] + alpha * weights[(row, col)]
        });
        Ok(Self {
            weights: to_f32(combined.as_ref()),
            biases,
        })
    }
}

impl Classifier for Gda {
    fn predict(
        &self,
        queries: Queries<'_>,
        progress: &Progress<'_>,
    ) -> Result<Logits, MethodError> {
        queries.check_dim(self.weights.cols())?;
        progress.check()?;
        let mut logits = queries.original.matrix().times_transposed(&self.weights);
        for row in 0..logits.rows() {
            for (logit, bias) in logits.row_mut(row).iter_mut().zip(&self.biases) {
                *logit += bias;
            }
        }
        progress.step(logits.rows(), logits.rows())?;
        Ok(Logits(logits))
    }
}
