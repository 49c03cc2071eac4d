//! The image tower on an NVIDIA GPU, in half precision.
//!
//! Matrix products are cuBLAS'; `kernels.cu` has what stands between them, fused, so that a block is four products and four
//! launches. candle's own operations, in single precision, remain for what is trained and for texts.

mod buffers;
mod half;
mod kernels;
mod tower;
mod upload;
mod weights;

use std::sync::Mutex;

use candle_core::{CudaDevice, Device, Error, Result, Tensor};
use rayon::prelude::*;

use super::ClipError;
use super::adapter::BottleneckAdapter;
use super::checkpoint::{Dialect, TensorSource, VitConfig, norm};
use super::preprocess::{Crop, Preprocess};
use super::towers::{ImageTensors, ImageTower, PixelValues};
use super::vision_transformer::{VisionTransformer, pixels_last};
use crate::features::Matrix;
use kernels::{Kernels, PatchPlan, Shape};
use tower::HalfTower;
use upload::Upload;
use weights::Card;

pub(super) use self::half::Half;

/// Tokens of a batch: more fill no multiprocessor that these leave idle.
const BATCH_TOKENS: usize = 25_600;
/// Numbers in a row of pixels come in multiples of this, so that rows start where cuBLAS loads 16 bytes at once.
const COLUMNS: usize = 16;

/// A vision transformer whose pictures go through the half-precision tower.
pub(super) struct CudaVisionTransformer {
    plain: VisionTransformer,
    half: HalfTower,
    batch_size: usize,
}

impl CudaVisionTransformer {
    /// The same transformer as `plain`, which keeps what is not on the fast way.
    pub(super) fn new(
        plain: VisionTransformer,
        source: &dyn TensorSource,
        (dialect, config, preprocess): (Dialect, &VitConfig, &Preprocess),
        device: &CudaDevice,
        half: Half,
    ) -> std::result::Result<Self, ClipError> {
        let shape = shape(config, half);
        let card = Card {
            stream: device.cuda_stream(),
            half,
        };
        let VitConfig {
            width,
            patch,
            grid,
            eps,
            ..
        } = *config;
        let names = dialect.image();
        let pixels = patch * patch * 3;
        let columns = pixels.next_multiple_of(COLUMNS);
        let kernel = pixels_last(&source.take(names.patch, &[width, 3, patch, patch])?, patch);
        let mut padded = vec![0.0; width * columns];
        for (to, from) in padded.chunks_exact_mut(columns).zip(kernel.chunks(pixels)) {
            to[..pixels].copy_from_slice(from);
        }
        let blocks = (0..config.num_blocks).into_par_iter().map(|index| {
            let prefix = format!("{}.{index}", names.blocks);
            let weights = dialect.block(source, &prefix, width, config.mlp_width)?;
            Ok(card.block(&weights)?)
        });
        let blocks: Vec<_> = blocks.collect::<std::result::Result<_, ClipError>>()?;
        let half = HalfTower {
            device: device.clone(),
            kernels: Kernels::compile(device, shape)?,
            shape,
            plan: plan(config, preprocess, columns),
            eps: eps as f32,
            num_tokens: grid * grid + 1,
            patch: card.layer(&padded, None, width)?,
            position: card.singles(&plain.positions()?)?,
            norm_before: card.norm(&norm(source, names.norm_before, width)?)?,
            blocks,
            upload: Mutex::new(Upload::new(device)?),
            buffers: Mutex::new(None),
        };
        let batch_size = batch_size(&half, device)?;
        Ok(Self {
            plain,
            half,
            batch_size,
        })
    }
}

/// Why the half-precision tower cannot run this model on this device, if it cannot.
pub(super) fn obstacle(config: &VitConfig, device: &Device) -> Option<String> {
    let Device::Cuda(device) = device else {
        return Some("it needs an NVIDIA GPU".to_owned());
    };
    let stream = device.cuda_stream();
    match stream.context().compute_capability() {
        Ok((major, _)) if major >= 8 => {}
        Ok((major, minor)) => {
            return Some(format!(
                "it needs compute capability 8.0, this GPU has {major}.{minor}"
            ));
        }
        Err(error) => return Some(error.to_string()),
    }
    if config.num_blocks == 0 || !config.mlp_width.is_multiple_of(8) {
        return Some("the tower has no blocks, or an MLP of odd width".to_owned());
    }
    shape(config, Half::F16).obstacle()
}

/// The card's name, and whether it can be asked at all.
pub(super) fn name(device: &CudaDevice) -> Result<String> {
    let stream = device.cuda_stream();
    stream.context().name().map_err(Error::wrap)
}

fn shape(config: &VitConfig, half: Half) -> Shape {
    Shape {
        width: config.width,
        num_heads: config.num_heads,
        activation: config.activation,
        half,
    }
}

fn plan(config: &VitConfig, preprocess: &Preprocess, columns: usize) -> PatchPlan {
    let Preprocess { mean, std, .. } = preprocess;
    PatchPlan {
        size: config.grid * config.patch,
        patch: config.patch,
        columns,
        factor: std::array::from_fn(|channel| 1.0 / (255.0 * std[channel])),
        offset: std::array::from_fn(|channel| -mean[channel] / std[channel]),
    }
}

/// As many pictures as fill the card, and no more than half of its free memory holds.
fn batch_size(tower: &HalfTower, device: &CudaDevice) -> Result<usize> {
    let stream = device.cuda_stream();
    let (free, _) = stream.context().mem_get_info().map_err(Error::wrap)?;
    let that_fit = free / 2 / tower.bytes_of_a_picture();
    Ok((BATCH_TOKENS / tower.num_tokens).min(that_fit).max(1))
}

impl ImageTower for CudaVisionTransformer {
    fn forward(&self, crops: &[Crop], adapter: Option<&BottleneckAdapter>) -> Result<ImageTensors> {
        // What is trained needs gradients, which the fast way does not have.
        if adapter.is_some_and(BottleneckAdapter::is_in_training) {
            return self.plain.forward(crops, adapter);
        }
        self.plain.features_of(&self.half.pooled(crops, adapter)?)
    }

    fn activations(
        &self,
        crops: &[Crop],
        before: usize,
        values: PixelValues,
    ) -> Result<Option<Tensor>> {
        self.plain.activations(crops, before, values)
    }

    fn finish(
        &self,
        activations: &Tensor,
        before: usize,
        adapter: &BottleneckAdapter,
    ) -> Result<Option<ImageTensors>> {
        ImageTower::finish(&self.plain, activations, before, adapter)
    }

    fn parts(&self, crops: &[Crop]) -> Result<Option<Tensor>> {
        self.plain.parts(crops)
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn adapter_places(&self) -> Option<(usize, usize)> {
        self.plain.adapter_places()
    }

    fn projection(&self) -> Option<&Matrix> {
        self.plain.projection()
    }
}
