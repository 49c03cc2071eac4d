//! Intra-modal overlap: how far photos of one class are more alike than photos of different classes.
//!
//! Cosines of paired (same-class) and unpaired (different-class) photos (IMO, BMVC 2024, §3), as two histograms on
//! shared bins over [-1, 1]. The overlap coefficient is `Σ_b min(paired share, unpaired share)`; the AUROC of paired over
//! unpaired cosines needs no bins: 0.5 is full overlap, 1 is none. The paper's exact statistic is not published: ours.

mod bootstrap;
mod pairs;
mod per_class;
pub mod scatter;

use rayon::prelude::*;

use super::MethodError;
use crate::features::Features;
use crate::progress::Progress;

pub use bootstrap::AurocInterval;
pub use pairs::{Kind, Pair, PairQuery, extreme_pairs};
pub use per_class::{ClassOverlap, ClassVariance, per_class};
pub use scatter::{ScatterPoint, Trend};

/// Most pairs that are measured one by one; beyond, a seeded sample of this size stands for them.
pub const MAX_PAIRS: usize = 20_000_000;

/// Fewer pairs than this of either kind give no firm figure.
pub const FIRM_PAIRS: usize = 200;

/// How many bins the histograms have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bins {
    /// This many, at least 1.
    Fixed(usize),
    /// At most 100, so few that the sparser kind averages at least 10 pairs a bin: a figure that few photos can bear
    /// (identical distributions measure 0.63 for 2 classes of 5 photos at 100 bins).
    Adaptive,
}

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverlapOptions {
    /// Bins of the histograms and the overlap coefficient.
    pub bins: Bins,
    /// Bootstrap resamples for the interval of the AUROC; 0 for no interval.
    pub num_resamples: usize,
    /// Pairs measured at most.
    pub max_pairs: usize,
    /// Seed of the sample and of the resamples.
    pub seed: u64,
}

impl Default for OverlapOptions {
    /// 100 bins, no interval, [`MAX_PAIRS`], seed 1.
    fn default() -> Self {
        Self {
            bins: Bins::Fixed(100),
            num_resamples: 0,
            max_pairs: MAX_PAIRS,
            seed: 1,
        }
    }
}

impl OverlapOptions {
    /// What the window shows: adaptive bins and an interval from 200 resamples.
    pub fn headline() -> Self {
        Self {
            bins: Bins::Adaptive,
            num_resamples: 200,
            ..Self::default()
        }
    }
}

/// Paired and unpaired cosines in figures. Figures that need pairs of a kind that does not exist are `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlap {
    /// Overlap coefficient, 0 to 1.
    pub overlap: Option<f64>,
    /// Chance that a paired cosine is above an unpaired one, ties counting half.
    pub auroc: Option<f64>,
    /// Bootstrap interval of the AUROC over photos.
    pub auroc_interval: Option<AurocInterval>,
    /// Mean cosine of same-class photos.
    pub paired_mean: Option<f64>,
    /// Mean cosine of different-class photos.
    pub unpaired_mean: Option<f64>,
    /// Same-class pairs measured.
    pub num_paired: usize,
    /// Different-class pairs measured.
    pub num_unpaired: usize,
    /// Mean over dimensions of the (population) variance of the unit features.
    pub variance: f64,
    /// Share of the paired cosines in every bin; bins of equal width over [-1, 1], the last one closed.
    pub paired: Vec<f64>,
    /// The same for unpaired cosines.
    pub unpaired: Vec<f64>,
    /// Whether a seeded sample of pairs stands for all.
    pub is_sampled: bool,
    /// Whether there are fewer than [`FIRM_PAIRS`] pairs of either kind.
    pub has_too_few: bool,
}

impl Overlap {
    /// Number of bins.
    pub fn num_bins(&self) -> usize {
        self.paired.len()
    }
}

/// Lower edge of bin `bin`; the upper edge of the last one at `bin = num_bins` is 1. Numpy's `linspace(-1, 1, num_bins + 1)`.
pub fn bin_edge(bin: usize, num_bins: usize) -> f64 {
    if bin >= num_bins {
        1.0
    } else {
        -1.0 + bin as f64 * (2.0 / num_bins as f64)
    }
}

/// Measures the overlap of features with one label each.
pub fn measure(
    features: &Features,
    labels: &[usize],
    options: &OverlapOptions,
    progress: &Progress<'_>,
) -> Result<Overlap, MethodError> {
    if labels.len() != features.len() {
        return Err(MethodError::Rows {
            what: "labels",
            got: labels.len(),
            expected: features.len(),
        });
    }
    let mut cosines = pairs::collect(features, labels, options.max_pairs, options.seed, progress)?;
    rayon::join(
        || cosines.paired.par_sort_unstable_by(f32::total_cmp),
        || cosines.unpaired.par_sort_unstable_by(f32::total_cmp),
    );
    progress.check()?;
    let pairs::Cosines {
        paired,
        unpaired,
        is_sampled,
    } = cosines;
    let sparser = paired.len().min(unpaired.len());
    let num_bins = match options.bins {
        Bins::Fixed(count) => count.max(1),
        Bins::Adaptive => (sparser / 10).clamp(1, 100),
    };
    let (paired_shares, unpaired_shares) = (shares(&paired, num_bins), shares(&unpaired, num_bins));
    let has_both = sparser > 0;
    let overlap: f64 = paired_shares
        .iter()
        .zip(&unpaired_shares)
        .map(|(p, q)| p.min(*q))
        .sum();
    let auroc = has_both.then(|| sorted_auroc(&paired, &unpaired));
    let auroc_interval = match auroc {
        Some(auroc) if options.num_resamples > 0 => bootstrap::auroc_interval(
            features,
            labels,
            auroc,
            options.num_resamples,
            options.seed,
            progress,
        )?,
        _ => None,
    };
    Ok(Overlap {
        overlap: has_both.then_some(overlap),
        auroc,
        auroc_interval,
        paired_mean: mean(&paired),
        unpaired_mean: mean(&unpaired),
        num_paired: paired.len(),
        num_unpaired: unpaired.len(),
        variance: feature_variance(features),
        paired: paired_shares,
        unpaired: unpaired_shares,
        is_sampled,
        has_too_few: sparser < FIRM_PAIRS,
    })
}

/// AUROC of same-class over different-class cosines, leaving out pairs of one group; 0.5 where a kind is missing.
///
/// Cosines in one of 8,192 bins count as ties.
pub(crate) fn binned_auroc(features: &Features, labels: &[usize], groups: &[usize]) -> f64 {
    bootstrap::binned(features, labels, groups).auroc(&vec![1; labels.len()])
}

/// Share of sorted cosines in every bin; a cosine on an edge belongs above it, on the last edge below it.
fn shares(sorted: &[f32], num_bins: usize) -> Vec<f64> {
    let below = |edge: f64| sorted.partition_point(|cosine| f64::from(*cosine) < edge);
    let total = sorted.len().max(1) as f64;
    let mut start = 0;
    (1..=num_bins)
        .map(|bin| {
            let end = if bin == num_bins {
                sorted.len()
            } else {
                below(bin_edge(bin, num_bins))
            };
            let count = end - start;
            start = end;
            count as f64 / total
        })
        .collect()
}

/// Exact AUROC of two sorted lists by merging: for every paired cosine, unpaired ones below and half of those equal.
fn sorted_auroc(paired: &[f32], unpaired: &[f32]) -> f64 {
    let (mut below, mut up_to, mut doubled) = (0, 0, 0_u64);
    for cosine in paired {
        while below < unpaired.len() && unpaired[below] < *cosine {
            below += 1;
        }
        up_to = up_to.max(below);
        while up_to < unpaired.len() && unpaired[up_to] <= *cosine {
            up_to += 1;
        }
        doubled += (below + up_to) as u64;
    }
    doubled as f64 / (2.0 * paired.len() as f64 * unpaired.len() as f64)
}

fn mean(values: &[f32]) -> Option<f64> {
    (!values.is_empty())
        .then(|| values.iter().map(|x| f64::from(*x)).sum::<f64>() / values.len() as f64)
}

/// Mean over dimensions of the population variance: unit rows have mean square 1/dim, so `(1 - |mean|²) / dim`.
fn feature_variance(features: &Features) -> f64 {
    let (num_rows, dim) = (features.len(), features.dim());
    if num_rows == 0 {
        return 0.0;
    }
    let mut mean = vec![0.0; dim];
    let mut squares = 0.0;
    for row in features.matrix().iter_rows() {
        for (mean, x) in mean.iter_mut().zip(row) {
            *mean += f64::from(*x) / num_rows as f64;
            squares += f64::from(*x) * f64::from(*x) / num_rows as f64;
        }
    }
    (squares - mean.iter().map(|x| x * x).sum::<f64>()) / dim as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auroc_counts_ties_half() {
        assert!((sorted_auroc(&[0.5, 0.5], &[0.1, 0.5, 0.9]) - 0.5).abs() < 1e-12);
        assert!((sorted_auroc(&[0.8, 0.9], &[0.1, 0.8]) - 0.875).abs() < 1e-12);
    }

    #[test]
    fn edges_follow_numpy() {
        // -1 and 0 open their bins; 1 closes the last.
        assert_eq!(shares(&[-1.0, -0.5, 0.0, 1.0], 2), [0.5, 0.5]);
        assert_eq!(shares(&[-1.0, -0.5, 0.0, 1.0], 4), [0.25, 0.25, 0.25, 0.25]);
    }

    #[test]
    fn too_few_classes_give_no_figures() {
        let features = Features::normalized(crate::features::Matrix::from_fn(3, 2, |i, j| {
            (i + j) as f32 + 1.0
        }))
        .unwrap();
        let overlap = measure(
            &features,
            &[0, 0, 0],
            &OverlapOptions::headline(),
            &Progress::silent(),
        )
        .unwrap();
        assert_eq!(
            (overlap.overlap, overlap.auroc, overlap.unpaired_mean),
            (None, None, None)
        );
        assert_eq!(
            (
                overlap.num_paired,
                overlap.num_unpaired,
                overlap.has_too_few
            ),
            (3, 0, true)
        );
    }
}
