//! The project file `NAME.shotlens`: one SQLite database, every edit one transaction.
//!
//! Journal: write-ahead, `synchronous = FULL`. A commit is in the file's log before it is called saved, and on the disk itself, so neither `kill -9` nor a power cut takes it back; the cost, one flush for each commit, is paid on the writer's thread, where waiting commits share one (see [`super::writer`]). When the project is at rest the log is folded back, so that a copy of the one file is the whole project.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::ids::PhotoId;
use crate::project::edit::RowChange;
use crate::project::error::ProjectError;
use crate::project::history::{Commit, CommitKind, History, Step, Wanted};
use crate::project::history_rows::{read_history, read_steps, write_history};
use crate::project::lock::{ProjectLock, Unlocked};
use crate::project::rows::{
    Occasion, raise_meta, read_label_sources, read_state, write_change, write_files, write_view,
};
use crate::project::schema;
use crate::project::state::{FileStamp, ProjectState, View};

/// Whether a project can be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// It can.
    Writable,
    /// It can be looked at only.
    ReadOnly {
        /// Why, as part of a sentence: "another Shotlens has it open (process 4711)".
        reason: String,
    },
}

/// An open project file.
#[derive(Debug)]
pub struct ProjectFile {
    connection: Connection,
    path: PathBuf,
    base: PathBuf,
    access: Access,
    // After the connection: it is let go of when the file is closed.
    #[expect(dead_code, reason = "held until it is dropped")]
    lock: Option<ProjectLock>,
}

/// A project file with what it held when it was opened.
#[derive(Debug)]
pub struct OpenedProject {
    /// The file.
    pub file: ProjectFile,
    /// Classes, photos, settings, view.
    pub state: ProjectState,
    /// The steps around the present.
    pub history: History,
}

/// Something to write that belongs to no step of the history, or to one.
#[derive(Clone, Debug)]
pub(super) enum Write {
    /// A step, done or undone.
    Commit(Box<Commit>),
    /// The view.
    View(Box<View>),
    /// How files were found on disk.
    Files(Vec<(PhotoId, FileStamp)>),
}

impl Write {
    /// The number of the step, for one.
    pub(super) fn seq(&self) -> Option<u64> {
        match self {
            Self::Commit(commit) => Some(commit.kind.seq()),
            Self::View(_) | Self::Files(_) => None,
        }
    }
}

impl ProjectFile {
    /// Makes a new project at `path` with the content of `state` and no history. Never overwrites.
    pub fn create(path: &Path, state: &ProjectState) -> Result<Self, ProjectError> {
        let path = absolute(path)?;
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(_) => (),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(ProjectError::AlreadyExists { path });
            }
            Err(source) => {
                return Err(ProjectError::Io {
                    doing: "make the project file",
                    source,
                    path,
                });
            }
        }
        let made = Self::fill(path.clone(), state);
        if made.is_err() {
            // Half a project is none, and would be in the way of the next try. It may not even be possible to remove it.
            std::fs::remove_file(&path).ok();
        }
        made
    }

    fn fill(path: PathBuf, state: &ProjectState) -> Result<Self, ProjectError> {
        let mut file = Self::open_file(path)?;
        file.require_writable()?;
        file.write_all(state)
            .map_err(|error| file.sqlite("write", error))?;
        Ok(file)
    }

    /// Opens the project at `path`: for writing, or for reading only when another process has it or the file is protected ([`Self::access`]).
    pub fn open(path: &Path) -> Result<OpenedProject, ProjectError> {
        let path = absolute(path)?;
        if !path.is_file() {
            return Err(ProjectError::NotFound { path });
        }
        let file = Self::open_file(path)?;
        let state = read_state(&file.connection, &file.base).map_err(|e| file.sqlite("read", e))?;
        let history =
            read_history(&file.connection, &file.base).map_err(|e| file.sqlite("read", e))?;
        Ok(OpenedProject {
            file,
            state,
            history,
        })
    }

    /// What the project at `path` holds, without a lock and without a write: whoever has it open is not disturbed, and
    /// nothing is left beside the file.
    pub fn look(path: &Path) -> Result<ProjectState, ProjectError> {
        let file = Self::open_to_look(path)?;
        read_state(&file.connection, &file.base).map_err(|error| file.sqlite("read", error))
    }

    /// [`Self::label_sources`] of the project at `path`, in the same way.
    pub fn look_who_labelled(path: &Path) -> Result<HashMap<PhotoId, String>, ProjectError> {
        Self::open_to_look(path)?.label_sources()
    }

    fn open_to_look(path: &Path) -> Result<Self, ProjectError> {
        let path = absolute(path)?;
        if !path.is_file() {
            return Err(ProjectError::NotFound { path });
        }
        let connection =
            connect_to_look(&path).map_err(|error| ProjectError::sqlite("open", error, &path))?;
        let file = Self {
            connection,
            base: path.parent().unwrap_or(Path::new("")).to_owned(),
            path,
            access: read_only("it is only looked at"),
            lock: None,
        };
        file.check()?;
        let num_pages = file
            .num_pages()
            .map_err(|error| file.sqlite("read", error))?;
        if num_pages == 0 {
            return Err(ProjectError::NotAProject { path: file.path });
        }
        Ok(file)
    }

    /// The absolute path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it can be changed.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Writes a step with its rows, in one transaction.
    pub fn commit(&mut self, commit: Commit) -> Result<(), ProjectError> {
        self.write(&[Write::Commit(Box::new(commit))])
    }

    /// Writes all or nothing, in one transaction.
    pub(super) fn write(&mut self, writes: &[Write]) -> Result<(), ProjectError> {
        self.require_writable()?;
        self.write_rows(writes)
            .map_err(|error| self.sqlite("write", error))
    }

    /// Reads steps of the history, oldest first.
    pub(super) fn steps(&self, wanted: Wanted) -> Result<Vec<Step>, ProjectError> {
        read_steps(&self.connection, &self.base, wanted).map_err(|error| self.sqlite("read", error))
    }

    /// Who gave each labelled photo its label, as [`super::LabelSource::name`] has it; what undo and redo did is a person's doing.
    pub fn label_sources(&self) -> Result<HashMap<PhotoId, String>, ProjectError> {
        read_label_sources(&self.connection).map_err(|error| self.sqlite("read", error))
    }

    /// Folds the write-ahead log into the file, so that a copy of the file is the whole project; `false`: not now, somebody is reading.
    pub(super) fn fold_log(&self) -> Result<bool, ProjectError> {
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| {
                row.get::<_, i64>(0)
            })
            .map(|busy| busy == 0)
            .map_err(|error| self.sqlite("tidy", error))
    }

    fn open_file(path: PathBuf) -> Result<Self, ProjectError> {
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        let (lock, access) = match ProjectLock::take(&path) {
            Ok(lock) => (Some(lock), Access::Writable),
            Err(Unlocked::Held(holder)) => (
                None,
                read_only(&format!("another Shotlens has it open ({holder})")),
            ),
            Err(Unlocked::Unavailable(error)) => (
                None,
                read_only(&format!("it cannot be locked for writing ({error})")),
            ),
        };
        let as_error = |error| ProjectError::sqlite("open", error, &path);
        let connection = connect(&path, lock.is_some()).map_err(as_error)?;
        let is_protected = connection.is_readonly("main").map_err(as_error)?;
        let (lock, access) = match access {
            Access::Writable if is_protected => (None, read_only("the file is write-protected")),
            access => (lock, access),
        };
        let mut file = Self {
            connection,
            path,
            base,
            access,
            lock,
        };
        file.check()?;
        if file.access == Access::Writable {
            file.prepare_for_writing()?;
        }
        Ok(file)
    }

    /// Refuses what is foreign, too new or damaged, before anything is written.
    fn check(&self) -> Result<(), ProjectError> {
        let path = self.path.clone();
        // All through SQLite: another handle on the file, when closed, would drop SQLite's locks on Unix.
        let (application, version) = self
            .identity()
            .map_err(|error| self.sqlite("read", error))?;
        // A file without any page is a project whose making was interrupted.
        let is_empty = self
            .num_pages()
            .map_err(|error| self.sqlite("read", error))?
            == 0;
        if application != schema::APPLICATION_ID && !is_empty {
            return Err(ProjectError::NotAProject { path });
        }
        if version > schema::VERSION {
            return Err(ProjectError::NewerVersion {
                found: version,
                known: schema::VERSION,
                path,
            });
        }
        let found: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", (), |row| row.get(0))
            .map_err(|error| self.sqlite("check", error))?;
        if found == "ok" {
            Ok(())
        } else {
            Err(ProjectError::Damaged { what: found, path })
        }
    }

    fn identity(&self) -> rusqlite::Result<(i32, i64)> {
        let application = self
            .connection
            .pragma_query_value(None, "application_id", |row| row.get(0))?;
        Ok((application, schema::version(&self.connection)?))
    }

    fn num_pages(&self) -> rusqlite::Result<i64> {
        self.connection
            .pragma_query_value(None, "page_count", |row| row.get(0))
    }

    /// Brings the file to the present version and sets the journal.
    fn prepare_for_writing(&mut self) -> Result<(), ProjectError> {
        self.migrate()
            .map_err(|error| self.sqlite("update", error))?;
        // Only now: with the header and the tables in the file itself, even a copy without its log is known for what it is.
        self.connection
            .pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))
            .and_then(|()| self.connection.pragma_update(None, "synchronous", "full"))
            .and_then(|()| keep_log_on_close(&self.connection, false))
            .map_err(|error| self.sqlite("open", error))
    }

    fn migrate(&mut self) -> rusqlite::Result<()> {
        let found = schema::version(&self.connection)?;
        if found == schema::VERSION {
            return Ok(());
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        schema::migrate(&transaction, found)?;
        transaction.commit()
    }

    fn write_all(&mut self, state: &ProjectState) -> rusqlite::Result<()> {
        let occasion = Occasion {
            at_ms: 0,
            reason: None,
        };
        let transaction = self.connection.transaction()?;
        for change in whole(state) {
            write_change(&transaction, &change, &self.base, occasion)?;
        }
        write_view(&transaction, state.view())?;
        let (next_class, next_photo) = state.next_ids();
        raise_meta(&transaction, "next_class", next_class.0)?;
        raise_meta(&transaction, "next_photo", next_photo.0)?;
        transaction.commit()
    }

    fn write_rows(&mut self, writes: &[Write]) -> rusqlite::Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for write in writes {
            match write {
                Write::Commit(commit) => write_commit(&transaction, &self.base, commit)?,
                Write::View(view) => write_view(&transaction, view)?,
                Write::Files(files) => write_files(&transaction, files)?,
            }
        }
        transaction.commit()
    }

    fn require_writable(&self) -> Result<(), ProjectError> {
        match &self.access {
            Access::Writable => Ok(()),
            Access::ReadOnly { reason } => Err(ProjectError::ReadOnly {
                reason: reason.clone(),
                path: self.path.clone(),
            }),
        }
    }

    fn sqlite(&self, doing: &'static str, source: rusqlite::Error) -> ProjectError {
        ProjectError::sqlite(doing, source, &self.path)
    }
}

/// Everything in the state, as rows to write.
fn whole(state: &ProjectState) -> Vec<RowChange> {
    let classes = state.classes().iter().cloned().map(RowChange::PutClass);
    let photos = RowChange::InsertPhotos(state.photos().to_vec());
    let settings = RowChange::PutSettings(state.settings().clone());
    classes.chain([photos, settings]).collect()
}

fn write_commit(connection: &Connection, base: &Path, commit: &Commit) -> rusqlite::Result<()> {
    let reason = match commit.kind {
        CommitKind::New(_) | CommitKind::Continue(_) => None,
        CommitKind::Undo(_) => Some("undo"),
        CommitKind::Redo(_) => Some("redo"),
    };
    let occasion = Occasion {
        at_ms: commit.at_ms,
        reason,
    };
    for change in &commit.changes {
        write_change(connection, change, base, occasion)?;
    }
    write_history(connection, base, &commit.kind)
}

fn absolute(path: &Path) -> Result<PathBuf, ProjectError> {
    std::path::absolute(path).map_err(|source| ProjectError::Io {
        doing: "find the project file",
        source,
        path: path.to_owned(),
    })
}

fn read_only(reason: &str) -> Access {
    Access::ReadOnly {
        reason: reason.to_owned(),
    }
}

/// Connects without any way to change the file yet: not even a log left by a crash is folded in before the file was checked.
fn connect(path: &Path, is_locked: bool) -> rusqlite::Result<Connection> {
    if is_locked {
        let connection = open_connection(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        keep_log_on_close(&connection, true)?;
        return Ok(connection);
    }
    let connection = open_connection(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    match schema::version(&connection) {
        // In a folder that cannot be written, SQLite has no place for the index of a write-ahead log; there is no log either.
        Err(error)
            if matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)
            ) =>
        {
            open_connection(
                &immutable_uri(path),
                OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
            )
        }
        _ => Ok(connection),
    }
}

/// Connects for reading one moment. Without a log beside it nobody is writing, and SQLite need not make one to read.
fn connect_to_look(path: &Path) -> rusqlite::Result<Connection> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if Path::new(&log).exists() {
        return connect(path, false);
    }
    open_connection(
        &immutable_uri(path),
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
    )
}

fn keep_log_on_close(connection: &Connection, keep: bool) -> rusqlite::Result<()> {
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep)
        .map(drop)
}

fn open_connection(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(1))?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn immutable_uri(path: &Path) -> PathBuf {
    let text = path.to_string_lossy().replace('\\', "/");
    let escaped = text
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    PathBuf::from(format!(
        "file:///{}?immutable=1",
        escaped.trim_start_matches('/')
    ))
}
