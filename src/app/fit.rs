//! What the method panel and the overlap panel show.

use std::sync::Arc;

use crate::ids::PhotoId;

use super::command::{AdapterChoice, PairKind};
use super::training::TrainingView;
use super::validation::ValidationView;
use crate::methods::Method;
use crate::methods::surface::Surface;
use crate::worker::scoring_worker::Availability;

/// The method as it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FitStatus {
    /// Parameters were found by leave-one-out and not touched since.
    pub tuned: bool,
    /// Tuning runs now.
    pub tuning: bool,
    /// Leave-one-out accuracy of zero-shot CLIP on the support set, 0 to 1.
    pub zero_shot_accuracy: Option<f32>,
    /// Leave-one-out accuracy of the method on the support set, 0 to 1.
    pub method_accuracy: Option<f32>,
    /// The parameter values that tuning recommends: alpha, beta, gamma.
    pub recommended: Option<(f64, f64, f64)>,
    /// What divides the logits before the softmax.
    pub temperature: f32,
    /// The method that predicts: the chosen one, unless that cannot be fitted.
    pub method: Method,
    /// Why the chosen one cannot be fitted, and what to do about it.
    pub obstacle: Option<String>,
    /// What can be fitted on the support set, of all methods; empty before the first fit.
    pub availability: Vec<Availability>,
    /// Accuracy over α and β, where they were searched.
    pub surface: Option<Arc<Surface>>,
    /// The training of the chosen method, under way or done.
    pub training: Option<TrainingView>,
    /// The search on a validation folder, under way or done.
    pub validation: Option<ValidationView>,
    /// Something to say about it, as "one shot per class: nothing to tune on".
    pub note: Option<String>,
}

/// One histogram with its figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OverlapFigures {
    /// Share of same-class pairs in each bin over `[-1, 1]`.
    pub paired: Vec<f32>,
    /// Share of different-class pairs in each bin.
    pub unpaired: Vec<f32>,
    /// Overlap coefficient, 0 (apart) to 1 (the same).
    pub overlap: f32,
    /// Probability that a same-class pair is more alike than a different-class pair.
    pub auroc: f32,
    /// Its 95 % interval, by bootstrap over photos.
    pub auroc_interval: (f32, f32),
    /// Mean cosine of same-class pairs.
    pub paired_mean: f32,
    /// Mean cosine of different-class pairs.
    pub unpaired_mean: f32,
    /// Number of same-class pairs.
    pub num_paired: u64,
    /// Number of different-class pairs.
    pub num_unpaired: u64,
    /// Variance of the features.
    pub variance: f32,
    /// The figures come from a sample of the pairs.
    pub sampled: bool,
    /// Fewer than 200 pairs of either kind.
    pub too_few: bool,
}

/// Overlap before and after.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OverlapView {
    /// Of the original features; `None` until there are two classes with photos.
    pub before: Option<OverlapFigures>,
    /// Of the adapted features.
    pub after: Option<OverlapFigures>,
    /// Why there is no "after", or what it was computed on.
    pub note: Option<String>,
    /// As "IsoCLIP (0, 0)".
    pub adapter_title: String,
    /// Older than the support set on screen.
    pub stale: bool,
    /// The list a click on the histogram opened.
    pub pairs: Option<PairList>,
}

/// Pairs of photos in one bin.
#[derive(Clone, Debug, PartialEq)]
pub struct PairList {
    /// Of one class or of two.
    pub kind: PairKind,
    /// Cosines from here…
    pub low: f32,
    /// …to here.
    pub high: f32,
    /// Cosines of the adapted features, not the original ones.
    pub adapted: bool,
    /// The pairs with their cosines, the most telling first.
    pub pairs: Vec<(PhotoId, PhotoId, f32)>,
}

/// What the adapter menu offers.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterOption {
    /// What choosing it means.
    pub choice: AdapterChoice,
    /// As "IsoCLIP (no training)".
    pub title: String,
    /// What is known of it, as lines; empty where the title says all.
    pub summary: String,
    /// Why it cannot be chosen with this model.
    pub unavailable: Option<String>,
}
