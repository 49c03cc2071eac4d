//! Where a method's parameters come from: never from the test photos.

use super::Split;
use crate::engine::EngineError;
use crate::engine::tune_apart::tune_apart;
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
pub(in crate::engine) struct Chosen {
    pub(in crate::engine) parameters: Parameters,
    pub(in crate::engine) is_tuned: bool,
    /// Whether class names take part: left out where the shots do better alone.
    pub(in crate::engine) use_class_names: bool,
}

/// What parameters may be chosen on.
pub(in crate::engine) struct Ground<'a> {
    /// What the method learns from.
    pub(in crate::engine) knowledge: &'a Knowledge<'a>,
    /// The photos of [`Tuning::Validation`].
    pub(in crate::engine) validation: Option<Queries<'a>>,
    /// Shots that did not train the method's adapter, where some did: only they may judge.
    pub(in crate::engine) unseen: Option<&'a [usize]>,
    /// The data set, where its authors give a grid.
    pub(in crate::engine) dataset: Option<&'a str>,
}

impl Tuning {
    /// Chooses the parameters of `method`. One that cannot be tuned in this way keeps `defaults`.
    pub(in crate::engine) fn choose(
        &self,
        method: Method,
        defaults: Parameters,
        ground: &Ground<'_>,
        progress: &Progress<'_>,
    ) -> Result<Chosen, EngineError> {
        let fixed = Chosen {
            parameters: defaults,
            is_tuned: false,
            use_class_names: ground.knowledge.use_class_names,
        };
        if method.parameters().is_empty() {
            return Ok(fixed);
        }
        let knowledge = ground.knowledge;
        let found = match (self, ground.validation, ground.unseen) {
            (Self::LeaveOneOut, _, Some(unseen)) => {
                tune_apart(method, defaults, knowledge, unseen, progress).map(|parameters| Chosen {
                    parameters,
                    is_tuned: parameters != defaults,
                    ..fixed
                })
            }
            (Self::LeaveOneOut, _, None) => leave_one_out(method, defaults, knowledge, progress),
            (Self::Validation(split), Some(queries), _) => {
                let grid = grid_for(method, ground.dataset);
                let labels = &split.labels;
                grid::tune(
                    method, &defaults, knowledge, queries, labels, &grid, progress,
                )
                .map(|found| Chosen {
                    parameters: found.parameters,
                    is_tuned: true,
                    ..fixed
                })
            }
            (Self::None, ..) | (Self::Validation(_), None, _) => Ok(fixed),
        };
        match found {
            Err(MethodError::FixedOnly { .. }) => Ok(fixed),
            other => Ok(other?),
        }
    }
}

/// By leave-one-out, without class names where the shots are better recognised without them: α alone cannot silence texts
/// that mislead, since it ends at 100.
fn leave_one_out(
    method: Method,
    defaults: Parameters,
    knowledge: &Knowledge<'_>,
    progress: &Progress<'_>,
) -> Result<Chosen, MethodError> {
    let mut found = tune_on_support(method, &defaults, knowledge, progress)?;
    let use_class_names = knowledge.use_class_names && found.better_without_names.is_none();
    if use_class_names != knowledge.use_class_names {
        let silent = Knowledge {
            use_class_names,
            ..*knowledge
        };
        found = tune_on_support(method, &defaults, &silent, progress)?;
    }
    Ok(Chosen {
        parameters: found.parameters,
        is_tuned: found.is_tuned,
        use_class_names,
    })
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
