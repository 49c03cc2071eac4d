//! Fitting: support set and texts in, parameters, temperature and figures out.

use std::collections::HashMap;
use std::sync::Arc;

use super::figures::{Figures, trained_figures};
use super::ground::Ground;
use super::{FitSummary, ScoreEvent, ScoringThread};
use crate::engine::EngineError;
use crate::engine::adapted::{AdaptedEncoder, AdapterSpec};
use crate::features::Features;
use crate::ids::{ClassId, Generation, PhotoId};
use crate::image_io::ContentHash;
use crate::methods::{self, Classifier, HeldOut, Method, MethodError, Parameter, Parameters};
use crate::progress::CancelToken;
use crate::worker::clip_worker::ClassText;
use crate::worker::evidence_set::FittedSupport;
use crate::worker::lesson::{Lesson, Training};

/// What to fit.
#[derive(Clone, Debug)]
pub struct FitRequest {
    /// Comes back with everything that follows from this fit.
    pub generation: Generation,
    /// Classes with their text features, unit rows.
    pub classes: Vec<(ClassId, ClassText)>,
    /// Support photos with the index of their class; those without features yet are left out.
    pub shots: Vec<(PhotoId, usize)>,
    /// The method.
    pub method: Method,
    /// Its parameters, the fallback when tuning finds nothing.
    pub parameters: Parameters,
    /// Whether to tune them by leave-one-out.
    pub tune: bool,
    /// Whether the text term counts.
    pub use_class_names: bool,
    /// Which adapted features stand beside the original ones.
    pub adapter: Option<AdapterSpec>,
    /// Ends the fit early.
    pub cancel: CancelToken,
}

/// Whether a method can be fitted on what is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Availability {
    /// The method.
    pub method: Method,
    /// Why it cannot be fitted, and what to do about it.
    pub obstacle: Option<String>,
}

/// A fitted method with what it was fitted on.
pub(super) struct Fit {
    pub(super) summary: FitSummary,
    pub(super) lesson: Arc<Lesson>,
    pub(super) encoder: Option<AdaptedEncoder>,
    pub(super) fitted: Arc<FittedSupport>,
    /// The method at the summary's parameters.
    pub(super) classifier: Arc<dyn Classifier>,
    /// The shots as the others see them; nothing where that cannot be told.
    pub(super) held_out: HeldOut,
    /// What to say about the overlap figures.
    pub(super) overlap_note: Option<String>,
    /// The keys that come from a picture, by its content.
    pub(super) key_hashes: HashMap<ContentHash, Vec<usize>>,
    /// Number of keys of each class.
    pub(super) keys_per_class: Vec<usize>,
}

impl Fit {
    /// The class of a shot with these keys, and its keys over those that are left without them.
    pub(super) fn own_class(&self, keys: &[usize]) -> (usize, f32) {
        let labels = &self.fitted.labels;
        let class = labels[keys[0]];
        let total = self.keys_per_class[class];
        let own = keys.iter().filter(|key| labels[**key] == class).count();
        (class, total as f32 / (total - own).max(1) as f32)
    }

    /// Takes over other parameters: those that are only weights at once, others by a fit, unless that would be a training.
    /// `true`: evidence that was gathered before does not hold any more.
    pub(super) fn set_parameters(&mut self, parameters: &Parameters) -> Result<bool, MethodError> {
        let method = self.fitted.method;
        let is_followed = |parameter: &Parameter| {
            let (now, then) = (&self.summary.parameters, parameters);
            let bits = |values: &Parameters| values.value(*parameter).to_bits();
            method.follows(*parameter) || bits(now) == bits(then)
        };
        let is_weighed = method.is_trained() || method.parameters().iter().all(is_followed);
        if is_weighed {
            if let Some(classifier) = self.classifier.at(parameters) {
                self.classifier = classifier.into();
            }
        } else {
            self.classifier = methods::fit(method, parameters, &self.lesson.knowledge())?.into();
            let weighing = self.classifier.weighing();
            self.fitted = Arc::new(FittedSupport {
                weighing,
                ..FittedSupport::clone(&self.fitted)
            });
        }
        self.summary.parameters = *parameters;
        Ok(!is_weighed)
    }
}

impl ScoringThread {
    /// Fits and tells figures, evidence and overlap; predictions follow.
    pub(super) fn fit(&mut self, request: &FitRequest) {
        match self.fitted(request) {
            Ok(None) => {}
            Ok(Some(fit)) => {
                let summary = Box::new(fit.summary.clone());
                self.out.send(ScoreEvent::Fitted(summary));
                self.fit = Some(fit);
                self.tell_evidence();
                self.pool.restart();
                self.pool.grow(self.table.photos().len());
                self.overlap.is_due = true;
            }
            Err(EngineError::Method(MethodError::Cancelled(_))) => {
                self.out.send(ScoreEvent::FitCancelled(request.generation));
            }
            Err(error) => self
                .out
                .send(ScoreEvent::FitFailed(request.generation, error.to_string())),
        }
    }

    /// The fit; `None` where the method has to be trained first, which is told: what was fitted before goes on until then.
    fn fitted(&mut self, request: &FitRequest) -> Result<Option<Fit>, EngineError> {
        let Ground {
            lesson,
            photos,
            encoder,
            adapter_note,
            key_hashes,
        } = self.ground(request)?;
        let availability = availability(&lesson, adapter_note.as_deref());
        let (method, obstacle) = stand_in(request.method, &availability);
        let lesson = Arc::new(lesson);
        let base = FitSummary {
            generation: request.generation,
            method,
            obstacle,
            availability,
            adapter_title: encoder
                .as_ref()
                .map(AdaptedEncoder::title)
                .unwrap_or_default(),
            lesson: Some(Arc::clone(&lesson)),
            ..FitSummary::default()
        };
        let (figures, classifier) = if method.is_trained() {
            let wanted = Training::new(method, &request.parameters, &lesson);
            let trained = self.trained.as_ref();
            let trained = trained.filter(|trained| trained.is_for(&wanted));
            let figures = trained_figures(base, request, trained, &lesson)?;
            let Some(trained) = trained else {
                let summary = Box::new(figures.summary);
                self.out.send(ScoreEvent::Fitted(summary));
                return Ok(None);
            };
            let classifier = trained.at(&figures.summary.parameters);
            (figures, classifier)
        } else {
            let figures = self.figures(base, request, &lesson)?;
            let parameters = &figures.summary.parameters;
            let classifier = methods::fit(method, parameters, &lesson.knowledge())?;
            (figures, classifier.into())
        };
        let Figures { summary, held_out } = figures;
        let fitted = FittedSupport {
            generation: request.generation,
            method,
            classes: request.classes.iter().map(|(class, _)| *class).collect(),
            photos,
            labels: lesson.support.labels().to_vec(),
            use_class_names: request.use_class_names,
            weighing: classifier.weighing(),
        };
        let overlap_note = encoder.as_ref().and_then(AdaptedEncoder::note);
        Ok(Some(Fit {
            summary,
            keys_per_class: lesson.support.rows_per_class(),
            lesson,
            encoder,
            fitted: Arc::new(fitted),
            classifier,
            held_out,
            overlap_note,
            key_hashes,
        }))
    }

    /// Adapted features of any rows under the current fit, `None` where there are none.
    pub(super) fn adapted_rows(&self, fit: &Fit, rows: &[usize]) -> Option<Features> {
        fit.lesson.adapted_keys.as_ref()?;
        let adapted = match &fit.encoder {
            Some(encoder) => encoder
                .adapt(
                    &self.table.original_raw(rows),
                    self.table.hidden(rows).as_ref(),
                )
                .ok()?,
            None => self.table.bottleneck(rows)?,
        };
        Features::normalized(adapted).ok()
    }
}

/// Fifty features a photo instead of one would not fit beside a large pool.
const NO_PARTS: &str = "CALIP looks at parts of photos, which the window does not keep: run it with `shotlens eval --methods calip` and CLIP's RN50 or RN101";

/// What can be fitted on a lesson, and why the rest cannot; `adapter_note`: why there are no adapted features.
fn availability(lesson: &Lesson, adapter_note: Option<&str>) -> Vec<Availability> {
    let knowledge = lesson.knowledge();
    let obstacle = |method| {
        let error = methods::check(method, &knowledge).err()?;
        // Training gives what is missing.
        if matches!(error, MethodError::NoLearnedText { .. }) {
            return None;
        }
        if matches!(error, MethodError::NoParts { .. }) {
            return Some(NO_PARTS.to_owned());
        }
        let lacks_adapter = matches!(error, MethodError::NoAdaptedFeatures { .. });
        let note = adapter_note.filter(|_| lacks_adapter).map(str::to_owned);
        Some(note.unwrap_or_else(|| error.to_string()))
    };
    Method::ALL
        .into_iter()
        .map(|method| Availability {
            method,
            obstacle: obstacle(method),
        })
        .collect()
}

/// The method that predicts: the chosen one, or what comes nearest to it, and why it is not the chosen one.
fn stand_in(chosen: Method, availability: &[Availability]) -> (Method, Option<String>) {
    let obstacle = |method: Method| {
        let found = availability.iter().find(|found| found.method == method);
        found.and_then(|found| found.obstacle.clone())
    };
    let Some(reason) = obstacle(chosen) else {
        return (chosen, None);
    };
    let candidates = [
        chosen.without_adapter(),
        Method::TipAdapter,
        Method::ZeroShot,
    ];
    let method = candidates
        .into_iter()
        .find(|method| !method.is_trained() && obstacle(*method).is_none());
    (method.unwrap_or(Method::ZeroShot), Some(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_fitted_has_a_stand_in_and_a_reason() {
        let found = |method, obstacle: Option<&str>| Availability {
            method,
            obstacle: obstacle.map(str::to_owned),
        };
        let one_shot = [
            found(Method::TipAdapter, None),
            found(Method::Gda, Some("GDA needs two photos")),
        ];
        assert_eq!(
            stand_in(Method::Gda, &one_shot),
            (Method::TipAdapter, Some("GDA needs two photos".to_owned()))
        );
        assert_eq!(
            stand_in(Method::TipAdapter, &one_shot),
            (Method::TipAdapter, None)
        );
        let no_shots = [
            found(Method::TipAdapter, Some("needs a labelled photo")),
            found(Method::TipAdapterPp, Some("needs adapted features")),
            found(Method::ZeroShot, None),
        ];
        assert_eq!(
            stand_in(Method::TipAdapterPp, &no_shots),
            (Method::ZeroShot, Some("needs adapted features".to_owned()))
        );
    }
}
