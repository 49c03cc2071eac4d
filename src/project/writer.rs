//! A thread that owns the project file, so that nobody waits for the disk.
//!
//! Whoever changes the project only sends. What waits is written together, in order, in one transaction: a slider dragged at 60 frames a second costs as many flushes as the disk can do, not 60. What could not be written (disk full, network gone) is kept and tried again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use crate::ids::PhotoId;
use crate::project::error::ProjectError;
use crate::project::file::{ProjectFile, Write};
use crate::project::history::{Commit, Step, Wanted};
use crate::project::state::{FileStamp, View};

/// Called from the writer's thread after every event; the window repaints.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// As many writes as can wait in the channel; more wait with the sender.
const MAX_WAITING: usize = 1_024;

/// As many writes as share a transaction.
const MAX_TOGETHER: usize = 256;

/// At rest for so long, the log is folded into the file.
const REST: Duration = Duration::from_secs(2);

/// How long after a failure the next try is.
const RETRY: Duration = Duration::from_secs(1);

/// How often a closing writer tries to write what failed.
const LAST_TRIES: usize = 3;

/// What the writer has to say.
#[derive(Debug)]
pub enum WriterEvent {
    /// Everything up to the step `seq` is on disk.
    Saved {
        /// The last step written; `None`: no step, but view or file stamps.
        seq: Option<u64>,
        /// When.
        at: SystemTime,
        /// How many of the writes ever sent are on disk.
        num_written: u64,
    },
    /// Nothing since the last `Saved` is on disk; it is being tried again.
    Failed {
        /// What happened, to which file, what to do.
        message: String,
    },
    /// Steps of the history that were asked for, oldest first.
    Steps {
        /// What was asked for.
        wanted: Wanted,
        /// The steps.
        steps: Vec<Step>,
    },
}

enum Message {
    Write(Write),
    Steps(Wanted),
    Flush(Sender<bool>),
}

/// The sending side of the thread that owns the project file.
pub struct ProjectWriter {
    // Both are `Some` until dropped.
    messages: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
    events: Receiver<WriterEvent>,
    backlog: VecDeque<Message>,
    num_sent: u64,
}

impl ProjectWriter {
    /// Starts the thread "project writer" on `file`.
    pub fn start(file: ProjectFile, wake: Wake) -> Result<Self, ProjectError> {
        let (messages, inbox) = bounded(MAX_WAITING);
        let (outbox, events) = bounded(MAX_WAITING);
        let path = file.path().to_owned();
        let thread = std::thread::Builder::new()
            .name("project writer".to_owned())
            .spawn(move || Worker::new(file, inbox, outbox, wake).run())
            .map_err(|source| ProjectError::Io {
                doing: "start the writer",
                source,
                path,
            })?;
        let backlog = VecDeque::new();
        let messages = Some(messages);
        Ok(Self {
            messages,
            thread: Some(thread),
            events,
            backlog,
            num_sent: 0,
        })
    }

    /// How many writes were sent; as many are on disk when [`WriterEvent::Saved`] says the same number.
    pub fn num_sent(&self) -> u64 {
        self.num_sent
    }

    /// Has a step written. Never waits.
    pub fn commit(&mut self, commit: Commit) {
        self.send_write(Write::Commit(Box::new(commit)));
    }

    /// Has the view written. Never waits.
    pub fn save_view(&mut self, view: View) {
        self.send_write(Write::View(Box::new(view)));
    }

    /// Has file stamps written. Never waits.
    pub fn save_files(&mut self, files: Vec<(PhotoId, FileStamp)>) {
        self.send_write(Write::Files(files));
    }

    /// Asks for steps of the history; they come as [`WriterEvent::Steps`]. Never waits.
    pub fn request_steps(&mut self, wanted: Wanted) {
        self.send(Message::Steps(wanted));
    }

    /// The next event, if there is one. Never waits.
    pub fn try_next(&mut self) -> Option<WriterEvent> {
        self.send_backlog();
        self.events.try_recv().ok()
    }

    /// Waits until everything sent so far is on disk; `false` when it could not be written. Not for the window's thread.
    pub fn flush(&mut self) -> bool {
        let (reply, replied) = bounded(1);
        self.backlog.push_back(Message::Flush(reply));
        self.send_all();
        replied.recv().unwrap_or(false)
    }

    fn send_write(&mut self, write: Write) {
        self.num_sent += 1;
        self.send(Message::Write(write));
    }

    fn send(&mut self, message: Message) {
        self.backlog.push_back(message);
        self.send_backlog();
    }

    fn send_backlog(&mut self) {
        let Some(messages) = &self.messages else {
            return;
        };
        while let Some(message) = self.backlog.pop_front() {
            if let Err(TrySendError::Full(message)) = messages.try_send(message) {
                self.backlog.push_front(message);
                return;
            }
        }
    }

    fn send_all(&mut self) {
        let Some(messages) = &self.messages else {
            return;
        };
        for message in self.backlog.drain(..) {
            if messages.send(message).is_err() {
                return;
            }
        }
    }
}

impl Drop for ProjectWriter {
    fn drop(&mut self) {
        self.send_all();
        self.messages = None;
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            // Panicking here as well, while unwinding, would abort.
            drop(panic);
        }
    }
}

struct Worker {
    file: ProjectFile,
    inbox: Receiver<Message>,
    outbox: Sender<WriterEvent>,
    wake: Wake,
    unwritten: Vec<Write>,
    num_written: u64,
    failure: Option<String>,
}

impl Worker {
    fn new(
        file: ProjectFile,
        inbox: Receiver<Message>,
        outbox: Sender<WriterEvent>,
        wake: Wake,
    ) -> Self {
        let (unwritten, num_written, failure) = (Vec::new(), 0, None);
        Self {
            file,
            inbox,
            outbox,
            wake,
            unwritten,
            num_written,
            failure,
        }
    }

    fn run(mut self) {
        let mut is_folded = true;
        let mut last_write = Instant::now();
        loop {
            let patience = if self.unwritten.is_empty() {
                REST
            } else {
                RETRY
            };
            match self.inbox.recv_timeout(patience) {
                Ok(message) => {
                    self.take_together(message);
                    (is_folded, last_write) = (false, Instant::now());
                }
                Err(RecvTimeoutError::Timeout) if !self.unwritten.is_empty() => {
                    self.write();
                }
                Err(RecvTimeoutError::Timeout) => {
                    if !is_folded && last_write.elapsed() >= REST {
                        // Not worth a word: the log is as safe as the file, and the last close folds it too.
                        is_folded = self.file.fold_log().unwrap_or(false);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        for _ in 0..LAST_TRIES {
            if self.unwritten.is_empty() || self.write() {
                break;
            }
            std::thread::sleep(RETRY / 4);
        }
    }

    /// Takes `first` and what waits behind it, and writes it together.
    fn take_together(&mut self, first: Message) {
        let waiting: Vec<Message> = std::iter::once(first)
            .chain(self.inbox.try_iter().take(MAX_TOGETHER))
            .collect();
        for message in waiting {
            match message {
                Message::Write(write) => self.unwritten.push(write),
                Message::Steps(wanted) => {
                    self.write();
                    self.answer(wanted);
                }
                Message::Flush(reply) => {
                    let is_written = self.write();
                    // Whoever asked may have gone.
                    reply.send(is_written).ok();
                }
            }
        }
        self.write();
    }

    /// Writes everything that waits, in one transaction; `false`: it stays for the next try.
    fn write(&mut self) -> bool {
        if self.unwritten.is_empty() {
            return true;
        }
        let result = self.file.write(&self.unwritten);
        let event = match &result {
            Ok(()) => {
                self.num_written += self.unwritten.len() as u64;
                let seq = self.unwritten.iter().rev().find_map(Write::seq);
                self.unwritten.clear();
                self.failure = None;
                WriterEvent::Saved {
                    seq,
                    at: SystemTime::now(),
                    num_written: self.num_written,
                }
            }
            Err(error) => {
                let message = error.to_string();
                // Once for each trouble, not once for each try.
                if self.failure.as_ref() == Some(&message) {
                    return false;
                }
                self.failure = Some(message.clone());
                WriterEvent::Failed { message }
            }
        };
        self.tell(event);
        result.is_ok()
    }

    fn answer(&mut self, wanted: Wanted) {
        let event = match self.file.steps(wanted) {
            Ok(steps) => WriterEvent::Steps { wanted, steps },
            Err(error) => WriterEvent::Failed {
                message: error.to_string(),
            },
        };
        self.tell(event);
    }

    /// Never waits for a reader: one that does not listen must not stop the saving.
    fn tell(&self, event: WriterEvent) {
        let is_crowded = self.outbox.len() > MAX_WAITING / 2;
        if is_crowded && matches!(event, WriterEvent::Saved { .. }) {
            return;
        }
        if self.outbox.try_send(event).is_ok() {
            (self.wake)();
        }
    }
}
