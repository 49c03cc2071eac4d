//! A conversation with one worker: greeted, its model open, and never waited for without a limit.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, bounded};

use super::RemoteError;
use super::encoder::{IN_FLIGHT, Limits};
use super::frame::{FrameError, read_frame, write_frame};
use super::link::{Connect, Link};
use super::message::{PROTOCOL, Reply, Request};
use crate::clip::{Clip, NumberFormat, OpenOptions, Precision};

/// Which worker it is, how it is reached, and what it is to open.
#[derive(Clone)]
pub(in crate::engine) struct Contact {
    pub(super) name: String,
    connect: Arc<dyn Fn() -> std::io::Result<Link> + Send + Sync>,
    pub(super) limits: Limits,
    model: Option<String>,
    options: OpenOptions,
    /// What features may be of, by the name of their space.
    formats: Vec<(String, NumberFormat)>,
    /// Numbers of a feature.
    pub(super) dim: usize,
}

impl Contact {
    /// A worker that is to open the model that `clip` is.
    pub(super) fn new(
        name: String,
        connect: Connect,
        limits: Limits,
        model: Option<&str>,
        options: OpenOptions,
        clip: &Clip,
    ) -> Self {
        Self {
            name,
            connect: Arc::from(connect),
            limits,
            model: model.map(ToOwned::to_owned),
            options,
            formats: clip
                .formats()
                .iter()
                .map(|format| (clip.space_of(*format), *format))
                .collect(),
            dim: clip.dim(),
        }
    }

    /// Starts it, and has it open the model.
    ///
    /// # Errors
    /// When it cannot be started, does not answer, or has other weights.
    pub(super) fn call(&self) -> Result<Session, RemoteError> {
        let start = |reason: std::io::Error| RemoteError::Start {
            worker: self.name.clone(),
            reason: reason.to_string(),
        };
        let link = (self.connect)().map_err(start)?;
        let mut session = Session::over(&self.name, link).map_err(start)?;
        let Limits {
            greeting, opening, ..
        } = self.limits;
        let hello = Request::Hello { protocol: PROTOCOL };
        match session.ask(hello, greeting)? {
            Reply::Hello { protocol, .. } if protocol == PROTOCOL => {}
            Reply::Hello { protocol, .. } => {
                return Err(RemoteError::Version {
                    worker: self.name.clone(),
                    theirs: protocol,
                    ours: PROTOCOL,
                });
            }
            other => return Err(session.unexpected(other)),
        }
        let activation = self.options.activation;
        let open = Request::Open {
            model: self.model.clone(),
            device: self.options.device.name().to_owned(),
            precision: self.precision().to_owned(),
            activation: activation.map(|activation| activation.name().to_owned()),
        };
        match session.ask(open, opening)? {
            Reply::Opened { space, device } => {
                let known = self.formats.iter().find(|(name, _)| *name == space);
                let Some((_, format)) = known else {
                    let worker = self.name.clone();
                    return Err(RemoteError::OtherModel { worker });
                };
                session.format = *format;
                session.device = device;
                Ok(session)
            }
            other => Err(session.unexpected(other)),
        }
    }

    /// What the worker's layers are to multiply: what suits its device, where that may stand beside what this process computes.
    fn precision(&self) -> &'static str {
        match self.formats.as_slice() {
            [(_, only)] => only.name(),
            _ => Precision::Auto.name(),
        }
    }
}

/// The conversation. Dropping it ends the worker.
pub(super) struct Session {
    name: String,
    /// Where it computes, as "CUDA 0".
    pub(super) device: String,
    /// What its layers multiply.
    pub(super) format: NumberFormat,
    link: Link,
    requests: Sender<Request>,
    replies: Receiver<Result<Reply, FrameError>>,
}

impl Session {
    /// Writes and reads on threads of their own: a worker that is stopped reads no more, and a full pipe would hold whoever writes.
    fn over(name: &str, mut link: Link) -> std::io::Result<Self> {
        let missing = || std::io::Error::other("a connection with one direction alone");
        let mut input = link.input.take().ok_or_else(missing)?;
        let mut output = link.output.take().ok_or_else(missing)?;
        let (requests, to_write) = bounded::<Request>(1);
        std::thread::Builder::new()
            .name("worker's requests".to_owned())
            .spawn(move || {
                for request in to_write {
                    if write_frame(&mut input, &request).is_err() {
                        return;
                    }
                }
            })?;
        let (sender, replies) = bounded(IN_FLIGHT + 1);
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
        Ok(Self {
            name: name.to_owned(),
            device: String::new(),
            format: NumberFormat::default(),
            link,
            requests,
            replies,
        })
    }

    /// Hands a request to the writing thread, which may still be busy with the one before.
    ///
    /// # Errors
    /// When the worker is gone, or reads nothing for as long as `patience`.
    pub(super) fn send(&mut self, request: Request, patience: Duration) -> Result<(), RemoteError> {
        match self.requests.send_timeout(request, patience) {
            Ok(()) => Ok(()),
            Err(SendTimeoutError::Timeout(_)) => Err(self.silent(patience)),
            Err(SendTimeoutError::Disconnected(_)) => Err(self.gone()),
        }
    }

    /// Sends, and waits for what is said next.
    pub(super) fn ask(
        &mut self,
        request: Request,
        patience: Duration,
    ) -> Result<Reply, RemoteError> {
        self.send(request, patience)?;
        self.hear(patience)
    }

    /// What is said next.
    ///
    /// # Errors
    /// When the worker is gone, says what is no message, or nothing for as long as `patience`.
    pub(super) fn hear(&mut self, patience: Duration) -> Result<Reply, RemoteError> {
        self.hear_within(patience)?
            .ok_or_else(|| self.silent(patience))
    }

    /// What is said next; `None` where nothing is said for as long as `time`.
    pub(super) fn hear_within(&mut self, time: Duration) -> Result<Option<Reply>, RemoteError> {
        match self.replies.recv_timeout(time) {
            Ok(Ok(reply)) => Ok(Some(reply)),
            Ok(Err(FrameError::Closed | FrameError::Io(_)))
            | Err(RecvTimeoutError::Disconnected) => Err(self.gone()),
            Ok(Err(error)) => Err(self.babble(error.to_string())),
            Err(RecvTimeoutError::Timeout) => Ok(None),
        }
    }

    /// It has said nothing for so long.
    pub(super) fn silent(&self, patience: Duration) -> RemoteError {
        RemoteError::Silent {
            worker: self.name.clone(),
            seconds: patience.as_secs(),
        }
    }

    /// What it says is no answer.
    pub(super) fn babble(&self, reason: String) -> RemoteError {
        RemoteError::Babble {
            worker: self.name.clone(),
            reason,
        }
    }

    /// A reply that was not asked for, or says that something did not work.
    pub(super) fn unexpected(&self, reply: Reply) -> RemoteError {
        match reply {
            Reply::Failed {
                reason, is_memory, ..
            } => RemoteError::Refused {
                worker: self.name.clone(),
                reason,
                is_memory,
            },
            _ => self.babble("it answered something else than was asked".to_owned()),
        }
    }

    fn gone(&mut self) -> RemoteError {
        RemoteError::Gone {
            worker: self.name.clone(),
            reason: self.link.last_words(),
        }
    }
}
