//! The project: what it holds ([`state`]), what can be done to it and undone ([`edit`], [`history`]), the file that it lives in ([`mod@file`], [`writer`]), and the caches in the user's folders.
//!
//! [`Project`] puts them together for whoever shows a project: every change is applied in memory at once and written behind.

mod apply;
mod cache_file;
mod describe;
pub mod edit;
mod error;
pub mod feature_cache;
pub mod file;
pub mod history;
mod history_rows;
pub mod key_file;
pub mod last;
pub mod locations;
mod lock;
mod open;
mod path_index;
mod rows;
mod schema;
mod serial;
mod stamp;
pub mod state;
mod stored_path;
mod support_members;
pub mod thumbnail_cache;
pub mod writer;

pub use apply::{apply, apply_recording};
pub use edit::{Edit, EditError, LabelSource, RowChange};
pub use error::ProjectError;
pub use feature_cache::{CachedRow, FeatureCache};
pub use file::{Access, OpenedProject, ProjectFile};
pub use history::{Commit, CommitKind, History, Step};
pub use locations::Locations;
pub use open::{Project, Saving};
pub use stamp::stamp;
pub use state::{Class, FileStamp, MethodOptions, Photo, ProjectState, Role, Settings, View};
pub use support_members::LabelLimit;
pub use thumbnail_cache::{ThumbnailCache, ThumbnailKey};
pub use writer::{ProjectWriter, Wake, WriterEvent};
