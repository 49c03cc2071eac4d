//! `ProKeR` without a part of the photos, in closed form.
//!
//! With `G = K + λ I` the fit is `f(x) = x Wᵀ + λ k(x) G⁻¹ R` for the residuals `R = Y - X_S Wᵀ`. Without the rows B the
//! coefficients are `a - (G⁻¹)_{·B} ((G⁻¹)_{BB})⁻¹ a_B` with `a = G⁻¹ R`, zero at B. One eigendecomposition of K for each β
//! serves every λ.

use std::collections::HashMap;

use faer::linalg::solvers::Solve as _;
use faer::{Mat, Side};
use rayon::prelude::*;

use super::given::Given;
use super::parts::Parts;
use super::space::Space;
use crate::features::{Features, Matrix};
use crate::methods::linear_algebra::{to_f32, to_f64};
use crate::methods::rows::Rows;
use crate::methods::{Knowledge, Method, MethodError, Parameters};
use crate::progress::Progress;
use crate::support::SupportSet;

/// Rows beyond which a kernel is not decomposed: a second on one core.
const MAX_ROWS: usize = 2_000;

/// Logits of every row by the others: what does not depend on class names as the term, the rest as the base.
///
/// Beyond [`MAX_ROWS`] views are left out, and then photos: those that are left speak for the others.
pub(super) fn judge<'a>(
    method: Method,
    space: &Space,
    knowledge: &Knowledge<'a>,
    progress: &Progress<'_>,
) -> Result<Given<'a>, MethodError> {
    let all = knowledge.rows_for(method)?;
    let sample = sample(method, knowledge)?;
    let rows = sample
        .as_ref()
        .map_or(all, |(original, keys)| Rows { original, keys });
    let parts = Parts::by_photo(knowledge.support);
    let mut given = Given::zero_shot(knowledge, &parts);
    given.terms.clear();
    let hidden = parts.hidden_of_fit(knowledge.support, &rows);
    for (part, hidden) in hidden.iter().enumerate() {
        if hidden.is_empty() {
            given.leave_out(parts.rows_of(part));
        }
    }
    let mut spectrum: Option<Spectrum> = None;
    for parameters in &space.settings {
        progress.check()?;
        let spectrum = match spectrum.take() {
            Some(same) if same.beta.total_cmp(&parameters.beta).is_eq() => spectrum.insert(same),
            _ => spectrum.insert(Spectrum::new(method, &rows, knowledge, parameters)?),
        };
        let (base, term) = spectrum.left_out(f64::from(parameters.lambda), &parts, &hidden)?;
        given.bases.push(base);
        given.terms.push(term);
    }
    Ok(given)
}

/// Fewer rows where there are too many: photos instead of their views, every so manieth photo of each class.
fn sample(
    method: Method,
    knowledge: &Knowledge<'_>,
) -> Result<Option<(SupportSet, Features)>, MethodError> {
    if knowledge.rows_for(method)?.original.len() <= MAX_ROWS {
        return Ok(None);
    }
    let (support, keys) = (knowledge.support, knowledge.keys_for(method)?);
    let step = support.len().div_ceil(MAX_ROWS);
    let mut order: Vec<usize> = (0..support.len()).collect();
    order.sort_by_key(|row| (support.labels()[*row], support.groups()[*row]));
    let mut seen = HashMap::new();
    let mut kept: Vec<usize> = order
        .into_iter()
        .filter(|row| {
            let place = seen.len();
            seen.entry(support.groups()[*row])
                .or_insert(place)
                .is_multiple_of(step)
        })
        .collect();
    kept.sort_unstable();
    Ok(Some((support.select(&kept), keys.select(&kept))))
}

/// The kernel of all rows, decomposed.
struct Spectrum {
    beta: f32,
    eigenvalues: Vec<f64>,
    /// Eigenvectors in columns, `[num_rows, num_rows]`.
    basis: Matrix,
    /// Kernels of the photos to be judged with all rows, in the basis, `[num_photos, num_rows]`.
    probes: Matrix,
    /// Targets, then predictions of the class texts, in the basis, `[num_rows, 2 num_classes]`.
    residuals: Matrix,
    /// Predictions of the class texts for the photos, `[num_photos, num_classes]`.
    prior: Matrix,
}

impl Spectrum {
    fn new(
        method: Method,
        rows: &Rows<'_>,
        knowledge: &Knowledge<'_>,
        parameters: &Parameters,
    ) -> Result<Self, MethodError> {
        let beta = parameters.beta;
        let eigen = kernel(rows.keys, rows.keys, beta)
            .self_adjoint_eigen(Side::Lower)
            .map_err(|_no_convergence| MethodError::Decomposition { what: "kernel" })?;
        let basis = to_f32(eigen.U());
        let (labels, num_classes) = (rows.original.labels(), knowledge.text.len());
        let text = rows.original.features().cosines(knowledge.text);
        let targets = Matrix::from_fn(labels.len(), 2 * num_classes, |row, col| {
            if col < num_classes {
                f32::from(u8::from(labels[row] == col))
            } else {
                text.row(row)[col - num_classes]
            }
        });
        let probes = kernel(knowledge.keys_for(method)?, rows.keys, beta);
        Ok(Self {
            beta,
            eigenvalues: eigen
                .S()
                .column_vector()
                .iter()
                .map(|x: &f64| x.max(0.0))
                .collect(),
            probes: to_f32(probes.as_ref()).times(&basis),
            residuals: basis.transposed().times(&targets),
            prior: knowledge.support.features().cosines(knowledge.text),
            basis,
        })
    }

    /// What class names and photos give every photo without its part: logits are `base + term`.
    fn left_out(
        &self,
        lambda: f64,
        parts: &Parts,
        hidden: &[Vec<usize>],
    ) -> Result<(Matrix, Matrix), MethodError> {
        let inverse: Vec<f64> = self
            .eigenvalues
            .iter()
            .map(|x| 1.0 / (x + lambda))
            .collect();
        let mut scaled = self.residuals.clone();
        for (row, inverse) in inverse.iter().enumerate() {
            scaled
                .row_mut(row)
                .iter_mut()
                .for_each(|x| *x *= *inverse as f32);
        }
        let coefficients = self.basis.times(&scaled);
        let mut fitted = self.probes.times(&scaled);
        let corrections: Result<Vec<Matrix>, MethodError> = (0..parts.len())
            .into_par_iter()
            .map(|part| {
                self.correction(parts.rows_of(part), &hidden[part], &inverse, &coefficients)
            })
            .collect();
        for (part, correction) in corrections?.into_iter().enumerate() {
            for (row, correction) in parts.rows_of(part).iter().zip(correction.iter_rows()) {
                for (x, correction) in fitted.row_mut(*row).iter_mut().zip(correction) {
                    *x = lambda as f32 * (*x - correction);
                }
            }
        }
        let num_classes = self.prior.cols();
        let term = Matrix::from_fn(fitted.rows(), num_classes, |row, col| fitted.row(row)[col]);
        let base = Matrix::from_fn(fitted.rows(), num_classes, |row, col| {
            self.prior.row(row)[col] - fitted.row(row)[num_classes + col]
        });
        Ok((base, term))
    }

    /// `k(x) (G⁻¹)_{·B} ((G⁻¹)_{BB})⁻¹ a_B` of the photos of a part, `[num_photos, 2 num_classes]`.
    fn correction(
        &self,
        photos: &[usize],
        hidden: &[usize],
        inverse: &[f64],
        coefficients: &Matrix,
    ) -> Result<Matrix, MethodError> {
        if hidden.is_empty() {
            return Ok(Matrix::zeros(photos.len(), coefficients.cols()));
        }
        let num_rows = inverse.len();
        let own = Mat::from_fn(hidden.len(), num_rows, |row, col| {
            f64::from(self.basis.row(hidden[row])[col])
        });
        let scaled = Mat::from_fn(num_rows, hidden.len(), |row, col| {
            inverse[row] * own[(col, row)]
        });
        let probes = to_f64(&self.probes.select_rows(photos));
        let block = &own * &scaled;
        let factor = block
            .llt(Side::Lower)
            .map_err(|_not_positive| MethodError::Decomposition { what: "kernel" })?;
        let solved = factor.solve(to_f64(&coefficients.select_rows(hidden)));
        Ok(to_f32((probes * scaled * solved).as_ref()))
    }
}

/// `exp(-β (1 - cosine))` of every row with every row.
fn kernel(rows: &Features, others: &Features, beta: f32) -> Mat<f64> {
    let mut kernel = to_f64(rows.matrix()) * to_f64(others.matrix()).transpose();
    for col in 0..kernel.ncols() {
        for row in 0..kernel.nrows() {
            kernel[(row, col)] = (-f64::from(beta) * (1.0 - kernel[(row, col)])).exp();
        }
    }
    kernel
}
