//! A project in figures: overlap before and after, methods side by side, and whether the one explains the other.
//!
//! Nothing is reported on photos that it was tuned on. Shots are cross-fitted in quarters; labelled photos of the pool
//! judge what was chosen on the shots; photos that trained an adapter judge nothing that it had a part in.

mod cross_fit;
mod figures;
mod material;
mod overlaps;
mod prediction;
mod scatters;
mod spaces;
mod table;

use std::path::PathBuf;

pub use figures::{
    Accuracy, Basis, ClassFacts, ClassRow, MethodPoint, MethodRow, ModelFacts, PoolSummary,
    ProjectMethod, Quartiles, SpaceFigures,
};

use super::{Engine, EngineError};
use crate::methods::overlap::ScatterPoint;
use crate::progress::Progress;
use crate::project::ProjectState;
use cross_fit::CrossFit;
use material::Material;

/// Labelled photos from which on they judge, as in the window; fewer, and the shots do.
pub const FEWEST_LABELLED: usize = 10;

/// All figures of a project.
#[derive(Clone, Debug)]
pub struct Report {
    /// The model.
    pub model: ModelFacts,
    /// Classes in the order of the project.
    pub classes: Vec<ClassFacts>,
    /// Photos that are learnt from.
    pub num_shots: usize,
    /// How many of those are labelled photos of the pool, which the project learns from.
    pub num_labels_learnt: usize,
    /// Labelled photos that judge: of the pool, neither copies of shots nor part of the training of the project's adapter.
    pub num_labelled: usize,
    /// Labelled photos that do not, because they are one of these.
    pub num_labelled_left_out: usize,
    /// What [`Self::per_class`] and the scatters take their accuracy from.
    pub basis: Basis,
    /// The method that the project predicts with.
    pub method: ProjectMethod,
    /// Kinds of adapted features, first the one that the report is about.
    pub spaces: Vec<SpaceFigures>,
    /// Why the first of them is not what the project says, where it is not.
    pub stand_in: Option<String>,
    /// Kinds of adapted features that cannot be had, and why.
    pub unavailable: Vec<(String, String)>,
    /// Methods, those on adapted features once for each kind of them.
    pub methods: Vec<MethodRow>,
    /// Classes with the first kind of adapted features: Tip-Adapter before, Tip-Adapter++ after.
    pub per_class: Vec<ClassRow>,
    /// A point per class that has all four figures.
    pub class_points: Vec<ScatterPoint>,
    /// A point per ++ method and kind of adapted features: the method without ++ before, with it after.
    pub method_points: Vec<MethodPoint>,
    /// Predictions of the project's method; `None` for an empty pool.
    pub pool: Option<PoolSummary>,
    /// Photos that could not be read, and why.
    pub missing: Vec<(PathBuf, String)>,
}

impl Engine {
    /// Embeds a project's photos and makes its report; `progress` counts photos, then methods.
    ///
    /// # Errors
    /// When no shot can be read, the model fails, or somebody asked to stop.
    pub fn report(
        &self,
        state: &ProjectState,
        progress: &Progress<'_>,
    ) -> Result<Report, EngineError> {
        let material = Material::of(self, state, progress)?;
        let quiet = &progress.quiet();
        let spaces = material
            .spaces
            .iter()
            .map(|space| overlaps::of_space(&material, space, quiet))
            .collect::<Result<Vec<_>, _>>()?;
        let scored = CrossFit::new(&material, quiet).all(progress)?;
        let basis = if material.test.len() >= FEWEST_LABELLED {
            Basis::Labelled
        } else {
            Basis::Shots
        };
        let per_class = scatters::classes(&material, &scored, &spaces, basis, quiet)?;
        let predicted = prediction::predict(&material, state.settings(), quiet)?;
        Ok(Report {
            model: ModelFacts::of(self),
            num_shots: material.support.len(),
            num_labels_learnt: material.num_labels_learnt,
            num_labelled: material.test.len(),
            num_labelled_left_out: material.num_labelled_left_out,
            basis,
            method: predicted.method,
            stand_in: material.stand_in.clone(),
            unavailable: material.unavailable.clone(),
            methods: table::rows(&material, &scored),
            class_points: per_class.iter().filter_map(ClassRow::point).collect(),
            per_class,
            method_points: scatters::methods(&material, &scored, &spaces, basis),
            pool: predicted.pool,
            spaces,
            classes: material.classes,
            missing: material.missing,
        })
    }
}
