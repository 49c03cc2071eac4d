//! Adapter files: written with all that somebody should know of them, and read back for people.

use std::collections::HashMap;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::options::Settled;
use super::parameters::{BOTTLENECK, tensor_name};
use super::{Figures, Outcome};
use crate::clip::{Clip, PixelValues};
use crate::engine::EngineError;
use crate::engine::trained_on::TrainedOn;
use crate::project::locations;

/// What an adapter file says of its licence.
const LICENCE: &str = "Made from the base model's weights and from the photos that it was trained on; the terms of both apply.";

/// A tensor on its way into a file.
pub(super) struct Written {
    pub(super) name: String,
    pub(super) dims: Vec<usize>,
    pub(super) numbers: Vec<f32>,
}

/// The tensors of all blocks; those of blocks that did not learn are zero, which leaves the block as it is.
pub(super) fn adapter_tensors(
    settled: &Settled,
    learned: &[Vec<f32>],
    num_blocks: usize,
    width: usize,
) -> Vec<Written> {
    let parts = [
        ("down_proj.weight", vec![BOTTLENECK, width]),
        ("down_proj.bias", vec![BOTTLENECK]),
        ("up_proj.weight", vec![width, BOTTLENECK]),
        ("up_proj.bias", vec![width]),
    ];
    let mut written = Vec::new();
    for block in 0..num_blocks {
        for (index, (part, dims)) in parts.iter().enumerate() {
            let own = block
                .checked_sub(settled.blocks.start)
                .and_then(|own| learned.get(4 * own + index));
            let zeros = || vec![0.0; dims.iter().product()];
            written.push(Written {
                name: tensor_name(block, part),
                dims: dims.clone(),
                numbers: own.cloned().unwrap_or_else(zeros),
            });
        }
    }
    written
}

/// The bytes of an adapter's file.
pub(super) fn packed(
    clip: &Clip,
    settled: &Settled,
    tensors: &[Written],
    outcome: &Outcome,
    trained_on: &TrainedOn,
) -> Result<Vec<u8>, EngineError> {
    let metadata = HashMap::from([
        ("format".to_owned(), "pt".to_owned()),
        ("scale".to_owned(), settled.scale.to_string()),
        ("base_model_hash".to_owned(), clip.hash().to_owned()),
        ("seed".to_owned(), settled.seed.to_string()),
        ("training".to_owned(), summary(settled, outcome).to_string()),
        ("photos".to_owned(), trained_on.text()),
        ("licence".to_owned(), LICENCE.to_owned()),
    ]);
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|tensor| {
            tensor
                .numbers
                .iter()
                .flat_map(|x| x.to_le_bytes())
                .collect()
        })
        .collect();
    let problem = |error: safetensors::SafeTensorError| {
        EngineError::Training(format!("the adapter's file could not be made ({error})"))
    };
    let views = tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
        let view = TensorView::new(Dtype::F32, tensor.dims.clone(), bytes);
        view.map(|view| (tensor.name.as_str(), view))
    });
    let views: Vec<_> = views.collect::<Result<_, _>>().map_err(problem)?;
    safetensors::serialize(views, Some(metadata)).map_err(problem)
}

/// Writes an adapter's file, whole or not at all.
pub(super) fn write(path: &Path, file: &[u8]) -> Result<(), EngineError> {
    locations::write_atomically(path, file).map_err(|error| {
        EngineError::Training(format!(
            "the adapter could not be written ({error}): {}",
            path.display()
        ))
    })
}

fn summary(settled: &Settled, outcome: &Outcome) -> serde_json::Value {
    let figures =
        |figures: &Figures| serde_json::json!({"overlap": figures.overlap, "auroc": figures.auroc});
    let pixels = match settled.pixels {
        PixelValues::Normalised => "normalised",
        PixelValues::ZeroToOne => "unnormalised",
    };
    serde_json::json!({
        "photos": outcome.num_photos, "held_out": outcome.num_held_out, "classes": outcome.num_classes,
        "preset": settled.preset.name(), "loss": settled.loss.name(), "steps": outcome.steps, "kept_step": outcome.kept_step,
        "batch": settled.batch, "learning_rate": settled.learning_rate, "scale": settled.scale, "dropout": settled.dropout,
        "blocks": [settled.blocks.start, settled.blocks.end], "seed": settled.seed, "pixels": pixels,
        "before": figures(&outcome.before), "after": figures(&outcome.after),
    })
}

/// What an adapter file says of itself.
#[derive(Clone, Debug)]
pub struct AdapterInfo {
    /// Names and shapes of its tensors, sorted.
    pub tensors: Vec<(String, Vec<usize>)>,
    /// Everything in its metadata, sorted, without the list of photos.
    pub metadata: Vec<(String, String)>,
    /// Photos that it says it was trained on.
    pub num_photos: Option<usize>,
}

/// Reads what an adapter file says of itself, without a model.
pub fn info(path: &Path) -> Result<AdapterInfo, EngineError> {
    let problem = |reason: String| {
        EngineError::Training(format!(
            "this is no adapter file ({reason}): {}",
            path.display()
        ))
    };
    let bytes = std::fs::read(path).map_err(|error| problem(error.to_string()))?;
    let (_, header) =
        SafeTensors::read_metadata(&bytes).map_err(|error| problem(error.to_string()))?;
    let mut tensors: Vec<(String, Vec<usize>)> = header
        .tensors()
        .into_iter()
        .map(|(name, info)| (name, info.shape.clone()))
        .collect();
    tensors.sort();
    let is_projection = matches!(&tensors[..], [(name, _)] if name == "visual.proj");
    if !is_projection && !tensors.iter().any(|(name, _)| name.contains(".adaptmlp.")) {
        return Err(problem(
            "it has neither adapters nor a visual projection".to_owned(),
        ));
    }
    let all = header.metadata().clone().unwrap_or_default();
    let num_photos = all.get("photos").map(|text| TrainedOn::parse(text).len());
    let mut metadata: Vec<(String, String)> =
        all.into_iter().filter(|(key, _)| key != "photos").collect();
    metadata.sort();
    Ok(AdapterInfo {
        tensors,
        metadata,
        num_photos,
    })
}
