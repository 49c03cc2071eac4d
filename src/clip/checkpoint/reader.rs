//! Tensors by name, as f32, with a record of which were read.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorInfo};

use super::bytes::{Header, WeightBytes};
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
    header: Header,
    file: &'a WeightBytes,
    taken: Mutex<BTreeSet<String>>,
}

impl<'a> FileTensors<'a> {
    /// The tensors of `file`.
    pub(in crate::clip) fn open(file: &'a WeightBytes) -> Result<Self, ClipError> {
        Ok(Self {
            header: file.header()?,
            file,
            taken: Mutex::default(),
        })
    }

    /// The shape of `name`, when there is such a tensor.
    pub(in crate::clip) fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let info = self.header.metadata.info(name)?;
        Some(info.shape.clone())
    }

    /// The file's own words about itself under `key`.
    pub(in crate::clip) fn metadata(&self, key: &str) -> Option<String> {
        let words = self.header.metadata.metadata().as_ref()?;
        words.get(key).cloned()
    }

    /// The file they come from.
    pub(in crate::clip) fn file(&self) -> &WeightBytes {
        self.file
    }

    /// An error when there are tensors that nobody took and that are no known buffers.
    pub(in crate::clip) fn finish(self) -> Result<(), ClipError> {
        let taken = self
            .taken
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let names = self.header.metadata.offset_keys().into_iter();
        let mut surplus: Vec<String> = names
            .filter(|name| !taken.contains(name) && !is_ignored(name))
            .collect();
        surplus.sort_unstable();
        match surplus.first() {
            None => Ok(()),
            Some(first) => Err(ClipError::SurplusTensor {
                tensor: first.clone(),
                count: surplus.len(),
                path: self.file.path().to_owned(),
            }),
        }
    }

    /// What the header says of `name`, when it has this shape and a type that can be read.
    fn checked(&self, name: &str, shape: &[usize]) -> Result<&TensorInfo, ClipError> {
        let path = || self.file.path().to_owned();
        let Some(info) = self.header.metadata.info(name) else {
            return Err(ClipError::MissingTensor {
                tensor: name.to_owned(),
                path: path(),
            });
        };
        self.taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned());
        if info.shape != shape {
            return Err(ClipError::WrongShape {
                tensor: name.to_owned(),
                got: info.shape.clone(),
                expected: shape.to_vec(),
                path: path(),
            });
        }
        match info.dtype {
            Dtype::F32 | Dtype::F16 | Dtype::BF16 => {}
            Dtype::I8 => {
                self.checked(&scale_of(name), &[num_rows(info)])?;
            }
            other => {
                return Err(ClipError::UnsupportedType {
                    tensor: name.to_owned(),
                    got: format!("{other:?}"),
                    path: path(),
                });
            }
        }
        Ok(info)
    }

    fn bytes(&self, info: &TensorInfo) -> Result<Cow<'_, [u8]>, ClipError> {
        let (start, end) = info.data_offsets;
        let data_start = self.header.data_start;
        self.file.read(data_start + start..data_start + end)
    }

    /// Numbers of 16 bits.
    fn halves(
        &self,
        info: &TensorInfo,
        number: impl Fn([u8; 2]) -> f32,
    ) -> Result<Vec<f32>, ClipError> {
        let bytes = self.bytes(info)?;
        Ok(bytes.as_chunks().0.iter().map(|x| number(*x)).collect())
    }

    /// Numbers of 32 bits, read to where they stay.
    fn singles(&self, info: &TensorInfo) -> Result<Vec<f32>, ClipError> {
        let (start, end) = info.data_offsets;
        let mut numbers = vec![0_f32; (end - start) / size_of::<f32>()];
        let bytes = bytemuck::cast_slice_mut(&mut numbers);
        self.file.read_into(self.header.data_start + start, bytes)?;
        if cfg!(target_endian = "big") {
            for number in &mut numbers {
                *number = f32::from_bits(u32::from_le(number.to_bits()));
            }
        }
        Ok(numbers)
    }

    /// Numbers stored as bytes with a scale per row, `NAME` and `NAME.scale`: the embedded model's own format.
    fn scaled_bytes(&self, name: &str, info: &TensorInfo) -> Result<Vec<f32>, ClipError> {
        let num_rows = num_rows(info);
        let scales = self.take(&scale_of(name), &[num_rows])?;
        let bytes = self.bytes(info)?;
        let width = (bytes.len() / num_rows.max(1)).max(1);
        // Row by row, because a `flat_map` does not vectorise.
        let mut numbers = Vec::with_capacity(bytes.len());
        for (row, scale) in bytes.chunks_exact(width).zip(scales) {
            numbers.extend(row.iter().map(|x| f32::from(x.cast_signed()) * scale));
        }
        Ok(numbers)
    }
}

fn scale_of(name: &str) -> String {
    format!("{name}.scale")
}

fn num_rows(info: &TensorInfo) -> usize {
    info.shape.first().copied().unwrap_or(1)
}

impl TensorSource for FileTensors<'_> {
    fn take(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ClipError> {
        let info = self.checked(name, shape)?;
        let numbers = match info.dtype {
            Dtype::I8 => self.scaled_bytes(name, info)?,
            Dtype::F16 => self.halves(info, |x| f16::from_le_bytes(x).to_f32())?,
            Dtype::BF16 => self.halves(info, |x| bf16::from_le_bytes(x).to_f32())?,
            _ => self.singles(info)?,
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

/// Checks names, shapes and types of the tensors that are asked for, and gives none of their numbers.
pub(in crate::clip) struct Unread<'a>(pub(in crate::clip) &'a FileTensors<'a>);

impl TensorSource for Unread<'_> {
    fn take(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ClipError> {
        self.0.checked(name, shape)?;
        Ok(Vec::new())
    }
}

fn is_ignored(name: &str) -> bool {
    IGNORED.contains(&name) || IGNORED_ENDS.iter().any(|end| name.ends_with(end))
}
