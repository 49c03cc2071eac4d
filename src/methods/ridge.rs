//! Kernel ridge regression for many β and λ: `A = (K / λ + I)⁻¹ R` with `K = exp(-β (1 - F · Fᵀ))`.

use faer::linalg::solvers::Solve as _;
use faer::{Mat, Side};
use rayon::prelude::*;

use super::MethodError;
use super::linear_algebra::{to_f32, to_f64};
use crate::features::{Features, Matrix};

/// From so many λ on, one eigendecomposition for all is faster than a factorisation for each: it takes as long as twelve,
/// and a λ then costs a third of one (1,600 rows and 100 classes).
const EIGEN_FROM: usize = 20;

/// Equations that differ in β and λ only.
pub(super) struct Ridge<'a> {
    /// `F · Fᵀ`.
    cosines: Mat<f64>,
    residuals: &'a Mat<f64>,
}

impl<'a> Ridge<'a> {
    /// For keys `F` `[n, dim]` and residuals `R` `[n, num_classes]`.
    pub(super) fn new(keys: &Features, residuals: &'a Mat<f64>) -> Self {
        let keys = to_f64(keys.matrix());
        Self {
            cosines: &keys * keys.transpose(),
            residuals,
        }
    }

    /// `A` for one β and λ.
    pub(super) fn solve(self, beta: f32, lambda: f32) -> Result<Matrix, MethodError> {
        let kernel = kernel(self.cosines, beta);
        solve_in_place(kernel, lambda, self.residuals)
    }

    /// `A` for every λ.
    pub(super) fn solve_all(&self, beta: f32, lambdas: &[f32]) -> Result<Vec<Matrix>, MethodError> {
        let kernel = kernel(self.cosines.clone(), beta);
        if lambdas.len() < EIGEN_FROM {
            return lambdas
                .par_iter()
                .map(|lambda| solve_in_place(kernel.clone(), *lambda, self.residuals))
                .collect();
        }
        let eigen = kernel
            .self_adjoint_eigen(Side::Lower)
            .map_err(|_no_convergence| MethodError::Decomposition { what: "kernel" })?;
        let (basis, values) = (eigen.U(), eigen.S().column_vector());
        let targets = basis.transpose() * self.residuals;
        let solved = |lambda: &f32| {
            let lambda = f64::from(*lambda);
            // A kernel has no negative eigenvalue but by rounding.
            let scaled = Mat::from_fn(targets.nrows(), targets.ncols(), |row, col| {
                targets[(row, col)] / (values[row].max(0.0) / lambda + 1.0)
            });
            to_f32((basis * scaled).as_ref())
        };
        Ok(lambdas.par_iter().map(solved).collect())
    }
}

fn kernel(mut cosines: Mat<f64>, beta: f32) -> Mat<f64> {
    let beta = f64::from(beta);
    for col in 0..cosines.ncols() {
        for row in 0..cosines.nrows() {
            cosines[(row, col)] = (-beta * (1.0 - cosines[(row, col)])).exp();
        }
    }
    cosines
}

fn solve_in_place(
    mut kernel: Mat<f64>,
    lambda: f32,
    residuals: &Mat<f64>,
) -> Result<Matrix, MethodError> {
    let lambda = f64::from(lambda);
    for col in 0..kernel.ncols() {
        for row in 0..kernel.nrows() {
            kernel[(row, col)] = kernel[(row, col)] / lambda + if row == col { 1.0 } else { 0.0 };
        }
    }
    let factor = kernel
        .llt(Side::Lower)
        .map_err(|_not_positive| MethodError::Decomposition { what: "kernel" })?;
    Ok(to_f32(factor.solve(residuals).as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_decomposition_gives_what_a_factorisation_for_each_gives() {
        let rows = Matrix::from_fn(30, 8, |row, col| ((row * 8 + col) as f32 * 0.9).sin() + 0.4);
        let keys = Features::normalized(rows).unwrap();
        let residuals = Mat::from_fn(30, 4, |row, col| ((row * 4 + col) as f64 * 1.7).cos());
        let lambdas: Vec<f32> = (1..=EIGEN_FROM).map(|step| 0.05 * step as f32).collect();
        let ridge = || Ridge::new(&keys, &residuals);
        let together = ridge().solve_all(2.5, &lambdas).unwrap();
        assert_eq!(ridge().solve_all(2.5, &lambdas[..1]).unwrap().len(), 1);
        for (together, lambda) in together.iter().zip(&lambdas) {
            let alone = ridge().solve(2.5, *lambda).unwrap();
            for (together, alone) in together.as_slice().iter().zip(alone.as_slice()) {
                assert!((together - alone).abs() < 1e-6, "{together} {alone}");
            }
        }
    }
}
