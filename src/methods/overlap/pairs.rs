//! Cosines of all pairs of photos, or of a seeded sample of them, and the pairs at either end.

use rayon::prelude::*;

use crate::features::{Features, Matrix};
use crate::methods::MethodError;
use crate::progress::Progress;
use crate::support::random::Random;

/// Rows taken against all later rows in one matrix product.
const BLOCK: usize = 128;

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

/// Cosines of all pairs, or of at most `max_pairs`.
///
/// In the second case same-class pairs are complete where they fill at most half, and all other pairs are those among as
/// many drawn rows as the rest allows: every pair is equally likely to be in, and matrix products stay possible
/// (20 million pairs drawn one by one took 15 times as long).
pub(super) fn collect(
    features: &Features,
    labels: &[usize],
    max_pairs: usize,
    seed: u64,
    progress: &Progress<'_>,
) -> Result<Cosines, MethodError> {
    let num_rows = features.len();
    if num_pairs(num_rows) <= max_pairs {
        let (paired, unpaired) = all_cosines(features.matrix(), labels, progress)?;
        return Ok(Cosines {
            paired,
            unpaired,
            is_sampled: false,
        });
    }
    let classes = rows_by_class(labels);
    let num_paired: usize = classes.iter().map(|rows| num_pairs(rows.len())).sum();
    let has_all_paired = num_paired <= max_pairs / 2;
    let budget = if has_all_paired {
        max_pairs - num_paired
    } else {
        max_pairs
    };
    let mut drawn: Vec<usize> = (0..num_rows).collect();
    let num_drawn = (0..num_rows)
        .take_while(|count| num_pairs(count + 1) <= budget)
        .count();
    Random::new(seed).draw_to_front(&mut drawn, num_drawn);
    drawn.truncate(num_drawn);
    let drawn_labels: Vec<usize> = drawn.iter().map(|row| labels[*row]).collect();
    let (drawn_paired, unpaired) = all_cosines(
        &features.matrix().select_rows(&drawn),
        &drawn_labels,
        progress,
    )?;
    if !has_all_paired {
        return Ok(Cosines {
            paired: drawn_paired,
            unpaired,
            is_sampled: true,
        });
    }
    let mut paired = Vec::with_capacity(num_paired);
    for rows in classes {
        let class = features.matrix().select_rows(&rows);
        paired.extend(all_cosines(&class, &vec![0; rows.len()], progress)?.0);
    }
    Ok(Cosines {
        paired,
        unpaired,
        is_sampled: true,
    })
}

/// Pairs among `count` rows.
fn num_pairs(count: usize) -> usize {
    count * count.saturating_sub(1) / 2
}

/// The rows of every class that has any.
fn rows_by_class(labels: &[usize]) -> Vec<Vec<usize>> {
    let mut rows: Vec<usize> = (0..labels.len()).collect();
    rows.sort_by_key(|row| labels[*row]);
    rows.chunk_by(|a, b| labels[*a] == labels[*b])
        .map(<[usize]>::to_vec)
        .collect()
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
                paired.push(cosine);
            } else {
                unpaired.push(cosine);
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
