//! Methods whose terms are computed for all photos beforehand.

use std::ops::Range;

use super::Protocol;
use super::block::{Block, Terms};
use super::cache::lanes_of_rows;
use super::parts::Parts;
use super::search::Judge;
use crate::features::Matrix;
use crate::methods::lanes::LANES;
use crate::methods::{Knowledge, LOGIT_SCALE, MethodError};
use crate::support::SupportSet;

/// Terms of every row of the support set, as the others give them.
pub(super) struct Given<'a> {
    support: &'a SupportSet,
    /// Zero-shot logits, `[num_rows, num_classes]`.
    text: Matrix,
    /// Whether each row can be judged.
    is_judged: Vec<bool>,
    /// What class names give in place of zero-shot, `[num_rows, num_classes]` each; empty where zero-shot stands.
    pub(super) bases: Vec<Matrix>,
    /// What α multiplies, `[num_rows, num_classes]` each.
    pub(super) terms: Vec<Matrix>,
    /// For every setting its base and its term; empty where there is one of each for every setting.
    pub(super) places: Vec<(usize, usize)>,
    pub(super) protocol: Protocol,
}

impl<'a> Given<'a> {
    /// Class names alone: a term of zeros.
    pub(super) fn zero_shot(knowledge: &Knowledge<'a>, parts: &Parts) -> Self {
        let support = knowledge.support;
        let mut text = support.features().cosines(knowledge.text);
        text.as_mut_slice()
            .iter_mut()
            .for_each(|x| *x *= LOGIT_SCALE);
        Self {
            support,
            terms: vec![Matrix::zeros(text.rows(), text.cols())],
            text,
            is_judged: (0..support.len()).map(|row| parts.is_judged(row)).collect(),
            bases: Vec::new(),
            places: Vec::new(),
            protocol: parts.protocol,
        }
    }

    /// These rows cannot be judged.
    pub(super) fn leave_out(&mut self, rows: &[usize]) {
        for row in rows {
            self.is_judged[*row] = false;
        }
    }

    /// Sets rows of all bases and terms; the matrices given hold these rows only.
    pub(super) fn fill(&mut self, rows: &[usize], bases: &[Matrix], terms: &[Matrix]) {
        let pairs = self.bases.iter_mut().zip(bases);
        for (all, own) in pairs.chain(self.terms.iter_mut().zip(terms)) {
            for (row, own) in rows.iter().zip(own.iter_rows()) {
                all.row_mut(*row).copy_from_slice(own);
            }
        }
    }
}

impl Judge for Given<'_> {
    fn num_rows(&self) -> usize {
        self.support.len()
    }

    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn blocks(&self, rows: Range<usize>) -> Result<Vec<Block>, MethodError> {
        let blocks = rows.clone().step_by(LANES).map(|first| {
            let len = LANES.min(rows.end - first);
            let label = |lane: usize| {
                let row = first + lane;
                if lane < len && self.is_judged[row] {
                    self.support.labels()[row] as u32
                } else {
                    u32::MAX
                }
            };
            let labels = std::array::from_fn(label);
            let lanes = |matrices: &[Matrix]| {
                let lanes = matrices
                    .iter()
                    .map(|matrix| lanes_of_rows(matrix, first, len));
                lanes.collect()
            };
            Block {
                first,
                labels,
                text: lanes_of_rows(&self.text, first, len),
                terms: Terms::Given {
                    bases: lanes(&self.bases),
                    terms: lanes(&self.terms),
                    places: self.places.clone(),
                },
            }
        });
        Ok(blocks.collect())
    }
}
