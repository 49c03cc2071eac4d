//! Full-size models with random weights, for benchmarks and tests; nothing else may ask for one.

use super::{
    Activation, Config, Dialect, ImageConfig, ResNetConfig, TensorSource, TextConfig, VitConfig,
};
use crate::clip::ClipError;
use crate::clip::preprocess::Preprocess;

/// The sizes of a published model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// 224 pixels, patches of 32, 12 blocks of 768
    VitB32,
    /// 224 pixels, patches of 16, 12 blocks of 768
    VitB16,
    /// 224 pixels, patches of 14, 24 blocks of 1024
    VitL14,
    /// 224 pixels, ModifiedResNet of 3, 4, 6 and 3 blocks
    Rn50,
}

impl Architecture {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::VitB32, Self::VitB16, Self::VitL14, Self::Rn50];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::VitB32 => "vit-b-32",
            Self::VitB16 => "vit-b-16",
            Self::VitL14 => "vit-l-14",
            Self::Rn50 => "rn50",
        }
    }

    /// The architecture with this name on the command line.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|architecture| architecture.name() == name)
    }

    /// The published sizes.
    pub(in crate::clip) fn config(self) -> Config {
        let vit = |width: usize, num_blocks, patch| {
            ImageConfig::Vit(VitConfig {
                width,
                num_blocks,
                num_heads: width / 64,
                mlp_width: 4 * width,
                patch,
                grid: 224 / patch,
                activation: Activation::QuickGelu,
                eps: 1e-5,
            })
        };
        let (image, dim, text_width) = match self {
            Self::VitB32 => (vit(768, 12, 32), 512, 512),
            Self::VitB16 => (vit(768, 12, 16), 512, 512),
            Self::VitL14 => (vit(1024, 24, 14), 768, 768),
            Self::Rn50 => {
                let resnet = ResNetConfig {
                    width: 64,
                    num_blocks: [3, 4, 6, 3],
                    num_heads: 32,
                    grid: 7,
                };
                (ImageConfig::ResNet(resnet), 1024, 512)
            }
        };
        let text = TextConfig {
            width: text_width,
            num_blocks: 12,
            num_heads: text_width / 64,
            mlp_width: 4 * text_width,
            num_positions: 77,
            vocabulary: 49_408,
            activation: Activation::QuickGelu,
            eps: 1e-5,
        };
        let notes = vec![format!(
            "{} with random weights: its features mean nothing",
            self.name()
        )];
        let preprocess = Preprocess::openai(224);
        Config {
            dialect: Dialect::OpenAi,
            dim,
            image,
            text,
            preprocess,
            notes,
        }
    }
}

/// Random numbers for every name and shape; the same for the same seed.
pub(in crate::clip) struct RandomTensors {
    pub(in crate::clip) seed: u64,
}

impl TensorSource for RandomTensors {
    /// Norms that change nothing, biases of 0, and weights with a deviation of one over the root of the row length.
    fn take(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ClipError> {
        let len = shape.iter().product();
        if name.ends_with("bias") || name.ends_with("running_mean") {
            return Ok(vec![0.0; len]);
        }
        let is_norm = ["ln_", "bn", "downsample.1"]
            .iter()
            .any(|part| name.contains(part));
        if is_norm {
            return Ok(vec![1.0; len]);
        }
        let row_len: usize = shape.iter().skip(1).product();
        let deviation = 1.0 / (row_len as f32).sqrt();
        let mut state = name.bytes().fold(self.seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        // Uniform numbers of variance 1.
        let spread = deviation * 12f32.sqrt();
        Ok((0..len)
            .map(|_| (next_uniform(&mut state) - 0.5) * spread)
            .collect())
    }
}

/// The next number in [0, 1) of the splitmix64 generator (Steele et al. 2014).
fn next_uniform(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
}
