//! Accuracy in the ways that papers and this program report it; in percent, and how firm a share is.

/// Counts of true and predicted classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    num_classes: usize,
    counts: Vec<usize>,
}

impl Confusion {
    /// Counts every pair of true label and predicted class.
    ///
    /// # Panics
    /// When the lists differ in length or hold a class outside `0..num_classes`.
    pub fn new(labels: &[usize], predicted: &[usize], num_classes: usize) -> Self {
        assert_eq!(
            labels.len(),
            predicted.len(),
            "one prediction for each label"
        );
        let mut counts = vec![0; num_classes * num_classes];
        for (label, class) in labels.iter().zip(predicted) {
            counts[label * num_classes + class] += 1;
        }
        Self {
            num_classes,
            counts,
        }
    }

    /// Photos of class `label` that were taken for `predicted`.
    pub fn count(&self, label: usize, predicted: usize) -> usize {
        self.counts[label * self.num_classes + predicted]
    }

    /// Photos of class `label`.
    pub fn num_of(&self, label: usize) -> usize {
        (0..self.num_classes)
            .map(|predicted| self.count(label, predicted))
            .sum()
    }

    /// Share of all photos that are right, percent; 0 without photos.
    pub fn micro_accuracy(&self) -> f64 {
        let right: usize = (0..self.num_classes)
            .map(|class| self.count(class, class))
            .sum();
        percent(right, self.counts.iter().sum())
    }

    /// Share of a class's photos that are right, percent; `None` for a class without photos.
    pub fn recall(&self, label: usize) -> Option<f64> {
        let total = self.num_of(label);
        (total > 0).then(|| percent(self.count(label, label), total))
    }

    /// Mean of [`Self::recall`] over the classes that have photos, percent; 0 without photos.
    pub fn mean_recall(&self) -> f64 {
        let recalls: Vec<f64> = (0..self.num_classes)
            .filter_map(|class| self.recall(class))
            .collect();
        if recalls.is_empty() {
            0.0
        } else {
            recalls.iter().sum::<f64>() / recalls.len() as f64
        }
    }
}

/// `part` of `whole` in percent; 0 of nothing.
pub(crate) fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        100.0 * part as f64 / whole as f64
    }
}

/// Wilson's score interval of a share at 95 % (JASA, 1927): honest for few photos, and never outside 0 to 1 (all of it where nothing was judged).
pub fn wilson(num_right: usize, num_judged: usize) -> (f32, f32) {
    if num_judged == 0 {
        return (0.0, 1.0);
    }
    let z = 1.959_964_f64;
    let n = num_judged as f64;
    let share = num_right as f64 / n;
    let centre = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    (
        (centre - half).max(0.0) as f32,
        (centre + half).min(1.0) as f32,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_recall_weighs_classes_alike_and_skips_empty_ones() {
        let confusion = Confusion::new(&[0, 0, 0, 1], &[0, 0, 1, 1], 3);
        assert!((confusion.micro_accuracy() - 75.0).abs() < 1e-12);
        assert!((confusion.mean_recall() - 250.0 / 3.0).abs() < 1e-12);
        assert_eq!(confusion.recall(2), None);
        assert_eq!(confusion.count(0, 1), 1);
    }

    #[test]
    fn intervals_are_wilsons() {
        // statsmodels 0.14: proportion_confint(8, 10, method="wilson"), (10, 10) and (0, 12).
        let close = |got: (f32, f32), low: f32, high: f32| {
            assert!(
                (got.0 - low).abs() < 1e-4 && (got.1 - high).abs() < 1e-4,
                "{got:?}"
            );
        };
        close(wilson(8, 10), 0.490_16, 0.943_32);
        close(wilson(10, 10), 0.722_47, 1.0);
        close(wilson(0, 12), 0.0, 0.242_49);
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }
}
