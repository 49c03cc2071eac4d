//! Which checkpoints exist, where they lie, how they are fetched.

mod download;
mod embedded;
mod error;
mod files;
mod known;
pub mod prompts;
pub mod published;
mod store;

pub use download::Hub;
pub use error::ModelError;
pub use files::files_at;
pub use known::{KnownActivation, KnownModel, known_models};
pub use store::{EMBEDDED_NAME, InstalledModel, ModelStore, Origin, Resolved, resolve};
