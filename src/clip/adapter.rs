//! Bottleneck adapters beside the MLP of every vision block (Kravets and Namboodiri, BMVC 2024, arXiv 2409.11338; `adapter_utils.py`
//! of `akres001/CLIP_fewshot_imo)`: `out = h + MLP(LN(h)) + scale · Up(ReLU(Down(h)))`, on `h` without layer norm.

use std::path::{Path as FilePath, PathBuf as FilePathBuf};

use candle_core::{Result, Tensor};

use super::checkpoint::{FileTensors, TensorSource, WeightBytes, WeightsSource};
use super::ops::{Elementwise, Linear, Path};
use super::transformer::Placement;
use super::{Clip, ClipError};
use crate::features::Matrix;

/// A trained or trainable adapter for one model; given to an encode call or not, so one model serves both.
pub struct BottleneckAdapter {
    /// The model's block that the first of `blocks` stands beside; blocks without an adapter are left as they are.
    first: usize,
    blocks: Vec<BlockAdapter>,
    dropout: Option<Dropout>,
    id: String,
    notes: AdapterNotes,
    /// The file that it was read from, with the scale in use.
    source: Option<(FilePathBuf, f64)>,
}

/// From a block's index and a shape to what its bottleneck is multiplied by, while it is trained.
pub type Dropout = Box<dyn Fn(usize, &[usize]) -> Result<Tensor> + Send + Sync>;

/// What a file says of its own making, as its metadata have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdapterNotes {
    /// How it was trained.
    pub training: Option<String>,
    /// The photos that it was trained on.
    pub photos: Option<String>,
}

struct BlockAdapter {
    down: Linear,
    /// With the scale.
    up: Linear,
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
    /// A file may begin at a later block: those before have no adapter. From there on every block must be whole.
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
        check_base(&tensors, clip, path)?;
        let written = tensors
            .metadata("scale")
            .and_then(|scale| scale.parse().ok());
        let scale = scale.or(written).filter(|scale: &f64| scale.is_finite());
        let Some(scale) = scale else {
            return Err(ClipError::AdapterScale {
                path: path.to_owned(),
            });
        };
        let first = first_block(&tensors, num_blocks);
        let blocks = (first..num_blocks)
            .map(|index| frozen_block(&tensors, index, width, scale, clip.placement()));
        let blocks = blocks.collect::<std::result::Result<_, _>>()?;
        let notes = AdapterNotes::of(&tensors);
        tensors.finish()?;
        Ok(Self {
            first,
            blocks,
            dropout: None,
            id: format!("bottleneck-{}-{scale}", file.hash()?),
            notes,
            source: Some((path.to_owned(), scale)),
        })
    }

    /// From tensors that may be variables, one entry per block from the model's first on: for training. `id` names it in cache keys.
    pub fn from_tensors(blocks: Vec<AdapterTensors>, scale: f64, id: String) -> Self {
        let blocks = blocks.into_iter().map(|AdapterTensors { down, up }| {
            let path = Path::for_device(down.0.device());
            BlockAdapter {
                down: Linear::trained(down.0, down.1, 1.0, path).then(Elementwise::Relu),
                up: Linear::trained(up.0, up.1, scale, path),
            }
        });
        Self {
            first: 0,
            blocks: blocks.collect(),
            dropout: None,
            id,
            notes: AdapterNotes::default(),
            source: None,
        }
    }

    /// The same beside the model's blocks from `first` on.
    #[must_use]
    pub fn beside_blocks_from(self, first: usize) -> Self {
        Self { first, ..self }
    }

    /// The same with its bottlenecks multiplied by what `dropout` gives.
    #[must_use]
    pub fn with_dropout(self, dropout: Option<Dropout>) -> Self {
        Self { dropout, ..self }
    }

    /// What the file says of its making.
    pub fn notes(&self) -> &AdapterNotes {
        &self.notes
    }

    /// The file that it was read from, with the scale in use; `None` for one in training.
    pub fn source(&self) -> Option<&(FilePathBuf, f64)> {
        self.source.as_ref()
    }

    /// Names the adapter and its scale; part of cache keys.
    pub fn id(&self) -> String {
        self.id.clone()
    }

    /// The model's first block that it stands beside: those before are as without it.
    pub fn first_block(&self) -> usize {
        self.first
    }

    /// Whether its tensors may be variables.
    #[cfg(feature = "cuda")]
    pub(super) fn is_in_training(&self) -> bool {
        self.source.is_none()
    }

    /// `sum + scale · Up(ReLU(Down(h)))` of block `index`.
    pub(super) fn beside(&self, index: usize, h: &Tensor, sum: &Tensor) -> Result<Tensor> {
        let own = index
            .checked_sub(self.first)
            .and_then(|own| self.blocks.get(own));
        let Some(BlockAdapter { down, up }) = own else {
            return Ok(sum.clone());
        };
        let mut inner = down.forward(h)?;
        if let Some(dropout) = &self.dropout {
            inner = (&inner * dropout(index, inner.dims())?)?;
        }
        up.forward_plus(&inner, sum)
    }
}

impl AdapterNotes {
    fn of(tensors: &FileTensors<'_>) -> Self {
        Self {
            training: tensors.metadata("training"),
            photos: tensors.metadata("photos"),
        }
    }
}

/// Refuses a file that was made for another model.
fn check_base(
    tensors: &FileTensors<'_>,
    clip: &Clip,
    path: &FilePath,
) -> std::result::Result<(), ClipError> {
    match tensors
        .metadata("base_model_hash")
        .filter(|hash| hash != clip.hash())
    {
        None => Ok(()),
        Some(expected) => Err(ClipError::AdapterOfOtherModel {
            expected,
            got: clip.hash().to_owned(),
            path: path.to_owned(),
        }),
    }
}

/// A visual projection that was trained in place of the model's own (`ProLIP`).
pub struct AdaptedProjection {
    /// `[dim, width]`, of hidden features.
    pub matrix: Matrix,
    /// Part of cache keys.
    pub id: String,
    /// What the file says of its making.
    pub notes: AdapterNotes,
}

impl AdaptedProjection {
    /// Opens a file that holds one tensor, `visual.proj` `[width, dim]`; `None` for a file without it.
    ///
    /// `base_model_hash` in the metadata must be `clip`'s.
    pub fn open(path: &FilePath, clip: &Clip) -> std::result::Result<Option<Self>, ClipError> {
        let file = WeightBytes::open(&WeightsSource::File(path.to_owned()))?;
        let tensors = FileTensors::open(&file)?;
        if tensors.shape(PROJECTION).is_none() {
            return Ok(None);
        }
        check_base(&tensors, clip, path)?;
        let Some((_, width)) = clip.adapter_places() else {
            return Err(ClipError::AdapterNeedsTransformer);
        };
        let numbers = tensors.take(PROJECTION, &[width, clip.dim()])?;
        let notes = AdapterNotes::of(&tensors);
        tensors.finish()?;
        Ok(Some(Self {
            matrix: Matrix::new(width, clip.dim(), numbers)?.transposed(),
            id: format!("projection-{}", file.hash()?),
            notes,
        }))
    }
}

/// The visual projection under `OpenAI`'s name.
const PROJECTION: &str = "visual.proj";

/// The first block of which the file has anything; 0 where it has nothing at all.
fn first_block(tensors: &FileTensors<'_>, num_blocks: usize) -> usize {
    let is_there = |index: &usize| {
        [
            "down_proj.weight",
            "down_proj.bias",
            "up_proj.weight",
            "up_proj.bias",
        ]
        .iter()
        .any(|name| {
            let name = format!("visual.transformer.resblocks.{index}.adaptmlp.{name}");
            tensors.shape(&name).is_some()
        })
    };
    (0..num_blocks).find(is_there).unwrap_or(0)
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
    })
}
