//! What can be done to a project: [`Edit`], and the rows of the file that it changes: [`RowChange`]. [`super::apply()`] does it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{ClassId, PhotoId};
use crate::project::state::{Class, Photo, Role, Settings};

/// Who gave a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LabelSource {
    /// A person chose the class.
    User,
    /// A person accepted what the method predicted.
    AcceptedPrediction,
    /// It came with imported data.
    Import,
}

impl LabelSource {
    /// As the project file's table `label_events` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::AcceptedPrediction => "accepted prediction",
            Self::Import => "import",
        }
    }
}

/// One change to a project, as the undo menu lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Edit {
    /// Adds a class at its position (see [`super::ProjectState::new_class`]).
    AddClass(Class),
    /// Removes a class; its shots leave the project and labels to it go, so that a further label becomes the main one.
    RemoveClass(ClassId),
    /// Renames a class.
    RenameClass {
        /// Which.
        id: ClassId,
        /// Unique, not blank.
        name: String,
    },
    /// Replaces the prompts of a class.
    SetPrompts {
        /// Which.
        id: ClassId,
        /// With `{name}` where the class's name belongs.
        prompts: Vec<String>,
    },
    /// Moves a class within the list.
    MoveClass {
        /// Which.
        id: ClassId,
        /// Its new position; past the end is the end.
        to: u32,
    },
    /// Adds photos (see [`super::ProjectState::new_photo`]).
    AddPhotos(Vec<Photo>),
    /// Takes photos out of the project; the files stay where they are.
    RemovePhotos(Vec<PhotoId>),
    /// Makes photos shots of a class, or moves them to the pool.
    SetRoles(Vec<(PhotoId, Role)>),
    /// Labels photos with one class each, or clears their labels.
    SetLabels {
        /// The new label of each photo.
        labels: Vec<(PhotoId, Option<ClassId>)>,
        /// Who says so.
        source: LabelSource,
        /// What was predicted before, for each of `labels` that a person looked at; absent in the history of older projects.
        #[serde(default)]
        predicted: Vec<(PhotoId, ClassId)>,
    },
    /// Labels photos with several classes each.
    SetLabelSets {
        /// The new labels of each photo, the main one first; without any, it has none.
        labels: Vec<(PhotoId, Vec<ClassId>)>,
        /// Who says so.
        source: LabelSource,
        /// What was predicted before, for each of `labels` that a person looked at.
        #[serde(default)]
        predicted: Vec<(PhotoId, ClassId)>,
    },
    /// Says of photos that nobody can tell what they show, or takes that back. A label counts more.
    SetUnsure(Vec<(PhotoId, bool)>),
    /// Gives a class another colour of the palette.
    SetColour {
        /// Which.
        id: ClassId,
        /// Index into the palette.
        colour: u8,
    },
    /// Replaces method and parameters.
    SetSettings(Settings),
    /// Several edits as one: all of them or none, one line in the undo menu.
    Batch {
        /// What the undo menu says; `None`: what the first edit would say.
        title: Option<String>,
        /// In this order.
        edits: Vec<Edit>,
    },
}

/// An edit that does not fit the project; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The class is not in the project.
    #[error("class {} is no longer in the project", .id.0)]
    UnknownClass {
        /// Which.
        id: ClassId,
    },
    /// The photo is not in the project.
    #[error("photo {} is no longer in the project", .id.0)]
    UnknownPhoto {
        /// Which.
        id: PhotoId,
    },
    /// A class or photo with this id is there already.
    #[error("number {id} is taken: an item can be added only once")]
    IdTaken {
        /// Which.
        id: i64,
    },
    /// Names of classes are unique.
    #[error("there is already a class named {name:?}; choose another name")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// A class needs a name.
    #[error("a class needs a name that is not blank")]
    BlankName,
    /// A parameter is infinite or not a number.
    #[error("{parameter} is {value}; enter a finite number")]
    NotFinite {
        /// `alpha`, `beta` or `gamma`.
        parameter: &'static str,
        /// As text, so that errors can be compared.
        value: String,
    },
    /// A photo is in a project once; give it another role instead.
    #[error("the photo is already in the project: {}", .path.display())]
    PathTaken {
        /// The photo.
        path: PathBuf,
    },
    /// Photos are found by absolute paths.
    #[error("a photo's path must be absolute: {}", .path.display())]
    RelativePath {
        /// The photo.
        path: PathBuf,
    },
}

/// A row of the file that an edit changed, with what it holds now.
#[derive(Clone, Debug, PartialEq)]
pub enum RowChange {
    /// A class is new or differs, position included.
    PutClass(Class),
    /// A class is gone.
    DeleteClass(ClassId),
    /// New photos.
    InsertPhotos(Vec<Photo>),
    /// Photos that are gone.
    DeletePhotos(Vec<PhotoId>),
    /// Roles that differ.
    SetRoles(Vec<(PhotoId, Role)>),
    /// Main labels that were set, for the labels' own history too.
    SetLabels {
        /// The label of each photo now.
        labels: Vec<(PhotoId, Option<ClassId>)>,
        /// Who said so.
        source: LabelSource,
        /// What was predicted before.
        predicted: Vec<(PhotoId, ClassId)>,
    },
    /// The further labels of each photo now.
    SetAlso(Vec<(PhotoId, Vec<ClassId>)>),
    /// Whether nobody can tell differs.
    SetUnsure(Vec<(PhotoId, bool)>),
    /// The settings differ.
    PutSettings(Settings),
}

impl Edit {
    /// Labels one photo, or clears its label.
    pub fn label(photo: PhotoId, class: Option<ClassId>, source: LabelSource) -> Self {
        Self::SetLabels {
            labels: vec![(photo, class)],
            source,
            predicted: Vec::new(),
        }
    }

    /// Gives photos these labels, the main one first: [`Self::SetLabels`] where that says it all.
    pub fn labels(labels: Vec<(PhotoId, Vec<ClassId>)>, source: LabelSource) -> Self {
        let predicted = Vec::new();
        if labels.iter().any(|(_, classes)| classes.len() > 1) {
            return Self::SetLabelSets {
                labels,
                source,
                predicted,
            };
        }
        let labels = labels.into_iter();
        Self::SetLabels {
            labels: labels
                .map(|(photo, classes)| (photo, classes.first().copied()))
                .collect(),
            source,
            predicted,
        }
    }

    /// Whether this edit continues the gesture of the last one, so that both are one undo step: the same slider, moved on.
    ///
    /// `previous` is the last edit and `before` its inverse. The first touch of a slider may set others too, to what tuning had found for them.
    pub fn merges_with(&self, previous: &Self, before: &Self) -> bool {
        let (Self::SetSettings(before), Self::SetSettings(middle), Self::SetSettings(after)) =
            (before, previous, self)
        else {
            return false;
        };
        match (moved_sliders(before, middle), moved_sliders(middle, after)) {
            (Some(first), Some(second)) => {
                let is_one = second.iter().filter(|moved| **moved).count() == 1;
                is_one
                    && first
                        .iter()
                        .zip(second)
                        .all(|(&first, second)| first || !second)
            }
            _ => false,
        }
    }

    /// Replaces every path in the edit, for a file whose paths are relative.
    pub(super) fn map_paths(&mut self, map: &impl Fn(&Path) -> PathBuf) {
        match self {
            Self::AddPhotos(photos) => {
                for photo in photos {
                    photo.path = Arc::from(map(&photo.path));
                }
            }
            Self::Batch { edits, .. } => edits.iter_mut().for_each(|edit| edit.map_paths(map)),
            _ => (),
        }
    }
}

/// Whether α, β, γ differ; `None` when anything else does. The badge "tuned" goes with the first touch and does not count.
fn moved_sliders(before: &Settings, after: &Settings) -> Option<[bool; 3]> {
    let &Settings {
        alpha,
        beta,
        gamma,
        auto_tuned,
        ..
    } = before;
    let unmoved = Settings {
        alpha,
        beta,
        gamma,
        auto_tuned,
        ..after.clone()
    };
    let moved = [
        (alpha, after.alpha),
        (beta, after.beta),
        (gamma, after.gamma),
    ]
    .map(|(from, to)| from.to_bits() != to.to_bits());
    (unmoved == *before).then_some(moved)
}
