//! Photos out: tables of labels and predictions, and folders of photos as other programs read them.

mod features;
mod formats;
pub mod label_cell;
mod parquet;
pub mod photos;
mod place;
mod staged;
pub mod table;

use std::path::PathBuf;

pub use formats::{Format, Options, Written};
pub use photos::{ExportPhoto, Exportable};
pub use place::Link;
pub use staged::{StagedFile, StagedFolder};
pub use table::{Row, TableWriter};

/// What keeps photos from being written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is something already.
    #[error("there is something at {path} already; name another place, or replace it with --force", path = path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// Something could not be written.
    #[error("could not be written ({source}); check that there is room and that you may write there: {path}", path = path.display())]
    Io {
        /// What the system said.
        source: std::io::Error,
        /// What was to be written.
        path: PathBuf,
    },
    /// Nothing is left to write.
    #[error("{0}")]
    Nothing(String),
    /// The photos could not be predicted.
    #[error(transparent)]
    Engine(#[from] super::EngineError),
    /// The classifier could not be written.
    #[error(transparent)]
    Classifier(#[from] super::classifier::ClassifierFileError),
}

impl ExportError {
    /// An error of the file system at `path`.
    pub(crate) fn io(source: impl Into<std::io::Error>, path: impl Into<PathBuf>) -> Self {
        Self::Io {
            source: source.into(),
            path: path.into(),
        }
    }
}
