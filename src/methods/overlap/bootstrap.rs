//! How firm the AUROC is: a bootstrap over photos (not over pairs, which are not independent).
//!
//! Every resample draws as many photos as there are, with replacement; a pair counts as often as the product of its photos'
//! counts, and a photo is never paired with itself. Cosines are binned once, so that a resample is one pass over small
//! integers. Beyond [`MAX_PHOTOS`] photos, that many are resampled and the spread is scaled by the square root of their
//! share (the m out of n bootstrap).

use rayon::prelude::*;

use crate::features::Features;
use crate::methods::MethodError;
use crate::progress::Progress;
use crate::support::random::Random;

/// Photos resampled at most: 200 resamples of 700 take about 0.1 s on two cores.
const MAX_PHOTOS: usize = 700;

/// Bins over [-1, 1]; cosines in one bin count as ties.
const NUM_BINS: usize = 8192;

/// Marks a pair that does not count.
const NO_PAIR: u16 = u16::MAX;

/// A 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AurocInterval {
    /// 2.5 % of the resamples lie below.
    pub low: f64,
    /// 2.5 % of the resamples lie above.
    pub high: f64,
    /// Resamples that had pairs of both kinds.
    pub num_resamples: usize,
}

/// Interval around `auroc`, the figure of all photos; `None` where the resamples have no pairs of both kinds.
pub(super) fn auroc_interval(
    features: &Features,
    labels: &[usize],
    auroc: f64,
    num_resamples: usize,
    seed: u64,
    progress: &Progress<'_>,
) -> Result<Option<AurocInterval>, MethodError> {
    let mut random = Random::new(seed);
    let mut rows: Vec<usize> = (0..features.len()).collect();
    random.draw_to_front(&mut rows, MAX_PHOTOS);
    rows.truncate(MAX_PHOTOS);
    rows.sort_unstable();
    let own_labels: Vec<usize> = rows.iter().map(|row| labels[*row]).collect();
    let own_groups: Vec<usize> = (0..rows.len()).collect();
    let binned = binned(&features.select(&rows), &own_labels, &own_groups);
    let centre = binned.auroc(&vec![1; rows.len()]);
    let seeds: Vec<u64> = (0..num_resamples).map(|_| random.next_u64()).collect();
    let resampled: Result<Vec<Option<f64>>, MethodError> = seeds
        .into_par_iter()
        .map(|seed| {
            progress.check()?;
            let mut counts = vec![0; rows.len()];
            let mut random = Random::new(seed);
            for _ in 0..rows.len() {
                counts[random.below(rows.len())] += 1;
            }
            Ok(binned.auroc_of(&counts))
        })
        .collect();
    let mut values: Vec<f64> = resampled?.into_iter().flatten().collect();
    if values.is_empty() {
        return Ok(None);
    }
    values.sort_by(f64::total_cmp);
    let shrink = (rows.len() as f64 / features.len() as f64).sqrt();
    let at = |share: f64| {
        let value = values[(share * (values.len() - 1) as f64).round() as usize];
        (auroc + (value - centre) * shrink).clamp(0.0, 1.0)
    };
    Ok(Some(AurocInterval {
        low: at(0.025),
        high: at(0.975),
        num_resamples: values.len(),
    }))
}

/// Cosines of all pairs, binned.
pub(super) struct Binned {
    /// Row by row: the pairs with all later rows; twice the bin, plus 1 for pairs of one class, or [`NO_PAIR`].
    codes: Vec<Vec<u16>>,
}

/// Bins the cosines of all pairs but those of one group.
pub(super) fn binned(features: &Features, labels: &[usize], groups: &[usize]) -> Binned {
    let cosines = features.cosines(features);
    let code = |first: usize, second: usize, cosine: f32| {
        let bin = (f64::midpoint(f64::from(cosine), 1.0) * NUM_BINS as f64)
            .clamp(0.0, (NUM_BINS - 1) as f64) as u16;
        if groups[first] == groups[second] {
            NO_PAIR
        } else {
            2 * bin + u16::from(labels[first] == labels[second])
        }
    };
    let codes = (0..features.len())
        .into_par_iter()
        .map(|first| {
            (first + 1..features.len())
                .map(|second| code(first, second, cosines.row(first)[second]))
                .collect()
        })
        .collect();
    Binned { codes }
}

impl Binned {
    /// AUROC with every photo counting `counts` times; 0.5 where a kind is missing.
    pub(in crate::methods) fn auroc(&self, counts: &[u32]) -> f64 {
        self.auroc_of(counts).unwrap_or(0.5)
    }

    fn auroc_of(&self, counts: &[u32]) -> Option<f64> {
        // Indexed by code: [2 * bin + is_paired].
        let mut histogram = vec![0_u64; 2 * NUM_BINS];
        for (first, codes) in self.codes.iter().enumerate() {
            if counts[first] == 0 {
                continue;
            }
            for (code, count) in codes.iter().zip(&counts[first + 1..]) {
                if *count > 0 && *code != NO_PAIR {
                    histogram[usize::from(*code)] += u64::from(counts[first] * count);
                }
            }
        }
        let (mut below, mut paired, mut doubled) = (0_u64, 0_u64, 0.0);
        for bin in histogram.chunks_exact(2) {
            doubled += bin[1] as f64 * (2 * below + bin[0]) as f64;
            below += bin[0];
            paired += bin[1];
        }
        (below > 0 && paired > 0).then(|| doubled / (2.0 * below as f64 * paired as f64))
    }
}
