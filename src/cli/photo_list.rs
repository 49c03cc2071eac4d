//! Photos given as paths: which files, in which order, of which class.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::image_io;

/// One photo of the command line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListedPhoto {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// Its path relative to the folder given, with `/`.
    pub(super) name: String,
    /// The first folder of that, if there is one.
    pub(super) class: Option<String>,
}

/// All photos below these folders (or these files), each folder's in the byte order of their relative paths.
pub(super) fn list(paths: &[PathBuf]) -> Result<Vec<ListedPhoto>> {
    let mut photos = Vec::new();
    for root in paths {
        for relative in image_io::list_photos(root)? {
            photos.push(listed(root, &relative));
        }
    }
    if photos.is_empty() {
        let roots: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        bail!(
            "no photos in {}; Shotlens reads jpg, png, gif, bmp, tiff and webp files",
            roots.join(", ")
        );
    }
    Ok(photos)
}

fn listed(root: &Path, relative: &Path) -> ListedPhoto {
    let name = relative
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/");
    let class = name.split_once('/').map(|(first, _)| first.to_owned());
    let path = if root.is_file() {
        root.to_owned()
    } else {
        root.join(relative)
    };
    ListedPhoto { path, name, class }
}

/// The classes of these photos in sorted order, and every photo's index among them (-1 for none).
pub(super) fn classes_and_labels(classes_of: &[Option<String>]) -> (Vec<String>, Vec<i64>) {
    let mut classes: Vec<String> = classes_of.iter().flatten().cloned().collect();
    classes.sort();
    classes.dedup();
    let label = |class: &Option<String>| {
        class
            .as_ref()
            .and_then(|class| classes.binary_search(class).ok())
            .map_or(-1, |index| index as i64)
    };
    let labels = classes_of.iter().map(label).collect();
    (classes, labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_folder_is_the_class_and_loose_photos_have_none() {
        let photos = [
            ("a.jpg", None),
            ("dog/b.jpg", Some("dog")),
            ("cat/deep/c.jpg", Some("cat")),
        ];
        let classes_of: Vec<Option<String>> = photos
            .iter()
            .map(|(name, _)| listed(Path::new("/x"), Path::new(name)).class)
            .collect();
        let expected: Vec<Option<String>> = photos
            .iter()
            .map(|(_, class)| class.map(str::to_owned))
            .collect();
        assert_eq!(classes_of, expected);
        assert_eq!(
            classes_and_labels(&classes_of),
            (vec!["cat".to_owned(), "dog".to_owned()], vec![-1, 1, 0])
        );
    }
}
