//! Tensors by name, as f32, with a record of which were read.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use half::{bf16, f16};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::bytes::WeightBytes;
use crate::clip::ClipError;

/// Buffers that checkpoints carry and no tower needs; product.md lists them.
const IGNORED: [&str; 5] = [
    "input_resolution",
    "context_length",
    "vocab_size",
    "attn_mask",
    "logit_bias",
];
const IGNORED_ENDS: [&str; 2] = [".position_ids", ".num_batches_tracked"];

/// Where the towers take their tensors from.
pub(in crate::clip) trait TensorSource: Sync {
    /// The numbers of `name`, row by row, when it has this shape.
    fn take(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ClipError>;
}

/// The tensors of a file.
pub(in crate::clip) struct FileTensors<'a> {
    tensors: SafeTensors<'a>,
    file: &'a WeightBytes,
    taken: Mutex<BTreeSet<String>>,
}

impl<'a> FileTensors<'a> {
    /// The tensors of `file`.
    pub(in crate::clip) fn open(file: &'a WeightBytes) -> Result<Self, ClipError> {
        Ok(Self {
            tensors: file.tensors()?,
            file,
            taken: Mutex::default(),
        })
    }

    /// The shape of `name`, when there is such a tensor.
    pub(in crate::clip) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensors
            .tensor(name)
            .ok()
            .map(|tensor| tensor.shape().to_vec())
    }

    /// The file's own words about itself under `key`.
    pub(in crate::clip) fn metadata(&self, key: &str) -> Option<String> {
        let (_, header) = SafeTensors::read_metadata(self.file.as_slice()).ok()?;
        header.metadata().as_ref()?.get(key).cloned()
    }

    /// The file they come from.
    pub(in crate::clip) fn file(&self) -> &WeightBytes {
        self.file
    }

    /// An error when there are tensors that nobody took and that are no known buffers.
    pub(in crate::clip) fn finish(self) -> Result<(), ClipError> {
        let mut taken = self
            .taken
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        for name in self.tensors.names() {
            if is_ignored(name) {
                taken.insert(name.to_owned());
            }
        }
        let mut surplus: Vec<&str> = self
            .tensors
            .names()
            .into_iter()
            .filter(|name| !taken.contains(*name))
            .collect();
        surplus.sort_unstable();
        match surplus.first() {
            None => Ok(()),
            Some(first) => Err(ClipError::SurplusTensor {
                tensor: (*first).to_owned(),
                count: surplus.len(),
                path: self.file.path().to_owned(),
            }),
        }
    }

    /// A tensor of any shape, as stored.
    fn view(&self, name: &str) -> Result<TensorView<'a>, ClipError> {
        let Ok(view) = self.tensors.tensor(name) else {
            return Err(ClipError::MissingTensor {
                tensor: name.to_owned(),
                path: self.file.path().to_owned(),
            });
        };
        self.taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned());
        Ok(view)
    }

    /// Numbers stored as floating point.
    fn floats(&self, name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, ClipError> {
        let data = view.data();
        match view.dtype() {
            Dtype::F32 => Ok(data
                .as_chunks()
                .0
                .iter()
                .map(|x| f32::from_le_bytes(*x))
                .collect()),
            Dtype::F16 => Ok(data
                .as_chunks()
                .0
                .iter()
                .map(|x| f16::from_le_bytes(*x).to_f32())
                .collect()),
            Dtype::BF16 => Ok(data
                .as_chunks()
                .0
                .iter()
                .map(|x| bf16::from_le_bytes(*x).to_f32())
                .collect()),
            other => Err(ClipError::UnsupportedType {
                tensor: name.to_owned(),
                got: format!("{other:?}"),
                path: self.file.path().to_owned(),
            }),
        }
    }

    /// Numbers stored as bytes with a scale per row, `NAME` and `NAME.scale`: the embedded model's own format.
    fn scaled_bytes(&self, name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, ClipError> {
        let num_rows = view.shape().first().copied().unwrap_or(1);
        let scales = self.take(&format!("{name}.scale"), &[num_rows])?;
        let width = (view.data().len() / num_rows.max(1)).max(1);
        // Row by row, because a `flat_map` does not vectorise.
        let mut numbers = Vec::with_capacity(view.data().len());
        for (row, scale) in view.data().chunks_exact(width).zip(scales) {
            numbers.extend(row.iter().map(|x| f32::from(x.cast_signed()) * scale));
        }
        Ok(numbers)
    }
}

impl TensorSource for FileTensors<'_> {
    fn take(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ClipError> {
        let view = self.view(name)?;
        if view.shape() != shape {
            return Err(ClipError::WrongShape {
                tensor: name.to_owned(),
                got: view.shape().to_vec(),
                expected: shape.to_vec(),
                path: self.file.path().to_owned(),
            });
        }
        let numbers = match view.dtype() {
            Dtype::I8 => self.scaled_bytes(name, &view)?,
            _ => self.floats(name, &view)?,
        };
        // An `all` with an early exit does not vectorise; this does.
        if numbers
            .iter()
            .fold(true, |finite, x| finite & x.is_finite())
        {
            Ok(numbers)
        } else {
            Err(ClipError::NotFinite {
                tensor: name.to_owned(),
                path: self.file.path().to_owned(),
            })
        }
    }
}

fn is_ignored(name: &str) -> bool {
    IGNORED.contains(&name) || IGNORED_ENDS.iter().any(|end| name.ends_with(end))
}
