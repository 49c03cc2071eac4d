//! What a method learns from, owned and shared: the scoring worker makes it, other threads train on it and compare methods by it.

use std::fmt;
use std::sync::Arc;

use crate::engine::tune_apart::judge_shots;
use crate::features::Features;
use crate::ids::Generation;
use crate::methods::{
    Classifier, Knowledge, LeaveOneOut, Method, MethodError, Parameter, Parameters, Prompts,
};
use crate::progress::Progress;
use crate::support::SupportSet;

/// Support set and texts of one fit.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// Of the fit.
    pub generation: Generation,
    /// Labelled photos, original features.
    pub support: SupportSet,
    /// The same rows through the adapted encoder.
    pub adapted_keys: Option<Features>,
    /// Rows whose photos did not train the adapter, where some did: only these may judge it.
    pub unseen: Option<Vec<usize>>,
    /// One text feature for each class.
    pub text: Features,
    /// The prompts behind it.
    pub prompts: Option<Prompts>,
    /// Class texts with learnt context.
    pub learned_text: Option<Features>,
    /// Whether the text term counts.
    pub use_class_names: bool,
    /// Equal for lessons that teach the same.
    pub fingerprint: Fingerprint,
}

/// A hash of everything that a method can learn from a lesson.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Lesson {
    /// The same, borrowed, as the methods take it.
    pub fn knowledge(&self) -> Knowledge<'_> {
        Knowledge {
            prompts: self.prompts.as_ref(),
            learned_text: self.learned_text.as_ref(),
            use_class_names: self.use_class_names,
            ..Knowledge::new(&self.support, &self.text)
                .with_adapted_keys(self.adapted_keys.as_ref())
        }
    }

    /// What the shots say of `method`, at `parameters` or (`tunes`) at the best, each judged by others: left out one at a time, or
    /// where the method's adapter was trained on some of them, by those.
    ///
    /// # Errors
    /// As [`judge_shots`].
    pub fn judged(
        &self,
        method: Method,
        parameters: &Parameters,
        tunes: bool,
        progress: &Progress<'_>,
    ) -> Result<LeaveOneOut, MethodError> {
        let (knowledge, unseen) = (self.knowledge(), self.unseen.as_deref());
        judge_shots(method, parameters, &knowledge, unseen, tunes, progress)
    }

    /// The lesson with its fingerprint.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        let mut hasher = blake3::Hasher::new();
        hash_features(&mut hasher, self.support.features());
        hash_indices(&mut hasher, self.support.labels());
        hash_indices(&mut hasher, self.support.groups());
        hash_features(&mut hasher, &self.text);
        if let Some(keys) = &self.adapted_keys {
            hash_features(&mut hasher, keys);
        }
        if let Some(unseen) = &self.unseen {
            hash_indices(&mut hasher, unseen);
        }
        if let Some(prompts) = &self.prompts {
            hash_features(&mut hasher, &prompts.features);
            hash_indices(&mut hasher, &prompts.classes);
        }
        if let Some(texts) = &self.learned_text {
            hash_features(&mut hasher, texts);
        }
        hasher.update(&[u8::from(self.use_class_names)]);
        self.fingerprint = Fingerprint(*hasher.finalize().as_bytes());
        self
    }
}

fn hash_features(hasher: &mut blake3::Hasher, features: &Features) {
    hash_indices(hasher, &[features.len(), features.dim()]);
    for row in features.matrix().iter_rows() {
        for value in row {
            hasher.update(&value.to_le_bytes());
        }
    }
}

fn hash_indices(hasher: &mut blake3::Hasher, indices: &[usize]) {
    hasher.update(&(indices.len() as u64).to_le_bytes());
    for index in indices {
        hasher.update(&(*index as u64).to_le_bytes());
    }
}

/// A trained method: what it was trained on, and what came of it.
#[derive(Clone)]
pub struct Trained {
    /// What it was trained on, and how.
    pub training: Training,
    /// What came of it.
    pub classifier: Arc<dyn Classifier>,
    /// What it is worth on folds of the shots, once that is known.
    pub judged: Option<Arc<LeaveOneOut>>,
}

/// What decides the outcome of a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Training {
    method: Method,
    parameters: Parameters,
    fingerprint: Fingerprint,
    /// Share of the photos held out that it classifies rightly, 0 to 1, where some were held out.
    accuracy: Option<f32>,
}

impl Training {
    /// The training of `method` on `lesson` with `parameters`.
    pub fn new(method: Method, parameters: &Parameters, lesson: &Lesson) -> Self {
        Self {
            method,
            parameters: *parameters,
            fingerprint: lesson.fingerprint,
            accuracy: None,
        }
    }

    /// The same, with what was measured on photos held out.
    #[must_use]
    pub fn measured(self, accuracy: Option<f32>) -> Self {
        Self { accuracy, ..self }
    }

    /// What was measured on photos held out, 0 to 1.
    pub fn accuracy(&self) -> Option<f32> {
        self.accuracy
    }

    /// Whether both come to the same.
    pub fn is_as(&self, other: &Self) -> bool {
        self.measured(None) == other.measured(None)
    }

    /// The same at other values of the parameters that the trained method follows without a fit.
    fn followed(mut self) -> Self {
        for (parameter, value) in [
            (Parameter::Alpha, &mut self.parameters.alpha),
            (Parameter::Beta, &mut self.parameters.beta),
            (Parameter::Gamma, &mut self.parameters.gamma),
        ] {
            if self.method.follows(parameter) {
                *value = 0.0;
            }
        }
        self
    }
}

impl Trained {
    /// Whether it is what `wanted` would come to, or can be weighed to be.
    pub fn is_for(&self, wanted: &Training) -> bool {
        self.training.is_as(wanted)
            || (self.training.followed().is_as(&wanted.followed())
                && self.classifier.at(&wanted.parameters).is_some())
    }

    /// The trained method at `parameters`, as far as it follows them.
    pub fn at(&self, parameters: &Parameters) -> Arc<dyn Classifier> {
        let weighed = self.classifier.at(parameters);
        weighed.map_or_else(|| Arc::clone(&self.classifier), Arc::from)
    }
}

impl fmt::Debug for Trained {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Trained")
            .field("training", &self.training)
            .finish_non_exhaustive()
    }
}
