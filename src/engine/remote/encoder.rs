//! The window's side: one worker, what is asked of it, and what to do when it fails.

use std::collections::{HashSet, VecDeque};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use super::frame::{FrameError, read_frame, write_frame};
use super::link::{Connect, Link};
use super::message::{PROTOCOL, Reply, Request};
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
    /// Photos in a batch at first; a GPU wants many, and pays nothing for them.
    pub num_photos: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            greeting: Duration::from_secs(30),
            opening: Duration::from_mins(5),
            batch: Duration::from_mins(3),
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
    name: String,
    connect: Connect,
    limits: Limits,
    model: Option<String>,
    options: OpenOptions,
    space: String,
    format: NumberFormat,
    device: String,
    session: Option<Session>,
    batch: usize,
    num_restarts: usize,
    next_id: u64,
}

/// A connection with what was said over it.
struct Session {
    link: Link,
    replies: Receiver<Result<Reply, FrameError>>,
    adapters: HashSet<String>,
    /// Requests to encode that are not answered, the oldest first.
    asked: VecDeque<u64>,
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
            name,
            connect,
            limits,
            model: model.map(ToOwned::to_owned),
            options: *options,
            space: clip.space(),
            format: clip.format(),
            device: String::new(),
            session: None,
            batch: limits.num_photos,
            num_restarts: 0,
            next_id: 1,
        };
        encoder.connect()?;
        Ok(encoder)
    }

    /// For people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it computes, as "CUDA 0".
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Photos that it is given at once.
    pub fn batch_size(&self) -> usize {
        self.batch
    }

    /// Whether it is there, as far as anybody knows.
    pub fn is_connected(&self) -> bool {
        self.session.is_some()
    }

    /// How many requests wait for an answer.
    pub(super) fn num_asked(&self) -> usize {
        self.session
            .as_ref()
            .map_or(0, |session| session.asked.len())
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
        self.send(&Request::Encode {
            id,
            size,
            pixels: pixels.collect(),
            adapter: adapter.map(|adapter| adapter.id.clone()),
        })?;
        if let Some(session) = &mut self.session {
            session.asked.push_back(id);
        }
        Ok(())
    }

    /// Waits for the answer to the oldest request.
    pub(super) fn receive(&mut self) -> Result<EncodedImages, RemoteError> {
        let reply = self.hear(self.limits.batch)?;
        let expected = self
            .session
            .as_mut()
            .and_then(|session| session.asked.pop_front());
        match reply {
            Reply::Encoded {
                id,
                dim,
                features,
                width,
                hidden,
            } if Some(id) == expected => {
                let features = self.matrix(dim, features)?;
                let hidden = match width {
                    0 => None,
                    width => Some(self.matrix(width, hidden)?),
                };
                Ok(EncodedImages { features, hidden })
            }
            other => Err(self.unexpected(other)),
        }
    }

    /// Starts the worker again after a failure, with smaller batches where that may help. `false`: it is given up.
    pub(super) fn restart(&mut self, after: &RemoteError) -> bool {
        self.session = None;
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
        let id = self.next_id - 1;
        let mut is_well = self.send(&Request::Cancel { id }).is_ok();
        while is_well && self.num_asked() > 0 {
            is_well = self.hear(self.limits.batch).is_ok();
            if let Some(session) = &mut self.session {
                session.asked.pop_front();
            }
        }
        if !is_well {
            self.session = None;
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
        let start = |reason: std::io::Error| RemoteError::Start {
            worker: self.name.clone(),
            reason: reason.to_string(),
        };
        let link = (self.connect)().map_err(start)?;
        self.session = Some(listen(link).map_err(start)?);
        self.send(&Request::Hello { protocol: PROTOCOL })?;
        match self.hear(self.limits.greeting)? {
            Reply::Hello { protocol, .. } if protocol == PROTOCOL => {}
            Reply::Hello { protocol, .. } => {
                return Err(RemoteError::Version {
                    worker: self.name.clone(),
                    theirs: protocol,
                    ours: PROTOCOL,
                });
            }
            other => return Err(self.unexpected(other)),
        }
        let activation = self.options.activation;
        self.send(&Request::Open {
            model: self.model.clone(),
            device: self.options.device.name().to_owned(),
            precision: self.format.name().to_owned(),
            activation: activation.map(|activation| activation.name().to_owned()),
        })?;
        match self.hear(self.limits.opening)? {
            Reply::Opened { space, .. } if space != self.space => {
                let worker = self.name.clone();
                Err(RemoteError::OtherModel { worker })
            }
            Reply::Opened { device, .. } => {
                self.device = device;
                Ok(())
            }
            other => Err(self.unexpected(other)),
        }
    }

    fn send_adapter(&mut self, adapter: &AdapterFile) -> Result<(), RemoteError> {
        let is_there = |session: &Session| session.adapters.contains(&adapter.id);
        if self.session.as_ref().is_some_and(is_there) {
            return Ok(());
        }
        let refused = |error: std::io::Error| RemoteError::Refused {
            worker: self.name.clone(),
            reason: format!(
                "the adapter cannot be read ({error}): {}",
                adapter.path.display()
            ),
            is_memory: false,
        };
        let file = std::fs::read(&adapter.path).map_err(refused)?;
        self.send(&Request::Adapter {
            id: adapter.id.clone(),
            file,
            scale: Some(adapter.scale),
        })?;
        // Answers to batches that were asked for before come first; there are none when an adapter is first used.
        match self.hear(self.limits.opening)? {
            Reply::Adapted { id } if id == adapter.id => {
                if let Some(session) = &mut self.session {
                    session.adapters.insert(id);
                }
                Ok(())
            }
            other => Err(self.unexpected(other)),
        }
    }

    fn send(&mut self, request: &Request) -> Result<(), RemoteError> {
        let written = match &mut self.session {
            Some(session) => write_frame(&mut session.link.input, request).is_ok(),
            None => false,
        };
        if written { Ok(()) } else { Err(self.gone()) }
    }

    fn hear(&self, patience: Duration) -> Result<Reply, RemoteError> {
        let Some(session) = &self.session else {
            return Err(self.gone());
        };
        match session.replies.recv_timeout(patience) {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(FrameError::Closed | FrameError::Io(_)))
            | Err(RecvTimeoutError::Disconnected) => Err(self.gone()),
            Ok(Err(error)) => Err(RemoteError::Babble {
                worker: self.name.clone(),
                reason: error.to_string(),
            }),
            Err(RecvTimeoutError::Timeout) => Err(RemoteError::Silent {
                worker: self.name.clone(),
                seconds: patience.as_secs(),
            }),
        }
    }

    fn gone(&self) -> RemoteError {
        let said = |session: &Session| session.link.last_words();
        RemoteError::Gone {
            worker: self.name.clone(),
            reason: self.session.as_ref().map_or_else(String::new, said),
        }
    }

    fn unexpected(&self, reply: Reply) -> RemoteError {
        let worker = self.name.clone();
        match reply {
            Reply::Failed {
                reason, is_memory, ..
            } => RemoteError::Refused {
                worker,
                reason,
                is_memory,
            },
            _ => RemoteError::Babble {
                worker,
                reason: "it answered something else than was asked".to_owned(),
            },
        }
    }

    fn matrix(&self, cols: u32, data: Vec<f32>) -> Result<Matrix, RemoteError> {
        let cols = cols as usize;
        let rows = data.len() / cols.max(1);
        Matrix::new(rows, cols, data).map_err(|error| RemoteError::Babble {
            worker: self.name.clone(),
            reason: error.to_string(),
        })
    }
}

/// Reads replies on a thread of its own, so that one can be waited for with a limit.
fn listen(mut link: Link) -> std::io::Result<Session> {
    let (sender, replies) = bounded(IN_FLIGHT + 1);
    let output = link.output.take();
    let mut output = output.ok_or_else(|| std::io::Error::other("no output to listen to"))?;
    std::thread::Builder::new()
        .name("worker's replies".to_owned())
        .spawn(move || {
            loop {
                let reply = read_frame::<Reply>(&mut output);
                let is_last = reply.is_err();
                if sender.send(reply).is_err() || is_last {
                    return;
                }
            }
        })?;
    link.input.flush().ok();
    Ok(Session {
        link,
        replies,
        adapters: HashSet::new(),
        asked: VecDeque::new(),
    })
}
