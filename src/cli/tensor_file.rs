//! Safetensors files of features, crops and logits: read as `f32` or `i64`, written with JSON in their metadata.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::features::Matrix;
use crate::project::locations;

/// A file of named tensors, in memory.
pub(super) struct TensorFile {
    bytes: Vec<u8>,
    path: PathBuf,
}

impl TensorFile {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
        let file = Self {
            bytes,
            path: path.to_owned(),
        };
        file.tensors()?;
        Ok(file)
    }

    /// All tensors.
    pub(super) fn tensors(&self) -> Result<SafeTensors<'_>> {
        SafeTensors::deserialize(&self.bytes).map_err(|error| {
            anyhow!(
                "{} is not a safetensors file ({error}); `shotlens embed` writes such files",
                self.path.display()
            )
        })
    }

    /// The tensor of this name, or `None`.
    pub(super) fn matrix_if_there(&self, name: &str) -> Result<Option<Matrix>> {
        let tensors = self.tensors()?;
        if !tensors.names().contains(&name) {
            return Ok(None);
        }
        let view = tensors.tensor(name)?;
        let [rows, cols] = *view.shape() else {
            bail!(
                "{name} has {} dimensions, expected 2 (rows, features): {}",
                view.shape().len(),
                self.path.display()
            )
        };
        Ok(Some(Matrix::new(rows, cols, self.floats(name, &view)?)?))
    }

    /// Integers, as labels.
    pub(super) fn integers(&self, name: &str) -> Result<Vec<i64>> {
        let tensors = self.tensors()?;
        let view = tensors
            .tensor(name)
            .map_err(|_not_there| self.missing(name))?;
        let data = view.data();
        match view.dtype() {
            Dtype::I64 => Ok(data
                .as_chunks::<8>()
                .0
                .iter()
                .map(|b| i64::from_le_bytes(*b))
                .collect()),
            Dtype::I32 => Ok(data
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| i64::from(i32::from_le_bytes(*b)))
                .collect()),
            other => bail!(
                "{name} holds {other:?}, expected i64: {}",
                self.path.display()
            ),
        }
    }

    fn floats(&self, name: &str, view: &TensorView<'_>) -> Result<Vec<f32>> {
        let data = view.data();
        Ok(match view.dtype() {
            Dtype::F32 => data
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b))
                .collect(),
            Dtype::F64 => data
                .as_chunks::<8>()
                .0
                .iter()
                .map(|b| f64::from_le_bytes(*b) as f32)
                .collect(),
            Dtype::F16 => data
                .as_chunks::<2>()
                .0
                .iter()
                .map(|b| f16::from_le_bytes(*b).to_f32())
                .collect(),
            Dtype::BF16 => data
                .as_chunks::<2>()
                .0
                .iter()
                .map(|b| bf16::from_le_bytes(*b).to_f32())
                .collect(),
            other => bail!(
                "{name} holds {other:?}, expected floating point numbers: {}",
                self.path.display()
            ),
        })
    }

    /// What to say where there is no tensor of this name.
    pub(super) fn missing(&self, name: &str) -> anyhow::Error {
        let have = self.tensors().map(|tensors| {
            tensors
                .names()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        });
        anyhow!(
            "{} has no tensor `{name}`; it has {}",
            self.path.display(),
            have.unwrap_or_default()
        )
    }
}

/// Tensors on their way into a file.
#[derive(Default)]
pub(super) struct TensorWriter {
    tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
    metadata: HashMap<String, String>,
}

impl TensorWriter {
    pub(super) fn floats(&mut self, name: &str, matrix: &Matrix) {
        let bytes = matrix
            .as_slice()
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        self.tensors.push((
            name.to_owned(),
            Dtype::F32,
            vec![matrix.rows(), matrix.cols()],
            bytes,
        ));
    }

    pub(super) fn integers(&mut self, name: &str, values: &[i64]) {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.tensors
            .push((name.to_owned(), Dtype::I64, vec![values.len()], bytes));
    }

    pub(super) fn bytes(&mut self, name: &str, shape: Vec<usize>, bytes: Vec<u8>) {
        self.tensors
            .push((name.to_owned(), Dtype::U8, shape, bytes));
    }

    pub(super) fn metadata(&mut self, key: &str, value: impl Into<String>) {
        self.metadata.insert(key.to_owned(), value.into());
    }

    /// Writes the whole file or leaves the old one.
    pub(super) fn write(self, path: &Path) -> Result<()> {
        let views = self.tensors.iter().map(|(name, dtype, shape, bytes)| {
            Ok((
                name.as_str(),
                TensorView::new(*dtype, shape.clone(), bytes)?,
            ))
        });
        let views: Vec<(&str, TensorView<'_>)> = views.collect::<Result<_>>()?;
        let bytes = safetensors::serialize(views, Some(self.metadata))?;
        locations::write_atomically(path, &bytes)
            .with_context(|| format!("could not write {}", path.display()))
    }
}
