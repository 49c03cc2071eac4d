//! The values that tuning tries, method by method.

use crate::methods::{Method, Parameter, Parameters};

/// What is tried: every setting with every α.
#[derive(Clone, Debug)]
pub(super) struct Space {
    /// Everything but α: β outside, further parameters inside.
    pub(super) settings: Vec<Parameters>,
    /// α, the innermost loop; a single 1 where the method has none.
    pub(super) alphas: Vec<f32>,
    /// Whether the zero-shot logits are added.
    pub(super) use_class_names: bool,
}

/// Tip-X's γ: 0 and half decades up to the authors' 30.
const SIGNATURE_GAMMAS: [f32; 7] = [0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

/// APE's γ: the authors search from 0 to 0.5 or 1.5, the slider ends at 2.
const SURPRISE_GAMMAS: [f32; 7] = [0.0, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0];

/// `ProKeR`'s β: every value costs an eigendecomposition of the kernel, and the published ones lie between 1.5 and 3.
const KERNEL_BETAS: [f32; 6] = [0.5, 1.0, 1.7, 3.0, 5.5, 10.0];

/// `ProKeR`'s λ, which costs next to nothing once the kernel is decomposed; the published ones lie between 0.05 and 0.1.
const LAMBDAS: [f32; 10] = [0.001, 0.003, 0.01, 0.03, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0];

/// 26 values: 0, then six to the decade from 0.01 to 100, the default 1 among them.
pub fn alpha_grid() -> Vec<f32> {
    alphas_of(Method::TipAdapter)
}

/// 28 values over the slider's whole range: 27 from 0.1 to 50 at equal factors, and the default 5.5.
///
/// Sharp caches matter where a class looks like several things: on clothing photos, 16 shots and class names off, an upper end
/// of 10 costs four points against 50 (72.1 % and 76.2 %, three draws). Where classes are tight the upper end makes no difference.
pub fn beta_grid() -> Vec<f32> {
    let mut betas: Vec<f32> = (0..27)
        .map(|step| (0.1 * 500_f64.powf(f64::from(step) / 26.0)) as f32)
        .collect();
    betas.push(Parameters::default().beta);
    betas.sort_by(f32::total_cmp);
    betas
}

impl Space {
    /// The values for `method`, whose classes have `num_prompts` prompts; what it does not have stays as in `parameters`.
    pub(super) fn of(
        method: Method,
        parameters: &Parameters,
        use_class_names: bool,
        num_prompts: usize,
    ) -> Self {
        Self {
            settings: match method {
                Method::TimoS => prompt_settings(parameters, num_prompts),
                _ => settings_of(method, parameters),
            },
            alphas: alphas_of(method),
            use_class_names,
        }
    }

    /// A single combination.
    pub(super) fn single(method: Method, parameters: &Parameters, use_class_names: bool) -> Self {
        Self {
            settings: vec![*parameters],
            alphas: vec![if has_alpha(method) {
                parameters.alpha
            } else {
                1.0
            }],
            use_class_names,
        }
    }

    /// The same without class names. There α only scales the logits, except beside Tip-X's third term.
    pub(super) fn without_names(&self, method: Method) -> Self {
        let alphas = if matches!(method, Method::TipX | Method::TipXPp) {
            self.alphas.clone()
        } else {
            vec![1.0]
        };
        Self {
            settings: self.settings.clone(),
            alphas,
            use_class_names: false,
        }
    }

    /// Parts that are better searched one by one, in order: `ProKeR` decomposes its kernel anew for every β.
    pub(super) fn pieces(&self, method: Method) -> Vec<Self> {
        if !matches!(method, Method::ProKeR | Method::ProKeRPp) {
            return vec![self.clone()];
        }
        let pieces = self
            .settings
            .chunk_by(|a, b| a.beta.total_cmp(&b.beta).is_eq());
        let piece = |settings: &[Parameters]| Self {
            settings: settings.to_vec(),
            ..self.clone()
        };
        pieces.map(piece).collect()
    }

    /// Number of combinations.
    pub(super) fn len(&self) -> usize {
        self.settings.len() * self.alphas.len()
    }

    /// The parameters of a combination.
    pub(super) fn at(&self, method: Method, combination: usize) -> Parameters {
        let setting = self.settings[combination / self.alphas.len()];
        if has_alpha(method) {
            let alpha = self.alphas[combination % self.alphas.len()];
            Parameters { alpha, ..setting }
        } else {
            setting
        }
    }
}

/// The parameter beside α and β that is searched, where there is one.
pub(super) fn third_of(method: Method, parameters: &Parameters) -> Option<f32> {
    match method {
        Method::ProKeR | Method::ProKeRPp => Some(parameters.lambda),
        _ if method.parameters().contains(&Parameter::Gamma) => Some(parameters.gamma),
        _ => None,
    }
}

/// Whether α only weighs: where it takes another fit, it is not searched.
fn has_alpha(method: Method) -> bool {
    method.follows(Parameter::Alpha)
}

/// 0 where the range has it, then six to the decade.
fn alphas_of(method: Method) -> Vec<f32> {
    let range = match method.range(Parameter::Alpha) {
        Some(range) if has_alpha(method) => range,
        _ => return vec![1.0],
    };
    let low = f64::from(range.min).log10().round();
    let steps = ((f64::from(range.max).log10() - low) * 6.0).round() as i32;
    range
        .stops_at_zero
        .then_some(0.0)
        .into_iter()
        .chain((0..=steps).map(|step| 10_f64.powf(low + f64::from(step) / 6.0) as f32))
        .collect()
}

/// TIMO-S as its authors search it: ten numbers of prompts up to twice as many as there are, and γ from 5 to 100.
fn prompt_settings(parameters: &Parameters, num_prompts: usize) -> Vec<Parameters> {
    let most = (2 * num_prompts).max(1);
    let mut counts: Vec<usize> = (0..10).map(|step| 1 + step * (most - 1) / 9).collect();
    counts.dedup();
    let setting = |count: usize, gamma: u8| Parameters {
        num_prompts: Some(count),
        gamma: f32::from(gamma),
        ..*parameters
    };
    counts
        .iter()
        .flat_map(|count| (1..=20).map(move |step| setting(*count, 5 * step)))
        .collect()
}

fn settings_of(method: Method, parameters: &Parameters) -> Vec<Parameters> {
    let with_beta = |beta: f32| Parameters {
        beta,
        ..*parameters
    };
    let with_gammas = |gammas: &[f32]| -> Vec<Parameters> {
        let with_gamma = |beta, gamma| Parameters {
            gamma,
            ..with_beta(beta)
        };
        let betas = beta_grid();
        betas
            .iter()
            .flat_map(|beta| gammas.iter().map(|gamma| with_gamma(*beta, *gamma)))
            .collect()
    };
    match method {
        Method::TipX | Method::TipXPp => with_gammas(&SIGNATURE_GAMMAS),
        Method::Ape | Method::ApePp => with_gammas(&SURPRISE_GAMMAS),
        Method::TipAdapter | Method::TipAdapterPp | Method::TipAdapterF | Method::ApeT => {
            beta_grid().into_iter().map(with_beta).collect()
        }
        Method::ProKeR | Method::ProKeRPp => {
            let with_lambda = |beta, lambda| Parameters {
                lambda,
                ..with_beta(beta)
            };
            KERNEL_BETAS
                .iter()
                .flat_map(|beta| LAMBDAS.iter().map(|lambda| with_lambda(*beta, *lambda)))
                .collect()
        }
        _ => vec![*parameters],
    }
}
