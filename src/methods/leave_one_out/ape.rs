//! APE and APE++: channels, refined rows and the weights of the votes anew for every part that is hidden.
//!
//! The criterion J is a function of sums, so taking rows out costs a few subtractions a channel. Most parts keep nearly the
//! same channels: the cosines of keys and texts are those of the whole support set, corrected by the channels that changed.

use std::ops::Range;

use rayon::prelude::*;

use super::Protocol;
use super::block::{Block, Terms, Votes};
use super::cache::lanes_of_rows;
use super::parts::Parts;
use super::refined::Refined;
use super::search::Judge;
use crate::features::{Features, Matrix};
use crate::methods::ape::{Criterion, keys_of};
use crate::methods::keys::lanes_of;
use crate::methods::lanes::{LANES, MASKED};
use crate::methods::{Knowledge, LOGIT_SCALE, Method, MethodError, Parameters};
use crate::progress::Progress;
use crate::support::SupportSet;

/// Rows beyond which folds are left out instead of photos.
const MAX_ROWS: usize = 2_000;

/// Cosines of keys and texts, one for each part, beyond which folds are left out: about ten seconds on two cores.
const MAX_COSINES: usize = 4_000_000_000;

/// All keys, and for every part what is refitted without it.
pub(super) struct ApeJudge<'a> {
    support: &'a SupportSet,
    text: &'a Features,
    /// Unrefined keys, sorted by class, `[num_keys, dim]`, and their squares.
    keys: Matrix,
    squares: Matrix,
    /// Unrefined keys in the order of the rows.
    rows: &'a Features,
    place_of: Vec<usize>,
    ends: Vec<usize>,
    parts: Parts,
    /// 1 for the channels that are kept without a part, else 0, `[num_parts, dim]`.
    masks: Matrix,
    /// What γ multiplies, `[num_parts, num_keys]`.
    surprises: Matrix,
}

impl<'a> ApeJudge<'a> {
    pub(super) fn new(
        method: Method,
        parameters: &Parameters,
        knowledge: &Knowledge<'a>,
        progress: &Progress<'_>,
    ) -> Result<Self, MethodError> {
        let support = knowledge.support;
        let by_photo = Parts::by_photo(support);
        let num_cosines = by_photo.len() * support.len() * support.num_classes();
        let parts = if support.len() > MAX_ROWS || num_cosines > MAX_COSINES {
            Parts::folds(support)
        } else {
            by_photo
        };
        Self::with_parts(method, parameters, knowledge, parts, progress)
    }

    fn with_parts(
        method: Method,
        parameters: &Parameters,
        knowledge: &Knowledge<'a>,
        parts: Parts,
        progress: &Progress<'_>,
    ) -> Result<Self, MethodError> {
        let (support, rows) = (knowledge.support, keys_of(method, knowledge)?);
        let labels = support.labels();
        let mut order: Vec<usize> = (0..support.len()).collect();
        order.sort_by_key(|row| labels[*row]);
        let mut place_of = vec![0; order.len()];
        for (place, row) in order.iter().enumerate() {
            place_of[*row] = place;
        }
        let mut ends = support.rows_per_class();
        let mut end = 0;
        for count in &mut ends {
            end += *count;
            *count = end;
        }
        let keys = rows.matrix().select_rows(&order);
        let mut squares = keys.clone();
        squares.as_mut_slice().iter_mut().for_each(|x| *x *= *x);
        let criterion = Criterion::new(rows, labels, knowledge.text, parameters);
        let refined = Refined::new(&keys, knowledge.text, &criterion.channels_without(&[]));
        let sorted_labels: Vec<usize> = order.iter().map(|row| labels[*row]).collect();
        let each: Result<Vec<Refit>, MethodError> = (0..parts.len())
            .into_par_iter()
            .map(|part| {
                progress.check()?;
                let channels = criterion.channels_without(parts.rows_of(part));
                let surprises = refined.surprises(&channels, &sorted_labels);
                let mut mask = vec![0.0; rows.dim()];
                for channel in channels {
                    mask[channel] = 1.0;
                }
                Ok((mask, surprises))
            })
            .collect();
        let (masks, surprises): (Vec<_>, Vec<_>) = each?.into_iter().unzip();
        Ok(Self {
            support,
            text: knowledge.text,
            squares,
            rows,
            place_of,
            ends,
            masks: matrix_of(rows.dim(), &masks),
            surprises: matrix_of(keys.rows(), &surprises),
            keys,
            parts,
        })
    }

    /// Cosines of rows and sorted keys on the channels that are kept without each row's part, `[num_rows, num_keys]`.
    fn cosines(&self, rows: &[usize]) -> Result<Matrix, MethodError> {
        let parts: Vec<usize> = rows.iter().map(|row| self.parts.part_of(*row)).collect();
        let masks = self.masks.select_rows(&parts);
        let mut probes = self.rows.matrix().select_rows(rows);
        for (x, mask) in probes.as_mut_slice().iter_mut().zip(masks.as_slice()) {
            *x *= mask;
        }
        let mut cosines = probes.times_transposed(&self.keys);
        let lengths = masks.times_transposed(&self.squares);
        for index in 0..rows.len() {
            let own: f32 = probes.row(index).iter().map(|x| x * x).sum();
            let squares = lengths.row(index);
            for (cosine, square) in cosines.row_mut(index).iter_mut().zip(squares) {
                let length = (own * square).sqrt();
                if length < 1e-12 {
                    return Err(MethodError::Decomposition {
                        what: "refined channels",
                    });
                }
                *cosine /= length;
            }
        }
        Ok(cosines)
    }

    fn block(&self, rows: Range<usize>, text: &Matrix, cosines: &Matrix, start: usize) -> Block {
        let labels = self.support.labels();
        let mut block = Block {
            first: rows.start,
            labels: [u32::MAX; LANES],
            text: lanes_of(text, start, LOGIT_SCALE),
            terms: Terms::Given {
                bases: Vec::new(),
                terms: Vec::new(),
                places: Vec::new(),
            },
        };
        let mut cosines = lanes_of_rows(cosines, start, rows.len());
        let mut surprises = vec![[0.0; LANES]; cosines.len()];
        let mut scales = vec![[1.0; LANES]; self.ends.len()];
        for (lane, row) in rows.enumerate() {
            for hidden in self.parts.hidden(row) {
                cosines[self.place_of[*hidden]][lane] = MASKED;
            }
            let own = self.surprises.row(self.parts.part_of(row));
            for (lanes, surprise) in surprises.iter_mut().zip(own) {
                lanes[lane] = *surprise;
            }
            for (scales, scale) in scales.iter_mut().zip(self.parts.scales(row)) {
                scales[lane] = scale;
            }
            if self.parts.is_judged(row) {
                block.labels[lane] = labels[row] as u32;
            }
        }
        block.terms = Terms::Votes(Votes {
            cosines,
            surprises,
            penalties: Vec::new(),
            ends: self.ends.clone(),
            scales,
        });
        block
    }
}

impl Judge for ApeJudge<'_> {
    fn num_rows(&self) -> usize {
        self.support.len()
    }

    fn protocol(&self) -> Protocol {
        self.parts.protocol
    }

    fn blocks(&self, rows: Range<usize>) -> Result<Vec<Block>, MethodError> {
        let all: Vec<usize> = rows.clone().collect();
        let cosines = self.cosines(&all)?;
        let originals = self.support.features().matrix().select_rows(&all);
        let text = self.text.matrix().times_transposed(&originals);
        let blocks = (0..all.len()).step_by(LANES).map(|start| {
            let end = all.len().min(start + LANES);
            self.block(all[start]..all[start] + end - start, &text, &cosines, start)
        });
        Ok(blocks.collect())
    }
}

/// What is refitted without a part: the mask of channels and every sorted key's surprise.
type Refit = (Vec<f32>, Vec<f32>);

fn matrix_of(cols: usize, rows: &[Vec<f32>]) -> Matrix {
    let mut matrix = Matrix::zeros(rows.len(), cols);
    for (row, numbers) in rows.iter().enumerate() {
        matrix.row_mut(row).copy_from_slice(numbers);
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::leave_one_out::search::held_out;
    use crate::methods::leave_one_out::space::Space;
    use crate::methods::{Queries, fit};

    /// Made-up rows of unit length.
    fn rows(count: usize, seed: usize) -> Features {
        let number = |row: usize, col: usize| ((row * 37 + col * 11 + seed) as f32 * 1.7).sin();
        Features::normalized(Matrix::from_fn(count, 24, number)).unwrap()
    }

    #[test]
    fn folds_are_fitted_anew_and_every_class_is_scaled_to_the_whole_cache() {
        let labels: Vec<usize> = (0..43).map(|row| row % 4).collect();
        let support = SupportSet::from_rows(rows(43, 1), labels.clone(), 4).unwrap();
        let text = rows(4, 500);
        let knowledge = Knowledge::new(&support, &text);
        let parameters = Parameters {
            gamma: 0.6,
            channels: Some(9),
            ..Parameters::default()
        };
        let (parts, progress) = (Parts::folds(&support), Progress::silent());
        let judge =
            ApeJudge::with_parts(Method::Ape, &parameters, &knowledge, parts, &progress).unwrap();
        let space = Space::single(Method::Ape, &parameters, true);
        let found = held_out(&judge, &space, 0, &progress).unwrap();
        assert_eq!(found.rows.len(), 43);
        let zero_shot = support.features().cosines(&text);
        for row in 0..43 {
            let hidden = judge.parts.hidden(row);
            let left: Vec<usize> = (0..43).filter(|row| !hidden.contains(row)).collect();
            let rest = support.select(&left);
            let fitted = fit(Method::Ape, &parameters, &Knowledge::new(&rest, &text)).unwrap();
            let query = support.features().select(&[row]);
            let logits = fitted.logits(Queries::new(&query)).unwrap().0;
            for class in 0..4 {
                let count =
                    |rows: &[usize]| rows.iter().filter(|row| labels[**row] == class).count();
                let all: Vec<usize> = (0..43).collect();
                let scale = count(&all) as f32 / count(&left) as f32;
                let text = LOGIT_SCALE * zero_shot.row(row)[class];
                let expected = text + scale * (logits.row(0)[class] - text);
                let got = found.logits.0.row(row)[class];
                assert!((got - expected).abs() < 1e-3, "row {row}: {got} {expected}");
            }
        }
    }
}
