//! Training in another process: photos go there once, what is told comes back, and a process that dies is replaced where it was.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::message::{Reply, Request};
use super::session::{Contact, Session};
use super::training_message::{self, LessonPhoto, News, Order, Recipe};
use super::{RemoteEncoder, RemoteError};
use crate::clip::Clip;
use crate::engine::adapter_training::{
    Made, Material, Plan, Report, SentPhoto, Shelf, TrainingOptions,
};
use crate::engine::{Engine, EngineError};
use crate::progress::Progress;

/// Photos of a message: some megabytes.
const SENT_AT_ONCE: usize = 16;
/// Processes after the first that a training is tried in.
const MOST_RESTARTS: usize = 1;
/// How often somebody looks whether the training is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The only training of its process.
const ID: u64 = 1;

/// A worker that trains, in a process of its own: photos go on being encoded meanwhile.
pub(in crate::engine) struct Trainer {
    contact: Contact,
    /// As "the worker on gpu, CUDA 0".
    name: String,
}

/// Why there is no adapter.
enum Failure {
    /// It would fail anywhere, or nobody wants it any more.
    Training(EngineError),
    /// Another process may do it.
    Worker(RemoteError),
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::Training(error)
    }
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        Self::Worker(error)
    }
}

impl Trainer {
    /// The first worker with a GPU; where `clip` computes on the processor too, the first of all.
    pub(in crate::engine) fn among(workers: &[RemoteEncoder], clip: &Clip) -> Option<Self> {
        let has_gpu = |worker: &&RemoteEncoder| !worker.device().starts_with("CPU");
        let any = || workers.first().filter(|_| clip.device().is_cpu());
        let worker = workers.iter().find(has_gpu).or_else(any)?;
        Some(Self {
            contact: worker.contact().clone(),
            name: format!("{}, {}", worker.name(), worker.device()),
        })
    }

    /// Trains there; a process that dies is replaced once, and the new one goes on from the last state that was sent. `None`: it
    /// is given up, as `say` was told, and `shelf` has the last state.
    ///
    /// # Errors
    /// When the training would fail anywhere, or nobody wants it any more.
    pub(in crate::engine) fn train(
        &self,
        (engine, material): (&Engine, &Material<'_>),
        options: &TrainingOptions,
        shelf: &mut Shelf<'_>,
        progress: &Progress<'_>,
        on_report: &mut dyn FnMut(Report),
        say: &dyn Fn(String),
    ) -> Result<Option<Made>, EngineError> {
        let (mut options, mut planned) = (options.clone(), None);
        // A plan is told again where it is another.
        let mut on_report = |report: Report| match report {
            Report::Planned(plan) if planned.as_ref() == Some(&plan) => {}
            Report::Planned(plan) => {
                planned = Some(plan.clone());
                on_report(Report::Planned(plan));
            }
            other => on_report(other),
        };
        for attempt in 0..=MOST_RESTARTS {
            let tried = self.contact.call().map_err(Failure::Worker);
            let tried = tried.and_then(|session| {
                let mut lesson = RemoteLesson {
                    session,
                    trainer: self,
                    material,
                    shelf: &mut *shelf,
                    progress,
                };
                lesson.send_photos(engine, &options)?;
                lesson.train(&options, &mut on_report)
            });
            let error = match tried {
                Ok(made) => return Ok(Some(made)),
                Err(Failure::Training(error)) => return Err(error),
                Err(Failure::Worker(error)) => error,
            };
            progress.check()?;
            if attempt == MOST_RESTARTS || is_hopeless(&error) {
                say(format!("{error}; the adapter is trained without it"));
                return Ok(None);
            }
            say(format!(
                "{error}; the training goes on in a new process, with half the memory"
            ));
            options = options.with_half_the_memory();
        }
        Ok(None)
    }
}

/// Whether a new process would say the same.
fn is_hopeless(error: &RemoteError) -> bool {
    matches!(
        error,
        RemoteError::Start { .. }
            | RemoteError::Version { .. }
            | RemoteError::OtherModel { .. }
            | RemoteError::Babble { .. }
    )
}

/// One training in one process.
struct RemoteLesson<'a, 'b> {
    session: Session,
    trainer: &'a Trainer,
    material: &'a Material<'a>,
    shelf: &'a mut Shelf<'b>,
    progress: &'a Progress<'a>,
}

impl RemoteLesson<'_, '_> {
    /// Sends all photos; each message is answered before the next, so that what is on its way has an end.
    fn send_photos(&mut self, engine: &Engine, options: &TrainingOptions) -> Result<(), Failure> {
        let (count, patience) = (
            self.material.photos.len(),
            self.trainer.contact.limits.batch,
        );
        let all: Vec<usize> = (0..count).collect();
        for batch in all.chunks(SENT_AT_ONCE) {
            let done = batch.first().copied().unwrap_or(0);
            self.progress.step(done, count).map_err(EngineError::from)?;
            let photos: Vec<SentPhoto> = batch
                .par_iter()
                .map(|photo| self.material.to_send(*photo, options.loss, engine))
                .collect::<Result<_, _>>()?;
            let photos = photos.into_iter().map(LessonPhoto::new).collect();
            match self.session.ask(Request::Learn { photos }, patience)? {
                Reply::Kept { count } if count == (done + batch.len()) as u64 => {}
                other => return Err(self.session.unexpected(other).into()),
            }
        }
        Ok(())
    }

    /// Trains on the photos that were sent.
    fn train(
        &mut self,
        options: &TrainingOptions,
        on_report: &mut dyn FnMut(Report),
    ) -> Result<Made, Failure> {
        let limits = self.trainer.contact.limits;
        let order = Order {
            id: ID,
            classes: self.material.classes.to_vec(),
            recipe: Recipe::new(options),
            saved: Order::saved(self.shelf.found.as_ref()),
            save_every: limits.saving.as_millis() as u64,
        };
        let request = Request::Train(Box::new(order));
        self.session.send(request, limits.batch)?;
        let (mut heard, mut is_told) = (Instant::now(), false);
        loop {
            if self.progress.check().is_err() && !is_told {
                is_told = true;
                self.session
                    .send(Request::Cancel { id: ID }, limits.batch)?;
            }
            match self.session.hear_within(LOOK_EVERY)? {
                Some(Reply::News { id: ID, news }) => self.take_in(*news, on_report)?,
                Some(Reply::Trained { id: ID, result }) => {
                    let outcome = result.outcome();
                    let file = result.file;
                    return Ok(Made { file, outcome });
                }
                Some(Reply::Untrainable { id: ID, reason }) => {
                    return Err(EngineError::Training(reason).into());
                }
                Some(Reply::Cancelled { id: ID }) => {
                    self.progress.check().map_err(EngineError::from)?;
                    return Err(self.session.babble("it ended unasked".to_owned()).into());
                }
                Some(other) => return Err(self.session.unexpected(other).into()),
                None if heard.elapsed() >= limits.step => {
                    return Err(self.session.silent(limits.step).into());
                }
                None => continue,
            }
            heard = Instant::now();
        }
    }

    fn take_in(&mut self, news: News, on_report: &mut dyn FnMut(Report)) -> Result<(), Failure> {
        let odd = |session: &Session| session.babble("news that do not fit together".to_owned());
        match news {
            News::Progress { done, total } => {
                self.progress.report(done as usize, total as usize);
            }
            News::Planned(plan) => {
                let skipped = self.material.photos.skipped().to_vec();
                let plan: Option<Plan> = plan.plan(skipped, self.trainer.name.clone());
                on_report(Report::Planned(plan.ok_or_else(|| odd(&self.session))?));
            }
            News::Step {
                step,
                total,
                loss,
                images_per_second,
                seconds_left,
            } => {
                let step =
                    training_message::step((step, total), loss, images_per_second, seconds_left);
                on_report(Report::Step(step));
            }
            News::HeldOut {
                step,
                features,
                labels,
                figures,
            } => {
                let looked = training_message::held_out(step, features, &labels, figures);
                on_report(Report::HeldOut(looked.ok_or_else(|| odd(&self.session))?));
            }
            News::Saved(file) => self.shelf.move_on(file)?,
        }
        Ok(())
    }
}
