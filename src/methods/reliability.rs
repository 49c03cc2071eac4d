//! What labelled photos say of predictions: confusion, precision and recall, calibration, accuracy over coverage.

/// A prediction and what the photo shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// Index of the class that it shows.
    pub truth: usize,
    /// Index of the class that was predicted.
    pub predicted: usize,
    /// How sure the prediction was, 0 to 1.
    pub confidence: f32,
}

/// Photos whose confidence lies in one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// Photos in it.
    pub count: usize,
    /// Their mean confidence, 0 to 1.
    pub confidence: f64,
    /// Share of them that is right, 0 to 1.
    pub accuracy: f64,
}

/// Number of bins of the calibration curve, as in Guo et al., ICML 2017.
pub const NUM_BINS: usize = 10;

/// How often each class was predicted as each, `[truth][predicted]`.
pub fn confusion(judged: &[Judged], num_classes: usize) -> Vec<Vec<usize>> {
    let mut matrix = vec![vec![0; num_classes]; num_classes];
    for one in judged {
        matrix[one.truth][one.predicted] += 1;
    }
    matrix
}

/// Share of the photos predicted as `class` that show it, and share of those that show it that are predicted so, 0 to 1; `None`
/// where there are none.
pub fn precision_and_recall(matrix: &[Vec<usize>], class: usize) -> (Option<f64>, Option<f64>) {
    let right = matrix[class][class];
    let share = |all: usize| (all > 0).then(|| right as f64 / all as f64);
    let predicted = matrix.iter().map(|row| row[class]).sum();
    (share(predicted), share(matrix[class].iter().sum()))
}

/// Confidence against accuracy in bins of equal width over [0, 1].
pub fn calibration(judged: &[Judged]) -> [Bin; NUM_BINS] {
    let mut bins = [Bin::default(); NUM_BINS];
    for one in judged {
        let place = (one.confidence * NUM_BINS as f32) as usize;
        let bin = &mut bins[place.min(NUM_BINS - 1)];
        bin.count += 1;
        bin.confidence += f64::from(one.confidence);
        bin.accuracy += f64::from(u8::from(one.truth == one.predicted));
    }
    for bin in bins.iter_mut().filter(|bin| bin.count > 0) {
        bin.confidence /= bin.count as f64;
        bin.accuracy /= bin.count as f64;
    }
    bins
}

/// The expected calibration error: mean distance of confidence and accuracy over the bins, weighed by their photos, 0 to 1.
pub fn calibration_error(bins: &[Bin]) -> f64 {
    let total: usize = bins.iter().map(|bin| bin.count).sum();
    let weighed = bins
        .iter()
        .map(|bin| bin.count as f64 * (bin.confidence - bin.accuracy).abs());
    weighed.sum::<f64>() / total.max(1) as f64
}

/// A threshold of confidence, and what taking only surer predictions would come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// Confidence of the least sure prediction that is taken, 0 to 1.
    pub threshold: f32,
    /// Share of the photos that is taken, 0 to 1.
    pub coverage: f64,
    /// Share of those that is right, 0 to 1.
    pub accuracy: f64,
}

/// Accuracy of the surest predictions, from the surest alone to all; equal confidences come together.
pub fn coverage_curve(judged: &[Judged]) -> Vec<Coverage> {
    let mut sorted = judged.to_vec();
    sorted.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let (mut curve, mut right) = (Vec::new(), 0_usize);
    for (index, one) in sorted.iter().enumerate() {
        right += usize::from(one.truth == one.predicted);
        let next = sorted.get(index + 1);
        if next.is_some_and(|next| next.confidence.to_bits() == one.confidence.to_bits()) {
            continue;
        }
        curve.push(Coverage {
            threshold: one.confidence,
            coverage: (index + 1) as f64 / sorted.len() as f64,
            accuracy: right as f64 / (index + 1) as f64,
        });
    }
    curve
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(rows: &[(usize, usize, f32)]) -> Vec<Judged> {
        let rows = rows.iter().map(|(truth, predicted, confidence)| Judged {
            truth: *truth,
            predicted: *predicted,
            confidence: *confidence,
        });
        rows.collect()
    }

    #[test]
    fn a_matrix_has_truth_in_rows_and_gives_precision_and_recall() {
        let matrix = confusion(
            &judged(&[(0, 0, 0.9), (0, 1, 0.6), (1, 1, 0.8), (1, 1, 0.7)]),
            3,
        );
        assert_eq!(matrix, [[1, 1, 0], [0, 2, 0], [0, 0, 0]]);
        assert_eq!(
            precision_and_recall(&matrix, 1),
            (Some(2.0 / 3.0), Some(1.0))
        );
        assert_eq!(precision_and_recall(&matrix, 2), (None, None));
    }

    #[test]
    fn the_calibration_error_is_the_weighed_distance() {
        // sklearn's calibration_curve on the same: bins 0.95 (2 photos, 1 right) and 0.55 (2 photos, 1 right).
        let bins = calibration(&judged(&[
            (0, 0, 0.95),
            (0, 1, 0.95),
            (0, 0, 0.55),
            (0, 1, 0.55),
        ]));
        assert_eq!((bins[9].count, bins[5].count), (2, 2));
        assert!((calibration_error(&bins) - f64::midpoint(0.45, 0.05)).abs() < 1e-6);
    }

    #[test]
    fn the_curve_goes_from_the_surest_to_all() {
        let curve = coverage_curve(&judged(&[
            (0, 1, 0.5),
            (0, 0, 0.9),
            (0, 0, 0.7),
            (0, 1, 0.7),
        ]));
        let points: Vec<(f64, f64)> = curve.iter().map(|at| (at.coverage, at.accuracy)).collect();
        assert_eq!(points, [(0.25, 1.0), (0.75, 2.0 / 3.0), (1.0, 0.5)]);
        assert!(coverage_curve(&[]).is_empty());
    }
}
