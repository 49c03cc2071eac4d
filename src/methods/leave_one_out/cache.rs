//! Tip-Adapter, Tip-X and their ++ relatives: one cache, in which the keys of the judged photo are masked.

use std::ops::Range;

use super::Protocol;
use super::block::{Block, Terms, Votes};
use super::parts::Parts;
use super::search::Judge;
use crate::features::{Features, Matrix};
use crate::methods::keys::{self, Keys};
use crate::methods::lanes::{LANES, Lanes, MASKED};
use crate::methods::tip_x::{PenaltyScale, TipX};
use crate::methods::{Knowledge, Method, MethodError, Parameters, Queries};
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
    /// Where Tip-X's third term comes from.
    tip_x: Option<(TipX, PenaltyScale)>,
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
            tip_x: None,
        })
    }

    /// ψ keeps the ranges of the whole support set, as it does for any other photo.
    pub(super) fn tip_x(method: Method, knowledge: &Knowledge<'a>) -> Result<Self, MethodError> {
        let cache = Self::tip_adapter(method, knowledge)?;
        let fitted = TipX::fit(method, &Parameters::default(), knowledge)?;
        let photos = Queries {
            adapted: knowledge.adapted_keys,
            ..Queries::new(knowledge.support.features())
        };
        let scale = fitted.scale(photos, &Progress::silent())?;
        Ok(Self {
            tip_x: Some((fitted, scale)),
            ..cache
        })
    }

    /// Tip-X's third term for a block of rows without their hidden keys, `[num_classes]`; nothing for other methods.
    fn penalties(&self, block: &keys::Block) -> Vec<Lanes> {
        let Some((fitted, scale)) = &self.tip_x else {
            return Vec::new();
        };
        let (originals, labels) = (self.support.features(), self.support.labels());
        let rows = || block.first..block.first + block.len;
        let hidden: Vec<&[usize]> = rows().map(|row| self.parts.hidden(row)).collect();
        let mut penalties = fitted.penalties_without(originals, block, scale, &hidden);
        for (lane, row) in rows().enumerate() {
            let own = labels[row];
            penalties[own][lane] *= self.parts.scales(row)[own];
        }
        penalties
    }

    fn judged(&self, mut block: keys::Block) -> Block {
        let mut labels = [u32::MAX; LANES];
        let mut scales = vec![[1.0; LANES]; self.keys.num_classes()];
        for lane in 0..block.len {
            let row = block.first + lane;
            for hidden in self.parts.hidden(row) {
                block.cosines[self.place_of[*hidden]][lane] = MASKED;
            }
            for (scales, scale) in scales.iter_mut().zip(self.parts.scales(row)) {
                scales[lane] = scale;
            }
            if self.parts.is_judged(row) {
                labels[lane] = self.support.labels()[row] as u32;
            }
        }
        let penalties = self.penalties(&block);
        Block {
            first: block.first,
            labels,
            text: block.zero_shot,
            terms: Terms::Votes(Votes {
                cosines: block.cosines,
                surprises: Vec::new(),
                penalties,
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
