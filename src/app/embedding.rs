//! Which photos and prompts still need features, and who is told about it.

use std::collections::{HashMap, HashSet};

use super::{Activity, App, ModelState};
use crate::engine::embed::PhotoRequest;
use crate::ids::{ClassId, Generation, PhotoId};
use crate::progress::CancelToken;
use crate::worker::clip_worker::{
    ClassText, ClipEvent, ClipJob, EmbeddedPhoto, ModelInfo, OnScreen,
};
use crate::worker::scoring_worker::ScoreJob;

/// What is embedded, and what is on its way.
#[derive(Default)]
pub(crate) struct Embedding {
    generation: Generation,
    cancel: CancelToken,
    is_running: bool,
    is_paused: bool,
    embedded: HashSet<PhotoId>,
    failed: HashSet<PhotoId>,
    on_their_way: HashSet<PhotoId>,
    /// With features through the bottleneck adapter too.
    adapted: HashSet<PhotoId>,
    has_bad_adapter: bool,
    /// For the job that is under way.
    on_screen: OnScreen,
    /// What an older job still tells belongs to another project or model: ids begin at 1 in each.
    oldest: Generation,
    oldest_text: Generation,
    requested_texts: HashMap<ClassId, Vec<String>>,
    text_generation: Generation,
    pub(super) texts: HashMap<ClassId, ClassText>,
    /// Rises with every change of these.
    texts_version: u64,
}

impl Embedding {
    /// Made-up features of a class, for benchmarks.
    pub(super) fn pretend_text(&mut self, class: ClassId, texts: Vec<String>, feature: Vec<f32>) {
        self.requested_texts.insert(class, texts);
        let text = ClassText {
            mean: feature.clone(),
            prompts: vec![feature],
        };
        self.take_in_texts([(class, text)]);
    }

    fn take_in_texts(&mut self, texts: impl IntoIterator<Item = (ClassId, ClassText)>) {
        self.texts.extend(texts);
        self.texts_version += 1;
    }

    /// Another number whenever a class has other text features.
    pub(super) fn texts_version(&self) -> u64 {
        self.texts_version
    }

    /// A photo with made-up features, for benchmarks.
    pub(super) fn pretend_embedded(&mut self, photo: PhotoId) {
        self.embedded.insert(photo);
    }

    /// Another one with every project and model.
    pub(super) fn epoch(&self) -> Generation {
        self.oldest
    }

    /// Other photos are on screen now.
    pub(super) fn show(&self, photos: &[PhotoId]) {
        self.on_screen.show(photos);
    }

    /// How many photos have features, and features through the bottleneck adapter.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.embedded.len(), self.adapted.len())
    }

    /// Whether a photo was skipped.
    pub(super) fn failed(&self, photo: PhotoId) -> bool {
        self.failed.contains(&photo)
    }

    /// Whether a photo has features.
    pub(super) fn has(&self, photo: PhotoId) -> bool {
        self.embedded.contains(&photo)
    }
}

impl App {
    /// Sends for the features of whatever has none.
    pub(super) fn embed_what_is_missing(&mut self) {
        if !self.has_model || self.model.state == ModelState::Loading {
            return;
        }
        self.embed_texts();
        if self.embedding.is_paused {
            return;
        }
        let requests = self.missing_photos();
        let embedding = &mut self.embedding;
        let is_new =
            |request: &PhotoRequest<PhotoId>| !embedding.on_their_way.contains(&request.key);
        if embedding.is_running && !requests.is_empty() && !requests.iter().any(is_new) {
            return;
        }
        embedding.cancel.cancel();
        embedding.generation = embedding.generation.next();
        embedding.on_their_way = requests.iter().map(|request| request.key).collect();
        if requests.is_empty() {
            embedding.is_running = false;
            self.activity = Activity {
                rate: self.activity.rate,
                ..Activity::default()
            };
            return;
        }
        embedding.is_running = true;
        embedding.cancel = CancelToken::default();
        self.activity = Activity {
            label: Some("Embedding".to_owned()),
            total: requests.len(),
            ..Activity::default()
        };
        let job = ClipJob::EmbedPhotos {
            generation: embedding.generation,
            requests,
            on_screen: embedding.on_screen.from_now(),
            adapter: self.scoring.bottleneck_file(),
            cancel: embedding.cancel.clone(),
        };
        self.submit_clip(job);
    }

    /// In this order: a shot of every class that has none with features, what is on screen, the other shots in turn over the
    /// classes, the rest. What is on screen is predicted after the first batch, and better with every shot that follows.
    fn missing_photos(&self) -> Vec<PhotoRequest<PhotoId>> {
        let needs_adapter =
            self.scoring.bottleneck_file().is_some() && !self.embedding.has_bad_adapter;
        let Embedding {
            embedded,
            adapted,
            failed,
            ..
        } = &self.embedding;
        let is_done = |photo: &PhotoId| {
            embedded.contains(photo) && (!needs_adapter || adapted.contains(photo))
        };
        let classes = self.project().classes().iter();
        let shots: Vec<&[PhotoId]> = classes
            .map(|class| self.project().shots(class.id))
            .collect();
        let most = shots.iter().map(|shots| shots.len()).max().unwrap_or(0);
        let of_classes_without = shots
            .iter()
            .filter(|shots| !shots.iter().any(|photo| embedded.contains(photo)))
            .filter_map(|shots| shots.iter().find(|photo| !failed.contains(photo)));
        let in_turn =
            (0..most).flat_map(|rank| shots.iter().filter_map(move |shots| shots.get(rank)));
        let first = of_classes_without
            .chain(self.scoring.shown())
            .chain(in_turn)
            .copied();
        let mut seen = HashSet::new();
        first
            .chain(self.project().pool().iter().copied())
            .filter(|photo| !is_done(photo) && !failed.contains(photo))
            .filter(|photo| seen.insert(*photo))
            .filter_map(|photo| self.project().photo(photo))
            .map(|photo| PhotoRequest {
                key: photo.id,
                path: photo.path.to_path_buf(),
                known: Some(photo.file),
            })
            .collect()
    }

    /// Sends for the features of prompts that are new or have changed.
    pub(super) fn embed_texts(&mut self) {
        let embedding = &mut self.embedding;
        let changed: Vec<(ClassId, Vec<String>)> = self
            .project
            .state()
            .classes()
            .iter()
            .map(|class| (class.id, class.texts()))
            .filter(|(class, texts)| embedding.requested_texts.get(class) != Some(texts))
            .collect();
        if changed.is_empty() {
            return;
        }
        embedding.requested_texts.extend(changed.iter().cloned());
        embedding.text_generation = embedding.text_generation.next();
        let generation = embedding.text_generation;
        self.submit_clip(ClipJob::EmbedTexts {
            generation,
            classes: changed,
        });
    }

    pub(super) fn poll_clip(&mut self) {
        while let Some(event) = self.next_event(|threads| threads.clip.try_next()) {
            match event {
                ClipEvent::ModelOpened(info) => self.model_opened(info),
                ClipEvent::ModelFailed(message) => self.model_failed(message),
                ClipEvent::Photos {
                    generation,
                    embedded,
                    skipped,
                } => {
                    self.take_in_photos(generation, embedded, skipped);
                }
                ClipEvent::Progress {
                    generation,
                    done,
                    total,
                    rate,
                } => {
                    self.take_in_progress(generation, done, total, rate);
                }
                ClipEvent::PhotosFinished { generation, error } => {
                    self.finish_photos(generation, error);
                }
                ClipEvent::AdapterFailed(message) => {
                    self.embedding.has_bad_adapter = true;
                    self.error(message);
                }
                ClipEvent::Texts { generation, .. } if generation < self.embedding.oldest_text => {}
                ClipEvent::Texts { classes, .. } => {
                    self.embedding.take_in_texts(classes);
                    self.scoring.mark_dirty();
                }
                ClipEvent::Training(event) => self.take_in_training(event),
                ClipEvent::FolderProgress(generation, done, total) => {
                    self.folder_progress(generation, done, total);
                }
                ClipEvent::Folder(generation, embedded) => {
                    self.folder_embedded(generation, embedded);
                }
                ClipEvent::Words(words) => {
                    self.submit_scoring(ScoreJob::SetWords(words));
                    self.scoring.mark_dirty();
                }
                ClipEvent::Adapter(generation, event) => self.take_in_adapter(generation, event),
                ClipEvent::FeaturesImported(generation, read) => {
                    self.take_in_features(generation, read.map(|read| *read));
                }
                ClipEvent::Export(generation, event) => self.take_in_export(generation, event),
                ClipEvent::Query(generation, feature) => self.query_embedded(generation, feature),
                ClipEvent::AdaptersCompared(generation, event) => {
                    self.adapters_compared(generation, event);
                }
                ClipEvent::Adapters(found) => self.adapters_listed(found),
                ClipEvent::AdapterOpened(trained_on) => {
                    self.submit_scoring(ScoreJob::SetTrainedOn(trained_on));
                }
                ClipEvent::Failed(message) => self.error(message),
                ClipEvent::Note(message) => self.warn(message),
            }
        }
    }

    fn model_opened(&mut self, info: Box<ModelInfo>) {
        self.forget_embedded();
        self.has_model = true;
        self.model.name = if info.is_demo {
            "Demo model".to_owned()
        } else {
            info.name.clone()
        };
        let (device, note) = info.device.split_once(" (").unwrap_or((&info.device, ""));
        device.clone_into(&mut self.model.device);
        self.model.device_note =
            Some(note.trim_end_matches(')').to_owned()).filter(|note| !note.is_empty());
        self.model.is_demo = info.is_demo;
        self.model.state = ModelState::Ready;
        for note in &info.notes {
            self.warn(note.clone());
        }
        self.adapters = super::scoring::adapter_options(&info);
        self.offer_adapters();
        self.list_adapters();
        self.scoring.forget_features();
        self.submit_scoring(ScoreJob::Reset(info));
        self.follow_settings();
        self.embed_what_is_missing();
        self.import_what_waited();
    }

    /// The model before, if there was one, is still there and goes on.
    fn model_failed(&mut self, message: String) {
        self.error(message.clone());
        self.model.state = if self.has_model {
            ModelState::Ready
        } else {
            ModelState::Failed(message)
        };
        self.embed_what_is_missing();
    }

    fn take_in_photos(
        &mut self,
        generation: Generation,
        embedded: Vec<EmbeddedPhoto>,
        skipped: Vec<(PhotoId, String)>,
    ) {
        if generation < self.embedding.oldest {
            return;
        }
        let mut stamps = Vec::new();
        let before = |photo| self.project.state().photo(photo)?.file.hash;
        let is_changed = |found: &&EmbeddedPhoto| {
            before(found.photo).is_some_and(|hash| Some(hash) != found.original.stamp.hash)
        };
        let changed = embedded.iter().filter(is_changed).map(|found| found.photo);
        for photo in changed.collect::<Vec<_>>() {
            self.note_changed(photo);
        }
        for EmbeddedPhoto {
            photo,
            original,
            adapted,
        } in &embedded
        {
            self.embedding.embedded.insert(*photo);
            if adapted.is_some() {
                self.embedding.adapted.insert(*photo);
            }
            stamps.push((*photo, original.stamp));
        }
        self.project.set_files(stamps);
        for (photo, reason) in skipped {
            if self.embedding.failed.insert(photo) {
                self.note_failure();
            }
            if let Some(path) = self
                .project()
                .photo(photo)
                .map(|photo| photo.path.to_path_buf())
            {
                self.skip(path, reason);
            }
        }
        if embedded.iter().any(|embedded| self.is_shot(embedded.photo)) {
            self.scoring.mark_dirty();
        }
        self.submit_scoring(ScoreJob::Insert(embedded));
    }

    fn take_in_progress(
        &mut self,
        generation: Generation,
        done: usize,
        total: usize,
        rate: Option<f64>,
    ) {
        if generation == self.embedding.generation && self.embedding.is_running {
            let activity = &mut self.activity;
            (activity.done, activity.total, activity.rate) = (done, total, rate.or(activity.rate));
            activity.seconds_left = activity.rate.map(|rate| (total - done) as f64 / rate);
        }
    }

    fn finish_photos(&mut self, generation: Generation, error: Option<String>) {
        if generation != self.embedding.generation {
            return;
        }
        self.embedding.is_running = false;
        self.embedding.on_their_way.clear();
        if !self.embedding.is_paused {
            self.activity = Activity {
                rate: self.activity.rate,
                ..Activity::default()
            };
        }
        if let Some(error) = error {
            self.error(format!("Embedding stopped: {error}"));
        }
        self.scoring.mark_dirty();
        self.tell_changed();
        self.look_after_failures();
    }

    /// A photo that is to be read anew, whatever became of it before.
    pub(super) fn read_again(&mut self, photo: PhotoId) {
        let embedding = &mut self.embedding;
        embedding.embedded.remove(&photo);
        embedding.adapted.remove(&photo);
        embedding.failed.remove(&photo);
        embedding.on_their_way.remove(&photo);
    }

    /// Stops after the batch in hand; the counts stay on show.
    pub(super) fn cancel_work(&mut self) {
        self.stop_embedding();
        self.embedding.is_paused = true;
        (self.activity.label, self.activity.paused) = (None, true);
    }

    pub(super) fn stop_embedding(&mut self) {
        self.embedding.cancel.cancel();
        self.embedding.on_their_way.clear();
    }

    pub(super) fn resume_work(&mut self) {
        self.embedding.is_paused = false;
        self.activity.paused = false;
        self.embed_what_is_missing();
    }

    /// Another project or model: nothing is embedded yet as far as it is concerned, and what older jobs still tell is not its.
    pub(super) fn forget_embedded(&mut self) {
        self.embedding.cancel.cancel();
        let generation = self.embedding.generation.next();
        let text_generation = self.embedding.text_generation.next();
        self.forget_training();
        self.forget_comparison();
        self.cancel_validation();
        self.embedding = Embedding {
            generation,
            oldest: generation,
            text_generation,
            oldest_text: text_generation,
            ..Embedding::default()
        };
        self.activity = Activity::default();
    }

    /// Another bottleneck adapter: photos go through the encoder again (their original features come from the cache).
    pub(super) fn embed_again(&mut self) {
        self.embedding.adapted.clear();
        self.embedding.has_bad_adapter = false;
        self.embedding.on_their_way.clear();
        self.embed_what_is_missing();
    }

    pub(super) fn submit_clip(&mut self, job: ClipJob) {
        let is_taken = self
            .threads
            .as_ref()
            .is_none_or(|threads| threads.clip.submit(job));
        if !is_taken {
            self.error("The thread that runs CLIP has stopped; restart Shotlens (nothing is lost)");
        }
    }
}
