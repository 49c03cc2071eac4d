//! The nearest neighbours of every row, exactly.

use rayon::prelude::*;

use crate::features::Matrix;
use crate::progress::{Cancelled, Progress};

/// Neighbours of each photo, as UMAP's authors have it.
pub const NUM_NEIGHBOURS: usize = 15;
/// Rows compared at a time; a block of products stays in the cache.
const BLOCK: usize = 512;

/// The nearest other rows of each row, the nearest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Neighbours {
    /// How many each row has.
    pub count: usize,
    /// `[rows, count]`.
    pub rows: Vec<u32>,
    /// Euclidean distances, `[rows, count]`.
    pub distances: Vec<f32>,
}

impl Neighbours {
    /// Compares every row of `queries` with every row of `among`; where both are the same rows, none is its own neighbour
    /// (`is_same`). Up to a hundred thousand rows of fifty numbers that takes seconds, and is exact.
    ///
    /// # Errors
    /// When it was cancelled.
    pub fn find(
        queries: &Matrix,
        among: &Matrix,
        is_same: bool,
        progress: &Progress<'_>,
    ) -> Result<Self, Cancelled> {
        let count = NUM_NEIGHBOURS.min(among.rows().saturating_sub(usize::from(is_same)));
        let lengths: Vec<f32> = among.iter_rows().map(squared).collect();
        let blocks: Vec<Matrix> = blocks_of(among);
        let num_queries = queries.rows();
        let done = std::sync::atomic::AtomicUsize::new(0);
        let found: Vec<Vec<(f32, u32)>> = (0..num_queries.div_ceil(BLOCK))
            .into_par_iter()
            .map(|block| {
                let start = block * BLOCK;
                let rows: Vec<usize> = (start..num_queries.min(start + BLOCK)).collect();
                let own = queries.select_rows(&rows);
                let mut nearest = vec![Nearest::new(count); rows.len()];
                for (number, others) in blocks.iter().enumerate() {
                    progress.check()?;
                    let first = number * BLOCK;
                    let products = own.times_transposed(others);
                    for ((row, products), nearest) in
                        rows.iter().zip(products.iter_rows()).zip(&mut nearest)
                    {
                        let lengths = &lengths[first..first + products.len()];
                        let hidden = is_same.then(|| row.wrapping_sub(first));
                        nearest.take_in(first, products, lengths, hidden);
                    }
                }
                let so_far = done.fetch_add(rows.len(), std::sync::atomic::Ordering::Relaxed);
                progress.report(so_far + rows.len(), num_queries);
                Ok(nearest.into_iter().flat_map(|nearest| nearest.0).collect())
            })
            .collect::<Result<_, Cancelled>>()?;
        let mut neighbours = Self {
            count,
            ..Self::default()
        };
        let of_rows = found.iter().flat_map(|block| block.chunks(count.max(1)));
        for (row, nearest) in of_rows.enumerate() {
            let own = squared(queries.row(row));
            for (distance, other) in nearest {
                neighbours.rows.push(*other);
                neighbours.distances.push((distance + own).max(0.0).sqrt());
            }
        }
        Ok(neighbours)
    }

    /// The neighbours of a row with their distances, the nearest first.
    pub fn of(&self, row: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        let range = row * self.count..(row + 1) * self.count;
        let rows = self.rows[range.clone()].iter().map(|row| *row as usize);
        rows.zip(self.distances[range].iter().copied())
    }
}

fn squared(row: &[f32]) -> f32 {
    row.iter().map(|x| x * x).sum()
}

fn blocks_of(matrix: &Matrix) -> Vec<Matrix> {
    let starts = (0..matrix.rows()).step_by(BLOCK);
    let block = |start: usize| {
        let rows: Vec<usize> = (start..matrix.rows().min(start + BLOCK)).collect();
        matrix.select_rows(&rows)
    };
    starts.map(block).collect()
}

/// The nearest so far, the nearest first: squared distance less the query's own length, and the row.
#[derive(Clone)]
struct Nearest(Vec<(f32, u32)>);

impl Nearest {
    fn new(count: usize) -> Self {
        Self(vec![(f32::INFINITY, u32::MAX); count])
    }

    fn take_in(&mut self, first: usize, products: &[f32], lengths: &[f32], hidden: Option<usize>) {
        let Some(mut worst) = self.0.last().map(|last| last.0) else {
            return;
        };
        for (place, (product, length)) in products.iter().zip(lengths).enumerate() {
            let distance = length - 2.0 * product;
            if distance < worst && hidden != Some(place) {
                let at = self.0.partition_point(|(known, _)| *known <= distance);
                self.0[at..].rotate_right(1);
                self.0[at] = (distance, (first + place) as u32);
                worst = self.0[self.0.len() - 1].0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::random::Random;

    #[test]
    fn neighbours_are_those_of_the_definition() {
        let mut random = Random::new(3);
        let rows = Matrix::from_fn(1300, 4, |_, _| random.normal() as f32);
        let found = Neighbours::find(&rows, &rows, true, &Progress::silent()).unwrap();
        for row in [0, 511, 512, 1299] {
            let distance = |other: usize| -> f32 {
                let pairs = rows.row(row).iter().zip(rows.row(other));
                pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
            };
            let mut others: Vec<usize> = (0..1300).filter(|other| *other != row).collect();
            others.sort_by(|a, b| distance(*a).total_cmp(&distance(*b)));
            let nearest: Vec<usize> = found.of(row).map(|(other, _)| other).collect();
            assert_eq!(nearest, others[..NUM_NEIGHBOURS], "row {row}");
            for (other, told) in found.of(row) {
                assert!((told - distance(other)).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn few_rows_have_few_neighbours() {
        let rows = Matrix::from_fn(3, 2, |row, _| row as f32);
        let found = Neighbours::find(&rows, &rows, true, &Progress::silent()).unwrap();
        assert_eq!(found.count, 2);
        assert_eq!(found.rows, [1, 2, 0, 2, 1, 0]);
        let none = Matrix::zeros(0, 2);
        let found = Neighbours::find(&none, &none, true, &Progress::silent()).unwrap();
        assert_eq!(found.count, 0);
    }
}
