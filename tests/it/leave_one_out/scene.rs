//! A few shots with everything that makes leaving one out hard.

use shotlens::features::{Features, Matrix};
use shotlens::methods::{Knowledge, Method, Parameters, Prompts, Queries, Views, fit};
use shotlens::support::SupportSet;

use super::is_cache;
use crate::golden::{Golden, Scene};

/// Some shots of golden 2's first classes with duplicates: within a class, across classes, and near ones.
pub(super) struct SmallScene {
    pub(super) support: SupportSet,
    pub(super) adapted: Features,
    pub(super) text: Features,
    pub(super) prompts: Prompts,
    /// Two views of every row, original and adapted.
    pub(super) views: (SupportSet, Features),
    pub(super) has_views: bool,
}

/// Every row twice, each time moved a little in another direction.
fn views_of(rows: &Features, by: f32) -> Features {
    let moved = Matrix::from_fn(2 * rows.len(), rows.dim(), |row, col| {
        rows.row(row / 2)[col] + by * ((row * 31 + col * 17) as f32).sin()
    });
    Features::normalized(moved).unwrap()
}

impl SmallScene {
    pub(super) fn new() -> Self {
        let scene = Scene::of(&Golden::open("2-first"));
        let rows: Vec<usize> = (0..scene.support.len())
            .filter(|row| scene.support.labels()[*row] < 5 && row % 3 != 0)
            .collect();
        let num_rows = rows.len();
        // Class 5 has no photos, class 6 a single one.
        let alone = (0..scene.support.len())
            .find(|row| scene.support.labels()[*row] == 6)
            .unwrap();
        let rows = [rows.as_slice(), &rows[..4], &rows[..1], &[alone]].concat();
        let chosen = scene.support.select(&rows);
        let (mut labels, mut groups) = (chosen.labels().to_vec(), chosen.groups().to_vec());
        // The same photo in two classes.
        labels[num_rows + 1] = 3;
        // A photo that is one of its class's two.
        groups[num_rows - 1] = groups[num_rows - 2];
        let twice = |numbers: &[usize]| numbers.iter().flat_map(|x| [*x, *x]).collect::<Vec<_>>();
        let adapted = scene.adapted_keys.select(&rows);
        let views = SupportSet::new(
            views_of(chosen.features(), 0.03),
            twice(&labels),
            7,
            twice(&groups),
        );
        let text = scene.text.select(&[0, 1, 2, 3, 4, 5, 6]);
        Self {
            support: SupportSet::new(chosen.features().clone(), labels, 7, groups).unwrap(),
            views: (views.unwrap(), views_of(&adapted, 0.02)),
            prompts: Prompts {
                features: views_of(&views_of(&text, 0.05), 0.05),
                classes: (0..28).map(|row| row / 4).collect(),
            },
            adapted,
            text,
            has_views: false,
        }
    }

    pub(super) fn knowledge(&self) -> Knowledge<'_> {
        Knowledge {
            prompts: Some(&self.prompts),
            views: self.has_views.then_some(Views {
                original: &self.views.0,
                adapted: Some(&self.views.1),
            }),
            ..Knowledge::new(&self.support, &self.text).with_adapted_keys(Some(&self.adapted))
        }
    }

    /// Rows of other groups than `row`'s.
    pub(super) fn others(&self, row: usize) -> Vec<usize> {
        let groups = self.support.groups();
        (0..self.support.len())
            .filter(|other| groups[*other] != groups[row])
            .collect()
    }

    /// Rows of its class over those in other groups; `None` where there are none.
    pub(super) fn scale(&self, row: usize) -> Option<f32> {
        let labels = self.support.labels();
        let count = |rows: &[usize]| {
            rows.iter()
                .filter(|other| labels[**other] == labels[row])
                .count()
        };
        let left = count(&self.others(row));
        let all: Vec<usize> = (0..self.support.len()).collect();
        (left > 0).then(|| count(&all) as f32 / left as f32)
    }

    /// Logits of a row under `method` fitted to the other groups, and its class's votes scaled where it is a cache.
    pub(super) fn refitted(
        &self,
        method: Method,
        parameters: &Parameters,
        names: bool,
        row: usize,
    ) -> Vec<f32> {
        let others = self.others(row);
        let (support, adapted) = (self.support.select(&others), self.adapted.select(&others));
        let groups = self.views.0.groups();
        let views: Vec<usize> = (0..groups.len())
            .filter(|view| groups[*view] != self.support.groups()[row])
            .collect();
        let views = (self.views.0.select(&views), self.views.1.select(&views));
        let knowledge = Knowledge {
            support: &support,
            adapted_keys: Some(&adapted),
            views: self.has_views.then_some(Views {
                original: &views.0,
                adapted: Some(&views.1),
            }),
            use_class_names: names,
            ..self.knowledge()
        };
        let (original, probe) = (
            self.support.features().select(&[row]),
            self.adapted.select(&[row]),
        );
        let queries = Queries {
            adapted: Some(&probe),
            ..Queries::new(&original)
        };
        let score = |method| {
            let classifier = fit(method, parameters, &knowledge).unwrap();
            classifier.logits(queries).unwrap().0.into_vec()
        };
        let mut logits = score(method);
        if is_cache(method) {
            let own = self.support.labels()[row];
            let base = if names {
                score(Method::ZeroShot)[own]
            } else {
                0.0
            };
            logits[own] = base + (logits[own] - base) * self.scale(row).unwrap();
        }
        logits
    }
}
