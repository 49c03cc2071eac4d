//! The pre-norm transformer blocks that both towers are made of (`ResidualAttentionBlock` of OpenAI's `clip/model.py`).

use candle_core::{Device, Result, Tensor};

use super::checkpoint::{Activation, BlockWeights, NormWeights};
use super::ops::{Elementwise, LayerNorm, Linear, Path, attention};

/// Where a tower's layers lie and how they are computed.
#[derive(Clone)]
pub(super) struct Placement {
    pub(super) device: Device,
    pub(super) path: Path,
}

impl Placement {
    pub(super) fn norm(&self, weights: NormWeights, eps: f64) -> Result<LayerNorm> {
        let weight = Tensor::new(weights.weight, &self.device)?;
        let bias = Tensor::new(weights.bias, &self.device)?;
        Ok(LayerNorm::new(weight, bias, eps, self.path))
    }

    pub(super) fn linear(
        &self,
        weight: &[f32],
        bias: Option<Vec<f32>>,
        outputs: usize,
    ) -> Result<Linear> {
        Linear::frozen(weight, bias, outputs, self.path, &self.device)
    }
}

/// Picks rows of a tensor `[num_sequences, num_tokens, width]`.
pub(super) type Pool<'a> = &'a dyn Fn(&Tensor) -> Result<Tensor>;

/// From `h` and a block's output to its new output.
type Adapt<'a> = &'a dyn Fn(&Tensor, &Tensor) -> Result<Tensor>;

/// What is the same in all blocks of a tower.
#[derive(Clone, Copy)]
pub(super) struct BlockOptions {
    pub(super) num_heads: usize,
    pub(super) is_causal: bool,
    pub(super) activation: Activation,
    pub(super) eps: f64,
}

/// One block: attention and MLP, each on normalised input and added to it.
pub(super) struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    out: Linear,
    norm2: LayerNorm,
    expand: Linear,
    contract: Linear,
    options: BlockOptions,
    path: Path,
}

impl Block {
    pub(super) fn new(
        weights: BlockWeights,
        options: BlockOptions,
        placement: &Placement,
    ) -> Result<Self> {
        let width = weights.norm1.weight.len();
        let mlp_width = weights.expand.bias.len();
        let function = match options.activation {
            Activation::QuickGelu => Elementwise::QuickGelu,
            Activation::Gelu => Elementwise::Gelu,
        };
        let BlockWeights {
            norm1,
            qkv,
            out,
            norm2,
            expand,
            contract,
        } = weights;
        Ok(Self {
            norm1: placement.norm(norm1, options.eps)?,
            qkv: placement.linear(&qkv.weight, Some(qkv.bias), 3 * width)?,
            out: placement.linear(&out.weight, Some(out.bias), width)?,
            norm2: placement.norm(norm2, options.eps)?,
            expand: placement
                .linear(&expand.weight, Some(expand.bias), mlp_width)?
                .then(function),
            contract: placement.linear(&contract.weight, Some(contract.bias), width)?,
            options,
            path: placement.path,
        })
    }

    /// `h = x + Attn(LN(x))`, then `h + MLP(LN(h))`, for `x` of shape `[num_sequences, num_tokens, width]`.
    ///
    /// `pool` picks the rows that somebody needs: those of the last block that nobody reads are most of its work.
    /// `beside` is an adapter parallel to the MLP: from `h` and the sum to a new sum.
    fn forward(
        &self,
        x: &Tensor,
        pool: Option<Pool<'_>>,
        beside: Option<Adapt<'_>>,
    ) -> Result<Tensor> {
        let BlockOptions {
            num_heads,
            is_causal,
            ..
        } = self.options;
        let qkv = self.qkv.forward(&self.norm1.forward(x)?)?;
        let attended = attention(&qkv, num_heads, is_causal, self.path)?;
        let h = match pool {
            Some(pool) => self.out.forward_plus(&pool(&attended)?, &pool(x)?)?,
            None => self.out.forward_plus(&attended, x)?,
        };
        let inner = self.expand.forward(&self.norm2.forward(&h)?)?;
        let sum = self.contract.forward_plus(&inner, &h)?;
        match beside {
            Some(beside) => beside(&h, &sum),
            None => Ok(sum),
        }
    }
}

/// From `h` of block i and the block's output to its new output.
pub(super) type Beside<'a> = &'a dyn Fn(usize, &Tensor, &Tensor) -> Result<Tensor>;

/// All blocks in turn; the result is `pool` of the last one's output, `[num_sequences, width]`.
pub(super) fn pooled(
    blocks: &[Block],
    x: &Tensor,
    pool: Pool<'_>,
    beside: Option<Beside<'_>>,
) -> Result<Tensor> {
    let mut x = x.clone();
    for (index, block) in blocks.iter().enumerate() {
        let is_last = index + 1 == blocks.len();
        let here = beside.map(|beside| move |h: &Tensor, sum: &Tensor| beside(index, h, sum));
        let here = here.as_ref().map(|here| here as Adapt<'_>);
        x = block.forward(&x, is_last.then_some(pool), here)?;
    }
    // Without blocks nothing is pooled yet.
    if blocks.is_empty() { pool(&x) } else { Ok(x) }
}
