//! Projects of made-up features, for measuring the window without photos or a model.

use std::path::Path;
use std::time::Duration;

use super::{App, ModelChoice, ModelState, StartWith, Threads};
use crate::engine::embed::PhotoFeatures;
use crate::engine::{EngineError, made_up_project};
use crate::ids::PhotoId;
use crate::image_io::ContentHash;
use crate::project::{Edit, FileStamp, Project, ProjectState, Role, apply};
use crate::support::random::Random;
use crate::worker::Wake;
use crate::worker::clip_worker::{EmbeddedPhoto, ModelInfo};
use crate::worker::scoring_worker::ScoreJob;

/// Why nothing can be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The project cannot be made.
    #[error(transparent)]
    Project(#[from] EngineError),
    /// The operating system gives no threads.
    #[error("there are no threads ({0})")]
    Threads(#[from] std::io::Error),
}

/// How large a made-up project is.
#[derive(Clone, Copy, Debug)]
pub struct SyntheticSize {
    /// Classes.
    pub num_classes: usize,
    /// Shots of each class.
    pub num_shots: usize,
    /// Photos in the pool.
    pub num_pool: usize,
    /// Numbers in a feature.
    pub dim: usize,
}

impl App {
    /// A project without files, its features already in the scoring thread. Predictions follow in the background.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn synthetic(size: &SyntheticSize, wake: Wake) -> std::io::Result<Self> {
        let state = state(size);
        let mut app = Self {
            threads: Some(Threads::start(wake)?),
            ..Self::default()
        };
        "Benchmark".clone_into(&mut app.title);
        app.model.state = ModelState::Ready;
        "made-up features".clone_into(&mut app.model.name);
        let info = ModelInfo {
            name: app.model.name.clone(),
            device: "CPU".to_owned(),
            is_demo: false,
            notes: Vec::new(),
            dim: size.dim,
            projections: None,
            published_cut: None,
        };
        app.adapters = super::scoring::adapter_options(&info);
        app.submit_scoring(ScoreJob::Reset(Box::new(info)));
        app.embed_synthetically(&state, size.dim);
        app.project = Project::without_file(state);
        app.project_changed();
        Ok(app)
    }

    /// Opens a project file for measuring; where there is none it is made first, with `num_pool` small photos whose features are in the cache.
    ///
    /// # Errors
    /// When it cannot be made, or there are no threads.
    pub fn measured(path: &Path, num_pool: usize, wake: &Wake) -> Result<Self, MeasureError> {
        if !path.exists() {
            made_up_project::make(path, num_pool, wake.clone())?;
        }
        let file = StartWith::File(path.to_owned());
        Ok(Self::start(file, ModelChoice::default(), wake)?)
    }

    fn embed_synthetically(&mut self, state: &ProjectState, dim: usize) {
        let mut random = Random::new(1);
        let mut row = |centre: Option<&[f32]>| -> Vec<f32> {
            (0..dim)
                .map(|i| {
                    centre.map_or(0.0, |centre| centre[i])
                        + random.next_u64() as f32 / u64::MAX as f32
                        - 0.5
                })
                .collect()
        };
        let centres: Vec<Vec<f32>> = state.classes().iter().map(|_| row(None)).collect();
        for (class, centre) in state.classes().iter().zip(&centres) {
            self.embedding
                .pretend_text(class.id, class.texts(), centre.clone());
        }
        let class_of = |role: Role, index: usize| match role {
            Role::Shot(class) => state
                .classes()
                .iter()
                .position(|candidate| candidate.id == class)
                .unwrap_or(0),
            Role::Pool => index % centres.len().max(1),
        };
        let mut batch = Vec::new();
        for (index, photo) in state.photos().iter().enumerate() {
            let features = row(centres.get(class_of(photo.role, index)).map(Vec::as_slice));
            let original = PhotoFeatures {
                stamp: FileStamp {
                    hash: Some(ContentHash(fake_hash(photo.id))),
                    ..FileStamp::default()
                },
                features,
                hidden: None,
                original: None,
            };
            self.embedding.pretend_embedded(photo.id);
            batch.push(EmbeddedPhoto {
                photo: photo.id,
                original,
                adapted: None,
            });
            if batch.len() == 1024 {
                self.submit_scoring(ScoreJob::Insert(std::mem::take(&mut batch)));
            }
        }
        self.submit_scoring(ScoreJob::Insert(batch));
    }

    /// Polls until everything is fitted and predicted; for benchmarks and tests, never in the window.
    pub fn wait_until_idle(&mut self, timeout: Duration) -> bool {
        let start = std::time::Instant::now();
        while start.elapsed() < timeout {
            self.poll();
            if self.is_idle() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

fn fake_hash(photo: PhotoId) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&photo.0.to_le_bytes());
    hash
}

fn state(size: &SyntheticSize) -> ProjectState {
    let mut state = ProjectState::new();
    let photo = |state: &mut ProjectState, name: String, role| {
        state.new_photo(
            &Path::new("/benchmark").join(name),
            role,
            FileStamp::default(),
        )
    };
    for class_index in 0..size.num_classes {
        let class = state.new_class(&format!("class {class_index}"));
        let role = Role::Shot(class.id);
        apply(&mut state, Edit::AddClass(class)).ok();
        let shots = (0..size.num_shots)
            .map(|shot| photo(&mut state, format!("{class_index}/{shot}.jpg"), role))
            .collect();
        apply(&mut state, Edit::AddPhotos(shots)).ok();
    }
    let pool = (0..size.num_pool)
        .map(|index| photo(&mut state, format!("pool/{index}.jpg"), Role::Pool))
        .collect();
    apply(&mut state, Edit::AddPhotos(pool)).ok();
    state
}

#[cfg(test)]
impl App {
    /// A photo of this name in a folder that is not there.
    pub(super) fn add_photo(&mut self, name: &str, role: Role) -> PhotoId {
        let path = Path::new("/photos").join(name);
        let state = self.project.state_mut();
        let photo = state.new_photo(&path, role, FileStamp::default());
        let id = photo.id;
        assert!(self.perform(Edit::AddPhotos(vec![photo])));
        id
    }
}
