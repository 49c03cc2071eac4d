//! What a fit stands on: classes, support set, texts and adapted features, put together from the request and the features at hand.

use std::collections::HashMap;

use super::{FitRequest, ScoringThread};
use crate::engine::EngineError;
use crate::engine::adapted::{AdaptedEncoder, AdapterSpec, Geometry, SupportRows};
use crate::features::{Features, Matrix};
use crate::ids::PhotoId;
use crate::image_io::ContentHash;
use crate::methods::Prompts;
use crate::methods::projection::IsoClip;
use crate::support::{SupportSet, groups_of};
use crate::worker::lesson::{Fingerprint, Lesson};

/// A lesson, with what it was made of.
pub(super) struct Ground {
    pub(super) lesson: Lesson,
    /// Support photo of every key.
    pub(super) photos: Vec<PhotoId>,
    pub(super) encoder: Option<AdaptedEncoder>,
    /// Why there are no adapted features although some were asked for.
    pub(super) adapter_note: Option<String>,
    /// The keys that come from a picture, by its content.
    pub(super) key_hashes: HashMap<ContentHash, Vec<usize>>,
}

/// Adapted features of the support set.
#[derive(Default)]
struct Adapted {
    encoder: Option<AdaptedEncoder>,
    keys: Option<Features>,
    note: Option<String>,
}

impl ScoringThread {
    pub(super) fn ground(&mut self, request: &FitRequest) -> Result<Ground, EngineError> {
        let num_classes = request.classes.len();
        let means = || request.classes.iter().map(|(_, text)| text.mean.as_slice());
        let dim = means().next().map_or(0, <[f32]>::len);
        let text = Features::normalized(Matrix::from_rows(dim, means())?)?;
        let shots: Vec<(usize, PhotoId, usize)> = request
            .shots
            .iter()
            .filter_map(|(photo, class)| Some((self.table.row_of(*photo)?, *photo, *class)))
            .collect();
        let rows: Vec<usize> = shots.iter().map(|(row, ..)| *row).collect();
        let labels: Vec<usize> = shots.iter().map(|(.., class)| *class).collect();
        let originals = if rows.is_empty() {
            Features::normalized(Matrix::zeros(0, dim))?
        } else {
            self.table.original(&rows)?
        };
        // Exact duplicates share a group, so that leaving one out leaves out both.
        let groups = groups_of(rows.iter().map(|row| self.table.hash(*row)));
        let support = SupportSet::new(originals, labels, num_classes, groups)?;
        let Adapted {
            encoder,
            keys,
            note,
        } = self.adapted(request, &rows, &support)?;
        let hashes: Vec<ContentHash> = rows.iter().map(|row| self.table.hash(*row)).collect();
        let mut key_hashes: HashMap<ContentHash, Vec<usize>> = HashMap::new();
        for (key, hash) in hashes.iter().enumerate() {
            key_hashes.entry(*hash).or_default().push(key);
        }
        let lesson = Lesson {
            generation: request.generation,
            support,
            unseen: self.unseen(request, &hashes),
            adapted_keys: keys,
            text,
            prompts: prompts(request, dim)?,
            learned_text: None,
            use_class_names: request.use_class_names,
            fingerprint: Fingerprint::default(),
        };
        Ok(Ground {
            lesson: lesson.sealed(),
            photos: shots.iter().map(|(_, photo, _)| *photo).collect(),
            encoder,
            adapter_note: note,
            key_hashes,
        })
    }

    /// Rows whose photos did not train the adapter file in use, where some did.
    fn unseen(&self, request: &FitRequest, hashes: &[ContentHash]) -> Option<Vec<usize>> {
        match request.adapter {
            Some(AdapterSpec::File(_)) => self.trained_on.rows_unseen(hashes),
            _ => None,
        }
    }

    /// The adapted features of the support set, how they were made, and what to say about it.
    fn adapted(
        &mut self,
        request: &FitRequest,
        rows: &[usize],
        support: &SupportSet,
    ) -> Result<Adapted, EngineError> {
        let Some(spec) = request.adapter.as_ref().filter(|_| !rows.is_empty()) else {
            return Ok(Adapted::default());
        };
        if let AdapterSpec::File(_) = spec {
            let keys = self
                .table
                .bottleneck(rows)
                .map(Features::normalized)
                .transpose()?;
            let note = keys
                .is_none()
                .then(|| "The photos are still on their way through the adapter".to_owned());
            return Ok(Adapted {
                encoder: None,
                keys,
                note,
            });
        }
        self.decompose();
        let (features, hidden) = (self.table.original_raw(rows), self.table.hidden(rows));
        let support = SupportRows {
            support,
            hidden: hidden.as_ref(),
        };
        match AdaptedEncoder::projection(spec, &self.geometry(), self.words.as_ref(), Some(support))
        {
            Ok(encoder) => {
                let adapted = encoder.adapt(&features, hidden.as_ref())?;
                Ok(Adapted {
                    encoder: Some(encoder),
                    keys: Some(Features::normalized(adapted)?),
                    note: None,
                })
            }
            Err(error) => Ok(Adapted {
                note: Some(error.to_string()),
                ..Adapted::default()
            }),
        }
    }

    /// Decomposes the model's projections, once.
    fn decompose(&mut self) {
        if let (None, Some((image, text))) = (
            &self.iso,
            self.model
                .as_ref()
                .and_then(|model| model.projections.as_ref()),
        ) {
            // Projections that cannot be decomposed have no IsoCLIP, which is said when it is chosen.
            self.iso = IsoClip::new(image, text).ok();
        }
    }

    /// What projections need to know of the model.
    fn geometry(&self) -> Geometry<'_> {
        self.model
            .as_ref()
            .map_or_else(Geometry::default, |model| Geometry {
                iso: self.iso.as_ref(),
                published_cut: model.published_cut,
                dim: model.dim,
            })
    }
}

/// Every prompt by itself.
fn prompts(request: &FitRequest, dim: usize) -> Result<Option<Prompts>, EngineError> {
    let rows = || {
        let numbered = request.classes.iter().enumerate();
        numbered
            .flat_map(|(class, (_, text))| text.prompts.iter().map(move |prompt| (class, prompt)))
    };
    if rows().next().is_none() {
        return Ok(None);
    }
    let features = Matrix::from_rows(dim, rows().map(|(_, prompt)| prompt.as_slice()))?;
    Ok(Some(Prompts {
        features: Features::normalized(features)?,
        classes: rows().map(|(class, _)| class).collect(),
    }))
}
