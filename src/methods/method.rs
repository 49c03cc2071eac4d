//! Which methods there are, what they are called, and which parameters they have.

/// A way to turn labelled photos and class names into scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Method {
    /// Class names alone (CLIP, Radford et al., 2021).
    ZeroShot,
    /// A key-value cache over the shots (Zhang et al., ECCV 2022).
    #[default]
    TipAdapter,
    /// The same cache on adapted features (IMO, BMVC 2024).
    TipAdapterPp,
}

/// A name that no method has.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no method {name:?}; choose one of {}", Method::ALL.map(Method::name).join(", "))]
pub struct UnknownMethod {
    /// The name asked for.
    pub name: String,
}

impl Method {
    /// All methods, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::ZeroShot, Self::TipAdapter, Self::TipAdapterPp];

    /// Its name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::ZeroShot => "zero-shot",
            Self::TipAdapter => "tip-adapter",
            Self::TipAdapterPp => "tip-adapter-pp",
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
            Self::TipAdapter => "Tip-Adapter",
            Self::TipAdapterPp => "Tip-Adapter++",
        }
    }

    /// Whether it compares photos by adapted features.
    pub fn needs_adapter(self) -> bool {
        matches!(self, Self::TipAdapterPp)
    }

    /// The parameters that change its scores, in the order in which they are shown.
    pub fn parameters(self) -> &'static [Parameter] {
        match self {
            Self::ZeroShot => &[],
            Self::TipAdapter | Self::TipAdapterPp => &[Parameter::Alpha, Parameter::Beta],
        }
    }

    /// Values, scale and default of one of its parameters; `None` for a parameter that it does not have.
    pub fn range(self, parameter: Parameter) -> Option<ParameterRange> {
        if !self.parameters().contains(&parameter) {
            return None;
        }
        let defaults = Parameters::default();
        Some(match parameter {
            Parameter::Alpha => ParameterRange {
                min: 0.01,
                max: 100.0,
                default: defaults.alpha,
                is_logarithmic: true,
                stops_at_zero: true,
            },
            Parameter::Beta => ParameterRange {
                min: 0.1,
                max: 50.0,
                default: defaults.beta,
                is_logarithmic: true,
                stops_at_zero: false,
            },
            Parameter::Gamma => ParameterRange {
                min: 0.0,
                max: 30.0,
                default: defaults.gamma,
                is_logarithmic: false,
                stops_at_zero: false,
            },
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
    /// The method's published default.
    pub default: f32,
    /// Whether equal distances on the rail are equal factors.
    pub is_logarithmic: bool,
    /// Whether the low end of the rail is 0.
    pub stops_at_zero: bool,
}

/// All parameters; a method reads those it has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// α, 0 to 100: weight of the cache.
    pub alpha: f32,
    /// β, 0.1 to 50: sharpness of the affinity `exp(-β (1 - cos))`.
    pub beta: f32,
    /// γ: 0 to 30 for Tip-X, 0 to 2 for APE.
    pub gamma: f32,
}

impl Default for Parameters {
    /// Tip-Adapter's published α = 1 and β = 5.5 (ECCV 2022, Table 4).
    fn default() -> Self {
        Self {
            alpha: 1.0,
            beta: 5.5,
            gamma: 0.1,
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
