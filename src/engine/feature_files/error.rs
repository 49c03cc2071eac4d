//! What can be wrong with a file of features, or a list of photos.

use std::path::{Path, PathBuf};

use crate::features::FeatureError;

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A file or folder that cannot be opened.
    #[error("could not be read ({source}): {path}", path = path.display())]
    Io {
        /// What the system said.
        source: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// A file that is not what it should be.
    #[error("{problem}: {path}", path = path.display())]
    Content {
        /// What is wrong and what to do.
        problem: String,
        /// The file.
        path: PathBuf,
    },
    /// Rows that are no features.
    #[error(transparent)]
    Feature(#[from] FeatureError),
}

impl FileError {
    pub(in crate::engine) fn io(source: std::io::Error, path: &Path) -> Self {
        Self::Io {
            source,
            path: path.to_owned(),
        }
    }

    pub(in crate::engine) fn content(problem: impl Into<String>, path: &Path) -> Self {
        Self::Content {
            problem: problem.into(),
            path: path.to_owned(),
        }
    }
}
