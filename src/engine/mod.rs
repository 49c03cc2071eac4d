//! Synchronous use cases: open a model, embed photos and texts, make adapted features, evaluate.
//!
//! No threads of its own beyond the decoding pool; [`crate::worker`] puts it behind one.

pub mod adapted;
pub mod adapter_training;
pub mod benchmark_files;
pub mod classifier;
pub mod coop;
pub mod csv;
pub mod demo;
pub mod demo_project;
pub mod embed;
pub mod embed_both;
pub mod evaluate;
pub mod export;
pub mod feature_files;
pub mod import;
pub mod imported;
pub mod learned_text;
pub mod made_up_project;
pub mod map;
pub mod parts;
pub mod prompts;
pub mod queue;
pub mod remote;
pub mod report;
pub mod rows;
pub mod trained_on;
pub mod tune_apart;
pub mod watch;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::clip::{Activation, Clip, ClipError, OpenOptions};
use crate::features::{FeatureError, Matrix};
use crate::methods::MethodError;
use crate::methods::projection::{Cut, IsoClip};
use crate::models::{self, KnownActivation, ModelError};
use crate::progress::Cancelled;
use crate::project::feature_cache::FeatureCache;
use crate::support::SupportError;

use self::remote::{RemoteEncoder, Trainer};

/// What can go wrong in a use case.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The model could not be opened or run.
    #[error(transparent)]
    Clip(#[from] ClipError),
    /// The model could not be found.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A method refused its input.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// Features without a direction.
    #[error(transparent)]
    Feature(#[from] FeatureError),
    /// The task was asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// An adapter that this model cannot have.
    #[error("{0}")]
    Adapter(String),
    /// Something that cannot be trained, or cannot go on.
    #[error("{0}")]
    Training(String),
    /// A project without anything to report on.
    #[error("{0}")]
    Report(String),
    /// A support set that does not fit together.
    #[error(transparent)]
    Support(#[from] SupportError),
    /// A classifier file that cannot be used.
    #[error(transparent)]
    ClassifierFile(#[from] classifier::ClassifierFileError),
    /// A file of prompts that cannot be used.
    #[error("{problem}: {path}", path = path.display())]
    PromptFile {
        /// What is wrong.
        problem: String,
        /// The file.
        path: PathBuf,
    },
    /// A photo folder that cannot be used.
    #[error("{problem}: {path}", path = path.display())]
    Folder {
        /// What is wrong and what to do.
        problem: String,
        /// The folder.
        path: PathBuf,
    },
}

impl From<candle_core::Error> for EngineError {
    fn from(error: candle_core::Error) -> Self {
        Self::Clip(ClipError::Compute(error))
    }
}

/// An open CLIP with what embedding needs around it.
pub struct Engine {
    clip: Clip,
    name: String,
    cache: Option<Arc<Mutex<FeatureCache>>>,
    decoders: rayon::ThreadPool,
    /// Processes that encode in this one's place.
    workers: Mutex<Vec<RemoteEncoder>>,
    /// Where adapters are trained, if not here.
    trainer: Option<Trainer>,
    /// Who is told when one fails, is started again, or is given up.
    say: Box<dyn Fn(String) + Send + Sync>,
    device: String,
}

impl Engine {
    /// Opens a model by name or path, or (`None`) the embedded one.
    pub fn open(
        model: Option<&str>,
        options: &OpenOptions,
        cache: Option<FeatureCache>,
    ) -> Result<Self, EngineError> {
        let resolved = models::resolve(model)?;
        let known = resolved.activation.map(|known| match known {
            KnownActivation::QuickGelu => Activation::QuickGelu,
            KnownActivation::Gelu => Activation::Gelu,
        });
        let options = OpenOptions {
            activation: options.activation.or(known),
            ..*options
        };
        Self::new(Clip::open(&resolved.files, &options)?, resolved.name, cache)
    }

    /// Puts an engine around an open model.
    pub fn new(clip: Clip, name: String, cache: Option<FeatureCache>) -> Result<Self, EngineError> {
        let decoders = rayon::ThreadPoolBuilder::new()
            .num_threads(rayon::current_num_threads().max(1))
            .thread_name(|index| format!("decode {index}"))
            .build()
            .map_err(|error| {
                EngineError::Adapter(format!(
                    "no threads to decode photos with ({error}); close other programs and try again"
                ))
            })?;
        let device = clip.device_description();
        Ok(Self {
            clip,
            name,
            cache: cache.map(|cache| Arc::new(Mutex::new(cache))),
            decoders,
            workers: Mutex::default(),
            trainer: None,
            say: Box::new(|_| ()),
            device,
        })
    }

    /// The model itself.
    pub fn clip(&self) -> &Clip {
        &self.clip
    }

    /// Has other processes encode photos and train adapters, as long as they work; `say` is told when one fails, is started again, or is given up.
    #[must_use]
    pub fn with_workers(
        self,
        workers: Vec<RemoteEncoder>,
        say: Box<dyn Fn(String) + Send + Sync>,
    ) -> Self {
        let devices: Vec<&str> = workers.iter().map(RemoteEncoder::device).collect();
        let device = if devices.is_empty() {
            self.device
        } else {
            devices.join(" + ")
        };
        Self {
            trainer: Trainer::among(&workers, &self.clip),
            workers: Mutex::new(workers),
            say,
            device,
            ..self
        }
    }

    /// Where adapters are trained, if not here, and who is told of its failures.
    fn trainer(&self) -> Option<(&Trainer, &dyn Fn(String))> {
        let say: &dyn Fn(String) = &self.say;
        self.trainer.as_ref().map(|trainer| (trainer, say))
    }

    /// Where photos are encoded, as "CPU (this build has no CUDA)".
    pub fn device_description(&self) -> &str {
        &self.device
    }

    /// The model's name for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What names the model in files of features: its name, ` sha256:` and the hash of its weights.
    pub fn signature(&self) -> String {
        format!("{} sha256:{}", self.name, self.clip.hash())
    }

    /// Features of texts, shape `[num_texts, dim]`, as the projection gives them, and how many texts were cut at 77 tokens.
    pub fn embed_texts(&self, texts: &[String]) -> Result<(Matrix, usize), EngineError> {
        let encoded = self.clip.encode_texts(texts)?;
        Ok((encoded.features, encoded.num_truncated))
    }

    /// IsoCLIP's published numbers for this model, if there are some.
    pub fn published_cut(&self) -> Option<Cut> {
        let (width, num_layers, patch_size) = self.clip.vision_size()?;
        IsoClip::published_cut(width, num_layers, patch_size)
    }
}
