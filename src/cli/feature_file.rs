//! Named rows of features and lists of labels, wherever they lie: tensors of a safetensors file, `.npy` files, clip-retrieval's
//! folder, a Parquet table.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};

use super::tensor_file::TensorFile;
use crate::engine::feature_files::source::{IMAGE_FOLDER, files_in};
use crate::engine::feature_files::{FeatureSource, Npy};
use crate::features::{Features, Matrix};

/// clip-retrieval's name for what stands here for `text`.
const TEXT_FOLDER: &str = "text_emb";

/// A file or folder of named arrays.
pub(super) struct FeatureFile {
    path: PathBuf,
    labels: Option<PathBuf>,
    kind: Kind,
}

enum Kind {
    Tensors(TensorFile),
    /// One array, `features`.
    Array,
    /// `NAME.npy` for each name, or clip-retrieval's `img_emb/` and `text_emb/`.
    Folder,
    /// A table of photos with features.
    Table,
}

impl FeatureFile {
    /// Opens a file or folder; `labels`: an array of labels that goes with it.
    pub(super) fn open(path: &Path, labels: Option<&Path>) -> Result<Self> {
        let kind = match path.extension().map(OsStr::to_ascii_lowercase) {
            _ if path.is_dir() => Kind::Folder,
            Some(ending) if ending == "npy" => Kind::Array,
            Some(ending) if ending == "parquet" => Kind::Table,
            _ => Kind::Tensors(TensorFile::read(path)?),
        };
        Ok(Self {
            path: path.to_owned(),
            labels: labels.map(PathBuf::from),
            kind,
        })
    }

    /// The rows of this name, or `None`.
    pub(super) fn matrix_if_there(&self, name: &str) -> Result<Option<Matrix>> {
        match &self.kind {
            Kind::Tensors(file) => file.matrix_if_there(name),
            Kind::Array if name == "features" => Ok(Some(Npy::open(&self.path)?.matrix()?)),
            Kind::Folder => joined(&self.arrays(name)),
            Kind::Table if name == "features" => Ok(Some(self.table()?.1)),
            Kind::Array | Kind::Table => Ok(None),
        }
    }

    /// The rows of this name.
    pub(super) fn matrix(&self, name: &str) -> Result<Matrix> {
        self.matrix_if_there(name)?
            .ok_or_else(|| self.missing(name))
    }

    /// The rows of this name scaled to unit length.
    pub(super) fn features(&self, name: &str) -> Result<Features> {
        self.features_if_there(name)?
            .ok_or_else(|| self.missing(name))
    }

    /// The rows of this name scaled to unit length, or `None`.
    pub(super) fn features_if_there(&self, name: &str) -> Result<Option<Features>> {
        let Some(matrix) = self.matrix_if_there(name)? else {
            return Ok(None);
        };
        Features::normalized(matrix)
            .map(Some)
            .with_context(|| format!("{name} of {}", self.path.display()))
    }

    /// Integers, as labels.
    pub(super) fn integers(&self, name: &str) -> Result<Vec<i64>> {
        if let (Some(labels), "labels") = (&self.labels, name) {
            return Ok(Npy::open(labels)?.integers()?);
        }
        let array = match &self.kind {
            Kind::Tensors(file) => return file.integers(name),
            Kind::Array => labels_beside(&self.path).filter(|_| name == "labels"),
            Kind::Folder => self.arrays(name).into_iter().next(),
            Kind::Table => None,
        };
        match array {
            Some(array) => Ok(Npy::open(&array)?.integers()?),
            None if name == "labels" && FeatureSource::is_one(&self.path) => Ok(self.table()?.0),
            None => Err(self.missing(name)),
        }
    }

    /// The arrays of this name in a folder, in their order.
    fn arrays(&self, name: &str) -> Vec<PathBuf> {
        let array = self.path.join(format!("{name}.npy"));
        if array.is_file() {
            return vec![array];
        }
        match name {
            "features" | "queries" => files_in(&self.path.join(IMAGE_FOLDER), "npy"),
            "text" => files_in(&self.path.join(TEXT_FOLDER), "npy"),
            _ => Vec::new(),
        }
    }

    /// Labels and features of a table's photos: classes in sorted order, -1 where there is none.
    fn table(&self) -> Result<(Vec<i64>, Matrix)> {
        let source = FeatureSource::open(&self.path)?;
        let (photos, features) = source.read(&(0..source.num_rows()).collect::<Vec<_>>())?;
        let names = photos.iter().filter_map(|photo| photo.label.as_deref());
        let mut classes: BTreeMap<&str, i64> = names.map(|name| (name, 0)).collect();
        for (index, class) in classes.values_mut().enumerate() {
            *class = index as i64;
        }
        let class_of = |label: Option<&str>| label.map_or(-1, |label| classes[label]);
        let labels = photos.iter().map(|photo| class_of(photo.label.as_deref()));
        Ok((labels.collect(), features))
    }

    fn missing(&self, name: &str) -> anyhow::Error {
        let path = self.path.display();
        match &self.kind {
            Kind::Tensors(file) => file.missing(name),
            Kind::Array if name == "labels" => {
                anyhow!("no labels go with it; name them with --labels L.npy: {path}")
            }
            Kind::Array => anyhow!(
                "one array holds no `{name}`; put support.npy, labels.npy, queries.npy and text.npy into a folder and name that: {path}"
            ),
            Kind::Folder => anyhow!("this folder has no {name}.npy: {path}"),
            Kind::Table => anyhow!("this table has no `{name}`, only photos with features: {path}"),
        }
    }
}

/// All rows of these arrays, or `None` without any.
fn joined(arrays: &[PathBuf]) -> Result<Option<Matrix>> {
    let mut all = None;
    for array in arrays {
        let rows = Npy::open(array)?.matrix()?;
        let cols = rows.cols();
        let appended = all.get_or_insert_with(Matrix::default).append(rows);
        appended.map_err(|_other_length| {
            anyhow!(
                "its rows have {cols} numbers, those of the arrays before it another number: {}",
                array.display()
            )
        })?;
    }
    Ok(all)
}

/// `F_labels.npy` or `labels.npy` beside `F.npy`.
fn labels_beside(array: &Path) -> Option<PathBuf> {
    let stem = array.file_stem()?.to_string_lossy();
    let names = [format!("{stem}_labels.npy"), "labels.npy".to_owned()];
    let mut places = names.iter().map(|name| array.with_file_name(name));
    places.find(|place| place.is_file() && place != array)
}
