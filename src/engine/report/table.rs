//! Methods side by side.

use super::cross_fit::Scored;
use super::figures::{Accuracy, Basis, MethodRow};
use super::material::Material;

impl Scored {
    /// Labels and predictions of what judges, as pairs; of several labels the one that was predicted, else the main one.
    pub(super) fn judged(&self, material: &Material, basis: Basis) -> Judged {
        let pairs = match basis {
            Basis::Labelled => material
                .test
                .iter()
                .zip(&self.labelled)
                .enumerate()
                .map(|(index, ((_, labels), class))| {
                    let label = if labels.contains(class) {
                        class
                    } else {
                        &labels[0]
                    };
                    (index, *label, *class)
                })
                .collect(),
            Basis::Shots => {
                let shots = self.shots.iter().zip(material.support.labels()).enumerate();
                shots
                    .filter_map(|(row, (class, label))| Some((row, *label, (*class)?)))
                    .collect()
            }
        };
        Judged(pairs)
    }
}

/// Photo, label and prediction of what judges.
pub(super) struct Judged(Vec<(usize, usize, usize)>);

impl Judged {
    /// Those that `other` judges as well, so that two methods are compared on the same photos.
    pub(super) fn shared(&self, other: &Self) -> Self {
        let photos: Vec<usize> = other.0.iter().map(|(photo, ..)| *photo).collect();
        let shared = self.0.iter().copied();
        Self(
            shared
                .filter(|(photo, ..)| photos.binary_search(photo).is_ok())
                .collect(),
        )
    }

    /// Those of one class.
    pub(super) fn of_class(&self, class: usize) -> Self {
        let own = self.0.iter().copied();
        Self(own.filter(|(_, label, _)| *label == class).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn accuracy(&self, num_classes: usize) -> Option<Accuracy> {
        let labels: Vec<usize> = self.0.iter().map(|(_, label, _)| *label).collect();
        let predicted: Vec<usize> = self.0.iter().map(|(.., class)| *class).collect();
        Accuracy::of(&labels, &predicted, num_classes)
    }
}

/// Accuracies of a ++ method and of the one without ++ on the same photos.
pub(super) fn before_and_after(
    material: &Material,
    all: &[Scored],
    after: &Scored,
    basis: Basis,
) -> Option<(Accuracy, Accuracy)> {
    let base = after.method.without_adapter();
    let before = all
        .iter()
        .find(|scored| scored.method == base && scored.method != after.method)?;
    let (before, after) = (
        before.judged(material, basis),
        after.judged(material, basis),
    );
    let num_classes = material.classes.len();
    Some((
        before.shared(&after).accuracy(num_classes)?,
        after.shared(&before).accuracy(num_classes)?,
    ))
}

pub(super) fn rows(material: &Material, all: &[Scored]) -> Vec<MethodRow> {
    let num_classes = material.classes.len();
    let row = |scored: &Scored| {
        let gain = |basis| {
            let (before, after) = before_and_after(material, all, scored, basis)?;
            Some(after.mean_recall - before.mean_recall)
        };
        let accuracy = |basis| scored.judged(material, basis).accuracy(num_classes);
        let nothing = scored.shots.iter().all(Option::is_none) && scored.labelled.is_empty();
        MethodRow {
            method: scored.method,
            space: scored
                .space
                .map(|index| material.spaces[index].title.clone()),
            parameters: scored.chosen.parameters,
            is_tuned: scored.chosen.is_tuned,
            use_class_names: scored.chosen.use_class_names,
            shots: accuracy(Basis::Shots),
            labelled: accuracy(Basis::Labelled),
            gain_shots: gain(Basis::Shots),
            gain_labelled: gain(Basis::Labelled),
            obstacle: scored.obstacle.clone().or_else(|| {
                nothing.then(|| "no photo can judge it: it needs two shots of a class that its adapter has not seen, or labelled photos".to_owned())
            }),
        }
    };
    all.iter().map(row).collect()
}
