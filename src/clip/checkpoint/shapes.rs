//! What a checkpoint's shapes tell when no configuration lies beside it.

use super::{
    Activation, Config, Dialect, FileTensors, ImageConfig, ResNetConfig, TextConfig, VitConfig,
};
use crate::clip::ClipError;
use crate::clip::preprocess::Preprocess;

/// The width of a head in every model that OpenAI published.
const HEAD_WIDTH: usize = 64;
/// A ModifiedResNet's last feature map has a 32nd of the image's side.
const RESNET_STRIDE: usize = 32;

/// Whose names the tensors have.
pub(super) fn dialect(tensors: &FileTensors<'_>) -> Result<Dialect, ClipError> {
    let (hugging_face, open_ai) = (
        Dialect::HuggingFace.image().patch,
        Dialect::OpenAi.image().patch,
    );
    if tensors.shape(hugging_face).is_some() {
        Ok(Dialect::HuggingFace)
    } else if tensors.shape(open_ai).is_some() {
        Ok(Dialect::OpenAi)
    } else {
        Err(ClipError::UnknownDialect {
            hugging_face,
            open_ai,
            path: tensors.file().path().to_owned(),
        })
    }
}

/// Sizes from the shapes; what shapes cannot tell is assumed, and listed in the notes.
pub(super) fn config(
    tensors: &FileTensors<'_>,
    dialect: Dialect,
    activation: Option<Activation>,
) -> Result<Config, ClipError> {
    let shapes = Shapes(tensors);
    let assumed = activation.unwrap_or(Activation::QuickGelu);
    let (image, size) = match tensors.shape("visual.layer1.0.conv1.weight") {
        Some(_) => shapes.resnet()?,
        None => shapes.vit(dialect, assumed)?,
    };
    let text = shapes.text(dialect, assumed)?;
    let projection = shapes.of(dialect.text().projection, 2)?;
    let dim = match dialect {
        Dialect::HuggingFace => projection[0],
        Dialect::OpenAi => projection[1],
    };
    let activation = match activation {
        Some(Activation::Gelu) => "GELU as asked for",
        Some(Activation::QuickGelu) => "QuickGELU as asked for",
        None => "QuickGELU assumed (--activation gelu for the other)",
    };
    let note = format!(
        "no configuration beside the file: {size} pixels, heads of {HEAD_WIDTH}, OpenAI's mean and std assumed; {activation}"
    );
    Ok(Config {
        dialect,
        dim,
        image,
        text,
        preprocess: Preprocess::openai(size),
        notes: vec![note],
    })
}

struct Shapes<'a>(&'a FileTensors<'a>);

impl Shapes<'_> {
    /// The shape of `name`, which must have `rank` dimensions.
    fn of(&self, name: &str, rank: usize) -> Result<Vec<usize>, ClipError> {
        let path = || self.0.file().path().to_owned();
        match self.0.shape(name) {
            None => Err(ClipError::MissingTensor {
                tensor: name.to_owned(),
                path: path(),
            }),
            Some(shape) if shape.len() != rank || shape.contains(&0) => Err(self.error(format!(
                "{name} has shape {shape:?}, {rank} dimensions expected"
            ))),
            Some(shape) => Ok(shape),
        }
    }

    fn error(&self, reason: String) -> ClipError {
        ClipError::Sizes {
            reason,
            path: self.0.file().path().to_owned(),
        }
    }

    /// How many of `prefix.0`, `prefix.1`... have `suffix`.
    fn count(&self, prefix: &str, suffix: &str) -> usize {
        let has = |index: usize| {
            self.0
                .shape(&format!("{prefix}.{index}.{suffix}"))
                .is_some()
        };
        let mut count = 0;
        while has(count) {
            count += 1;
        }
        count
    }

    fn heads(&self, width: usize) -> Result<usize, ClipError> {
        if width.is_multiple_of(HEAD_WIDTH) {
            Ok(width / HEAD_WIDTH)
        } else {
            Err(self.error(format!(
                "width {width} cannot be cut into heads of {HEAD_WIDTH}"
            )))
        }
    }

    /// The side of the square that `position` has rows for, one of them the class token's.
    fn grid(&self, position: &str) -> Result<usize, ClipError> {
        let num_positions = self.of(position, 2)?[0];
        let grid = (num_positions - 1).isqrt();
        if grid > 0 && grid * grid + 1 == num_positions {
            Ok(grid)
        } else {
            Err(self.error(format!(
                "{position} has {num_positions} rows, which is no square plus one"
            )))
        }
    }

    fn vit(
        &self,
        dialect: Dialect,
        activation: Activation,
    ) -> Result<(ImageConfig, usize), ClipError> {
        let names = dialect.image();
        let patch_shape = self.of(names.patch, 4)?;
        let (width, patch) = (patch_shape[0], patch_shape[2]);
        let grid = self.grid(names.position)?;
        let (num_blocks, mlp_width) = self.blocks(dialect, names.blocks)?;
        let num_heads = self.heads(width)?;
        let vit = VitConfig {
            width,
            num_blocks,
            num_heads,
            mlp_width,
            patch,
            grid,
            activation,
            eps: 1e-5,
        };
        Ok((ImageConfig::Vit(vit), grid * patch))
    }

    fn resnet(&self) -> Result<(ImageConfig, usize), ClipError> {
        // The third convolution of the stem has all its channels, the first two half of them.
        let width = self.of("visual.conv3.weight", 4)?[0];
        let grid = self.grid("visual.attnpool.positional_embedding")?;
        let num_blocks =
            [1, 2, 3, 4].map(|stage| self.count(&format!("visual.layer{stage}"), "conv1.weight"));
        let num_heads = self.heads(RESNET_STRIDE * width)?;
        let resnet = ResNetConfig {
            width,
            num_blocks,
            num_heads,
            grid,
        };
        Ok((ImageConfig::ResNet(resnet), grid * RESNET_STRIDE))
    }

    fn text(&self, dialect: Dialect, activation: Activation) -> Result<TextConfig, ClipError> {
        let names = dialect.text();
        let token = self.of(names.token, 2)?;
        let (num_blocks, mlp_width) = self.blocks(dialect, names.blocks)?;
        Ok(TextConfig {
            width: token[1],
            num_blocks,
            num_heads: self.heads(token[1])?,
            mlp_width,
            num_positions: self.of(names.position, 2)?[0],
            vocabulary: token[0],
            activation,
            eps: 1e-5,
        })
    }

    /// Number of blocks and width of their MLPs.
    fn blocks(&self, dialect: Dialect, prefix: &str) -> Result<(usize, usize), ClipError> {
        let expand = match dialect {
            Dialect::HuggingFace => "mlp.fc1.weight",
            Dialect::OpenAi => "mlp.c_fc.weight",
        };
        let mlp_width = self.of(&format!("{prefix}.0.{expand}"), 2)?[0];
        Ok((self.count(prefix, expand), mlp_width))
    }
}
