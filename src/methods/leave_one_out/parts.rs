//! Which rows of the support set are hidden together, and which of them the others can judge.

use super::Protocol;
use crate::support::SupportSet;

/// Folds where leaving out one photo at a time would take too long.
pub(super) const NUM_FOLDS: usize = 5;

/// A partition of the rows: when a row is judged, its whole part is hidden.
pub(super) struct Parts {
    part_of: Vec<usize>,
    rows_of: Vec<Vec<usize>>,
    /// For every row, rows of its class over those left when its part is gone; `None` where none are left.
    scales: Vec<Option<f32>>,
    /// What the parts are.
    pub(super) protocol: Protocol,
}

impl Parts {
    /// Every photo with its views and exact duplicates.
    pub(super) fn by_photo(support: &SupportSet) -> Self {
        let groups = dense(support.groups());
        Self::new(support, groups, Protocol::EachPhoto)
    }

    /// Five folds of whole groups; the photos of a class go to folds in turn, so that every fold holds about as many of each.
    pub(super) fn folds(support: &SupportSet) -> Self {
        let groups = dense(support.groups());
        let mut order: Vec<usize> = (0..support.len()).collect();
        order.sort_by_key(|row| support.labels()[*row]);
        let mut fold_of = vec![None; groups.len()];
        let mut next = 0;
        for row in order {
            let fold = &mut fold_of[groups[row]];
            if fold.is_none() {
                *fold = Some(next % NUM_FOLDS);
                next += 1;
            }
        }
        let folds: Vec<usize> = groups
            .iter()
            .map(|group| fold_of[*group].unwrap_or_default())
            .collect();
        Self::new(support, dense(&folds), Protocol::Folds(NUM_FOLDS))
    }

    fn new(support: &SupportSet, part_of: Vec<usize>, protocol: Protocol) -> Self {
        let num_parts = part_of.iter().max().map_or(0, |last| last + 1);
        let mut rows_of = vec![Vec::new(); num_parts];
        let num_classes = support.num_classes();
        let labels = support.labels();
        let mut lost = std::collections::HashMap::new();
        for (row, part) in part_of.iter().enumerate() {
            rows_of[*part].push(row);
            *lost.entry(part * num_classes + labels[row]).or_insert(0) += 1;
        }
        let rows_per_class = support.rows_per_class();
        let scale = |(part, label): (&usize, &usize)| {
            let (total, lost) = (rows_per_class[*label], lost[&(part * num_classes + label)]);
            (total > lost).then(|| total as f32 / (total - lost) as f32)
        };
        let scales = part_of.iter().zip(labels).map(scale).collect();
        Self {
            part_of,
            rows_of,
            scales,
            protocol,
        }
    }

    /// Number of parts.
    pub(super) fn len(&self) -> usize {
        self.rows_of.len()
    }

    /// The part of a row.
    pub(super) fn part_of(&self, row: usize) -> usize {
        self.part_of[row]
    }

    /// The rows of a part, ascending.
    pub(super) fn rows_of(&self, part: usize) -> &[usize] {
        &self.rows_of[part]
    }

    /// The rows that are hidden when this one is judged, itself included.
    pub(super) fn hidden(&self, row: usize) -> &[usize] {
        &self.rows_of[self.part_of[row]]
    }

    /// K/(K-1) by rows for the class of this row; `None` where the row cannot be judged.
    pub(super) fn scale(&self, row: usize) -> Option<f32> {
        self.scales[row]
    }

    /// Rows that can be judged.
    pub(super) fn num_judged(&self) -> usize {
        self.scales.iter().flatten().count()
    }
}

/// The same numbers, counted from 0 without gaps.
fn dense(numbers: &[usize]) -> Vec<usize> {
    let mut distinct = numbers.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    numbers
        .iter()
        .map(|number| distinct.partition_point(|other| other < number))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{Features, Matrix};

    fn support(labels: &[usize], groups: &[usize]) -> SupportSet {
        let rows = Matrix::from_fn(labels.len(), 3, |row, col| (row * 3 + col) as f32 + 1.0);
        let num_classes = labels.iter().max().unwrap() + 1;
        SupportSet::new(
            Features::normalized(rows).unwrap(),
            labels.to_vec(),
            num_classes,
            groups.to_vec(),
        )
        .unwrap()
    }

    #[test]
    fn a_photo_is_hidden_with_its_duplicates_and_its_class_scaled_by_what_is_left() {
        let parts = Parts::by_photo(&support(&[0, 0, 0, 1, 1], &[9, 4, 9, 9, 2]));
        assert_eq!(parts.hidden(0), [0, 2, 3]);
        assert_eq!(parts.scale(0), Some(3.0));
        assert_eq!(parts.scale(1), Some(1.5));
        assert_eq!(parts.scale(3), Some(2.0));
        let alone = Parts::by_photo(&support(&[0, 1, 1], &[0, 1, 1]));
        assert_eq!(alone.num_judged(), 0);
    }

    #[test]
    fn folds_split_every_class_and_no_group() {
        let labels: Vec<usize> = (0..40).map(|row| row % 4).collect();
        let groups: Vec<usize> = (0..40).map(|row| row / 8 * 4 + row % 4).collect();
        let parts = Parts::folds(&support(&labels, &groups));
        assert_eq!(parts.len(), NUM_FOLDS);
        for row in 0..40 {
            let hidden = parts.hidden(row);
            let twin = (0..40).filter(|other| groups[*other] == groups[row]);
            assert!(twin.clone().all(|other| hidden.contains(&other)));
            // Ten rows a class in five groups of two: one group of each class in each fold.
            assert_eq!(parts.scale(row), Some(1.25));
        }
    }
}
