//! The lists of the eleven data sets, read from their folders.

use std::path::{Path, PathBuf};

use super::EngineError;
use crate::image_io;
use crate::support::benchmark::{self, Benchmark, ListError, Lists, Splits};

/// Reads a data set's classes and lists below `root`, the folder of all data sets (`CoOp`'s `$DATA`). Photos are not opened:
/// one that is missing is found out when it is embedded.
///
/// # Errors
/// A folder or list that is missing (with what `CoOp`'s DATASETS.md says of it), or that says what cannot be.
pub fn read_benchmark(benchmark: &Benchmark, root: &Path) -> Result<Splits, EngineError> {
    let files = Files {
        benchmark,
        folder: root.join(benchmark.folder),
    };
    files.folder("", &files.folder)?;
    let images = files.folder.join(benchmark.images);
    files.folder(benchmark.images, &images)?;
    match benchmark.lists {
        Lists::Split(name) => files.understood(
            name,
            benchmark::splits_of_json(benchmark, &files.text(name)?),
        ),
        Lists::Variants => {
            let classes = files.text("variants.txt")?;
            let list = |part| files.text(&format!("images_variant_{part}.txt"));
            let (train, val, test) = (list("train")?, list("val")?, list("test")?);
            let splits = benchmark::variants(benchmark, &classes, [&train, &val, &test]);
            files.understood("variants.txt", splits)
        }
        Lists::ClassFolders => {
            let names = files.text("classnames.txt")?;
            let (train, val) = (files.photos("train")?, files.photos("val")?);
            let splits = benchmark::image_net(benchmark, &names, &train, &val);
            files.understood("classnames.txt", splits)
        }
    }
}

/// A data set's folder.
struct Files<'a> {
    benchmark: &'a Benchmark,
    folder: PathBuf,
}

impl Files<'_> {
    fn folder(&self, name: &str, path: &Path) -> Result<(), EngineError> {
        if path.is_dir() {
            return Ok(());
        }
        let what = if name.is_empty() {
            "the folder".to_owned()
        } else {
            format!("folder {name}")
        };
        Err(EngineError::Folder {
            problem: self.benchmark.where_from(&what),
            path: path.to_owned(),
        })
    }

    fn text(&self, name: &str) -> Result<String, EngineError> {
        let path = self.folder.join(name);
        std::fs::read_to_string(&path).map_err(|error| EngineError::Folder {
            problem: if error.kind() == std::io::ErrorKind::NotFound {
                self.benchmark.where_from(name)
            } else {
                format!("{name} cannot be read ({error})")
            },
            path,
        })
    }

    /// Photos below `images/{part}`, sorted, with `/`.
    fn photos(&self, part: &str) -> Result<Vec<String>, EngineError> {
        let path = self.folder.join(self.benchmark.images).join(part);
        self.folder(&format!("{}/{part}", self.benchmark.images), &path)?;
        let photos = image_io::list_photos(&path).map_err(|error| EngineError::Folder {
            problem: error.to_string(),
            path: path.clone(),
        })?;
        let with_slashes = |photo: &PathBuf| {
            let parts: Vec<_> = photo
                .components()
                .map(|part| part.as_os_str().to_string_lossy())
                .collect();
            parts.join("/")
        };
        Ok(photos.iter().map(with_slashes).collect())
    }

    fn understood(
        &self,
        name: &str,
        splits: Result<Splits, ListError>,
    ) -> Result<Splits, EngineError> {
        splits.map_err(|error| EngineError::Folder {
            problem: error.to_string(),
            path: self.folder.join(name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_where_it_comes_from() {
        let root = tempfile::tempdir().unwrap();
        let eurosat = Benchmark::named("eurosat").unwrap();
        let read = || {
            read_benchmark(&eurosat, root.path())
                .unwrap_err()
                .to_string()
        };
        let message = read();
        assert!(
            message.contains("EuroSAT in CoOp's DATASETS.md"),
            "{message}"
        );
        std::fs::create_dir_all(root.path().join("eurosat/2750")).unwrap();
        let message = read();
        assert!(
            message.contains("split_zhou_EuroSAT.json of EuroSAT is missing")
                && message.ends_with("eurosat/split_zhou_EuroSAT.json"),
            "{message}"
        );
        std::fs::write(root.path().join("eurosat/split_zhou_EuroSAT.json"), "[]").unwrap();
        let message = read();
        assert!(message.contains("not one of CoOp's splits"), "{message}");
    }
}
