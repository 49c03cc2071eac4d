//! One writer for a project file, across processes.
//!
//! The lock lies on a sidecar, `NAME.shotlens.lock`: on Unix, closing any other handle on the project file itself would drop SQLite's own locks in this process, and on Windows a lock on it would keep SQLite out. The operating system lets go of the lock when the process ends, however it ends, so that there is no stale lock after `kill -9`; a sidecar left over means nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// The right to write a project file, held until dropped.
#[derive(Debug)]
pub(super) struct ProjectLock {
    // Held for its lock.
    _file: File,
    sidecar: PathBuf,
}

/// Why there is no lock.
#[derive(Debug)]
pub(super) enum Unlocked {
    /// Somebody else has it; who, if they could say.
    Held(String),
    /// The sidecar cannot be written, or not locked.
    Unavailable(std::io::Error),
}

impl ProjectLock {
    /// Takes the lock of the project file at `path`, without waiting.
    pub(super) fn take(path: &Path) -> Result<Self, Unlocked> {
        let sidecar = sidecar_of(path);
        // Again when the holder removed the sidecar between our opening and locking it.
        for _ in 0..16 {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&sidecar)
                .map_err(Unlocked::Unavailable)?;
            match file.try_lock() {
                Ok(()) => (),
                Err(TryLockError::WouldBlock) => return Err(Unlocked::Held(holder(&mut file))),
                Err(TryLockError::Error(error)) => return Err(Unlocked::Unavailable(error)),
            }
            if is_still_at(&file, &sidecar) {
                write_holder(&mut file).map_err(Unlocked::Unavailable)?;
                return Ok(Self {
                    _file: file,
                    sidecar,
                });
            }
        }
        Err(Unlocked::Held("another process".to_owned()))
    }
}

impl Drop for ProjectLock {
    fn drop(&mut self) {
        // Only litter: nothing depends on it. Windows cannot remove it while it is open.
        std::fs::remove_file(&self.sidecar).ok();
    }
}

fn sidecar_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    path.with_file_name(name)
}

/// Whether the locked file is the one that others will find.
#[cfg(unix)]
fn is_still_at(file: &File, sidecar: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), std::fs::metadata(sidecar)) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_still_at(_file: &File, _sidecar: &Path) -> bool {
    true
}

fn write_holder(file: &mut File) -> std::io::Result<()> {
    let host = std::env::var("HOSTNAME").or_else(|_| std::env::var("COMPUTERNAME"));
    let host = host.map(|host| format!(" on {host}")).unwrap_or_default();
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "process {}{host}", std::process::id())?;
    file.flush()
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    // Windows refuses to read what another process has locked.
    match file.read_to_string(&mut text) {
        Ok(1..) => text,
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_told_who_holds_the_lock_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("coats.shotlens");
        let lock = ProjectLock::take(&path).unwrap();
        match ProjectLock::take(&path) {
            Err(Unlocked::Held(holder)) => {
                assert!(holder.contains(&std::process::id().to_string()), "{holder}");
            }
            other => panic!("{other:?}"),
        }
        drop(lock);
        assert!(ProjectLock::take(&path).is_ok());
    }

    #[test]
    fn a_left_over_sidecar_means_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("coats.shotlens");
        std::fs::write(sidecar_of(&path), "process 1").unwrap();
        assert!(ProjectLock::take(&path).is_ok());
    }
}
