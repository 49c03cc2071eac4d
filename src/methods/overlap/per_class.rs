//! Overlap of one class at a time, and how the variance of features divides into within and between classes.

use rayon::prelude::*;

use super::{mean, shares, sorted_auroc};
use crate::features::Features;
use crate::methods::MethodError;
use crate::progress::Progress;

/// A class against all others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassOverlap {
    /// Overlap coefficient of its pairs and the pairs of its photos with others', 0 to 1; `None` without pairs of either kind.
    pub overlap: Option<f64>,
    /// Chance that two of its photos are more alike than one of them and another class's, ties counting half.
    pub auroc: Option<f64>,
    /// Mean cosine of its pairs.
    pub paired_mean: Option<f64>,
    /// Pairs of its photos.
    pub num_paired: usize,
    /// Pairs of one of its photos and one of another class.
    pub num_unpaired: usize,
}

/// Measures every class `0..num_classes` on histograms of `num_bins` bins over [-1, 1], the same for all of them.
///
/// # Errors
/// When somebody asked to stop.
///
/// # Panics
/// When there is not one label for each row.
pub fn per_class(
    features: &Features,
    labels: &[usize],
    num_classes: usize,
    num_bins: usize,
    progress: &Progress<'_>,
) -> Result<Vec<ClassOverlap>, MethodError> {
    assert_eq!(labels.len(), features.len(), "one label for each row");
    (0..num_classes)
        .into_par_iter()
        .map(|class| {
            progress.check()?;
            Ok(of_class(features, labels, class, num_bins))
        })
        .collect()
}

fn of_class(features: &Features, labels: &[usize], class: usize, num_bins: usize) -> ClassOverlap {
    let of = |own: bool| -> Vec<usize> {
        (0..labels.len())
            .filter(|row| (labels[*row] == class) == own)
            .collect()
    };
    let (own, others) = (features.select(&of(true)), features.select(&of(false)));
    let among = own.cosines(&own);
    let mut paired: Vec<f32> = (0..own.len())
        .flat_map(|row| among.row(row)[row + 1..].to_vec())
        .collect();
    let mut unpaired = own.cosines(&others).into_vec();
    for cosine in paired.iter_mut().chain(&mut unpaired) {
        *cosine = cosine.clamp(-1.0, 1.0);
    }
    paired.sort_unstable_by(f32::total_cmp);
    unpaired.sort_unstable_by(f32::total_cmp);
    let has_both = !paired.is_empty() && !unpaired.is_empty();
    let overlap = || {
        let (p, q) = (shares(&paired, num_bins), shares(&unpaired, num_bins));
        p.iter().zip(&q).map(|(p, q)| p.min(*q)).sum()
    };
    ClassOverlap {
        overlap: has_both.then(overlap),
        auroc: has_both.then(|| sorted_auroc(&paired, &unpaired)),
        paired_mean: mean(&paired),
        num_paired: paired.len(),
        num_unpaired: unpaired.len(),
    }
}

/// Variance of unit features, mean over dimensions, in two parts that add up to [`super::Overlap::variance`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClassVariance {
    /// Around the mean of the own class.
    pub within: f64,
    /// Of the classes' means around the mean of all, every class weighing as many as it has photos.
    pub between: f64,
}

impl ClassVariance {
    /// Of features with one label each; 0 without rows.
    pub fn of(features: &Features, labels: &[usize]) -> Self {
        let num_classes = labels.iter().max().map_or(0, |last| last + 1);
        let dim = features.dim();
        let mut means = vec![vec![0.0_f64; dim]; num_classes];
        let mut counts = vec![0_usize; num_classes];
        let mut squares = 0.0;
        for (row, label) in features.matrix().iter_rows().zip(labels) {
            counts[*label] += 1;
            for (sum, x) in means[*label].iter_mut().zip(row) {
                *sum += f64::from(*x);
                squares += f64::from(*x) * f64::from(*x);
            }
        }
        let num_rows: usize = counts.iter().sum();
        if num_rows == 0 || dim == 0 {
            return Self::default();
        }
        let square = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>();
        let of_classes: f64 = means
            .iter()
            .zip(&counts)
            .filter(|(_, count)| **count > 0)
            .map(|(sum, count)| square(sum) / *count as f64)
            .sum();
        let total: Vec<f64> = (0..dim)
            .map(|index| means.iter().map(|sum| sum[index]).sum())
            .collect();
        let of_all = square(&total) / num_rows as f64;
        let scale = (num_rows * dim) as f64;
        Self {
            within: (squares - of_classes) / scale,
            between: (of_classes - of_all) / scale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Matrix;
    use crate::methods::overlap::{OverlapOptions, measure};

    fn scene() -> (Features, Vec<usize>) {
        let mut random = crate::support::random::Random::new(3);
        let labels: Vec<usize> = (0..24).map(|row| row % 2).collect();
        let rows = Matrix::from_fn(24, 5, |row, col| {
            random.normal() as f32 + if col == labels[row] { 2.0 } else { 0.0 }
        });
        (Features::normalized(rows).unwrap(), labels)
    }

    #[test]
    fn the_pairs_of_the_classes_are_the_pairs_of_all() {
        let (features, labels) = scene();
        let silent = Progress::silent();
        let all = measure(&features, &labels, &OverlapOptions::default(), &silent).unwrap();
        let classes = per_class(&features, &labels, 3, 100, &silent).unwrap();
        let paired: usize = classes.iter().map(|class| class.num_paired).sum();
        let unpaired: usize = classes.iter().map(|class| class.num_unpaired).sum();
        // A pair of two classes counts for both.
        assert_eq!((paired, unpaired), (all.num_paired, 2 * all.num_unpaired));
        assert_eq!((classes[2].overlap, classes[2].auroc), (None, None));
        let [first, second] = [classes[0], classes[1]];
        let mean = f64::midpoint(first.paired_mean.unwrap(), second.paired_mean.unwrap());
        assert!((mean - all.paired_mean.unwrap()).abs() < 1e-6);
        // With two classes both have the unpaired cosines of all; equally many pairs make the AUROC the mean of theirs.
        let auroc = f64::midpoint(first.auroc.unwrap(), second.auroc.unwrap());
        assert!((auroc - all.auroc.unwrap()).abs() < 1e-9);
    }

    #[test]
    fn within_and_between_are_the_whole_variance() {
        let (features, labels) = scene();
        let all = measure(
            &features,
            &labels,
            &OverlapOptions::default(),
            &Progress::silent(),
        );
        let parts = ClassVariance::of(&features, &labels);
        assert!((parts.within + parts.between - all.unwrap().variance).abs() < 1e-9);
        assert!(parts.within > 0.0 && parts.between > 0.0, "{parts:?}");
        let one = ClassVariance::of(&features.select(&[0, 0]), &[1, 1]);
        assert!(one.between.abs() < 1e-12, "one class has nothing between");
    }
}
