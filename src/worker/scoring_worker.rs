//! The thread that owns all features: fits, tunes, predicts the pool, gathers evidence for what is on screen, measures overlap.
//!
//! Jobs that were overtaken are dropped before they start, and a prediction of the whole pool stops when something newer waits.

mod deciding;
mod figures;
mod fitting;
mod ground;
mod grounding;
mod overlap;
mod pool;
mod ranking;
mod test_set;

use std::sync::Arc;

use crossbeam_channel::{Receiver, RecvTimeoutError};

pub use self::deciding::{Decided, Twins};
use self::figures::KnownTuning;
use self::fitting::Fit;
pub use self::fitting::{Availability, FitRequest};
pub use self::grounding::Grounds;
pub use self::overlap::{Figures, PairRequest};
pub use self::pool::PoolPredictions;
pub use self::ranking::RankBy;
pub use self::test_set::StrayPhoto;
use super::clip_worker::{EmbeddedPhoto, ModelInfo};
use super::evidence_set::EvidenceSet;
use super::feature_table::FeatureTable;
use super::study_worker::TestSet;
use super::{Outbox, Wake, Worker};
use crate::engine::trained_on::TrainedOn;
use crate::features::Features;
use crate::ids::{ClassId, Generation, PhotoId};
use crate::methods::projection::IsoClip;
use crate::methods::surface::Surface;
use crate::methods::{LeaveOneOut, Method, Parameters};
use crate::worker::lesson::{Lesson, Trained, Training};

/// A photo with the indices of the classes that it shows, the main one first.
pub type LabelledRow = (PhotoId, Vec<usize>);

/// What the scoring worker can be asked.
pub enum ScoreJob {
    /// Another project: forget all features, the model stays.
    Forget,
    /// Another model: forget all features.
    Reset(Box<ModelInfo>),
    /// Photos were embedded.
    Insert(Vec<EmbeddedPhoto>),
    /// Another adapter file was chosen: forget the features through the last one.
    ClearBottleneck,
    /// The photos that the adapter file was trained on.
    SetTrainedOn(TrainedOn),
    /// The word list's features, for PCA's axes.
    SetWords(Features),
    /// A method was trained: the next fit of it uses this.
    SetTrained(Box<Trained>),
    /// What the trained method is worth.
    SetJudged(Training, Arc<LeaveOneOut>),
    /// What was trained is not wanted any more.
    ForgetTrained,
    /// Fit the method; what was fitted before is dropped.
    Fit(Box<FitRequest>),
    /// Predict the pool with other parameters.
    Predict {
        /// Comes back with the predictions.
        generation: Generation,
        /// The sliders.
        parameters: Parameters,
    },
    /// These photos are on screen: gather evidence for them.
    Show(Vec<PhotoId>),
    /// List pairs of photos.
    Pairs(PairRequest),
    /// Put everything embedded in the order of a search.
    Rank(Generation, RankBy),
    /// Make the grounds that maps are drawn from, with these texts of classes.
    Grounds(Generation, Vec<(ClassId, Vec<f32>)>),
    /// Find the photos whose prediction this shot decides.
    Decided(Generation, PhotoId),
    /// Measure pairs of photos, and tell those whose cosine is at least this.
    Twins(Generation, Vec<(PhotoId, PhotoId)>, f32),
    /// Split photos into two groups that are alike within.
    Split(Generation, Vec<PhotoId>),
    /// Gather photos of the pool that are known to be of these classes.
    Test(Generation, Vec<LabelledRow>),
    /// Make the same of photos that are in no project.
    StrayTest(Generation, Vec<StrayPhoto>),
}

/// A fitted method's figures.
#[derive(Clone, Debug, Default)]
pub struct FitSummary {
    /// Of the request.
    pub generation: Generation,
    /// The method that predicts.
    pub method: Method,
    /// Why that is not the chosen one, and what to do about it.
    pub obstacle: Option<String>,
    /// What can be fitted on this, of all methods.
    pub availability: Vec<Availability>,
    /// What was learnt from.
    pub lesson: Option<Arc<Lesson>>,
    /// The method has to be trained on the lesson before it predicts.
    pub needs_training: bool,
    /// The parameters in use: tuned, or those asked for.
    pub parameters: Parameters,
    /// Whether they were tuned.
    pub tuned: bool,
    /// What tuning recommends.
    pub recommended: Option<Parameters>,
    /// Leave-one-out accuracy of zero-shot on the support set, 0 to 1.
    pub zero_shot_accuracy: Option<f32>,
    /// Leave-one-out accuracy of the method on the support set, 0 to 1.
    pub accuracy: Option<f32>,
    /// Accuracy over the parameters, where they were searched.
    pub surface: Option<Arc<Surface>>,
    /// What divides the logits before the softmax.
    pub temperature: f32,
    /// Something to say about it.
    pub note: Option<String>,
    /// As "IsoCLIP (0, 0)"; empty without adapted features.
    pub adapter_title: String,
}

/// What the scoring worker tells.
pub enum ScoreEvent {
    /// A fit is done.
    Fitted(Box<FitSummary>),
    /// Evidence for the photos on screen.
    Evidence(Arc<EvidenceSet>),
    /// Predictions of everything embedded so far.
    Predictions(Arc<PoolPredictions>),
    /// Overlap of the support set.
    Overlap {
        /// Of the fit.
        generation: Generation,
        /// Of the original features.
        before: Option<Box<Figures>>,
        /// Of the adapted features.
        after: Option<Box<Figures>>,
        /// Something to say about it.
        note: Option<String>,
    },
    /// The pairs asked for, with their cosines.
    Pairs(PairRequest, Vec<(PhotoId, PhotoId, f32)>),
    /// Everything embedded in the order of a search; empty where there is nothing to search.
    Ranked(Generation, Vec<PhotoId>),
    /// The grounds of maps.
    Grounds(Generation, Arc<Grounds>),
    /// What a shot decides.
    Decided(Generation, PhotoId, Decided),
    /// Photos that show nearly the same, the most alike first.
    Twins(Generation, Vec<Twins>),
    /// The smaller of two groups; empty where there are no two.
    Split(Generation, Vec<PhotoId>),
    /// Photos to judge by; `None` where they have no direction or nothing is fitted.
    Test(Generation, Option<Arc<TestSet>>),
    /// The same of photos that are in no project.
    StrayTest(Generation, Option<Arc<TestSet>>),
    /// The fit of this generation was not wanted any more.
    FitCancelled(Generation),
    /// The fit of this generation did not work.
    FitFailed(Generation, String),
    /// Something else that did not work, as a sentence.
    Failed(String),
}

/// Starts the thread.
pub fn start(wake: Wake) -> std::io::Result<Worker<ScoreJob, ScoreEvent>> {
    Worker::start("scoring worker", wake, |jobs, out| {
        ScoringThread {
            table: FeatureTable::default(),
            model: None,
            words: None,
            iso: None,
            fit: None,
            tuning: None,
            trained: None,
            trained_on: TrainedOn::default(),
            pool: pool::Pool::default(),
            overlap: overlap::OverlapState::default(),
            shown: Vec::new(),
            jobs,
            out,
        }
        .run();
    })
}

pub(super) struct ScoringThread {
    table: FeatureTable,
    model: Option<ModelInfo>,
    words: Option<Features>,
    iso: Option<IsoClip>,
    fit: Option<Fit>,
    tuning: Option<KnownTuning>,
    trained: Option<Trained>,
    /// What the adapter file in use has seen in training; nothing for the other kinds.
    trained_on: TrainedOn,
    pool: pool::Pool,
    overlap: overlap::OverlapState,
    shown: Vec<PhotoId>,
    jobs: Receiver<ScoreJob>,
    out: Outbox<ScoreEvent>,
}

/// What is left to do once all waiting jobs are looked at; the newest of each kind.
#[derive(Default)]
struct Agenda {
    fit: Option<Box<FitRequest>>,
    predict: Option<(Generation, Parameters)>,
    show: Option<Vec<PhotoId>>,
    pairs: Option<PairRequest>,
    tests: Vec<(Generation, Vec<LabelledRow>)>,
    inserted: bool,
}

impl ScoringThread {
    fn run(mut self) {
        let mut agenda = Agenda::default();
        while self.take_jobs(&mut agenda) {
            self.work_off(&mut agenda);
        }
    }

    /// Takes all waiting jobs; waits for one when there is nothing to do. `false`: the window is gone.
    fn take_jobs(&mut self, agenda: &mut Agenda) -> bool {
        if !self.pool.is_behind() && agenda.predict.is_none() && !self.overlap.is_due {
            let job = match self.pool.tell_in() {
                Some(wait) => self
                    .jobs
                    .recv_timeout(wait)
                    .map_err(|error| error == RecvTimeoutError::Disconnected),
                None => self.jobs.recv().map_err(|_closed| true),
            };
            match job {
                Ok(job) => self.note(job, agenda),
                Err(is_closed) if is_closed => return false,
                Err(_) => {}
            }
        }
        while let Ok(job) = self.jobs.try_recv() {
            self.note(job, agenda);
        }
        true
    }

    fn note(&mut self, job: ScoreJob, agenda: &mut Agenda) {
        match job {
            ScoreJob::Forget => self.forget(agenda),
            ScoreJob::Reset(model) => {
                // The photos on screen stay the same; the window tells them only once.
                let shown = std::mem::take(&mut self.shown);
                self.forget(agenda);
                self.shown = shown;
                (self.words, self.iso) = (None, None);
                self.trained_on = TrainedOn::default();
                self.model = Some(*model);
            }
            ScoreJob::Insert(photos) => {
                if self.table.insert(&photos) {
                    self.pool.restart();
                }
                agenda.inserted = true;
            }
            ScoreJob::ClearBottleneck => {
                self.table.clear_bottleneck();
                self.trained_on = TrainedOn::default();
            }
            ScoreJob::SetTrainedOn(photos) => self.trained_on = photos,
            ScoreJob::SetTrained(trained) => self.trained = Some(*trained),
            ScoreJob::SetJudged(training, judged) => {
                if let Some(trained) = &mut self.trained
                    && trained.training.is_as(&training)
                {
                    trained.judged = Some(judged);
                }
            }
            ScoreJob::ForgetTrained => self.trained = None,
            ScoreJob::SetWords(words) => self.words = Some(words),
            ScoreJob::Fit(request) => {
                agenda.predict = None;
                agenda.fit = Some(request);
            }
            ScoreJob::Predict {
                generation,
                parameters,
            } => agenda.predict = Some((generation, parameters)),
            ScoreJob::Show(photos) => agenda.show = Some(photos),
            ScoreJob::Pairs(request) => agenda.pairs = Some(request),
            ScoreJob::Test(generation, photos) => agenda.tests.push((generation, photos)),
            ScoreJob::Grounds(generation, texts) => self.tell_grounds(generation, &texts),
            ScoreJob::Decided(generation, shot) => self.tell_decided(generation, shot),
            ScoreJob::Twins(generation, pairs, least) => {
                self.tell_twins(generation, &pairs, least);
            }
            ScoreJob::Split(generation, photos) => self.tell_split(generation, &photos),
            ScoreJob::Rank(generation, by) => self.tell_ranking(generation, &by),
            ScoreJob::StrayTest(generation, photos) => self.tell_stray_test(generation, &photos),
        }
    }

    fn forget(&mut self, agenda: &mut Agenda) {
        *agenda = Agenda::default();
        (self.table, self.fit) = (FeatureTable::default(), None);
        (self.tuning, self.trained) = (None, None);
        self.pool = pool::Pool::default();
        self.overlap = overlap::OverlapState::default();
        self.shown.clear();
    }

    fn work_off(&mut self, agenda: &mut Agenda) {
        if let Some(photos) = agenda.show.take() {
            self.shown = photos;
            self.tell_evidence();
        }
        if let Some(request) = agenda.fit.take() {
            self.fit(&request);
        } else if !self.pool.is_behind() && agenda.predict.is_some() {
            // A pass under way is finished first: restarted at every step of a slider, it would never end.
            if let (Some((generation, parameters)), Some(fit)) =
                (agenda.predict.take(), &mut self.fit)
            {
                fit.summary.generation = generation;
                match fit.set_parameters(&parameters) {
                    Ok(false) => {}
                    Ok(true) => self.tell_evidence(),
                    Err(error) => self.out.send(ScoreEvent::Failed(error.to_string())),
                }
                self.pool.restart();
            }
        } else if std::mem::take(&mut agenda.inserted) {
            self.tell_evidence();
            self.pool.grow(self.table.photos().len());
        }
        if let Some(request) = agenda.pairs.take() {
            self.tell_pairs(request);
        }
        for (generation, photos) in agenda.tests.drain(..) {
            self.tell_test(generation, &photos);
        }
        self.predict_some();
        // Predictions first: a slider waits for them, nobody waits for the histograms.
        if !self.pool.is_behind() && std::mem::take(&mut self.overlap.is_due) {
            self.tell_overlap();
        }
    }
}
