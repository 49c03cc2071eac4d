//! Batches for a worker, and what becomes of them when it fails.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::Sender;

use super::RemoteError;
use super::encoder::{AdapterFile, IN_FLIGHT, RemoteEncoder};
use crate::clip::preprocess::Crop;
use crate::clip::{EncodedImages, NumberFormat};
use crate::project::FileStamp;

/// Crops that wait for their features, with the place of each photo among the requests.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Unencoded {
    pub(in crate::engine) photos: Vec<(usize, FileStamp)>,
    pub(in crate::engine) crops: Vec<Crop>,
}

/// What came of a batch.
pub(in crate::engine) enum Outcome {
    /// It is encoded, by layers that multiply this format.
    Encoded(Unencoded, EncodedImages, NumberFormat),
    /// The worker is given up; somebody else must encode it.
    Orphan(Unencoded),
    /// Something to tell people.
    Said(String),
}

/// Has a worker encode what `take` gives, until that is nothing, or the worker is given up. `take` is given how many photos are
/// wanted and whether to wait for the first; `None` means that no more will come.
pub(in crate::engine) fn encode_on(
    worker: &mut RemoteEncoder,
    adapter: Option<&AdapterFile>,
    take: &(dyn Fn(usize, bool) -> Option<Unencoded> + Sync),
    stop: &AtomicBool,
    out: &Sender<Outcome>,
) {
    let mut waiting = VecDeque::new();
    let mut is_drained = false;
    if let Err(error) = worker.ensure_connected() {
        out.send(Outcome::Said(error.to_string())).ok();
        return;
    }
    while !(is_drained && waiting.is_empty()) {
        if stop.load(Ordering::Relaxed) {
            return worker.cancel();
        }
        let turn = one_turn(worker, adapter, take, &mut waiting, &mut is_drained, out);
        if let Err(error) = turn
            && !recovered(worker, adapter, &error, &mut waiting, out)
        {
            for orphan in waiting {
                out.send(Outcome::Orphan(orphan)).ok();
            }
            return;
        }
    }
}

/// Asks for as much as may be on its way, then hears one answer.
fn one_turn(
    worker: &mut RemoteEncoder,
    adapter: Option<&AdapterFile>,
    take: &(dyn Fn(usize, bool) -> Option<Unencoded> + Sync),
    waiting: &mut VecDeque<Unencoded>,
    is_drained: &mut bool,
    out: &Sender<Outcome>,
) -> Result<(), RemoteError> {
    while waiting.len() < IN_FLIGHT && !*is_drained {
        match take(worker.batch_size(), waiting.is_empty()) {
            None => *is_drained = true,
            Some(batch) if batch.crops.is_empty() => break,
            Some(batch) => {
                let asked = worker.ask(&batch.crops, adapter);
                waiting.push_back(batch);
                asked?;
            }
        }
    }
    if waiting.is_empty() {
        return Ok(());
    }
    let images = worker.receive()?;
    if let Some(batch) = waiting.pop_front() {
        out.send(Outcome::Encoded(batch, images, worker.format()))
            .ok();
    }
    Ok(())
}

/// Starts the worker again and asks for everything that it still owes.
fn recovered(
    worker: &mut RemoteEncoder,
    adapter: Option<&AdapterFile>,
    error: &RemoteError,
    waiting: &mut VecDeque<Unencoded>,
    out: &Sender<Outcome>,
) -> bool {
    let mut error = error.clone();
    while worker.restart(&error) {
        let size = worker.batch_size();
        let said = format!("{error}; it was started again, with {size} photos at a time");
        out.send(Outcome::Said(said)).ok();
        *waiting = waiting
            .drain(..)
            .flat_map(|batch| batch.pieces(size))
            .collect();
        match ask_again(worker, adapter, waiting, out) {
            Ok(()) => return true,
            Err(next) => error = next,
        }
    }
    out.send(Outcome::Said(format!(
        "{error}; the rest is encoded without it"
    )))
    .ok();
    false
}

/// One after the other: pieces may be more than may be on their way at once.
fn ask_again(
    worker: &mut RemoteEncoder,
    adapter: Option<&AdapterFile>,
    waiting: &mut VecDeque<Unencoded>,
    out: &Sender<Outcome>,
) -> Result<(), RemoteError> {
    while let Some(batch) = waiting.front() {
        worker.ask(&batch.crops, adapter)?;
        let images = worker.receive()?;
        if let Some(batch) = waiting.pop_front() {
            out.send(Outcome::Encoded(batch, images, worker.format()))
                .ok();
        }
    }
    Ok(())
}

impl Unencoded {
    fn pieces(self, size: usize) -> Vec<Self> {
        let photos = self.photos.chunks(size);
        let pieces = photos
            .zip(self.crops.chunks(size))
            .map(|(photos, crops)| Self {
                photos: photos.to_vec(),
                crops: crops.to_vec(),
            });
        pieces.collect()
    }
}
