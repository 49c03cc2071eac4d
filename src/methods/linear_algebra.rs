//! Between [`Matrix`] and faer's double-precision matrices.

use faer::Mat;

use super::MethodError;
use crate::features::Matrix;

/// The same numbers in double precision.
pub(crate) fn to_f64(matrix: &Matrix) -> Mat<f64> {
    Mat::from_fn(matrix.rows(), matrix.cols(), |row, col| {
        f64::from(matrix.row(row)[col])
    })
}

/// The same numbers in single precision.
pub(crate) fn to_f32(matrix: faer::MatRef<'_, f64>) -> Matrix {
    Matrix::from_fn(matrix.nrows(), matrix.ncols(), |row, col| {
        matrix[(row, col)] as f32
    })
}

/// Left singular vectors, `[rows, min(rows, cols)]`, by falling singular value.
pub(crate) fn left_singular_vectors(matrix: &Mat<f64>) -> Result<Mat<f64>, MethodError> {
    let what = "singular value decomposition";
    if !matrix.is_all_finite() {
        return Err(MethodError::Decomposition { what });
    }
    let svd = matrix
        .thin_svd()
        .map_err(|_no_convergence| MethodError::Decomposition { what })?;
    Ok(svd.U().to_owned())
}
