//! What training bottleneck adapters needs of the image tower: its frozen beginning once, its end with gradients.

use candle_core::Tensor;

use super::adapter::BottleneckAdapter;
use super::checkpoint::ImageConfig;
use super::ops::Path;
use super::preprocess::Crop;
use super::{Clip, ClipError, PixelValues};

/// Numbers that a step keeps for each token and block, in multiples of the width: queries, keys and values (3), the MLP's inside
/// (4), and on the fused path the inputs of both sublayers and of the adapter (3): 10.2 measured of ViT-B/32 and L/14.
const KEPT_FUSED: usize = 11;
/// The same of candle's operations one by one, with what norms, attention, sums and their gradients leave.
const KEPT_BUILT_IN: usize = 18;

impl Clip {
    /// Features of crops as a tensor `[num_crops, dim]`, not normalised, with gradients for the adapter's variables.
    ///
    /// All at once: the caller chooses the batch.
    pub fn crops_for_training(
        &self,
        crops: &[Crop],
        adapter: &BottleneckAdapter,
    ) -> Result<Tensor, ClipError> {
        self.check_pictures(crops, Some(adapter))?;
        Ok(self.image.forward(crops, Some(adapter))?.features)
    }

    /// What block `before` takes, `[num_crops, num_tokens, width]`: constant as long as only later blocks are adapted.
    ///
    /// Crops of the model's size, or all of one [`Clip::local_size`], for which the table of positions is interpolated.
    pub fn activations(
        &self,
        crops: &[Crop],
        before: usize,
        values: PixelValues,
    ) -> Result<Tensor, ClipError> {
        let local = self.local_size();
        let is_local = |crop: &Crop| {
            Some(crop.size) == local && crop.pixels.len() == crop.size * crop.size * 3
        };
        if !crops.iter().all(is_local) {
            self.check_pictures(crops, None)?;
        }
        let activations = self.image.activations(crops, before, values)?;
        activations.ok_or(ClipError::AdapterNeedsTransformer)
    }

    /// Features `[num_crops, dim]` from what block `before` takes, not normalised, with gradients for the adapter's variables.
    pub fn finish_for_training(
        &self,
        activations: &Tensor,
        before: usize,
        adapter: &BottleneckAdapter,
    ) -> Result<Tensor, ClipError> {
        let finished = self.image.finish(activations, before, adapter)?;
        Ok(finished.ok_or(ClipError::AdapterNeedsTransformer)?.features)
    }

    /// Side of a local crop in pixels: as much of the model's own as 96 is of 224 (DINO's sizes), in whole patches, rounded up;
    /// `None` for a `ModifiedResNet`.
    pub fn local_size(&self) -> Option<usize> {
        match &self.config.image {
            ImageConfig::Vit(vit) => Some((vit.grid * 96).div_ceil(224) * vit.patch),
            ImageConfig::ResNet(_) => None,
        }
    }

    /// Bytes of one photo's activations between blocks, and about what a training step keeps of it in each block that it goes
    /// through with gradients; `None` for a `ModifiedResNet`.
    pub fn training_bytes(&self) -> Option<(usize, usize)> {
        match &self.config.image {
            ImageConfig::Vit(vit) => {
                let bytes = (vit.grid * vit.grid + 1) * vit.width * size_of::<f32>();
                let kept = match self.placement().path {
                    Path::Fused => KEPT_FUSED,
                    Path::BuiltIn => KEPT_BUILT_IN,
                };
                Some((bytes, kept * bytes))
            }
            ImageConfig::ResNet(_) => None,
        }
    }
}
