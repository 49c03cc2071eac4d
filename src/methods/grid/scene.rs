//! Validation photos in blocks of 16, each with the class that should win, and the counts that blocks add to.

use std::sync::{Mutex, PoisonError};

use super::counts::Axes;
use crate::features::Features;
use crate::methods::keys::{Block, Keys};
use crate::methods::lanes::{LANES, Lanes};
use crate::methods::lines::{Alphas, magnitudes, take_own};
use crate::methods::{Method, MethodError, Queries};
use crate::progress::Progress;

/// Photos to be judged by.
pub(super) struct Validation<'a> {
    pub(super) queries: Queries<'a>,
    /// What is compared with the keys.
    pub(super) probes: &'a Features,
    /// The class of every photo.
    pub(super) labels: &'a [usize],
}

impl<'a> Validation<'a> {
    pub(super) fn new(
        method: Method,
        queries: Queries<'a>,
        labels: &'a [usize],
    ) -> Result<Self, MethodError> {
        if labels.len() != queries.original.len() {
            return Err(MethodError::Rows {
                what: "validation labels",
                got: labels.len(),
                expected: queries.original.len(),
            });
        }
        Ok(Self {
            queries,
            probes: queries.probes_for(method)?,
            labels,
        })
    }

    /// Lets `count(block, counts)` count every block; gives the sums, `[betas, thirds, alphas]`.
    ///
    /// `probes` are what is compared with these keys. Counts of a chunk are added to the others' at once, so that however
    /// many photos there are, no more than one copy for each thread is held.
    pub(super) fn count(
        &self,
        keys: &Keys,
        probes: &Features,
        axes: &Axes,
        progress: &Progress<'_>,
        count: impl Fn(&Judged<'_>, &mut LineCounts) + Sync,
    ) -> Result<Vec<u32>, MethodError> {
        let num_lines = axes.betas.len() * axes.thirds.len();
        let alphas = Alphas::new(&axes.alphas);
        let total = Mutex::new(LineCounts::new(num_lines, &alphas));
        keys.map_chunks(self.queries.original, probes, progress, |blocks| {
            let mut counts = LineCounts::new(num_lines, &alphas);
            for block in blocks {
                count(&Judged::new(block, self.labels, &alphas), &mut counts);
                progress.check()?;
            }
            total
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .add(&counts);
            Ok(())
        })?;
        let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(total.into_counts(alphas.len()))
    }
}

/// 16 photos and what is known of them for every combination.
pub(super) struct Judged<'a> {
    pub(super) block: Block,
    pub(super) alphas: &'a Alphas,
    /// `u32::MAX` for lanes without a photo.
    pub(super) labels: [u32; LANES],
    /// Zero-shot logits, minus infinity at the own class of every lane.
    pub(super) rivals: Vec<Lanes>,
    /// Zero-shot logit of the own class.
    pub(super) own_base: Lanes,
    /// Largest zero-shot logits.
    pub(super) magnitudes: Lanes,
}

impl<'a> Judged<'a> {
    fn new(block: Block, labels: &[usize], alphas: &'a Alphas) -> Self {
        let mut own = [u32::MAX; LANES];
        for (own, label) in own
            .iter_mut()
            .zip(&labels[block.first..block.first + block.len])
        {
            *own = *label as u32;
        }
        let mut rivals = block.zero_shot.clone();
        Self {
            own_base: take_own(&mut rivals, &own),
            magnitudes: magnitudes(&block.zero_shot),
            labels: own,
            rivals,
            block,
            alphas,
        }
    }
}

/// Rightly classified photos along lines of α, in rows of 16.
pub(super) struct LineCounts {
    rows: Vec<[u32; LANES]>,
    rows_per_line: usize,
}

impl LineCounts {
    fn new(num_lines: usize, alphas: &Alphas) -> Self {
        Self {
            rows: vec![[0; LANES]; num_lines * alphas.num_rows()],
            rows_per_line: alphas.num_rows(),
        }
    }

    /// The rows of line `index`: of β, then of the third parameter.
    pub(super) fn line(&mut self, index: usize) -> &mut [[u32; LANES]] {
        &mut self.rows[index * self.rows_per_line..][..self.rows_per_line]
    }

    fn add(&mut self, other: &Self) {
        for (total, count) in self
            .rows
            .as_flattened_mut()
            .iter_mut()
            .zip(other.rows.as_flattened())
        {
            *total += count;
        }
    }

    /// The counts without the rows' filling.
    fn into_counts(self, num_alphas: usize) -> Vec<u32> {
        self.rows
            .chunks(self.rows_per_line.max(1))
            .flat_map(|line| &line.as_flattened()[..num_alphas])
            .copied()
            .collect()
    }
}
