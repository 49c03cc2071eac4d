//! OpenAI's ModifiedResNet (`clip/model.py`): three convolutions as a stem, an average pool before every stride, and an
//! attention pool at the end. Batch norms are folded into the convolutions at load; a convolution is a matrix product on
//! the neighbourhoods of all cells, with channels last.

use candle_core::{D, Result, Tensor};
use rayon::prelude::*;

use super::ClipError;
use super::adapter::BottleneckAdapter;
use super::checkpoint::{ResNetConfig, TensorSource};
use super::ops::{Elementwise, Linear, average_pool, windows};
use super::preprocess::{Crop, Preprocess};
use super::towers::{ImageTensors, ImageTower, PixelValues};
use super::transformer::Placement;
use crate::features::Matrix;

/// PyTorch's default for batch norms, which the model does not change.
const NORM_EPS: f32 = 1e-5;
/// Channels at the end of a block for one in its middle.
const EXPANSION: usize = 4;
/// Pictures of a batch: on a CPU feature maps of 56 × 56 × 256 should stay small.
const CPU_BATCH: usize = 8;
const GPU_BATCH: usize = 128;

type Loaded<T> = std::result::Result<T, ClipError>;

/// Stem, four stages, attention pool.
pub(super) struct ResNet {
    preprocess: Preprocess,
    placement: Placement,
    stem: [Conv; 3],
    blocks: Vec<Bottleneck>,
    pool: AttentionPool,
}

impl ResNet {
    pub(super) fn new(
        source: &dyn TensorSource,
        config: &ResNetConfig,
        dim: usize,
        preprocess: &Preprocess,
        placement: &Placement,
    ) -> Loaded<Self> {
        let loader = Loader { source, placement };
        let ResNetConfig {
            width,
            num_blocks,
            num_heads,
            grid,
        } = *config;
        let half = width / 2;
        let stem = [
            loader
                .conv("visual.conv1", "visual.bn1", [half, 3, 3])?
                .then(Elementwise::Relu),
            loader
                .conv("visual.conv2", "visual.bn2", [half, half, 3])?
                .then(Elementwise::Relu),
            loader
                .conv("visual.conv3", "visual.bn3", [width, half, 3])?
                .then(Elementwise::Relu),
        ];
        let (mut blocks, mut channels) = (Vec::new(), width);
        for (stage, num_blocks) in num_blocks.into_iter().enumerate() {
            let planes = width << stage;
            for index in 0..num_blocks {
                let prefix = format!("visual.layer{}.{index}", stage + 1);
                let halves = stage > 0 && index == 0;
                blocks.push(loader.bottleneck(&prefix, channels, planes, halves)?);
                channels = planes * EXPANSION;
            }
        }
        let pool = loader.attention_pool(channels, grid * grid + 1, dim, num_heads)?;
        Ok(Self {
            preprocess: preprocess.clone(),
            placement: placement.clone(),
            stem,
            blocks,
            pool,
        })
    }

    /// The 3 × 3 neighbourhoods of every second pixel, normalised, zeros outside: `[num_crops, size / 2, size / 2, 27]`.
    fn first_windows(&self, crops: &[Crop]) -> Result<Tensor> {
        let Preprocess { size, mean, std } = self.preprocess;
        let half = size / 2;
        let mut values = vec![0.0; crops.len() * half * half * 27];
        values
            .par_chunks_mut(half * half * 27)
            .zip(crops)
            .for_each(|(values, crop)| {
                for (cell, values) in values.chunks_exact_mut(27).enumerate() {
                    for (index, value) in values.iter_mut().enumerate() {
                        let (dy, dx, channel) = (index / 9, index / 3 % 3, index % 3);
                        let (y, x) = (cell / half * 2 + dy, cell % half * 2 + dx);
                        // Coordinates are one too large; the picture's edge is padding.
                        if y > 0 && x > 0 && y <= size && x <= size {
                            let byte = crop.pixels[((y - 1) * size + x - 1) * 3 + channel];
                            *value = (f32::from(byte) / 255.0 - mean[channel]) / std[channel];
                        }
                    }
                }
            });
        Tensor::from_vec(
            values,
            (crops.len(), half, half, 27),
            &self.placement.device,
        )
    }

    /// The last feature map, `[num_crops, grid, grid, channels]`.
    fn cells(&self, crops: &[Crop]) -> Result<Tensor> {
        let path = self.placement.path;
        let [first, second, third] = &self.stem;
        // The first convolution has a stride, so its neighbourhoods come straight from the pixels.
        let mut x = first.linear.forward(&self.first_windows(crops)?)?;
        for conv in [second, third] {
            x = conv.linear.forward(&windows(&x, path)?)?;
        }
        x = average_pool(&x, path)?;
        for block in &self.blocks {
            x = block.forward(&x, &self.placement)?;
        }
        Ok(x)
    }
}

impl ImageTower for ResNet {
    fn forward(&self, crops: &[Crop], _: Option<&BottleneckAdapter>) -> Result<ImageTensors> {
        Ok(ImageTensors {
            features: self
                .pool
                .forward(&self.cells(crops)?, Asking::Mean)?
                .squeeze(1)?,
            hidden: None,
        })
    }

    fn activations(&self, _: &[Crop], _: usize, _: PixelValues) -> Result<Option<Tensor>> {
        Ok(None)
    }

    fn finish(&self, _: &Tensor, _: usize, _: &BottleneckAdapter) -> Result<Option<ImageTensors>> {
        Ok(None)
    }

    fn parts(&self, crops: &[Crop]) -> Result<Option<Tensor>> {
        self.pool
            .forward(&self.cells(crops)?, Asking::Cells)
            .map(Some)
    }

    fn batch_size(&self) -> usize {
        if self.placement.device.is_cpu() {
            CPU_BATCH
        } else {
            GPU_BATCH
        }
    }

    fn adapter_places(&self) -> Option<(usize, usize)> {
        None
    }

    fn projection(&self) -> Option<&Matrix> {
        None
    }
}

/// A convolution with its batch norm, applied to neighbourhoods (or to the cells themselves when it is 1 × 1).
struct Conv {
    linear: Linear,
}

impl Conv {
    fn then(self, function: Elementwise) -> Self {
        Self {
            linear: self.linear.then(function),
        }
    }
}

/// 1 × 1, 3 × 3, 1 × 1, added to what came in.
struct Bottleneck {
    reduce: Conv,
    middle: Conv,
    expand: Conv,
    shortcut: Option<Conv>,
    /// Whether the side is halved.
    halves: bool,
}

impl Bottleneck {
    fn forward(&self, x: &Tensor, placement: &Placement) -> Result<Tensor> {
        let path = placement.path;
        let pooled = |x: &Tensor| {
            if self.halves {
                average_pool(x, path)
            } else {
                Ok(x.clone())
            }
        };
        let inner = self.reduce.linear.forward(x)?;
        let inner = pooled(&self.middle.linear.forward(&windows(&inner, path)?)?)?;
        let residual = match &self.shortcut {
            Some(shortcut) => shortcut.linear.forward(&pooled(x)?)?,
            None => x.clone(),
        };
        self.expand.linear.forward_plus(&inner, &residual)
    }
}

/// Who asks in the attention pool.
#[derive(Clone, Copy)]
enum Asking {
    /// The mean cell: the picture's feature.
    Mean,
    /// Every cell by itself: the features of the parts.
    Cells,
}

/// The mean cell asks all cells, and itself, by multi-head attention (`AttentionPool2d`).
struct AttentionPool {
    position: Tensor,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    num_heads: usize,
}

impl AttentionPool {
    /// What those who ask get, `[num_pictures, 1 or num_cells, dim]`.
    fn forward(&self, x: &Tensor, asking: Asking) -> Result<Tensor> {
        let cells = x.flatten(1, 2)?;
        let mean = cells.mean_keepdim(1)?;
        let tokens = Tensor::cat(&[&mean, &cells], 1)?.broadcast_add(&self.position)?;
        let heads = |x: &Tensor| {
            let (num_pictures, num_tokens, width) = x.dims3()?;
            let split = x.reshape((
                num_pictures,
                num_tokens,
                self.num_heads,
                width / self.num_heads,
            ))?;
            split.transpose(1, 2)?.contiguous()
        };
        let asking = match asking {
            Asking::Mean => tokens.narrow(1, 0, 1)?,
            Asking::Cells => tokens.narrow(1, 1, cells.dim(1)?)?,
        };
        let q = heads(&self.query.forward(&asking)?)?;
        let (k, v) = (
            heads(&self.key.forward(&tokens)?)?,
            heads(&self.value.forward(&tokens)?)?,
        );
        let scale = 1.0 / (q.dim(D::Minus1)? as f64).sqrt();
        let scores = (q.matmul(&k.t()?.contiguous()?)? * scale)?;
        let weights = candle_nn::ops::softmax(&scores, D::Minus1)?;
        let answers = weights.matmul(&v)?.transpose(1, 2)?.contiguous()?;
        self.out.forward(&answers.flatten_from(2)?)
    }
}

struct Loader<'a> {
    source: &'a dyn TensorSource,
    placement: &'a Placement,
}

impl Loader<'_> {
    /// A convolution of `[outputs, channels, side]` with the batch norm folded in.
    fn conv(&self, name: &str, norm: &str, [outputs, channels, side]: [usize; 3]) -> Loaded<Conv> {
        let mut kernel = self
            .source
            .take(&format!("{name}.weight"), &[outputs, channels, side, side])?;
        let norm = |part: &str| self.source.take(&format!("{norm}.{part}"), &[outputs]);
        let (weight, bias, mean, variance) = (
            norm("weight")?,
            norm("bias")?,
            norm("running_mean")?,
            norm("running_var")?,
        );
        let mut offsets = bias;
        let area = side * side;
        let mut sorted = Vec::with_capacity(kernel.len());
        for (output, filter) in kernel.chunks_exact_mut(channels * area).enumerate() {
            let factor = weight[output] / (variance[output] + NORM_EPS).sqrt();
            offsets[output] -= mean[output] * factor;
            sorted.extend(
                (0..filter.len()).map(|i| factor * filter[i % channels * area + i / channels]),
            );
        }
        Ok(Conv {
            linear: self.placement.linear(&sorted, Some(offsets), outputs)?,
        })
    }

    fn bottleneck(
        &self,
        prefix: &str,
        channels: usize,
        planes: usize,
        halves: bool,
    ) -> Loaded<Bottleneck> {
        let conv = |index, sizes| {
            self.conv(
                &format!("{prefix}.conv{index}"),
                &format!("{prefix}.bn{index}"),
                sizes,
            )
        };
        let outputs = planes * EXPANSION;
        let shortcut = || {
            self.conv(
                &format!("{prefix}.downsample.0"),
                &format!("{prefix}.downsample.1"),
                [outputs, channels, 1],
            )
        };
        Ok(Bottleneck {
            reduce: conv(1, [planes, channels, 1])?.then(Elementwise::Relu),
            middle: conv(2, [planes, planes, 3])?.then(Elementwise::Relu),
            expand: conv(3, [outputs, planes, 1])?.then(Elementwise::Relu),
            shortcut: (halves || channels != outputs).then(shortcut).transpose()?,
            halves,
        })
    }

    fn attention_pool(
        &self,
        width: usize,
        num_tokens: usize,
        dim: usize,
        num_heads: usize,
    ) -> Loaded<AttentionPool> {
        let linear = |name: &str, outputs| {
            let name = format!("visual.attnpool.{name}_proj");
            let weight = self
                .source
                .take(&format!("{name}.weight"), &[outputs, width])?;
            let bias = self.source.take(&format!("{name}.bias"), &[outputs])?;
            Ok::<_, ClipError>(self.placement.linear(&weight, Some(bias), outputs)?)
        };
        let position = self
            .source
            .take("visual.attnpool.positional_embedding", &[num_tokens, width])?;
        Ok(AttentionPool {
            position: Tensor::from_vec(position, (num_tokens, width), &self.placement.device)?,
            query: linear("q", width)?,
            key: linear("k", width)?,
            value: linear("v", width)?,
            out: linear("c", dim)?,
            num_heads,
        })
    }
}
