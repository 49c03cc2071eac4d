//! CLIP in another process: a build with CUDA beside this one, or a machine that is reached by ssh.
//!
//! The other process is `shotlens worker`. It reads requests on its standard input and answers on its standard output, so nothing
//! listens on a port. Photos are read, cropped and remembered here; crops travel there, features come back. A process that
//! crashes, runs out of memory or falls silent is started again with smaller batches, and where that does not help, this
//! process encodes what it still owes.

mod attach;
mod encoder;
mod frame;
mod link;
mod message;
mod pool;
mod serve;
mod serve_training;
mod session;
mod spec;
mod trainer;
mod training_message;

pub use attach::open_with_workers;
pub use encoder::{AdapterFile, Limits, RemoteEncoder};
pub use frame::{FrameError, LARGEST_FRAME, read_frame, write_frame};
pub use link::{Connect, Link};
pub use message::{PROTOCOL, Reply, Request};
pub(super) use pool::{Outcome, Unencoded, encode_on};
pub use serve::serve;
pub use spec::{WorkerSpec, cuda_beside};
pub(super) use trainer::Trainer;
pub use training_message::{
    FigureData, LessonPhoto, News, Order, PlanData, Recipe, TrainingResult,
};

/// Why another process cannot encode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// It cannot be started.
    #[error("{worker} could not be started ({reason})")]
    Start {
        /// Its name.
        worker: String,
        /// What the system said.
        reason: String,
    },
    /// It ended, or closed its output.
    #[error("{worker} ended{}", reason_in_words(.reason))]
    Gone {
        /// Its name.
        worker: String,
        /// The last that it said.
        reason: String,
    },
    /// It does not answer.
    #[error("{worker} has not answered for {seconds} seconds")]
    Silent {
        /// Its name.
        worker: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// What it says is no message of this protocol.
    #[error(
        "{worker} does not speak as a worker of Shotlens does ({reason}); is it the same version?"
    )]
    Babble {
        /// Its name.
        worker: String,
        /// What is wrong.
        reason: String,
    },
    /// It speaks another version of the protocol.
    #[error(
        "{worker} speaks version {theirs} of the protocol and this Shotlens version {ours}: install the same version at both ends"
    )]
    Version {
        /// Its name.
        worker: String,
        /// Its version.
        theirs: u32,
        /// Ours.
        ours: u32,
    },
    /// It has another model under the same name.
    #[error(
        "{worker} has other weights under this model's name; copy the model's file there, or name one that both have"
    )]
    OtherModel {
        /// Its name.
        worker: String,
    },
    /// It says itself why not.
    #[error("{worker}: {reason}")]
    Refused {
        /// Its name.
        worker: String,
        /// Why.
        reason: String,
        /// Whether smaller batches may help.
        is_memory: bool,
    },
}

fn reason_in_words(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(" ({reason})")
    }
}
