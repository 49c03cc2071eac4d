//! The papers' grid searches on validation photos.
//!
//! Only a better combination replaces the best, so the first of equals in the authors' loops wins. Products of features
//! are taken once, exponentials once for each β (evenly spaced ones mostly by multiplication), and all α of a line in one
//! pass over the classes (`methods/lines.rs`). The counts equal those of [`super::fit`] and its logits at every combination.

mod ape;
mod cache;
mod counts;
mod linear;
mod named;
mod proker;
mod scene;
mod tip_x;
mod trained;

use counts::{Axes, Counts};
use scene::Validation;

use super::keys::Keys;
use super::surface::Surface;
use super::{Classifier, Knowledge, Method, MethodError, Parameters, Queries, check, fit};
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
/// Zero-shot has nothing to tune: one combination. Tip-Adapter-F and APE-T are trained once, at `parameters`, and then
/// moved, as [`super::fit_tuned`] does.
pub fn tune(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    validation: Queries<'_>,
    labels: &[usize],
    grid: &Grid,
    progress: &Progress<'_>,
) -> Result<Tuned, MethodError> {
    check(method, knowledge)?;
    let validation = Validation::new(method, validation, labels)?;
    let search = Search {
        method,
        parameters,
        knowledge,
        validation: &validation,
        grid,
        progress,
    };
    match method {
        Method::TipAdapterF | Method::ApeT => search.trained(&*fit(method, parameters, knowledge)?),
        _ => search.run(),
    }
}

/// One search.
struct Search<'a> {
    method: Method,
    parameters: &'a Parameters,
    knowledge: &'a Knowledge<'a>,
    validation: &'a Validation<'a>,
    grid: &'a Grid,
    progress: &'a Progress<'a>,
}

impl Search<'_> {
    fn run(&self) -> Result<Tuned, MethodError> {
        let Self {
            method,
            parameters,
            knowledge,
            validation,
            grid,
            progress,
        } = *self;
        let axes = Axes::of(method, parameters, grid);
        let num_correct = match method {
            Method::ZeroShot | Method::TipAdapter | Method::TipAdapterPp => {
                let keys = Keys::new(method, knowledge)?;
                cache::count(&keys, validation, &axes, progress)
            }
            Method::TipX | Method::TipXPp => {
                tip_x::count(method, parameters, knowledge, validation, &axes, progress)
            }
            Method::Ape | Method::ApePp => {
                ape::count(method, parameters, knowledge, validation, &axes, progress)
            }
            Method::Gda | Method::GdaPp => {
                linear::count_gda(method, parameters, knowledge, validation, &axes, progress)
            }
            Method::ProKeR | Method::ProKeRPp => {
                proker::count(method, knowledge, validation, &axes, progress)
            }
            Method::Timo => {
                linear::count_timo(method, parameters, knowledge, validation, &axes, progress)
            }
            Method::TimoS => {
                return linear::tune_timo_s(parameters, knowledge, validation, grid, progress);
            }
            _ => Err(MethodError::FixedOnly { method }),
        }?;
        Ok(self.choose(num_correct, &axes))
    }

    fn trained(&self, fitted: &dyn Classifier) -> Result<Tuned, MethodError> {
        let axes = Axes::of(self.method, self.parameters, self.grid);
        let (validation, progress) = (self.validation, self.progress);
        let num_correct = trained::count(
            self.method,
            fitted,
            self.parameters,
            validation,
            &axes,
            progress,
        )?;
        Ok(self.choose(num_correct, &axes))
    }

    fn choose(&self, num_correct: Vec<u32>, axes: &Axes) -> Tuned {
        let counts = Counts {
            num_correct,
            num_queries: self.validation.labels.len(),
        };
        counts.choose(self.method, self.parameters, axes)
    }
}
