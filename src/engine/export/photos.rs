//! The photos of a project as they go out: who is labelled what, what is predicted, who decided.

use std::collections::HashMap;
use std::path::PathBuf;

use super::ExportError;
use super::label_cell::joined;
use super::table::{BY_SHOT, BY_UNSURE, Row};
use crate::engine::Engine;
use crate::engine::classifier::project::{ProjectClassifier, class_of};
use crate::engine::classifier::{LabelledPhoto, Prediction};
use crate::features::{Features, Matrix};
use crate::ids::{ClassId, PhotoId};
use crate::image_io::ContentHash;
use crate::progress::Progress;
use crate::project::{FileStamp, LabelSource, Photo, ProjectState, Role};

/// A photo on its way out.
#[derive(Clone, Debug)]
pub struct ExportPhoto {
    /// The file.
    pub path: PathBuf,
    /// Its content.
    pub hash: ContentHash,
    /// Index of the class that it is known to show.
    pub label: Option<usize>,
    /// Further classes that it is labelled.
    pub also: Vec<usize>,
    /// What the method predicts; for a shot what the others predict.
    pub prediction: Option<Prediction>,
    /// As [`Row::decided_by`].
    pub decided_by: String,
    /// Original features of unit length, `[dim]`.
    pub features: Vec<f32>,
}

/// All photos of a project that could be read.
#[derive(Clone, Debug, Default)]
pub struct Exportable {
    /// Class names.
    pub classes: Vec<String>,
    /// In the order of the project.
    pub photos: Vec<ExportPhoto>,
    /// Why each of the others could not be read, naming its file.
    pub skipped: Vec<String>,
    /// What is to be said about the predictions.
    pub note: Option<String>,
    /// The model that made the features: its name, ` sha256:` and the hash of its weights.
    pub model: String,
}

impl ExportPhoto {
    /// Every class that it is known to show, the main one first.
    pub fn labels(&self) -> impl Iterator<Item = usize> + '_ {
        self.label.into_iter().chain(self.also.iter().copied())
    }

    /// The classes to file it under, the main one first: its labels, else the prediction, where `choice` lets it count.
    pub fn classes(&self, choice: Choice) -> Vec<usize> {
        let is_aside = self.decided_by == BY_UNSURE;
        let predicted = self.prediction.filter(|prediction| {
            !is_aside && !choice.is_labelled_only && prediction.confidence >= choice.min_confidence
        });
        if self.label.is_some() {
            return self.labels().collect();
        }
        predicted
            .iter()
            .map(|prediction| prediction.class)
            .collect()
    }

    /// As a row of a table; `path` is how the table names the file.
    pub fn row(&self, path: String, classes: &[String]) -> Row {
        let names: Vec<&str> = self.labels().map(|class| classes[class].as_str()).collect();
        Row {
            path,
            label: joined(&names),
            prediction: self
                .prediction
                .map(|found| (classes[found.class].clone(), found.confidence)),
            decided_by: self.decided_by.clone(),
        }
    }
}

/// Which photos count as being of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Choice {
    /// Only those that somebody labelled.
    pub is_labelled_only: bool,
    /// Predictions below this confidence, 0 to 1, do not count.
    pub min_confidence: f32,
}

impl Engine {
    /// Predicts all photos of a project; `sources`: who gave each label.
    pub fn exportable(
        &self,
        state: &ProjectState,
        sources: &HashMap<PhotoId, String>,
        progress: &Progress<'_>,
    ) -> Result<Exportable, ExportError> {
        if state.classes().is_empty() {
            let problem = "the project has no classes, so there is nothing to predict; make some in the window first";
            return Err(ExportError::Nothing(problem.to_owned()));
        }
        let classifier = self.project_classifier(state, false, &progress.quiet())?;
        let mut out = Exportable {
            classes: state
                .classes()
                .iter()
                .map(|class| class.name.clone())
                .collect(),
            note: classifier.note.clone(),
            model: self.signature(),
            ..Exportable::default()
        };
        let own = OwnPhotos::of(&classifier);
        let method = classifier.learned.classifier.recipe.method.name();
        let photos = state.photos();
        let paths: Vec<PathBuf> = photos
            .iter()
            .map(|photo| photo.path.to_path_buf())
            .collect();
        let known: Vec<FileStamp> = photos.iter().map(|photo| photo.file).collect();
        self.label_photos::<ExportError>(
            &classifier.learned.classifier,
            (&paths, &known),
            progress,
            &mut |stretch| {
                out.skipped
                    .extend(stretch.skipped.into_iter().map(|(_, reason)| reason));
                for found in stretch.labelled {
                    let photo = &photos[found.index];
                    let prediction = own.prediction(&found);
                    let label = class_of(state, photo);
                    let also = also_of(state, photo);
                    out.photos.push(ExportPhoto {
                        path: photo.path.to_path_buf(),
                        hash: found.hash,
                        label,
                        also,
                        prediction,
                        decided_by: decided_by(photo, label, prediction, sources, method),
                        features: unit(found.features)?,
                    });
                }
                Ok(())
            },
        )?;
        if out.photos.is_empty() {
            let all = photos.len();
            return Err(ExportError::Nothing(format!(
                "none of the {all} photos of the project can be read"
            )));
        }
        Ok(out)
    }
}

/// Further classes of a photo of the pool; a shot is of one class.
fn also_of(state: &ProjectState, photo: &Photo) -> Vec<usize> {
    let classes = state.classes();
    let place = |id: ClassId| classes.iter().position(|class| class.id == id);
    photo.known_classes().skip(1).filter_map(place).collect()
}

fn decided_by(
    photo: &Photo,
    label: Option<usize>,
    prediction: Option<Prediction>,
    sources: &HashMap<PhotoId, String>,
    method: &str,
) -> String {
    let labeller = || {
        sources
            .get(&photo.id)
            .map_or(LabelSource::User.name(), String::as_str)
    };
    match (photo.role, label, prediction) {
        (Role::Shot(_), ..) => BY_SHOT.to_owned(),
        (Role::Pool, Some(_), _) => labeller().to_owned(),
        (Role::Pool, None, _) if photo.unsure => BY_UNSURE.to_owned(),
        (Role::Pool, None, Some(_)) => method.to_owned(),
        (Role::Pool, None, None) => String::new(),
    }
}

fn unit(features: Vec<f32>) -> Result<Vec<f32>, crate::engine::EngineError> {
    let rows = Features::normalized(Matrix::new(1, features.len(), features)?)?;
    Ok(rows.row(0).to_vec())
}

/// Photos of the support set, which would recognise themselves: the others say what they show.
struct OwnPhotos(HashMap<ContentHash, Option<Prediction>>);

impl OwnPhotos {
    fn of(classifier: &ProjectClassifier) -> Self {
        let hashes = classifier.split.hashes.iter().enumerate();
        Self(
            hashes
                .map(|(row, hash)| (*hash, classifier.learned.held_out(row)))
                .collect(),
        )
    }

    fn prediction(&self, found: &LabelledPhoto) -> Option<Prediction> {
        match self.0.get(&found.hash) {
            Some(by_others) => *by_others,
            None => Some(found.prediction),
        }
    }
}
