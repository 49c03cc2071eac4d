//! The project: what it holds ([`state`]), what can be done to it and undone ([`edit`]), the file that it lives in, and the caches beside it.

mod apply;
mod describe;
pub mod edit;
mod serial;
pub mod state;
mod stored_path;

pub use apply::{apply, apply_recording};
pub use edit::{Edit, EditError, LabelSource, RowChange};
pub use state::{Class, FileStamp, Photo, ProjectState, Role, Settings, View};
