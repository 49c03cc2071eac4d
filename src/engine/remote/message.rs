//! What is said between the two processes.

use serde::{Deserialize, Serialize};

use super::training_message::{LessonPhoto, News, Order, TrainingResult};

/// The version of everything in this file: raised with every change, since both ends must agree to the byte.
pub const PROTOCOL: u32 = 2;

/// What the window's process asks for. A [`Request::Hello`] comes first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Who is there?
    Hello {
        /// The asker's version.
        protocol: u32,
    },
    /// Open a model, in the place of the one before.
    Open {
        /// A known name or a path there; `None` is the embedded one.
        model: Option<String>,
        /// `auto`, `cpu`, `cuda` or `metal`.
        device: String,
        /// `f32`, `bf16` or `f16`: what the asker's own layers multiply, so that features of both ends may mix; or `auto`, where
        /// the asker takes features of f32 and of f16 beside each other.
        precision: String,
        /// `quick-gelu` or `gelu`, instead of what the checkpoint says.
        activation: Option<String>,
    },
    /// Take in an adapter file, for [`Request::Encode`] to name.
    Adapter {
        /// The name that requests use.
        id: String,
        /// The file's bytes.
        file: Vec<u8>,
        /// The scale, where the file is not to decide.
        scale: Option<f64>,
    },
    /// Encode crops.
    Encode {
        /// Comes back with the answer.
        id: u64,
        /// Side of every crop in pixels.
        size: u32,
        /// Red, green, blue, row by row, crop after crop.
        pixels: Vec<u8>,
        /// An adapter that was taken in.
        adapter: Option<String>,
    },
    /// Keep photos for the next [`Request::Train`]; those of some messages in a row, so that none is too long.
    Learn {
        /// In order.
        photos: Vec<LessonPhoto>,
    },
    /// Train an adapter on the photos that were kept.
    Train(Box<Order>),
    /// Answers to requests up to this one are not wanted any more.
    Cancel {
        /// Of the last.
        id: u64,
    },
}

/// What the worker answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// To a hello.
    Hello {
        /// Its version.
        protocol: u32,
        /// As "0.1.0".
        program: String,
    },
    /// The model is open.
    Opened {
        /// Names weights and activation: features of different ones do not mix.
        space: String,
        /// As "CUDA 0".
        device: String,
    },
    /// The adapter is there.
    Adapted {
        /// Of the request.
        id: String,
    },
    /// Crops are encoded.
    Encoded {
        /// Of the request.
        id: u64,
        /// Numbers in a row of `features`.
        dim: u32,
        /// As the projection gives them, crop after crop.
        features: Vec<f32>,
        /// Numbers in a row of `hidden`; 0 where the model has none.
        width: u32,
        /// Before the projection.
        hidden: Vec<f32>,
    },
    /// Photos to learn from are kept.
    Kept {
        /// How many there are now.
        count: u64,
    },
    /// How a training goes; many come before its end.
    News {
        /// Of the request.
        id: u64,
        /// What is new.
        news: Box<News>,
    },
    /// A training is over.
    Trained {
        /// Of the request.
        id: u64,
        /// What came of it.
        result: Box<TrainingResult>,
    },
    /// A training came to nothing, and would anywhere.
    Untrainable {
        /// Of the request.
        id: u64,
        /// Why, as a sentence.
        reason: String,
    },
    /// Something did not work.
    Failed {
        /// Of the request to encode or to train, where it was one.
        id: Option<u64>,
        /// Why, as a sentence.
        reason: String,
        /// Whether smaller batches may help.
        is_memory: bool,
    },
    /// Nothing came of a cancelled request.
    Cancelled {
        /// Of the request.
        id: u64,
    },
}
