//! The window's side: one worker, what is asked of it, and what to do when it fails.

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use super::link::Connect;
use super::message::{Reply, Request};
use super::session::{Contact, Session};
use super::{RemoteError, WorkerSpec};
use crate::clip::preprocess::Crop;
use crate::clip::{Clip, EncodedImages, NumberFormat, OpenOptions};
use crate::features::Matrix;

/// Batches on their way at once: one is encoded while the next one travels.
pub(super) const IN_FLIGHT: usize = 2;
/// Restarts after which a worker is given up.
const MOST_RESTARTS: usize = 3;

/// How long a worker is waited for, and how much it is given.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a greeting; an ssh connection takes some seconds.
    pub greeting: Duration,
    /// For a model to be open.
    pub opening: Duration,
    /// For a batch.
    pub batch: Duration,
    /// For a step of a training, or whatever else it tells of.
    pub step: Duration,
    /// Between two states of a training that come back.
    pub saving: Duration,
    /// Photos in a batch at first; a GPU wants many, and pays nothing for them.
    pub num_photos: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            greeting: Duration::from_secs(30),
            opening: Duration::from_mins(5),
            batch: Duration::from_mins(3),
            step: Duration::from_mins(15),
            saving: Duration::from_mins(1),
            num_photos: 64,
        }
    }
}

/// An adapter file that workers are sent.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterFile {
    /// Names it and its scale.
    pub id: String,
    /// The file.
    pub path: PathBuf,
    /// The scale in use.
    pub scale: f64,
}

/// A worker with its model open.
pub struct RemoteEncoder {
    contact: Contact,
    device: String,
    format: NumberFormat,
    session: Option<Session>,
    /// Those that the worker was sent.
    adapters: HashSet<String>,
    /// Requests to encode that are not answered, with their number of photos, the oldest first.
    asked: VecDeque<(u64, usize)>,
    batch: usize,
    num_restarts: usize,
    next_id: u64,
}

impl RemoteEncoder {
    /// Starts a worker and has it open the model that `clip` is.
    ///
    /// # Errors
    /// When it cannot be started, does not answer, or has other weights.
    pub fn start(
        spec: &WorkerSpec,
        model: Option<&str>,
        options: &OpenOptions,
        clip: &Clip,
    ) -> Result<Self, RemoteError> {
        Self::over(
            spec.name(),
            spec.connect(),
            Limits::default(),
            model,
            options,
            clip,
        )
    }

    /// The same over any connection.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn over(
        name: String,
        connect: Connect,
        limits: Limits,
        model: Option<&str>,
        options: &OpenOptions,
        clip: &Clip,
    ) -> Result<Self, RemoteError> {
        let mut encoder = Self {
            contact: Contact::new(name, connect, limits, model, *options, clip),
            device: String::new(),
            format: clip.format(),
            session: None,
            adapters: HashSet::new(),
            asked: VecDeque::new(),
            batch: limits.num_photos,
            num_restarts: 0,
            next_id: 1,
        };
        encoder.connect()?;
        Ok(encoder)
    }

    /// For people.
    pub fn name(&self) -> &str {
        &self.contact.name
    }

    /// How another process like it is reached.
    pub(in crate::engine) fn contact(&self) -> &Contact {
        &self.contact
    }

    /// Where it computes, as "CUDA 0".
    pub fn device(&self) -> &str {
        &self.device
    }

    /// What its layers multiply.
    pub(in crate::engine) fn format(&self) -> NumberFormat {
        self.format
    }

    /// Photos that it is given at once.
    pub fn batch_size(&self) -> usize {
        self.batch
    }

    /// Whether it is there, as far as anybody knows.
    pub fn is_connected(&self) -> bool {
        self.session.is_some()
    }

    /// Asks for crops to be encoded; [`Self::receive`] has the answers, in order.
    pub(super) fn ask(
        &mut self,
        crops: &[Crop],
        adapter: Option<&AdapterFile>,
    ) -> Result<(), RemoteError> {
        if let Some(adapter) = adapter {
            self.send_adapter(adapter)?;
        }
        let id = self.next_id;
        self.next_id += 1;
        let size = crops.first().map_or(0, |crop| crop.size) as u32;
        let pixels = crops.iter().flat_map(|crop| crop.pixels.iter().copied());
        let request = Request::Encode {
            id,
            size,
            pixels: pixels.collect(),
            adapter: adapter.map(|adapter| adapter.id.clone()),
        };
        let patience = self.contact.limits.batch;
        self.session()?.send(request, patience)?;
        self.asked.push_back((id, crops.len()));
        Ok(())
    }

    /// Waits for the answer to the oldest request: a row of features for each of its crops.
    pub(super) fn receive(&mut self) -> Result<EncodedImages, RemoteError> {
        let Contact { limits, dim, .. } = self.contact;
        let (asked, num_photos) = self.asked.pop_front().unwrap_or_default();
        let session = self.session()?;
        match session.hear(limits.batch)? {
            Reply::Encoded {
                id,
                dim: cols,
                features,
                width,
                hidden,
            } if id == asked && cols as usize == dim => {
                let features = matrix(num_photos, cols, features);
                let hidden = (width > 0).then(|| matrix(num_photos, width, hidden));
                let images = features.and_then(|features| {
                    let hidden = hidden.transpose()?;
                    Ok(EncodedImages { features, hidden })
                });
                images.map_err(|reason| session.babble(reason))
            }
            other => Err(session.unexpected(other)),
        }
    }

    /// Starts the worker again after a failure, with smaller batches where that may help. `false`: it is given up.
    pub(super) fn restart(&mut self, after: &RemoteError) -> bool {
        self.forget();
        let is_hopeless = matches!(
            after,
            RemoteError::Version { .. }
                | RemoteError::OtherModel { .. }
                | RemoteError::Babble { .. }
        );
        if is_hopeless || self.num_restarts >= MOST_RESTARTS {
            return false;
        }
        self.num_restarts += 1;
        self.batch = (self.batch / 2).max(1);
        self.connect().is_ok()
    }

    /// Tells the worker that nobody waits for what it still has, and hears it out.
    pub(super) fn cancel(&mut self) {
        let (id, patience) = (self.next_id - 1, self.contact.limits.batch);
        let mut is_well = match self.session() {
            Ok(session) => session.send(Request::Cancel { id }, patience).is_ok(),
            Err(_) => false,
        };
        while is_well && self.asked.pop_front().is_some() {
            is_well = self
                .session()
                .is_ok_and(|session| session.hear(patience).is_ok());
        }
        if !is_well {
            self.forget();
        }
    }

    /// Connects where that was not done, or undone by a cancel.
    pub(super) fn ensure_connected(&mut self) -> Result<(), RemoteError> {
        match self.session {
            Some(_) => Ok(()),
            None => self.connect(),
        }
    }

    fn connect(&mut self) -> Result<(), RemoteError> {
        self.forget();
        let session = self.contact.call()?;
        self.device.clone_from(&session.device);
        self.format = session.format;
        self.session = Some(session);
        Ok(())
    }

    /// Ends the conversation, and what was said in it.
    fn forget(&mut self) {
        self.session = None;
        self.adapters.clear();
        self.asked.clear();
    }

    fn send_adapter(&mut self, adapter: &AdapterFile) -> Result<(), RemoteError> {
        if self.adapters.contains(&adapter.id) {
            return Ok(());
        }
        let refused = |error: std::io::Error| RemoteError::Refused {
            worker: self.contact.name.clone(),
            reason: format!(
                "the adapter cannot be read ({error}): {}",
                adapter.path.display()
            ),
            is_memory: false,
        };
        let request = Request::Adapter {
            id: adapter.id.clone(),
            file: std::fs::read(&adapter.path).map_err(refused)?,
            scale: Some(adapter.scale),
        };
        // Answers to batches that were asked for before come first; there are none when an adapter is first used.
        let opening = self.contact.limits.opening;
        let session = self.session()?;
        match session.ask(request, opening)? {
            Reply::Adapted { id } if id == adapter.id => {
                self.adapters.insert(id);
                Ok(())
            }
            other => Err(session.unexpected(other)),
        }
    }

    fn session(&mut self) -> Result<&mut Session, RemoteError> {
        let gone = || RemoteError::Gone {
            worker: self.contact.name.clone(),
            reason: String::new(),
        };
        self.session.as_mut().ok_or_else(gone)
    }
}

/// Numbers of `num_rows` rows; they go into the cache, so that what no model gives must not pass.
fn matrix(num_rows: usize, cols: u32, data: Vec<f32>) -> Result<Matrix, String> {
    if data.iter().any(|number| !number.is_finite()) {
        return Err("features that are no numbers".to_owned());
    }
    Matrix::new(num_rows, cols as usize, data).map_err(|error| error.to_string())
}
