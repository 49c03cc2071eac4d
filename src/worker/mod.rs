//! Threads around the engine and the methods. Each is named, takes a closed set of jobs through a bounded channel, answers with a
//! closed set of events, and wakes the window after each; nobody who waits for a frame ever waits for them.
//!
//! - [`clip_worker`]: owns the [`crate::engine::Engine`]; opens models, embeds photos and texts
//! - [`scoring_worker`]: owns all features; fits, tunes, predicts, measures overlap
//! - [`file_worker`]: walks dropped folders, writes pasted pictures

pub mod adapter_comparer;
pub mod adapter_trainer;
pub mod clip_worker;
pub mod download_worker;
pub mod evidence_set;
pub mod exporter;
pub mod feature_importer;
pub mod feature_table;
pub mod file_worker;
pub mod lesson;
pub mod look_again;
pub mod map_worker;
pub mod scoring_worker;
pub mod study_worker;
pub mod thumbnail_reader;
pub mod training_worker;

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

pub use crate::project::Wake;

/// Jobs that may wait for a thread. The window coalesces its requests, so a full queue means a fault, not load.
const QUEUE: usize = 4096;

/// A named thread with its two channels; dropping it closes the job channel, and the thread ends after its job in hand.
pub struct Worker<Job, Event> {
    jobs: Sender<Job>,
    events: Receiver<Event>,
}

/// A worker thread's end of the event channel; a clone is another thread's.
pub struct Outbox<Event> {
    events: Sender<Event>,
    wake: Wake,
}

impl<Event> Clone for Outbox<Event> {
    fn clone(&self) -> Self {
        Self {
            events: self.events.clone(),
            wake: Arc::clone(&self.wake),
        }
    }
}

impl<Event> Outbox<Event> {
    /// Sends an event and wakes the window; waits while the window is behind, gives up when it is gone.
    pub fn send(&self, event: Event) {
        if self.events.send(event).is_ok() {
            (self.wake)();
        }
    }
}

impl<Event: Send + 'static> Outbox<Event> {
    /// Runs `body` on a thread of its own called `name`; where the system gives none, sends what `failed` makes of that.
    fn on_thread(
        self,
        name: &str,
        body: impl FnOnce(&Self) + Send + 'static,
        failed: impl FnOnce(std::io::Error) -> Event,
    ) {
        let told = self.clone();
        let thread = std::thread::Builder::new().name(name.to_owned());
        if let Err(error) = thread.spawn(move || body(&self)) {
            told.send(failed(error));
        }
    }
}

impl<Job: Send + 'static, Event: Send + 'static> Worker<Job, Event> {
    /// Starts a thread called `name` that runs `body` until its job channel closes.
    pub fn start(
        name: &str,
        wake: Wake,
        body: impl FnOnce(Receiver<Job>, Outbox<Event>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, job_receiver) = bounded(QUEUE);
        let (event_sender, events) = bounded(QUEUE);
        let outbox = Outbox {
            events: event_sender,
            wake,
        };
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || body(job_receiver, outbox))?;
        Ok(Self { jobs, events })
    }

    /// Hands over a job without waiting; `false` when the thread is gone or hopelessly behind.
    pub fn submit(&self, job: Job) -> bool {
        match self.jobs.try_send(job) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    /// The next event, if there is one.
    pub fn try_next(&self) -> Option<Event> {
        self.events.try_recv().ok()
    }
}
