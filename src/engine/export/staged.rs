//! Output that appears whole or not at all: written beside its place under another name, and renamed once it is done.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::ExportError;

/// `path` as written and its name while it is not done.
fn temporary_of(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.{ending}", std::process::id()));
    path.with_file_name(name)
}

fn make_parent(path: &Path) -> Result<(), ExportError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => {
            std::fs::create_dir_all(parent).map_err(|source| ExportError::io(source, parent))
        }
        _ => Ok(()),
    }
}

/// A file on its way; dropped before [`Self::finish`], nothing is left of it.
pub struct StagedFile {
    writer: Option<BufWriter<File>>,
    temporary: PathBuf,
    path: PathBuf,
}

impl StagedFile {
    /// Begins a file that will be at `path`, replacing what is there by then.
    pub fn create(path: &Path) -> Result<Self, ExportError> {
        make_parent(path)?;
        let temporary = temporary_of(path, "tmp");
        let file = File::create(&temporary).map_err(|source| ExportError::io(source, path))?;
        Ok(Self {
            writer: Some(BufWriter::new(file)),
            temporary,
            path: path.to_owned(),
        })
    }

    /// Puts the whole file in its place.
    pub fn finish(mut self) -> Result<(), ExportError> {
        let io = |source| ExportError::io(source, &self.path);
        if let Some(writer) = self.writer.take() {
            let file = writer
                .into_inner()
                .map_err(|error| io(error.into_error()))?;
            file.sync_all().map_err(io)?;
        }
        std::fs::rename(&self.temporary, &self.path).map_err(io)
    }
}

impl Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writer.as_mut().map_or(Ok(0), |w| w.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // Litter only; after `finish` there is nothing there any more.
        std::fs::remove_file(&self.temporary).ok();
    }
}

/// A folder on its way; dropped before [`Self::finish`], nothing is left of it.
pub struct StagedFolder {
    temporary: PathBuf,
    path: PathBuf,
}

impl StagedFolder {
    /// Begins a folder that will be at `path`.
    pub fn create(path: &Path) -> Result<Self, ExportError> {
        make_parent(path)?;
        let temporary = temporary_of(path, "new");
        std::fs::create_dir(&temporary).map_err(|source| ExportError::io(source, &temporary))?;
        Ok(Self {
            temporary,
            path: path.to_owned(),
        })
    }

    /// Where to write meanwhile.
    pub fn workplace(&self) -> &Path {
        &self.temporary
    }

    /// Puts the whole folder in its place; what is there goes only once the new one stands ready.
    pub fn finish(self) -> Result<(), ExportError> {
        let io = |source| ExportError::io(source, &self.path);
        if !self.path.exists() {
            return std::fs::rename(&self.temporary, &self.path).map_err(io);
        }
        let old = temporary_of(&self.path, "old");
        std::fs::rename(&self.path, &old).map_err(io)?;
        std::fs::rename(&self.temporary, &self.path).map_err(|source| {
            // The old one back in its place: nothing is lost.
            std::fs::rename(&old, &self.path).ok();
            io(source)
        })?;
        let removed = if old.is_dir() {
            std::fs::remove_dir_all(&old)
        } else {
            std::fs::remove_file(&old)
        };
        removed.map_err(|source| ExportError::io(source, &old))
    }
}

impl Drop for StagedFolder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.temporary).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_when_it_is_done_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/labels.csv");
        let mut file = StagedFile::create(&path).unwrap();
        file.write_all(b"one").unwrap();
        assert!(!path.exists());
        file.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        let mut file = StagedFile::create(&path).unwrap();
        file.write_all(b"two").unwrap();
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
    }

    #[test]
    fn a_folder_replaces_the_old_one_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        for name in ["a", "b"] {
            let staged = StagedFolder::create(&path).unwrap();
            std::fs::write(staged.workplace().join(name), name).unwrap();
            staged.finish().unwrap();
        }
        let names: Vec<_> = std::fs::read_dir(&path).unwrap().flatten().collect();
        assert_eq!(names.len(), 1);
        assert_eq!(names[0].file_name(), "b");
        drop(StagedFolder::create(&path).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
