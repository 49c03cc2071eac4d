//! Adapted features: bottleneck adapters in the vision encoder, or one matrix after it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::trained_on::TrainedOn;
use super::{Engine, EngineError, prompts};
use crate::clip::{AdaptedProjection, AdapterNotes, BottleneckAdapter};
use crate::features::{Features, Matrix};
use crate::methods::projection::{Cut, IsoClip, Projection, ProjectionInput};
use crate::support::SupportSet;

/// What `--adapter` names.
#[derive(Clone, Debug, PartialEq)]
pub enum AdapterSpec {
    /// `isoclip[:TOP,BOTTOM]`: how many singular directions to leave out at either end.
    IsoClip(Option<(usize, usize)>),
    /// `pca[:DIM]`: how many axes to keep.
    Pca(Option<usize>),
    /// A file of bottleneck adapters.
    File(PathBuf),
}

impl FromStr for AdapterSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, numbers) = text
            .split_once(':')
            .map_or((text, None), |(name, numbers)| (name, Some(numbers)));
        match (name, numbers) {
            ("isoclip", None) => Ok(Self::IsoClip(None)),
            ("isoclip", Some(numbers)) => {
                let parsed = numbers.split_once(',').and_then(|(top, bottom)| {
                    Some((top.trim().parse().ok()?, bottom.trim().parse().ok()?))
                });
                parsed
                    .map(|numbers| Self::IsoClip(Some(numbers)))
                    .ok_or_else(|| {
                        format!("isoclip takes TOP,BOTTOM as in isoclip:150,50, not {numbers:?}")
                    })
            }
            ("pca", None) => Ok(Self::Pca(None)),
            ("pca", Some(number)) => number
                .trim()
                .parse()
                .map(|dim| Self::Pca(Some(dim)))
                .map_err(|_not_a_number| {
                    format!("pca takes a number as in pca:256, not {number:?}")
                }),
            _ => Ok(Self::File(PathBuf::from(text))),
        }
    }
}

/// Makes adapted features for photos.
pub enum AdaptedEncoder {
    /// One matrix applied to what the encoder gives.
    Projection {
        /// The matrix.
        projection: Projection,
        /// As "IsoCLIP (0, 0)".
        title: String,
        /// How its numbers were chosen, where they were.
        note: Option<String>,
        /// The photos that it has seen in training.
        trained_on: TrainedOn,
    },
    /// Adapters inside the encoder: photos are encoded once more.
    Bottleneck(Box<BottleneckAdapter>),
}

/// What a projection's free numbers are chosen on.
#[derive(Clone, Copy)]
pub struct SupportRows<'a> {
    /// The labelled photos.
    pub support: &'a SupportSet,
    /// `[num_shots, width]`, before the projection.
    pub hidden: Option<&'a Matrix>,
}

/// What a projection needs to know of the model.
#[derive(Clone, Copy, Default)]
pub struct Geometry<'a> {
    /// What texts can reach of the image tower; none for `ModifiedResNet`.
    pub iso: Option<&'a IsoClip>,
    /// Published numbers for this model, if there are some.
    pub published_cut: Option<Cut>,
    /// Numbers in a feature.
    pub dim: usize,
}

/// Names of everyday things, an open vocabulary in small: PCA's axes are taken from their features (as in the paper, which
/// takes the 1,000 names of `ImageNet`).
const WORDS: &str = include_str!("../../assets/words.txt");

/// Features of "a photo of a {word}" for every word of the list, `[num_words, dim]`.
pub fn word_features(engine: &Engine) -> Result<Features, EngineError> {
    let texts: Vec<String> = WORDS.lines().map(prompts::default_prompt).collect();
    let mut rows = Vec::new();
    for batch in texts.chunks(64) {
        rows.extend(engine.embed_texts(batch)?.0.into_vec());
    }
    Ok(Features::normalized(Matrix::new(
        texts.len(),
        engine.clip().dim(),
        rows,
    )?)?)
}

impl AdaptedEncoder {
    /// For features without a support set: published numbers where there are some, else nothing left out.
    pub fn without_support(
        spec: &AdapterSpec,
        scale: Option<f64>,
        engine: &Engine,
    ) -> Result<Self, EngineError> {
        Self::new(spec, scale, engine, None)
    }

    /// With numbers chosen on the support set where neither `spec` nor a publication gives them.
    pub fn new(
        spec: &AdapterSpec,
        scale: Option<f64>,
        engine: &Engine,
        support: Option<SupportRows<'_>>,
    ) -> Result<Self, EngineError> {
        if let AdapterSpec::File(path) = spec {
            return Self::open(path, scale, engine);
        }
        let words = matches!(spec, AdapterSpec::Pca(_))
            .then(|| word_features(engine))
            .transpose()?;
        let projections = match spec {
            AdapterSpec::IsoClip(_) => engine.clip().projections()?,
            _ => None,
        };
        let iso = projections
            .map(|(image, text)| IsoClip::new(&image, &text))
            .transpose()?;
        let published_cut = engine.published_cut();
        let geometry = Geometry {
            iso: iso.as_ref(),
            published_cut,
            dim: engine.clip().dim(),
        };
        Self::projection(spec, &geometry, words.as_ref(), support)
    }

    fn open(path: &Path, scale: Option<f64>, engine: &Engine) -> Result<Self, EngineError> {
        let Some(projection) = AdaptedProjection::open(path, engine.clip())? else {
            let adapter = BottleneckAdapter::open(path, scale, engine.clip())?;
            return Ok(Self::Bottleneck(Box::new(adapter)));
        };
        Ok(Self::Projection {
            trained_on: photos_of(&projection.notes),
            projection: Projection::learned(projection.matrix, projection.id),
            title: "Trained projection".to_owned(),
            note: None,
        })
    }

    /// IsoCLIP or PCA, without the model itself at hand.
    pub fn projection(
        spec: &AdapterSpec,
        geometry: &Geometry<'_>,
        words: Option<&Features>,
        support: Option<SupportRows<'_>>,
    ) -> Result<Self, EngineError> {
        match spec {
            AdapterSpec::IsoClip(cut) => isoclip(*cut, geometry, support),
            AdapterSpec::Pca(num_components) => pca(*num_components, geometry, words),
            AdapterSpec::File(path) => Err(EngineError::Adapter(format!(
                "{} is a file, not a projection",
                path.display()
            ))),
        }
    }

    /// The adapters to encode with, if that is what this is.
    pub fn bottleneck(&self) -> Option<&BottleneckAdapter> {
        match self {
            Self::Bottleneck(adapter) => Some(adapter),
            Self::Projection { .. } => None,
        }
    }

    /// Adapted rows, `[n, adapted_dim]`, from what the encoder gave, `[n, dim]` and `[n, width]`; with bottleneck adapters
    /// they are adapted already.
    pub fn adapt(&self, features: &Matrix, hidden: Option<&Matrix>) -> Result<Matrix, EngineError> {
        let Self::Projection { projection, .. } = self else {
            return Ok(features.clone());
        };
        let rows = match projection.input() {
            ProjectionInput::Features => Features::normalized(features.clone())?.matrix().clone(),
            ProjectionInput::Hidden => hidden.ok_or_else(no_projection)?.clone(),
        };
        Ok(projection.apply(&rows)?.matrix().clone())
    }

    /// Tells these adapted features from others.
    pub fn id(&self) -> String {
        match self {
            Self::Bottleneck(adapter) => adapter.id(),
            Self::Projection { projection, .. } => projection.id().to_owned(),
        }
    }

    /// The photos that it has seen in training, as far as its file says.
    pub fn trained_on(&self) -> TrainedOn {
        match self {
            Self::Bottleneck(adapter) => photos_of(adapter.notes()),
            Self::Projection { trained_on, .. } => trained_on.clone(),
        }
    }

    /// How its numbers were chosen, where they were.
    pub fn note(&self) -> Option<String> {
        match self {
            Self::Bottleneck(_) => None,
            Self::Projection { note, .. } => note.clone(),
        }
    }

    /// For people, as "IsoCLIP (0, 0)".
    pub fn title(&self) -> String {
        match self {
            Self::Bottleneck(_) => "Bottleneck adapter".to_owned(),
            Self::Projection { title, .. } => title.clone(),
        }
    }
}

fn photos_of(notes: &AdapterNotes) -> TrainedOn {
    notes
        .photos
        .as_deref()
        .map(TrainedOn::parse)
        .unwrap_or_default()
}

fn no_projection() -> EngineError {
    EngineError::Adapter(
        "IsoCLIP works on the projection of a vision transformer, and this model has none; use pca instead".to_owned(),
    )
}

fn isoclip(
    cut: Option<(usize, usize)>,
    geometry: &Geometry<'_>,
    support: Option<SupportRows<'_>>,
) -> Result<AdaptedEncoder, EngineError> {
    let iso = geometry.iso.ok_or_else(no_projection)?;
    let given = cut
        .map(|(top, bottom)| Cut { top, bottom })
        .or(geometry.published_cut);
    let (cut, note) = match (given, support) {
        (Some(cut), _) => (cut, None),
        (
            None,
            Some(SupportRows {
                support,
                hidden: Some(hidden),
            }),
        ) => cross_fitted_cut(iso, hidden, support)?,
        (None, _) => (Cut::default(), None),
    };
    let title = format!("IsoCLIP ({}, {})", cut.top, cut.bottom);
    Ok(AdaptedEncoder::Projection {
        projection: iso.projection(cut)?,
        title,
        note,
        trained_on: TrainedOn::default(),
    })
}

/// How many parts of the support set take turns in being left out of the choice.
pub(super) const NUM_FOLDS: usize = 4;

/// A cut that each quarter of the shots would be given by the other three: what is then measured on the shots was not chosen
/// on them. Where the quarters disagree nothing is cut, which is no choice at all.
fn cross_fitted_cut(
    iso: &IsoClip,
    hidden: &Matrix,
    support: &SupportSet,
) -> Result<(Cut, Option<String>), EngineError> {
    let folds = folds(support);
    let mut chosen = None;
    for fold in 0..NUM_FOLDS {
        let rows: Vec<usize> = (0..support.len())
            .filter(|row| folds[*row] != fold)
            .collect();
        let others = support.select(&rows);
        if others.is_empty() || rows.len() == support.len() {
            return Ok((Cut::default(), None));
        }
        let cut = iso.choose_cut(&hidden.select_rows(&rows), &others)?.cut;
        if *chosen.get_or_insert(cut) != cut {
            let note = "The quarters of the support set would choose different numbers for IsoCLIP, so nothing is left out";
            return Ok((Cut::default(), Some(note.to_owned())));
        }
    }
    let note = "IsoCLIP's numbers were chosen by cross-fitting: no photo was measured with numbers chosen on it";
    Ok((chosen.unwrap_or_default(), Some(note.to_owned())))
}

/// The fold of every row: the photos of each class are dealt out in turn, views and duplicates of a photo together.
pub(super) fn folds(support: &SupportSet) -> Vec<usize> {
    let mut dealt: HashMap<(usize, usize), usize> = HashMap::new();
    let mut counts = vec![0; support.num_classes()];
    let rows = support.labels().iter().zip(support.groups());
    rows.map(|(label, group)| {
        *dealt.entry((*label, *group)).or_insert_with(|| {
            counts[*label] += 1;
            (counts[*label] - 1) % NUM_FOLDS
        })
    })
    .collect()
}

fn pca(
    num_components: Option<usize>,
    geometry: &Geometry<'_>,
    words: Option<&Features>,
) -> Result<AdaptedEncoder, EngineError> {
    let words = words
        .ok_or_else(|| EngineError::Adapter("the word list is still being embedded".to_owned()))?;
    let num_components = num_components
        .unwrap_or_else(|| Projection::default_pca_components(words.len(), geometry.dim));
    let title = format!("PCA of words ({num_components})");
    Ok(AdaptedEncoder::Projection {
        projection: Projection::pca(words, num_components)?,
        title,
        note: None,
        trained_on: TrainedOn::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_are_named_as_on_the_command_line() {
        assert_eq!("isoclip".parse(), Ok(AdapterSpec::IsoClip(None)));
        assert_eq!(
            "isoclip:150,50".parse(),
            Ok(AdapterSpec::IsoClip(Some((150, 50))))
        );
        assert_eq!("pca:64".parse(), Ok(AdapterSpec::Pca(Some(64))));
        assert_eq!(
            "a/b.safetensors".parse(),
            Ok(AdapterSpec::File(PathBuf::from("a/b.safetensors")))
        );
        assert!(
            "isoclip:1"
                .parse::<AdapterSpec>()
                .unwrap_err()
                .contains("TOP,BOTTOM")
        );
        assert!("pca:x".parse::<AdapterSpec>().is_err());
    }
}
