//! Tensors of a classifier file: numbers and whole numbers, by name, with words beside them.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors};

use crate::features::Matrix;

/// Tensors and metadata on their way into a file.
#[derive(Default)]
pub(super) struct Tensors {
    tensors: Vec<(&'static str, Dtype, Vec<usize>, Vec<u8>)>,
    metadata: HashMap<String, String>,
}

impl Tensors {
    /// `[rows, cols]`, f32.
    pub(super) fn matrix(&mut self, name: &'static str, matrix: &Matrix) {
        let shape = vec![matrix.rows(), matrix.cols()];
        self.floats(name, shape, matrix.as_slice());
    }

    /// `[n]`, f32.
    pub(super) fn numbers(&mut self, name: &'static str, numbers: &[f32]) {
        self.floats(name, vec![numbers.len()], numbers);
    }

    /// `[n]`, i64.
    pub(super) fn indices(&mut self, name: &'static str, indices: &[usize]) {
        let bytes = indices.iter().flat_map(|x| (*x as i64).to_le_bytes());
        let shape = vec![indices.len()];
        self.tensors
            .push((name, Dtype::I64, shape, bytes.collect()));
    }

    /// A word beside them.
    pub(super) fn word(&mut self, key: &str, value: impl Into<String>) {
        self.metadata.insert(key.to_owned(), value.into());
    }

    fn floats(&mut self, name: &'static str, shape: Vec<usize>, numbers: &[f32]) {
        let bytes = numbers.iter().flat_map(|x| x.to_le_bytes());
        self.tensors
            .push((name, Dtype::F32, shape, bytes.collect()));
    }

    /// The bytes of the file.
    pub(super) fn bytes(self) -> Result<Vec<u8>, SafeTensorError> {
        let views = self.tensors.iter().map(|(name, dtype, shape, bytes)| {
            TensorView::new(*dtype, shape.clone(), bytes).map(|view| (*name, view))
        });
        let views: Vec<_> = views.collect::<Result<_, _>>()?;
        safetensors::serialize(views, Some(self.metadata))
    }
}

/// Tensors and metadata of a file; errors are parts of sentences.
pub(super) struct Content<'a> {
    tensors: SafeTensors<'a>,
    metadata: HashMap<String, String>,
}

impl<'a> Content<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| format!("{error}"))?;
        Ok(Self {
            tensors: SafeTensors::deserialize(bytes).map_err(|error| format!("{error}"))?,
            metadata: header.metadata().clone().unwrap_or_default(),
        })
    }

    /// A word that must be there.
    pub(super) fn word(&self, key: &str) -> Result<&str, String> {
        let word = self.metadata.get(key);
        word.map(String::as_str)
            .ok_or_else(|| format!("its metadata has no `{key}`"))
    }

    /// `[rows, cols]`, or `None` where there is no such tensor.
    pub(super) fn matrix_if_there(&self, name: &str) -> Result<Option<Matrix>, String> {
        let Ok(view) = self.tensors.tensor(name) else {
            return Ok(None);
        };
        let [rows, cols] = *view.shape() else {
            return Err(format!("{name} has not two dimensions"));
        };
        let matrix = Matrix::new(rows, cols, floats(name, &view)?);
        matrix.map(Some).map_err(|error| error.to_string())
    }

    /// `[rows, cols]`.
    pub(super) fn matrix(&self, name: &str) -> Result<Matrix, String> {
        self.matrix_if_there(name)?
            .ok_or_else(|| format!("it has no tensor `{name}`"))
    }

    /// `[n]`.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<f32>, String> {
        floats(name, &self.tensor(name)?)
    }

    /// `[n]`, none below 0.
    pub(super) fn indices(&self, name: &str) -> Result<Vec<usize>, String> {
        let view = self.tensor(name)?;
        if view.dtype() != Dtype::I64 {
            return Err(format!("{name} is not I64"));
        }
        let (numbers, _) = view.data().as_chunks::<8>();
        numbers
            .iter()
            .map(|bytes| {
                usize::try_from(i64::from_le_bytes(*bytes))
                    .map_err(|_negative| format!("{name} has a number below 0"))
            })
            .collect()
    }

    fn tensor(&self, name: &str) -> Result<TensorView<'_>, String> {
        let tensor = self.tensors.tensor(name);
        tensor.map_err(|_missing| format!("it has no tensor `{name}`"))
    }
}

fn floats(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, String> {
    if view.dtype() != Dtype::F32 {
        return Err(format!("{name} is not F32"));
    }
    let (numbers, _) = view.data().as_chunks::<4>();
    Ok(numbers
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect())
}
