//! Files on disk to features: reading, decoding and resizing run ahead of the encoder, which never waits for them when cores allow.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::queue::{Awaited, Queue};
use super::remote::{AdapterFile, Outcome, RemoteEncoder, Unencoded, encode_on};
use super::{Engine, EngineError};
use crate::clip::preprocess::Crop;
use crate::clip::view::View;
use crate::clip::{BottleneckAdapter, EncodedImages, NumberFormat};
use crate::features::Matrix;
use crate::image_io::{self, ContentHash};
use crate::progress::Progress;
use crate::project::feature_cache::{CachedRow, FeatureCache};
use crate::project::{self, FileStamp};
use crate::support::random::Random;

/// Photos encoded at once, at most, on a CPU. 16 already fill the matrix products of ViT-B/32; more only delay the first
/// predictions.
const CPU_BATCH: usize = 16;

/// How long the encoder waits for its batch to fill before it takes what there is.
const FILL_WAIT: Duration = Duration::from_millis(40);

/// How long a batch that a CPU would call full goes on being filled for a GPU, which takes hundreds: predictions should show soon.
const FILL_LIMIT: Duration = Duration::from_millis(100);

/// A photo to embed; `key` is whatever the caller knows it by.
#[derive(Clone, Debug)]
pub struct PhotoRequest<K> {
    /// Comes back with the outcome.
    pub key: K,
    /// The file.
    pub path: PathBuf,
    /// How the file was last found: as long as size and time still agree, a cached photo is not even opened.
    pub known: Option<FileStamp>,
}

/// A photo's features as the projection gives them (not normalised).
#[derive(Clone, Debug, PartialEq)]
pub struct PhotoFeatures {
    /// The file as it was read, with its content hash.
    pub stamp: FileStamp,
    /// `[dim]`.
    pub features: Vec<f32>,
    /// `[width]`, before the projection; vision transformers only.
    pub hidden: Option<Vec<f32>>,
    /// Without the adapter, where its features were computed along.
    pub original: Option<Box<PhotoFeatures>>,
}

impl PhotoFeatures {
    /// What the cache has of a file.
    pub(super) fn of_row(stamp: FileStamp, row: CachedRow) -> Self {
        Self {
            stamp,
            features: row.features,
            hidden: row.hidden,
            original: None,
        }
    }
}

/// What became of one photo: its features, or why it was skipped.
pub type PhotoOutcome = Result<PhotoFeatures, String>;

/// How photos are looked at.
#[derive(Clone, Copy, Default)]
pub struct Lens<'a> {
    /// Adapters inside the encoder.
    pub adapter: Option<&'a BottleneckAdapter>,
    /// Number of a random view, from 0; `None` for the square in the middle.
    pub view: Option<usize>,
    /// Compute the features without the adapter along, where this process computes any.
    pub with_original: bool,
}

impl<'a> Lens<'a> {
    /// The square in the middle, with or without an adapter.
    pub fn through(adapter: Option<&'a BottleneckAdapter>) -> Self {
        Self {
            adapter,
            ..Self::default()
        }
    }
}

/// What the decoders hand to the encoder.
enum Decoded {
    Cached(PhotoFeatures),
    Crop(FileStamp, Crop),
    Failed(String),
}

impl Engine {
    /// Embeds photos and hands them to `on_batch` as they are done, cached ones first. A file that cannot be read or decoded is
    /// an outcome, not an error; `Err` is for the model failing or the task being cancelled (what was handed over stays valid).
    pub fn embed_photos<K: Clone + Send + Sync>(
        &self,
        requests: &[PhotoRequest<K>],
        adapter: Option<&BottleneckAdapter>,
        progress: &Progress<'_>,
        on_batch: &mut dyn FnMut(Vec<(K, PhotoOutcome)>),
    ) -> Result<(), EngineError> {
        self.embed_through(requests, Lens::through(adapter), progress, on_batch)
    }

    /// The same through any lens. A view depends on the photo's content and the view's number alone, so it is cached like
    /// the photo itself.
    pub fn embed_through<K: Clone + Send + Sync>(
        &self,
        requests: &[PhotoRequest<K>],
        lens: Lens<'_>,
        progress: &Progress<'_>,
        on_batch: &mut dyn FnMut(Vec<(K, PhotoOutcome)>),
    ) -> Result<(), EngineError> {
        self.embed_awaited(requests, lens, &|| None, progress, on_batch)
    }

    /// The same, photos that somebody waits for first.
    pub fn embed_awaited<K: Clone + Send + Sync>(
        &self,
        requests: &[PhotoRequest<K>],
        lens: Lens<'_>,
        awaited: Awaited<'_>,
        progress: &Progress<'_>,
        on_batch: &mut dyn FnMut(Vec<(K, PhotoOutcome)>),
    ) -> Result<(), EngineError> {
        let space = self.space_through(lens);
        let mut done = 0;
        let misses = self.hand_over_cached(requests, &space, &mut |batch| {
            done += batch.len();
            on_batch(batch);
        });
        progress.step(done, requests.len())?;
        let queue = Queue::new(requests.len(), misses, awaited);
        let (sender, receiver) = bounded(self.photos_ahead());
        let mut hand_over = |batch: Vec<(usize, PhotoOutcome)>| {
            done += batch.len();
            let keyed = batch
                .into_iter()
                .map(|(index, outcome)| (requests[index].key.clone(), outcome));
            on_batch(keyed.collect());
            progress
                .step(done, requests.len())
                .map_err(EngineError::from)
        };
        self.decoders.in_place_scope(|scope| {
            for _ in 0..self.decoders.current_num_threads() {
                let (sender, queue, space) = (sender.clone(), &queue, &space);
                scope.spawn(move |_| {
                    self.decode_ahead(requests, queue, (space, lens.view), &sender);
                });
            }
            drop(sender);
            let result = self.encode_all(&receiver, lens, &space, &mut hand_over);
            // A decoder that waits for room in the channel must not wait for an encoder that has stopped.
            queue.close();
            while receiver.recv().is_ok() {}
            result
        })
    }

    /// Encodes what the decoders give: in other processes as long as they work, else in this one.
    fn encode_all(
        &self,
        receiver: &Receiver<(usize, Decoded)>,
        lens: Lens<'_>,
        space: &str,
        hand_over: &mut dyn FnMut(Vec<(usize, PhotoOutcome)>) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let orphans = self.encode_remotely(receiver, lens.adapter, space, hand_over)?;
        for orphan in orphans {
            for (photos, crops) in orphan
                .photos
                .chunks(CPU_BATCH)
                .zip(orphan.crops.chunks(CPU_BATCH))
            {
                hand_over(self.encode(photos, crops, lens, space)?)?;
            }
        }
        loop {
            let batch = collect_batch(receiver, self.batch_size());
            if batch.is_empty() {
                return Ok(());
            }
            let (mut outcomes, unencoded) = sorted(batch);
            if !unencoded.crops.is_empty() {
                let Unencoded { photos, crops } = unencoded;
                outcomes.extend(self.encode(&photos, &crops, lens, space)?);
            }
            hand_over(outcomes)?;
        }
    }

    /// Encodes crops in this process.
    fn encode(
        &self,
        photos: &[(usize, FileStamp)],
        crops: &[Crop],
        lens: Lens<'_>,
        space: &str,
    ) -> Result<Vec<(usize, PhotoOutcome)>, EngineError> {
        let Some(adapter) = lens.adapter.filter(|_| lens.with_original) else {
            let encoded = self.clip.encode_crops(crops, lens.adapter)?;
            return Ok(self.remember(photos, &encoded, space));
        };
        let without = Lens {
            adapter: None,
            ..lens
        };
        self.encode_both(
            photos,
            crops,
            adapter,
            [&self.space_through(without), space],
        )
    }

    /// Keeps the workers busy with what the decoders give; what they could not encode comes back.
    fn encode_remotely(
        &self,
        receiver: &Receiver<(usize, Decoded)>,
        adapter: Option<&BottleneckAdapter>,
        space: &str,
        hand_over: &mut dyn FnMut(Vec<(usize, PhotoOutcome)>) -> Result<(), EngineError>,
    ) -> Result<Vec<Unencoded>, EngineError> {
        // Whoever comes second encodes here: workers serve one caller at a time.
        let Ok(mut workers) = self.workers.try_lock() else {
            return Ok(Vec::new());
        };
        let source = adapter.map(|adapter| (adapter.id(), adapter.source().cloned()));
        let file = match source {
            None => None,
            Some((id, Some((path, scale)))) => Some(AdapterFile { id, path, scale }),
            // One that is being trained is in this process alone.
            Some((_, None)) => return Ok(Vec::new()),
        };
        if workers.is_empty() {
            return Ok(Vec::new());
        }
        let (finished, outcomes) = bounded(2 * workers.len());
        let stop = AtomicBool::new(false);
        let ready = Mutex::new(Vec::new());
        let take = |size: usize, waits: bool| {
            if !waits && receiver.is_empty() {
                return Some(Unencoded::default());
            }
            let batch = collect_batch(receiver, size);
            if batch.is_empty() {
                return None;
            }
            let (done, unencoded) = sorted(batch);
            Mutex::lock(&ready)
                .unwrap_or_else(PoisonError::into_inner)
                .extend(done);
            Some(unencoded)
        };
        let mut orphans = Vec::new();
        std::thread::scope(|threads| {
            for worker in workers.iter_mut() {
                let (out, file, take, stop) = (finished.clone(), file.as_ref(), &take, &stop);
                threads.spawn(move || encode_on(worker, file, take, stop, &out));
            }
            drop(finished);
            let mut result = Ok(());
            for outcome in outcomes {
                let mut found = std::mem::take(
                    &mut *Mutex::lock(&ready).unwrap_or_else(PoisonError::into_inner),
                );
                match outcome {
                    Outcome::Encoded(batch, images, format) => {
                        let space = self.with_format(space, format);
                        found.extend(self.remember(&batch.photos, &images, &space));
                    }
                    Outcome::Orphan(batch) => orphans.push(batch),
                    Outcome::Said(said) => (self.say)(said),
                }
                if result.is_ok() {
                    result = hand_over(found);
                    stop.store(result.is_err(), Ordering::Relaxed);
                }
            }
            result
        })?;
        let left =
            std::mem::take(&mut *Mutex::lock(&ready).unwrap_or_else(PoisonError::into_inner));
        hand_over(left)?;
        workers.retain(RemoteEncoder::is_connected);
        Ok(orphans)
    }

    /// Whether other processes encode photos.
    pub(super) fn has_workers(&self) -> bool {
        self.workers
            .try_lock()
            .is_ok_and(|workers| !workers.is_empty())
    }

    /// Photos that are decoded ahead of the encoder.
    fn photos_ahead(&self) -> usize {
        let Ok(workers) = self.workers.try_lock() else {
            return 2 * self.batch_size();
        };
        let remote: usize = workers.iter().map(|worker| 2 * worker.batch_size()).sum();
        remote.max(2 * self.batch_size())
    }

    /// Photos encoded at once.
    pub fn batch_size(&self) -> usize {
        let batch = self.clip.batch_size();
        if self.clip.device().is_cpu() {
            batch.min(CPU_BATCH)
        } else {
            batch
        }
    }

    /// The name of the space that features live in: other spaces' features are never mixed with them.
    pub fn feature_space(&self, adapter: Option<&BottleneckAdapter>) -> String {
        let adapter = adapter.map_or_else(|| "none".to_owned(), BottleneckAdapter::id);
        let preprocess = self.clip.preprocess().id();
        format!("{}/{preprocess}/{adapter}", self.clip.space())
    }

    fn space_through(&self, lens: Lens<'_>) -> String {
        let space = self.feature_space(lens.adapter);
        match lens.view {
            // "1" is the way in which views are drawn: another way is another number.
            Some(number) => format!("{space}/view-1-{number}"),
            None => space,
        }
    }

    pub(super) fn cache(&self) -> Option<MutexGuard<'_, FeatureCache>> {
        self.cache
            .as_ref()
            .map(|cache| Mutex::lock(cache).unwrap_or_else(PoisonError::into_inner))
    }

    /// The name of `space`, which is one of this engine's, for features of another format.
    fn with_format(&self, space: &str, format: NumberFormat) -> String {
        let rest = space.strip_prefix(&self.clip.space());
        rest.map_or_else(
            || space.to_owned(),
            |rest| format!("{}{rest}", self.clip.space_of(format)),
        )
    }

    /// What the cache knows in `space`, or else of a format that may stand beside this engine's: what a GPU computed in f16
    /// is not computed again where there is none.
    pub(super) fn cached(&self, space: &str, hashes: &[ContentHash]) -> Vec<Option<CachedRow>> {
        let mut rows = vec![None; hashes.len()];
        let Some(mut cache) = self.cache() else {
            return rows;
        };
        for format in self.clip.formats() {
            let space = self.with_format(space, *format);
            fill_missing(&mut rows, hashes, |wanted| cache.get_many(&space, wanted));
        }
        rows
    }

    /// Hands over what the cache knows by hash; the indices of the others come back.
    pub(super) fn hand_over_cached<K: Clone>(
        &self,
        requests: &[PhotoRequest<K>],
        space: &str,
        on_batch: &mut dyn FnMut(Vec<(K, PhotoOutcome)>),
    ) -> Vec<usize> {
        let mut misses = Vec::new();
        for (chunk_index, chunk) in requests.chunks(1024).enumerate() {
            let stamps: Vec<Option<FileStamp>> = chunk.iter().map(unchanged).collect();
            let hashes: Vec<ContentHash> = stamps
                .iter()
                .flatten()
                .filter_map(|stamp| stamp.hash)
                .collect();
            let mut rows = self.cached_or_imported(space, &hashes).into_iter();
            let mut found = Vec::new();
            for (offset, (request, stamp)) in chunk.iter().zip(stamps).enumerate() {
                match stamp.and_then(|stamp| Some((stamp, rows.next().flatten()?))) {
                    Some((stamp, row)) => {
                        found.push((request.key.clone(), Ok(PhotoFeatures::of_row(stamp, row))));
                    }
                    None => misses.push(chunk_index * 1024 + offset),
                }
            }
            if !found.is_empty() {
                on_batch(found);
            }
        }
        misses
    }

    /// Reads, hashes, decodes and crops photos until none are left or nobody wants them.
    fn decode_ahead<K: Send + Sync>(
        &self,
        requests: &[PhotoRequest<K>],
        queue: &Queue<'_>,
        (space, view): (&str, Option<usize>),
        sender: &Sender<(usize, Decoded)>,
    ) {
        while let Some(index) = queue.take() {
            let decoded = self
                .decode_one(&requests[index].path, space, view)
                .unwrap_or_else(|error| Decoded::Failed(error.to_string()));
            if sender.send((index, decoded)).is_err() {
                return;
            }
        }
    }

    fn decode_one(
        &self,
        path: &Path,
        space: &str,
        view: Option<usize>,
    ) -> Result<Decoded, image_io::DecodeError> {
        // Stamped before it is read: a file that changes meanwhile looks changed the next time.
        let stamp = project::stamp(path);
        let (bytes, hash) = image_io::read_photo(path)?;
        let stamp = FileStamp {
            hash: Some(hash),
            ..stamp
        };
        if let Some(row) = self.cached(space, &[hash]).pop().flatten() {
            return Ok(Decoded::Cached(PhotoFeatures::of_row(stamp, row)));
        }
        let preprocess = self.clip.preprocess();
        let crop = match view {
            Some(number) => {
                let image = image_io::decode_rgb(&bytes, path)?;
                preprocess.view(&image, &view_of(hash, number, image.dimensions()))
            }
            None => self.crop_of_file(&bytes, path)?,
        };
        Ok(Decoded::Crop(stamp, crop))
    }

    /// The crop of an encoded photo.
    pub(super) fn crop_of_file(
        &self,
        bytes: &[u8],
        path: &Path,
    ) -> Result<Crop, image_io::DecodeError> {
        self.clip.preprocess().crop_file(bytes, path)
    }

    /// Features of encoded photos, which the cache keeps from now on.
    pub(super) fn remember(
        &self,
        photos: &[(usize, FileStamp)],
        encoded: &EncodedImages,
        space: &str,
    ) -> Vec<(usize, PhotoOutcome)> {
        let mut outcomes = Vec::with_capacity(photos.len());
        let mut remembered = Vec::with_capacity(photos.len());
        for (row, (index, stamp)) in photos.iter().enumerate() {
            let hidden = encoded
                .hidden
                .as_ref()
                .map(|hidden| hidden.row(row).to_vec());
            let cached = CachedRow {
                features: encoded.features.row(row).to_vec(),
                hidden,
            };
            remembered.extend(stamp.hash.map(|hash| (hash, cached.clone())));
            outcomes.push((*index, Ok(PhotoFeatures::of_row(*stamp, cached))));
        }
        if let Some(mut cache) = self.cache() {
            cache.put_many(space, &remembered);
        }
        outcomes
    }

    /// Encodes crops that are there already, in their order: features `[n, dim]` as the projection gives them, and hidden `[n, width]`.
    pub fn embed_crops(
        &self,
        crops: &[Crop],
        adapter: Option<&BottleneckAdapter>,
        progress: &Progress<'_>,
    ) -> Result<(Matrix, Option<Matrix>), EngineError> {
        let (mut features, mut hidden) = (Vec::new(), Vec::new());
        for (index, batch) in crops.chunks(self.batch_size()).enumerate() {
            progress.step(index * self.batch_size(), crops.len())?;
            let encoded = self.clip.encode_crops(batch, adapter)?;
            features.extend_from_slice(encoded.features.as_slice());
            hidden.extend(encoded.hidden.into_iter().flat_map(Matrix::into_vec));
        }
        let hidden = match hidden.len() {
            0 => None,
            len => Some(Matrix::new(crops.len(), len / crops.len(), hidden)?),
        };
        Ok((Matrix::new(crops.len(), self.clip.dim(), features)?, hidden))
    }
}

/// The view with this number of the photo with this content: the same on every machine and in every run.
fn view_of(hash: ContentHash, number: usize, (width, height): (u32, u32)) -> View {
    let [a, b, c, d, e, f, g, h, ..] = hash.0;
    let seed = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let mut random = Random::new(seed ^ Random::new(number as u64).next_u64());
    View::draw(width, height, &mut || {
        (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    })
}

/// Looks up those of `hashes` whose row is missing.
pub(super) fn fill_missing(
    rows: &mut [Option<CachedRow>],
    hashes: &[ContentHash],
    look_up: impl FnOnce(&[ContentHash]) -> Vec<Option<CachedRow>>,
) {
    let is_missing = |index: &usize| rows[*index].is_none();
    let missing: Vec<usize> = (0..rows.len()).filter(is_missing).collect();
    if missing.is_empty() {
        return;
    }
    let wanted: Vec<ContentHash> = missing.iter().map(|index| hashes[*index]).collect();
    for (index, row) in missing.into_iter().zip(look_up(&wanted)) {
        rows[index] = row;
    }
}

/// The stamp of a photo whose content is known, if the file still looks as it did then.
fn unchanged<K>(request: &PhotoRequest<K>) -> Option<FileStamp> {
    let known = request.known.filter(|known| known.hash.is_some())?;
    let now = project::stamp(&request.path);
    ((now.size, now.modified_ms) == (known.size, known.modified_ms)).then_some(known)
}

/// What is known of a batch already, and what is still to be encoded.
fn sorted(batch: Vec<(usize, Decoded)>) -> (Vec<(usize, PhotoOutcome)>, Unencoded) {
    let (mut outcomes, mut unencoded) = (Vec::new(), Unencoded::default());
    for (index, decoded) in batch {
        match decoded {
            Decoded::Cached(features) => outcomes.push((index, Ok(features))),
            Decoded::Failed(reason) => outcomes.push((index, Err(reason))),
            Decoded::Crop(stamp, crop) => {
                unencoded.photos.push((index, stamp));
                unencoded.crops.push(crop);
            }
        }
    }
    (outcomes, unencoded)
}

/// Waits for one photo, then takes what comes within [`FILL_WAIT`] of another, up to a full batch or [`FILL_LIMIT`]; empty when no more will come.
fn collect_batch(receiver: &Receiver<(usize, Decoded)>, size: usize) -> Vec<(usize, Decoded)> {
    let Ok(first) = receiver.recv() else {
        return Vec::new();
    };
    let mut batch = vec![first];
    let start = Instant::now();
    while batch.len() < size && (batch.len() < CPU_BATCH || start.elapsed() < FILL_LIMIT) {
        match receiver.recv_timeout(FILL_WAIT) {
            Ok(decoded) => batch.push(decoded),
            Err(_) => break,
        }
    }
    batch
}
