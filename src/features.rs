//! Rows of numbers: [`Matrix`], [`Features`] (unit rows) and [`Logits`].
//!
//! Plain `f32` memory, so that the methods, the worker and the window exchange results without a tensor library.

use gemm::Parallelism;

/// What can be wrong with rows of features.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum FeatureError {
    /// The data does not fill the shape.
    #[error("{len} numbers do not fill {rows} rows of {cols}")]
    Shape {
        /// Rows asked for.
        rows: usize,
        /// Columns asked for.
        cols: usize,
        /// Numbers given.
        len: usize,
    },
    /// A row of zeros, or with NaN or infinity, has no direction.
    #[error("row {row} has length {length} and no direction, so it cannot be a feature")]
    NoDirection {
        /// Index of the row.
        row: usize,
        /// Its Euclidean length.
        length: f32,
    },
}

/// `rows` × `cols` numbers, row by row.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    data: Vec<f32>,
}

impl Matrix {
    /// A matrix from its numbers, row by row.
    pub fn new(rows: usize, cols: usize, data: Vec<f32>) -> Result<Self, FeatureError> {
        if rows.checked_mul(cols) == Some(data.len()) {
            Ok(Self { rows, cols, data })
        } else {
            Err(FeatureError::Shape {
                rows,
                cols,
                len: data.len(),
            })
        }
    }

    /// A matrix of zeros.
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Self {
            rows,
            cols,
            data: vec![0.0; rows * cols],
        }
    }

    /// A matrix from `f(row, column)`.
    pub fn from_fn(rows: usize, cols: usize, mut f: impl FnMut(usize, usize) -> f32) -> Self {
        let data = (0..rows * cols).map(|i| f(i / cols, i % cols)).collect();
        Self { rows, cols, data }
    }

    /// A matrix from rows of `cols` numbers each.
    pub fn from_rows<'a>(
        cols: usize,
        rows: impl IntoIterator<Item = &'a [f32]>,
    ) -> Result<Self, FeatureError> {
        let (mut data, mut count) = (Vec::new(), 0);
        for row in rows {
            data.extend_from_slice(row);
            count += 1;
        }
        Self::new(count, cols, data)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Row `row`, `cols` numbers.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.cols..(row + 1) * self.cols]
    }

    /// Row `row`, to be changed.
    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.data[row * self.cols..(row + 1) * self.cols]
    }

    /// All rows in order.
    pub fn iter_rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        (0..self.rows).map(|row| self.row(row))
    }

    /// All numbers, row by row.
    pub fn as_slice(&self) -> &[f32] {
        &self.data
    }

    /// All numbers, row by row, to be changed.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// All numbers, row by row.
    pub fn into_vec(self) -> Vec<f32> {
        self.data
    }

    /// Takes the rows of another one to its end; a matrix without rows takes any.
    ///
    /// # Errors
    /// When the rows have another length.
    pub fn append(&mut self, other: Self) -> Result<(), FeatureError> {
        if self.rows == 0 {
            *self = other;
            return Ok(());
        }
        if other.cols != self.cols {
            return Err(FeatureError::Shape {
                rows: other.rows,
                cols: self.cols,
                len: other.data.len(),
            });
        }
        self.rows += other.rows;
        self.data.extend(other.data);
        Ok(())
    }

    /// The rows with these indices, in this order.
    #[must_use]
    pub fn select_rows(&self, indices: &[usize]) -> Self {
        let mut data = Vec::with_capacity(indices.len() * self.cols);
        for index in indices {
            data.extend_from_slice(self.row(*index));
        }
        Self {
            rows: indices.len(),
            cols: self.cols,
            data,
        }
    }

    /// The columns with these indices, in this order.
    #[must_use]
    pub fn select_cols(&self, indices: &[usize]) -> Self {
        Self::from_fn(self.rows, indices.len(), |row, col| {
            self.row(row)[indices[col]]
        })
    }

    /// Columns become rows.
    #[must_use]
    pub fn transposed(&self) -> Self {
        Self::from_fn(self.cols, self.rows, |row, col| {
            self.data[col * self.cols + row]
        })
    }

    /// `self · otherᵀ`, shape `[self.rows, other.rows]`: every row against every row.
    ///
    /// # Panics
    /// When the rows differ in length.
    #[must_use]
    pub fn times_transposed(&self, other: &Self) -> Self {
        assert_eq!(self.cols, other.cols, "rows of different lengths");
        product(&self.view(), &other.view().transposed())
    }

    /// `self · other`, shape `[self.rows, other.cols]`.
    ///
    /// # Panics
    /// When `self` has not as many columns as `other` has rows.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        assert_eq!(self.cols, other.rows, "inner dimensions differ");
        product(&self.view(), &other.view())
    }

    /// `selfᵀ · other`, shape `[self.cols, other.cols]`: the sum over rows of every column times every column.
    ///
    /// # Panics
    /// When the numbers of rows differ.
    #[must_use]
    pub fn transposed_times(&self, other: &Self) -> Self {
        assert_eq!(self.rows, other.rows, "numbers of rows differ");
        product(&self.view().transposed(), &other.view())
    }

    fn view(&self) -> Strided<'_> {
        Strided {
            data: &self.data,
            shape: (self.rows, self.cols),
            strides: (self.cols, 1),
        }
    }
}

/// A matrix as it lies in memory, so that its transpose costs nothing.
struct Strided<'a> {
    data: &'a [f32],
    shape: (usize, usize),
    /// Distance in memory from a row to the next, and from a column to the next.
    strides: (usize, usize),
}

impl Strided<'_> {
    fn transposed(self) -> Self {
        Self {
            data: self.data,
            shape: (self.shape.1, self.shape.0),
            strides: (self.strides.1, self.strides.0),
        }
    }
}

/// `left · right`.
fn product(left: &Strided<'_>, right: &Strided<'_>) -> Matrix {
    let ((rows, inner), cols) = (left.shape, right.shape.1);
    let mut out = Matrix::zeros(rows, cols);
    let parallelism = if rows * cols * inner > 1 << 21 {
        Parallelism::Rayon(0)
    } else {
        Parallelism::None
    };
    #[expect(
        unsafe_code,
        reason = "gemm takes raw pointers; all three are in bounds for the shapes and strides given, and `out` is not aliased"
    )]
    unsafe {
        gemm::gemm(
            rows,
            cols,
            inner,
            out.data.as_mut_ptr(),
            1,
            cols as isize,
            false,
            left.data.as_ptr(),
            left.strides.1 as isize,
            left.strides.0 as isize,
            right.data.as_ptr(),
            right.strides.1 as isize,
            right.strides.0 as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
    out
}

/// One row per photo or text, shape `[num_items, dim]`; every row has unit length.
///
/// Built only by [`Features::normalized`], so nobody else needs to normalise.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Features(Matrix);

impl Features {
    /// Scales every row to unit length.
    pub fn normalized(mut rows: Matrix) -> Result<Self, FeatureError> {
        for index in 0..rows.rows {
            let row = rows.row_mut(index);
            let length = row
                .iter()
                .map(|x| f64::from(*x) * f64::from(*x))
                .sum::<f64>()
                .sqrt();
            if !(length.is_finite() && length > 1e-12) {
                return Err(FeatureError::NoDirection {
                    row: index,
                    length: length as f32,
                });
            }
            let inverse = (1.0 / length) as f32;
            for x in row {
                *x *= inverse;
            }
        }
        Ok(Self(rows))
    }

    /// The rows as a plain matrix.
    pub fn matrix(&self) -> &Matrix {
        &self.0
    }

    /// The same, without a copy.
    pub fn into_matrix(self) -> Matrix {
        self.0
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.0.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.0.rows == 0
    }

    /// Length of each row.
    pub fn dim(&self) -> usize {
        self.0.cols
    }

    /// Row `row`, of unit length.
    pub fn row(&self, row: usize) -> &[f32] {
        self.0.row(row)
    }

    /// The rows with these indices, in this order.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        Self(self.0.select_rows(indices))
    }

    /// Cosine of every row with every row of `other`, shape `[self.len(), other.len()]`, values in `[-1, 1]`.
    #[must_use]
    pub fn cosines(&self, other: &Self) -> Matrix {
        self.0.times_transposed(&other.0)
    }
}

/// Scores of queries for classes, shape `[num_queries, num_classes]`; the higher the likelier.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Logits(pub Matrix);

impl Logits {
    /// The best class of every query; the first of equals.
    pub fn top_classes(&self) -> Vec<usize> {
        self.0.iter_rows().map(arg_max).collect()
    }
}

/// Sum of the products, place by place; of rows of length 1 their cosine.
pub fn dot(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

/// Index of the largest number, the first of equals; 0 for no numbers.
pub fn arg_max(row: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = index;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_agree_with_the_definition() {
        let a = Matrix::from_fn(5, 7, |i, j| (i * 7 + j) as f32 * 0.1 - 1.0);
        let b = Matrix::from_fn(4, 7, |i, j| (i as f32 - j as f32) * 0.2);
        let expected = Matrix::from_fn(5, 4, |i, j| {
            a.row(i).iter().zip(b.row(j)).map(|(x, y)| x * y).sum()
        });
        let close = |x: &Matrix, y: &Matrix| {
            x.as_slice()
                .iter()
                .zip(y.as_slice())
                .all(|(x, y)| (x - y).abs() < 1e-4)
        };
        assert!(close(&a.times_transposed(&b), &expected));
        assert!(close(&a.times(&b.transposed()), &expected));
        assert!(close(
            &a.transposed().transposed_times(&b.transposed()),
            &expected
        ));
    }

    #[test]
    fn normalised_rows_have_unit_length_and_zero_rows_are_refused() {
        let features = Features::normalized(Matrix::new(1, 2, vec![3.0, 4.0]).unwrap()).unwrap();
        assert_eq!(features.row(0), [0.6, 0.8]);
        let zero = Features::normalized(Matrix::zeros(2, 3)).unwrap_err();
        assert_eq!(
            zero,
            FeatureError::NoDirection {
                row: 0,
                length: 0.0
            }
        );
    }
}
