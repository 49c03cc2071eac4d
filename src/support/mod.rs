//! Who is labelled what: the support set of few-shot learning, its splits and the folders it comes from.
//!
//! No pixels and no files: paths come in as lists, features as rows.

pub mod benchmark;
pub mod dataset;
mod python_random;
pub mod random;
pub mod split;
pub mod two_means;

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use crate::features::{Features, Matrix};

pub use dataset::{Dataset, class_name};

/// What can be wrong with a support set.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SupportError {
    /// A list that goes with the feature rows has another length.
    #[error("{num_rows} rows of features have {len} {what}; there must be one for each row")]
    Length {
        /// Which list: "labels" or "groups".
        what: &'static str,
        /// Its length.
        len: usize,
        /// Rows of features.
        num_rows: usize,
    },
    /// A label names a class that does not exist.
    #[error("row {row} has label {label}, but there are {num_classes} classes, numbered from 0")]
    Label {
        /// Index of the row.
        row: usize,
        /// Its label.
        label: usize,
        /// Number of classes.
        num_classes: usize,
    },
}

/// Labelled photos as features, shape `[num_rows, dim]`.
///
/// A photo may have several rows (augmented views); rows of one photo and of its exact duplicates share a group,
/// so that leaving a photo out leaves out all that would give it away.
#[derive(Clone, Debug)]
pub struct SupportSet {
    features: Features,
    labels: Vec<usize>,
    num_classes: usize,
    groups: Vec<usize>,
}

/// Groups of rows with equal content: each row's is the index of the first row that is like it.
pub fn groups_of<Content: Eq + Hash>(contents: impl Iterator<Item = Content>) -> Vec<usize> {
    let mut first_of = HashMap::new();
    contents
        .enumerate()
        .map(|(row, content)| *first_of.entry(content).or_insert(row))
        .collect()
}

impl SupportSet {
    /// A support set of rows with one label in `0..num_classes` and one group each; group numbers are free to choose.
    pub fn new(
        features: Features,
        labels: Vec<usize>,
        num_classes: usize,
        groups: Vec<usize>,
    ) -> Result<Self, SupportError> {
        let num_rows = features.len();
        for (what, len) in [("labels", labels.len()), ("groups", groups.len())] {
            if len != num_rows {
                return Err(SupportError::Length {
                    what,
                    len,
                    num_rows,
                });
            }
        }
        if let Some(row) = labels.iter().position(|label| *label >= num_classes) {
            return Err(SupportError::Label {
                row,
                label: labels[row],
                num_classes,
            });
        }
        Ok(Self {
            features,
            labels,
            num_classes,
            groups,
        })
    }

    /// A support set with one row for each photo; rows that are equal to the last bit count as duplicates.
    pub fn from_rows(
        features: Features,
        labels: Vec<usize>,
        num_classes: usize,
    ) -> Result<Self, SupportError> {
        let bits = |row: usize| {
            features
                .row(row)
                .iter()
                .map(|x| x.to_bits())
                .collect::<Vec<u32>>()
        };
        let groups = groups_of((0..features.len()).map(bits));
        Self::new(features, labels, num_classes, groups)
    }

    /// One row for each view of each labelled photo.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// The class of every row.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// Number of classes, those without photos included.
    pub fn num_classes(&self) -> usize {
        self.num_classes
    }

    /// The group of every row: equal for the views of a photo and its exact duplicates.
    pub fn groups(&self) -> &[usize] {
        &self.groups
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Distinct photos (groups) of every class.
    pub fn shots_per_class(&self) -> Vec<usize> {
        let mut pairs: Vec<(usize, usize)> = self
            .labels
            .iter()
            .copied()
            .zip(self.groups.iter().copied())
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        let mut shots = vec![0; self.num_classes];
        for (label, _) in pairs {
            shots[label] += 1;
        }
        shots
    }

    /// The rows of every photo, by class and then by group: one row each, or its views.
    pub fn rows_of_photos(&self) -> Vec<Vec<usize>> {
        let mut photos = BTreeMap::new();
        for (row, photo) in self.labels.iter().zip(&self.groups).enumerate() {
            photos.entry(photo).or_insert_with(Vec::new).push(row);
        }
        photos.into_values().collect()
    }

    /// Rows of every class.
    pub fn rows_per_class(&self) -> Vec<usize> {
        let mut rows = vec![0; self.num_classes];
        for label in &self.labels {
            rows[*label] += 1;
        }
        rows
    }

    /// Mean of the rows of every class, shape `[num_classes, dim]`, not scaled to unit length; zeros for a class without photos.
    pub fn class_means(&self) -> Matrix {
        let mut means = Matrix::zeros(self.num_classes, self.features.dim());
        for (row, label) in self.labels.iter().enumerate() {
            for (mean, x) in means.row_mut(*label).iter_mut().zip(self.features.row(row)) {
                *mean += x;
            }
        }
        for (class, count) in self.rows_per_class().into_iter().enumerate() {
            let count = count.max(1) as f32;
            means
                .row_mut(class)
                .iter_mut()
                .for_each(|mean| *mean /= count);
        }
        means
    }

    /// The rows with these indices, in this order; classes and groups keep their numbers.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            features: self.features.select(rows),
            labels: rows.iter().map(|row| self.labels[*row]).collect(),
            num_classes: self.num_classes,
            groups: rows.iter().map(|row| self.groups[*row]).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(rows: &[[f32; 2]]) -> Features {
        Features::normalized(Matrix::from_rows(2, rows.iter().map(<[f32; 2]>::as_slice)).unwrap())
            .unwrap()
    }

    #[test]
    fn labels_outside_the_classes_and_short_lists_are_refused() {
        let rows = features(&[[1.0, 0.0], [0.0, 1.0]]);
        let label = SupportSet::from_rows(rows.clone(), vec![0, 2], 2).unwrap_err();
        assert_eq!(
            label,
            SupportError::Label {
                row: 1,
                label: 2,
                num_classes: 2
            }
        );
        let length = SupportSet::new(rows, vec![0, 1], 2, vec![0]).unwrap_err();
        assert_eq!(
            length,
            SupportError::Length {
                what: "groups",
                len: 1,
                num_rows: 2
            }
        );
    }

    #[test]
    fn equal_rows_are_one_shot() {
        let rows = features(&[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
        let support = SupportSet::from_rows(rows, vec![0, 1, 0, 1], 3).unwrap();
        assert_eq!(support.groups()[0], support.groups()[2]);
        assert_eq!(support.shots_per_class(), [1, 2, 0]);
        assert_eq!(support.rows_per_class(), [2, 2, 0]);
        assert_eq!(support.rows_of_photos(), [vec![0, 2], vec![1], vec![3]]);
    }

    #[test]
    fn class_means_are_the_means_of_their_rows() {
        let rows = features(&[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]);
        let means = SupportSet::from_rows(rows, vec![0, 0, 1], 3)
            .unwrap()
            .class_means();
        assert_eq!(means.as_slice(), [0.5, 0.5, 0.0, 1.0, 0.0, 0.0]);
    }
}
