//! GDA without a part of the photos, in closed form.
//!
//! In the eigenbasis of the whole scatter S a ridge is a diagonal. Taking rows out of a class c of `n_c` rows changes S by
//! `-U (I + 1 1ᵀ / (n_c - m)) Uᵀ`, where the m columns of U are those rows less their class mean; it moves the mean by
//! `-U 1 / (n_c - m)`. Woodbury's identity then gives the precision without any decomposition for each photo.

use faer::linalg::solvers::Solve as _;
use faer::{Mat, Side};
use rayon::prelude::*;

use super::given::Given;
use super::parts::Parts;
use crate::features::Matrix;
use crate::methods::gda::class_means;
use crate::methods::linear_algebra::to_f64;
use crate::methods::rows::Rows;
use crate::methods::{Knowledge, Method, MethodError};
use crate::progress::Progress;

/// Below this variance there is no scatter within the classes.
const MIN_TRACE: f64 = 1e-9;

/// The scores of every row by the others: what α multiplies.
pub(super) fn judge<'a>(
    method: Method,
    knowledge: &Knowledge<'a>,
    progress: &Progress<'_>,
) -> Result<Given<'a>, MethodError> {
    let support = knowledge.support;
    let parts = Parts::by_photo(support);
    let mut given = Given::zero_shot(knowledge, &parts);
    let scores = scores_of_parts(method, knowledge, &parts, progress)?;
    for (part, scores) in scores.into_iter().enumerate() {
        let rows = parts.rows_of(part);
        let Some(scores) = scores else {
            given.leave_out(rows);
            continue;
        };
        given.fill(rows, &[], &[scores]);
    }
    Ok(given)
}

/// For every part the scores of its rows, `[num_rows, num_classes]`; `None` where no scatter is left without it.
pub(super) fn scores_of_parts(
    method: Method,
    knowledge: &Knowledge<'_>,
    parts: &Parts,
    progress: &Progress<'_>,
) -> Result<Vec<Option<Matrix>>, MethodError> {
    let support = knowledge.support;
    let rows = knowledge.rows_for(method)?;
    let moments = Moments::new(&rows)?;
    let queries = &to_f64(knowledge.keys_for(method)?.matrix()) * &moments.basis;
    let hidden = parts.hidden_of_fit(support, &rows);
    (0..parts.len())
        .into_par_iter()
        .map(|part| {
            progress.check()?;
            let own = parts.rows_of(part);
            if !own.iter().any(|row| parts.is_judged(*row)) {
                return Ok(None);
            }
            let queries = Mat::from_fn(own.len(), queries.ncols(), |row, col| {
                queries[(own[row], col)]
            });
            moments.scores_without(&hidden[part], &queries)
        })
        .collect()
}

/// Means and scatter of all rows, in the eigenbasis of the scatter.
struct Moments {
    /// `[dim, dim]`, eigenvectors in columns.
    basis: Mat<f64>,
    eigenvalues: Vec<f64>,
    /// All rows, `[num_rows, dim]`.
    rows: Mat<f64>,
    /// Their sum, `[dim]`.
    totals: Vec<f64>,
    labels: Vec<usize>,
    /// `[num_classes, dim]`.
    means: Mat<f64>,
    counts: Vec<usize>,
}

impl Moments {
    fn new(rows: &Rows<'_>) -> Result<Self, MethodError> {
        let labels = rows.original.labels().to_vec();
        let counts = rows.original.rows_per_class();
        let rows = to_f64(rows.keys.matrix());
        let means = class_means(&rows, &labels, counts.len());
        let centred = Mat::from_fn(rows.nrows(), rows.ncols(), |row, col| {
            rows[(row, col)] - means[(labels[row], col)]
        });
        let scatter = centred.transpose() * &centred;
        let what = MethodError::Decomposition { what: "covariance" };
        if !scatter.is_all_finite() {
            return Err(what);
        }
        let eigen = scatter
            .self_adjoint_eigen(Side::Lower)
            .map_err(|_no_convergence| what)?;
        let basis = eigen.U().to_owned();
        let eigenvalues = eigen
            .S()
            .column_vector()
            .iter()
            .map(|x: &f64| x.max(0.0))
            .collect();
        let rows = &rows * &basis;
        let total = |col: usize| (0..rows.nrows()).map(|row| rows[(row, col)]).sum();
        Ok(Self {
            totals: (0..rows.ncols()).map(total).collect(),
            rows,
            means: &means * &basis,
            basis,
            eigenvalues,
            labels,
            counts,
        })
    }

    /// Mean of the rows that are not hidden, which a class without rows takes.
    fn mean_without(&self, hidden: &[usize]) -> Vec<f64> {
        let num_rows = (self.rows.nrows() - hidden.len()).max(1) as f64;
        let mean = |col: usize| {
            let lost: f64 = hidden.iter().map(|row| self.rows[(*row, col)]).sum();
            (self.totals[col] - lost) / num_rows
        };
        (0..self.rows.ncols()).map(mean).collect()
    }

    /// Scores of queries (in the eigenbasis) without the hidden rows; `None` without any scatter.
    fn scores_without(
        &self,
        hidden: &[usize],
        queries: &Mat<f64>,
    ) -> Result<Option<Matrix>, MethodError> {
        let (num_classes, dim) = (self.means.nrows(), self.means.ncols());
        let left = Left::new(self, hidden);
        let num_rows = self.rows.nrows() - hidden.len();
        if num_rows < 2 {
            return Ok(None);
        }
        let ridge = left.trace / (num_rows - 1) as f64;
        if ridge < MIN_TRACE {
            return Ok(None);
        }
        let weights = left.solve(&self.eigenvalues, ridge)?;
        let products = queries * weights.transpose();
        let bias = |class: usize| {
            let quadratic: f64 = (0..dim)
                .map(|col| weights[(class, col)] * left.means[(class, col)])
                .sum();
            -(num_classes as f64).ln() - 0.5 * quadratic
        };
        let biases: Vec<f64> = (0..num_classes).map(bias).collect();
        Ok(Some(Matrix::from_fn(
            queries.nrows(),
            num_classes,
            |row, class| (products[(row, class)] + biases[class]) as f32,
        )))
    }
}

/// What is left when rows are hidden.
struct Left {
    /// `[num_classes, dim]`.
    means: Mat<f64>,
    trace: f64,
    /// Hidden rows less their class means, `[num_hidden, dim]`.
    deviations: Mat<f64>,
    /// For every hidden row its class and 1 / (rows of the class that are left), 0 where none are.
    weights: Vec<(usize, f64)>,
}

impl Left {
    fn new(moments: &Moments, hidden: &[usize]) -> Self {
        let dim = moments.means.ncols();
        let label = |row: &usize| moments.labels[*row];
        let deviations = Mat::from_fn(hidden.len(), dim, |row, col| {
            moments.rows[(hidden[row], col)] - moments.means[(label(&hidden[row]), col)]
        });
        let weight = |class: usize| {
            let lost = hidden.iter().filter(|row| label(row) == class).count();
            let left = moments.counts[class] - lost;
            if left == 0 { 0.0 } else { 1.0 / left as f64 }
        };
        let weights: Vec<(usize, f64)> = hidden
            .iter()
            .map(|row| (label(row), weight(label(row))))
            .collect();
        let mut classes: Vec<(usize, f64)> = weights.clone();
        classes.sort_unstable_by_key(|(class, _)| *class);
        classes.dedup_by_key(|(class, _)| *class);
        let mut trace: f64 = moments.eigenvalues.iter().sum();
        let mut means = moments.means.clone();
        let overall = moments.mean_without(hidden);
        for class in 0..means.nrows() {
            if moments.counts[class] == 0 {
                (0..dim).for_each(|col| means[(class, col)] = overall[col]);
            }
        }
        for (class, weight) in classes {
            let own = || (0..hidden.len()).filter(|row| weights[*row].0 == class);
            for col in 0..dim {
                let sum: f64 = own().map(|row| deviations[(row, col)]).sum();
                let squares: f64 = own().map(|row| deviations[(row, col)].powi(2)).sum();
                trace -= squares + weight * sum * sum;
                means[(class, col)] = if weight == 0.0 {
                    overall[col]
                } else {
                    means[(class, col)] - weight * sum
                };
            }
        }
        Self {
            means,
            trace,
            deviations,
            weights,
        }
    }

    /// `dim · μ (S' + ridge I)⁻¹` for every class, `[num_classes, dim]`.
    fn solve(&self, eigenvalues: &[f64], ridge: f64) -> Result<Mat<f64>, MethodError> {
        let scaled = |matrix: &Mat<f64>| {
            Mat::from_fn(matrix.nrows(), matrix.ncols(), |row, col| {
                matrix[(row, col)] / (eigenvalues[col] + ridge)
            })
        };
        let (means, deviations) = (scaled(&self.means), scaled(&self.deviations));
        // (I + w 1 1ᵀ)⁻¹ = I - w / (1 + w m) 1 1ᵀ within the rows of a class.
        let inner = &deviations * self.deviations.transpose();
        let num_of = |class: usize| {
            self.weights
                .iter()
                .filter(|(other, _)| *other == class)
                .count() as f64
        };
        let capacitance = Mat::from_fn(inner.nrows(), inner.ncols(), |row, col| {
            let ((class, weight), (other, _)) = (self.weights[row], self.weights[col]);
            let shared = if class == other {
                weight / (1.0 + weight * num_of(class))
            } else {
                0.0
            };
            f64::from(u8::from(row == col)) - shared - inner[(row, col)]
        });
        let factor = capacitance
            .llt(Side::Lower)
            .map_err(|_not_positive| MethodError::Decomposition { what: "covariance" })?;
        let cross = &self.deviations * means.transpose();
        let correction = deviations.transpose() * factor.solve(cross);
        let dim = eigenvalues.len() as f64;
        Ok(Mat::from_fn(means.nrows(), means.ncols(), |row, col| {
            dim * (means[(row, col)] + correction[(col, row)])
        }))
    }
}
