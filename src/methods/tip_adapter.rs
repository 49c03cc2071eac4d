//! Tip-Adapter and Tip-Adapter++: a key-value cache over the support set.
//!
//! `logits = 100 · x · Wᵀ + α · exp(-β (1 - x · Fᵀ)) · L` (Zhang et al., ECCV 2022, eq. 5 and 6;
//! gaopengcuhk/Tip-Adapter at d0e2d6f8). Tip-Adapter++ takes the cosines in `exp` from adapted features and the
//! zero-shot term from the original ones (IMO, BMVC 2024; `akres001/CLIP_fewshot_imo` at 9e7de23b).

use super::evidence::Keyring;
use super::keys::{Block, Keys, append_rows};
use super::lanes::{LANES, Lanes, blend, class_sums};
use super::{Classifier, Knowledge, Method, MethodError, Parameters, Queries, Reading, Weighing};
use crate::features::{Features, Logits, Matrix};
use crate::progress::Progress;

/// Weight and sharpness of a cache.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) alpha: f32,
    pub(super) beta: f32,
}

impl Scale {
    pub(super) fn of(parameters: &Parameters) -> Self {
        Self {
            alpha: parameters.alpha,
            beta: parameters.beta,
        }
    }
}

/// A fitted cache.
#[derive(Clone)]
pub(super) struct TipAdapter {
    method: Method,
    keys: Keys,
    scale: Scale,
}

impl TipAdapter {
    pub(super) fn fit(
        method: Method,
        parameters: &Parameters,
        knowledge: &Knowledge<'_>,
    ) -> Result<Self, MethodError> {
        Ok(Self {
            method,
            keys: Keys::new(method, knowledge)?,
            scale: Scale::of(parameters),
        })
    }

    /// The same with other weights.
    pub(super) fn with(&self, parameters: &Parameters) -> Self {
        Self {
            scale: Scale::of(parameters),
            ..self.clone()
        }
    }

    /// The cache.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Logits that `adjust(block, logits)` changes, 16 queries at a time.
    pub(super) fn predict_adjusted(
        &self,
        queries: Queries<'_>,
        progress: &Progress<'_>,
        adjust: impl Fn(&Block, &mut [Lanes]) + Sync,
    ) -> Result<Logits, MethodError> {
        let probes = queries.probes_for(self.method)?;
        let (keys, scale) = (&self.keys, self.scale);
        predict_blocks(keys, scale, queries.original, probes, progress, adjust)
    }
}

impl Classifier for TipAdapter {
    fn predict(
        &self,
        queries: Queries<'_>,
        progress: &Progress<'_>,
    ) -> Result<Logits, MethodError> {
        let probes = queries.probes_for(self.method)?;
        predict_with_keys(&self.keys, self.scale, queries.original, probes, progress)
    }

    fn read(&self, queries: Queries<'_>, hidden: &[&[usize]]) -> Result<Vec<Reading>, MethodError> {
        let probes = queries.probes_for(self.method)?;
        read_with_keys(&self.keys, queries.original, probes, hidden, |_| Vec::new())
    }

    fn weighing(&self) -> Weighing {
        Weighing::Votes(Keyring::new(&self.keys.labels()))
    }

    fn at(&self, parameters: &Parameters) -> Option<Box<dyn Classifier>> {
        Some(Box::new(self.with(parameters)))
    }
}

/// The hidden keys of a block's queries; nothing where none are.
pub(super) fn hidden_of<'a>(hidden: &'a [&'a [usize]], block: &Block) -> &'a [&'a [usize]] {
    hidden
        .get(block.first..block.first + block.len)
        .unwrap_or(&[])
}

/// What a cache reads: zero-shot logits, `terms(block)` `[num_classes]` and the products with the keys, minus infinity
/// where a key is hidden.
pub(super) fn read_with_keys(
    keys: &Keys,
    original: &Features,
    probes: &Features,
    hidden: &[&[usize]],
    terms: impl Fn(&Block) -> Vec<Lanes> + Sync,
) -> Result<Vec<Reading>, MethodError> {
    let blocks = keys.map_blocks(original, probes, &Progress::silent(), |block| {
        let terms = terms(&block);
        let reading = |lane: usize| {
            let mut affinities = vec![0.0; keys.order.len()];
            for (row, cosine) in keys.order.iter().zip(&block.cosines) {
                affinities[*row] = cosine[lane];
            }
            for row in hidden_of(hidden, &block).get(lane).copied().unwrap_or(&[]) {
                affinities[*row] = f32::NEG_INFINITY;
            }
            Reading {
                base: block.zero_shot.iter().map(|class| class[lane]).collect(),
                term: terms.iter().map(|class| class[lane]).collect(),
                affinities,
            }
        };
        (0..block.len).map(reading).collect::<Vec<_>>()
    })?;
    Ok(blocks.into_iter().flatten().collect())
}

/// Zero-shot logits of the original features plus the votes of the keys on `probes`.
pub(super) fn predict_with_keys(
    keys: &Keys,
    scale: Scale,
    original: &Features,
    probes: &Features,
    progress: &Progress<'_>,
) -> Result<Logits, MethodError> {
    predict_blocks(keys, scale, original, probes, progress, |_, _| ())
}

fn predict_blocks(
    keys: &Keys,
    Scale { alpha, beta }: Scale,
    original: &Features,
    probes: &Features,
    progress: &Progress<'_>,
    adjust: impl Fn(&Block, &mut [Lanes]) + Sync,
) -> Result<Logits, MethodError> {
    let num_classes = keys.num_classes();
    let rows = keys.map_blocks(original, probes, progress, |block| {
        let mut sums = vec![[0.0; LANES]; num_classes];
        let mut logits = sums.clone();
        class_sums(
            &block.cosines,
            &keys.log_weights,
            &keys.ends,
            beta,
            &mut sums,
        );
        blend(&block.zero_shot, &sums, alpha, &mut logits);
        adjust(&block, &mut logits);
        let mut rows = Vec::with_capacity(block.len * num_classes);
        append_rows(&logits, block.len, &mut rows);
        rows
    })?;
    let mut logits = Matrix::zeros(original.len(), num_classes);
    logits.as_mut_slice().copy_from_slice(&rows.concat());
    Ok(Logits(logits))
}
