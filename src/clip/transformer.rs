//! The pre-norm transformer blocks that both towers are made of (`ResidualAttentionBlock` of OpenAI's `clip/model.py`).

use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

use super::checkpoint::{Activation, BlockWeights, ImageConfig, NormWeights};
use super::ops::{
    Elementwise, Kernel, LayerNorm, Linear, PairProduct, Path, attention, attention_sublayer,
    mlp_sublayer,
};
use super::{ClipError, NumberFormat, OpenOptions, Precision, precision};

/// Where a tower's layers lie and how they are computed.
#[derive(Clone)]
pub(super) struct Placement {
    pub(super) device: Device,
    pub(super) path: Path,
    /// What the layers multiply.
    pub(super) format: NumberFormat,
}

impl Placement {
    /// The place that `options` ask for, and what to call it; computed as `path` says, or in the faster way.
    pub(super) fn new(
        options: OpenOptions,
        path: Option<Path>,
    ) -> std::result::Result<(Self, String), ClipError> {
        Kernel::forced().map_err(|reason| ClipError::Kernel { reason })?;
        let (device, description) = options.device.open()?;
        let format = options.precision.on(&device)?;
        let path = path.unwrap_or_else(|| Path::for_device(&device));
        let placement = Self {
            device,
            path,
            format,
        };
        Ok((placement, description))
    }

    /// The same place for a model with this image tower.
    pub(super) fn for_model(
        self,
        image: &ImageConfig,
        asked: Precision,
    ) -> std::result::Result<Self, ClipError> {
        let format = precision::for_model(self.format, asked, image, &self.device)?;
        Ok(Self { format, ..self })
    }

    pub(super) fn norm(&self, weights: NormWeights, eps: f64) -> Result<LayerNorm> {
        let weight = Tensor::new(weights.weight, &self.device)?;
        let bias = Tensor::new(weights.bias, &self.device)?;
        Ok(LayerNorm::new(weight, bias, eps, self.path))
    }

    /// The product of pairs that the layers are computed with; `None` where they multiply numbers one by one.
    pub(super) fn pairs(&self) -> Option<PairProduct> {
        match self.path {
            Path::Fused => PairProduct::of(self.format),
            Path::BuiltIn => None,
        }
    }

    pub(super) fn linear(
        &self,
        weight: &[f32],
        bias: Option<Vec<f32>>,
        outputs: usize,
    ) -> Result<Linear> {
        Linear::frozen(weight, bias, outputs, self.path, self.format, &self.device)
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
    /// Where its layers multiply pairs: what rounds their input.
    pairs: Option<PairProduct>,
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
            pairs: placement.pairs().filter(|_| {
                mlp_width.is_multiple_of(2) && width.is_multiple_of(2 * options.num_heads)
            }),
        })
    }

    /// `h = x + Attn(LN(x))`, then `h + MLP(LN(h))`, for `x` of shape `[num_sequences, num_tokens, width]`.
    ///
    /// `pool` picks the rows that somebody needs: those of the last block that nobody reads are most of its work.
    /// `beside` is an adapter parallel to the MLP: from `h` and the sum to a new sum.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        pool: Option<Pool<'_>>,
        beside: Option<Adapt<'_>>,
    ) -> Result<Tensor> {
        let h = self.plus_attention(x, pool)?;
        let sum = self.plus_mlp(&h)?;
        match beside {
            Some(beside) => beside(&h, &sum),
            None => Ok(sum),
        }
    }

    /// Whether a sublayer on `x` is one operation.
    fn is_one_operation(&self, x: &Tensor) -> bool {
        self.path == Path::Fused && x.track_op()
    }

    /// `x + Attn(LN(x))`.
    fn plus_attention(&self, x: &Tensor, pool: Option<Pool<'_>>) -> Result<Tensor> {
        let BlockOptions {
            num_heads,
            is_causal,
            ..
        } = self.options;
        if pool.is_none() && self.is_one_operation(x) {
            let layers = [&self.qkv, &self.out];
            return attention_sublayer(x, &self.norm1, layers, num_heads, is_causal);
        }
        let qkv = self.qkv.forward(&normalised(&self.norm1, x, self.pairs)?)?;
        let attended = attention(&qkv, num_heads, is_causal, self.path)?;
        match pool {
            Some(pool) => self.out.forward_plus(&pool(&attended)?, &pool(x)?),
            None => self.out.forward_plus(&attended, x),
        }
    }

    /// `h + MLP(LN(h))`.
    fn plus_mlp(&self, h: &Tensor) -> Result<Tensor> {
        if self.is_one_operation(h) {
            return mlp_sublayer(h, &self.norm2, [&self.expand, &self.contract]);
        }
        let inner = self
            .expand
            .forward(&normalised(&self.norm2, h, self.pairs)?)?;
        self.contract.forward_plus(&inner, h)
    }

    /// The same block on sequences that begin alike: `prefix`, `[1, prefix tokens, width]`, is computed once for all of
    /// `rest`, `[num_sequences, other tokens, width]`. Only where no token sees later ones.
    fn forward_behind(&self, Parts { prefix, rest }: &Parts) -> Result<Parts> {
        let (num_sequences, num_rest, _) = rest.dims3()?;
        let num_prefix = prefix.dim(1)?;
        // Both alike: where a gradient is wanted of one, both stay numbers.
        let wants_gradient = prefix.track_op() || rest.track_op();
        let pairs = self.pairs.filter(|_| !wants_gradient);
        let qkv = |x: &Tensor| self.qkv.forward(&normalised(&self.norm1, x, pairs)?);
        let shared = qkv(prefix)?;
        let repeated = shared.broadcast_as((num_sequences, num_prefix, shared.dim(2)?))?;
        let all = Tensor::cat(&[&repeated, &qkv(rest)?], 1)?;
        let attended = attention(&all, self.options.num_heads, true, self.path)?;
        let part = |attended: Tensor, x: &Tensor| {
            self.plus_mlp(&self.out.forward_plus(&attended.contiguous()?, x)?)
        };
        Ok(Parts {
            prefix: part(attended.narrow(0, 0, 1)?.narrow(1, 0, num_prefix)?, prefix)?,
            rest: part(attended.narrow(1, num_prefix, num_rest)?, rest)?,
        })
    }
}

/// `norm` of `x`, rounded for layers that multiply pairs.
fn normalised(norm: &LayerNorm, x: &Tensor, pairs: Option<PairProduct>) -> Result<Tensor> {
    match pairs {
        Some(product) => norm.rounded(x, product),
        None => norm.forward(x),
    }
}

/// `num_blocks` blocks, read on all cores; of several errors the first block's is told.
pub(super) fn blocks<B: Send>(
    num_blocks: usize,
    read: impl Fn(usize) -> std::result::Result<B, ClipError> + Send + Sync,
) -> std::result::Result<Vec<B>, ClipError> {
    let read: Vec<_> = (0..num_blocks).into_par_iter().map(read).collect();
    read.into_iter().collect()
}

/// Sequences that begin alike.
pub(super) struct Parts {
    /// `[1, num_tokens, width]`, the same for all.
    pub(super) prefix: Tensor,
    /// `[num_sequences, num_tokens, width]`, what follows it.
    pub(super) rest: Tensor,
}

/// All blocks in turn on sequences that begin alike; the result is what the last block makes of the rest.
pub(super) fn behind(blocks: &[Block], parts: Parts) -> Result<Tensor> {
    let parts = blocks
        .iter()
        .try_fold(parts, |parts, block| block.forward_behind(&parts))?;
    Ok(parts.rest)
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
