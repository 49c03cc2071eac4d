//! Placing photos on the plane so that neighbours stay neighbours: UMAP's descent.
//!
//! Every photo moves by what it sees of the step before, so that all move at once and the result does not depend on the number of
//! threads; umap-learn moves both ends of a tie one after the other.

use rayon::prelude::*;

use super::graph::Graph;
use super::{Ground, Neighbours, Point};
use crate::features::Matrix;
use crate::progress::{Cancelled, Progress};
use crate::support::random::Random;

/// Photos that are laid out by their own neighbourhoods; of more, so many are drawn, and the others stand with those nearest to them.
pub const LARGEST: usize = 100_000;
/// What umap-learn fits to its defaults, least distance 0.1 and spread 1: `1 / (1 + a·d^2b)`.
const A: f32 = 1.577;
const B: f32 = 0.895;
/// Photos that push a photo away for each that pulls it.
const NUM_PUSHES: usize = 5;
/// No single move is longer.
const LONGEST: f32 = 4.0;
/// Half the side of the square on which the descent begins.
const EXTENT: f32 = 10.0;
/// Of the work that is told, the share of finding neighbours.
const SHARE_OF_NEIGHBOURS: usize = 3;

/// The map: a point for each photo of the ground (texts have no photos among their neighbours, and would lie in one heap). `tell` is given the points now and then, and how far the work is, 0 to 1; `seed`
/// decides everything that is drawn.
///
/// # Errors
/// When it was cancelled.
pub fn lay_out(
    ground: &Ground,
    seed: u64,
    tell: &(dyn Fn(f32, Option<Vec<Point>>) + Sync),
    progress: &Progress<'_>,
) -> Result<Vec<Point>, Cancelled> {
    let all = &ground.photos();
    let chosen = chosen(all.rows(), seed);
    let drawn = chosen.as_ref().map(|rows| all.select_rows(rows));
    let rows = drawn.as_ref().unwrap_or(all);
    let share =
        |done: usize, of: usize| done as f32 / of.max(1) as f32 / SHARE_OF_NEIGHBOURS as f32;
    let report = |done: usize, of: usize| tell(share(done, of), None);
    let cancel = progress.cancel_token().cloned().unwrap_or_default();
    let finding = Progress::new(&report, &cancel);
    let graph = match &drawn {
        Some(rows) => Graph::new(&Neighbours::find(rows, rows, true, &finding)?),
        None => Graph::new(&*ground.neighbours(&finding)?),
    };
    let beside = match &chosen {
        Some(_) => Some(Neighbours::find(all, rows, false, &progress.quiet())?),
        None => None,
    };
    let spread = |points: &[Point]| match &beside {
        Some(beside) => stand_in(beside, points),
        None => points.to_vec(),
    };
    let mut points = beginning(rows);
    let mut descent = Descent::new(&graph, seed);
    while descent.epoch < descent.num_epochs {
        progress.check()?;
        points = descent.step(&points);
        if descent.is_worth_telling() {
            let first = 1.0 / SHARE_OF_NEIGHBOURS as f32;
            let done = descent.epoch as f32 / descent.num_epochs as f32;
            tell(first + (1.0 - first) * done, Some(spread(&points)));
        }
    }
    Ok(spread(&points))
}

/// The rows that are laid out, where there are too many for all.
fn chosen(num_rows: usize, seed: u64) -> Option<Vec<usize>> {
    if num_rows <= LARGEST {
        return None;
    }
    let mut rows: Vec<usize> = (0..num_rows).collect();
    Random::new(seed).draw_to_front(&mut rows, LARGEST);
    rows.truncate(LARGEST);
    rows.sort_unstable();
    Some(rows)
}

/// Each row among the three of the map that it is nearest to, the nearest counting most.
fn stand_in(beside: &Neighbours, points: &[Point]) -> Vec<Point> {
    let num_rows = beside.rows.len() / beside.count.max(1);
    let place = |row: usize| {
        let nearest = beside.of(row).take(3);
        let weighed =
            nearest.map(|(other, distance)| (points[other], 1.0 / (distance + 1e-4).powi(2)));
        let (sum, weight) = weighed.fold(([0.0; 2], 0.0), |(sum, all), (point, weight)| {
            (
                [sum[0] + weight * point[0], sum[1] + weight * point[1]],
                all + weight,
            )
        });
        [sum[0] / weight, sum[1] / weight]
    };
    (0..num_rows).into_par_iter().map(place).collect()
}

/// The two principal axes, scaled to the square where the descent begins.
fn beginning(rows: &Matrix) -> Vec<Point> {
    let second = usize::from(rows.cols() > 1);
    let points: Vec<Point> = rows.iter_rows().map(|row| [row[0], row[second]]).collect();
    let sizes = points.iter().flatten().map(|x| x.abs());
    let scale = EXTENT / sizes.fold(f32::MIN_POSITIVE, f32::max);
    points
        .iter()
        .map(|point| point.map(|x| x * scale))
        .collect()
}

struct Descent<'a> {
    graph: &'a Graph,
    /// The strongest tie pulls in every epoch, the others in proportion.
    strongest: f32,
    epoch: usize,
    num_epochs: usize,
    seed: u64,
}

impl<'a> Descent<'a> {
    fn new(graph: &'a Graph, seed: u64) -> Self {
        let ties = (0..graph.num_rows()).flat_map(|row| graph.ties_of(row));
        let strongest = ties.map(|place| graph.tie(place).1).fold(0.0, f32::max);
        Self {
            graph,
            strongest: strongest.max(f32::MIN_POSITIVE),
            epoch: 0,
            // As umap-learn: large maps settle in fewer.
            num_epochs: if graph.num_rows() <= 10_000 { 500 } else { 200 },
            seed,
        }
    }

    /// Often enough to watch, seldom enough to cost nothing.
    fn is_worth_telling(&self) -> bool {
        self.epoch.is_multiple_of(self.num_epochs / 50)
    }

    fn step(&mut self, points: &[Point]) -> Vec<Point> {
        let rate = 1.0 - self.epoch as f32 / self.num_epochs as f32;
        let moved = (0..points.len())
            .into_par_iter()
            .map(|row| self.moved(row, points, rate))
            .collect();
        self.epoch += 1;
        moved
    }

    /// Where a photo goes: towards those that it is tied to, away from some drawn at random.
    fn moved(&self, row: usize, points: &[Point], rate: f32) -> Point {
        let mut random = Random::new(self.seed ^ ((self.epoch as u64) << 40) ^ row as u64);
        let mut at = points[row];
        for place in self.graph.ties_of(row) {
            let (other, strength) = self.graph.tie(place);
            if !self.pulls_now(strength) {
                continue;
            }
            // Twice: umap-learn moves both ends of each of the two directions of a tie.
            shift(&mut at, points[other], 2.0 * rate, pull);
            for _ in 0..NUM_PUSHES {
                let other = random.below(points.len());
                if other != row {
                    shift(&mut at, points[other], rate, push);
                }
            }
        }
        at
    }

    /// A tie of half the greatest strength pulls in every second epoch.
    fn pulls_now(&self, strength: f32) -> bool {
        let share = strength / self.strongest;
        let turns = |epoch: usize| (epoch as f32 * share) as usize;
        turns(self.epoch + 1) > turns(self.epoch)
    }
}

/// Moves a point along the line to another, by what `force` makes of their squared distance.
fn shift(at: &mut Point, other: Point, rate: f32, force: fn(f32) -> f32) {
    let apart = [at[0] - other[0], at[1] - other[1]];
    let strength = force(apart[0] * apart[0] + apart[1] * apart[1]);
    for (at, apart) in at.iter_mut().zip(apart) {
        *at += rate * (strength * apart).clamp(-LONGEST, LONGEST);
    }
}

fn pull(squared: f32) -> f32 {
    if squared <= 0.0 {
        return 0.0;
    }
    let power = squared.powf(B - 1.0);
    -2.0 * A * B * power / (1.0 + A * power * squared)
}

fn push(squared: f32) -> f32 {
    2.0 * B / ((0.001 + squared) * (1.0 + A * squared.powf(B)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Features;
    use crate::progress::CancelToken;

    /// Three bundles of directions, 40 photos each.
    fn ground() -> Ground {
        let mut random = Random::new(5);
        let rows = Matrix::from_fn(120, 8, |row, col| {
            let centre = if row / 40 == col { 3.0 } else { 0.0 };
            centre + random.normal() as f32
        });
        let photos = Features::normalized(rows).unwrap();
        Ground::new(120, |rows| Some(photos.select(rows)), None).unwrap()
    }

    fn map() -> Vec<Point> {
        lay_out(&ground(), 1, &|_, _| (), &Progress::silent()).unwrap()
    }

    #[test]
    fn neighbours_stay_neighbours_and_bundles_come_apart() {
        let points = map();
        let distance = |a: usize, b: usize| {
            let apart = [points[a][0] - points[b][0], points[a][1] - points[b][1]];
            apart[0].hypot(apart[1])
        };
        let nearest = |row: usize| {
            let others = (0..120).filter(|other| *other != row);
            others.min_by(|a, b| distance(row, *a).total_cmp(&distance(row, *b)))
        };
        let faithful =
            (0..120).filter(|row| nearest(*row).is_some_and(|other| other / 40 == row / 40));
        let num_faithful = faithful.count();
        assert!(num_faithful >= 114, "{num_faithful} of 120");
    }

    #[test]
    fn the_same_seed_gives_the_same_map_with_any_number_of_threads() {
        let one = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        assert_eq!(map(), one.install(map));
    }

    #[test]
    fn it_tells_how_far_it_is_and_stops_when_asked() {
        let seen = std::sync::Mutex::new(Vec::new());
        let cancel = CancelToken::default();
        let tell = |share: f32, points: Option<Vec<Point>>| {
            let mut seen = seen.lock().unwrap();
            seen.push(share);
            if points.is_some() && seen.len() > 10 {
                cancel.cancel();
            }
        };
        let progress = Progress::new(&|_, _| (), &cancel);
        assert!(lay_out(&ground(), 1, &tell, &progress).is_err());
        let seen = seen.into_inner().unwrap();
        assert!(seen.is_sorted() && seen[seen.len() - 1] < 0.9, "{seen:?}");
    }

    #[test]
    fn a_photo_that_was_not_drawn_stands_with_its_nearest() {
        let beside = Neighbours {
            count: 3,
            rows: vec![0, 1, 2],
            distances: vec![0.0, 5.0, 5.0],
        };
        let points = [[1.0, 2.0], [90.0, 0.0], [0.0, 90.0]];
        let placed = stand_in(&beside, &points);
        assert!((placed[0][0] - 1.0).abs() < 0.01 && (placed[0][1] - 2.0).abs() < 0.01);
    }
}
