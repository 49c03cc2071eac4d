//! Photos twice: as they are, and adapted.

use std::collections::HashMap;
use std::hash::Hash;

use super::adapted::AdaptedEncoder;
use super::embed::{Lens, PhotoFeatures, PhotoOutcome, PhotoRequest};
use super::queue::Awaited;
use super::{Engine, EngineError};
use crate::clip::BottleneckAdapter;
use crate::clip::preprocess::Crop;
use crate::features::Matrix;
use crate::image_io::ContentHash;
use crate::progress::Progress;
use crate::project::FileStamp;
use crate::project::feature_cache::CachedRow;

/// A photo's features as they are, and the adapted ones once they are there; or why it was skipped.
pub type BothOutcome = Result<(PhotoFeatures, Option<Vec<f32>>), String>;

/// Takes in what [`Engine::embed_both`] gives.
pub type OnBoth<'a, K> = &'a mut dyn FnMut(Vec<(K, BothOutcome)>);

impl Engine {
    /// How often [`Engine::embed_both`] hands over a photo that is not cached.
    ///
    /// Both kinds of features at once where that saves something: what comes before a bottleneck adapter's first block, or
    /// decoding where a GPU waits for it. Else those as they are first, for photos are predicted by them meanwhile; other
    /// processes give one kind at a time, too.
    pub fn passes(&self, encoder: Option<&AdaptedEncoder>) -> usize {
        let Some(adapter) = encoder.and_then(AdaptedEncoder::bottleneck) else {
            return 1;
        };
        let saves_something = adapter.first_block() > 0 || !self.clip().device().is_cpu();
        if saves_something && !self.has_workers() {
            1
        } else {
            2
        }
    }

    /// Embeds photos as they are and through `encoder`, as [`Engine::embed_awaited`] does. A photo whose features as they are
    /// come first is handed over twice.
    pub fn embed_both<K: Clone + Eq + Hash + Send + Sync>(
        &self,
        requests: &[PhotoRequest<K>],
        encoder: Option<&AdaptedEncoder>,
        awaited: Awaited<'_>,
        progress: &Progress<'_>,
        on_batch: OnBoth<'_, K>,
    ) -> Result<(), EngineError> {
        if let Some(adapter) = encoder.and_then(AdaptedEncoder::bottleneck) {
            let at_once = self.passes(encoder) == 1;
            let originals = self.embed_originals(requests, at_once, awaited, progress, on_batch)?;
            let lens = Lens {
                adapter: Some(adapter),
                with_original: at_once && originals.len() < requests.len(),
                ..Lens::default()
            };
            return self.embed_adapted(requests, lens, (&originals, awaited), progress, on_batch);
        }
        let through = |photo: PhotoFeatures| {
            let adapted = encoder.and_then(|encoder| projected(encoder, &photo));
            (photo, adapted)
        };
        self.embed_awaited(requests, Lens::default(), awaited, progress, &mut |batch| {
            let both = batch.into_iter();
            on_batch(
                both.map(|(key, outcome)| (key, outcome.map(through)))
                    .collect(),
            );
        })
    }

    /// Encodes crops both ways, for the spaces of either, in this process; those whose features as they are are cached only
    /// through the adapter.
    pub(super) fn encode_both(
        &self,
        photos: &[(usize, FileStamp)],
        crops: &[Crop],
        adapter: &BottleneckAdapter,
        [space, adapted_space]: [&str; 2],
    ) -> Result<Vec<(usize, PhotoOutcome)>, EngineError> {
        let hashes: Vec<ContentHash> = photos.iter().filter_map(|(_, stamp)| stamp.hash).collect();
        let known = self.cached_or_imported(space, &hashes).into_iter();
        let known: Vec<CachedRow> = known.flatten().collect();
        if known.len() == photos.len() {
            let adapted = self.clip().encode_crops(crops, Some(adapter))?;
            let originals = photos.iter().zip(known);
            let originals = originals.map(|((_, stamp), row)| PhotoFeatures::of_row(*stamp, row));
            let adapted = self.remember(photos, &adapted, adapted_space);
            return Ok(beside(adapted, originals));
        }
        let [original, adapted] = self.clip().encode_crops_both(crops, adapter)?;
        let originals = self.remember(photos, &original, space);
        let originals = originals.into_iter().filter_map(|(_, photo)| photo.ok());
        let adapted = self.remember(photos, &adapted, adapted_space);
        Ok(beside(adapted, originals))
    }

    /// The features as they are: all of them, or of photos that get both `at_once` those that are cached.
    fn embed_originals<K: Clone + Eq + Hash + Send + Sync>(
        &self,
        requests: &[PhotoRequest<K>],
        at_once: bool,
        awaited: Awaited<'_>,
        progress: &Progress<'_>,
        on_batch: OnBoth<'_, K>,
    ) -> Result<HashMap<K, PhotoFeatures>, EngineError> {
        let mut originals = HashMap::new();
        let mut keep = |batch: Vec<(K, PhotoOutcome)>| {
            let mut both = Vec::with_capacity(batch.len());
            for (key, outcome) in batch {
                if let Ok(photo) = &outcome {
                    originals.insert(key.clone(), photo.clone());
                }
                both.push((key, outcome.map(|photo| (photo, None))));
            }
            on_batch(both);
        };
        if at_once {
            self.hand_over_cached(requests, &self.feature_space(None), &mut keep);
        } else {
            self.embed_awaited(requests, Lens::default(), awaited, progress, &mut keep)?;
        }
        Ok(originals)
    }

    /// The features through `lens`, beside those of `originals` or those that come along.
    fn embed_adapted<K: Clone + Eq + Hash + Send + Sync>(
        &self,
        requests: &[PhotoRequest<K>],
        lens: Lens<'_>,
        (originals, awaited): (&HashMap<K, PhotoFeatures>, Awaited<'_>),
        progress: &Progress<'_>,
        on_batch: OnBoth<'_, K>,
    ) -> Result<(), EngineError> {
        let mut alone = HashMap::new();
        self.embed_awaited(requests, lens, awaited, progress, &mut |batch| {
            let mut both = Vec::with_capacity(batch.len());
            for (key, outcome) in batch {
                let photo = match outcome {
                    Ok(photo) => photo,
                    Err(reason) => {
                        both.push((key, Err(reason)));
                        continue;
                    }
                };
                let known = originals.get(&key).cloned();
                if let Some(original) = known.or(photo.original.map(|original| *original)) {
                    both.push((key, Ok((original, Some(photo.features)))));
                } else {
                    alone.insert(key, photo.features);
                }
            }
            on_batch(both);
        })?;
        // Those that the cache knew through the adapter alone.
        let rest = requests
            .iter()
            .filter(|request| alone.contains_key(&request.key));
        let rest: Vec<PhotoRequest<K>> = rest.cloned().collect();
        self.embed_photos(&rest, None, progress, &mut |batch| {
            let both = batch.into_iter().map(|(key, outcome)| {
                let adapted = alone.remove(&key);
                (key, outcome.map(|photo| (photo, adapted)))
            });
            on_batch(both.collect());
        })
    }
}

/// Adapted features with the original ones of the same photos.
fn beside(
    mut adapted: Vec<(usize, PhotoOutcome)>,
    originals: impl Iterator<Item = PhotoFeatures>,
) -> Vec<(usize, PhotoOutcome)> {
    for ((_, outcome), original) in adapted.iter_mut().zip(originals) {
        if let Ok(photo) = outcome {
            photo.original = Some(Box::new(original));
        }
    }
    adapted
}

/// A photo's features through a projection; `None` where the model gives nothing to project.
fn projected(encoder: &AdaptedEncoder, photo: &PhotoFeatures) -> Option<Vec<f32>> {
    let row = |values: &[f32]| Matrix::new(1, values.len(), values.to_vec()).ok();
    let hidden = photo.hidden.as_deref().and_then(row);
    let adapted = encoder.adapt(&row(&photo.features)?, hidden.as_ref());
    adapted.ok().map(Matrix::into_vec)
}
