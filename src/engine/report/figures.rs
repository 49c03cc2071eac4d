//! What a report holds, as plain data.

use crate::engine::Engine;
use crate::methods::metrics::{Confusion, wilson};
use crate::methods::overlap::{ClassOverlap, ClassVariance, Overlap, ScatterPoint};
use crate::methods::{Method, Parameters};

/// The model behind the figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFacts {
    /// For people.
    pub name: String,
    /// SHA-256 of its weights.
    pub hash: String,
    /// What it ran on.
    pub device: String,
    /// How photos become pixels, as the keys of the feature cache have it.
    pub preprocess: String,
    /// Numbers in a feature.
    pub dim: usize,
}

impl ModelFacts {
    pub(super) fn of(engine: &Engine) -> Self {
        let clip = engine.clip();
        Self {
            name: engine.name().to_owned(),
            hash: clip.hash().to_owned(),
            device: clip.device_description(),
            preprocess: clip.preprocess().id(),
            dim: clip.dim(),
        }
    }
}

/// A class of the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassFacts {
    /// Its name.
    pub name: String,
    /// What the text tower read.
    pub prompts: Vec<String>,
    /// Photos that are learnt from.
    pub num_shots: usize,
    /// Labelled photos that judge.
    pub num_labelled: usize,
}

/// What an accuracy is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Labelled photos of the pool.
    Labelled,
    /// Shots, cross-fitted.
    Shots,
}

/// How many photos are classified rightly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy {
    /// Right.
    pub num_right: usize,
    /// Judged.
    pub num_judged: usize,
    /// Mean over the judged classes of their share that is right, percent.
    pub mean_recall: f64,
    /// Wilson's 95 % interval of the share of all photos, percent.
    pub interval: (f64, f64),
}

impl Accuracy {
    /// `None` where nothing was judged.
    pub(super) fn of(labels: &[usize], predicted: &[usize], num_classes: usize) -> Option<Self> {
        let pairs = labels.iter().zip(predicted);
        let num_right = pairs.filter(|(label, class)| label == class).count();
        let (low, high) = wilson(num_right, labels.len());
        (!labels.is_empty()).then(|| Self {
            num_right,
            num_judged: labels.len(),
            mean_recall: Confusion::new(labels, predicted, num_classes).mean_recall(),
            interval: (100.0 * f64::from(low), 100.0 * f64::from(high)),
        })
    }
}

/// A method, on its own features or on one kind of adapted features.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodRow {
    /// The method.
    pub method: Method,
    /// The kind of adapted features, for a ++ method.
    pub space: Option<String>,
    /// Parameters chosen on all shots, or the published ones.
    pub parameters: Parameters,
    /// Whether they were chosen.
    pub is_tuned: bool,
    /// Whether class names take part: left out where the shots do better alone.
    pub use_class_names: bool,
    /// Of the shots, each classified by others at parameters chosen without it.
    pub shots: Option<Accuracy>,
    /// Of labelled photos of the pool.
    pub labelled: Option<Accuracy>,
    /// Gain over the method without ++ on the same shots, percentage points of the mean over classes.
    pub gain_shots: Option<f64>,
    /// The same on labelled photos.
    pub gain_labelled: Option<f64>,
    /// Why there are no figures.
    pub obstacle: Option<String>,
}

/// Overlap with one kind of adapted features.
#[derive(Clone, Debug)]
pub struct SpaceFigures {
    /// As "IsoCLIP (0, 0)".
    pub title: String,
    /// Original features of the shots that were measured.
    pub before: Overlap,
    /// Adapted features of the same shots; `None` where the adapter was trained on them.
    pub after: Option<Overlap>,
    /// Variance of the original features.
    pub variance_before: ClassVariance,
    /// Variance of the adapted ones.
    pub variance_after: Option<ClassVariance>,
    /// Shots that were measured.
    pub num_shots: usize,
    /// What to know of the figures.
    pub notes: Vec<String>,
}

/// A class, before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassRow {
    /// Its name.
    pub name: String,
    /// Overlap of its shots with the others', original features.
    pub before: ClassOverlap,
    /// The same with adapted features.
    pub after: Option<ClassOverlap>,
    /// Photos that judge.
    pub num_judged: usize,
    /// Share of them that Tip-Adapter gets right, percent.
    pub recall_before: Option<f64>,
    /// The same by Tip-Adapter++.
    pub recall_after: Option<f64>,
}

impl ClassRow {
    /// The class in the scatter, where it has all four figures.
    pub(super) fn point(&self) -> Option<ScatterPoint> {
        Some(ScatterPoint {
            name: self.name.clone(),
            overlap_before: self.before.overlap?,
            overlap_after: self.after?.overlap?,
            accuracy_before: self.recall_before?,
            accuracy_after: self.recall_after?,
        })
    }
}

/// A ++ method on one kind of adapted features, in the scatter.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodPoint {
    /// The method.
    pub method: Method,
    /// Index into [`super::Report::spaces`].
    pub space: usize,
    /// The method without ++ before, with it after.
    pub point: ScatterPoint,
}

/// The method that predicts.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectMethod {
    /// As the project says.
    pub chosen: Method,
    /// What it came to; another where the chosen one cannot be fitted.
    pub method: Method,
    /// Why it is another.
    pub obstacle: Option<String>,
    /// The parameters in use.
    pub parameters: Parameters,
    /// How they were chosen, in words.
    pub choice: String,
    /// Whether class names take part.
    pub use_class_names: bool,
    /// The kind of adapted features, for a ++ method.
    pub space: Option<String>,
}

/// Quartiles of confidences, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quartiles {
    /// A quarter lies below.
    pub first: f32,
    /// Half lies below.
    pub median: f32,
    /// Three quarters lie below.
    pub third: f32,
}

impl Quartiles {
    /// Between neighbours in proportion, as numpy's `quantile`; `None` of nothing.
    pub(super) fn of(mut values: Vec<f32>) -> Option<Self> {
        values.sort_unstable_by(f32::total_cmp);
        let last = values.len().checked_sub(1)?;
        let at = |share: f32| {
            let place = share * last as f32;
            let (low, high) = (place.floor() as usize, place.ceil() as usize);
            values[low] + (values[high] - values[low]) * (place - place.floor())
        };
        Some(Self {
            first: at(0.25),
            median: at(0.5),
            third: at(0.75),
        })
    }
}

/// Predictions of the pool.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolSummary {
    /// Photos predicted.
    pub num_photos: usize,
    /// For each class: photos predicted to show it, and how sure those predictions are.
    pub classes: Vec<(usize, Option<Quartiles>)>,
    /// How sure all predictions are.
    pub confidence: Option<Quartiles>,
    /// Logits are divided by this before the softmax.
    pub temperature: f32,
    /// Whether it was fitted on the shots.
    pub is_calibrated: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_numpys() {
        let got = Quartiles::of(vec![0.9, 0.1, 0.4, 0.5]).unwrap();
        let expected = [0.325, 0.45, 0.6];
        for (got, expected) in [got.first, got.median, got.third].iter().zip(expected) {
            assert!((got - expected).abs() < 1e-6, "{got} {expected}");
        }
        assert!((Quartiles::of(vec![0.7]).unwrap().first - 0.7).abs() < 1e-6);
        assert_eq!(Quartiles::of(Vec::new()), None);
    }
}
