//! What is predicted for a photo, and why.

use crate::ids::{ClassId, PhotoId};

/// The method's answer for one photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The likeliest class.
    pub class: ClassId,
    /// Its calibrated probability, 0 to 1.
    pub confidence: f32,
    /// The likeliest class of zero-shot CLIP, for comparison.
    pub zero_shot_class: ClassId,
    /// Made before the latest change of the support set, method or parameters.
    pub stale: bool,
}

/// One support photo's say in a prediction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vote {
    /// The support photo.
    pub photo: PhotoId,
    /// Its class.
    pub class: ClassId,
    /// Cosine of its features with the query's, -1 to 1.
    pub affinity: f32,
    /// What it adds to its class's logit.
    pub weight: f32,
    /// What would be predicted without it, and how surely; `None` where the method has no votes.
    pub without: Option<(ClassId, f32)>,
}

/// Everything about the selected photo.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// The photo.
    pub photo: PhotoId,
    /// Classes in the project's order; the probabilities below follow it.
    pub classes: Vec<ClassId>,
    /// Probability of every class by zero-shot CLIP.
    pub zero_shot: Vec<f32>,
    /// Probability of every class by the method.
    pub method: Vec<f32>,
    /// The support photos that voted, the strongest first; where [`Self::terms`] explain, the most alike ones.
    pub votes: Vec<Vote>,
    /// What speaks for each class, where shots do not simply vote.
    pub terms: Option<Vec<Terms>>,
}

/// What a class's logit consists of, each part beside its mean over the classes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// What the class names say for the class (or, below 0, against it).
    pub names: f32,
    /// What was learnt from the shots says.
    pub shots: f32,
}
