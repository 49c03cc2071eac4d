//! The project file, its history and the caches, through the public interface.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod caches;
mod crash;
mod edits;
mod file;
mod history;
mod killed;
mod several_labels;

use std::path::Path;
use std::sync::Arc;

use shotlens::ids::{ClassId, PhotoId};
use shotlens::image_io::ContentHash;
use shotlens::project::{
    Class, Edit, FileStamp, LabelSource, Photo, ProjectFile, ProjectState, Role, Settings, View,
    Wake,
};

/// All that is saved of a project, to compare.
#[derive(Clone, Debug, PartialEq)]
struct Snapshot {
    classes: Vec<Class>,
    photos: Vec<Photo>,
    settings: Settings,
    view: View,
}

fn snapshot(state: &ProjectState) -> Snapshot {
    check_look_ups(state);
    Snapshot {
        classes: state.classes().to_vec(),
        photos: state.photos().to_vec(),
        settings: state.settings().clone(),
        view: state.view().clone(),
    }
}

/// Holds the look-up tables against the lists that they are made from.
fn check_look_ups(state: &ProjectState) {
    for (position, class) in state.classes().iter().enumerate() {
        assert_eq!(class.position as usize, position);
        let shots: Vec<PhotoId> = ids_with(state, |photo| photo.role == Role::Shot(class.id));
        assert_eq!(state.shots(class.id), shots);
        let labelled = ids_with(state, |photo| photo.shows(class.id));
        assert_eq!(state.num_labelled(class.id), labelled.len());
    }
    let labelled = ids_with(state, |photo| photo.label.is_some());
    assert_eq!(state.num_with_label(), labelled.len());
    assert_eq!(
        state.pool(),
        ids_with(state, |photo| photo.role == Role::Pool)
    );
    for photo in state.photos() {
        assert_eq!(state.photo_at(&photo.path), Some(photo.id));
        assert_eq!(state.photo(photo.id), Some(photo));
        assert!(photo.also.is_sorted_by(|a, b| a < b), "{photo:?}");
        assert!(photo.label.is_some() || photo.also.is_empty(), "{photo:?}");
        assert!(!photo.also.iter().any(|class| Some(*class) == photo.label));
        assert!(photo.labels().all(|class| state.class(class).is_some()));
    }
}

fn ids_with(state: &ProjectState, is_wanted: impl Fn(&Photo) -> bool) -> Vec<PhotoId> {
    state
        .photos()
        .iter()
        .filter(|photo| is_wanted(photo))
        .map(|photo| photo.id)
        .collect()
}

/// What the file at `path` holds.
fn stored(path: &Path) -> Snapshot {
    snapshot(&ProjectFile::open(path).unwrap().state)
}

fn no_wake() -> Wake {
    Arc::new(|| ())
}

/// Photos of the pool in `folder`, with fresh ids.
fn new_photos(state: &mut ProjectState, folder: &Path, count: usize) -> Vec<Photo> {
    (0..count)
        .map(|index| {
            let file = FileStamp {
                size: 7,
                modified_ms: -1,
                hash: None,
            };
            let mut photo = state.new_photo(Path::new(""), Role::Pool, file);
            photo.path = folder.join(format!("{}-{index}.jpg", photo.id.0)).into();
            photo
        })
        .collect()
}

/// A small, repeatable source of numbers (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) as usize % limit.max(1)
    }

    /// An edit of any kind; about one in six does not fit the state.
    fn edit(&mut self, state: &mut ProjectState, folder: &Path) -> Edit {
        match self.below(15) {
            0 | 1 => {
                let mut class = state.new_class(&format!("class {}", self.below(40)));
                class.position = self.below(state.classes().len() + 1) as u32;
                Edit::AddClass(class)
            }
            2 => Edit::RemoveClass(self.class(state)),
            3 => {
                let name = format!("class {}", self.below(40));
                Edit::RenameClass {
                    id: self.class(state),
                    name,
                }
            }
            4 => {
                let prompts = (0..self.below(3))
                    .map(|index| format!("{index}: {{name}}"))
                    .collect();
                Edit::SetPrompts {
                    id: self.class(state),
                    prompts,
                }
            }
            5 => Edit::MoveClass {
                id: self.class(state),
                to: self.below(9) as u32,
            },
            6 | 7 => Edit::AddPhotos(self.photos(state, folder)),
            8 => Edit::RemovePhotos(self.some_photos(state, 3)),
            9 => {
                let photos = self.some_photos_twice(state);
                Edit::SetRoles(
                    photos
                        .into_iter()
                        .map(|id| (id, self.role(state)))
                        .collect(),
                )
            }
            10 => {
                let photos = self.some_photos_twice(state);
                let labels = photos
                    .into_iter()
                    .map(|id| (id, self.label(state)))
                    .collect();
                Edit::SetLabels {
                    labels,
                    source: LabelSource::User,
                    predicted: Vec::new(),
                }
            }
            11 | 12 => {
                let photos = self.some_photos_twice(state);
                let labels = photos
                    .into_iter()
                    .map(|id| (id, self.labels(state)))
                    .collect();
                Edit::SetLabelSets {
                    labels,
                    source: LabelSource::User,
                    predicted: Vec::new(),
                }
            }
            13 => {
                let alpha = 100.0 / (1 + self.below(997)) as f64;
                Edit::SetSettings(Settings {
                    alpha,
                    multi_label: self.below(2) == 0,
                    ..state.settings().clone()
                })
            }
            _ => {
                let edits = (0..self.below(4))
                    .map(|_| self.edit(state, folder))
                    .collect();
                Edit::Batch { title: None, edits }
            }
        }
    }

    fn class(&mut self, state: &ProjectState) -> ClassId {
        let index = self.below(state.classes().len() + 1);
        state
            .classes()
            .get(index)
            .map_or(ClassId(999), |class| class.id)
    }

    fn role(&mut self, state: &ProjectState) -> Role {
        if self.below(3) == 0 {
            Role::Pool
        } else {
            Role::Shot(self.class(state))
        }
    }

    fn label(&mut self, state: &ProjectState) -> Option<ClassId> {
        (self.below(3) != 0).then(|| self.class(state))
    }

    /// Up to three classes in any order, some of them twice.
    fn labels(&mut self, state: &ProjectState) -> Vec<ClassId> {
        let classes = state.classes();
        let count = self.below(4).min(classes.len());
        (0..count)
            .map(|_| classes[self.below(classes.len())].id)
            .collect()
    }

    fn photos(&mut self, state: &mut ProjectState, folder: &Path) -> Vec<Photo> {
        let count = self.below(6);
        let mut photos = new_photos(state, folder, count);
        for photo in &mut photos {
            photo.role = self.role(state);
            photo.label = self.label(state);
            if photo.label.is_some() {
                photo.also = self.labels(state);
            }
            photo.file.hash = (self.below(2) == 0).then_some(ContentHash([7; 32]));
        }
        photos
    }

    /// Photos of which some are named twice.
    fn some_photos_twice(&mut self, state: &ProjectState) -> Vec<PhotoId> {
        let mut photos = self.some_photos(state, 5);
        photos.extend_from_within(..self.below(photos.len() + 1));
        photos
    }

    /// Distinct photos, so that a removal fits.
    fn some_photos(&mut self, state: &ProjectState, limit: usize) -> Vec<PhotoId> {
        let count = self.below(limit);
        let start = self.below(state.photos().len());
        state
            .photos()
            .iter()
            .skip(start)
            .take(count)
            .map(|photo| photo.id)
            .collect()
    }
}
