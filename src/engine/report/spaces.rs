//! The kinds of adapted features that a report looks at: the project's adapter, `IsoCLIP`, PCA.

use std::collections::HashSet;

use crate::engine::adapted::{AdaptedEncoder, AdapterSpec, SupportRows};
use crate::engine::evaluate::Split;
use crate::engine::{Engine, EngineError};
use crate::features::Features;
use crate::project::Settings;
use crate::support::SupportSet;

/// One kind of adapted features.
pub(super) struct Space {
    pub(super) title: String,
    /// Of the shots.
    pub(super) keys: Features,
    /// Of the pool.
    pub(super) pool: Features,
    /// Shots that did not train the adapter, where some did.
    pub(super) unseen: Option<Vec<usize>>,
    /// Photos of the pool that did.
    pub(super) pool_seen: HashSet<usize>,
    /// How its numbers were chosen, where they were.
    pub(super) note: Option<String>,
}

/// The project's adapter, before any photo is embedded.
pub(super) struct Wanted {
    spec: Option<AdapterSpec>,
    /// What is in its file, where it is one.
    file: Option<Result<AdaptedEncoder, String>>,
}

/// What came of it and of the adapters that need no training.
pub(super) struct Spaces {
    /// First the one that the report is about.
    pub(super) there: Vec<Space>,
    /// Why that is not the project's.
    pub(super) stand_in: Option<String>,
    /// Those that cannot be had, and why.
    pub(super) unavailable: Vec<(String, String)>,
}

impl Wanted {
    pub(super) fn of(engine: &Engine, settings: &Settings) -> Self {
        let text = settings.adapter.as_deref();
        let spec: Option<AdapterSpec> = text.and_then(|text| text.parse().ok());
        let file = match &spec {
            Some(file @ AdapterSpec::File(_)) => {
                let opened = AdaptedEncoder::without_support(file, None, engine);
                Some(opened.map_err(|error| error.to_string()))
            }
            _ => None,
        };
        Self { spec, file }
    }

    /// What photos are embedded through besides the model itself.
    pub(super) fn file(&self) -> Option<&AdaptedEncoder> {
        self.file.as_ref()?.as_ref().ok()
    }
}

impl Spaces {
    /// Adapted features of `shots` and `pool` in every way that this model has.
    ///
    /// # Errors
    /// When somebody asked to stop; an adapter that cannot be used is one of [`Self::unavailable`].
    pub(super) fn of(
        engine: &Engine,
        wanted: Wanted,
        support: &SupportSet,
        (shots, pool): (&Split, &Split),
    ) -> Result<Self, EngineError> {
        let Wanted { spec, mut file } = wanted;
        let mut specs: Vec<AdapterSpec> = spec.iter().cloned().collect();
        for further in [AdapterSpec::IsoClip(None), AdapterSpec::Pca(None)] {
            if !specs.contains(&further) {
                specs.push(further);
            }
        }
        let mut spaces = Self {
            there: Vec::new(),
            stand_in: spec
                .is_none()
                .then(|| "The project has no adapter".to_owned()),
            unavailable: Vec::new(),
        };
        let rows = SupportRows {
            support,
            hidden: shots.rows.hidden.as_ref(),
        };
        for one in specs {
            let encoder = match file.take() {
                Some(opened) => opened,
                None => reason_apart(AdaptedEncoder::new(&one, None, engine, Some(rows)))?,
            };
            let space = match encoder {
                Ok(encoder) => reason_apart(Space::new(&encoder, shots, pool))?,
                Err(reason) => Err(reason),
            };
            match space {
                Ok(space) => spaces.there.push(space),
                Err(reason) => {
                    if spec.as_ref() == Some(&one) {
                        let said = format!("The project's adapter cannot be used ({reason})");
                        spaces.stand_in = Some(said);
                    }
                    spaces.unavailable.push((name(&one), reason));
                }
            }
        }
        Ok(spaces)
    }
}

impl Space {
    fn new(encoder: &AdaptedEncoder, shots: &Split, pool: &Split) -> Result<Self, EngineError> {
        let trained_on = encoder.trained_on();
        let seen = pool.hashes.iter().enumerate();
        Ok(Self {
            title: encoder.title(),
            keys: shots.rows.adapted(encoder)?,
            pool: pool.rows.adapted(encoder)?,
            unseen: trained_on.rows_unseen(&shots.hashes),
            pool_seen: seen
                .filter(|(_, hash)| trained_on.contains(hash))
                .map(|(row, _)| row)
                .collect(),
            note: encoder.note(),
        })
    }
}

/// Being asked to stop ends the report; anything else is the reason why there is no such thing.
fn reason_apart<T>(made: Result<T, EngineError>) -> Result<Result<T, String>, EngineError> {
    match made {
        Err(EngineError::Cancelled(cancelled)) => Err(cancelled.into()),
        made => Ok(made.map_err(|error| error.to_string())),
    }
}

fn name(spec: &AdapterSpec) -> String {
    match spec {
        AdapterSpec::IsoClip(_) => "IsoCLIP".to_owned(),
        AdapterSpec::Pca(_) => "PCA of words".to_owned(),
        AdapterSpec::File(path) => path.display().to_string(),
    }
}
