//! What a fit is worth: tuned parameters, accuracy by leaving one out, temperature.

use std::collections::HashMap;

use super::{FitRequest, FitSummary, ScoringThread};
use crate::engine::EngineError;
use crate::methods::calibration::{calibrate, default_temperature};
use crate::methods::leave_one_out::leave_one_out_logits;
use crate::methods::{LeaveOneOut, Method, MethodError, Parameters, tune_on_support};
use crate::progress::Progress;
use crate::worker::lesson::{Fingerprint, Lesson, Trained};

/// The last tuning, so that letting go of a slider does not search again.
pub(super) struct KnownTuning {
    method: Method,
    parameters: Parameters,
    fingerprint: Fingerprint,
    found: LeaveOneOut,
}

impl ScoringThread {
    /// Tunes where asked, and measures by leave-one-out.
    pub(super) fn figures(
        &mut self,
        base: FitSummary,
        request: &FitRequest,
        trained: Option<&Trained>,
        lesson: &Lesson,
    ) -> Result<FitSummary, EngineError> {
        let method = base.method;
        if let Some(trained) = trained {
            return self.trained_figures(base, trained, lesson);
        }
        let tuned = self.tuned(method, request, lesson)?;
        let parameters = if request.tune {
            tuned.parameters
        } else {
            request.parameters
        };
        let progress = Progress::new(&|_, _| (), &request.cancel);
        let knowledge = lesson.knowledge();
        let calibrated = calibrate(method, &parameters, &knowledge, &progress)?;
        let accuracy = if request.tune {
            share(tuned.accuracy)
        } else {
            accuracy(method, &parameters, lesson)?
        };
        let note = (!tuned.is_tuned
            && tuned.num_judged == 0
            && !method.parameters().is_empty()
            && !lesson.support.is_empty())
        .then(|| {
            "One shot per class: nothing to tune on, so the published defaults are used".to_owned()
        });
        Ok(FitSummary {
            parameters,
            tuned: request.tune && tuned.is_tuned,
            recommended: tuned.is_tuned.then_some(tuned.parameters),
            zero_shot_accuracy: share(tuned.zero_shot_accuracy),
            accuracy,
            temperature: calibrated.temperature,
            note,
            ..base
        })
    }

    /// The figures of a trained method: photos were held out while it was trained.
    fn trained_figures(
        &mut self,
        base: FitSummary,
        trained: &Trained,
        lesson: &Lesson,
    ) -> Result<FitSummary, EngineError> {
        Ok(FitSummary {
            parameters: trained.parameters,
            zero_shot_accuracy: self.zero_shot_accuracy(lesson)?,
            accuracy: trained.accuracy,
            temperature: default_temperature(trained.method),
            ..base
        })
    }

    /// What is known of a method that has to be trained first.
    pub(super) fn untrained_figures(
        &mut self,
        base: FitSummary,
        request: &FitRequest,
        lesson: &Lesson,
    ) -> Result<FitSummary, EngineError> {
        Ok(FitSummary {
            parameters: request.parameters,
            zero_shot_accuracy: self.zero_shot_accuracy(lesson)?,
            temperature: default_temperature(base.method),
            needs_training: true,
            ..base
        })
    }

    fn zero_shot_accuracy(&mut self, lesson: &Lesson) -> Result<Option<f32>, EngineError> {
        accuracy(Method::ZeroShot, &Parameters::default(), lesson)
    }

    /// What tuning finds; searched again only when something changed that it depends on.
    fn tuned(
        &mut self,
        method: Method,
        request: &FitRequest,
        lesson: &Lesson,
    ) -> Result<LeaveOneOut, EngineError> {
        // The sliders are what is searched.
        let parameters = Parameters {
            alpha: 0.0,
            beta: 0.0,
            gamma: 0.0,
            ..request.parameters
        };
        if let Some(known) = &self.tuning
            && known.method == method
            && known.parameters == parameters
            && known.fingerprint == lesson.fingerprint
            && known.found.is_tuned
        {
            return Ok(known.found.clone());
        }
        let progress = Progress::new(&|_, _| (), &request.cancel);
        let knowledge = lesson.knowledge();
        let found = match tune_on_support(method, &request.parameters, &knowledge, &progress) {
            Err(MethodError::FixedOnly { .. }) => LeaveOneOut {
                parameters: request.parameters,
                accuracy: None,
                ..tune_on_support(Method::ZeroShot, &request.parameters, &knowledge, &progress)?
            },
            found => found?,
        };
        self.tuning = Some(KnownTuning {
            method,
            parameters,
            fingerprint: lesson.fingerprint,
            found: found.clone(),
        });
        Ok(found)
    }
}

fn share(percent: Option<f64>) -> Option<f32> {
    percent.map(|percent| (percent / 100.0) as f32)
}

/// Share of the shots that the others classify rightly.
fn accuracy(
    method: Method,
    parameters: &Parameters,
    lesson: &Lesson,
) -> Result<Option<f32>, EngineError> {
    let (logits, labels) = match leave_one_out_logits(
        method,
        parameters,
        &lesson.knowledge(),
        &Progress::silent(),
    ) {
        Err(MethodError::FixedOnly { .. }) => return Ok(None),
        found => found?,
    };
    let num_right = logits
        .top_classes()
        .iter()
        .zip(&labels)
        .filter(|(predicted, label)| predicted == label)
        .count();
    Ok((!labels.is_empty()).then(|| num_right as f32 / labels.len() as f32))
}

/// Logits that the other shots give each, by key.
pub(super) fn left_out(
    _method: Method,
    _parameters: &Parameters,
    _lesson: &Lesson,
) -> Result<HashMap<usize, Vec<f32>>, MethodError> {
    Ok(HashMap::new())
}
