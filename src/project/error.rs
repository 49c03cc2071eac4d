//! What can go wrong with a project file.

use std::path::{Path, PathBuf};

use crate::project::edit::EditError;

/// A project file that could not be made, opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// There is a file of that name.
    #[error("there is already a file of that name; open it, or choose another name: {}", .path.display())]
    AlreadyExists {
        /// The file.
        path: PathBuf,
    },
    /// There is no such file.
    #[error("the project file is not there; was it moved or renamed? {}", .path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("not a Shotlens project, or damaged beyond recognition: {}", .path.display())]
    NotAProject {
        /// The file.
        path: PathBuf,
    },
    /// The file was damaged outside Shotlens; it is left as it is.
    #[error("the project file is damaged ({what}); nothing was written to it. Restore it from a backup: {}", .path.display())]
    Damaged {
        /// What is wrong with it.
        what: String,
        /// The file.
        path: PathBuf,
    },
    /// The schema is newer than this program.
    #[error("made by a newer Shotlens (file version {found}, this program knows {known}); update Shotlens to open it: {}", .path.display())]
    NewerVersion {
        /// The file's schema version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
        /// The file.
        path: PathBuf,
    },
    /// The project can be looked at, not changed.
    #[error("the project is open for reading only: {reason}: {}", .path.display())]
    ReadOnly {
        /// Why.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {doing} ({source}): {}", .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// There is no room for what is to be written.
    #[error("cannot {doing} the project file: the disk is full. Free some space; nothing that was saved is lost, and while the project is open the rest is tried again every second: {}", .path.display())]
    DiskFull {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The disk or the network folder does not answer, or protects the file.
    #[error("cannot {doing} the project file ({source}). Check that its disk or network folder is there and may be written to; nothing that was saved is lost, and while the project is open the rest is tried again every second: {}", .path.display())]
    NoAnswer {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: rusqlite::Error,
        /// The file.
        path: PathBuf,
    },
    /// SQLite refused.
    #[error("cannot {doing} the project file ({source}): {}", .path.display())]
    Sqlite {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: rusqlite::Error,
        /// The file.
        path: PathBuf,
    },
    /// The edit does not fit the project.
    #[error(transparent)]
    Edit(#[from] EditError),
}

impl ProjectError {
    /// Sorts an error of SQLite: a damaged file, a foreign one, or anything else.
    pub(super) fn sqlite(doing: &'static str, source: rusqlite::Error, path: &Path) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseCorrupt, DiskFull, NotADatabase, ReadOnly, SystemIoFailure,
        };
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(NotADatabase) => Self::NotAProject { path },
            Some(DiskFull) => Self::DiskFull { doing, path },
            Some(CannotOpen | ReadOnly | SystemIoFailure) => Self::NoAnswer {
                doing,
                source,
                path,
            },
            Some(DatabaseCorrupt) => Self::Damaged {
                what: source.to_string(),
                path,
            },
            _ if is_unreadable_value(&source) => Self::Damaged {
                what: source.to_string(),
                path,
            },
            _ => Self::Sqlite {
                doing,
                source,
                path,
            },
        }
    }
}

/// Whether a row held something that this program never writes.
fn is_unreadable_value(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    matches!(
        error,
        FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..)
    )
}
