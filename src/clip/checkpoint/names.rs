//! The names that the dialects give to the same tensors.

use super::TensorSource;
use crate::clip::ClipError;

/// Whose names the tensors have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::clip) enum Dialect {
    /// transformers' `CLIPModel`: `vision_model.encoder.layers.0...`
    HuggingFace,
    /// OpenAI's and OpenCLIP's: `visual.transformer.resblocks.0...`
    OpenAi,
}

/// Weight and bias of a layer norm, both `[width]`.
pub(in crate::clip) struct NormWeights {
    pub(in crate::clip) weight: Vec<f32>,
    pub(in crate::clip) bias: Vec<f32>,
}

/// Weight `[outputs, inner]` and bias `[outputs]` of a linear layer.
pub(in crate::clip) struct LinearWeights {
    pub(in crate::clip) weight: Vec<f32>,
    pub(in crate::clip) bias: Vec<f32>,
}

/// The tensors of one transformer block.
pub(in crate::clip) struct BlockWeights {
    pub(in crate::clip) norm1: NormWeights,
    /// Queries, keys and values, `[3 · width, width]`.
    pub(in crate::clip) qkv: LinearWeights,
    pub(in crate::clip) out: LinearWeights,
    pub(in crate::clip) norm2: NormWeights,
    /// `[mlp_width, width]`
    pub(in crate::clip) expand: LinearWeights,
    /// `[width, mlp_width]`
    pub(in crate::clip) contract: LinearWeights,
}

/// Names of the vision transformer's tensors outside its blocks.
pub(in crate::clip) struct ImageNames {
    pub(in crate::clip) class: &'static str,
    pub(in crate::clip) patch: &'static str,
    pub(in crate::clip) position: &'static str,
    pub(in crate::clip) norm_before: &'static str,
    pub(in crate::clip) norm_after: &'static str,
    pub(in crate::clip) blocks: &'static str,
    pub(in crate::clip) projection: &'static str,
}

/// Names of the text transformer's tensors outside its blocks.
pub(in crate::clip) struct TextNames {
    pub(in crate::clip) token: &'static str,
    pub(in crate::clip) position: &'static str,
    pub(in crate::clip) norm_after: &'static str,
    pub(in crate::clip) blocks: &'static str,
    pub(in crate::clip) projection: &'static str,
}

const HUGGING_FACE_IMAGE: ImageNames = ImageNames {
    class: "vision_model.embeddings.class_embedding",
    patch: "vision_model.embeddings.patch_embedding.weight",
    position: "vision_model.embeddings.position_embedding.weight",
    // The checkpoints' own spelling.
    norm_before: "vision_model.pre_layrnorm",
    norm_after: "vision_model.post_layernorm",
    blocks: "vision_model.encoder.layers",
    projection: "visual_projection.weight",
};

const OPEN_AI_IMAGE: ImageNames = ImageNames {
    class: "visual.class_embedding",
    patch: "visual.conv1.weight",
    position: "visual.positional_embedding",
    norm_before: "visual.ln_pre",
    norm_after: "visual.ln_post",
    blocks: "visual.transformer.resblocks",
    projection: "visual.proj",
};

const HUGGING_FACE_TEXT: TextNames = TextNames {
    token: "text_model.embeddings.token_embedding.weight",
    position: "text_model.embeddings.position_embedding.weight",
    norm_after: "text_model.final_layer_norm",
    blocks: "text_model.encoder.layers",
    projection: "text_projection.weight",
};

const OPEN_AI_TEXT: TextNames = TextNames {
    token: "token_embedding.weight",
    position: "positional_embedding",
    norm_after: "ln_final",
    blocks: "transformer.resblocks",
    projection: "text_projection",
};

impl Dialect {
    /// The image tower's names.
    pub(in crate::clip) fn image(self) -> &'static ImageNames {
        match self {
            Self::HuggingFace => &HUGGING_FACE_IMAGE,
            Self::OpenAi => &OPEN_AI_IMAGE,
        }
    }

    /// The text tower's names.
    pub(in crate::clip) fn text(self) -> &'static TextNames {
        match self {
            Self::HuggingFace => &HUGGING_FACE_TEXT,
            Self::OpenAi => &OPEN_AI_TEXT,
        }
    }

    /// A projection as `[dim, width]`; OpenAI's are stored as `[width, dim]`.
    pub(in crate::clip) fn projection(
        self,
        source: &dyn TensorSource,
        name: &str,
        dim: usize,
        width: usize,
    ) -> Result<Vec<f32>, ClipError> {
        match self {
            Self::HuggingFace => source.take(name, &[dim, width]),
            Self::OpenAi => {
                let stored = source.take(name, &[width, dim])?;
                // None of a source that gives no numbers.
                Ok((0..dim * width)
                    .filter_map(|i| stored.get(i % width * dim + i / width).copied())
                    .collect())
            }
        }
    }

    /// The tensors of the block under `prefix`.
    pub(in crate::clip) fn block(
        self,
        source: &dyn TensorSource,
        prefix: &str,
        width: usize,
        mlp_width: usize,
    ) -> Result<BlockWeights, ClipError> {
        let norm = |name: &str| norm(source, &format!("{prefix}.{name}"), width);
        let linear = |name: &str, outputs, inner| {
            linear(source, &format!("{prefix}.{name}"), outputs, inner)
        };
        match self {
            Self::HuggingFace => {
                let mut qkv = LinearWeights {
                    weight: Vec::new(),
                    bias: Vec::new(),
                };
                for part in ["q", "k", "v"] {
                    let part = linear(&format!("self_attn.{part}_proj"), width, width)?;
                    qkv.weight.extend(part.weight);
                    qkv.bias.extend(part.bias);
                }
                Ok(BlockWeights {
                    norm1: norm("layer_norm1")?,
                    qkv,
                    out: linear("self_attn.out_proj", width, width)?,
                    norm2: norm("layer_norm2")?,
                    expand: linear("mlp.fc1", mlp_width, width)?,
                    contract: linear("mlp.fc2", width, mlp_width)?,
                })
            }
            Self::OpenAi => Ok(BlockWeights {
                norm1: norm("ln_1")?,
                qkv: LinearWeights {
                    weight: source.take(
                        &format!("{prefix}.attn.in_proj_weight"),
                        &[3 * width, width],
                    )?,
                    bias: source.take(&format!("{prefix}.attn.in_proj_bias"), &[3 * width])?,
                },
                out: linear("attn.out_proj", width, width)?,
                norm2: norm("ln_2")?,
                expand: linear("mlp.c_fc", mlp_width, width)?,
                contract: linear("mlp.c_proj", width, mlp_width)?,
            }),
        }
    }
}

/// `NAME.weight` and `NAME.bias` of a layer norm, which all dialects name so.
pub(in crate::clip) fn norm(
    source: &dyn TensorSource,
    name: &str,
    width: usize,
) -> Result<NormWeights, ClipError> {
    Ok(NormWeights {
        weight: source.take(&format!("{name}.weight"), &[width])?,
        bias: source.take(&format!("{name}.bias"), &[width])?,
    })
}

/// `NAME.weight` and `NAME.bias` of a linear layer.
fn linear(
    source: &dyn TensorSource,
    name: &str,
    outputs: usize,
    inner: usize,
) -> Result<LinearWeights, ClipError> {
    Ok(LinearWeights {
        weight: source.take(&format!("{name}.weight"), &[outputs, inner])?,
        bias: source.take(&format!("{name}.bias"), &[outputs])?,
    })
}
