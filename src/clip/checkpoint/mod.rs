//! Checkpoint files: which sizes they have, and their tensors, each checked by name, shape and type.
//!
//! Three dialects are read: Hugging Face's `CLIPModel`, OpenAI's, and OpenCLIP's, which names its tensors as OpenAI does.

mod bytes;
mod config;
mod names;
mod open_clip;
mod random;
mod reader;
mod shapes;

use std::path::PathBuf;

pub use config::Activation;
pub use random::Architecture;

pub(super) use bytes::WeightBytes;
pub(super) use config::{Config, ImageConfig, ResNetConfig, TextConfig, VitConfig};
pub(super) use names::{BlockWeights, Dialect, NormWeights, norm};
pub(super) use random::RandomTensors;
pub(super) use reader::{FileTensors, TensorSource, Unread};

/// A checkpoint and what describes it.
#[derive(Clone, Debug)]
pub struct CheckpointFiles {
    /// The tensors.
    pub weights: WeightsSource,
    /// The description.
    pub config: ConfigSource,
}

/// Where the tensors are.
#[derive(Clone, Debug)]
pub enum WeightsSource {
    /// A safetensors file.
    File(PathBuf),
    /// The same inside the program.
    Bytes(&'static [u8]),
    /// Bytes inside the program whose SHA-256, in hexadecimal, was written down when they were made.
    Hashed {
        /// The file.
        bytes: &'static [u8],
        /// Its hash.
        sha256: &'static str,
    },
}

impl WeightsSource {
    /// The file's path, or a name for what is in the program.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Bytes(_) | Self::Hashed { .. } => PathBuf::from("(embedded model)"),
        }
    }
}

/// The description beside a checkpoint.
#[derive(Clone, Debug, Default)]
pub enum ConfigSource {
    /// A bare file: sizes from the tensors' shapes, the rest assumed and said in [`super::Clip::notes`].
    #[default]
    None,
    /// Hugging Face's two files.
    HuggingFace {
        /// `config.json`
        config: JsonText,
        /// `preprocessor_config.json`; without it OpenAI's mean and std are assumed, and that is said.
        preprocessor: Option<JsonText>,
    },
    /// OpenCLIP's one file.
    OpenClip {
        /// `open_clip_config.json`
        config: JsonText,
    },
}

/// The text of a JSON file.
#[derive(Clone, Debug)]
pub struct JsonText {
    /// What is in it.
    pub text: String,
    /// Where it came from, for error messages.
    pub path: PathBuf,
}
