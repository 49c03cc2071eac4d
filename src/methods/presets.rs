//! What the authors chose for each of the eleven data sets, with CLIP's RN50 and 16 shots.
//!
//! Tip-Adapter: configs/*.yaml of gaopengcuhk/Tip-Adapter at d0e2d6f8. APE and APE-T: configs/*.yaml of yangyangyang127/APE
//! at 70460de7. TIMO's γ: `image_guide_text` of lyymuwu/TIMO at 75eca4cf. `ProKeR`: `configs/RN50/configs_proker` of
//! omarnust/BReg-Adapter at c89ce546, which has no file for four sets: those take the grid that most others have.

use super::{Method, Parameters};

/// The length of the features for which APE's channels are counted; other models keep the same share.
const REFERENCE_DIM: usize = 1024;

/// The shots for which the table is made.
const SHOTS: usize = 16;
/// β of all the authors' starting points.
const FIRST_BETA: f32 = 1.0;
/// γ of APE's starting points.
const FIRST_GAMMA: f32 = 0.1;
/// APE-T's weights of the similarity and the variance in the choice of channels.
const TRAINED_WEIGHTS: (f32, f32) = (0.2, 0.8);

/// One data set's hyper-parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    /// Its name in the authors' configuration files.
    pub name: &'static str,
    /// Its name as its makers write it.
    pub title: &'static str,
    /// Tip-Adapter and Tip-Adapter-F.
    pub tip_adapter: TipAdapterPreset,
    /// APE and APE-T.
    pub ape: ApePreset,
    /// `ProKeR`'s search: evenly spaced β, both ends included.
    pub proker_betas: Even,
    /// `ProKeR`'s search: evenly spaced λ, both ends included.
    pub proker_lambdas: Even,
    /// TIMO's γ.
    pub timo_gamma: f32,
}

/// Values at equal distances, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Even {
    /// Smallest value.
    pub first: f64,
    /// Largest value.
    pub last: f64,
    /// Number of values.
    pub count: u32,
}

/// Tip-Adapter's hyper-parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TipAdapterPreset {
    /// Upper end of the search over β.
    pub beta_max: f64,
    /// Upper end of the search over α.
    pub alpha_max: f64,
    /// α before the search, and in the training of Tip-Adapter-F.
    pub alpha: f32,
    /// Tip-Adapter-F: passes over the shots.
    pub epochs: usize,
    /// Tip-Adapter-F: the first step size.
    pub learning_rate: f32,
}

/// APE's hyper-parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ApePreset {
    /// Upper end of the search over β.
    pub beta_max: f64,
    /// Upper end of the search over α.
    pub alpha_max: f64,
    /// Upper end of the search over γ.
    pub gamma_max: f64,
    /// Values of γ in the search.
    pub num_gammas: u32,
    /// α before the search.
    pub alpha: f32,
    /// Channels kept of 1,024 by APE.
    pub channels: usize,
    /// Channels kept of 1,024 by APE-T.
    pub trained_channels: usize,
    /// Weight of the similarity between classes in the choice of channels.
    pub w0: f32,
    /// Weight of the variance over class texts.
    pub w1: f32,
    /// APE-T: passes over the shots.
    pub epochs: usize,
    /// APE-T: the first step size.
    pub learning_rate: f32,
    /// APE-T: the optimiser's ε.
    pub epsilon: f32,
}

impl Preset {
    /// The data set of this name, or `None`.
    pub fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// The authors' starting point for `method`, for features of length `dim`; what is published for every data set where there is none for this.
    pub fn parameters(&self, method: Method, dim: usize) -> Parameters {
        let defaults = Parameters::published(method, SHOTS);
        let (tip_adapter, ape) = (&self.tip_adapter, &self.ape);
        match method {
            Method::TipAdapter | Method::TipAdapterPp | Method::TipAdapterF => Parameters {
                alpha: tip_adapter.alpha,
                beta: FIRST_BETA,
                epochs: Some(tip_adapter.epochs),
                learning_rate: Some(tip_adapter.learning_rate),
                ..defaults
            },
            Method::Ape | Method::ApePp => Parameters {
                alpha: ape.alpha,
                beta: FIRST_BETA,
                gamma: FIRST_GAMMA,
                channels: Some(scaled_channels(ape.channels, dim)),
                w0: ape.w0,
                w1: ape.w1,
                ..defaults
            },
            Method::ApeT => Parameters {
                alpha: ape.alpha,
                beta: FIRST_BETA,
                channels: Some(scaled_channels(ape.trained_channels, dim)),
                w0: TRAINED_WEIGHTS.0,
                w1: TRAINED_WEIGHTS.1,
                epochs: Some(ape.epochs),
                learning_rate: Some(ape.learning_rate),
                ..defaults
            },
            Method::Timo | Method::TimoS => Parameters {
                gamma: self.timo_gamma,
                ..defaults
            },
            _ => defaults,
        }
    }
}

/// `channels` of 1,024 as the same share of `dim`, rounded down, at least 1 (as TIMO's port of APE does).
fn scaled_channels(channels: usize, dim: usize) -> usize {
    (channels * dim / REFERENCE_DIM).max(1)
}

const fn even(first: f64, last: f64, count: u32) -> Even {
    Even { first, last, count }
}

/// What most sets have in common; the table below names what differs.
const COMMON: Preset = Preset {
    name: "",
    title: "",
    tip_adapter: TipAdapterPreset {
        beta_max: 7.0,
        alpha_max: 3.0,
        alpha: 1.17,
        epochs: 20,
        learning_rate: 1e-3,
    },
    ape: ApePreset {
        beta_max: 7.0,
        alpha_max: 7.0,
        gamma_max: 1.0,
        num_gammas: 20,
        alpha: 1.0,
        channels: 700,
        trained_channels: 900,
        w0: 0.5,
        w1: 0.5,
        epochs: 30,
        learning_rate: 1e-3,
        epsilon: 1e-3,
    },
    proker_betas: even(0.5, 3.0, 20),
    proker_lambdas: even(0.001, 1.0, 10),
    timo_gamma: 50.0,
};
const TIP: TipAdapterPreset = COMMON.tip_adapter;
const APE: ApePreset = COMMON.ape;

/// The eleven data sets, in the order of the papers' tables.
#[rustfmt::skip]
pub const PRESETS: [Preset; 11] = [
    Preset {
        name: "imagenet", title: "ImageNet",
        tip_adapter: TIP,
        ape: ApePreset {
            gamma_max: 0.5, num_gammas: 5, alpha: 2.0, channels: 500, trained_channels: 500, w0: 0.7, w1: 0.3,
            epochs: 20, learning_rate: 1e-4, ..APE
        },
        proker_betas: even(1.5, 3.0, 10), proker_lambdas: even(0.05, 0.25, 10), timo_gamma: 1.0,
    },
    Preset {
        name: "caltech101", title: "Caltech101",
        tip_adapter: TipAdapterPreset { beta_max: 12.0, alpha_max: 5.0, alpha: 3.0, ..TIP },
        ape: ApePreset { channels: 800, ..APE },
        ..COMMON
    },
    Preset {
        name: "dtd", title: "Describable Textures",
        tip_adapter: TipAdapterPreset { beta_max: 13.0, alpha_max: 13.0, alpha: 2.0, ..TIP },
        ape: ApePreset { alpha: 3.0, channels: 400, trained_channels: 700, epochs: 20, ..APE },
        proker_betas: even(0.1, 10.0, 20), proker_lambdas: even(0.001, 10.0, 100), ..COMMON
    },
    Preset {
        name: "eurosat", title: "EuroSAT",
        tip_adapter: TipAdapterPreset { beta_max: 12.0, alpha_max: 10.0, alpha: 2.0, epochs: 100, ..TIP },
        ape: ApePreset {
            beta_max: 30.0, alpha_max: 5.0, gamma_max: 1.5, w0: 0.9, w1: 0.1, epochs: 200, ..APE
        },
        ..COMMON
    },
    Preset {
        name: "fgvc", title: "FGVC Aircraft",
        tip_adapter: TipAdapterPreset { beta_max: 30.0, alpha_max: 30.0, alpha: 5.0, ..TIP },
        ape: ApePreset { beta_max: 20.0, alpha_max: 10.0, alpha: 5.0, channels: 800, w0: 0.1, w1: 0.9, ..APE },
        ..COMMON
    },
    Preset {
        name: "food101", title: "Food-101",
        tip_adapter: TipAdapterPreset { beta_max: 10.0, alpha_max: 10.0, ..TIP },
        ape: ApePreset { alpha: 0.8, w0: 0.3, w1: 0.7, learning_rate: 1e-4, ..APE },
        ..COMMON
    },
    Preset {
        name: "oxford_flowers", title: "Oxford Flowers",
        tip_adapter: TipAdapterPreset { beta_max: 50.0, alpha_max: 50.0, alpha: 10.0, ..TIP },
        ape: ApePreset { alpha: 3.0, trained_channels: 800, w0: 0.4, w1: 0.6, epochs: 60, ..APE },
        proker_betas: even(0.1, 10.0, 20), proker_lambdas: even(0.001, 10.0, 100), timo_gamma: 100.0,
    },
    Preset {
        name: "oxford_pets", title: "Oxford Pets",
        ape: ApePreset {
            alpha: 2.0, channels: 800, trained_channels: 800, w0: 0.7, w1: 0.3, learning_rate: 1e-4, epsilon: 2e-3, ..APE
        },
        ..COMMON
    },
    Preset {
        name: "stanford_cars", title: "Stanford Cars",
        tip_adapter: TipAdapterPreset { beta_max: 20.0, alpha_max: 10.0, alpha: 3.0, ..TIP },
        ape: ApePreset {
            beta_max: 10.0, channels: 500, trained_channels: 800, w0: 0.6, w1: 0.4, epsilon: 5e-3, ..APE
        },
        ..COMMON
    },
    Preset {
        name: "sun397", title: "SUN397",
        tip_adapter: TipAdapterPreset { beta_max: 12.0, alpha_max: 10.0, ..TIP },
        ape: ApePreset {
            beta_max: 10.0, channels: 800, trained_channels: 800, w0: 0.7, w1: 0.3, learning_rate: 1e-4, ..APE
        },
        proker_betas: even(0.1, 10.0, 20), proker_lambdas: even(0.01, 10.0, 10), ..COMMON
    },
    Preset {
        name: "ucf101", title: "UCF101",
        tip_adapter: TipAdapterPreset { alpha: 3.0, ..TIP },
        ape: ApePreset {
            beta_max: 10.0, gamma_max: 1.5, alpha: 2.0, trained_channels: 800, w0: 0.3, w1: 0.7, epsilon: 2e-3, ..APE
        },
        ..COMMON
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_is_found_by_its_name() {
        for preset in &PRESETS {
            assert_eq!(Preset::named(preset.name), Some(preset));
            // The weights of APE's two terms sum to 1 in every file.
            assert!(
                (preset.ape.w0 + preset.ape.w1 - 1.0).abs() < 1e-6,
                "{preset:?}"
            );
        }
        assert_eq!(Preset::named("moon"), None);
    }

    #[test]
    fn channels_keep_their_share_of_shorter_features() {
        let dtd = Preset::named("dtd").unwrap();
        assert_eq!(dtd.parameters(Method::Ape, 1024).channels, Some(400));
        assert_eq!(dtd.parameters(Method::Ape, 512).channels, Some(200));
        assert_eq!(dtd.parameters(Method::ApeT, 768).channels, Some(525));
        assert_eq!(dtd.parameters(Method::ApePp, 2).channels, Some(1));
    }

    #[test]
    fn starting_points_are_the_authors() {
        let eurosat = Preset::named("eurosat").unwrap();
        let trained = eurosat.parameters(Method::TipAdapterF, 512);
        assert_eq!(
            (trained.alpha, trained.beta, trained.epochs),
            (2.0, 1.0, Some(100))
        );
        let ape = eurosat.parameters(Method::Ape, 1024);
        assert_eq!((ape.w0, ape.w1, ape.gamma), (0.9, 0.1, 0.1));
        assert_eq!(
            eurosat.parameters(Method::Gda, 512),
            Parameters::published(Method::Gda, 16)
        );
    }
}
