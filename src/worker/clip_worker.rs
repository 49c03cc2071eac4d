//! The thread that owns CLIP.

mod adapters;
mod context;
mod folder;
mod on_screen;
mod photo_run;

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::Receiver;

pub use self::adapters::FoundAdapter;
use self::adapters::open_adapter;
pub use self::folder::EmbeddedFolder;
pub use self::on_screen::OnScreen;
use self::on_screen::Places;
use self::photo_run::PhotoRun;
use super::adapter_comparer::{self, AdapterComparisonJob, ComparisonEvent};
use super::adapter_trainer::{self, AdapterEvent, AdapterJob};
use super::exporter::{self, ExportEvent, ExportJob};
use super::feature_importer::{self, FeatureImport};
use super::training_worker::{TrainEvent, TrainJob};
use super::{Outbox, Wake, Worker};
use crate::clip::OpenOptions;
use crate::engine::adapted::AdaptedEncoder;
use crate::engine::embed::{PhotoFeatures, PhotoRequest};
use crate::engine::embed_both::BothOutcome;
use crate::engine::prompts::class_means;
use crate::engine::remote::{WorkerSpec, open_with_workers};
use crate::engine::trained_on::TrainedOn;
use crate::engine::{Engine, EngineError, adapted};
use crate::features::{Features, Matrix};
use crate::ids::{ClassId, Generation, PhotoId};
use crate::memory;
use crate::methods::projection::Cut;
use crate::progress::{CancelToken, Progress};
use crate::project::Locations;
use crate::project::feature_cache::FeatureCache;

/// What the CLIP worker can be asked.
pub enum ClipJob {
    /// Open this model; everything embedded before belongs to another space.
    OpenModel {
        /// Name or path; `None` is the embedded one.
        model: Option<String>,
        /// How to open it.
        options: OpenOptions,
        /// Other processes that encode photos.
        workers: Vec<WorkerSpec>,
    },
    /// Embed photos in this order.
    EmbedPhotos {
        /// Comes back with everything that this job tells.
        generation: Generation,
        /// Which photos.
        requests: Vec<PhotoRequest<PhotoId>>,
        /// Those of them that come on screen meanwhile go before the others.
        on_screen: OnScreen,
        /// Also through these bottleneck adapters.
        adapter: Option<(PathBuf, Option<f64>)>,
        /// Stops it between two batches.
        cancel: CancelToken,
    },
    /// Embed the prompts of classes; quick, and done between two batches of photos.
    EmbedTexts {
        /// Comes back with the features.
        generation: Generation,
        /// Classes with their texts.
        classes: Vec<(ClassId, Vec<String>)>,
    },
    /// Embed a text that photos are searched by; quick, and done between two batches of photos.
    EmbedQuery(Generation, String),
    /// Embed the word list that PCA's axes come from.
    EmbedWords,
    /// Learn the context words of `CoOp` through the text tower, for classes of these names. Prompts are embedded meanwhile,
    /// photos are not.
    LearnContext(TrainJob, Vec<String>),
    /// Train an adapter, on a thread beside this one.
    TrainAdapter(Box<AdapterJob>),
    /// Lay adapters side by side, on a thread beside this one.
    CompareAdapters(Box<AdapterComparisonJob>),
    /// Write photos or the classifier of a project, on a thread beside this one.
    Export(Box<ExportJob>),
    /// Take in photos with features that another program has made, on a thread beside this one.
    ImportFeatures(Generation, PathBuf),
    /// Look which adapter files are in this folder; quick, and done between two batches of photos.
    ListAdapters(PathBuf),
    /// Embed a folder of class folders, of photos that stay outside the project.
    EmbedFolder {
        /// Comes back with everything that this job tells.
        generation: Generation,
        /// The folder; the first folder below it is a photo's class.
        folder: PathBuf,
        /// Names of the classes.
        classes: Vec<String>,
        /// Also through these bottleneck adapters.
        adapter: Option<(PathBuf, Option<f64>)>,
        /// Stops it between two batches.
        cancel: CancelToken,
    },
}

/// An open model, for whoever does not own it.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// For people.
    pub name: String,
    /// As "CPU".
    pub device: String,
    /// The small embedded one.
    pub is_demo: bool,
    /// What was assumed about the checkpoint.
    pub notes: Vec<String>,
    /// Numbers in a feature.
    pub dim: usize,
    /// Image and text projection, `[dim, width]` each, where there are such matrices.
    pub projections: Option<(Matrix, Matrix)>,
    /// IsoCLIP's published numbers for this model, if there are some.
    pub published_cut: Option<Cut>,
}

/// What the CLIP worker tells.
pub enum ClipEvent {
    /// The model is ready.
    ModelOpened(Box<ModelInfo>),
    /// The model could not be opened.
    ModelFailed(String),
    /// Photos that are embedded, and those that could not be.
    Photos {
        /// Of the job.
        generation: Generation,
        /// Features, and the adapted ones where the job asked for them.
        embedded: Vec<EmbeddedPhoto>,
        /// Why the others were skipped.
        skipped: Vec<(PhotoId, String)>,
    },
    /// How far the job is.
    Progress {
        /// Of the job.
        generation: Generation,
        /// Photos done.
        done: usize,
        /// Photos in all.
        total: usize,
        /// Photos a second over the job so far, cached ones left out.
        rate: Option<f64>,
    },
    /// The job ended.
    PhotosFinished {
        /// Of the job.
        generation: Generation,
        /// What ended it before its end.
        error: Option<String>,
    },
    /// Features of classes.
    Texts {
        /// Of the job.
        generation: Generation,
        /// In the job's order.
        classes: Vec<(ClassId, ClassText)>,
    },
    /// How a training through the text tower goes.
    Training(TrainEvent),
    /// How far a folder is embedded: photos done, of all.
    FolderProgress(Generation, usize, usize),
    /// A folder is embedded, or why not; `None`: somebody stopped it.
    Folder(Generation, Result<Box<EmbeddedFolder>, Option<String>>),
    /// The feature of a text that photos are searched by, of unit length.
    Query(Generation, Vec<f32>),
    /// Photos with features, or why not.
    FeaturesImported(Generation, Result<Box<FeatureImport>, String>),
    /// How an export goes.
    Export(Generation, ExportEvent),
    /// The word list's features, `[num_words, dim]`.
    Words(Features),
    /// How the training of an adapter goes.
    Adapter(Generation, AdapterEvent),
    /// What adapters come to, side by side.
    AdaptersCompared(Generation, ComparisonEvent),
    /// The adapter files in the folder.
    Adapters(Vec<FoundAdapter>),
    /// The adapter file that photos are embedded with, and the photos that it was trained on.
    AdapterOpened(TrainedOn),
    /// The bottleneck adapter cannot be used; photos are embedded without it.
    AdapterFailed(String),
    /// Something that did not work, as a sentence.
    Failed(String),
    /// Something worth knowing.
    Note(String),
}

/// What the text side makes of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassText {
    /// The mean over its prompts, of unit length.
    pub mean: Vec<f32>,
    /// Every prompt by itself, of unit length, in their order.
    pub prompts: Vec<Vec<f32>>,
}

/// A photo's features.
#[derive(Clone, Debug)]
pub struct EmbeddedPhoto {
    /// The photo.
    pub photo: PhotoId,
    /// Original features.
    pub original: PhotoFeatures,
    /// Through the bottleneck adapters, `[dim]`.
    pub adapted: Option<Vec<f32>>,
}

/// Starts the thread.
pub fn start(wake: Wake) -> std::io::Result<Worker<ClipJob, ClipEvent>> {
    Worker::start("clip worker", wake, |jobs, out| {
        ClipThread {
            engine: None,
            jobs,
            out,
            later: Vec::new(),
        }
        .run();
    })
}

struct ClipThread {
    engine: Option<Arc<Engine>>,
    jobs: Receiver<ClipJob>,
    out: Outbox<ClipEvent>,
    later: Vec<ClipJob>,
}

impl ClipThread {
    fn run(mut self) {
        loop {
            let job = if self.later.is_empty() {
                self.jobs.recv().ok()
            } else {
                Some(self.later.remove(0))
            };
            let Some(job) = job else { return };
            self.carry_out(job);
        }
    }

    fn carry_out(&mut self, job: ClipJob) {
        match job {
            ClipJob::OpenModel {
                model,
                options,
                workers,
            } => {
                let opened = self.opened(model.as_deref(), options, &workers);
                self.take_model(opened, model.is_none());
            }
            ClipJob::EmbedPhotos {
                generation,
                requests,
                on_screen,
                adapter,
                cancel,
            } => {
                let requests = (requests.as_slice(), &on_screen);
                self.embed_photos(generation, requests, adapter.as_ref(), &cancel);
            }
            ClipJob::EmbedTexts {
                generation,
                classes,
            } => {
                if let Some(engine) = &self.engine {
                    self.out.send(embed_texts(engine, generation, &classes));
                }
            }
            ClipJob::LearnContext(job, names) => self.learn_context(&job, &names),
            ClipJob::EmbedFolder {
                generation,
                folder,
                classes,
                adapter,
                cancel,
            } => {
                let Some(engine) = &self.engine else { return };
                let adapter = open_adapter(engine, adapter.as_ref()).ok().flatten();
                let request = folder::FolderRequest {
                    generation,
                    folder: &folder,
                    classes: &classes,
                    adapter: adapter.as_ref(),
                    cancel: &cancel,
                };
                let embedded = folder::embed(engine, &request, &self.out);
                self.out
                    .send(ClipEvent::Folder(generation, embedded.map(Box::new)));
            }
            ClipJob::EmbedWords => {
                if let Some(engine) = &self.engine {
                    let words = adapted::word_features(engine);
                    self.out.send(words.map_or_else(
                        |error| ClipEvent::Failed(error.to_string()),
                        ClipEvent::Words,
                    ));
                }
            }
            other => self.start_beside(other),
        }
    }

    /// Jobs that are quick, or have a thread of their own.
    fn start_beside(&self, job: ClipJob) {
        let Some(engine) = self.engine.clone() else {
            return;
        };
        let out = self.out.clone();
        match job {
            ClipJob::TrainAdapter(job) => adapter_trainer::spawn(engine, *job, out),
            ClipJob::CompareAdapters(job) => adapter_comparer::spawn(engine, *job, out),
            ClipJob::Export(job) => exporter::spawn(engine, *job, out),
            ClipJob::ImportFeatures(generation, path) => {
                feature_importer::spawn(engine, generation, path, out);
            }
            ClipJob::ListAdapters(folder) => {
                out.send(ClipEvent::Adapters(adapters::list(&engine, &folder)));
            }
            ClipJob::EmbedQuery(generation, text) => {
                out.send(embed_query(&engine, generation, text));
            }
            _ => {}
        }
    }

    fn learn_context(&mut self, job: &TrainJob, names: &[String]) {
        let Some(engine) = &self.engine else { return };
        let later = &mut self.later;
        let mut tell = |event| {
            self.out.send(ClipEvent::Training(event));
            answer_between_batches(engine, &self.jobs, &self.out, later);
        };
        context::learn(engine, job, names, &mut tell);
    }

    fn opened(
        &self,
        model: Option<&str>,
        options: OpenOptions,
        workers: &[WorkerSpec],
    ) -> Result<Engine, EngineError> {
        let cache = self.open_cache();
        let out = self.out.clone();
        let say = Box::new(move |text| out.send(ClipEvent::Note(text)));
        open_with_workers(model, &options, cache, workers, say)
    }

    fn take_model(&mut self, opened: Result<Engine, EngineError>, is_demo: bool) {
        let opened = opened.and_then(|engine| {
            let projections = engine.clip().projections()?;
            Ok((engine, projections))
        });
        match opened {
            Ok((engine, projections)) => {
                let clip = engine.clip();
                let info = ModelInfo {
                    name: engine.name().to_owned(),
                    device: engine.device_description().to_owned(),
                    is_demo,
                    notes: clip.notes().to_vec(),
                    dim: clip.dim(),
                    projections,
                    published_cut: engine.published_cut(),
                };
                self.engine = Some(Arc::new(engine));
                self.out.send(ClipEvent::ModelOpened(Box::new(info)));
            }
            Err(error) => self.out.send(ClipEvent::ModelFailed(error.to_string())),
        }
    }

    /// The user's feature cache; without one everything works, only slower the next time.
    fn open_cache(&self) -> Option<FeatureCache> {
        let opened = Locations::find()
            .map_err(|error| error.to_string())
            .and_then(|locations| {
                FeatureCache::open(&locations.feature_cache()).map_err(|error| error.to_string())
            });
        match opened {
            Ok((cache, note)) => {
                if let Some(note) = note {
                    self.out.send(ClipEvent::Note(note));
                }
                Some(cache)
            }
            Err(error) => {
                self.out.send(ClipEvent::Note(format!(
                    "Features will not be kept for the next time: {error}"
                )));
                None
            }
        }
    }

    fn embed_photos(
        &mut self,
        generation: Generation,
        (requests, on_screen): (&[PhotoRequest<PhotoId>], &OnScreen),
        adapter: Option<&(PathBuf, Option<f64>)>,
        cancel: &CancelToken,
    ) {
        let Some(engine) = &self.engine else { return };
        let adapter = open_adapter(engine, adapter).unwrap_or_else(|error| {
            let message = format!("{error}; the photos keep their original features");
            self.out.send(ClipEvent::AdapterFailed(message));
            None
        });
        if let Some(adapter) = &adapter {
            self.out
                .send(ClipEvent::AdapterOpened(adapter.trained_on()));
        }
        let adapter = adapter.as_ref();
        let comes_twice = adapter.and_then(AdaptedEncoder::bottleneck).is_some();
        let passes = engine.passes(adapter);
        let mut run = PhotoRun::new(generation, passes * requests.len(), &self.out);
        let report = |_, _| ();
        let progress = Progress::new(&report, cancel);
        let later = &mut self.later;
        let places = Places::new(on_screen, requests);
        let mut tell = |batch: Vec<(PhotoId, BothOutcome)>| {
            // Of photos that get both kinds of features at once, those that are cached come twice and count once.
            let is_early = |outcome: &BothOutcome| comes_twice && matches!(outcome, Ok((_, None)));
            let counts = |(_, outcome): &&(PhotoId, BothOutcome)| passes == 2 || !is_early(outcome);
            let num_done = batch.iter().filter(counts).count();
            run.hand_over(engine, batch, num_done);
            answer_between_batches(engine, &self.jobs, &self.out, later);
        };
        let awaited = || places.awaited();
        let result = engine.embed_both(requests, adapter, &awaited, &progress, &mut tell);
        let error = match result {
            Ok(()) | Err(EngineError::Cancelled(_)) => None,
            Err(error) => Some(error.to_string()),
        };
        self.out
            .send(ClipEvent::PhotosFinished { generation, error });
        memory::give_back();
    }
}

/// Prompts must not wait for ten thousand photos: text jobs and lists of adapters are answered between two batches, others wait their turn.
fn answer_between_batches(
    engine: &Engine,
    jobs: &Receiver<ClipJob>,
    out: &Outbox<ClipEvent>,
    later: &mut Vec<ClipJob>,
) {
    for job in jobs.try_iter() {
        match job {
            ClipJob::EmbedTexts {
                generation,
                classes,
            } => out.send(embed_texts(engine, generation, &classes)),
            ClipJob::EmbedQuery(generation, text) => {
                out.send(embed_query(engine, generation, text));
            }
            ClipJob::ListAdapters(folder) => {
                out.send(ClipEvent::Adapters(adapters::list(engine, &folder)));
            }
            other => later.push(other),
        }
    }
}

fn embed_texts(
    engine: &Engine,
    generation: Generation,
    classes: &[(ClassId, Vec<String>)],
) -> ClipEvent {
    match class_texts(engine, classes) {
        Ok(classes) => ClipEvent::Texts {
            generation,
            classes,
        },
        Err(error) => ClipEvent::Failed(format!("the prompts could not be embedded: {error}")),
    }
}

fn embed_query(engine: &Engine, generation: Generation, text: String) -> ClipEvent {
    let embedded = engine
        .embed_texts(&[text])
        .map_err(|error| error.to_string());
    let unit = embedded
        .and_then(|(rows, _)| Features::normalized(rows).map_err(|error| error.to_string()));
    unit.map_or_else(
        |error| ClipEvent::Failed(format!("the text could not be embedded: {error}")),
        |row| ClipEvent::Query(generation, row.row(0).to_vec()),
    )
}

fn class_texts(
    engine: &Engine,
    classes: &[(ClassId, Vec<String>)],
) -> Result<Vec<(ClassId, ClassText)>, EngineError> {
    let prompts = engine.prompt_features(classes.iter().map(|(_, texts)| texts.as_slice()))?;
    let means = class_means(&prompts, classes.len())?;
    let mut next = 0;
    let text_of = |(index, (class, texts)): (usize, &(ClassId, Vec<String>))| {
        let rows = next..next + texts.len();
        next = rows.end;
        let text = ClassText {
            mean: means.row(index).to_vec(),
            prompts: rows.map(|row| prompts.features.row(row).to_vec()).collect(),
        };
        (*class, text)
    };
    Ok(classes.iter().enumerate().map(text_of).collect())
}
