//! The two kinds of 16-bit floats.

use candle_core::cuda_backend::cudarc::cublas::sys::cudaDataType;
use half::slice::HalfFloatSliceExt as _;
use half::{bf16, f16};

use crate::clip::NumberFormat;

/// How the tower's halves are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::clip) enum Half {
    /// IEEE: 11 bits of precision, up to 65,504. What OpenAI's checkpoints are stored in, and what its code computes in on GPUs.
    F16,
    /// Brain floats: 8 bits of precision, the range of single precision.
    Bf16,
}

impl Half {
    /// The half that a format is, if it is one.
    pub(in crate::clip) fn of(format: NumberFormat) -> Option<Self> {
        match format {
            NumberFormat::F32 => None,
            NumberFormat::F16 => Some(Self::F16),
            NumberFormat::Bf16 => Some(Self::Bf16),
        }
    }

    /// cuBLAS' name.
    pub(super) fn data_type(self) -> cudaDataType {
        match self {
            Self::F16 => cudaDataType::CUDA_R_16F,
            Self::Bf16 => cudaDataType::CUDA_R_16BF,
        }
    }

    /// The bits of `numbers`, each rounded to nearest.
    pub(super) fn bits(self, numbers: &[f32]) -> Vec<u16> {
        match self {
            Self::F16 => {
                let mut halves = vec![f16::ZERO; numbers.len()];
                halves.convert_from_f32_slice(numbers);
                halves.into_iter().map(f16::to_bits).collect()
            }
            Self::Bf16 => {
                let mut halves = vec![bf16::ZERO; numbers.len()];
                halves.convert_from_f32_slice(numbers);
                halves.into_iter().map(bf16::to_bits).collect()
            }
        }
    }
}
