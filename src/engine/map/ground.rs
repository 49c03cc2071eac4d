//! The coordinates that maps are drawn from.

use std::sync::{Arc, OnceLock};

use faer::{Mat, Side};

use super::{Neighbours, Point};
use crate::features::{Features, Matrix, dot};
use crate::progress::{Cancelled, Progress};

/// Principal axes kept: enough to tell neighbours, few enough to compare all pairs.
const NUM_AXES: usize = 50;
/// The axes are those of at most so many photos, evenly drawn.
const SAMPLE: usize = 20_000;
/// Photos turned at a time.
const SLICE: usize = 8192;

/// Photos, and texts behind them, on the principal axes of the photos; the last column is what sets texts apart from photos, where
/// there are texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ground {
    coordinates: Matrix,
    num_photos: usize,
    /// The direction from the photos' mean to the texts' mean, on the columns.
    gap: Option<Vec<f32>>,
    /// The map and the checks ask for the same ones, and finding them takes longest.
    neighbours: OnceLock<Arc<Neighbours>>,
}

impl Ground {
    /// The ground of `num_photos` photos, whose features `take` gives for a slice of them, and of `texts`. `None` for fewer than
    /// three photos, or where `take` gives none.
    pub fn new(
        num_photos: usize,
        take: impl Fn(&[usize]) -> Option<Features>,
        texts: Option<&Features>,
    ) -> Option<Self> {
        if num_photos < 3 {
            return None;
        }
        let step = num_photos.div_ceil(SAMPLE);
        let sample = take(&(0..num_photos).step_by(step).collect::<Vec<_>>())?;
        let mean = mean_of(&sample);
        let mut axes = principal_axes(&sample, &mean)?;
        drop(sample);
        let texts = texts.filter(|texts| !texts.is_empty() && texts.dim() == mean.len());
        let gap = texts.map(|texts| {
            let to_texts = subtract(&mean_of(texts), &mean);
            let (along, rest) = split(&to_texts, &axes);
            let (rest, length) = unit(rest);
            if length > 1e-4 {
                axes.push(rest);
                unit([along, vec![length]].concat()).0
            } else {
                unit(along).0
            }
        });
        let turned = turned(num_photos, &take, texts, &mean, &axes)?;
        Some(Self {
            coordinates: turned,
            num_photos,
            gap,
            neighbours: OnceLock::new(),
        })
    }

    /// Coordinates of the photos, then of the texts.
    pub fn coordinates(&self) -> &Matrix {
        &self.coordinates
    }

    /// Coordinates of the photos alone.
    pub fn photos(&self) -> Matrix {
        let photos: Vec<usize> = (0..self.num_photos).collect();
        self.coordinates.select_rows(&photos)
    }

    /// The neighbours of every photo among all of them, found once.
    ///
    /// # Errors
    /// When it was cancelled.
    pub fn neighbours(&self, progress: &Progress<'_>) -> Result<Arc<Neighbours>, Cancelled> {
        if let Some(found) = self.neighbours.get() {
            return Ok(Arc::clone(found));
        }
        let photos = self.photos();
        let found = Arc::new(Neighbours::find(&photos, &photos, true, progress)?);
        Ok(Arc::clone(self.neighbours.get_or_init(|| found)))
    }

    /// The two axes along which photos differ most.
    pub fn principal(&self) -> Vec<Point> {
        self.points(|row| [row[0], row.get(1).copied().unwrap_or(0.0)])
    }

    /// Across, from photos to texts; up, the axis along which photos differ most. `None` without texts.
    pub fn gap(&self) -> Option<Vec<Point>> {
        let gap = self.gap.as_ref()?;
        Some(self.points(|row| [row.iter().zip(gap).map(|(x, gap)| x * gap).sum(), row[0]]))
    }

    fn points(&self, point: impl Fn(&[f32]) -> Point) -> Vec<Point> {
        self.coordinates.iter_rows().map(point).collect()
    }
}

fn mean_of(rows: &Features) -> Vec<f32> {
    let mut mean = vec![0.0; rows.dim()];
    for row in rows.matrix().iter_rows() {
        mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x);
    }
    let count = rows.len().max(1) as f32;
    for mean in &mut mean {
        *mean /= count;
    }
    mean
}

fn subtract(left: &[f32], right: &[f32]) -> Vec<f32> {
    left.iter().zip(right).map(|(a, b)| a - b).collect()
}

/// The vector scaled to length 1, and its length; a vector of nothing stays.
fn unit(mut vector: Vec<f32>) -> (Vec<f32>, f32) {
    let length = dot(&vector, &vector).sqrt();
    if length > 0.0 {
        for x in &mut vector {
            *x /= length;
        }
    }
    (vector, length)
}

/// What of a vector lies along each axis, and what is left.
fn split(vector: &[f32], axes: &[Vec<f32>]) -> (Vec<f32>, Vec<f32>) {
    let along: Vec<f32> = axes.iter().map(|axis| dot(vector, axis)).collect();
    let mut rest = vector.to_vec();
    for (axis, along) in axes.iter().zip(&along) {
        rest.iter_mut().zip(axis).for_each(|(x, a)| *x -= along * a);
    }
    (along, rest)
}

/// Directions of falling variance.
fn principal_axes(sample: &Features, mean: &[f32]) -> Option<Vec<Vec<f32>>> {
    let dim = sample.dim();
    let centred = Matrix::from_fn(sample.len(), dim, |row, col| {
        sample.row(row)[col] - mean[col]
    });
    let products = centred.transposed_times(&centred);
    let covariance = Mat::from_fn(dim, dim, |row, col| f64::from(products.row(row)[col]));
    let eigen = covariance.self_adjoint_eigen(Side::Lower).ok()?;
    let vectors = eigen.U();
    let count = NUM_AXES.min(dim).min(sample.len() - 1);
    let axis = |place: usize| {
        let column: Vec<f32> = (0..dim)
            .map(|row| vectors[(row, dim - 1 - place)] as f32)
            .collect();
        // An axis has no sign of its own: the same photos must not come out mirrored.
        let largest =
            column.iter().fold(
                0.0_f32,
                |largest, x| {
                    if x.abs() > largest.abs() { *x } else { largest }
                },
            );
        let sign = 1.0_f32.copysign(largest);
        column.into_iter().map(|x| x * sign).collect()
    };
    Some((0..count).map(axis).collect())
}

fn turned(
    num_photos: usize,
    take: impl Fn(&[usize]) -> Option<Features>,
    texts: Option<&Features>,
    mean: &[f32],
    axes: &[Vec<f32>],
) -> Option<Matrix> {
    let directions = Matrix::from_rows(mean.len(), axes.iter().map(Vec::as_slice)).ok()?;
    let origin: Vec<f32> = axes.iter().map(|axis| dot(mean, axis)).collect();
    let mut data = Vec::with_capacity((num_photos + texts.map_or(0, Features::len)) * axes.len());
    let mut push = |features: &Features| {
        let products = features.matrix().times_transposed(&directions);
        for row in products.iter_rows() {
            data.extend(row.iter().zip(&origin).map(|(x, origin)| x - origin));
        }
    };
    for start in (0..num_photos).step_by(SLICE) {
        let rows: Vec<usize> = (start..num_photos.min(start + SLICE)).collect();
        push(&take(&rows)?);
    }
    texts.into_iter().for_each(&mut push);
    Matrix::new(data.len() / axes.len().max(1), axes.len(), data).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::random::Random;

    fn features(rows: usize, row: impl Fn(usize, usize, f32) -> f32) -> Features {
        let mut random = Random::new(7);
        let matrix = Matrix::from_fn(rows, 6, |r, c| row(r, c, random.normal() as f32));
        Features::normalized(matrix).unwrap()
    }

    fn ground(photos: &Features, texts: Option<&Features>) -> Ground {
        Ground::new(photos.len(), |rows| Some(photos.select(rows)), texts).unwrap()
    }

    #[test]
    fn the_first_axis_is_that_of_the_largest_variance_and_distances_stay() {
        let photos = features(200, |_, col, noise| match col {
            0 => 5.0,
            1 => 2.0 * noise,
            _ => 0.3 * noise,
        });
        let ground = ground(&photos, None);
        let spread = |axis: usize| -> f32 {
            let column = ground.coordinates().iter_rows().map(|row| row[axis]);
            column.map(|x| x * x).sum()
        };
        assert!(spread(0) > 5.0 * spread(1), "{} {}", spread(0), spread(1));
        let distance = |a: &[f32], b: &[f32]| dot(&subtract(a, b), &subtract(a, b)).sqrt();
        for (a, b) in [(0, 1), (5, 90), (17, 199)] {
            let before = distance(photos.row(a), photos.row(b));
            let after = distance(ground.coordinates().row(a), ground.coordinates().row(b));
            assert!((before - after).abs() < 1e-4, "{before} {after}");
        }
        assert!(ground.gap().is_none());
    }

    #[test]
    fn texts_lie_beyond_the_gap() {
        let photos = features(80, |_, col, noise| if col == 0 { 4.0 } else { noise });
        let texts = features(5, |_, col, noise| if col == 5 { 4.0 } else { 0.2 * noise });
        let ground = ground(&photos, Some(&texts));
        let points = ground.gap().unwrap();
        assert_eq!(points.len(), 85);
        let furthest_photo = points[..80]
            .iter()
            .fold(f32::MIN, |x, point| x.max(point[0]));
        assert!(points[80..].iter().all(|point| point[0] > furthest_photo));
    }

    #[test]
    fn two_photos_make_no_map() {
        let photos = features(2, |_, _, noise| noise);
        let none = Ground::new(2, |rows| Some(photos.select(rows)), None);
        assert!(none.is_none());
    }
}
