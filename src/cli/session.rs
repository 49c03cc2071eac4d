//! Opening the model that the common flags name.

use anyhow::Result;

use super::stderr::warn;
use super::{ActivationName, Common};
use crate::clip::{Activation, OpenOptions};
use crate::engine::Engine;
use crate::project::feature_cache::FeatureCache;
use crate::project::locations;

/// The engine for the common flags, with the user's feature cache.
pub(super) fn open_engine(common: &Common) -> Result<Engine> {
    let (cache, note) = match FeatureCache::open(&locations::feature_cache_path()) {
        Ok((cache, note)) => (Some(cache), note),
        Err(error) => (None, Some(format!("features are not cached: {error}"))),
    };
    if let Some(note) = note {
        warn(&note);
    }
    let engine = Engine::open(common.model.as_deref(), &open_options(common), cache)?;
    for note in engine.clip().notes() {
        warn(note);
    }
    Ok(engine)
}

/// How to open a model under the common flags.
pub(super) fn open_options(common: &Common) -> OpenOptions {
    let device = common.device.choice();
    let activation = common.activation.map(|name| match name {
        ActivationName::QuickGelu => Activation::QuickGelu,
        ActivationName::Gelu => Activation::Gelu,
    });
    OpenOptions { device, activation }
}
