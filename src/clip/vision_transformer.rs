//! The vision transformer (`VisionTransformer` of OpenAI's `clip/model.py`).

use candle_core::{Result, Tensor};

use super::ClipError;
use super::adapter::BottleneckAdapter;
use super::checkpoint::{Dialect, TensorSource, VitConfig, norm};
use super::ops::{LayerNorm, Linear, rows};
use super::position::interpolated;
use super::preprocess::{Crop, Preprocess};
use super::towers::{ImageTensors, ImageTower, PixelValues};
use super::transformer::{Block, BlockOptions, Placement, blocks, pooled};
use crate::features::Matrix;

/// Tokens of a batch on a CPU: with fewer, weights are read from memory too often; with more, activations are.
const CPU_BATCH_TOKENS: usize = 1600;
/// Pictures of a batch on a GPU.
const GPU_BATCH: usize = 128;

/// Patches, class token, blocks, projection.
pub(super) struct VisionTransformer {
    config: VitConfig,
    placement: Placement,
    pixels: PixelScale,
    /// From the pixels of a patch to its token.
    patch: Linear,
    /// Position of every token, with the class embedding added to the first, `[num_tokens, width]`.
    position: Tensor,
    norm_before: LayerNorm,
    blocks: Vec<Block>,
    norm_after: LayerNorm,
    project: Linear,
    projection: Matrix,
}

impl VisionTransformer {
    pub(super) fn new(
        source: &dyn TensorSource,
        dialect: Dialect,
        config: &VitConfig,
        dim: usize,
        preprocess: &Preprocess,
        placement: &Placement,
    ) -> std::result::Result<Self, ClipError> {
        let names = dialect.image();
        let VitConfig {
            width,
            patch,
            grid,
            eps,
            ..
        } = *config;
        let num_tokens = grid * grid + 1;
        let kernel = source.take(names.patch, &[width, 3, patch, patch])?;
        let mut position = source.take(names.position, &[num_tokens, width])?;
        let class = source.take(names.class, &[width])?;
        position
            .iter_mut()
            .zip(class)
            .for_each(|(position, class)| *position += class);
        let options = BlockOptions {
            num_heads: config.num_heads,
            is_causal: false,
            activation: config.activation,
            eps,
        };
        let blocks = blocks(config.num_blocks, |index| {
            let prefix = format!("{}.{index}", names.blocks);
            let weights = dialect.block(source, &prefix, width, config.mlp_width)?;
            Ok(Block::new(weights, options, placement)?)
        })?;
        let projection = dialect.projection(source, names.projection, dim, width)?;
        Ok(Self {
            pixels: PixelScale::new(preprocess, patch),
            patch: placement.linear(&pixels_last(&kernel, patch), None, width)?,
            position: Tensor::from_vec(position, (num_tokens, width), &placement.device)?,
            norm_before: placement.norm(norm(source, names.norm_before, width)?, eps)?,
            blocks,
            norm_after: placement.norm(norm(source, names.norm_after, width)?, eps)?,
            project: placement.linear(&projection, None, dim)?,
            projection: Matrix::new(dim, width, projection)?,
            config: config.clone(),
            placement: placement.clone(),
        })
    }

    /// The patches of `crops`, all of one size, with normalised pixels, `[num_crops, num_tokens, patch²·3]`, or as pairs of them
    /// where the layers multiply such; the class token's are zero.
    fn patches(&self, crops: &[Crop], pixels: &PixelScale) -> Result<Tensor> {
        let VitConfig { patch, grid, .. } = self.config;
        let grid = crops.first().map_or(grid, |crop| crop.size / patch);
        let (num_tokens, token) = (grid * grid + 1, patch * patch * 3);
        let num_rows = crops.len() * num_tokens;
        let fill = |row: usize, values: &mut [f32]| {
            let (crop, token) = (&crops[row / num_tokens], row % num_tokens);
            let Some(index) = token.checked_sub(1) else {
                return;
            };
            let (top, left) = (index / grid * patch, index % grid * patch);
            for (row, values) in values.chunks_exact_mut(patch * 3).enumerate() {
                let first = ((top + row) * crop.size + left) * 3;
                pixels.scale(&crop.pixels[first..first + patch * 3], values);
            }
        };
        let device = &self.placement.device;
        match self.placement.pairs().filter(|_| token.is_multiple_of(2)) {
            None => {
                let values = rows(num_rows, token, fill);
                Tensor::from_vec(values, (crops.len(), num_tokens, token), device)
            }
            Some(product) => {
                let pairs = rows(num_rows, token / 2, |row, pairs| {
                    let mut values = vec![0.0; token];
                    fill(row, &mut values);
                    product.round(&values, pairs);
                });
                Tensor::from_vec(pairs, (crops.len(), num_tokens, token / 2), device)
            }
        }
    }

    /// What the first block takes, `[num_crops, num_tokens, width]`; positions of pictures of another size are interpolated.
    fn tokens(&self, patches: &Tensor) -> Result<Tensor> {
        let num_tokens = patches.dim(1)?;
        let position = if num_tokens == self.position.dim(0)? {
            self.position.clone()
        } else {
            interpolated(&self.position, self.config.grid, (num_tokens - 1).isqrt())?
        };
        self.norm_before
            .forward(&self.patch.forward_plus(patches, &position)?)
    }

    /// What block `block` takes.
    fn before(&self, block: usize, crops: &[Crop], pixels: &PixelScale) -> Result<Tensor> {
        let mut x = self.tokens(&self.patches(crops, pixels)?)?;
        for block in &self.blocks[..block] {
            x = block.forward(&x, None, None)?;
        }
        Ok(x)
    }

    /// Features from what block `first` takes; differentiable with respect to the adapter.
    fn finish(
        &self,
        x: &Tensor,
        first: usize,
        adapter: Option<&BottleneckAdapter>,
    ) -> Result<ImageTensors> {
        let beside = adapter.map(|adapter| {
            move |index, h: &Tensor, sum: &Tensor| adapter.beside(first + index, h, sum)
        });
        let beside = beside.as_ref().map(|beside| beside as _);
        let class = |x: &Tensor| x.narrow(1, 0, 1)?.squeeze(1)?.contiguous();
        self.features_of(&pooled(&self.blocks[first..], x, &class, beside)?)
    }

    /// Features from what the last block makes of the class token, `[num_crops, width]`.
    pub(super) fn features_of(&self, pooled: &Tensor) -> Result<ImageTensors> {
        let hidden = self.norm_after.forward(pooled)?;
        Ok(ImageTensors {
            features: self.project.forward(&hidden)?,
            hidden: Some(hidden),
        })
    }

    /// Position of every token, with the class embedding added to the first, `num_tokens` rows of `width` numbers.
    #[cfg(feature = "cuda")]
    pub(super) fn positions(&self) -> Result<Vec<f32>> {
        self.position.flatten_all()?.to_vec1()
    }
}

impl ImageTower for VisionTransformer {
    fn forward(&self, crops: &[Crop], adapter: Option<&BottleneckAdapter>) -> Result<ImageTensors> {
        let patches = self.patches(crops, &self.pixels)?;
        self.finish(&self.tokens(&patches)?, 0, adapter)
    }

    fn forward_both(
        &self,
        crops: &[Crop],
        adapter: &BottleneckAdapter,
    ) -> Result<[ImageTensors; 2]> {
        let first = adapter.first_block().min(self.blocks.len());
        let shared = self.before(first, crops, &self.pixels)?;
        Ok([
            self.finish(&shared, first, None)?,
            self.finish(&shared, first, Some(adapter))?,
        ])
    }

    fn activations(
        &self,
        crops: &[Crop],
        before: usize,
        values: PixelValues,
    ) -> Result<Option<Tensor>> {
        let raw = PixelScale::zero_to_one(self.config.patch);
        let pixels = match values {
            PixelValues::Normalised => &self.pixels,
            PixelValues::ZeroToOne => &raw,
        };
        self.before(before, crops, pixels).map(Some)
    }

    fn finish(
        &self,
        activations: &Tensor,
        before: usize,
        adapter: &BottleneckAdapter,
    ) -> Result<Option<ImageTensors>> {
        self.finish(activations, before, Some(adapter)).map(Some)
    }

    fn parts(&self, _: &[Crop]) -> Result<Option<Tensor>> {
        Ok(None)
    }

    fn batch_size(&self) -> usize {
        let num_tokens = self.config.grid * self.config.grid + 1;
        if self.placement.device.is_cpu() {
            (CPU_BATCH_TOKENS / num_tokens).max(1)
        } else {
            GPU_BATCH
        }
    }

    fn adapter_places(&self) -> Option<(usize, usize)> {
        Some((self.config.num_blocks, self.config.width))
    }

    fn projection(&self) -> Option<&Matrix> {
        Some(&self.projection)
    }
}

/// From bytes to normalised numbers: `(byte / 255 - mean) / std`, channel by channel, for one row of a patch.
struct PixelScale {
    factor: Vec<f32>,
    offset: Vec<f32>,
}

impl PixelScale {
    fn new(preprocess: &Preprocess, num_pixels: usize) -> Self {
        let Preprocess { mean, std, .. } = preprocess;
        Self {
            factor: (0..3 * num_pixels)
                .map(|i| 1.0 / (255.0 * std[i % 3]))
                .collect(),
            offset: (0..3 * num_pixels)
                .map(|i| -mean[i % 3] / std[i % 3])
                .collect(),
        }
    }

    /// Bytes from 0 to 1, without mean and deviation.
    fn zero_to_one(num_pixels: usize) -> Self {
        Self {
            factor: vec![1.0 / 255.0; 3 * num_pixels],
            offset: vec![0.0; 3 * num_pixels],
        }
    }

    fn scale(&self, bytes: &[u8], values: &mut [f32]) {
        let scales = self.factor.iter().zip(&self.offset);
        for ((value, byte), (factor, offset)) in values.iter_mut().zip(bytes).zip(scales) {
            *value = f32::from(*byte) * factor + offset;
        }
    }
}

/// A convolution's kernel, `[width, 3, patch, patch]`, with the channel last, as the bytes of a crop have it.
pub(super) fn pixels_last(kernel: &[f32], patch: usize) -> Vec<f32> {
    let area = patch * patch;
    let mut sorted = Vec::with_capacity(kernel.len());
    for filter in kernel.chunks_exact(3 * area) {
        sorted.extend((0..3 * area).map(|i| filter[i % 3 * area + i / 3]));
    }
    sorted
}
