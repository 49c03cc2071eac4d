//! Photos into folders: copied or linked, never moved, each under a name of its own.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// How a photo gets into a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// As a file of its own.
    #[default]
    Copy,
    /// As a symbolic link to where it is.
    Symlink,
    /// As a second name of the same file, on the same disk.
    Hardlink,
}

impl Link {
    fn put(self, from: &Path, to: &Path) -> std::io::Result<()> {
        match self {
            Self::Copy => std::fs::copy(from, to).map(drop),
            Self::Symlink => symlink(&std::path::absolute(from)?, to),
            Self::Hardlink => std::fs::hard_link(from, to),
        }
    }
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_file(target, link)
}

/// Puts photos below a folder.
pub(super) struct Placer<'a> {
    root: &'a Path,
    link: Link,
    /// Names in use, in lower case: some file systems tell no more apart. Without their endings where those do not count.
    taken: HashSet<String>,
    has_unique_stems: bool,
}

impl<'a> Placer<'a> {
    /// Below `root`.
    pub(super) fn new(root: &'a Path, link: Link) -> Self {
        Self {
            root,
            link,
            taken: HashSet::new(),
            has_unique_stems: false,
        }
    }

    /// The same with names that differ in more than their endings.
    pub(super) fn with_unique_stems(self) -> Self {
        Self {
            has_unique_stems: true,
            ..self
        }
    }

    /// Puts a photo into `folder` (relative, with `/`) and returns its path relative to the root, with `/`.
    ///
    /// # Errors
    /// A sentence that names the photo.
    pub(super) fn put(&mut self, photo: &Path, folder: &str) -> Result<String, String> {
        let problem =
            |error: std::io::Error| format!("could not be exported ({error}): {}", photo.display());
        std::fs::create_dir_all(self.root.join(folder)).map_err(problem)?;
        let name = self.free_name(photo, folder);
        let relative = format!("{folder}/{name}");
        self.link
            .put(photo, &self.root.join(&relative))
            .map_err(problem)?;
        Ok(relative)
    }

    /// The photo's name, or the name with the first number that nobody has.
    fn free_name(&mut self, photo: &Path, folder: &str) -> String {
        let text = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let (stem, ending) = (text(photo.file_stem()), text(photo.extension()));
        let ending = if ending.is_empty() {
            ending
        } else {
            format!(".{ending}")
        };
        for number in 1_usize.. {
            let stem = if number == 1 {
                stem.clone()
            } else {
                format!("{stem}-{number}")
            };
            let counted = if self.has_unique_stems { "" } else { &ending };
            if self
                .taken
                .insert(format!("{folder}/{stem}{counted}").to_lowercase())
            {
                return format!("{stem}{ending}");
            }
        }
        format!("{stem}{ending}")
    }
}

/// A folder for each class, by its name: what no file system takes becomes `_`, and equal names get numbers.
pub(super) fn class_folders(classes: &[String]) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut folders = Vec::with_capacity(classes.len());
    for class in classes {
        let plain = plain_name(class);
        let numbered = |number: usize| {
            if number == 1 {
                plain.clone()
            } else {
                format!("{plain}-{number}")
            }
        };
        let free = (1..=classes.len())
            .map(numbered)
            .find(|name| taken.insert(name.to_lowercase()));
        folders.push(free.unwrap_or(plain));
    }
    folders
}

fn plain_name(class: &str) -> String {
    let is_refused = |character: char| character.is_control() || r#"/\:*?"<>|"#.contains(character);
    let plain: String = class
        .chars()
        .map(|character| {
            if is_refused(character) {
                '_'
            } else {
                character
            }
        })
        .collect();
    let plain = plain.trim().trim_end_matches('.');
    match plain.strip_prefix('.') {
        _ if plain.is_empty() => "_".to_owned(),
        // A hidden folder would not be found again.
        Some(rest) => format!("_{rest}"),
        None => plain.to_owned(),
    }
}

/// `path` as a table beside it names a file: relative where it lies below the table's folder, else absolute, with `/`.
pub(super) fn named_from(table: &Path, photo: &Path) -> String {
    let folder = std::path::absolute(table)
        .ok()
        .and_then(|path| path.parent().map(PathBuf::from));
    let relative = folder.and_then(|folder| photo.strip_prefix(folder).ok().map(PathBuf::from));
    let text = relative
        .as_deref()
        .unwrap_or(photo)
        .to_string_lossy()
        .into_owned();
    if cfg!(windows) {
        text.replace('\\', "/")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_get_numbers_and_photos_stay_where_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a/x.jpg"), folder.path().join("b/X.jpg"));
        for path in [&a, &b] {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, path.to_str().unwrap()).unwrap();
        }
        let out = folder.path().join("out");
        for link in [Link::Copy, Link::Symlink, Link::Hardlink] {
            let root = out.join(format!("{link:?}"));
            let mut placer = Placer::new(&root, link);
            assert_eq!(placer.put(&a, "hat").unwrap(), "hat/x.jpg");
            assert_eq!(placer.put(&b, "hat").unwrap(), "hat/X-2.jpg");
            let content = std::fs::read_to_string(root.join("hat/X-2.jpg")).unwrap();
            assert_eq!(content, b.to_str().unwrap());
            assert!(a.is_file() && b.is_file());
        }
        let message = Placer::new(&out, Link::Copy)
            .put(Path::new("/no/such.jpg"), "hat")
            .unwrap_err();
        assert!(message.contains("/no/such.jpg"), "{message}");
    }

    #[test]
    fn classes_become_folders_that_every_system_takes() {
        let classes = ["cat/dog", "cat:dog", ".hidden", "Hat", "hat", "end. "].map(str::to_owned);
        let folders = class_folders(&classes);
        assert_eq!(
            folders,
            ["cat_dog", "cat_dog-2", "_hidden", "Hat", "hat-2", "end"]
        );
    }
}
