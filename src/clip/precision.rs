//! The number format that the layers compute in.

use candle_core::Device;

use super::checkpoint::ImageConfig;
use super::{ClipError, Kernel};

/// The format that somebody asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32 on processors; on an NVIDIA GPU f16, which OpenAI's own code computes in there.
    #[default]
    Auto,
    /// 32-bit floats, whatever the device.
    F32,
    /// 16-bit brain floats: f32's range, 8 significant bits.
    Bf16,
    /// 16-bit floats: 11 significant bits, numbers up to 65504.
    F16,
}

impl Precision {
    const ALL: [Self; 4] = [Self::Auto, Self::F32, Self::Bf16, Self::F16];

    /// As on the command line: `auto`, `f32`, `bf16` or `f16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::F32 => NumberFormat::F32.name(),
            Self::Bf16 => NumberFormat::Bf16.name(),
            Self::F16 => NumberFormat::F16.name(),
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|precision| precision.name() == name)
    }

    /// The formats whose features may stand beside those of `own`, which comes first.
    ///
    /// Where nobody asked for one, f16 and f32 are as good as the same: of ViT-B/32, B/16 and L/14 on an H200 cosines are 0.99999 at
    /// least, and none of 850 predictions changes. bf16 changes one, so it stays by itself.
    pub(super) fn formats_beside(self, own: NumberFormat) -> &'static [NumberFormat] {
        match (self, own) {
            (Self::Auto, NumberFormat::F32) => &[NumberFormat::F32, NumberFormat::F16],
            (Self::Auto, NumberFormat::F16) => &[NumberFormat::F16, NumberFormat::F32],
            (_, NumberFormat::F32) => &[NumberFormat::F32],
            (_, NumberFormat::F16) => &[NumberFormat::F16],
            (_, NumberFormat::Bf16) => &[NumberFormat::Bf16],
        }
    }

    /// The format for `device`, which is refused where the device cannot multiply it.
    pub(super) fn on(self, device: &Device) -> Result<NumberFormat, ClipError> {
        let wanted = match self {
            Self::Auto => return Ok(unasked(device)),
            Self::F32 => NumberFormat::F32,
            Self::Bf16 => NumberFormat::Bf16,
            Self::F16 => NumberFormat::F16,
        };
        match obstacle(wanted, device) {
            None => Ok(wanted),
            Some(reason) => Err(ClipError::Precision {
                format: wanted.name(),
                reason: reason.to_owned(),
            }),
        }
    }
}

/// What is left of `format` for a model with this image tower.
pub(super) fn for_model(
    format: NumberFormat,
    asked: Precision,
    image: &ImageConfig,
    device: &Device,
) -> Result<NumberFormat, ClipError> {
    if format == NumberFormat::F32 {
        return Ok(format);
    }
    match (model_obstacle(image, device), asked) {
        (None, _) => Ok(format),
        (Some(_), Precision::Auto) => Ok(NumberFormat::F32),
        (Some(reason), _) => Err(ClipError::Precision {
            format: format.name(),
            reason,
        }),
    }
}

/// Why this image tower does not compute in 16 bits on `device`; `None` where it does.
fn model_obstacle(image: &ImageConfig, device: &Device) -> Option<String> {
    match image {
        // Convolution after convolution rounds anew: in bf16 an RN50's features are off by 7 % of their largest number.
        ImageConfig::ResNet(_) => Some("ResNets compute in f32".to_owned()),
        ImageConfig::Vit(_) if device.is_cpu() => None,
        #[cfg(feature = "cuda")]
        ImageConfig::Vit(config) => super::cuda::obstacle(config, device),
        #[cfg(not(feature = "cuda"))]
        ImageConfig::Vit(_) => Some("this build has no CUDA".to_owned()),
    }
}

/// The format where nobody asks for one.
///
/// Not bf16 on a processor, though it is 1.9 times as fast: on 381 photos of clothing it changes 4 to 8 predictions
/// (`bench precision`), more than one in a thousand. Its features are as near to f32's as those of PyTorch's autocast: mean
/// cosine 0.99985 both.
fn unasked(device: &Device) -> NumberFormat {
    match device {
        Device::Cpu if forced() == Some(Kernel::Avx512Bf16) => NumberFormat::Bf16,
        Device::Cpu | Device::Metal(_) => NumberFormat::F32,
        // What OpenAI's own code computes in on GPUs, and what its checkpoints are stored in.
        Device::Cuda(_) => NumberFormat::F16,
    }
}

/// Why `device` does not compute in `format`; `None` where it does.
fn obstacle(format: NumberFormat, device: &Device) -> Option<&'static str> {
    match (format, device) {
        // Whether the card and the model allow halves is seen when the model is known.
        (NumberFormat::F32, _) | (NumberFormat::Bf16 | NumberFormat::F16, Device::Cuda(_)) => None,
        (NumberFormat::Bf16, Device::Cpu) => match forced() {
            None | Some(Kernel::Avx512Bf16) => (!Kernel::Avx512Bf16.is_here())
                .then_some("this processor has no instructions for it (AVX512-BF16)"),
            Some(_) => Some("SHOTLENS_KERNEL names a kernel without it"),
        },
        (NumberFormat::F16, Device::Cpu) => {
            Some("processors multiply it no faster than f32, and bf16 where they have AVX512-BF16")
        }
        (NumberFormat::Bf16 | NumberFormat::F16, Device::Metal(_)) => {
            Some("the encoder computes in f32 on Apple's GPUs")
        }
    }
}

fn forced() -> Option<Kernel> {
    Kernel::forced().ok().flatten()
}

/// What a layer multiplies; sums, norms, softmax and the stream that blocks add to are f32 wherever it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberFormat {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit brain floats.
    Bf16,
    /// 16-bit floats.
    F16,
}

impl NumberFormat {
    /// `f32`, `bf16` or `f16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }
}

impl From<NumberFormat> for Precision {
    fn from(format: NumberFormat) -> Self {
        match format {
            NumberFormat::F32 => Self::F32,
            NumberFormat::Bf16 => Self::Bf16,
            NumberFormat::F16 => Self::F16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_precision() {
        for precision in Precision::ALL {
            assert_eq!(Precision::named(precision.name()), Some(precision));
        }
        assert_eq!(Precision::named("f64"), None);
    }

    #[test]
    fn what_a_processor_cannot_multiply_is_refused_with_a_remedy() {
        let refused = Precision::F16.on(&Device::Cpu).unwrap_err().to_string();
        assert!(
            refused.starts_with("the encoder cannot compute in f16 here")
                && refused.contains("--dtype f32"),
            "{refused}"
        );
        let bf16 = Precision::Bf16.on(&Device::Cpu);
        match forced() {
            None => {
                assert_eq!(bf16.is_ok(), Kernel::Avx512Bf16.is_here());
                assert_eq!(unasked(&Device::Cpu), NumberFormat::F32);
            }
            forced => assert_eq!(bf16.is_ok(), forced == Some(Kernel::Avx512Bf16)),
        }
    }
}
