//! What a fit is worth: tuned parameters, accuracy by leaving one out, temperature.

use std::sync::Arc;

use super::{FitRequest, FitSummary, ScoringThread};
use crate::methods::calibration::calibrate_on;
use crate::methods::leave_one_out::{HeldOut, held_out};
use crate::methods::{LeaveOneOut, Method, MethodError, Parameters};
use crate::progress::Progress;
use crate::worker::lesson::{Fingerprint, Lesson, Trained};

/// The last tuning, so that letting go of a slider does not search again.
pub(super) struct KnownTuning {
    method: Method,
    parameters: Parameters,
    fingerprint: Fingerprint,
    found: LeaveOneOut,
}

/// Figures, and the shots as the others see them.
pub(super) struct Figures {
    pub(super) summary: FitSummary,
    /// Nothing where that cannot be told.
    pub(super) held_out: HeldOut,
}

impl ScoringThread {
    /// Tunes where asked, and measures by leave-one-out.
    pub(super) fn figures(
        &mut self,
        base: FitSummary,
        request: &FitRequest,
        lesson: &Lesson,
    ) -> Result<Figures, MethodError> {
        let method = base.method;
        let tuned = self.tuned(method, request, lesson)?;
        let mut judged = tuned.held_out.clone();
        let mut parameters = tuned.parameters;
        if !request.tune {
            parameters = request.parameters;
            let progress = Progress::new(&|_, _| (), &request.cancel);
            judged = lesson
                .judged(method, &parameters, false, &progress)?
                .held_out;
        }
        let summary = FitSummary {
            parameters,
            tuned: request.tune && tuned.is_tuned,
            recommended: tuned.is_tuned.then_some(tuned.parameters),
            zero_shot_accuracy: share(tuned.zero_shot_accuracy),
            accuracy: share(judged.accuracy()),
            surface: tuned.surface.clone().map(Arc::new),
            temperature: calibrate_on(method, &judged).temperature,
            note: note(method, &tuned, lesson),
            ..base
        };
        Ok(Figures {
            summary,
            held_out: judged,
        })
    }

    /// What tuning finds; searched again only when something changed that it depends on.
    fn tuned(
        &mut self,
        method: Method,
        request: &FitRequest,
        lesson: &Lesson,
    ) -> Result<LeaveOneOut, MethodError> {
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
        let found = lesson.judged(method, &request.parameters, true, &progress)?;
        self.tuning = Some(KnownTuning {
            method,
            parameters,
            fingerprint: lesson.fingerprint,
            found: found.clone(),
        });
        Ok(found)
    }
}

/// What is known of a method that is trained, before or after it is.
pub(super) fn trained_figures(
    base: FitSummary,
    request: &FitRequest,
    trained: Option<&Trained>,
    lesson: &Lesson,
) -> Result<Figures, MethodError> {
    let method = base.method;
    let judged = trained.and_then(|trained| trained.judged.as_deref());
    let tuned = judged.filter(|judged| judged.is_tuned);
    let in_use = tuned.filter(|_| request.tune);
    // Folds tell of the parameters that they were judged at, and of methods without any.
    let held_out = match judged {
        Some(judged) if in_use.is_some() || judged.parameters == request.parameters => {
            judged.held_out.clone()
        }
        _ => HeldOut::default(),
    };
    let accuracy = held_out.accuracy();
    let trained_accuracy = trained.and_then(|trained| trained.training.accuracy());
    let summary = FitSummary {
        parameters: in_use.map_or(request.parameters, |tuned| tuned.parameters),
        tuned: in_use.is_some(),
        recommended: tuned.map(|tuned| tuned.parameters),
        surface: judged
            .and_then(|judged| judged.surface.clone())
            .map(Arc::new),
        zero_shot_accuracy: zero_shot_accuracy(lesson)?,
        accuracy: share(accuracy).or(trained_accuracy),
        temperature: calibrate_on(method, &held_out).temperature,
        needs_training: trained.is_none(),
        ..base
    };
    Ok(Figures { summary, held_out })
}

fn zero_shot_accuracy(lesson: &Lesson) -> Result<Option<f32>, MethodError> {
    let (method, parameters) = (Method::ZeroShot, Parameters::default());
    let judged = held_out(
        method,
        &parameters,
        &lesson.knowledge(),
        &Progress::silent(),
    )?;
    Ok(share(judged.accuracy()))
}

fn share(percent: Option<f64>) -> Option<f32> {
    percent.map(|percent| (percent / 100.0) as f32)
}

/// What there is to say about a tuning.
fn note(method: Method, tuned: &LeaveOneOut, lesson: &Lesson) -> Option<String> {
    let unseen = lesson.unseen.as_ref().filter(|_| method.needs_adapter());
    if tuned.num_judged == 0 {
        let is_untuned = !method.parameters().is_empty() && !lesson.support.is_empty();
        let said = match unseen {
            Some(_) => {
                "The adapter was trained on all shots, so none can judge it: the published defaults are used. Add shots that it has not seen"
            }
            None => "One shot per class: nothing to tune on, so the published defaults are used",
        };
        return is_untuned.then(|| said.to_owned());
    }
    if let Some(unseen) = unseen {
        return Some(format!(
            "Judged on the {} shots that did not train the adapter",
            unseen.len()
        ));
    }
    tuned.better_without_names.map(|without| {
        format!("Your shots alone do better: {without:.0} % with \"Use class names\" switched off")
    })
}
