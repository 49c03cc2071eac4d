//! Photos that arrive in a folder, each handed over once it has stopped growing; and a table that grows with them.
//!
//! The folder is looked through again and again instead of asking the system for changes: that also works on network drives,
//! and whether a file still grows can only be seen by looking twice.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use super::csv;
use super::export::table::COLUMNS;
use super::export::{ExportError, Row, TableWriter};
use crate::image_io::{ListError, list_photos};
use crate::project::{FileStamp, stamp};

/// What has arrived in a folder and what is still on its way.
pub struct Arrivals {
    folder: PathBuf,
    done: HashSet<String>,
    /// Photos as they looked the last time.
    growing: HashMap<String, FileStamp>,
    /// Photos that could not be read, as they looked then; they count again once they change.
    unreadable: HashMap<String, FileStamp>,
}

impl Arrivals {
    /// Of `folder`, but for the photos named in `done`, relative with `/`.
    pub fn new(folder: &Path, done: HashSet<String>) -> Self {
        Self {
            folder: folder.to_owned(),
            done,
            growing: HashMap::new(),
            unreadable: HashMap::new(),
        }
    }

    /// Names of new photos that look as they did at the last look, in the order of their bytes.
    pub fn look(&mut self) -> Result<Vec<String>, ListError> {
        let (mut ready, mut growing) = (Vec::new(), HashMap::new());
        for photo in list_photos(&self.folder)? {
            let name = photo.to_string_lossy().into_owned();
            if self.done.contains(&name) {
                continue;
            }
            let now = stamp(&self.folder.join(&photo));
            if self.unreadable.get(&name) == Some(&now) {
                continue;
            }
            if self.growing.get(&name) == Some(&now) && now.size > 0 {
                ready.push(name);
            } else {
                growing.insert(name, now);
            }
        }
        self.growing = growing;
        Ok(ready)
    }

    /// A photo is in the table.
    pub fn mark_done(&mut self, name: &str) {
        self.done.insert(name.to_owned());
    }

    /// A photo cannot be read as it is now.
    pub fn mark_unreadable(&mut self, name: &str) {
        let now = stamp(&self.folder.join(name));
        self.unreadable.insert(name.to_owned(), now);
    }
}

/// A table that rows are appended to, each batch on the disk before it counts.
pub struct GrowingTable {
    writer: TableWriter<Vec<u8>>,
    file: File,
    path: PathBuf,
}

impl GrowingTable {
    /// Opens or begins a table; the photos that it has come second. A last line that was cut short is dropped.
    pub fn open(path: &Path) -> Result<(Self, HashSet<String>), ExportError> {
        let io = |error| ExportError::io(error, path);
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io(error)),
        };
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let text = String::from_utf8_lossy(&bytes[..whole]).into_owned();
        let mut lines = csv::lines(&text).into_iter();
        if lines.next().is_some_and(|header| header.cells != COLUMNS) {
            let problem = "it is a table of something else; name another file with --out";
            return Err(io(std::io::Error::other(problem)));
        }
        let done = lines
            .filter_map(|line| line.cells.into_iter().next())
            .collect();
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(path).map_err(io)?;
        file.set_len(whole as u64).map_err(io)?;
        let writer = match whole {
            0 => TableWriter::new(Vec::new()).map_err(io)?,
            _ => TableWriter::without_header(Vec::new()),
        };
        let table = Self {
            writer,
            file,
            path: path.to_owned(),
        };
        Ok((table, done))
    }

    /// Adds rows; once this returns they are on the disk.
    pub fn append(&mut self, rows: &[Row]) -> Result<(), ExportError> {
        let io = |error| ExportError::io(error, &self.path);
        for row in rows {
            self.writer.write(row).map_err(io)?;
        }
        let next = TableWriter::without_header(Vec::new());
        let bytes = std::mem::replace(&mut self.writer, next).into_inner();
        std::io::Write::write_all(&mut self.file, &bytes).map_err(io)?;
        self.file.sync_data().map_err(io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_is_ready_once_it_looks_the_same_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        let mut arrivals = Arrivals::new(folder.path(), HashSet::from(["old.jpg".to_owned()]));
        std::fs::write(folder.path().join("old.jpg"), "old").unwrap();
        std::fs::write(&path, "half").unwrap();
        assert!(arrivals.look().unwrap().is_empty());
        std::fs::write(&path, "half and half").unwrap();
        assert!(arrivals.look().unwrap().is_empty(), "it has grown");
        assert_eq!(arrivals.look().unwrap(), ["a.jpg"]);
        arrivals.mark_unreadable("a.jpg");
        assert!(arrivals.look().unwrap().is_empty(), "not again as it is");
        std::fs::write(&path, "another picture").unwrap();
        arrivals.look().unwrap();
        assert_eq!(arrivals.look().unwrap(), ["a.jpg"]);
        arrivals.mark_done("a.jpg");
        arrivals.look().unwrap();
        assert!(arrivals.look().unwrap().is_empty());
    }

    #[test]
    fn a_table_goes_on_where_it_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        let row = |path: &str| Row {
            path: path.to_owned(),
            ..Row::default()
        };
        let (mut table, done) = GrowingTable::open(&path).unwrap();
        assert!(done.is_empty());
        table.append(&[row("a.jpg"), row("b.jpg")]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        let (mut table, done) = GrowingTable::open(&path).unwrap();
        assert_eq!(done, HashSet::from(["a.jpg".to_owned()]));
        table.append(&[row("b.jpg")]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        std::fs::write(&path, "name,age\nx,1\n").unwrap();
        let error = GrowingTable::open(&path).err().unwrap().to_string();
        assert!(error.contains("something else"), "{error}");
    }
}
