//! Cosines of all pairs of photos, or of a seeded sample of them, and the pairs at either end.

use rayon::prelude::*;

use crate::features::{Features, Matrix};
use crate::methods::MethodError;
use crate::progress::Progress;
use crate::support::random::Random;

/// Rows taken against all later rows in one matrix product.
const BLOCK: usize = 128;

/// Streams of random numbers that the sample is drawn from, so that it does not depend on the number of threads.
const NUM_STREAMS: usize = 64;

/// Whether two photos share a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Same class.
    Paired,
    /// Different classes.
    Unpaired,
}

/// Two photos.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Row of the first.
    pub first: usize,
    /// Row of the second, larger than the first.
    pub second: usize,
    /// Their cosine.
    pub cosine: f32,
}

/// Cosines in no particular order, within [-1, 1].
pub(super) struct Cosines {
    pub paired: Vec<f32>,
    pub unpaired: Vec<f32>,
    pub is_sampled: bool,
}

/// Cosines of all pairs, or of about `max_pairs` of them: a kind that fills less than half is complete, of the other
/// (or of both) pairs are drawn uniformly with replacement.
pub(super) fn collect(
    features: &Features,
    labels: &[usize],
    max_pairs: usize,
    seed: u64,
    progress: &Progress<'_>,
) -> Result<Cosines, MethodError> {
    let num_rows = features.len();
    if num_rows * num_rows.saturating_sub(1) / 2 <= max_pairs {
        let (paired, unpaired) = all_cosines(features.matrix(), labels, progress)?;
        return Ok(Cosines {
            paired,
            unpaired,
            is_sampled: false,
        });
    }
    let classes = ByClass::new(labels);
    let (num_paired, num_unpaired) = (classes.num_paired(), classes.num_unpaired());
    let paired_budget = num_paired.min((max_pairs / 2).max(max_pairs.saturating_sub(num_unpaired)));
    let paired = if num_paired <= paired_budget {
        let mut paired = Vec::with_capacity(num_paired);
        for class in 0..classes.starts.len() - 1 {
            let rows = features.matrix().select_rows(classes.rows_of(class));
            paired.extend(all_cosines(&rows, &vec![0; rows.rows()], progress)?.0);
        }
        paired
    } else {
        sample(features, paired_budget, seed, progress, |random| {
            classes.draw_paired(random)
        })?
    };
    let unpaired_budget = max_pairs - paired.len();
    let unpaired = sample(features, unpaired_budget, seed ^ 1, progress, |random| {
        classes.draw_unpaired(random)
    })?;
    Ok(Cosines {
        paired,
        unpaired,
        is_sampled: true,
    })
}

/// Which pairs to look for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairQuery {
    /// Same class or different classes.
    pub kind: Kind,
    /// Smallest cosine, inclusive.
    pub low: f32,
    /// Largest cosine, inclusive.
    pub high: f32,
    /// How many pairs at most.
    pub count: usize,
}

impl PairQuery {
    /// The `count` most surprising pairs of a kind, whatever their cosine.
    pub fn all(kind: Kind, count: usize) -> Self {
        Self {
            kind,
            low: -1.0,
            high: 1.0,
            count,
        }
    }
}

/// The pairs that surprise most, most surprising first: the most alike of different classes, the least alike of one class.
///
/// `groups`: rows of one group (views and duplicates of a photo) make no pair. Equal cosines come in the order of the rows.
pub fn extreme_pairs(
    features: &Features,
    labels: &[usize],
    groups: Option<&[usize]>,
    query: &PairQuery,
    progress: &Progress<'_>,
) -> Result<Vec<Pair>, MethodError> {
    let PairQuery {
        kind,
        low,
        high,
        count,
    } = *query;
    let rank = |a: &Pair, b: &Pair| {
        let by_cosine = if kind == Kind::Unpaired {
            b.cosine.total_cmp(&a.cosine)
        } else {
            a.cosine.total_cmp(&b.cosine)
        };
        by_cosine.then((a.first, a.second).cmp(&(b.first, b.second)))
    };
    let keep_best = |mut pairs: Vec<Pair>| {
        pairs.sort_unstable_by(rank);
        pairs.truncate(count);
        pairs
    };
    let blocks = map_blocks(features.matrix(), progress, |first_row, cosines| {
        let mut found = Vec::new();
        for_each_pair(first_row, cosines, |first, second, cosine| {
            let is_kind = (labels[first] == labels[second]) == (kind == Kind::Paired);
            let is_one_photo = groups.is_some_and(|groups| groups[first] == groups[second]);
            if is_kind && !is_one_photo && (low..=high).contains(&cosine) {
                found.push(Pair {
                    first,
                    second,
                    cosine,
                });
                if found.len() >= 4096.max(4 * count) {
                    found = keep_best(std::mem::take(&mut found));
                }
            }
        });
        keep_best(found)
    })?;
    Ok(keep_best(blocks.concat()))
}

/// Paired and unpaired cosines of all rows.
fn all_cosines(
    rows: &Matrix,
    labels: &[usize],
    progress: &Progress<'_>,
) -> Result<(Vec<f32>, Vec<f32>), MethodError> {
    let blocks = map_blocks(rows, progress, |first_row, cosines| {
        let (mut paired, mut unpaired) = (Vec::new(), Vec::new());
        for_each_pair(first_row, cosines, |first, second, cosine| {
            if labels[first] == labels[second] {
                paired.push(cosine)
            } else {
                unpaired.push(cosine)
            }
        });
        (paired, unpaired)
    })?;
    let (paired, unpaired): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
    Ok((paired.concat(), unpaired.concat()))
}

/// Takes rows in blocks against themselves and all later rows: `each(first row, cosines [block, rows from the first on])`.
fn map_blocks<T: Send>(
    rows: &Matrix,
    progress: &Progress<'_>,
    each: impl Fn(usize, &Matrix) -> T + Sync,
) -> Result<Vec<T>, MethodError> {
    let total = rows.rows();
    let finished = std::sync::atomic::AtomicUsize::new(0);
    (0..total.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            progress.check()?;
            let first = block * BLOCK;
            let later = rows.select_rows(&(first..total).collect::<Vec<_>>());
            let own = rows.select_rows(&(first..total.min(first + BLOCK)).collect::<Vec<_>>());
            let result = each(first, &own.times_transposed(&later));
            let done =
                finished.fetch_add(own.rows(), std::sync::atomic::Ordering::Relaxed) + own.rows();
            progress.step(done, total)?;
            Ok(result)
        })
        .collect()
}

/// Every pair of a block once: `each(first, second, cosine)` with `first < second`.
pub(super) fn for_each_pair(
    first_row: usize,
    cosines: &Matrix,
    mut each: impl FnMut(usize, usize, f32),
) {
    for (index, row) in cosines.iter_rows().enumerate() {
        for (offset, cosine) in row.iter().enumerate().skip(index + 1) {
            each(
                first_row + index,
                first_row + offset,
                cosine.clamp(-1.0, 1.0),
            );
        }
    }
}

/// `count` cosines of drawn pairs.
fn sample(
    features: &Features,
    count: usize,
    seed: u64,
    progress: &Progress<'_>,
    draw: impl Fn(&mut Random) -> (usize, usize) + Sync,
) -> Result<Vec<f32>, MethodError> {
    let streams: Result<Vec<Vec<f32>>, MethodError> = (0..NUM_STREAMS)
        .into_par_iter()
        .map(|stream| {
            progress.check()?;
            let mut random = Random::new(
                seed.wrapping_mul(NUM_STREAMS as u64 * 2)
                    .wrapping_add(stream as u64),
            );
            let own = (count * (stream + 1) / NUM_STREAMS) - (count * stream / NUM_STREAMS);
            let cosine = |_| {
                let (first, second) = draw(&mut random);
                dot(features.row(first), features.row(second)).clamp(-1.0, 1.0)
            };
            Ok((0..own).map(cosine).collect())
        })
        .collect();
    Ok(streams?.concat())
}

/// Scalar product in 16 partial sums, so that it vectorises.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    pulp::Arch::new().dispatch(|| {
        let mut sums = [0.0; 16];
        let (a_chunks, b_chunks) = (a.chunks_exact(16), b.chunks_exact(16));
        let tail: f32 = a_chunks
            .remainder()
            .iter()
            .zip(b_chunks.remainder())
            .map(|(x, y)| x * y)
            .sum();
        for (x, y) in a_chunks.zip(b_chunks) {
            for lane in 0..16 {
                sums[lane] += x[lane] * y[lane];
            }
        }
        sums.iter().sum::<f32>() + tail
    })
}

/// Rows sorted by class, to draw pairs of either kind uniformly.
struct ByClass {
    /// Rows, class by class.
    rows: Vec<usize>,
    /// First position of every class in `rows`, and the end.
    starts: Vec<usize>,
    /// Ordered same-class pairs up to and including every class.
    paired_up_to: Vec<usize>,
    /// Ordered different-class pairs with the first photo up to and including every class.
    unpaired_up_to: Vec<usize>,
}

impl ByClass {
    fn new(labels: &[usize]) -> Self {
        let mut rows: Vec<usize> = (0..labels.len()).collect();
        rows.sort_by_key(|row| labels[*row]);
        let mut starts: Vec<usize> = (0..rows.len())
            .filter(|i| *i == 0 || labels[rows[*i]] != labels[rows[*i - 1]])
            .collect();
        starts.push(rows.len());
        let running = |pairs: &dyn Fn(usize) -> usize| {
            let sums = starts.windows(2).scan(0, |sum, ends| {
                *sum += pairs(ends[1] - ends[0]);
                Some(*sum)
            });
            sums.collect::<Vec<usize>>()
        };
        let paired_up_to = running(&|size| size * (size - 1));
        let unpaired_up_to = running(&|size| size * (rows.len() - size));
        Self {
            rows,
            starts,
            paired_up_to,
            unpaired_up_to,
        }
    }

    fn rows_of(&self, class: usize) -> &[usize] {
        &self.rows[self.starts[class]..self.starts[class + 1]]
    }

    fn num_paired(&self) -> usize {
        self.paired_up_to.last().map_or(0, |pairs| pairs / 2)
    }

    fn num_unpaired(&self) -> usize {
        self.unpaired_up_to.last().map_or(0, |pairs| pairs / 2)
    }

    /// A class with chance in proportion to its pairs.
    fn draw_class(up_to: &[usize], random: &mut Random) -> usize {
        let target = random.below(up_to.last().copied().unwrap_or(0));
        up_to.partition_point(|pairs| *pairs <= target)
    }

    fn draw_paired(&self, random: &mut Random) -> (usize, usize) {
        let members = self.rows_of(Self::draw_class(&self.paired_up_to, random));
        let first = random.below(members.len());
        let second = (first + 1 + random.below(members.len() - 1)) % members.len();
        (members[first], members[second])
    }

    fn draw_unpaired(&self, random: &mut Random) -> (usize, usize) {
        let class = Self::draw_class(&self.unpaired_up_to, random);
        let members = self.rows_of(class);
        let first = members[random.below(members.len())];
        let other = random.below(self.rows.len() - members.len());
        let position = if other < self.starts[class] {
            other
        } else {
            other + members.len()
        };
        (first, self.rows[position])
    }
}
