//! The project's own method, and what it says of the pool.

use super::figures::{PoolSummary, ProjectMethod, Quartiles};
use super::material::Material;
use super::spaces::Space;
use crate::engine::EngineError;
use crate::engine::classifier::project::parameters_of;
use crate::engine::tune_apart::judge_shots;
use crate::features::{Logits, arg_max};
use crate::methods::calibration::{Calibration, calibrate_on, confidences};
use crate::methods::{self, HeldOut, Knowledge, Method, MethodError, Monitor, Parameters, Queries};
use crate::progress::Progress;
use crate::project::Settings;

/// The method and its predictions.
pub(super) struct Predicted {
    pub(super) method: ProjectMethod,
    pub(super) pool: Option<PoolSummary>,
}

/// Fits the project's method as the window does, and predicts the pool.
pub(super) fn predict(
    material: &Material,
    settings: &Settings,
    progress: &Progress<'_>,
) -> Result<Predicted, EngineError> {
    let chosen = Method::from_name(&settings.method).unwrap_or_default();
    let space = material.spaces.first();
    let knowledge = material.knowledge(space);
    let (method, obstacle) = stand_in(chosen, &knowledge);
    let unseen = space
        .filter(|_| method.needs_adapter())
        .and_then(|space| space.unseen.as_deref());
    let shots = material.support.shots_per_class().into_iter().max();
    let set = set_parameters(settings, method, chosen, shots.unwrap_or(0));
    let judged = judge(
        method,
        &set,
        &knowledge,
        unseen,
        settings.auto_tuned,
        progress,
    )?;
    let parameters = judged.parameters;
    let classifier = methods::fit_tuned(method, &set, &parameters, &knowledge, &Monitor::silent())?;
    let calibration = calibrate_on(method, &judged.held_out);
    let pool = if material.pool.is_empty() {
        None
    } else {
        let queries = Queries {
            adapted: space
                .filter(|_| method.needs_adapter())
                .map(|space| &space.pool),
            ..Queries::new(&material.pool)
        };
        let logits = classifier.predict(queries, progress)?;
        Some(summary(&logits, material.classes.len(), calibration))
    };
    Ok(Predicted {
        method: ProjectMethod {
            chosen,
            method,
            obstacle,
            parameters,
            choice: choice(method, settings, &judged, unseen),
            use_class_names: settings.use_class_names,
            space: space
                .filter(|_| method.needs_adapter())
                .map(|space: &Space| space.title.clone()),
        },
        pool,
    })
}

/// The method that predicts: the chosen one, or what comes nearest to it, and why it is not the chosen one.
fn stand_in(chosen: Method, knowledge: &Knowledge<'_>) -> (Method, Option<String>) {
    let Err(error) = methods::check(chosen, knowledge) else {
        return (chosen, None);
    };
    let nearest = [chosen.without_adapter(), Method::TipAdapter]
        .into_iter()
        .find(|method| methods::check(*method, knowledge).is_ok());
    (nearest.unwrap_or(Method::ZeroShot), Some(error.to_string()))
}

/// What the settings say of the chosen method; of a stand-in what its authors publish for so many shots.
fn set_parameters(settings: &Settings, method: Method, chosen: Method, shots: usize) -> Parameters {
    if method == chosen {
        parameters_of(settings, shots)
    } else {
        Parameters::published(method, shots)
    }
}

/// Parameters in use, and the shots as the others see them at those.
struct InUse {
    parameters: Parameters,
    is_tuned: bool,
    held_out: HeldOut,
}

fn judge(
    method: Method,
    set: &Parameters,
    knowledge: &Knowledge<'_>,
    unseen: Option<&[usize]>,
    tunes: bool,
    progress: &Progress<'_>,
) -> Result<InUse, MethodError> {
    let found = judge_shots(method, set, knowledge, unseen, tunes, progress)?;
    Ok(InUse {
        parameters: found.parameters,
        is_tuned: found.is_tuned,
        held_out: found.held_out,
    })
}

fn choice(method: Method, settings: &Settings, in_use: &InUse, unseen: Option<&[usize]>) -> String {
    if method.parameters().is_empty() {
        return "the method has no parameters".to_owned();
    }
    if !settings.auto_tuned {
        return match &settings.options.preset {
            Some(preset) => format!("set by hand in the project, from the preset {preset}"),
            None => "set by hand in the project".to_owned(),
        };
    }
    match (in_use.is_tuned, unseen) {
        (true, Some(unseen)) => format!(
            "chosen on the {} shots that did not train the adapter",
            unseen.len()
        ),
        (true, None) => "chosen by leaving each shot out of the support set".to_owned(),
        (false, _) => {
            "as the project has them: no shot could be left out to choose others".to_owned()
        }
    }
}

fn summary(logits: &Logits, num_classes: usize, calibration: Calibration) -> PoolSummary {
    let mut by_class: Vec<Vec<f32>> = vec![Vec::new(); num_classes];
    for row in logits.0.iter_rows() {
        let class = arg_max(row);
        by_class[class].push(confidences(row, calibration.temperature)[class]);
    }
    PoolSummary {
        num_photos: logits.0.rows(),
        confidence: Quartiles::of(by_class.concat()),
        classes: by_class
            .into_iter()
            .map(|sure| (sure.len(), Quartiles::of(sure)))
            .collect(),
        temperature: calibration.temperature,
        is_calibrated: calibration.is_fitted,
    }
}
