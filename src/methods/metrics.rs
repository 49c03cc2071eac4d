//! Accuracy in the ways that papers and this program report it; all in percent.

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
}
