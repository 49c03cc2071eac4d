//! Bottleneck adapters beside the MLP of every vision block (Kravets and Namboodiri, BMVC 2024, arXiv 2409.11338; `adapter_utils.py`
//! of `akres001/CLIP_fewshot_imo)`: `out = h + MLP(LN(h)) + scale · Up(ReLU(Down(h)))`, on `h` without layer norm.

use std::path::Path as FilePath;

use candle_core::{Result, Tensor};

use super::checkpoint::{FileTensors, TensorSource, WeightBytes, WeightsSource};
use super::ops::{Elementwise, Linear};
use super::transformer::Placement;
use super::{Clip, ClipError};

/// A trained or trainable adapter for one model; given to an encode call or not, so one model serves both.
pub struct BottleneckAdapter {
    blocks: Vec<BlockAdapter>,
    id: String,
}

struct BlockAdapter {
    down: Linear,
    up: Linear,
    /// What `up` is still to be multiplied by; frozen layers have it in their weights.
    scale: Option<f64>,
}

/// The trainable tensors of one block.
pub struct AdapterTensors {
    /// `[bottleneck, width]` and `[bottleneck]`
    pub down: (Tensor, Tensor),
    /// `[width, bottleneck]` and `[width]`
    pub up: (Tensor, Tensor),
}

impl BottleneckAdapter {
    /// Opens a file with the authors' names, `visual.transformer.resblocks.{i}.adaptmlp.{down_proj,up_proj}.{weight,bias}`.
    ///
    /// The scale comes from `scale`, else from the metadata. `base_model_hash` in the metadata must be `clip`'s.
    pub fn open(
        path: &FilePath,
        scale: Option<f64>,
        clip: &Clip,
    ) -> std::result::Result<Self, ClipError> {
        let Some((num_blocks, width)) = clip.adapter_places() else {
            return Err(ClipError::AdapterNeedsTransformer);
        };
        let file = WeightBytes::open(&WeightsSource::File(path.to_owned()))?;
        let tensors = FileTensors::open(&file)?;
        if let Some(expected) = tensors
            .metadata("base_model_hash")
            .filter(|hash| hash != clip.hash())
        {
            return Err(ClipError::AdapterOfOtherModel {
                expected,
                got: clip.hash().to_owned(),
                path: path.to_owned(),
            });
        }
        let written = tensors
            .metadata("scale")
            .and_then(|scale| scale.parse().ok());
        let scale = scale.or(written).filter(|scale: &f64| scale.is_finite());
        let Some(scale) = scale else {
            return Err(ClipError::AdapterScale {
                path: path.to_owned(),
            });
        };
        let blocks = (0..num_blocks)
            .map(|index| frozen_block(&tensors, index, width, scale, clip.placement()));
        let blocks = blocks.collect::<std::result::Result<_, _>>()?;
        tensors.finish()?;
        Ok(Self {
            blocks,
            id: format!("bottleneck-{}-{scale}", file.hash()),
        })
    }

    /// From tensors that may be variables, one entry per block: for training. `id` names it in cache keys.
    pub fn from_tensors(blocks: Vec<AdapterTensors>, scale: f64, id: String) -> Self {
        let blocks = blocks
            .into_iter()
            .map(|AdapterTensors { down, up }| BlockAdapter {
                down: Linear::from_tensors(down.0, Some(down.1)).then(Elementwise::Relu),
                up: Linear::from_tensors(up.0, Some(up.1)),
                scale: Some(scale),
            });
        Self {
            blocks: blocks.collect(),
            id,
        }
    }

    /// Names the adapter and its scale; part of cache keys.
    pub fn id(&self) -> String {
        self.id.clone()
    }

    /// `sum + scale · Up(ReLU(Down(h)))` of block `index`.
    pub(super) fn beside(&self, index: usize, h: &Tensor, sum: &Tensor) -> Result<Tensor> {
        let Some(BlockAdapter { down, up, scale }) = self.blocks.get(index) else {
            candle_core::bail!(
                "the adapter has {} blocks, the model more",
                self.blocks.len()
            );
        };
        let inner = down.forward(h)?;
        match scale {
            None => up.forward_plus(&inner, sum),
            Some(scale) => sum + (up.forward(&inner)? * *scale)?,
        }
    }
}

fn frozen_block(
    tensors: &FileTensors<'_>,
    index: usize,
    width: usize,
    scale: f64,
    placement: &Placement,
) -> std::result::Result<BlockAdapter, ClipError> {
    let prefix = format!("visual.transformer.resblocks.{index}.adaptmlp");
    let down_name = format!("{prefix}.down_proj.weight");
    // The bottleneck's width is the adapter's own choice (64 in the paper).
    let bottleneck = tensors
        .shape(&down_name)
        .and_then(|shape| shape.first().copied())
        .unwrap_or(0);
    let down = tensors.take(&down_name, &[bottleneck, width])?;
    let down_bias = tensors.take(&format!("{prefix}.down_proj.bias"), &[bottleneck])?;
    let scaled = |numbers: Vec<f32>| {
        numbers
            .into_iter()
            .map(|x| (f64::from(x) * scale) as f32)
            .collect::<Vec<_>>()
    };
    let up = scaled(tensors.take(&format!("{prefix}.up_proj.weight"), &[width, bottleneck])?);
    let up_bias = scaled(tensors.take(&format!("{prefix}.up_proj.bias"), &[width])?);
    Ok(BlockAdapter {
        down: placement
            .linear(&down, Some(down_bias), bottleneck)?
            .then(Elementwise::Relu),
        up: placement.linear(&up, Some(up_bias), width)?,
        scale: None,
    })
}
