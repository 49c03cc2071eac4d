//! Opening the model that the common flags name.

use anyhow::Result;

use super::stderr::warn;
use super::{ActivationName, Common};
use crate::clip::OpenOptions;
use crate::engine::Engine;
use crate::engine::remote::open_with_workers;
use crate::project::Locations;
use crate::project::feature_cache::FeatureCache;

/// The engine for the common flags, with the user's feature cache.
pub(super) fn open_engine(common: &Common) -> Result<Engine> {
    let (model, options) = (common.model.as_deref(), open_options(common));
    let say = Box::new(|text: String| warn(&text));
    let engine = open_with_workers(model, &options, open_cache(), &common.workers, say)?;
    for note in engine.clip().notes() {
        warn(note);
    }
    Ok(engine)
}

/// The user's feature cache; without one everything works, only slower the next time.
fn open_cache() -> Option<FeatureCache> {
    let opened = Locations::find()
        .map_err(|error| error.to_string())
        .and_then(|locations| {
            FeatureCache::open(&locations.feature_cache()).map_err(|error| error.to_string())
        });
    let (cache, note) = opened
        .inspect_err(|error| warn(&format!("features are not cached: {error}")))
        .ok()?;
    if let Some(note) = note {
        warn(&note);
    }
    Some(cache)
}

/// How to open a model under the common flags.
pub(super) fn open_options(common: &Common) -> OpenOptions {
    let device = common.device.choice();
    let activation = common.activation.map(ActivationName::choice);
    OpenOptions {
        device,
        precision: common.precision.choice(),
        activation,
    }
}
