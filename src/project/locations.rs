//! Where Shotlens keeps what is not in a project: caches, the last project, projects without a place of their own.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Overrides every folder: `data` and `cache` are then below it.
pub const HOME_VARIABLE: &str = "SHOTLENS_HOME";

/// The system names no home folder for the user.
#[derive(Debug, thiserror::Error)]
#[error("the system names no home folder; set SHOTLENS_HOME to a folder that Shotlens may write")]
pub struct NoHome;

/// The user's folders for Shotlens. Nothing is made before it is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locations {
    data: PathBuf,
    cache: PathBuf,
}

impl Locations {
    /// The system's folders for this user, or those below `SHOTLENS_HOME`.
    pub fn find() -> Result<Self, NoHome> {
        if let Some(home) = std::env::var_os(HOME_VARIABLE).filter(|home| !home.is_empty()) {
            return Ok(Self::below(Path::new(&home)));
        }
        let folders = directories::ProjectDirs::from("", "", "shotlens").ok_or(NoHome)?;
        Ok(Self {
            data: folders.data_local_dir().to_owned(),
            cache: folders.cache_dir().to_owned(),
        })
    }

    /// All folders below `home`.
    pub fn below(home: &Path) -> Self {
        Self {
            data: home.join("data"),
            cache: home.join("cache"),
        }
    }

    /// What must not be lost.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What can be made again.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// The cached features of photos.
    pub fn feature_cache(&self) -> PathBuf {
        self.cache.join("features.sqlite")
    }

    /// The cached thumbnails.
    pub fn thumbnail_cache(&self) -> PathBuf {
        self.cache.join("thumbnails.sqlite")
    }

    /// The keys that the person changed.
    pub fn keys(&self) -> PathBuf {
        self.data.join("keys.json")
    }

    /// The adapters that were trained here.
    pub fn adapters(&self) -> PathBuf {
        self.data.join("adapters")
    }

    /// Where the path of the last project is remembered.
    pub fn last_project(&self) -> PathBuf {
        self.data.join("last-project")
    }

    /// A path for a new project in Shotlens' own folder that no file has yet: `NAME.shotlens`, `NAME 2.shotlens`, ... Makes the folder.
    pub fn new_project(&self, name: &str) -> std::io::Result<PathBuf> {
        let folder = self.data.join("projects");
        std::fs::create_dir_all(&folder)?;
        let mut path = folder.join(format!("{name}.shotlens"));
        for number in 2_u32.. {
            if !path.exists() {
                break;
            }
            path = folder.join(format!("{name} {number}.shotlens"));
        }
        Ok(path)
    }
}

/// Writes a whole file or leaves the old one: temporary file beside it, flush to disk, rename. Makes the folder.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // A bare file name has the parent "", which is no folder that could be opened.
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    let mut name = OsStr::new(".").to_owned();
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = folder.join(name);
    let result = write_and_sync(&temporary, bytes)
        .and_then(|()| std::fs::rename(&temporary, path))
        .and_then(|()| sync_folder(folder));
    if result.is_err() {
        std::fs::remove_file(&temporary).ok();
    }
    result
}

fn write_and_sync(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The rename itself must reach the disk; Windows has no handles on folders and needs none.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        std::fs::File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_project_gets_a_name_that_no_file_has() {
        let home = tempfile::tempdir().unwrap();
        let locations = Locations::below(home.path());
        let first = locations.new_project("Untitled").unwrap();
        std::fs::write(&first, "").unwrap();
        let second = locations.new_project("Untitled").unwrap();
        assert_eq!(first.file_name().unwrap(), "Untitled.shotlens");
        assert_eq!(second.file_name().unwrap(), "Untitled 2.shotlens");
    }

    #[test]
    fn an_atomic_write_replaces_the_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("last-project");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
    }
}
