//! Photos in: lists of labelled photos as other programs write them, to a project.

mod coop;
pub mod features;
mod fiftyone;
mod folders;
mod jsonl;
mod table;
mod to_project;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::engine::export::label_cell;
use crate::engine::feature_files::FileError;
use crate::project::FileStamp;

/// What a list is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportFormat {
    /// A table with a column for the file and one for the label.
    Csv,
    /// A folder per class.
    Folders,
    /// Hugging Face's `ImageFolder` with `metadata.jsonl` or `metadata.csv`.
    ImageFolder,
    /// `FiftyOneImageClassificationDataset`.
    FiftyOne,
    /// `CoOp`'s `split_zhou_*.json`.
    CoOp,
}

/// A list that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file or folder that cannot be read, or is not what it should be.
    #[error(transparent)]
    File(#[from] FileError),
    /// A folder that cannot be walked.
    #[error(transparent)]
    Walk(#[from] crate::image_io::ListError),
    /// The model cannot be used.
    #[error(transparent)]
    Engine(#[from] super::EngineError),
    /// An edit that the project refuses.
    #[error(transparent)]
    Edit(#[from] crate::project::EditError),
}

/// A photo of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedPhoto {
    /// The file, absolute.
    pub path: PathBuf,
    /// The class that it is said to show.
    pub label: Option<String>,
    /// Further classes that it is said to show.
    pub also: Vec<String>,
    /// Whether it is said to be a shot of that class: so do tables that Shotlens has written.
    pub is_shot: bool,
    /// Whether somebody looked and could not tell: so do tables that Shotlens has written.
    pub is_unsure: bool,
    /// The file as the cache of features knows it, where its features came along.
    pub known: Option<FileStamp>,
}

/// A list that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Class names, in the order of the list where it has one, else sorted.
    pub classes: Vec<String>,
    /// Photos whose files are there, each once, in the order of the list.
    pub photos: Vec<ImportedPhoto>,
    /// Why others are left out, naming the file.
    pub skipped: Vec<String>,
}

/// A row of a list as it is read.
#[derive(Debug)]
struct Entry {
    path: String,
    label: Option<String>,
    also: Vec<String>,
    is_shot: bool,
    is_unsure: bool,
}

impl Entry {
    /// With every class of a table's cell, see [`label_cell`].
    fn of_cell(path: impl Into<String>, cell: Option<&str>) -> Self {
        Self::of_labels(path, cell.map(label_cell::split).unwrap_or_default())
    }

    /// With several classes, the main one first.
    fn of_labels(path: impl Into<String>, labels: Vec<String>) -> Self {
        let mut labels = labels.into_iter().filter(|label| !label.trim().is_empty());
        let first = labels.next();
        Self {
            also: labels.collect(),
            ..Self::new(path, first)
        }
    }

    fn new(path: impl Into<String>, label: Option<String>) -> Self {
        Self {
            path: path.into(),
            label: label.filter(|label| !label.trim().is_empty()),
            also: Vec::new(),
            is_shot: false,
            is_unsure: false,
        }
    }
}

/// Names of classes, each once, in the order in which they came: of a million photos with a thousand classes, too.
#[derive(Default)]
struct ClassNames {
    names: Vec<String>,
    known: HashSet<String>,
}

impl From<Vec<String>> for ClassNames {
    fn from(names: Vec<String>) -> Self {
        Self {
            known: names.iter().cloned().collect(),
            names,
        }
    }
}

impl ClassNames {
    fn add<'a>(&mut self, names: impl IntoIterator<Item = &'a String>) {
        for name in names {
            if !self.known.contains(name) {
                self.known.insert(name.clone());
                self.names.push(name.clone());
            }
        }
    }
}

/// Reads a list of photos. `root`: what relative paths are relative to, where that is not the list's own folder. `format`:
/// `None` to find out.
pub fn read(
    source: &Path,
    format: Option<ImportFormat>,
    root: Option<&Path>,
) -> Result<Imported, ImportError> {
    let format = match format {
        Some(format) => format,
        None => detect(source)?,
    };
    match format {
        ImportFormat::Csv => table::read(source, root),
        ImportFormat::Folders => folders::read(source),
        ImportFormat::ImageFolder => jsonl::read(source, root),
        ImportFormat::FiftyOne => fiftyone::read(source, root),
        ImportFormat::CoOp => coop::read(source, root),
    }
}

/// What a file or folder is, by its name and by what lies in it.
fn detect(source: &Path) -> Result<ImportFormat, ImportError> {
    let has = |name: &str| source.join(name).is_file();
    let ending = source
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let name = source
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(match ending.as_str() {
        _ if source.is_dir() && (has("metadata.jsonl") || has("metadata.csv")) => {
            ImportFormat::ImageFolder
        }
        _ if source.is_dir() && has("labels.json") => ImportFormat::FiftyOne,
        _ if source.is_dir() => ImportFormat::Folders,
        "csv" | "tsv" | "txt" => ImportFormat::Csv,
        "jsonl" => ImportFormat::ImageFolder,
        "json" if name.starts_with("split_") => ImportFormat::CoOp,
        "json" if name == "labels.json" => ImportFormat::FiftyOne,
        _ => {
            std::fs::metadata(source).map_err(|error| io(error, source))?;
            let problem = "it is not clear what this is; say so with --format csv, folders, imagefolder, fiftyone or coop".to_owned();
            return Err(content(problem, source));
        }
    })
}

fn io(source: std::io::Error, path: &Path) -> ImportError {
    FileError::io(source, path).into()
}

fn content(problem: impl Into<String>, path: &Path) -> ImportError {
    FileError::content(problem, path).into()
}

fn read_text(path: &Path) -> Result<String, ImportError> {
    let bytes = std::fs::read(path).map_err(|error| io(error, path))?;
    String::from_utf8(bytes)
        .map_err(|_not_utf8| content("this is not UTF-8; save it as UTF-8 text", path))
}

/// The folder that a list's relative paths start from.
fn base<'a>(list: &'a Path, root: Option<&'a Path>) -> &'a Path {
    // A bare file name has the parent "", which is no folder that could be opened.
    let own = list.parent().filter(|own| !own.as_os_str().is_empty());
    root.or(own).unwrap_or(Path::new("."))
}

/// Entries with their files; `classes` where the list orders them, else those of the entries, sorted.
fn gathered(
    entries: Vec<Entry>,
    classes: Option<Vec<String>>,
    base: &Path,
    list: &Path,
) -> Result<Imported, ImportError> {
    let base = std::path::absolute(base).map_err(|error| io(error, base))?;
    let mut imported = Imported::default();
    let is_ordered = classes.as_ref().is_some_and(|classes| !classes.is_empty());
    let mut classes = ClassNames::from(classes.unwrap_or_default());
    let mut seen = HashSet::new();
    for entry in entries {
        let path = base.join(&entry.path);
        if !path.is_file() {
            imported
                .skipped
                .push(format!("no such file: {}", path.display()));
        } else if !seen.insert(path.clone()) {
            imported.skipped.push(format!(
                "listed more than once, the first line counts: {}",
                path.display()
            ));
        } else {
            classes.add(entry.label.iter().chain(&entry.also));
            imported.photos.push(ImportedPhoto {
                path,
                is_shot: entry.is_shot && entry.label.is_some(),
                is_unsure: entry.is_unsure && entry.label.is_none(),
                label: entry.label,
                also: entry.also,
                known: None,
            });
        }
    }
    imported.classes = classes.names;
    if !is_ordered {
        imported.classes.sort();
    }
    if imported.photos.is_empty() {
        let first = imported
            .skipped
            .first()
            .map_or("it lists nothing", String::as_str);
        return Err(content(
            format!(
                "no photo of this list is there ({first}); --root names the folder that its paths are relative to"
            ),
            list,
        ));
    }
    Ok(imported)
}
