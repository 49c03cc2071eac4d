//! Tip-Adapter and Tip-Adapter++: a key-value cache over the support set.
//!
//! `logits = 100 · x · Wᵀ + α · exp(-β (1 - x · Fᵀ)) · L` (Zhang et al., ECCV 2022, eq. 5 and 6;
//! gaopengcuhk/Tip-Adapter at d0e2d6f8). Tip-Adapter++ takes the cosines in `exp` from adapted features and the
//! zero-shot term from the original ones (IMO, BMVC 2024; `akres001/CLIP_fewshot_imo` at 9e7de23b).

use super::keys::{Keys, append_rows};
use super::lanes::{LANES, blend, class_sums};
use super::{Classifier, Knowledge, Method, MethodError, Parameters, Queries};
use crate::features::{Logits, Matrix};
use crate::progress::Progress;

/// A fitted cache.
pub(super) struct TipAdapter {
    method: Method,
    keys: Keys,
    alpha: f32,
    beta: f32,
}

impl TipAdapter {
    pub(super) fn fit(
        method: Method,
        parameters: &Parameters,
        knowledge: &Knowledge<'_>,
    ) -> Result<Self, MethodError> {
        let keys = Keys::new(method, knowledge)?;
        Ok(Self {
            method,
            keys,
            alpha: parameters.alpha,
            beta: parameters.beta,
        })
    }
}

impl Classifier for TipAdapter {
    fn predict(
        &self,
        queries: Queries<'_>,
        progress: &Progress<'_>,
    ) -> Result<Logits, MethodError> {
        let Self {
            method,
            keys,
            alpha,
            beta,
        } = self;
        let num_classes = keys.num_classes();
        let rows = keys.map_blocks(
            queries.original,
            queries.probes_for(*method)?,
            progress,
            |block| {
                let mut sums = vec![[0.0; LANES]; num_classes];
                let mut logits = sums.clone();
                class_sums(
                    &block.cosines,
                    &keys.log_weights,
                    &keys.ends,
                    *beta,
                    &mut sums,
                );
                blend(&block.zero_shot, &sums, *alpha, &mut logits);
                let mut rows = Vec::with_capacity(block.len * num_classes);
                append_rows(&logits, block.len, &mut rows);
                rows
            },
        )?;
        let mut logits = Matrix::zeros(queries.original.len(), num_classes);
        logits.as_mut_slice().copy_from_slice(&rows.concat());
        Ok(Logits(logits))
    }
}
