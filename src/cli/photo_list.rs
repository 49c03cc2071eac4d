//! Photos given as paths: which files, in which order, of which class.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::engine::prompts;
use crate::image_io;
use crate::support::class_name;

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

/// The photos that a text file names, one a line: relative paths start from the file's folder; blank lines are passed over.
pub(super) fn named_in(list: &Path) -> Result<Vec<ListedPhoto>> {
    let bytes =
        std::fs::read(list).with_context(|| format!("could not read {}", list.display()))?;
    let text = String::from_utf8(bytes).map_err(|_not_utf8| {
        anyhow::anyhow!("{} is not UTF-8; save it as UTF-8 text", list.display())
    })?;
    let folder = list.parent().unwrap_or(Path::new(""));
    let lines = prompts::lines(&text).into_iter();
    let photos: Vec<ListedPhoto> = lines
        .filter(|line| !line.trim().is_empty())
        .map(|name| ListedPhoto {
            path: folder.join(&name),
            class: class_name(&name).map(str::to_owned),
            name,
        })
        .collect();
    if photos.is_empty() {
        bail!(
            "{} names no photos; it should name one a line",
            list.display()
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
    let class = class_name(&name).map(str::to_owned);
    let path = if root.is_file() {
        root.to_owned()
    } else {
        root.join(relative)
    };
    ListedPhoto { path, name, class }
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
    }
}
