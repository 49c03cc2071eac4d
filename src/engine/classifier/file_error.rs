//! What can be wrong with a classifier file, and what to do about it.

use std::path::PathBuf;

/// A classifier file that cannot be written, read or used.
#[derive(Debug, thiserror::Error)]
pub enum ClassifierFileError {
    /// It cannot be read or written.
    #[error("the classifier could not be {doing} ({source}): {path}", path = path.display())]
    Io {
        /// "read" or "written".
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// It is something else, or damaged.
    #[error("this is no classifier file ({problem}); `shotlens export PROJECT --format classifier --out FILE` writes one: {path}", path = path.display())]
    NotAClassifier {
        /// What is missing or wrong.
        problem: String,
        /// The file.
        path: PathBuf,
    },
    /// A later program wrote it.
    #[error("this classifier file has version {found}, and this Shotlens reads up to {known}; install a newer Shotlens: {path}", path = path.display())]
    NewerVersion {
        /// Its version.
        found: u32,
        /// The newest that is known.
        known: u32,
        /// The file.
        path: PathBuf,
    },
    /// Features of different models have nothing to do with each other.
    #[error("this classifier was made with the model {theirs}, and the model in use is {ours}: their features cannot be compared. Name the right one with --model {remedy}: {path}", path = path.display())]
    OtherModel {
        /// The file's model.
        theirs: String,
        /// The model in use.
        ours: String,
        /// What to give `--model`.
        remedy: String,
        /// The file.
        path: PathBuf,
    },
    /// The same weights, but photos cut and scaled in another way.
    #[error("this classifier was made with photos prepared as {theirs}, and the model in use prepares them as {ours}; open the model with the configuration that it was made with: {path}", path = path.display())]
    OtherPreprocess {
        /// The file's.
        theirs: String,
        /// The model's.
        ours: String,
        /// The file.
        path: PathBuf,
    },
    /// The adapter file that it names is another one now.
    #[error("this classifier needs the adapter {theirs}, and the file there is {ours}; put the right one back: {path}", path = path.display())]
    OtherAdapter {
        /// The id that it was made with.
        theirs: String,
        /// The id found.
        ours: String,
        /// The adapter file.
        path: PathBuf,
    },
}
