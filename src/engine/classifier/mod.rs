//! A fitted method with everything that applies it to photos: classes, parameters, adapted features, confidence.
//!
//! [`learn`] makes one from labelled photos, [`mod@project`] from a project, [`file`](mod@file) from a file; [`Engine::label_photos`] puts one to work.

mod adapter_words;
pub mod file;
mod file_error;
pub mod learn;
mod parameter_words;
pub mod project;
mod stream;
mod tensors;

pub use file::ClassifierFile;
pub use file_error::ClassifierFileError;
pub use learn::{Learned, Wish};
pub use stream::{LabelledPhoto, Stretch};

use super::adapted::{AdaptedEncoder, AdapterSpec};
use super::evaluate::{Looks, Split};
use super::{Engine, EngineError};
use crate::features::{Features, Logits, arg_max};
use crate::methods::calibration::{Calibration, confidences};
use crate::methods::{Classifier, Method, Parameters, Queries};
use crate::progress::Progress;
use crate::support::SupportSet;

/// What a classifier is made of: enough to make it again.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Class names, in the order of the logits.
    pub classes: Vec<String>,
    /// The method.
    pub method: Method,
    /// What it is fitted or weighed with.
    pub parameters: Parameters,
    /// What a trained method was trained with; else the same.
    pub trained_with: Parameters,
    /// Whether the text term counts.
    pub use_class_names: bool,
    /// What makes a confidence of its logits.
    pub calibration: Calibration,
    /// Class texts, `[num_classes, dim]`.
    pub text: Features,
    /// Labelled photos, original features.
    pub support: SupportSet,
    /// The same through the adapted encoder, for the ++ methods.
    pub adapted_keys: Option<Features>,
}

/// What adapted features are made with.
pub struct Adapter {
    /// What was asked for.
    pub spec: AdapterSpec,
    /// What makes them.
    pub encoder: AdaptedEncoder,
}

/// A class with its confidence, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Index of the class.
    pub class: usize,
    /// `softmax(logits / T)` of it.
    pub confidence: f32,
}

/// A fitted method, ready for photos.
pub struct PhotoClassifier {
    /// What it is made of.
    pub recipe: Recipe,
    /// How adapted features are made, for the ++ methods.
    pub adapter: Option<Adapter>,
    pub(super) fitted: Box<dyn Classifier>,
}

impl PhotoClassifier {
    /// How photos must be looked at for [`Self::logits`].
    pub fn looks(&self) -> Looks<'_> {
        Looks {
            adapter: self.adapter.as_ref().map(|adapter| &adapter.encoder),
            num_views: 0,
            has_parts: self.recipe.method == Method::Calip,
        }
    }

    /// Logits `[num_photos, num_classes]` of photos that were embedded with [`Self::looks`].
    pub fn logits(&self, photos: &Split) -> Result<Logits, EngineError> {
        let original = Features::normalized(photos.rows.features.clone())?;
        let adapted = match &self.adapter {
            Some(adapter) => Some(photos.rows.adapted(&adapter.encoder)?),
            None => None,
        };
        let queries = Queries {
            adapted: adapted.as_ref(),
            parts: photos.parts.as_ref().map(super::parts::PartRows::parts),
            ..Queries::new(&original)
        };
        Ok(self.fitted.predict(queries, &Progress::silent())?)
    }

    /// The likeliest class of every photo.
    pub fn predict(&self, photos: &Split) -> Result<Vec<Prediction>, EngineError> {
        if photos.labels.is_empty() {
            return Ok(Vec::new());
        }
        let logits = self.logits(photos)?;
        let temperature = self.recipe.calibration.temperature;
        Ok(logits
            .0
            .iter_rows()
            .map(|row| prediction(row, temperature))
            .collect())
    }
}

/// The likeliest class under these logits.
fn prediction(logits: &[f32], temperature: f32) -> Prediction {
    let class = arg_max(logits);
    Prediction {
        class,
        confidence: confidences(logits, temperature)[class],
    }
}

impl Engine {
    /// The model as files name it: its name and its hash.
    pub fn model_line(&self) -> String {
        format!("{} sha256:{}", self.name(), self.clip().hash())
    }
}
