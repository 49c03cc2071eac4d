//! Sizes and choices from OpenCLIP's `open_clip_config.json`.

use serde::Deserialize;

use super::config::{Activation, Config, ImageConfig, ResNetConfig, TextConfig, VitConfig};
use super::{Dialect, JsonText};
use crate::clip::ClipError;
use crate::clip::preprocess::Preprocess;

#[derive(Deserialize)]
struct OpenClipFile {
    model_cfg: OpenClipModel,
    preprocess_cfg: Option<OpenClipPreprocess>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenClipModel {
    embed_dim: usize,
    #[serde(default)]
    quick_gelu: bool,
    vision_cfg: OpenClipVision,
    text_cfg: OpenClipText,
}

/// Unknown keys are refused: they change the architecture (`timm_model_name`, `attentional_pool`, `no_ln_pre`...).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenClipVision {
    image_size: usize,
    layers: Layers,
    width: usize,
    patch_size: Option<usize>,
    head_width: Option<usize>,
    mlp_ratio: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Layers {
    Transformer(usize),
    ResNet([usize; 4]),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenClipText {
    context_length: Option<usize>,
    vocab_size: Option<usize>,
    width: usize,
    heads: usize,
    layers: usize,
    mlp_ratio: Option<f64>,
}

#[derive(Deserialize)]
struct OpenClipPreprocess {
    mean: Option<[f32; 3]>,
    std: Option<[f32; 3]>,
    interpolation: Option<String>,
    resize_mode: Option<String>,
}

/// PyTorch's layer norm, which OpenCLIP does not change.
const OPEN_CLIP_EPS: f64 = 1e-5;
/// OpenCLIP's defaults (`CLIPVisionCfg`, `CLIPTextCfg`), which its files leave out.
const HEAD_WIDTH: usize = 64;
const MLP_RATIO: f64 = 4.0;

/// From OpenCLIP's `open_clip_config.json`.
pub(super) fn open_clip(json: &JsonText, dialect: Dialect) -> Result<Config, ClipError> {
    let OpenClipFile {
        model_cfg,
        preprocess_cfg,
    } = json.parse()?;
    let OpenClipModel {
        embed_dim,
        quick_gelu,
        vision_cfg: vision,
        text_cfg: text,
    } = model_cfg;
    let activation = if quick_gelu {
        Activation::QuickGelu
    } else {
        Activation::Gelu
    };
    let head_width = vision.head_width.unwrap_or(HEAD_WIDTH).max(1);
    let image = match vision.layers {
        Layers::Transformer(num_blocks) => {
            let patch = json.required(vision.patch_size, "vision_cfg.patch_size")?;
            ImageConfig::Vit(VitConfig {
                width: vision.width,
                num_blocks,
                num_heads: vision.width / head_width,
                mlp_width: (vision.width as f64 * vision.mlp_ratio.unwrap_or(MLP_RATIO)) as usize,
                patch,
                grid: vision.image_size / patch,
                activation,
                eps: OPEN_CLIP_EPS,
            })
        }
        Layers::ResNet(num_blocks) => ImageConfig::ResNet(ResNetConfig {
            width: vision.width,
            num_blocks,
            num_heads: 32 * vision.width / head_width,
            grid: vision.image_size / 32,
        }),
    };
    let text = TextConfig {
        width: text.width,
        num_blocks: text.layers,
        num_heads: text.heads,
        mlp_width: (text.width as f64 * text.mlp_ratio.unwrap_or(MLP_RATIO)) as usize,
        num_positions: text.context_length.unwrap_or(77),
        vocabulary: text.vocab_size.unwrap_or(49_408),
        activation,
        eps: OPEN_CLIP_EPS,
    };
    let mut notes = Vec::new();
    let preprocess = open_clip_preprocess(json, preprocess_cfg, vision.image_size, &mut notes)?;
    Ok(Config {
        dialect,
        dim: embed_dim,
        image,
        text,
        preprocess,
        notes,
    })
}

fn open_clip_preprocess(
    json: &JsonText,
    given: Option<OpenClipPreprocess>,
    size: usize,
    notes: &mut Vec<String>,
) -> Result<Preprocess, ClipError> {
    let Some(given) = given else {
        notes.push("open_clip_config.json has no preprocess_cfg: OpenAI's mean and std".to_owned());
        return Ok(Preprocess::openai(size));
    };
    let is_bicubic = given.interpolation.is_none_or(|it| it == "bicubic");
    let is_shortest = given.resize_mode.is_none_or(|it| it == "shortest");
    if !is_bicubic || !is_shortest {
        return Err(json.error("only bicubic resizing of the shortest side is supported"));
    }
    match (given.mean, given.std) {
        (Some(mean), Some(std)) => Ok(Preprocess { size, mean, std }),
        _ => Err(json.error("preprocess_cfg lacks mean or std")),
    }
}
