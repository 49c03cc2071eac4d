//! The classifier of a project: its method and settings on its support set, as the window fits them.

use std::path::PathBuf;

use super::learn::{Learned, Wish};
use crate::engine::adapted::{AdaptedEncoder, AdapterSpec};
use crate::engine::evaluate::{Looks, Split};
use crate::engine::{Engine, EngineError};
use crate::ids::PhotoId;
use crate::methods::{Method, MethodError, Parameters};
use crate::progress::Progress;
use crate::project::{Class, FileStamp, Photo, ProjectState, Settings};

/// A project's classifier, with the photos that it was made of.
pub struct ProjectClassifier {
    /// The classifier, and what the shots say of it.
    pub learned: Learned,
    /// The photo of each row of the support set.
    pub photos: Vec<PhotoId>,
    /// Their features.
    pub split: Split,
    /// Photo and reason of each that cannot be read.
    pub skipped: Vec<(PhotoId, String)>,
    /// Why it is not the project's own method, where that cannot be fitted.
    pub note: Option<String>,
}

/// What the settings say, and for the rest what the method's authors publish for so many shots a class.
pub fn parameters_of(settings: &Settings, shots: usize) -> Parameters {
    let method = Method::from_name(&settings.method).unwrap_or_default();
    let (defaults, options) = (Parameters::published(method, shots), &settings.options);
    Parameters {
        alpha: settings.alpha as f32,
        beta: settings.beta as f32,
        gamma: settings.gamma as f32,
        channels: options.channels,
        w0: options.w0.unwrap_or(defaults.w0),
        w1: options.w1.unwrap_or(defaults.w1),
        lambda: options.lambda.unwrap_or(defaults.lambda),
        num_prompts: options.num_prompts,
        epochs: options.epochs,
        learning_rate: options.learning_rate,
        ..defaults
    }
}

/// The class that a photo is known to show: a shot's own, else its label.
pub fn class_of(state: &ProjectState, photo: &Photo) -> Option<usize> {
    let id = photo.known_class()?;
    state.classes().iter().position(|class| class.id == id)
}

impl Engine {
    /// Fits the project's method on its support set; one that cannot be fitted has a stand-in, or with `is_strict` is an error.
    pub fn project_classifier(
        &self,
        state: &ProjectState,
        is_strict: bool,
        progress: &Progress<'_>,
    ) -> Result<ProjectClassifier, EngineError> {
        let wish = wish_of(state);
        let encoder = bottleneck(self, &wish)?;
        let support = support_of(state);
        let photos: Vec<(PathBuf, usize)> = support
            .iter()
            .map(|(photo, class)| (photo.path.to_path_buf(), *class))
            .collect();
        let known: Vec<FileStamp> = support.iter().map(|(photo, _)| photo.file).collect();
        let looks = Looks {
            adapter: encoder.as_ref(),
            ..Looks::default()
        };
        let (split, skipped) = self.embed_split(&photos, &known, looks, progress)?;
        let (learned, note) = self.learn_or_stand_in(state, &split, wish, is_strict, progress)?;
        Ok(ProjectClassifier {
            learned,
            photos: split
                .places
                .iter()
                .map(|place| support[*place].0.id)
                .collect(),
            skipped: skipped
                .into_iter()
                .map(|(place, reason)| (support[place].0.id, reason))
                .collect(),
            split,
            note,
        })
    }

    fn learn_or_stand_in(
        &self,
        state: &ProjectState,
        split: &Split,
        wish: Wish,
        is_strict: bool,
        progress: &Progress<'_>,
    ) -> Result<(Learned, Option<String>), EngineError> {
        let classes: Vec<String> = state
            .classes()
            .iter()
            .map(|class| class.name.clone())
            .collect();
        let prompts: Vec<Vec<String>> = state.classes().iter().map(Class::texts).collect();
        let learn = |wish: &Wish| self.learn_classifier(&classes, &prompts, split, wish, progress);
        let error = match learn(&wish) {
            Ok(learned) => return Ok((learned, None)),
            Err(
                error
                @ (EngineError::Method(MethodError::Cancelled(_)) | EngineError::Cancelled(_)),
            ) => {
                return Err(error);
            }
            Err(error) if is_strict => return Err(error),
            Err(error) => error,
        };
        let chosen = wish.method;
        for method in [chosen.without_adapter(), Method::TipAdapter] {
            let stand_in = Wish {
                method,
                ..wish.clone()
            };
            if method != chosen
                && let Ok(learned) = learn(&stand_in)
            {
                return Ok((learned, Some(stand_in_note(chosen, method, &error))));
            }
        }
        let method = Method::ZeroShot;
        let learned = learn(&Wish { method, ..wish })?;
        Ok((learned, Some(stand_in_note(chosen, method, &error))))
    }
}

fn stand_in_note(chosen: Method, method: Method, error: &EngineError) -> String {
    format!(
        "{} predicts instead of {}: {error}",
        method.title(),
        chosen.title()
    )
}

fn wish_of(state: &ProjectState) -> Wish {
    let settings = state.settings();
    let shots = state
        .classes()
        .iter()
        .map(|class| state.shots(class.id).len());
    Wish {
        method: Method::from_name(&settings.method).unwrap_or_default(),
        parameters: parameters_of(settings, shots.max().unwrap_or(0)),
        tunes: settings.auto_tuned,
        use_class_names: settings.use_class_names,
        may_drop_names: false,
        adapter: settings
            .adapter
            .as_deref()
            .and_then(|text| text.parse().ok()),
        adapter_scale: None,
    }
}

fn bottleneck(engine: &Engine, wish: &Wish) -> Result<Option<AdaptedEncoder>, EngineError> {
    match &wish.adapter {
        Some(spec @ AdapterSpec::File(_)) if wish.method.needs_adapter() => {
            AdaptedEncoder::without_support(spec, None, engine).map(Some)
        }
        _ => Ok(None),
    }
}

/// The photos of the support set, each with the place of its class.
fn support_of(state: &ProjectState) -> Vec<(&Photo, usize)> {
    let support = state.support().into_iter();
    support
        .filter_map(|(photo, class)| Some((state.photo(photo)?, class)))
        .collect()
}
