//! How strongly photos are tied to their neighbours: UMAP's fuzzy graph.

use rayon::prelude::*;

use super::Neighbours;

/// Steps of the search for a row's scale, as in umap-learn.
const NUM_STEPS: usize = 64;
const TOLERANCE: f32 = 1e-5;
/// No scale is smaller than this share of the mean distance.
const LEAST_SCALE: f32 = 1e-3;

/// Ties in both directions, each with its strength, 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Graph {
    /// Where each row's ties begin; one more than there are rows.
    starts: Vec<usize>,
    others: Vec<u32>,
    strengths: Vec<f32>,
}

impl Graph {
    /// The fuzzy union of every row's own view of its neighbourhood (arXiv 1802.03426, §3.1; umap-learn's `fuzzy_simplicial_set`).
    pub(super) fn new(neighbours: &Neighbours) -> Self {
        let num_rows = neighbours.rows.len() / neighbours.count.max(1);
        let mean = neighbours.distances.iter().sum::<f32>() / neighbours.distances.len() as f32;
        let directed: Vec<f32> = (0..num_rows)
            .into_par_iter()
            .flat_map_iter(|row| {
                let distances: Vec<f32> =
                    neighbours.of(row).map(|(_, distance)| distance).collect();
                let (nearest, scale) = scale_of(&distances, mean);
                let strength = move |distance: f32| (-(distance - nearest).max(0.0) / scale).exp();
                distances.into_iter().map(strength)
            })
            .collect();
        let mut ties: Vec<(u32, u32, f32)> = Vec::with_capacity(2 * directed.len());
        for (place, strength) in directed.iter().enumerate() {
            let (from, to) = ((place / neighbours.count) as u32, neighbours.rows[place]);
            ties.push((from, to, *strength));
            ties.push((to, from, *strength));
        }
        ties.par_sort_by_key(|(from, to, _)| (*from, *to));
        let mut graph = Self {
            starts: vec![0; num_rows + 1],
            ..Self::default()
        };
        for tie in ties.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (from, to, strength) = tie[0];
            // Seen from both ends: the chance that at least one of the two holds.
            let other = tie.get(1).map_or(0.0, |tie| tie.2);
            graph.others.push(to);
            graph.strengths.push(strength + other - strength * other);
            graph.starts[from as usize + 1] += 1;
        }
        for row in 0..num_rows {
            graph.starts[row + 1] += graph.starts[row];
        }
        graph
    }

    pub(super) fn num_rows(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The places of a row's ties in [`Self::tie`].
    pub(super) fn ties_of(&self, row: usize) -> std::ops::Range<usize> {
        self.starts[row]..self.starts[row + 1]
    }

    /// The other end of a tie, and how strong it is.
    pub(super) fn tie(&self, place: usize) -> (usize, f32) {
        (self.others[place] as usize, self.strengths[place])
    }
}

/// The distance to the nearest that is not the same, and the scale with which the strengths of a row add up to log₂ of their number.
fn scale_of(distances: &[f32], mean_of_all: f32) -> (f32, f32) {
    let nearest = distances.iter().copied().find(|distance| *distance > 0.0);
    let nearest = nearest.unwrap_or(0.0);
    let target = (distances.len() as f32).log2();
    let (mut low, mut high, mut scale) = (0.0_f32, f32::INFINITY, 1.0_f32);
    for _ in 0..NUM_STEPS {
        let strengths = distances.iter().map(|distance| {
            let beyond = distance - nearest;
            if beyond > 0.0 {
                (-beyond / scale).exp()
            } else {
                1.0
            }
        });
        let sum: f32 = strengths.sum();
        if (sum - target).abs() < TOLERANCE {
            break;
        }
        if sum > target {
            high = scale;
            scale = f32::midpoint(low, high);
        } else {
            low = scale;
            scale = if high.is_infinite() {
                scale * 2.0
            } else {
                f32::midpoint(low, high)
            };
        }
    }
    let mean = distances.iter().sum::<f32>() / distances.len().max(1) as f32;
    let least = LEAST_SCALE * if nearest > 0.0 { mean } else { mean_of_all };
    (nearest, scale.max(least).max(f32::MIN_POSITIVE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Matrix;
    use crate::progress::Progress;
    use crate::support::random::Random;

    #[test]
    fn strengths_of_a_row_add_up_to_the_logarithm_of_their_number() {
        let distances = [0.5, 0.7, 1.0, 1.1, 1.5, 2.0, 2.2, 3.0];
        let (nearest, scale) = scale_of(&distances, 1.5);
        let sum: f32 = distances
            .iter()
            .map(|d| (-(d - nearest) / scale).exp())
            .sum();
        assert!((sum - 3.0).abs() < 1e-3, "{sum}");
        assert!((nearest - 0.5).abs() < 1e-6);
    }

    #[test]
    fn ties_hold_both_ways_and_copies_are_no_trouble() {
        let mut random = Random::new(3);
        let rows = Matrix::from_fn(60, 3, |row, _| {
            if row < 20 {
                0.0
            } else {
                random.normal() as f32
            }
        });
        let found = Neighbours::find(&rows, &rows, true, &Progress::silent()).unwrap();
        let graph = Graph::new(&found);
        assert_eq!(graph.num_rows(), 60);
        for row in 0..60 {
            for place in graph.ties_of(row) {
                let (other, strength) = graph.tie(place);
                assert!(strength.is_finite() && (0.0..=1.0).contains(&strength));
                let back = graph.ties_of(other).map(|place| graph.tie(place));
                let same = back.filter(|(end, _)| *end == row).map(|(_, back)| back);
                assert_eq!(same.collect::<Vec<_>>(), [strength], "{row} {other}");
            }
        }
    }
}
