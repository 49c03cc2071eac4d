//! Zero-shot CLIP: `logits = 100 · x · Wᵀ` (Radford et al., ICML 2021); and `CoOp`, which is that with learned texts.

use super::stored::Linear;
use super::{Classifier, Knowledge, LOGIT_SCALE, Method, MethodError, Queries};
use crate::features::{Features, Logits};
use crate::progress::Progress;

/// Class texts alone; they count whether or not the switch "use class names" is on, as there is nothing else.
pub(super) struct ZeroShot {
    text: Features,
}

impl ZeroShot {
    pub(super) fn fit(knowledge: &Knowledge<'_>) -> Result<Self, MethodError> {
        knowledge.keys_for(Method::ZeroShot)?;
        Ok(Self {
            text: knowledge.text.clone(),
        })
    }

    /// The same with learned class texts (`CoOp`).
    pub(super) fn fit_learned(knowledge: &Knowledge<'_>) -> Result<Self, MethodError> {
        let method = Method::CoOp;
        knowledge.keys_for(method)?;
        let text = knowledge
            .learned_text
            .ok_or(MethodError::NoLearnedText { method })?;
        let (got, expected) = (text.len(), knowledge.support.num_classes());
        if got != expected {
            let what = "learned class texts";
            return Err(MethodError::Rows {
                what,
                got,
                expected,
            });
        }
        Ok(Self { text: text.clone() })
    }
}

impl Classifier for ZeroShot {
    fn predict(
        &self,
        queries: Queries<'_>,
        progress: &Progress<'_>,
    ) -> Result<Logits, MethodError> {
        queries.check_dim(self.text.dim())?;
        progress.check()?;
        let mut logits = queries.original.cosines(&self.text);
        logits
            .as_mut_slice()
            .iter_mut()
            .for_each(|x| *x *= LOGIT_SCALE);
        progress.step(queries.original.len(), queries.original.len())?;
        Ok(Logits(logits))
    }

    fn linear(&self) -> Option<Linear> {
        let mut weights = self.text.matrix().clone();
        let numbers = weights.as_mut_slice().iter_mut();
        numbers.for_each(|x| *x *= LOGIT_SCALE);
        Some(Linear::without_bias(weights))
    }
}
