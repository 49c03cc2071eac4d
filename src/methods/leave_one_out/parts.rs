//! Which rows of the support set are hidden together, and which of them the others can judge.

use std::collections::HashMap;

use super::Protocol;
use crate::methods::rows::Rows;
use crate::support::SupportSet;

/// Folds where leaving out one photo at a time would take too long.
pub(super) const NUM_FOLDS: usize = 5;

/// A partition of the rows: when a row is judged, its whole part is hidden.
pub(super) struct Parts {
    part_of: Vec<usize>,
    rows_of: Vec<Vec<usize>>,
    labels: Vec<usize>,
    rows_per_class: Vec<usize>,
    /// Rows of a class that a part hides, by part and class.
    lost: HashMap<(usize, usize), usize>,
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
        let mut lost = HashMap::new();
        for (row, (part, label)) in part_of.iter().zip(support.labels()).enumerate() {
            rows_of[*part].push(row);
            *lost.entry((*part, *label)).or_insert(0) += 1;
        }
        Self {
            part_of,
            rows_of,
            labels: support.labels().to_vec(),
            rows_per_class: support.rows_per_class(),
            lost,
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

    /// For every part the rows that it hides from a method fitted to all views: those of the same groups.
    pub(super) fn hidden_of_fit(&self, support: &SupportSet, rows: &Rows<'_>) -> Vec<Vec<usize>> {
        let by_group = rows.by_group();
        let groups = support.groups();
        let hidden = |rows: &Vec<usize>| {
            let mut own: Vec<usize> = rows.iter().map(|row| groups[*row]).collect();
            own.sort_unstable();
            own.dedup();
            let rows = own.iter().filter_map(|group| by_group.get(group));
            rows.flatten().copied().collect()
        };
        self.rows_of.iter().map(hidden).collect()
    }

    /// Whether anything of its class is left when this row is judged.
    pub(super) fn is_judged(&self, row: usize) -> bool {
        self.ratio(self.part_of[row], self.labels[row]).is_some()
    }

    /// Rows that can be judged.
    pub(super) fn num_judged(&self) -> usize {
        (0..self.labels.len())
            .filter(|row| self.is_judged(*row))
            .count()
    }

    /// What the votes of every class are multiplied by when this row is judged: K/(K-1) for its own, by rows. A fold takes
    /// rows from all classes, which are all scaled up to what they are in the whole cache.
    pub(super) fn scales(&self, row: usize) -> Vec<f32> {
        let (part, own) = (self.part_of[row], self.labels[row]);
        let scale = |class: usize| match self.protocol {
            Protocol::EachPhoto if class != own => 1.0,
            _ => self.ratio(part, class).unwrap_or(1.0),
        };
        (0..self.rows_per_class.len()).map(scale).collect()
    }

    /// Rows of a class over those left when a part is gone; `None` where none are left.
    fn ratio(&self, part: usize, class: usize) -> Option<f32> {
        let total = self.rows_per_class[class];
        let left = total - self.lost.get(&(part, class)).copied().unwrap_or(0);
        (left > 0).then(|| total as f32 / left as f32)
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
        assert_eq!(parts.scales(0), [3.0, 1.0]);
        assert_eq!(parts.scales(1), [1.5, 1.0]);
        assert_eq!(parts.scales(3), [1.0, 2.0]);
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
            assert_eq!(parts.scales(row), [1.25; 4]);
        }
    }
}
