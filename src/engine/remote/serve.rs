//! The worker's side: requests in, replies out, until the other end closes.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_channel::{Sender, bounded};

use super::frame::{FrameError, read_frame, write_frame};
use super::message::{PROTOCOL, Reply, Request};
use super::serve_training::Lessons;
use super::training_message::Order;
use crate::clip::preprocess::Crop;
use crate::clip::{
    Activation, BottleneckAdapter, DeviceChoice, OpenOptions, Precision, is_about_memory,
};
use crate::engine::{Engine, EngineError};

/// Requests read ahead of the one that is being answered: the next batch travels while this one is encoded.
const AHEAD: usize = 4;

/// Answers requests until `input` ends. Photos are not read here, and nothing is remembered.
///
/// # Errors
/// When a stream breaks, or what comes is no message.
pub fn serve(mut input: impl Read + Send, mut output: impl Write + Send) -> Result<(), FrameError> {
    let (cancelled, has_hung_up) = (AtomicU64::new(0), AtomicBool::new(false));
    let (sender, requests) = bounded::<Request>(AHEAD);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let read = read_all(&mut input, &sender, &cancelled);
            has_hung_up.store(true, Ordering::Relaxed);
            // Ends the answers; also where this thread ends because a stream broke.
            drop(sender);
            read
        });
        let mut worker = Worker::default();
        let answer_all = || {
            for request in requests {
                let reply = match request {
                    Request::Train(order) => {
                        let id = order.id;
                        let is_unwanted = || {
                            has_hung_up.load(Ordering::Relaxed)
                                || id <= cancelled.load(Ordering::Relaxed)
                        };
                        worker.train(*order, &mut output, &is_unwanted)?
                    }
                    other => worker.answer(other, &cancelled),
                };
                write_frame(&mut output, &reply)?;
            }
            Ok(())
        };
        let answered = answer_all();
        // Whoever listens hears that it is over, though the reader may wait for another request.
        drop(output);
        let broken = |_panic| FrameError::Io(std::io::Error::other("the reader ended"));
        answered.and(reader.join().map_err(broken)?)
    })
}

/// Hands on requests until `input` ends; what cancels is heard at once, and not behind what it cancels.
fn read_all(
    input: &mut impl Read,
    requests: &Sender<Request>,
    cancelled: &AtomicU64,
) -> Result<(), FrameError> {
    loop {
        match read_frame::<Request>(input) {
            Ok(Request::Cancel { id }) => {
                cancelled.fetch_max(id, Ordering::Relaxed);
            }
            Ok(request) => {
                if requests.send(request).is_err() {
                    return Ok(());
                }
            }
            Err(FrameError::Closed) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

#[derive(Default)]
struct Worker {
    engine: Option<Engine>,
    adapters: HashMap<String, BottleneckAdapter>,
    lessons: Lessons,
}

impl Worker {
    fn answer(&mut self, request: Request, cancelled: &AtomicU64) -> Reply {
        match request {
            Request::Hello { .. } => Reply::Hello {
                protocol: PROTOCOL,
                program: env!("CARGO_PKG_VERSION").to_owned(),
            },
            Request::Open {
                model,
                device,
                precision,
                activation,
            } => {
                // Both ends are of one protocol, and so know the same names.
                let options = OpenOptions {
                    device: DeviceChoice::named(&device).unwrap_or_default(),
                    precision: Precision::named(&precision).unwrap_or_default(),
                    activation: activation.as_deref().and_then(Activation::named),
                };
                self.open(model.as_deref(), options)
                    .unwrap_or_else(|error| failed(None, &error))
            }
            Request::Adapter { id, file, scale } => self
                .take_in(id, &file, scale)
                .unwrap_or_else(|error| failed(None, &error)),
            Request::Encode { id, .. } if id <= cancelled.load(Ordering::Relaxed) => {
                Reply::Cancelled { id }
            }
            Request::Encode {
                id,
                size,
                pixels,
                adapter,
            } => self
                .encode(id, size as usize, &pixels, adapter.as_deref())
                .unwrap_or_else(|error| failed(Some(id), &error)),
            Request::Learn { photos } => self
                .lessons
                .keep(photos)
                .unwrap_or_else(|error| failed(None, &error)),
            // A training writes as it goes; a cancel is heard by whoever reads.
            Request::Train(order) => Reply::Cancelled { id: order.id },
            Request::Cancel { id } => Reply::Cancelled { id },
        }
    }

    fn open(&mut self, model: Option<&str>, options: OpenOptions) -> Result<Reply, EngineError> {
        self.adapters.clear();
        let engine = Engine::open(model, &options, None)?;
        let clip = engine.clip();
        let reply = Reply::Opened {
            space: clip.space(),
            device: clip.device_description(),
        };
        self.engine = Some(engine);
        Ok(reply)
    }

    fn train(
        &mut self,
        order: Order,
        output: &mut (impl Write + Send),
        is_unwanted: &(dyn Fn() -> bool + Sync),
    ) -> Result<Reply, FrameError> {
        let id = order.id;
        match &self.engine {
            Some(engine) => self.lessons.train(engine, order, output, is_unwanted),
            None => Ok(failed(Some(id), &not_opened())),
        }
    }

    fn engine(&self) -> Result<&Engine, EngineError> {
        self.engine.as_ref().ok_or_else(not_opened)
    }

    fn take_in(
        &mut self,
        id: String,
        file: &[u8],
        scale: Option<f64>,
    ) -> Result<Reply, EngineError> {
        let put_down = || {
            let mut kept = tempfile::Builder::new()
                .prefix("shotlens-")
                .suffix(".safetensors")
                .tempfile()?;
            kept.write_all(file)?;
            Ok(kept.into_temp_path())
        };
        let path = put_down().map_err(|error: std::io::Error| EngineError::Folder {
            problem: format!("the adapter could not be put down ({error})"),
            path: std::env::temp_dir(),
        })?;
        let opened = BottleneckAdapter::open(&path, scale, self.engine()?.clip())?;
        self.adapters.insert(id.clone(), opened);
        Ok(Reply::Adapted { id })
    }

    fn encode(
        &self,
        id: u64,
        size: usize,
        pixels: &[u8],
        adapter: Option<&str>,
    ) -> Result<Reply, EngineError> {
        let adapter =
            match adapter {
                Some(name) => Some(self.adapters.get(name).ok_or_else(|| {
                    EngineError::Adapter(format!("the adapter {name} was not sent"))
                })?),
                None => None,
            };
        let engine = self.engine()?;
        let expected = engine.clip().preprocess().size;
        let bytes = 3 * expected * expected;
        if size != expected || !pixels.len().is_multiple_of(bytes) {
            return Err(EngineError::Adapter(format!(
                "{} bytes are no crops of {expected} pixels",
                pixels.len()
            )));
        }
        let crops: Vec<Crop> = pixels
            .chunks_exact(bytes)
            .map(|pixels| Crop {
                size,
                pixels: pixels.to_vec(),
            })
            .collect();
        let encoded = engine.clip().encode_crops(&crops, adapter)?;
        Ok(Reply::Encoded {
            id,
            dim: encoded.features.cols() as u32,
            features: encoded.features.into_vec(),
            width: encoded
                .hidden
                .as_ref()
                .map_or(0, |hidden| hidden.cols() as u32),
            hidden: encoded
                .hidden
                .map_or_else(Vec::new, crate::features::Matrix::into_vec),
        })
    }
}

fn not_opened() -> EngineError {
    EngineError::Adapter("no model was opened".to_owned())
}

pub(super) fn failed(id: Option<u64>, error: &EngineError) -> Reply {
    Reply::Failed {
        id,
        is_memory: is_about_memory(error),
        reason: error.to_string(),
    }
}
