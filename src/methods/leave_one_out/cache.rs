//! Tip-Adapter, Tip-X and their ++ relatives: one cache, in which the keys of the judged photo are masked.

use std::ops::Range;

use super::Protocol;
use super::block::{Block, Terms, Votes};
use super::parts::Parts;
use super::search::Judge;
use crate::features::{Features, Matrix};
use crate::methods::keys::{self, Keys};
use crate::methods::lanes::{LANES, Lanes, MASKED};
use crate::methods::tip_x::TipX;
use crate::methods::{Knowledge, Method, MethodError, Parameters};
use crate::progress::Progress;
use crate::support::SupportSet;

/// The cache of the whole support set.
pub(super) struct CacheJudge<'a> {
    support: &'a SupportSet,
    probes: &'a Features,
    keys: Keys,
    /// Where each row stands among the sorted keys.
    place_of: Vec<usize>,
    parts: Parts,
    /// Tip-X: what γ takes off, `[num_rows, num_classes]`, without the hidden keys.
    divergences: Option<Matrix>,
}

impl<'a> CacheJudge<'a> {
    pub(super) fn tip_adapter(
        method: Method,
        knowledge: &Knowledge<'a>,
    ) -> Result<Self, MethodError> {
        let with_names = Knowledge {
            use_class_names: true,
            ..*knowledge
        };
        let keys = Keys::new(method, &with_names)?;
        let mut place_of = vec![0; keys.order.len()];
        for (place, row) in keys.order.iter().enumerate() {
            place_of[*row] = place;
        }
        Ok(Self {
            support: knowledge.support,
            probes: knowledge.keys_for(method)?,
            keys,
            place_of,
            parts: Parts::by_photo(knowledge.support),
            divergences: None,
        })
    }

    /// ψ keeps the ranges of the whole support set, as it does for any other photo.
    pub(super) fn tip_x(method: Method, knowledge: &Knowledge<'a>) -> Result<Self, MethodError> {
        let cache = Self::tip_adapter(method, knowledge)?;
        let support = knowledge.support;
        let fitted = TipX::fit(method, &Parameters::default(), knowledge)?;
        let signatures =
            fitted.signatures(support.features(), cache.probes, &Progress::silent())?;
        let mut terms = signatures.class_terms();
        for row in 0..support.len() {
            let terms = terms.row_mut(row);
            for key in cache.parts.hidden(row) {
                terms[support.labels()[*key]] -= signatures.term(row, *key);
            }
            terms[support.labels()[row]] *= cache.parts.scale(row).unwrap_or(1.0);
        }
        Ok(Self {
            divergences: Some(terms),
            ..cache
        })
    }

    fn judged(&self, mut block: keys::Block) -> Block {
        let mut labels = [u32::MAX; LANES];
        let mut scales = [1.0; LANES];
        for lane in 0..block.len {
            let row = block.first + lane;
            for hidden in self.parts.hidden(row) {
                block.cosines[self.place_of[*hidden]][lane] = MASKED;
            }
            if let Some(scale) = self.parts.scale(row) {
                labels[lane] = self.support.labels()[row] as u32;
                scales[lane] = scale;
            }
        }
        let divergences = self
            .divergences
            .as_ref()
            .map_or_else(Vec::new, |all| lanes_of_rows(all, block.first, block.len));
        Block {
            first: block.first,
            labels,
            text: block.zero_shot,
            terms: Terms::Votes(Votes {
                cosines: block.cosines,
                surprises: Vec::new(),
                divergences,
                ends: self.keys.ends.clone(),
                scales,
            }),
        }
    }
}

impl Judge for CacheJudge<'_> {
    fn num_rows(&self) -> usize {
        self.support.len()
    }

    fn protocol(&self) -> Protocol {
        self.parts.protocol
    }

    fn blocks(&self, rows: Range<usize>) -> Result<Vec<Block>, MethodError> {
        let rows: Vec<usize> = rows.collect();
        let blocks = self
            .keys
            .blocks(self.support.features(), self.probes, &rows);
        Ok(blocks.into_iter().map(|block| self.judged(block)).collect())
    }
}

/// Rows `first..first + len` of a matrix side by side, `[cols]`.
pub(super) fn lanes_of_rows(matrix: &Matrix, first: usize, len: usize) -> Vec<Lanes> {
    let mut lanes = vec![[0.0; LANES]; matrix.cols()];
    for lane in 0..len {
        for (lanes, x) in lanes.iter_mut().zip(matrix.row(first + lane)) {
            lanes[lane] = *x;
        }
    }
    lanes
}
