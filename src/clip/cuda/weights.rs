//! A tower's numbers on the card.

use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaStream};
use candle_core::{Error, Result};

use super::half::Half;
use crate::clip::checkpoint::{BlockWeights, NormWeights};

/// Where numbers go and how halves are made of them.
#[derive(Clone)]
pub(super) struct Card {
    pub(super) stream: Arc<CudaStream>,
    pub(super) half: Half,
}

impl Card {
    /// Single precision, as it is.
    pub(super) fn singles(&self, numbers: &[f32]) -> Result<CudaSlice<f32>> {
        self.stream.clone_htod(numbers).map_err(Error::wrap)
    }

    /// A layer norm.
    pub(super) fn norm(&self, weights: &NormWeights) -> Result<Norm> {
        Ok(Norm {
            weight: self.singles(&weights.weight)?,
            bias: self.singles(&weights.bias)?,
        })
    }

    /// A layer with `outputs` rows of weights, and as many biases, zero where there are none.
    pub(super) fn layer(
        &self,
        weight: &[f32],
        bias: Option<&[f32]>,
        outputs: usize,
    ) -> Result<Layer> {
        let zeros = || vec![0.0; outputs];
        Ok(Layer {
            weight: self
                .stream
                .clone_htod(&self.half.bits(weight))
                .map_err(Error::wrap)?,
            bias: self.singles(&bias.map_or_else(zeros, <[f32]>::to_vec))?,
            outputs,
            inner: weight.len() / outputs,
        })
    }

    /// A block.
    pub(super) fn block(&self, weights: &BlockWeights) -> Result<HalfBlock> {
        let width = weights.norm1.weight.len();
        let mlp_width = weights.expand.bias.len();
        let layer = |weight: &[f32], bias: &[f32], outputs| self.layer(weight, Some(bias), outputs);
        let BlockWeights {
            norm1,
            qkv,
            out,
            norm2,
            expand,
            contract,
        } = weights;
        Ok(HalfBlock {
            norm1: self.norm(norm1)?,
            qkv: layer(&qkv.weight, &qkv.bias, 3 * width)?,
            out: layer(&out.weight, &out.bias, width)?,
            norm2: self.norm(norm2)?,
            expand: layer(&expand.weight, &expand.bias, mlp_width)?,
            contract: layer(&contract.weight, &contract.bias, width)?,
        })
    }
}

/// A layer norm's numbers, `[width]` each, in single precision.
pub(super) struct Norm {
    weight: CudaSlice<f32>,
    bias: CudaSlice<f32>,
}

impl Norm {
    pub(super) fn weight(&self) -> &CudaSlice<f32> {
        &self.weight
    }

    pub(super) fn bias(&self) -> &CudaSlice<f32> {
        &self.bias
    }
}

/// A linear layer: `[outputs, inner]` halves, `[outputs]` singles.
pub(super) struct Layer {
    weight: CudaSlice<u16>,
    bias: CudaSlice<f32>,
    outputs: usize,
    inner: usize,
}

impl Layer {
    pub(super) fn weight(&self) -> &CudaSlice<u16> {
        &self.weight
    }

    pub(super) fn bias(&self) -> &CudaSlice<f32> {
        &self.bias
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    pub(super) fn inner(&self) -> usize {
        self.inner
    }
}

/// One block of the tower.
pub(super) struct HalfBlock {
    pub(super) norm1: Norm,
    pub(super) qkv: Layer,
    pub(super) out: Layer,
    pub(super) norm2: Norm,
    pub(super) expand: Layer,
    pub(super) contract: Layer,
}
