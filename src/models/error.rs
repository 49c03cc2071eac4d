//! What can go wrong with a model before it is opened.

use std::io;
use std::path::PathBuf;

/// Why a model could not be found, fetched or put away.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A name of the table whose files are not here yet.
    #[error("the model {name} is not on this computer yet; run `shotlens model add {name}` (about {} MB from {repository}, licence: {licence})", approximate_bytes / 1_000_000)]
    NotDownloaded {
        /// Its name.
        name: String,
        /// Where it comes from.
        repository: String,
        /// As its publisher states it.
        licence: String,
        /// About how large it is.
        approximate_bytes: u64,
    },
    /// Neither a file nor a name.
    #[error("there is no model {name:?}: no file or folder has that name, and the known models are {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// Names that would do.
        known: Vec<String>,
    },
    /// The program was built without the embedded model.
    #[error(
        "this build has no embedded model; name one with --model, or build with the feature embedded-assets"
    )]
    NoEmbeddedModel,
    /// A path that leads nowhere.
    #[error("there is no such model file or folder; check the path: {}", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// A file that can run code when it is opened.
    #[error("this is a pickled checkpoint, which can run any code when it is opened, so only .safetensors files are; many publishers offer one beside it, and `safetensors.torch.save_file(torch.load(FILE, weights_only=True), \"model.safetensors\")` converts: {}", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
    },
    /// A file of some other kind.
    #[error("this is no .safetensors file; give one, or a folder with config.json or open_clip_config.json: {}", path.display())]
    UnknownFile {
        /// The file.
        path: PathBuf,
    },
    /// A folder without a checkpoint.
    #[error("the folder holds no model: it needs model.safetensors with config.json, or open_clip_model.safetensors with open_clip_config.json, or one .safetensors file alone: {}", path.display())]
    NoCheckpoint {
        /// The folder.
        path: PathBuf,
    },
    /// A name that cannot be a folder's.
    #[error(
        "{name:?} cannot be a model's name; use letters, digits, `-`, `_`, `.` or `@`, beginning with a letter or digit"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// The name is taken.
    #[error("there is already a model {name}; remove it first with `shotlens model remove {name}`, or choose another name: {}", path.display())]
    Exists {
        /// The name.
        name: String,
        /// Where it lies.
        path: PathBuf,
    },
    /// Nothing of that name was ever added.
    #[error("no model {name} was added, so there is nothing to remove; see `shotlens model list`")]
    NotInstalled {
        /// The name.
        name: String,
    },
    /// No folder for the user's data is known.
    #[error("no folder for models is known on this system; set SHOTLENS_HOME to one")]
    NoHome,
    /// The file system said no.
    #[error("could not {action} ({source}); check free space and permissions: {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// What the file system said.
        source: io::Error,
        /// To which file.
        path: PathBuf,
    },
    /// The hub could not be reached or refused.
    #[error(
        "could not download ({message}); check the connection, or download the file elsewhere and add it with `shotlens model add FILE NAME`: {url}"
    )]
    Download {
        /// What the connection said.
        message: String,
        /// What was asked for.
        url: String,
    },
    /// The file that came is not the one that the hub describes.
    #[error(
        "the downloaded file has SHA-256 {got}, but the hub states {expected}; it was deleted, try again: {url}"
    )]
    WrongHash {
        /// Of what came.
        got: String,
        /// Of what was promised.
        expected: String,
        /// Where it came from.
        url: String,
    },
    /// The user stopped it.
    #[error("the download was cancelled; what had arrived is kept and will be continued")]
    Cancelled,
}

impl ModelError {
    /// For `map_err` on file operations.
    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            source,
            path,
        }
    }
}
