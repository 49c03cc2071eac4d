//! GDA ("A hard-to-beat baseline", ICLR 2024; mrflogs/ICLR24 at 560fe211): Gaussian classes with one shared covariance.
//!
//! `μ_c` class means, `S = Σ (v - μ_y)(v - μ_y)ᵀ`, `Σ̂ = S / (n-1)`, `P = dim · (S + tr(Σ̂) I)⁻¹`;
//! `w_c = P μ_c`, `b_c = ln(1/C) - ½ μ_cᵀ P μ_c`; `logits = 100 · x · Wᵀ + α (x · w + b)`.
//! The rows `v` are all views of the photos, not averaged, so that one photo a class has scatter within its class.
//! GDA++: rows and queries of the Gaussian term adapted, the zero-shot term original.

use faer::linalg::solvers::Solve as _;
use faer::{Mat, Scale, Side};

use super::linear_algebra::{to_f32, to_f64};
use super::rows::Rows;
use super::stored::Linear;
use super::{
    Classifier, Knowledge, LOGIT_SCALE, Method, MethodError, Parameters, Queries, Reading, Weighing,
};
use crate::features::{Logits, Matrix};
use crate::progress::Progress;

/// Discriminants of Gaussian classes: class c scores `x · weights_c + biases_c`.
pub(super) struct Gaussians {
    /// `[num_classes, dim]`.
    pub(super) weights: Mat<f64>,
    /// `[num_classes]`.
    pub(super) biases: Vec<f64>,
}

impl Gaussians {
    /// Fits `rows` `[n, dim]`, which need not have unit length. A class without rows takes the mean of all.
    pub(super) fn fit(
        method: Method,
        rows: &Mat<f64>,
        labels: &[usize],
        num_classes: usize,
    ) -> Result<Self, MethodError> {
        let too_few = MethodError::TooFewShots {
            method,
            needed: "two photos or views of a class that differ",
        };
        let (n, dim) = (rows.nrows(), rows.ncols());
        if n < 2 {
            return Err(too_few);
        }
        let means = class_means(rows, labels, num_classes);
        let centred = Mat::from_fn(n, dim, |row, col| {
            rows[(row, col)] - means[(labels[row], col)]
        });
        let mut precision = centred.transpose() * &centred;
        let trace = (0..dim).map(|i| precision[(i, i)]).sum::<f64>() / (n - 1) as f64;
        if trace < 1e-9 {
            return Err(too_few);
        }
        for i in 0..dim {
            precision[(i, i)] += trace;
        }
        let factor = precision
            .llt(Side::Lower)
            .map_err(|_not_positive| MethodError::Decomposition { what: "covariance" })?;
        let weights = factor.solve(means.transpose().to_owned()).transpose() * Scale(dim as f64);
        let bias = |class: usize| {
            let quadratic: f64 = (0..dim)
                .map(|col| weights[(class, col)] * means[(class, col)])
                .sum();
            -(num_classes as f64).ln() - 0.5 * quadratic
        };
        let biases = (0..num_classes).map(bias).collect();
        Ok(Self { weights, biases })
    }
}

/// Means of the rows of every class, `[num_classes, dim]`; the mean of all rows for a class without any.
pub(super) fn class_means(rows: &Mat<f64>, labels: &[usize], num_classes: usize) -> Mat<f64> {
    let dim = rows.ncols();
    let mut means = Mat::zeros(num_classes, dim);
    let mut counts = vec![0_usize; num_classes];
    let mut overall = vec![0.0; dim];
    for (row, label) in labels.iter().enumerate() {
        counts[*label] += 1;
        for (col, sum) in overall.iter_mut().enumerate() {
            means[(*label, col)] += rows[(row, col)];
            *sum += rows[(row, col)] / labels.len() as f64;
        }
    }
    for (class, count) in counts.into_iter().enumerate() {
        for (col, mean) in overall.iter().enumerate() {
            means[(class, col)] = if count == 0 {
                *mean
            } else {
                means[(class, col)] / count as f64
            };
        }
    }
    means
}

/// A fitted GDA or TIMO: one linear map on original features and one on those that `method` compares.
#[derive(Clone)]
pub(super) struct TextAndGaussians {
    method: Method,
    /// Class texts, `[num_classes, dim]`.
    text: Matrix,
    text_scale: f32,
    /// `[num_classes, key_dim]`.
    weights: Matrix,
    /// `[num_classes]`.
    biases: Vec<f32>,
    gaussian_scale: f32,
    use_class_names: bool,
}

impl TextAndGaussians {
    /// `logits = text_scale · x · textᵀ + gaussian_scale · (x̃ · w + b)`; α is one of the scales, and without class names the
    /// first is 0.
    pub(super) fn new(
        method: Method,
        text: Matrix,
        gaussians: &Gaussians,
        (alpha, use_class_names): (f32, bool),
    ) -> Self {
        let fitted = Self {
            method,
            text,
            text_scale: 0.0,
            weights: to_f32(gaussians.weights.as_ref()),
            biases: gaussians.biases.iter().map(|bias| *bias as f32).collect(),
            gaussian_scale: 1.0,
            use_class_names,
        };
        fitted.with(alpha)
    }

    /// The same at another α: GDA weighs the photos with it, TIMO the class texts.
    pub(super) fn with(&self, alpha: f32) -> Self {
        let (text_scale, gaussian_scale) = if self.weighs_text() {
            (alpha, 1.0)
        } else {
            (LOGIT_SCALE, alpha)
        };
        Self {
            text_scale: if self.use_class_names {
                text_scale
            } else {
                0.0
            },
            gaussian_scale,
            ..self.clone()
        }
    }

    fn weighs_text(&self) -> bool {
        matches!(self.method, Method::Timo | Method::TimoS)
    }

    /// `x · textᵀ` and `x̃ · w + b`, `[num_queries, num_classes]` each.
    pub(super) fn parts(&self, queries: Queries<'_>) -> Result<(Matrix, Matrix), MethodError> {
        let probes = queries.checked_probes(self.method, self.text.cols(), self.weights.cols())?;
        if queries.original.is_empty() {
            let nothing = Matrix::zeros(0, self.text.rows());
            return Ok((nothing.clone(), nothing));
        }
        let text = queries.original.matrix().times_transposed(&self.text);
        let mut gaussian = probes.matrix().times_transposed(&self.weights);
        for row in 0..gaussian.rows() {
            for (score, bias) in gaussian.row_mut(row).iter_mut().zip(&self.biases) {
                *score += bias;
            }
        }
        Ok((text, gaussian))
    }

    /// Logits of the two [`Self::parts`].
    pub(super) fn weigh(&self, text: &Matrix, gaussian: &Matrix) -> Logits {
        let mut logits = text.clone();
        for (logit, score) in logits.as_mut_slice().iter_mut().zip(gaussian.as_slice()) {
            *logit = self.text_scale * *logit + self.gaussian_scale * score;
        }
        Logits(logits)
    }
}

/// Fits GDA or GDA++.
pub(super) fn fit(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
) -> Result<TextAndGaussians, MethodError> {
    let Rows { original, keys } = knowledge.rows_for(method)?;
    let (labels, num_classes) = (original.labels(), original.num_classes());
    let gaussians = Gaussians::fit(method, &to_f64(keys.matrix()), labels, num_classes)?;
    Ok(TextAndGaussians::new(
        method,
        knowledge.text.matrix().clone(),
        &gaussians,
        (parameters.alpha, knowledge.use_class_names),
    ))
}

impl Classifier for TextAndGaussians {
    fn predict(
        &self,
        queries: Queries<'_>,
        progress: &Progress<'_>,
    ) -> Result<Logits, MethodError> {
        progress.check()?;
        let (text, gaussian) = self.parts(queries)?;
        progress.step(text.rows(), text.rows())?;
        Ok(self.weigh(&text, &gaussian))
    }

    fn read(&self, queries: Queries<'_>, _: &[&[usize]]) -> Result<Vec<Reading>, MethodError> {
        let (text, gaussian) = self.parts(queries)?;
        let scaled = |row: &[f32], scale: f32| row.iter().map(|x| scale * x).collect();
        let names = |scale: f32| if self.use_class_names { scale } else { 0.0 };
        let reading = |(text, gaussian): (&[f32], &[f32])| {
            let (base, term) = if self.weighs_text() {
                (gaussian.to_vec(), scaled(text, names(1.0)))
            } else {
                (scaled(text, names(LOGIT_SCALE)), gaussian.to_vec())
            };
            Reading {
                base,
                term,
                ..Reading::default()
            }
        };
        Ok(text
            .iter_rows()
            .zip(gaussian.iter_rows())
            .map(reading)
            .collect())
    }

    fn weighing(&self) -> Weighing {
        Weighing::Linear
    }

    fn linear(&self) -> Option<Linear> {
        let scaled = |matrix: &Matrix, scale: f32| {
            let mut scaled = matrix.clone();
            scaled.as_mut_slice().iter_mut().for_each(|x| *x *= scale);
            scaled
        };
        let scale = self.gaussian_scale;
        let (mut text, gaussian) = (
            scaled(&self.text, self.text_scale),
            scaled(&self.weights, scale),
        );
        let adapted_weights = self.method.needs_adapter().then(|| gaussian.clone());
        if adapted_weights.is_none() {
            let weights = text.as_mut_slice().iter_mut();
            weights
                .zip(gaussian.as_slice())
                .for_each(|(x, more)| *x += more);
        }
        Some(Linear {
            weights: text,
            adapted_weights,
            biases: self.biases.iter().map(|bias| scale * bias).collect(),
        })
    }

    fn at(&self, parameters: &Parameters) -> Option<Box<dyn Classifier>> {
        Some(Box::new(self.with(parameters.alpha)))
    }
}
