//! Which methods there are, what they are called, and which parameters they have.

use super::{MethodError, SignatureRange};

/// A way to turn labelled photos and class names into scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Method {
    /// Class names alone (CLIP, Radford et al., 2021).
    ZeroShot,
    /// Class names and parts of the photo that attend to each other (CALIP, AAAI 2023).
    Calip,
    /// A key-value cache over the shots (Zhang et al., ECCV 2022).
    #[default]
    TipAdapter,
    /// The cache and how alike photos look to the class texts (SuS-X, ICCV 2023).
    TipX,
    /// The cache on the channels that tell classes apart (APE, ICCV 2023).
    Ape,
    /// Gaussian classes with one covariance (ICLR 2024).
    Gda,
    /// Kernel ridge regression around the class texts (CVPR 2025).
    ProKeR,
    /// Prompts weighed by the photos, photos by the prompts (TIMO, AAAI 2025).
    Timo,
    /// TIMO with its own parameters searched as well.
    TimoS,
    /// Tip-Adapter on adapted features (IMO, BMVC 2024).
    TipAdapterPp,
    /// Tip-X with its cache on adapted features (IMO, BMVC 2024).
    TipXPp,
    /// APE on adapted features (our definition).
    ApePp,
    /// GDA on adapted features.
    GdaPp,
    /// `ProKeR` on adapted features.
    ProKeRPp,
    /// Tip-Adapter whose keys are trained (ECCV 2022).
    TipAdapterF,
    /// APE whose classes and votes are trained (ICCV 2023).
    ApeT,
    /// A bottleneck trained on the features (CLIP-Adapter, IJCV 2024).
    ClipAdapter,
    /// A linear probe that mixes in the class texts (LP++, CVPR 2024).
    LpPlusPlus,
    /// Class texts with a trained residual (`TaskRes`, CVPR 2023).
    TaskRes,
    /// Prompts whose context words are learnt through the text tower (`CoOp`, IJCV 2022).
    CoOp,
}

/// How much work a method is, and what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Fitted in closed form on original features.
    NoTraining,
    /// Fitted in closed form on adapted features: the ++ methods.
    Adapted,
    /// Trained for seconds on cached features.
    LightTraining,
    /// Trained through the text tower, which the engine does.
    TextTraining,
}

/// A name that no method has.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no method {name:?}; choose one of {}", Method::ALL.map(Method::name).join(", "))]
pub struct UnknownMethod {
    /// The name asked for.
    pub name: String,
}

impl Method {
    /// All methods, in the order in which they are offered: by family.
    pub const ALL: [Self; 20] = [
        Self::ZeroShot,
        Self::Calip,
        Self::TipAdapter,
        Self::TipX,
        Self::Ape,
        Self::Gda,
        Self::ProKeR,
        Self::Timo,
        Self::TimoS,
        Self::TipAdapterPp,
        Self::TipXPp,
        Self::ApePp,
        Self::GdaPp,
        Self::ProKeRPp,
        Self::TipAdapterF,
        Self::ApeT,
        Self::ClipAdapter,
        Self::LpPlusPlus,
        Self::TaskRes,
        Self::CoOp,
    ];

    /// How much work it is.
    pub fn family(self) -> Family {
        match self {
            Self::TipAdapterPp | Self::TipXPp | Self::ApePp | Self::GdaPp | Self::ProKeRPp => {
                Family::Adapted
            }
            Self::TipAdapterF
            | Self::ApeT
            | Self::ClipAdapter
            | Self::LpPlusPlus
            | Self::TaskRes => Family::LightTraining,
            Self::CoOp => Family::TextTraining,
            _ => Family::NoTraining,
        }
    }

    /// Its name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::ZeroShot => "zero-shot",
            Self::Calip => "calip",
            Self::TipAdapter => "tip-adapter",
            Self::TipX => "tip-x",
            Self::Ape => "ape",
            Self::Gda => "gda",
            Self::ProKeR => "proker",
            Self::Timo => "timo",
            Self::TimoS => "timo-s",
            Self::TipAdapterPp => "tip-adapter-pp",
            Self::TipXPp => "tip-x-pp",
            Self::ApePp => "ape-pp",
            Self::GdaPp => "gda-pp",
            Self::ProKeRPp => "proker-pp",
            Self::TipAdapterF => "tip-adapter-f",
            Self::ApeT => "ape-t",
            Self::ClipAdapter => "clip-adapter",
            Self::LpPlusPlus => "lp-pp",
            Self::TaskRes => "taskres",
            Self::CoOp => "coop",
        }
    }

    /// The method with this name.
    pub fn from_name(name: &str) -> Result<Self, UnknownMethod> {
        Self::ALL
            .into_iter()
            .find(|method| method.name() == name)
            .ok_or_else(|| UnknownMethod {
                name: name.to_owned(),
            })
    }

    /// Its name in the window.
    pub fn title(self) -> &'static str {
        match self {
            Self::ZeroShot => "Zero-shot",
            Self::Calip => "CALIP",
            Self::TipAdapter => "Tip-Adapter",
            Self::TipX => "Tip-X",
            Self::Ape => "APE",
            Self::Gda => "GDA",
            Self::ProKeR => "ProKeR",
            Self::Timo => "TIMO",
            Self::TimoS => "TIMO-S",
            Self::TipAdapterPp => "Tip-Adapter++",
            Self::TipXPp => "Tip-X++",
            Self::ApePp => "APE++",
            Self::GdaPp => "GDA++",
            Self::ProKeRPp => "ProKeR++",
            Self::TipAdapterF => "Tip-Adapter-F",
            Self::ApeT => "APE-T",
            Self::ClipAdapter => "CLIP-Adapter",
            Self::LpPlusPlus => "LP++",
            Self::TaskRes => "TaskRes",
            Self::CoOp => "CoOp",
        }
    }

    /// Whether it compares photos by adapted features.
    pub fn needs_adapter(self) -> bool {
        self.family() == Family::Adapted
    }

    /// The same method on original features.
    #[must_use]
    pub fn without_adapter(self) -> Self {
        match self {
            Self::TipAdapterPp => Self::TipAdapter,
            Self::TipXPp => Self::TipX,
            Self::ApePp => Self::Ape,
            Self::GdaPp => Self::Gda,
            Self::ProKeRPp => Self::ProKeR,
            same => same,
        }
    }

    /// Whether fitting takes steps of gradient descent, with a loss to watch.
    pub fn is_trained(self) -> bool {
        matches!(self.family(), Family::LightTraining | Family::TextTraining)
    }

    /// The parameters that change its scores, in the order in which they are shown.
    pub fn parameters(self) -> &'static [Parameter] {
        match self {
            Self::ZeroShot | Self::LpPlusPlus | Self::CoOp => &[],
            Self::TipAdapter | Self::TipAdapterPp | Self::TipAdapterF | Self::ApeT => {
                &[Parameter::Alpha, Parameter::Beta]
            }
            Self::TipX | Self::TipXPp | Self::Ape | Self::ApePp => {
                &[Parameter::Alpha, Parameter::Beta, Parameter::Gamma]
            }
            Self::Gda | Self::GdaPp | Self::ClipAdapter | Self::TaskRes => &[Parameter::Alpha],
            Self::ProKeR | Self::ProKeRPp => &[Parameter::Beta],
            Self::Timo | Self::TimoS => &[Parameter::Alpha, Parameter::Gamma],
            // The weights of CALIP's two further terms.
            Self::Calip => &[Parameter::Alpha, Parameter::Beta],
        }
    }

    /// Whether a slider of this parameter only weighs what photos show, so that predictions follow within a frame; else
    /// another value needs a fit. What the method does not have, it need not follow.
    pub fn follows(self, parameter: Parameter) -> bool {
        match self {
            Self::TipAdapter
            | Self::TipAdapterPp
            | Self::TipX
            | Self::TipXPp
            | Self::Ape
            | Self::ApePp
            | Self::TipAdapterF
            | Self::ApeT => self.parameters().contains(&parameter),
            Self::Gda | Self::GdaPp | Self::Timo | Self::TimoS => parameter == Parameter::Alpha,
            _ => false,
        }
    }

    /// Values, scale and default of one of its parameters; `None` for a parameter that it does not have.
    pub fn range(self, parameter: Parameter) -> Option<ParameterRange> {
        if !self.parameters().contains(&parameter) {
            return None;
        }
        // Most projects begin with a handful of photos a class.
        let defaults = Parameters::published(self, 4);
        let logarithmic = |min, max, default| ParameterRange {
            min,
            max,
            default,
            is_logarithmic: true,
            stops_at_zero: parameter == Parameter::Alpha,
        };
        let linear = |min, max, default| ParameterRange {
            min,
            max,
            default,
            is_logarithmic: false,
            stops_at_zero: false,
        };
        Some(match (parameter, self) {
            (Parameter::Alpha, Self::Gda | Self::GdaPp) => logarithmic(1e-4, 100.0, defaults.alpha),
            (Parameter::Alpha, Self::Timo | Self::TimoS) => {
                logarithmic(0.01, 10_000.0, defaults.alpha)
            }
            (Parameter::Alpha, Self::Calip) => logarithmic(0.01, 10.0, defaults.alpha),
            (Parameter::Alpha, Self::ClipAdapter) => linear(0.0, 1.0, defaults.alpha),
            (Parameter::Alpha, Self::TaskRes) => linear(0.0, 2.0, defaults.alpha),
            (Parameter::Alpha, _) => logarithmic(0.01, 100.0, defaults.alpha),
            (Parameter::Beta, Self::ProKeR | Self::ProKeRPp) => {
                logarithmic(0.1, 10.0, defaults.beta)
            }
            // The weight of a term, which may be left out.
            (Parameter::Beta, Self::Calip) => ParameterRange {
                stops_at_zero: true,
                ..logarithmic(0.001, 1.0, defaults.beta)
            },
            (Parameter::Beta, _) => logarithmic(0.1, 50.0, defaults.beta),
            (Parameter::Gamma, Self::Timo | Self::TimoS) => linear(1.0, 100.0, defaults.gamma),
            (Parameter::Gamma, Self::TipX | Self::TipXPp) => linear(0.0, 30.0, defaults.gamma),
            (Parameter::Gamma, _) => linear(0.0, 2.0, defaults.gamma),
        })
    }
}

/// A number that a slider moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parameter {
    /// α, the weight of the photos against the class names.
    Alpha,
    /// β, the sharpness: how alike a shot must be to vote.
    Beta,
    /// γ, the weight of a method's third term.
    Gamma,
}

/// Values that a parameter may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParameterRange {
    /// Smallest value on the rail; 0 lies below it where `stops_at_zero`.
    pub min: f32,
    /// Largest value.
    pub max: f32,
    /// The method's published default, for 4 shots where it depends on them.
    pub default: f32,
    /// Whether equal distances on the rail are equal factors.
    pub is_logarithmic: bool,
    /// Whether the low end of the rail is 0.
    pub stops_at_zero: bool,
}

/// All parameters; a method reads those it has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// α, 0 to 100: weight of the cache or of the Gaussian classes. TIMO: of the class texts. CLIP-Adapter: share of the
    /// adapted feature, 0 to 1. `TaskRes`: scale of the residual.
    pub alpha: f32,
    /// β, 0.1 to 50: sharpness of the affinity `exp(-β (1 - cos))`.
    pub beta: f32,
    /// γ: 0 to 30 for Tip-X, 0 to 2 for APE; TIMO, 1 to 100: how sharply photos choose among prompts.
    pub gamma: f32,
    /// APE: channels kept; half of all where `None`. APE-T: channels trained; 25 of 32 where `None`.
    pub channels: Option<usize>,
    /// APE: weight of the similarity between classes in the choice of channels.
    pub w0: f32,
    /// APE: weight of the variance over class texts in the choice of channels.
    pub w1: f32,
    /// `ProKeR`: λ, how far the kernel may leave the class texts.
    pub lambda: f32,
    /// TIMO: β, prompts of each class that stand beside its photos, up to twice as many as there are; all, once, where `None`.
    pub num_prompts: Option<usize>,
    /// Trained methods: passes over the shots; the method's published number where `None`.
    pub epochs: Option<usize>,
    /// Trained methods: the optimiser's first step size; the method's published one where `None`.
    pub learning_rate: Option<f32>,
    /// Trained methods: what decides the order of the shots and the starting weights.
    pub seed: u64,
    /// Tip-X: where the scale of its third term comes from.
    pub signature_range: SignatureRange,
}

impl Parameters {
    /// The value of the parameter that a slider moves.
    pub fn value(&self, parameter: Parameter) -> f32 {
        match parameter {
            Parameter::Alpha => self.alpha,
            Parameter::Beta => self.beta,
            Parameter::Gamma => self.gamma,
        }
    }

    /// Refuses numbers that are none.
    pub(super) fn check(&self) -> Result<(), MethodError> {
        let numbers = [
            ("α", self.alpha),
            ("β", self.beta),
            ("γ", self.gamma),
            ("w0", self.w0),
            ("w1", self.w1),
            ("λ", self.lambda),
        ];
        match numbers.into_iter().find(|(_, number)| !number.is_finite()) {
            Some((what, number)) => Err(MethodError::NoNumber { what, number }),
            None => Ok(()),
        }
    }
}

impl Default for Parameters {
    /// Tip-Adapter's published α = 1 and β = 5.5 (ECCV 2022, Table 4); APE's weights and `ProKeR`'s λ for 16 shots on `ImageNet`.
    fn default() -> Self {
        Self {
            alpha: 1.0,
            beta: 5.5,
            gamma: 0.1,
            channels: None,
            w0: 0.7,
            w1: 0.3,
            lambda: 0.1,
            num_prompts: None,
            epochs: None,
            learning_rate: None,
            seed: 1,
            signature_range: SignatureRange::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_method() {
        for method in Method::ALL {
            assert_eq!(Method::from_name(method.name()), Ok(method));
        }
        let message = Method::from_name("tip").unwrap_err().to_string();
        assert!(
            message.contains("\"tip\"") && message.contains("tip-adapter-pp"),
            "{message}"
        );
    }

    #[test]
    fn defaults_lie_in_their_ranges() {
        for method in Method::ALL {
            for parameter in method.parameters() {
                let range = method.range(*parameter).unwrap();
                assert!(
                    (range.min..=range.max).contains(&range.default),
                    "{method:?} {parameter:?}"
                );
            }
        }
    }
}
