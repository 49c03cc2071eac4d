//! Fitting: support set and texts in, parameters, temperature and figures out.

use std::collections::HashMap;
use std::sync::Arc;

use super::{FitSummary, ScoreEvent, ScoringThread};
use crate::engine::EngineError;
use crate::engine::adapted::{AdaptedEncoder, AdapterSpec, Geometry, SupportRows};
use crate::features::{Features, Matrix};
use crate::ids::{ClassId, Generation, PhotoId};
use crate::image_io::ContentHash;
use crate::methods::leave_one_out::held_out;
use crate::methods::projection::IsoClip;
use crate::methods::{
    Classifier, HeldOut, Knowledge, Method, MethodError, Parameter, Parameters, calibration, fit,
    tune_on_support,
};
use crate::progress::Progress;
use crate::support::{SupportSet, groups_of};
use crate::worker::evidence_set::FittedSupport;

/// What to fit.
#[derive(Clone, Debug)]
pub struct FitRequest {
    /// Comes back with everything that follows from this fit.
    pub generation: Generation,
    /// Classes with their text features, unit rows.
    pub classes: Vec<(ClassId, Vec<f32>)>,
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
}

/// A fitted method with what it was fitted on.
pub(super) struct Fit {
    pub(super) summary: FitSummary,
    pub(super) support: SupportSet,
    pub(super) adapted_keys: Option<Features>,
    pub(super) encoder: Option<AdaptedEncoder>,
    pub(super) text: Features,
    pub(super) classifier: Box<dyn Classifier>,
    /// The shots as the others see them.
    pub(super) held_out: HeldOut,
    pub(super) fitted: Arc<FittedSupport>,
    /// What to say about the overlap figures.
    pub(super) overlap_note: Option<String>,
    /// The keys that come from a picture, by its content.
    pub(super) key_hashes: HashMap<ContentHash, Vec<usize>>,
}

/// Adapted features of the support set.
#[derive(Default)]
struct Adapted {
    encoder: Option<AdaptedEncoder>,
    keys: Option<Features>,
    note: Option<String>,
}

impl Fit {
    /// What the method knows.
    pub(super) fn knowledge(&self) -> Knowledge<'_> {
        let knowledge =
            Knowledge::new(&self.support, &self.text).with_adapted_keys(self.adapted_keys.as_ref());
        Knowledge {
            use_class_names: self.fitted.use_class_names,
            ..knowledge
        }
    }

    /// The class of a shot with these keys, and its keys over those that are left without them.
    pub(super) fn own_class(&self, keys: &[usize]) -> (usize, f32) {
        let labels = &self.fitted.labels;
        let class = labels[keys[0]];
        let total = labels.iter().filter(|label| **label == class).count();
        let own = keys.iter().filter(|key| labels[**key] == class).count();
        (class, total as f32 / (total - own).max(1) as f32)
    }

    /// Takes over other parameters: those that are only weights at once, others by a fit.
    pub(super) fn set_parameters(&mut self, parameters: &Parameters) -> Result<(), MethodError> {
        let method = self.fitted.method;
        let is_same = |parameter: &Parameter| {
            method.follows(*parameter)
                || self.summary.parameters.value(*parameter) == parameters.value(*parameter)
        };
        if method.parameters().iter().all(is_same) {
            self.classifier.follow(parameters);
        } else {
            self.classifier = fit(method, parameters, &self.knowledge())?;
        }
        self.summary.parameters = *parameters;
        Ok(())
    }
}

impl ScoringThread {
    /// Fits and tells figures, evidence and overlap; predictions follow.
    pub(super) fn fit(&mut self, request: &FitRequest) {
        match self.fitted(request) {
            Ok(fit) => {
                self.out
                    .send(ScoreEvent::Fitted(Box::new(fit.summary.clone())));
                self.fit = Some(fit);
                self.tell_evidence();
                self.pool.restart();
                self.pool.grow(self.table.photos().len());
                self.overlap.is_due = true;
            }
            Err(error) => self
                .out
                .send(ScoreEvent::FitFailed(request.generation, error.to_string())),
        }
    }

    fn fitted(&mut self, request: &FitRequest) -> Result<Fit, EngineError> {
        let num_classes = request.classes.len();
        let dim = request.classes.first().map_or(0, |(_, row)| row.len());
        let text = Matrix::from_rows(dim, request.classes.iter().map(|(_, row)| row.as_slice()))?;
        let text = Features::normalized(text)?;
        let shots: Vec<(usize, PhotoId, usize)> = request
            .shots
            .iter()
            .filter_map(|(photo, class)| Some((self.table.row_of(*photo)?, *photo, *class)))
            .collect();
        let rows: Vec<usize> = shots.iter().map(|(row, ..)| *row).collect();
        let labels: Vec<usize> = shots.iter().map(|(.., class)| *class).collect();
        let originals = if rows.is_empty() {
            Features::normalized(Matrix::zeros(0, dim))?
        } else {
            self.table.original(&rows)?
        };
        // Exact duplicates share a group, so that leaving one out leaves out both.
        let groups = groups_of(rows.iter().map(|row| self.table.hash(*row)));
        let support = SupportSet::new(originals, labels.clone(), num_classes, groups)?;
        let Adapted {
            encoder,
            keys,
            note,
        } = self.adapted(request, &rows, &support)?;
        // A ++ method without adapted features is shown as what it would be without them, and the note says so.
        let lacks_adapter = request.method.needs_adapter() && keys.is_none();
        let method = if lacks_adapter {
            request.method.without_adapter()
        } else {
            request.method
        };
        let knowledge = Knowledge::new(&support, &text).with_adapted_keys(keys.as_ref());
        let knowledge = Knowledge {
            use_class_names: request.use_class_names,
            ..knowledge
        };
        let (mut summary, held_out) = figures(request, method, &knowledge)?;
        let classifier = fit(method, &summary.parameters, &knowledge)?;
        summary.note = note.filter(|_| lacks_adapter).or(summary.note);
        summary.adapter_title = encoder
            .as_ref()
            .map(AdaptedEncoder::title)
            .unwrap_or_default();
        let fitted = FittedSupport {
            generation: request.generation,
            method,
            classes: request.classes.iter().map(|(class, _)| *class).collect(),
            photos: shots.iter().map(|(_, photo, _)| *photo).collect(),
            labels,
            use_class_names: request.use_class_names,
            weighing: classifier.weighing(),
        };
        let mut key_hashes: HashMap<ContentHash, Vec<usize>> = HashMap::new();
        for (key, row) in rows.iter().enumerate() {
            key_hashes
                .entry(self.table.hash(*row))
                .or_default()
                .push(key);
        }
        let overlap_note = encoder.as_ref().and_then(AdaptedEncoder::note);
        Ok(Fit {
            summary,
            support,
            adapted_keys: keys,
            encoder,
            text,
            classifier,
            held_out,
            fitted: Arc::new(fitted),
            overlap_note,
            key_hashes,
        })
    }

    /// The adapted features of the support set, how they were made, and what to say about it.
    fn adapted(
        &mut self,
        request: &FitRequest,
        rows: &[usize],
        support: &SupportSet,
    ) -> Result<Adapted, EngineError> {
        let Some(spec) = request.adapter.as_ref().filter(|_| !rows.is_empty()) else {
            return Ok(Adapted::default());
        };
        if let AdapterSpec::File(_) = spec {
            let keys = self
                .table
                .bottleneck(rows)
                .map(Features::normalized)
                .transpose()?;
            let note = keys
                .is_none()
                .then(|| "The photos are still on their way through the adapter".to_owned());
            return Ok(Adapted {
                encoder: None,
                keys,
                note,
            });
        }
        self.decompose();
        let (features, hidden) = (self.table.original_raw(rows), self.table.hidden(rows));
        let support = SupportRows {
            support,
            hidden: hidden.as_ref(),
        };
        match AdaptedEncoder::projection(spec, &self.geometry(), self.words.as_ref(), Some(support))
        {
            Ok(encoder) => {
                let keys = Some(Features::normalized(
                    encoder.adapt(&features, hidden.as_ref())?,
                )?);
                Ok(Adapted {
                    encoder: Some(encoder),
                    keys,
                    note: None,
                })
            }
            Err(error) => Ok(Adapted {
                note: Some(error.to_string()),
                ..Adapted::default()
            }),
        }
    }

    /// Decomposes the model's projections, once.
    fn decompose(&mut self) {
        if let (None, Some((image, text))) = (
            &self.iso,
            self.model
                .as_ref()
                .and_then(|model| model.projections.as_ref()),
        ) {
            // Projections that cannot be decomposed have no IsoCLIP, which is said when it is chosen.
            self.iso = IsoClip::new(image, text).ok();
        }
    }

    /// What projections need to know of the model.
    fn geometry(&self) -> Geometry<'_> {
        self.model
            .as_ref()
            .map_or_else(Geometry::default, |model| Geometry {
                iso: self.iso.as_ref(),
                published_cut: model.published_cut,
                dim: model.dim,
            })
    }

    /// Adapted features of any rows under the current fit, `None` where there are none.
    pub(super) fn adapted_rows(&self, fit: &Fit, rows: &[usize]) -> Option<Features> {
        fit.adapted_keys.as_ref()?;
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

/// Tunes where asked, and measures by leave-one-out.
fn figures(
    request: &FitRequest,
    method: Method,
    knowledge: &Knowledge<'_>,
) -> Result<(FitSummary, HeldOut), EngineError> {
    let progress = Progress::silent();
    let tuned = tune_on_support(method, &request.parameters, knowledge, &progress)?;
    let (parameters, held_out) = if request.tune || tuned.parameters == request.parameters {
        (tuned.parameters, tuned.held_out)
    } else {
        let held_out = held_out(method, &request.parameters, knowledge, &progress)?;
        (request.parameters, held_out)
    };
    let share = |percent: Option<f64>| percent.map(|percent| (percent / 100.0) as f32);
    let note = (!tuned.is_tuned
        && !method.parameters().is_empty()
        && !knowledge.support.is_empty())
    .then(|| {
        "One shot per class: nothing to tune on, so the published defaults are used".to_owned()
    });
    let summary = FitSummary {
        generation: request.generation,
        parameters,
        tuned: request.tune && tuned.is_tuned,
        recommended: tuned.is_tuned.then_some(tuned.parameters),
        zero_shot_accuracy: share(tuned.zero_shot_accuracy),
        accuracy: share(held_out.accuracy()),
        temperature: calibration::calibrate_on(method, &held_out).temperature,
        note,
        adapter_title: String::new(),
    };
    Ok((summary, held_out))
}
