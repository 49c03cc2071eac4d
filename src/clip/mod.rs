//! CLIP alone: pixels and strings in, features out; knows nothing of few-shot learning.
//!
//! Radford et al. 2021 (arXiv 2103.00020), checked against OpenAI's `clip/model.py`, transformers and OpenCLIP.
//! candle-transformers' CLIP is private inside and takes neither adapters nor gradients, so the towers are our own.

mod adapter;
mod checkpoint;
mod clean_text;
mod context;
#[cfg(feature = "cuda")]
mod cuda;
mod device;
mod error;
mod ops;
mod position;
mod precision;
pub mod preprocess;
mod resample;
mod resnet;
mod text;
pub mod tokenizer;
mod towers;
mod training;
mod transformer;
pub mod view;
mod vision_transformer;

pub use adapter::{AdaptedProjection, AdapterNotes, AdapterTensors, BottleneckAdapter, Dropout};
pub use checkpoint::{
    Activation, Architecture, CheckpointFiles, ConfigSource, JsonText, WeightsSource,
};
pub use context::ContextPrompts;
pub use device::DeviceChoice;
pub use error::ClipError;
pub use ops::{Kernel, KernelSample, Path, SampleResult};
pub use precision::{NumberFormat, Precision};
pub use towers::PixelValues;

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::Device;
use checkpoint::{
    Config, FileTensors, ImageConfig, RandomTensors, TensorSource, VitConfig, WeightBytes,
};
use preprocess::{Crop, Preprocess};
use resnet::ResNet;
use text::TextTransformer;
use tokenizer::Tokenizer;
use towers::{ImageTensors, ImageTower, TextTower, matrix};
use transformer::Placement;
use vision_transformer::VisionTransformer;

use crate::features::Matrix;

/// How to open a model.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    /// Where it runs.
    pub device: DeviceChoice,
    /// What its layers multiply.
    pub precision: Precision,
    /// Instead of what the configuration says, or of the assumption for a bare file.
    pub activation: Option<Activation>,
}

/// Features of pictures.
#[derive(Clone, Debug)]
pub struct EncodedImages {
    /// `[num_images, dim]`, as the projection gives them: not normalised.
    pub features: Matrix,
    /// `[num_images, width]`, before the projection; only vision transformers have it.
    pub hidden: Option<Matrix>,
}

/// Features of texts.
#[derive(Clone, Debug)]
pub struct EncodedTexts {
    /// `[num_texts, dim]`, not normalised.
    pub features: Matrix,
    /// Texts that had too many tokens and were cut.
    pub num_truncated: usize,
}

/// A model: an image tower, a text tower, and how pictures are cut for it.
pub struct Clip {
    image: Box<dyn ImageTower>,
    /// Read when the first text comes: who only embeds photos needs neither its memory (250 MB of ViT-B/32) nor its time.
    text: Mutex<Option<Arc<dyn TextTower>>>,
    tokenizer: Tokenizer,
    config: Config,
    weights: Weights,
    /// What names the weights.
    hash: String,
    placement: Placement,
    asked: Precision,
    device_description: String,
}

/// Where the tensors came from.
enum Weights {
    File(WeightBytes),
    Random(RandomTensors),
}

impl Clip {
    /// Opens a checkpoint; every tensor in it is checked by name, shape and type.
    pub fn open(files: &CheckpointFiles, options: &OpenOptions) -> Result<Self, ClipError> {
        let (placement, device_description) = Placement::new(*options, None)?;
        Self::open_at(files, *options, placement, device_description)
    }

    /// As [`Clip::open`], with the operations computed in the given way: for tests, which run [`Path::BuiltIn`] on a CPU.
    pub fn open_on_path(
        files: &CheckpointFiles,
        options: &OpenOptions,
        path: Path,
    ) -> Result<Self, ClipError> {
        let (placement, device_description) = Placement::new(*options, Some(path))?;
        Self::open_at(files, *options, placement, device_description)
    }

    fn open_at(
        files: &CheckpointFiles,
        options: OpenOptions,
        placement: Placement,
        device_description: String,
    ) -> Result<Self, ClipError> {
        let file = WeightBytes::open(&files.weights)?;
        let tensors = FileTensors::open(&file)?;
        let config = Config::new(&files.config, options.activation, &tensors)?;
        let placement = placement.for_model(&config.image, options.precision)?;
        // Present in every CLIP; the methods bring their own scale of 100.
        tensors.take("logit_scale", &[])?;
        let (image, (hash, tokenizer)) = rayon::join(
            || image_tower(&tensors, &config, &placement),
            || rayon::join(|| file.hash().map(str::to_owned), Tokenizer::new),
        );
        let image = image?;
        TextTransformer::check(&tensors, config.dialect, &config.text, config.dim)?;
        tensors.finish()?;
        let hash = hash?;
        Ok(Self {
            image,
            text: Mutex::default(),
            tokenizer,
            config,
            weights: Weights::File(file),
            hash,
            placement,
            asked: options.precision,
            device_description,
        })
    }

    /// A full-size model with random weights, for benchmarks and tests: its features mean nothing.
    pub fn random(
        architecture: Architecture,
        seed: u64,
        options: &OpenOptions,
    ) -> Result<Self, ClipError> {
        let (placement, device_description) = Placement::new(*options, None)?;
        let config = architecture.config();
        let placement = placement.for_model(&config.image, options.precision)?;
        let tensors = RandomTensors { seed };
        Ok(Self {
            image: image_tower(&tensors, &config, &placement)?,
            text: Mutex::default(),
            tokenizer: Tokenizer::new(),
            config,
            weights: Weights::Random(tensors),
            hash: format!("random-{}-{seed}", architecture.name()),
            placement,
            asked: options.precision,
            device_description,
        })
    }

    /// Features of crops, in the same order; `adapter` only for this call.
    ///
    /// A batch gives the same numbers as its pictures one by one.
    pub fn encode_crops(
        &self,
        crops: &[Crop],
        adapter: Option<&BottleneckAdapter>,
    ) -> Result<EncodedImages, ClipError> {
        self.check_pictures(crops, adapter)?;
        let encoded = self.encode_in_batches(crops, &|batch| self.image.forward(batch, adapter))?;
        self.joined(crops.len(), encoded)
    }

    /// The same as they are and through `adapter`: what comes before its first block is computed once.
    pub fn encode_crops_both(
        &self,
        crops: &[Crop],
        adapter: &BottleneckAdapter,
    ) -> Result<[EncodedImages; 2], ClipError> {
        self.check_pictures(crops, Some(adapter))?;
        let both =
            self.encode_in_batches(crops, &|batch| self.image.forward_both(batch, adapter))?;
        let (original, adapted) = both.into_iter().map(Into::into).unzip();
        Ok([
            self.joined(crops.len(), original)?,
            self.joined(crops.len(), adapted)?,
        ])
    }

    /// What `forward` makes of each batch.
    fn encode_in_batches<T>(
        &self,
        crops: &[Crop],
        forward: &dyn Fn(&[Crop]) -> candle_core::Result<T>,
    ) -> Result<Vec<T>, ClipError> {
        // A GPU goes on with the next batch meanwhile: to read one is to wait for all.
        let mut encoded = Vec::new();
        for batch in crops.chunks(self.image.batch_size()) {
            encode_within_memory(batch, forward, &mut encoded)?;
        }
        Ok(encoded)
    }

    /// The rows of all batches.
    fn joined(
        &self,
        num_crops: usize,
        batches: Vec<ImageTensors>,
    ) -> Result<EncodedImages, ClipError> {
        let (mut features, mut hidden, mut width) = (Vec::new(), Vec::new(), None);
        for batch in batches {
            features.extend(matrix(&batch.features)?.into_vec());
            if let Some(rows) = batch.hidden {
                let rows = matrix(&rows)?;
                width = Some(rows.cols());
                hidden.extend(rows.into_vec());
            }
        }
        Ok(EncodedImages {
            features: Matrix::new(num_crops, self.dim(), features)?,
            hidden: width
                .map(|width| Matrix::new(num_crops, width, hidden))
                .transpose()?,
        })
    }

    /// Crops that the device encodes at once.
    pub fn batch_size(&self) -> usize {
        self.image.batch_size()
    }

    /// What the image tower sees at each place of crops, photo after photo, `[num_crops · num_parts, dim]`, not normalised: for
    /// a `ModifiedResNet` what its attention pool gives each cell of the last feature map (`ZiyuGuo99/CALIP`'s spatial
    /// features). `None` for a vision transformer.
    pub fn encode_parts(&self, crops: &[Crop]) -> Result<Option<Matrix>, ClipError> {
        self.check_pictures(crops, None)?;
        let mut rows = Vec::new();
        for batch in crops.chunks(self.image.batch_size()) {
            let Some(parts) = self.image.parts(batch)? else {
                return Ok(None);
            };
            rows.extend(matrix(&parts.flatten(0, 1)?)?.into_vec());
        }
        Ok(Some(Matrix::new(
            rows.len() / self.dim(),
            self.dim(),
            rows,
        )?))
    }

    /// Parts of each photo that [`Clip::encode_parts`] gives; `None` where it gives none.
    pub fn num_parts(&self) -> Option<usize> {
        match &self.config.image {
            ImageConfig::Vit(_) => None,
            ImageConfig::ResNet(resnet) => Some(resnet.grid * resnet.grid),
        }
    }

    fn check_pictures(
        &self,
        crops: &[Crop],
        adapter: Option<&BottleneckAdapter>,
    ) -> Result<(), ClipError> {
        let expected = self.preprocess().size;
        let wrong =
            |crop: &&Crop| crop.size != expected || crop.pixels.len() != expected * expected * 3;
        if let Some(crop) = crops.iter().find(wrong) {
            return Err(ClipError::CropSize {
                got: crop.size,
                expected,
            });
        }
        if adapter.is_some() && self.adapter_places().is_none() {
            return Err(ClipError::AdapterNeedsTransformer);
        }
        Ok(())
    }

    /// The device that tensors for this model must be on.
    pub fn device(&self) -> &Device {
        &self.placement.device
    }

    /// Features of texts, in the same order.
    pub fn encode_texts(&self, texts: &[String]) -> Result<EncodedTexts, ClipError> {
        let tokens: Vec<_> = texts
            .iter()
            .map(|text| self.tokenizer.encode(text))
            .collect();
        let ids: Vec<&[u32]> = tokens.iter().map(|tokens| tokens.ids.as_slice()).collect();
        let num_truncated = tokens.iter().filter(|tokens| tokens.truncated).count();
        Ok(EncodedTexts {
            features: self.encode_tokens(&ids)?,
            num_truncated,
        })
    }

    /// Features `[num_texts, dim]` of texts given as 77 token ids each, taken at the first end of text.
    pub fn encode_tokens(&self, ids: &[&[u32]]) -> Result<Matrix, ClipError> {
        self.text()?.encode(ids)
    }

    /// How pictures are cut and scaled.
    pub fn preprocess(&self) -> &Preprocess {
        &self.config.preprocess
    }

    /// Length of the features.
    pub fn dim(&self) -> usize {
        self.config.dim
    }

    /// SHA-256 of the weights file in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The text tower, which the first call reads.
    fn text(&self) -> Result<Arc<dyn TextTower>, ClipError> {
        let known = || self.text.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = known().as_ref() {
            return Ok(text.clone());
        }
        let Config {
            dialect,
            dim,
            text: config,
            ..
        } = &self.config;
        let read = |source: &dyn TensorSource| {
            TextTransformer::new(source, *dialect, config, *dim, &self.placement)
        };
        let tower = match &self.weights {
            Weights::File(file) => read(&FileTensors::open(file)?)?,
            Weights::Random(tensors) => read(tensors)?,
        };
        // Read without the lock, which a thread that helps with the reading may ask for: two at once read it twice.
        Ok(known().get_or_insert_with(|| Arc::new(tower)).clone())
    }

    /// Names the space that features live in: the weights, and what else decides what they compute.
    pub fn space(&self) -> String {
        self.space_of(self.format())
    }

    /// The space of the same weights when layers multiply `format`.
    pub fn space_of(&self, format: NumberFormat) -> String {
        let space = match &self.config.image {
            ImageConfig::Vit(vit) => {
                format!("{}-{:?}-{}", self.hash(), vit.activation, vit.num_heads)
            }
            ImageConfig::ResNet(_) => self.hash().to_owned(),
        };
        match format {
            NumberFormat::F32 => space,
            format => format!("{space}-{}", format.name()),
        }
    }

    /// What its layers multiply.
    pub fn format(&self) -> NumberFormat {
        self.placement.format
    }

    /// The formats whose features may stand beside each other here, this one's first.
    pub fn formats(&self) -> &'static [NumberFormat] {
        self.asked.formats_beside(self.format())
    }

    /// What was assumed because nothing beside the weights said it.
    pub fn notes(&self) -> &[String] {
        &self.config.notes
    }

    /// The image tower's last matrix, `[dim, width]`; `None` for a ModifiedResNet.
    pub fn image_projection(&self) -> Option<&Matrix> {
        self.image.projection()
    }

    /// The last matrices of both towers: image `[dim, width]` and text `[dim, text_width]`; `None` for a ModifiedResNet.
    pub fn projections(&self) -> Result<Option<(Matrix, Matrix)>, ClipError> {
        let Some(image) = self.image_projection() else {
            return Ok(None);
        };
        Ok(Some((image.clone(), self.text()?.projection().clone())))
    }

    /// Number of blocks that a bottleneck adapter needs and their width; `None` for a ModifiedResNet.
    pub fn adapter_places(&self) -> Option<(usize, usize)> {
        self.image.adapter_places()
    }

    /// Width, number of blocks and patch size of the image tower; `None` for a `ModifiedResNet`.
    pub fn vision_size(&self) -> Option<(usize, usize, usize)> {
        match &self.config.image {
            ImageConfig::Vit(vit) => Some((vit.width, vit.num_blocks, vit.patch)),
            ImageConfig::ResNet(_) => None,
        }
    }

    /// "CPU", "CUDA 0"..., and why not a better one.
    pub fn device_description(&self) -> String {
        self.device_description.clone()
    }

    fn placement(&self) -> &Placement {
        &self.placement
    }
}

/// What `forward` makes of one batch, or of its halves where the device has too little memory for all of it.
fn encode_within_memory<T>(
    crops: &[Crop],
    forward: &dyn Fn(&[Crop]) -> candle_core::Result<T>,
    encoded: &mut Vec<T>,
) -> Result<(), ClipError> {
    match forward(crops) {
        Ok(tensors) => encoded.push(tensors),
        Err(error) if crops.len() > 1 && is_about_memory(&error) => {
            let (first, second) = crops.split_at(crops.len() / 2);
            encode_within_memory(first, forward, encoded)?;
            encode_within_memory(second, forward, encoded)?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Whether an error says that a device had no room: drivers' errors have no types of their own by the time they arrive here.
pub fn is_about_memory(error: &impl std::fmt::Display) -> bool {
    let said = error.to_string().to_lowercase();
    ["out of memory", "out_of_memory", "alloc"]
        .iter()
        .any(|words| said.contains(words))
}

/// The transformer, with the half-precision tower beside it where the device has one.
#[cfg(feature = "cuda")]
fn on_fastest_way(
    tower: VisionTransformer,
    source: &dyn TensorSource,
    config: &Config,
    vit: &VitConfig,
    placement: &Placement,
) -> Result<Box<dyn ImageTower>, ClipError> {
    let (Device::Cuda(card), Some(half)) = (&placement.device, cuda::Half::of(placement.format))
    else {
        return Ok(Box::new(tower));
    };
    let plan = (config.dialect, vit, &config.preprocess);
    let tower = cuda::CudaVisionTransformer::new(tower, source, plan, card, half)?;
    Ok(Box::new(tower))
}

/// The transformer as it is.
#[cfg(not(feature = "cuda"))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "with CUDA there is more to do, which can fail"
)]
fn on_fastest_way(
    tower: VisionTransformer,
    _: &dyn TensorSource,
    _: &Config,
    _: &VitConfig,
    _: &Placement,
) -> Result<Box<dyn ImageTower>, ClipError> {
    Ok(Box::new(tower))
}

/// The image tower from its tensors.
fn image_tower(
    source: &dyn TensorSource,
    config: &Config,
    placement: &Placement,
) -> Result<Box<dyn ImageTower>, ClipError> {
    let Config {
        dialect,
        dim,
        preprocess,
        ..
    } = config;
    match &config.image {
        ImageConfig::Vit(vit) => {
            let tower = VisionTransformer::new(source, *dialect, vit, *dim, preprocess, placement)?;
            on_fastest_way(tower, source, config, vit, placement)
        }
        ImageConfig::ResNet(resnet) => Ok(Box::new(ResNet::new(
            source, resnet, *dim, preprocess, placement,
        )?)),
    }
}
