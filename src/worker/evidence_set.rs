//! What the window needs to follow a slider within a frame: for each visible photo the cosines that the sliders only re-weigh.

use std::collections::HashMap;
use std::sync::Arc;

use crate::features::arg_max;
use crate::ids::{ClassId, Generation, PhotoId};
use crate::methods::calibration::confidences;
use crate::methods::{Evidence, Method, Parameters, Weighing};

/// The support set as fitted: what the evidence's columns mean.
#[derive(Clone, Debug, Default)]
pub struct FittedSupport {
    /// Of the fit.
    pub generation: Generation,
    /// The method that was fitted.
    pub method: Method,
    /// Classes in the order of the logits.
    pub classes: Vec<ClassId>,
    /// Support photo of every key.
    pub photos: Vec<PhotoId>,
    /// Class index of every key.
    pub labels: Vec<usize>,
    /// Whether the text term counts.
    pub use_class_names: bool,
    /// What sliders do with evidence.
    pub weighing: Weighing,
}

/// Evidence for the photos on screen.
#[derive(Clone, Debug, Default)]
pub struct EvidenceSet {
    /// What the evidence was gathered against.
    pub support: Arc<FittedSupport>,
    /// By photo.
    pub photos: HashMap<PhotoId, Evidence>,
    /// Photos that are shots of a cache themselves and masked: their class, and K/(K-1) for its sum.
    pub own: HashMap<PhotoId, (usize, f32)>,
}

/// A photo scored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Index of the likeliest class.
    pub class: u32,
    /// Its calibrated probability.
    pub confidence: f32,
    /// How much likelier it is than the second, 0 to 1.
    pub margin: f32,
    /// Entropy of all classes' probabilities, nats.
    pub entropy: f32,
    /// Index of zero-shot's likeliest class.
    pub zero_shot_class: u32,
}

impl EvidenceSet {
    /// Logits of a photo under these parameters, `[num_classes]`; microseconds.
    pub fn logits(&self, photo: PhotoId, parameters: &Parameters) -> Option<Vec<f32>> {
        let evidence = self.photos.get(&photo)?;
        let mut logits = self.support.weighing.logits(&evidence.reading, parameters);
        if let Some((class, scale)) = self.own.get(&photo) {
            let base = evidence.reading.base[*class];
            logits[*class] = base + (logits[*class] - base) * scale;
        }
        Some(logits)
    }

    /// The same without the vote of one key; `None` where the method has no votes.
    pub fn logits_without(
        &self,
        photo: PhotoId,
        key: usize,
        parameters: &Parameters,
    ) -> Option<Vec<f32>> {
        let Weighing::Votes(_) = self.support.weighing else {
            return None;
        };
        let mut evidence = self.photos.get(&photo)?.clone();
        *evidence.reading.affinities.get_mut(key)? = f32::NEG_INFINITY;
        let alone = Self {
            support: Arc::clone(&self.support),
            photos: HashMap::from([(photo, evidence)]),
            own: self
                .own
                .get(&photo)
                .map(|own| (photo, *own))
                .into_iter()
                .collect(),
        };
        alone.logits(photo, parameters)
    }

    /// The likeliest class of a photo under these parameters, with `temperature` between logits and probability.
    pub fn score(
        &self,
        photo: PhotoId,
        parameters: &Parameters,
        temperature: f32,
    ) -> Option<Scored> {
        let logits = self.logits(photo, parameters)?;
        let zero_shot = &self.photos.get(&photo)?.zero_shot;
        Some(scored(&logits, zero_shot, temperature))
    }
}

/// Class and how sure it is from logits.
pub fn scored(logits: &[f32], zero_shot: &[f32], temperature: f32) -> Scored {
    let class = arg_max(logits);
    let shares = confidences(logits, temperature);
    let confidence = shares.get(class).copied().unwrap_or_default();
    let others = shares
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != class);
    let second = others.map(|(_, share)| *share).fold(0.0, f32::max);
    let parts = shares.iter().filter(|share| **share > 0.0);
    Scored {
        class: class as u32,
        confidence,
        margin: confidence - second,
        entropy: parts.map(|share| -share * share.ln()).sum(),
        zero_shot_class: arg_max(zero_shot) as u32,
    }
}
