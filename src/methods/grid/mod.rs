//! The papers' grid searches on validation photos.
//!
//! Only a better combination replaces the best, so the first of equals in the authors' loops wins. Products of features
//! are taken once, exponentials once for each β (evenly spaced ones mostly by multiplication), and all α of a line in one
//! pass over the classes ([`super::lines`]). The counts equal those of [`super::fit`] and its logits at every combination.

mod ape;
mod cache;
mod counts;
mod linear;
mod named;
mod proker;
mod scene;
mod tip_x;

use counts::{Axes, Counts};
use scene::Validation;

use super::surface::Surface;
use super::{Knowledge, Method, MethodError, Parameters, Queries};
use crate::features::Matrix;
use crate::progress::Progress;

pub use named::{NamedGrid, UnknownGrid};

/// How the authors' loops are nested; γ (or λ) is the innermost everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoopOrder {
    /// β, α, γ.
    #[default]
    BetaOutside,
    /// α, β, γ.
    AlphaOutside,
}

/// Values to try of every parameter; an empty list leaves the parameter as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    /// Values of β.
    pub betas: Vec<f32>,
    /// Values of α.
    pub alphas: Vec<f32>,
    /// Values of γ, or of λ for `ProKeR`.
    pub thirds: Vec<f32>,
    /// Which of equally good combinations comes first.
    pub order: LoopOrder,
}

impl Grid {
    /// A grid by name: a method's own, or a data set's name for what the authors of `method` took there.
    pub fn named(name: &str, method: Method) -> Result<Self, UnknownGrid> {
        Ok(NamedGrid::from_name(name)?.values(method))
    }

    /// The grid that the authors of `method` search.
    pub fn of(method: Method) -> Self {
        NamedGrid::of(method).values(method)
    }
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuned {
    /// The best parameters.
    pub parameters: Parameters,
    /// Share of the validation photos that they classify rightly, percent.
    pub accuracy: f64,
    /// Combinations tried.
    pub num_combinations: usize,
    /// How accuracy changes over α and β.
    pub surface: Surface,
}

/// Tries the whole grid on validation photos; `parameters` give the values that the grid does not vary.
///
/// Zero-shot has nothing to tune: one combination.
pub fn tune(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    validation: Queries<'_>,
    labels: &[usize],
    grid: &Grid,
    progress: &Progress<'_>,
) -> Result<Tuned, MethodError> {
    let axes = Axes::of(method, parameters, grid);
    let validation = Validation::new(method, validation, labels)?;
    if method == Method::TimoS {
        return linear::tune_timo_s(parameters, knowledge, &validation, grid, progress);
    }
    let num_correct = match method {
        Method::ZeroShot | Method::TipAdapter | Method::TipAdapterPp => {
            let keys = knowledge.keys_for(method)?.matrix();
            cache::count(method, keys, knowledge, &validation, &axes, progress)?
        }
        Method::TipX | Method::TipXPp => {
            tip_x::count(method, parameters, knowledge, &validation, &axes, progress)?
        }
        Method::Ape | Method::ApePp => {
            ape::count(method, parameters, knowledge, &validation, &axes, progress)?
        }
        Method::Gda | Method::GdaPp => {
            linear::count_gda(method, parameters, knowledge, &validation, &axes, progress)?
        }
        Method::ProKeR | Method::ProKeRPp => {
            proker::count(method, knowledge, &validation, &axes, progress)?
        }
        Method::Timo => {
            linear::count_timo(method, parameters, knowledge, &validation, &axes, progress)?
        }
        _ => return Err(MethodError::FixedOnly { method }),
    };
    let counts = Counts {
        num_correct,
        num_queries: labels.len(),
    };
    Ok(counts.choose(method, parameters, &axes))
}

/// [`tune`] for a cache of other keys than the support photos', one for each of them, of any length: a trained
/// Tip-Adapter-F.
pub fn tune_keys(
    method: Method,
    keys: &Matrix,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    validation: Queries<'_>,
    labels: &[usize],
    grid: &Grid,
    progress: &Progress<'_>,
) -> Result<Tuned, MethodError> {
    if keys.rows() != knowledge.support.len() {
        return Err(MethodError::Rows {
            what: "trained keys",
            got: keys.rows(),
            expected: knowledge.support.len(),
        });
    }
    let axes = Axes::of(method, parameters, grid);
    let validation = Validation::new(method, validation, labels)?;
    let counts = Counts {
        num_correct: cache::count(method, keys, knowledge, &validation, &axes, progress)?,
        num_queries: labels.len(),
    };
    Ok(counts.choose(method, parameters, &axes))
}
