//! Overlap against accuracy: whether what an adapter takes off the overlap comes back as accuracy, which is the claim of
//! "CLIP Adaptation by Intra-modal Overlap Reduction" (BMVC 2024).

/// A class, or a method with an adapter, before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct ScatterPoint {
    /// For people.
    pub name: String,
    /// Overlap coefficient of the original features, 0 to 1.
    pub overlap_before: f64,
    /// The same of the adapted features.
    pub overlap_after: f64,
    /// Accuracy or recall with original features, percent.
    pub accuracy_before: f64,
    /// The same with adapted features.
    pub accuracy_after: f64,
}

impl ScatterPoint {
    /// How much less the kinds overlap, -1 to 1.
    pub fn overlap_reduction(&self) -> f64 {
        self.overlap_before - self.overlap_after
    }

    /// How much more is right, percentage points.
    pub fn accuracy_gain(&self) -> f64 {
        self.accuracy_after - self.accuracy_before
    }
}

/// Fewer points than this give no firm correlation, whatever its interval.
pub const FIRM_POINTS: usize = 10;

/// The line of least squares through points, and how well it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Percentage points of accuracy for 1 of overlap.
    pub slope: f64,
    /// Gain where nothing is taken off the overlap, percentage points.
    pub intercept: f64,
    /// Pearson's r, -1 to 1.
    pub correlation: f64,
    /// Its 95 % interval by Fisher's z transformation, as if the points were independent; `None` below four points.
    pub interval: Option<(f64, f64)>,
    /// Points with different reductions: methods on one kind of features share theirs.
    pub num_different: usize,
}

impl Trend {
    /// `None` below three points, or where all have the same reduction or the same gain.
    pub fn of(points: &[ScatterPoint]) -> Option<Self> {
        let count = points.len() as f64;
        let mean = |value: fn(&ScatterPoint) -> f64| points.iter().map(value).sum::<f64>() / count;
        let (x_mean, y_mean) = (
            mean(ScatterPoint::overlap_reduction),
            mean(ScatterPoint::accuracy_gain),
        );
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for point in points {
            let (x, y) = (
                point.overlap_reduction() - x_mean,
                point.accuracy_gain() - y_mean,
            );
            (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
        }
        // Rounding alone makes sums of this size.
        if points.len() < 3 || xx < 1e-18 || yy < 1e-18 {
            return None;
        }
        let correlation = (xy / (xx * yy).sqrt()).clamp(-1.0, 1.0);
        Some(Self {
            slope: xy / xx,
            intercept: y_mean - xy / xx * x_mean,
            correlation,
            interval: fisher_interval(correlation, points.len()),
            num_different: num_different(points),
        })
    }

    /// Whether there are enough different points, and the interval of the correlation leaves out 0.
    pub fn is_firm(&self) -> bool {
        self.num_different >= FIRM_POINTS
            && self
                .interval
                .is_some_and(|(low, high)| low > 0.0 || high < 0.0)
    }
}

/// `tanh(atanh r ± 1.96 / √(n - 3))` (Fisher, 1921).
fn fisher_interval(correlation: f64, count: usize) -> Option<(f64, f64)> {
    if count < 4 {
        return None;
    }
    let half = 1.959_964 / ((count - 3) as f64).sqrt();
    let z = correlation.atanh();
    Some(((z - half).tanh(), (z + half).tanh()))
}

fn num_different(points: &[ScatterPoint]) -> usize {
    let mut reductions: Vec<f64> = points.iter().map(ScatterPoint::overlap_reduction).collect();
    reductions.sort_by(f64::total_cmp);
    reductions.dedup_by(|a, b| (*a - *b).abs() < 1e-12);
    reductions.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[(f64, f64)]) -> Vec<ScatterPoint> {
        let point = |(x, y): &(f64, f64)| ScatterPoint {
            name: String::new(),
            overlap_before: 0.5,
            overlap_after: 0.5 - x,
            accuracy_before: 60.0,
            accuracy_after: 60.0 + y,
        };
        values.iter().map(point).collect()
    }

    #[test]
    fn the_trend_is_that_of_numpy_and_scipy() {
        // numpy.polyfit(x, y, 1) and scipy.stats.pearsonr(x, y).confidence_interval(0.95).
        let trend = Trend::of(&points(&[
            (0.0, 0.0),
            (0.1, 3.0),
            (0.2, 2.0),
            (0.3, 6.0),
            (0.4, 5.0),
        ]))
        .unwrap();
        let close = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-3, "{got}");
        close(trend.slope, 13.0);
        close(trend.intercept, 0.6);
        close(trend.correlation, 0.8609);
        let (low, high) = trend.interval.unwrap();
        close(low, -0.0887);
        close(high, 0.9907);
        assert_eq!((trend.num_different, trend.is_firm()), (5, false));
    }

    #[test]
    fn what_has_no_slope_has_no_trend() {
        assert_eq!(Trend::of(&points(&[(0.1, 1.0), (0.2, 2.0)])), None);
        assert_eq!(
            Trend::of(&points(&[(0.1, 1.0), (0.1, 2.0), (0.1, 3.0)])),
            None
        );
        assert_eq!(
            Trend::of(&points(&[(0.1, 1.0), (0.2, 1.0), (0.3, 1.0)])),
            None
        );
    }

    #[test]
    fn many_points_on_few_reductions_are_not_firm() {
        let line: Vec<(f64, f64)> = (0..12)
            .map(|i| (0.1 * f64::from(i), f64::from(i)))
            .collect();
        assert!(Trend::of(&points(&line)).unwrap().is_firm());
        let columns: Vec<(f64, f64)> = (0..12)
            .map(|i| (0.1 * f64::from(i / 4), f64::from(i)))
            .collect();
        assert!(!Trend::of(&points(&columns)).unwrap().is_firm());
    }
}
