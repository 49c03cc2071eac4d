//! The worker's side of training: photos are kept, and the training tells how it goes.

use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use super::frame::{FrameError, write_frame};
use super::message::Reply;
use super::training_message::{LessonPhoto, News, Order, TrainingResult};
use crate::engine::adapter_training::{Loss, Made, Material, Photos, Report, Saved, Shelf};
use crate::engine::{Engine, EngineError};
use crate::progress::{CancelToken, Progress};

/// Photos that were sent, for the next training.
#[derive(Default)]
pub(super) struct Lessons {
    photos: Option<Photos>,
}

impl Lessons {
    /// Keeps photos.
    pub(super) fn keep(&mut self, sent: Vec<LessonPhoto>) -> Result<Reply, EngineError> {
        let mut photos = match self.photos.take() {
            Some(photos) => photos,
            None => Photos::to_come()?,
        };
        for photo in sent {
            let unusable = || EngineError::Training("a photo whose pixels are too few".to_owned());
            photos.take_in(&photo.unpacked().ok_or_else(unusable)?)?;
        }
        let count = photos.len() as u64;
        self.photos = Some(photos);
        Ok(Reply::Kept { count })
    }

    /// Trains on what was kept, and forgets it. `is_unwanted` is asked again and again.
    pub(super) fn train(
        &mut self,
        engine: &Engine,
        order: Order,
        output: &mut (impl Write + Send),
        is_unwanted: &(dyn Fn() -> bool + Sync),
    ) -> Result<Reply, FrameError> {
        let (id, cancel) = (order.id, CancelToken::default());
        let output = Mutex::new((output, Ok(())));
        // Whoever does not listen any more wants nothing: the training ends at its next step.
        let tell = |news: News| {
            let Ok(mut output) = output.lock() else {
                return;
            };
            let news = Box::new(news);
            if output.1.is_ok() {
                output.1 = write_frame(&mut output.0, &Reply::News { id, news });
            }
            if output.1.is_err() || is_unwanted() {
                cancel.cancel();
            }
        };
        let report = |done: usize, total: usize| {
            tell(News::Progress {
                done: done as u64,
                total: total as u64,
            });
        };
        let progress = Progress::new(&report, &cancel);
        let made = self.made(engine, order, &progress, &tell);
        let (_, written) = output
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        written?;
        Ok(match made {
            Ok(Made { file, outcome }) => Reply::Trained {
                id,
                result: Box::new(TrainingResult::new(file, &outcome)),
            },
            Err(EngineError::Cancelled(_)) => Reply::Cancelled { id },
            Err(EngineError::Training(reason)) => Reply::Untrainable { id, reason },
            Err(error) => super::serve::failed(Some(id), &error),
        })
    }

    fn made(
        &mut self,
        engine: &Engine,
        order: Order,
        progress: &Progress<'_>,
        tell: &dyn Fn(News),
    ) -> Result<Made, EngineError> {
        let refused = |reason: &str| EngineError::Adapter(reason.to_owned());
        let photos = self.photos.take();
        let photos = photos.ok_or_else(|| refused("no photos to learn from were sent"))?;
        let options = order.recipe.options();
        let options = options.ok_or_else(|| refused("a recipe that is not known here"))?;
        let material = Material::new(&photos, &order.classes, options.seed);
        if options.loss == Loss::ProLip && material.num_classes > order.classes.len() {
            return Err(refused("classes without a name"));
        }
        let found = order.saved.map(|(name, file)| Saved { name, file });
        let every = Duration::from_millis(order.save_every);
        let mut shelf = Shelf::handing_on(found, every, |file| {
            tell(News::Saved(file.to_vec()));
            Ok(())
        });
        let mut on_report = |report: Report| tell(News::new(report));
        engine.train_on(&material, &options, &mut shelf, progress, &mut on_report)
    }
}
