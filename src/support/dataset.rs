//! Folders of photos as classes: the first folder below the root is the class.

/// Photos and the classes that their folders name.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Dataset {
    /// The folder that the paths are relative to, as the user gave it.
    pub root: String,
    /// Class names, sorted by bytes.
    pub classes: Vec<String>,
    /// Relative path with `/`, and the class or -1 for a photo directly in the root; in the order given.
    pub photos: Vec<(String, i64)>,
}

impl Dataset {
    /// Classes from relative paths with `/` as separator, in the order in which a folder walk lists them.
    pub fn from_paths(root: &str, paths: impl IntoIterator<Item = String>) -> Self {
        let paths: Vec<String> = paths.into_iter().collect();
        let mut classes: Vec<String> = paths
            .iter()
            .filter_map(|path| class_name(path))
            .map(str::to_owned)
            .collect();
        classes.sort_unstable();
        classes.dedup();
        let index_of = |name: &str| {
            classes
                .binary_search_by(|class| class.as_str().cmp(name))
                .map_or(-1, |index| index as i64)
        };
        let photos = paths
            .into_iter()
            .map(|path| {
                let class = class_name(&path).map_or(-1, index_of);
                (path, class)
            })
            .collect();
        Self {
            root: root.to_owned(),
            classes,
            photos,
        }
    }

    /// The class of every photo, `None` for photos directly in the root.
    pub fn labels(&self) -> Vec<Option<usize>> {
        self.photos
            .iter()
            .map(|(_, class)| usize::try_from(*class).ok())
            .collect()
    }
}

/// First folder of a relative path; `None` for a file directly in the root, and for a whole path.
pub fn class_name(path: &str) -> Option<&str> {
    let (class, _) = path.split_once('/')?;
    (!class.is_empty()).then_some(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_folder_is_the_class_and_loose_photos_have_none() {
        let paths = ["b/1.jpg", "a.jpg", "a/deep/er/2.jpg", "b/0.jpg"].map(str::to_owned);
        let dataset = Dataset::from_paths("photos", paths);
        assert_eq!(dataset.classes, ["a", "b"]);
        assert_eq!(
            dataset
                .photos
                .iter()
                .map(|(_, class)| *class)
                .collect::<Vec<_>>(),
            [1, -1, 0, 1]
        );
        assert_eq!(dataset.labels(), [Some(1), None, Some(0), Some(1)]);
    }
}
