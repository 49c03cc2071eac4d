//! Sizes and choices of a model, from the JSON beside it.

use serde::Deserialize;

use super::open_clip::open_clip;
use super::{ConfigSource, Dialect, FileTensors, JsonText, shapes};
use crate::clip::ClipError;
use crate::clip::preprocess::Preprocess;

/// The function between the two layers of every MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x · sigmoid(1.702 x)`: OpenAI's models.
    QuickGelu,
    /// The exact GELU: OpenCLIP's own models.
    Gelu,
}

impl Activation {
    /// As on the command line: `quick-gelu` or `gelu`.
    pub fn name(self) -> &'static str {
        match self {
            Self::QuickGelu => "quick-gelu",
            Self::Gelu => "gelu",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::QuickGelu, Self::Gelu]
            .into_iter()
            .find(|activation| activation.name() == name)
    }
}

/// Everything that is needed to build the towers.
#[derive(Clone, Debug)]
pub(in crate::clip) struct Config {
    pub(in crate::clip) dialect: Dialect,
    /// Length of the features.
    pub(in crate::clip) dim: usize,
    pub(in crate::clip) image: ImageConfig,
    pub(in crate::clip) text: TextConfig,
    pub(in crate::clip) preprocess: Preprocess,
    /// What was assumed because nobody said it.
    pub(in crate::clip) notes: Vec<String>,
}

/// The image tower.
#[derive(Clone, Debug)]
pub(in crate::clip) enum ImageConfig {
    Vit(VitConfig),
    ResNet(ResNetConfig),
}

/// A vision transformer's sizes.
#[derive(Clone, Debug)]
pub(in crate::clip) struct VitConfig {
    pub(in crate::clip) width: usize,
    pub(in crate::clip) num_blocks: usize,
    pub(in crate::clip) num_heads: usize,
    pub(in crate::clip) mlp_width: usize,
    /// Pixels along a patch's side.
    pub(in crate::clip) patch: usize,
    /// Patches along the image's side.
    pub(in crate::clip) grid: usize,
    pub(in crate::clip) activation: Activation,
    pub(in crate::clip) eps: f64,
}

/// A ModifiedResNet's sizes.
#[derive(Clone, Debug)]
pub(in crate::clip) struct ResNetConfig {
    /// Channels of the stem.
    pub(in crate::clip) width: usize,
    /// Blocks of each of the four stages.
    pub(in crate::clip) num_blocks: [usize; 4],
    pub(in crate::clip) num_heads: usize,
    /// Cells along the side of the last feature map.
    pub(in crate::clip) grid: usize,
}

/// A text transformer's sizes.
#[derive(Clone, Debug)]
pub(in crate::clip) struct TextConfig {
    pub(in crate::clip) width: usize,
    pub(in crate::clip) num_blocks: usize,
    pub(in crate::clip) num_heads: usize,
    pub(in crate::clip) mlp_width: usize,
    /// Tokens that there are positions for.
    pub(in crate::clip) num_positions: usize,
    pub(in crate::clip) vocabulary: usize,
    pub(in crate::clip) activation: Activation,
    pub(in crate::clip) eps: f64,
}

impl Config {
    /// From the JSON beside the checkpoint, or from the tensors' shapes when there is none.
    pub(in crate::clip) fn new(
        source: &ConfigSource,
        activation: Option<Activation>,
        tensors: &FileTensors<'_>,
    ) -> Result<Self, ClipError> {
        let dialect = shapes::dialect(tensors)?;
        let mut config = match source {
            ConfigSource::None => return shapes::config(tensors, dialect, activation),
            ConfigSource::HuggingFace {
                config,
                preprocessor,
            } => hugging_face(config, preprocessor.as_ref(), dialect)?,
            ConfigSource::OpenClip { config } => open_clip(config, dialect)?,
        };
        if let Some(activation) = activation {
            config.text.activation = activation;
            if let ImageConfig::Vit(vit) = &mut config.image {
                vit.activation = activation;
            }
        }
        config.check_sizes(source)?;
        Ok(config)
    }

    /// Heads must divide widths.
    fn check_sizes(&self, source: &ConfigSource) -> Result<(), ClipError> {
        let image = match &self.image {
            ImageConfig::Vit(vit) => (vit.width, vit.num_heads),
            ImageConfig::ResNet(resnet) => (32 * resnet.width, resnet.num_heads),
        };
        for (width, num_heads) in [image, (self.text.width, self.text.num_heads)] {
            if num_heads == 0 || !width.is_multiple_of(num_heads) {
                let json = match source {
                    ConfigSource::HuggingFace { config, .. }
                    | ConfigSource::OpenClip { config } => Some(config),
                    ConfigSource::None => None,
                };
                let reason = format!("width {width} cannot be cut into {num_heads} heads");
                return Err(ClipError::Config {
                    reason,
                    path: json.map(|json| json.path.clone()).unwrap_or_default(),
                });
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct HuggingFaceConfig {
    projection_dim: usize,
    vision_config: HuggingFaceTower,
    text_config: HuggingFaceTower,
}

#[derive(Deserialize)]
struct HuggingFaceTower {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    hidden_act: Option<String>,
    layer_norm_eps: Option<f64>,
    image_size: Option<usize>,
    patch_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    vocab_size: Option<usize>,
}

impl HuggingFaceTower {
    fn activation(
        &self,
        json: &JsonText,
        notes: &mut Vec<String>,
    ) -> Result<Activation, ClipError> {
        match self.hidden_act.as_deref() {
            Some("quick_gelu") => Ok(Activation::QuickGelu),
            Some("gelu") => Ok(Activation::Gelu),
            Some(other) => Err(json.error(format!(
                "hidden_act {other:?} is neither quick_gelu nor gelu"
            ))),
            None => {
                notes.push(
                    "config.json does not say hidden_act: quick_gelu, transformers' default"
                        .to_owned(),
                );
                Ok(Activation::QuickGelu)
            }
        }
    }

    fn eps(&self, notes: &mut Vec<String>) -> f64 {
        self.layer_norm_eps.unwrap_or_else(|| {
            notes.push(
                "config.json does not say layer_norm_eps: 1e-5, transformers' default".to_owned(),
            );
            1e-5
        })
    }
}

impl JsonText {
    pub(super) fn error(&self, reason: impl std::fmt::Display) -> ClipError {
        ClipError::Config {
            reason: reason.to_string(),
            path: self.path.clone(),
        }
    }

    pub(super) fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ClipError> {
        serde_json::from_str(&self.text).map_err(|error| self.error(error))
    }

    pub(super) fn required(&self, value: Option<usize>, key: &str) -> Result<usize, ClipError> {
        match value {
            Some(value) if value > 0 => Ok(value),
            _ => Err(self.error(format!("{key} is missing or 0"))),
        }
    }
}

/// From Hugging Face's `config.json` and `preprocessor_config.json`.
fn hugging_face(
    json: &JsonText,
    preprocessor: Option<&JsonText>,
    dialect: Dialect,
) -> Result<Config, ClipError> {
    let parsed: HuggingFaceConfig = json.parse()?;
    let mut notes = Vec::new();
    let (vision, text) = (&parsed.vision_config, &parsed.text_config);
    let size = json.required(vision.image_size, "vision_config.image_size")?;
    let patch = json.required(vision.patch_size, "vision_config.patch_size")?;
    let image = VitConfig {
        width: vision.hidden_size,
        num_blocks: vision.num_hidden_layers,
        num_heads: vision.num_attention_heads,
        mlp_width: vision.intermediate_size,
        patch,
        grid: size / patch,
        activation: vision.activation(json, &mut notes)?,
        eps: vision.eps(&mut notes),
    };
    let text = TextConfig {
        width: text.hidden_size,
        num_blocks: text.num_hidden_layers,
        num_heads: text.num_attention_heads,
        mlp_width: text.intermediate_size,
        num_positions: json.required(
            text.max_position_embeddings,
            "text_config.max_position_embeddings",
        )?,
        vocabulary: json.required(text.vocab_size, "text_config.vocab_size")?,
        activation: text.activation(json, &mut notes)?,
        eps: text.eps(&mut notes),
    };
    let preprocess = if let Some(json) = preprocessor {
        json.parse::<Preprocessor>()?.checked(size, json)?
    } else {
        notes.push("no preprocessor_config.json: OpenAI's mean and std".to_owned());
        Preprocess::openai(size)
    };
    let image = ImageConfig::Vit(image);
    Ok(Config {
        dialect,
        dim: parsed.projection_dim,
        image,
        text,
        preprocess,
        notes,
    })
}

#[derive(Deserialize)]
struct Preprocessor {
    image_mean: [f32; 3],
    image_std: [f32; 3],
    size: Option<Side>,
    crop_size: Option<Side>,
    resample: Option<u32>,
    do_center_crop: Option<bool>,
}

/// Hugging Face writes a side as a number, or as one of two objects.
#[derive(Deserialize)]
#[serde(untagged)]
enum Side {
    Number(usize),
    Shortest { shortest_edge: usize },
    Both { height: usize, width: usize },
}

impl Side {
    fn is(&self, size: usize) -> bool {
        match *self {
            Self::Number(side)
            | Self::Shortest {
                shortest_edge: side,
            } => side == size,
            Self::Both { height, width } => height == size && width == size,
        }
    }
}

impl Preprocessor {
    /// Only what [`Preprocess`] can do: shorter side to `size`, bicubic, centre crop.
    fn checked(self, size: usize, json: &JsonText) -> Result<Preprocess, ClipError> {
        /// PIL's number for bicubic.
        const BICUBIC: u32 = 3;
        let sides = [&self.size, &self.crop_size];
        if sides.into_iter().flatten().any(|side| !side.is(size)) {
            return Err(json.error(format!(
                "size and crop_size must both be image_size, {size}"
            )));
        }
        if self.resample.is_some_and(|resample| resample != BICUBIC)
            || self.do_center_crop == Some(false)
        {
            return Err(
                json.error("only bicubic resizing (resample 3) with a centre crop is supported")
            );
        }
        Ok(Preprocess {
            size,
            mean: self.image_mean,
            std: self.image_std,
        })
    }
}
