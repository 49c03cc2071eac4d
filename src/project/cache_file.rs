//! A SQLite file that may be lost: opened, or put aside and begun anew when it is damaged.
//!
//! Nothing here is fatal. What went wrong is kept as notes for whoever wants to show them; in the worst case the cache lives in memory until the process ends.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

/// What a cache of one kind looks like.
pub(super) struct Layout {
    /// SQLite's `application_id`.
    pub(super) application_id: i32,
    /// Rises with every change of the tables; a file of another version is begun anew.
    pub(super) version: i32,
    /// The tables.
    pub(super) tables: &'static str,
}

/// An open cache.
pub(super) struct CacheFile {
    connection: Connection,
    path: PathBuf,
    layout: &'static Layout,
    notes: Vec<String>,
}

impl CacheFile {
    /// Opens the cache at `path`, making its folder.
    pub(super) fn open(path: &Path, layout: &'static Layout) -> rusqlite::Result<Self> {
        let mut notes = Vec::new();
        if let Some(Err(error)) = path.parent().map(std::fs::create_dir_all) {
            notes.push(format!(
                "cannot make the cache's folder ({error}): {}",
                path.display()
            ));
        }
        let connection = match connect(path, layout) {
            Ok(connection) => connection,
            Err(error) => replacement(path, layout, &error, &mut notes)?,
        };
        Ok(Self {
            connection,
            path: path.to_owned(),
            layout,
            notes,
        })
    }

    /// What went wrong since the last call.
    pub(super) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Runs `work`; when the file turns out to be damaged it is begun anew, and `None` is the answer, as for any other trouble.
    pub(super) fn attempt<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Option<T> {
        match work(&mut self.connection) {
            Ok(value) => Some(value),
            Err(error) => {
                self.recover(&error);
                None
            }
        }
    }

    fn recover(&mut self, error: &rusqlite::Error) {
        if !is_damage(error) {
            self.note(format!(
                "the cache did not answer ({error}): {}",
                self.path.display()
            ));
            return;
        }
        // Closed first: Windows renames no open file.
        match Connection::open_in_memory() {
            Ok(memory) => self.connection = memory,
            Err(error) => self.note(error.to_string()),
        }
        match replacement(&self.path, self.layout, error, &mut self.notes) {
            Ok(connection) => self.connection = connection,
            Err(error) => self.note(error.to_string()),
        }
    }

    fn note(&mut self, note: String) {
        // A full disk says the same for every photo.
        if self.notes.last() != Some(&note) {
            self.notes.push(note);
        }
    }
}

/// Opens the file and checks that it is ours, whole enough to be asked.
fn connect(path: &Path, layout: &Layout) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    // Another process may be writing a batch.
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(32);
    let pragma = |connection: &Connection, name| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0))
    };
    if pragma(&connection, "page_count")? == 0 {
        // Rows are 3 to 6 KiB: larger pages waste less of each.
        connection.pragma_update(None, "page_size", 16_384)?;
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    }
    // A cache that loses its last rows in a power cut has lost nothing; in this mode it cannot be damaged by one.
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "cache_size", -65_536)?;

    // One process makes the tables, another that starts at the same time finds them.
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found = (
        pragma(&transaction, "application_id")?,
        pragma(&transaction, "user_version")?,
    );
    if found == (0, 0) && num_tables(&transaction)? == 0 {
        transaction.execute_batch(layout.tables)?;
        transaction.pragma_update(None, "application_id", layout.application_id)?;
        transaction.pragma_update(None, "user_version", layout.version)?;
    } else if found != (layout.application_id, layout.version) {
        return Err(foreign());
    }
    transaction.commit()?;
    Ok(connection)
}

fn num_tables(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))
}

/// A file of another version or program counts as damaged: it is put aside, not overwritten.
fn foreign() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB);
    rusqlite::Error::SqliteFailure(code, Some("made by another version".to_owned()))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// Puts the file aside and begins anew; in memory, when even that fails.
fn replacement(
    path: &Path,
    layout: &Layout,
    error: &rusqlite::Error,
    notes: &mut Vec<String>,
) -> rusqlite::Result<Connection> {
    if is_damage(error) {
        match put_aside(path) {
            Ok(aside) => {
                notes.push(format!(
                    "the cache was damaged ({error}) and is built again; the old one is kept: {}",
                    aside.display()
                ));
                match connect(path, layout) {
                    Ok(connection) => return Ok(connection),
                    Err(error) => notes.push(error.to_string()),
                }
            }
            Err(error) => notes.push(format!("cannot rename the damaged cache ({error})")),
        }
    }
    notes.push(format!(
        "the cache cannot be used ({error}); what is computed now is forgotten at the end: {}",
        path.display()
    ));
    let memory = Connection::open_in_memory()?;
    memory.execute_batch(layout.tables)?;
    Ok(memory)
}

/// One old file is kept, so that damage cannot fill the disk.
fn put_aside(path: &Path) -> std::io::Result<PathBuf> {
    let with_suffix = |suffix: &str| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(suffix);
        path.with_file_name(name)
    };
    let aside = with_suffix(".damaged");
    std::fs::rename(path, &aside)?;
    for log in ["-wal", "-shm"] {
        // Left where it is, the old log would be taken for the new file's.
        match std::fs::remove_file(with_suffix(log)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
    }
    Ok(aside)
}
