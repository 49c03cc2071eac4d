//! Which photos a folder holds.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

const EXTENSIONS: [&str; 8] = ["jpg", "jpeg", "png", "gif", "bmp", "tif", "tiff", "webp"];

/// Why a folder could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Neither a folder nor a file, or one that may not be opened.
    #[error("could not list the photos ({source}); check that the folder is there and that you may open it: {}", path.display())]
    Root {
        /// What the file system said.
        source: io::Error,
        /// What was to be listed.
        path: PathBuf,
    },
    /// A pipe or a device, which might never end.
    #[error("this is neither a folder nor a file but a pipe or a device; leave it out: {}", path.display())]
    Irregular {
        /// What was to be listed.
        path: PathBuf,
    },
}

/// What a walk found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// Photos, relative to the root with `/`, in the order of their bytes.
    pub photos: Vec<PathBuf>,
    /// Folders and links below the root that could not be opened, or that lead in circles; as the walk met them.
    pub unreadable: Vec<PathBuf>,
}

/// Whether a name is a photo's: jpg, jpeg, png, gif, bmp, tif, tiff or webp in any case, and not hidden
/// (`.name`, and the `._name` that macOS leaves on other systems' disks).
pub fn is_image_name(path: &Path) -> bool {
    let has_image_extension = path
        .extension()
        .and_then(OsStr::to_str)
        .is_some_and(|extension| {
            EXTENSIONS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(extension))
        });
    has_image_extension && !path.file_name().is_some_and(is_hidden)
}

/// The photos below `root` as [`Walk::photos`]; a file given as `root` gives its own name, whatever its extension.
pub fn list_photos(root: &Path) -> Result<Vec<PathBuf>, ListError> {
    walk_photos(root).map(|walk| walk.photos)
}

/// The photos below `root`, links followed, hidden folders left out, and what could not be opened.
pub fn walk_photos(root: &Path) -> Result<Walk, ListError> {
    let root_error = |source| ListError::Root {
        source,
        path: root.to_owned(),
    };
    let metadata = std::fs::metadata(root).map_err(root_error)?;
    if !metadata.is_dir() && !metadata.is_file() {
        return Err(ListError::Irregular {
            path: root.to_owned(),
        });
    }
    if metadata.is_file() {
        let photos = root.file_name().map(PathBuf::from).into_iter().collect();
        return Ok(Walk {
            photos,
            unreadable: Vec::new(),
        });
    }
    std::fs::read_dir(root).map_err(root_error)?;

    let mut walk = Walk::default();
    let entries = WalkDir::new(root)
        .follow_links(true)
        .into_iter()
        // the root may be hidden: whoever names it wants it
        .filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry.file_name()));
    for entry in entries {
        match entry {
            Ok(entry) if entry.file_type().is_file() && is_image_name(entry.path()) => {
                walk.photos
                    .extend(entry.path().strip_prefix(root).ok().map(with_slashes));
            }
            Ok(_) => (),
            Err(error) => walk.unreadable.extend(error.path().map(Path::to_owned)),
        }
    }
    walk.photos.sort_by(|a, b| {
        a.as_os_str()
            .as_encoded_bytes()
            .cmp(b.as_os_str().as_encoded_bytes())
    });
    Ok(walk)
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.')
}

/// `path` with `/` between its parts on every system, so that files written on one are read on another.
fn with_slashes(path: &Path) -> PathBuf {
    let mut joined = std::ffi::OsString::new();
    for part in path {
        if !joined.is_empty() {
            joined.push("/");
        }
        joined.push(part);
    }
    joined.into()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder_with(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        folder
    }

    fn listed(folder: &tempfile::TempDir) -> Vec<String> {
        let photos = list_photos(folder.path()).unwrap();
        photos
            .iter()
            .map(|photo| photo.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_order_is_that_of_the_bytes_and_not_of_the_folders() {
        let folder = folder_with(&[
            "a/b.jpg",
            "a-b.jpg",
            "a.jpg",
            "B.PNG",
            "ä.webp",
            "a/b/c.tiff",
        ]);
        assert_eq!(
            listed(&folder),
            [
                "B.PNG",
                "a-b.jpg",
                "a.jpg",
                "a/b.jpg",
                "a/b/c.tiff",
                "ä.webp"
            ]
        );
    }

    #[test]
    fn only_visible_names_with_an_image_extension_count() {
        let folder = folder_with(&[
            "x.jpg",
            "._x.jpg",
            ".hidden.png",
            ".thumbs/y.jpg",
            "notes.txt",
            "jpg",
            "z.jpg.part",
        ]);
        assert_eq!(listed(&folder), ["x.jpg"]);
    }

    #[test]
    fn a_single_file_gives_its_own_name() {
        let folder = folder_with(&["sub/x.jpg"]);
        assert_eq!(
            list_photos(&folder.path().join("sub/x.jpg")).unwrap(),
            [PathBuf::from("x.jpg")]
        );
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = list_photos(Path::new("/no/such/folder")).unwrap_err();
        assert!(error.to_string().ends_with("/no/such/folder"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_circles() {
        let folder = folder_with(&["real/x.jpg"]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("real/loop")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("real"), folder.path().join("link")).unwrap();
        std::os::unix::fs::symlink("/no/such/file", folder.path().join("broken.jpg")).unwrap();
        let walk = walk_photos(folder.path()).unwrap();
        assert_eq!(walk.photos, ["link/x.jpg", "real/x.jpg"].map(PathBuf::from));
        assert_eq!(walk.unreadable.len(), 3, "{:?}", walk.unreadable);
    }

    #[cfg(unix)]
    #[test]
    fn pipes_are_no_photos_whatever_their_name_and_nobody_waits_for_them() {
        let folder = folder_with(&["x.jpg"]);
        let pipe = folder.path().join("pipe.jpg");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        std::os::unix::fs::symlink(&pipe, folder.path().join("link.jpg")).unwrap();
        assert_eq!(listed(&folder), ["x.jpg"]);
        for path in [pipe, folder.path().join("link.jpg")] {
            let error = list_photos(&path).unwrap_err();
            assert!(matches!(error, ListError::Irregular { .. }), "{error}");
            let error = crate::image_io::read_photo(&path).unwrap_err();
            assert!(error.to_string().contains("a pipe or a device"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_utf_8_are_listed() {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = folder_with(&["b.jpg"]);
        let name = OsStr::from_bytes(b"a\xff.jpg");
        fs::write(folder.path().join(name), b"").unwrap();
        assert_eq!(
            list_photos(folder.path()).unwrap(),
            [PathBuf::from(name), PathBuf::from("b.jpg")]
        );
    }
}
