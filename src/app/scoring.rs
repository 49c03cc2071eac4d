//! Fits, live predictions and overlap: what the scoring worker is asked, and what it answered.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::threads::ModelChoice;
use super::{AdapterChoice, AdapterOption, App, PairKind, PairList, Prediction, ValidationView};
use crate::engine::adapted::AdapterSpec;
use crate::engine::classifier::project::parameters_of;
use crate::ids::{ClassId, Generation, PhotoId};
use crate::methods::overlap::Kind;
use crate::methods::{Method, Parameters};
use crate::progress::CancelToken;
use crate::project::{Role, Settings};
use crate::worker::clip_worker::ModelInfo;
use crate::worker::evidence_set::{EvidenceSet, Scored};
use crate::worker::lesson::Lesson;
use crate::worker::scoring_worker::{
    FitRequest, FitSummary, PoolPredictions, ScoreEvent, ScoreJob,
};

pub(super) mod inspecting;
mod parameters;

/// While shots trickle in, the method is refitted this often.
const REFIT_EVERY: Duration = Duration::from_millis(250);

/// What is known of the fit and the predictions.
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each asked for by itself"
)]
pub(crate) struct Scoring {
    pub(super) model: ModelChoice,
    generation: Generation,
    /// Of the last fit asked for.
    fitting: Generation,
    /// Answers of older fits belong to another project or model.
    oldest: Generation,
    is_dirty: bool,
    is_fitting: bool,
    last_fit: Option<Instant>,
    is_dragging: bool,
    parameters: Parameters,
    temperature: f32,
    has_words: bool,
    adapter: Option<AdapterSpec>,
    fit_cancel: CancelToken,
    /// What was learnt from last.
    pub(super) lesson: Option<Arc<Lesson>>,
    /// Photos of the pool that the last fit learnt from.
    learnt: HashSet<PhotoId>,
    evidence: Arc<EvidenceSet>,
    predictions: Arc<PoolPredictions>,
    shown: Vec<PhotoId>,
}

impl Scoring {
    /// What is predicted for a photo: at once where evidence is at hand, else as the worker last told.
    pub(super) fn prediction(&self, photo: PhotoId) -> Option<Prediction> {
        let live = self
            .evidence
            .score(photo, &self.parameters, self.temperature);
        if let Some(scored) = live {
            let is_stale = self.evidence.support.generation < self.fitting;
            return prediction(scored, &self.evidence.support.classes, is_stale);
        }
        let scored = self.predictions.get(photo)?;
        prediction(
            *scored,
            &self.predictions.classes,
            self.predictions.generation < self.generation,
        )
    }

    /// These predictions and no fit, for the window's tests; `are_stale`: made before the last change.
    #[cfg(test)]
    pub(crate) fn of_predictions(predictions: PoolPredictions, are_stale: bool) -> Self {
        let generation = if are_stale {
            predictions.generation.next()
        } else {
            predictions.generation
        };
        Self {
            generation,
            predictions: Arc::new(predictions),
            ..Self::default()
        }
    }

    /// Whether the pool's predictions hold this photo.
    pub(super) fn is_predicted(&self, photo: PhotoId) -> bool {
        self.predictions.get(photo).is_some()
    }

    /// How sure the pool's prediction of a photo is, 0 to 1.
    pub(super) fn confidence(&self, photo: PhotoId) -> Option<f32> {
        self.scored(photo).map(|scored| scored.confidence)
    }

    /// The class of the pool's prediction of a photo, and how sure it is, 0 to 1.
    pub(super) fn predicted_class(&self, photo: PhotoId) -> Option<(ClassId, f32)> {
        let scored = self.predictions.get(photo)?;
        let class = *self.predictions.classes.get(scored.class as usize)?;
        Some((class, scored.confidence))
    }

    /// Whether a fit is under way or due.
    pub(super) fn is_fitting(&self) -> bool {
        self.is_dirty || self.is_fitting
    }

    /// What the pool's prediction of a photo is made of.
    pub(super) fn scored(&self, photo: PhotoId) -> Option<&Scored> {
        self.predictions.get(photo)
    }

    /// Photos with predictions, the least confident first.
    pub(super) fn by_confidence(&self) -> impl DoubleEndedIterator<Item = PhotoId> + '_ {
        self.predictions
            .by_confidence
            .iter()
            .map(|index| self.predictions.photos[*index as usize])
    }

    /// The photos on screen.
    pub(super) fn shown(&self) -> &[PhotoId] {
        &self.shown
    }

    /// Something changed that the method depends on.
    pub(super) fn mark_dirty(&mut self) {
        self.is_dirty = true;
    }

    /// Whether nothing is being fitted or predicted.
    pub(super) fn is_settled(&self) -> bool {
        !self.is_dirty && !self.is_fitting && self.predictions.generation == self.generation
    }

    /// Another model: nothing that was fitted or predicted holds, and what older fits still tell is not for this one.
    pub(super) fn forget_features(&mut self) {
        self.generation = self.generation.next();
        self.oldest = self.generation;
        (self.is_fitting, self.last_fit) = (false, None);
        self.fit_cancel.cancel();
        self.lesson = None;
        self.evidence = Arc::default();
        let predictions = PoolPredictions {
            generation: self.generation,
            ..PoolPredictions::default()
        };
        self.predictions = Arc::new(predictions);
        self.has_words = false;
        self.is_dirty = true;
    }

    /// Another project; the model's word list stays.
    pub(super) fn start_over(&mut self) {
        let has_words = self.has_words;
        self.forget_features();
        self.has_words = has_words;
        self.shown.clear();
    }

    /// The adapter file in use, for the encoder.
    pub(super) fn bottleneck_file(&self) -> Option<(PathBuf, Option<f64>)> {
        match &self.adapter {
            Some(AdapterSpec::File(path)) => Some((path.clone(), None)),
            _ => None,
        }
    }

    /// Whether PCA is chosen and its axes must be sent for; after that they are on their way.
    pub(super) fn takes_words(&mut self) -> bool {
        let is_missing = matches!(self.adapter, Some(AdapterSpec::Pca(_))) && !self.has_words;
        self.has_words |= is_missing;
        is_missing
    }

    /// Follows the project's settings; tuned parameters stay until the next tuning.
    pub(super) fn settings_changed(&mut self, settings: &Settings, shots: usize) {
        if !settings.auto_tuned {
            self.parameters = parameters_of(settings, shots);
        }
        self.adapter = settings
            .adapter
            .as_deref()
            .and_then(|text| text.parse().ok());
    }
}

fn prediction(scored: Scored, classes: &[ClassId], stale: bool) -> Option<Prediction> {
    let class = *classes.get(scored.class as usize)?;
    let zero_shot_class = classes
        .get(scored.zero_shot_class as usize)
        .copied()
        .unwrap_or(class);
    Some(Prediction {
        class,
        confidence: scored.confidence,
        zero_shot_class,
        stale,
    })
}

/// What the adapter menu offers with this model.
pub(super) fn adapter_options(model: &ModelInfo) -> Vec<AdapterOption> {
    let no_projection = model
        .projections
        .is_none()
        .then(|| "This model has no projection matrix to work on".to_owned());
    let option = |choice, title: &str, unavailable| AdapterOption {
        choice,
        title: title.to_owned(),
        summary: String::new(),
        unavailable,
    };
    vec![
        option(AdapterChoice::Off, "None", None),
        option(
            AdapterChoice::IsoClip,
            "IsoCLIP (no training)",
            no_projection,
        ),
        option(AdapterChoice::Pca, "PCA of words (no training)", None),
    ]
}

impl App {
    /// Whether a photo is one of the support set.
    pub(super) fn is_shot(&self, photo: PhotoId) -> bool {
        self.has_shot_role(photo) || self.scoring.learnt.contains(&photo)
    }

    /// The support set, as far as it has features.
    pub(super) fn support(&self) -> Vec<(PhotoId, usize)> {
        let mut support = self.project().support();
        support.retain(|(photo, _)| self.embedding.has(*photo));
        support
    }

    /// The photos of the pool that are learnt from.
    fn learnt(&self) -> HashSet<PhotoId> {
        if !self.project().settings().learn_from_labels {
            return HashSet::new();
        }
        let is_pool = |photo: &PhotoId| {
            let photo = self.project().photo(*photo);
            photo.is_some_and(|photo| photo.role == Role::Pool)
        };
        let support = self.project().support().into_iter();
        support.map(|(photo, _)| photo).filter(is_pool).collect()
    }

    /// Refits when something changed and enough time has passed since the last fit.
    pub(super) fn refit_when_due(&mut self, now: Instant) {
        let scoring = &self.scoring;
        let is_due = scoring
            .last_fit
            .is_none_or(|last| now.duration_since(last) > REFIT_EVERY);
        if !scoring.is_dirty || scoring.is_fitting || !is_due || self.project().classes().is_empty()
        {
            self.scoring.is_dirty &= !self.project().classes().is_empty();
            return;
        }
        let texts = self
            .project()
            .classes()
            .iter()
            .map(|class| Some((class.id, self.embedding.texts.get(&class.id)?.clone())));
        let Some(classes) = texts.collect::<Option<Vec<_>>>() else {
            return;
        };
        let settings = self.project().settings();
        let request = FitRequest {
            generation: self.scoring.generation.next(),
            classes,
            shots: self.support(),
            method: Method::from_name(&settings.method).unwrap_or_default(),
            parameters: self.set_parameters(),
            tune: settings.auto_tuned,
            use_class_names: settings.use_class_names,
            adapter: settings
                .adapter
                .as_deref()
                .and_then(|text| text.parse().ok()),
            cancel: CancelToken::default(),
        };
        let learnt = self.learnt();
        let scoring = &mut self.scoring;
        scoring.learnt = learnt;
        scoring.fit_cancel = request.cancel.clone();
        (scoring.generation, scoring.fitting) = (request.generation, request.generation);
        (scoring.is_dirty, scoring.is_fitting, scoring.last_fit) = (false, true, Some(now));
        self.fit.tuning = request.tune;
        self.overlap.stale = true;
        self.submit_scoring(ScoreJob::Fit(Box::new(request)));
    }

    pub(super) fn poll_scoring(&mut self) {
        while let Some(event) = self.next_event(|threads| threads.scoring.try_next()) {
            match event {
                ScoreEvent::Fitted(summary) => self.take_in_fit(*summary),
                ScoreEvent::Evidence(evidence)
                    if evidence.support.generation < self.scoring.oldest => {}
                ScoreEvent::Predictions(predictions)
                    if predictions.generation < self.scoring.oldest => {}
                ScoreEvent::Overlap { generation, .. } if generation < self.scoring.oldest => {}
                ScoreEvent::FitFailed(generation, message) => {
                    if generation == self.scoring.fitting {
                        (self.scoring.is_fitting, self.fit.tuning) = (false, false);
                        self.fit.obstacle = Some(message.clone());
                        self.warn(message);
                    }
                }
                ScoreEvent::Evidence(evidence) => {
                    self.scoring.evidence = evidence;
                    self.inspect();
                }
                ScoreEvent::Predictions(predictions) => self.take_in_predictions(predictions),
                ScoreEvent::Overlap {
                    generation,
                    before,
                    after,
                    note,
                } => {
                    let pairs = self.overlap.pairs.take();
                    self.overlap = super::OverlapView {
                        before: before.map(|figures| inspecting::figures_of(&figures)),
                        after: after.map(|figures| inspecting::figures_of(&figures)),
                        note,
                        adapter_title: std::mem::take(&mut self.overlap.adapter_title),
                        stale: generation < self.scoring.fitting,
                        pairs,
                    };
                }
                ScoreEvent::Pairs(request, pairs) => {
                    self.overlap.pairs = Some(PairList {
                        kind: match request.kind {
                            Kind::Paired => PairKind::Paired,
                            Kind::Unpaired => PairKind::Unpaired,
                        },
                        low: request.low,
                        high: request.high,
                        adapted: request.adapted,
                        pairs,
                    });
                }
                ScoreEvent::FitCancelled(generation) => {
                    if generation == self.scoring.fitting {
                        (self.scoring.is_fitting, self.fit.tuning) = (false, false);
                        self.scoring.is_dirty = true;
                    }
                }
                ScoreEvent::Ranked(generation, photos) => self.ranked(generation, photos),
                ScoreEvent::Grounds(generation, grounds) => {
                    self.take_in_grounds(generation, grounds);
                }
                ScoreEvent::Decided(generation, shot, decided) => {
                    self.take_in_decided(generation, shot, decided);
                }
                ScoreEvent::Twins(generation, twins) => self.take_in_twins(generation, &twins),
                ScoreEvent::Split(generation, photos) => self.take_in_split(generation, &photos),
                ScoreEvent::Test(generation, test) => self.compare_by(generation, test),
                ScoreEvent::StrayTest(generation, test) => self.search_by(generation, test),
                ScoreEvent::Failed(message) => self.warn(message),
            }
        }
    }

    fn take_in_predictions(&mut self, predictions: Arc<PoolPredictions>) {
        self.scoring.predictions = predictions;
        self.forget_order();
        self.evaluation.mark_stale();
        self.map.mark_stale();
        self.show_what_shots_teach();
        if self.gallery_follows_predictions() && !self.scoring.is_dragging {
            self.refresh_gallery();
        }
    }

    /// The demo begins with a photo that class names get wrong and the shots get right.
    fn show_what_shots_teach(&mut self) {
        if !self.is_demo || self.selected.is_some() {
            return;
        }
        let is_telling = |photo: &&PhotoId| {
            let prediction = self.scoring.prediction(**photo);
            prediction
                .is_some_and(|found| found.class != found.zero_shot_class && found.confidence > 0.8)
        };
        if let Some(photo) = self.gallery.photos.iter().find(is_telling).copied() {
            self.apply(super::Command::Select(Some(photo)));
        }
    }

    fn take_in_fit(&mut self, summary: FitSummary) {
        if summary.generation != self.scoring.fitting {
            return;
        }
        self.scoring.is_fitting = false;
        self.scoring.temperature = summary.temperature;
        self.fit.tuning = false;
        self.fit.temperature = summary.temperature;
        self.fit.zero_shot_accuracy = summary.zero_shot_accuracy;
        self.fit.method_accuracy = summary.accuracy;
        self.fit.recommended = summary
            .recommended
            .map(|found| [found.alpha, found.beta, found.gamma].map(f64::from))
            .map(<(f64, f64, f64)>::from);
        // A map of validation photos says more than one of the shots, as long as its values are in use.
        if !matches!(self.fit.validation, Some(ValidationView::Done(_))) {
            self.fit.surface = summary.surface;
        }
        self.fit.note = summary.note;
        self.fit.method = summary.method;
        self.fit.obstacle = summary.obstacle;
        self.fit.availability = summary.availability;
        self.overlap.adapter_title = summary.adapter_title;
        self.scoring.lesson = summary.lesson;
        if summary.needs_training {
            self.train_if_new(summary.method, summary.parameters);
        } else {
            self.training_not_needed(summary.method);
        }
        let settings = self.project().settings();
        self.fit.tuned = summary.tuned && settings.auto_tuned;
        if self.fit.tuned {
            self.follow_tuning(summary.parameters);
        }
    }

    /// Tuned values are shown by the sliders; they are no step of the history, since undoing them would only tune again.
    fn follow_tuning(&mut self, parameters: Parameters) {
        self.scoring.parameters = parameters;
    }

    /// When to look again although nothing happened: a refit that is not due yet.
    pub fn poll_again_in(&self) -> Option<Duration> {
        (self.scoring.is_dirty || self.comparison_is_due()).then_some(REFIT_EVERY)
    }

    pub(super) fn submit_scoring(&mut self, job: ScoreJob) {
        let is_taken = self
            .threads
            .as_ref()
            .is_none_or(|threads| threads.scoring.submit(job));
        if !is_taken {
            self.error(
                "The thread that scores photos has stopped; restart Shotlens (nothing is lost)",
            );
        }
    }
}

/// The adapter's name in the settings.
pub(super) fn adapter_setting(choice: &AdapterChoice) -> Option<String> {
    match choice {
        AdapterChoice::Off => None,
        AdapterChoice::IsoClip => Some("isoclip".to_owned()),
        AdapterChoice::Pca => Some("pca".to_owned()),
        AdapterChoice::File(path) => Some(path.display().to_string()),
    }
}
