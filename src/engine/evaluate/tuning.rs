//! Where a method's parameters come from: never from the test photos.

use super::Split;
use crate::engine::EngineError;
use crate::methods::grid::{self, Grid};
use crate::methods::{Knowledge, Method, MethodError, Parameters, Queries, tune_on_support};
use crate::progress::Progress;

/// How parameters are found.
#[derive(Clone, Debug)]
pub enum Tuning {
    /// The published defaults.
    None,
    /// By leave-one-out on the support set.
    LeaveOneOut,
    /// By the papers' grid on validation photos.
    Validation(Box<Split>),
}

impl Tuning {
    /// The photos to tune on, where there are some.
    pub(super) fn validation(&self) -> Option<&Split> {
        match self {
            Self::Validation(split) => Some(split),
            Self::None | Self::LeaveOneOut => None,
        }
    }
}

/// Parameters, and whether they were tuned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen {
    pub(super) parameters: Parameters,
    pub(super) is_tuned: bool,
}

/// What a method runs at where nothing is tuned.
pub(super) fn published(method: Method, shots: usize) -> Parameters {
    Parameters::published(method, shots)
}

/// Chooses the parameters of `method`. One that cannot be tuned in this way keeps `defaults`.
///
/// `validation` are the features of [`Tuning::Validation`]'s photos; `dataset` names the grid where its authors give one.
pub(super) fn choose(
    method: Method,
    defaults: Parameters,
    tuning: &Tuning,
    knowledge: &Knowledge<'_>,
    validation: Option<Queries<'_>>,
    dataset: Option<&str>,
    progress: &Progress<'_>,
) -> Result<Chosen, EngineError> {
    let has_parameters = !method.parameters().is_empty();
    let fixed = Chosen {
        parameters: defaults,
        is_tuned: false,
    };
    let found = match (tuning, validation) {
        (Tuning::LeaveOneOut, _) => {
            tune_on_support(method, &defaults, knowledge, progress).map(|found| Chosen {
                parameters: found.parameters,
                is_tuned: found.is_tuned && has_parameters,
            })
        }
        (Tuning::Validation(split), Some(validation)) => {
            let grid = grid_for(method, dataset);
            let labels = &split.labels;
            grid::tune(
                method, &defaults, knowledge, validation, labels, &grid, progress,
            )
            .map(|found| Chosen {
                parameters: found.parameters,
                is_tuned: has_parameters,
            })
        }
        (Tuning::None, _) | (Tuning::Validation(_), None) => Ok(fixed),
    };
    match found {
        Err(MethodError::FixedOnly { .. }) => Ok(fixed),
        other => Ok(other?),
    }
}

/// The authors' grid for this data set, or the method's own.
fn grid_for(method: Method, dataset: Option<&str>) -> Grid {
    let name = match dataset {
        Some("fgvc_aircraft") => "fgvc",
        Some(name) => name,
        None => return Grid::of(method),
    };
    if method.needs_adapter() {
        return Grid::of(method);
    }
    Grid::named(name, method).unwrap_or_else(|_unknown| Grid::of(method))
}
