//! The cache that all Tip-like methods share: keys sorted by class, and queries taken against them 16 at a time.

use std::sync::Arc;

use rayon::prelude::*;

use super::lanes::{LANES, Lanes, exp};
use super::{Knowledge, LOGIT_SCALE, Method, MethodError, TrainedCache};
use crate::features::{Features, Matrix};
use crate::progress::Progress;

/// Queries taken together in one matrix product: enough to keep it busy (16 alone leave it packing the keys most of the
/// time), few enough that 1,600 keys need 400 KB.
pub(super) const CHUNK: usize = 4 * LANES;

/// Keys and class texts, ready to be compared with queries.
#[derive(Clone)]
pub(crate) struct Keys {
    /// `[num_keys, key_dim]`, sorted by class; shared, for 50,000 keys are 100 MB and every step of a slider makes a classifier.
    sorted: Arc<Matrix>,
    /// Index in the support set of every sorted key.
    pub order: Vec<usize>,
    /// One past the last sorted key of every class.
    pub ends: Vec<usize>,
    /// Logarithm of the weight of every sorted key's vote; zeros where all count alike.
    pub log_weights: Vec<f32>,
    /// `[num_classes, dim]`.
    text: Matrix,
    /// 100, or 0 where class names do not count.
    text_scale: f32,
}

/// Up to 16 queries against all keys and classes.
pub(crate) struct Block {
    /// Index of the first query.
    pub first: usize,
    /// Queries in use; the lanes after them hold zeros.
    pub len: usize,
    /// Zero-shot logits, `[num_classes]`.
    pub zero_shot: Vec<Lanes>,
    /// Cosines with the sorted keys, `[num_keys]`.
    pub cosines: Vec<Lanes>,
}

impl Keys {
    /// The cache of `method`: its keys with the labels of the support set.
    pub(super) fn new(method: Method, knowledge: &Knowledge<'_>) -> Result<Self, MethodError> {
        Ok(Self::of_rows(
            method,
            knowledge.keys_for(method)?,
            knowledge,
        ))
    }

    /// A cache of other rows than the method's own, one for each row of the support set.
    pub(super) fn of_rows(method: Method, keys: &Features, knowledge: &Knowledge<'_>) -> Self {
        // Zero-shot has nothing but class names.
        let names_count = knowledge.use_class_names || method == Method::ZeroShot;
        let labels = knowledge.support.labels();
        Self {
            text_scale: if names_count { LOGIT_SCALE } else { 0.0 },
            ..Self::of_matrix(keys.matrix(), labels, knowledge.text.matrix())
        }
    }

    /// A cache that training has left; `None` where a vote counts against its class, which has no logarithm.
    pub(super) fn of_trained(cache: &TrainedCache) -> Option<Self> {
        let keys = Self::of_matrix(&cache.keys, &cache.labels, &cache.text);
        let log_weights: Vec<f32> = keys
            .order
            .iter()
            .map(|row| cache.votes[*row].ln())
            .collect();
        let are_positive = cache.votes.iter().all(|vote| *vote > 0.0);
        are_positive.then_some(Self {
            log_weights,
            ..keys
        })
    }

    /// Keys of any length, class texts as they are.
    fn of_matrix(keys: &Matrix, labels: &[usize], text: &Matrix) -> Self {
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by_key(|row| labels[*row]);
        let mut ends = vec![0; text.rows()];
        for label in labels {
            ends[*label] += 1;
        }
        let mut end = 0;
        for count in &mut ends {
            end += *count;
            *count = end;
        }
        Self {
            sorted: Arc::new(keys.select_rows(&order)),
            log_weights: vec![0.0; order.len()],
            order,
            ends,
            text: text.clone(),
            text_scale: 1.0,
        }
    }

    /// The class of every key, in the order of the support set.
    pub(super) fn labels(&self) -> Vec<usize> {
        let mut labels = vec![0; self.order.len()];
        let mut start = 0;
        for (class, end) in self.ends.iter().enumerate() {
            for row in &self.order[start..*end] {
                labels[*row] = class;
            }
            start = *end;
        }
        labels
    }

    /// Number of classes.
    pub(super) fn num_classes(&self) -> usize {
        self.ends.len()
    }

    /// Checks the queries' dimensions, which every use needs once.
    pub(super) fn check(&self, original: &Features, probes: &Features) -> Result<(), MethodError> {
        let fits = |got: usize, expected: usize, what| {
            if got == expected {
                Ok(())
            } else {
                Err(MethodError::Dimension {
                    what,
                    got,
                    expected,
                })
            }
        };
        if !original.is_empty() {
            fits(original.dim(), self.text.cols(), "queries")?;
            if !self.order.is_empty() {
                fits(probes.dim(), self.sorted.cols(), "adapted queries")?;
            }
        }
        Ok(())
    }

    /// Takes all queries in blocks of 16, in parallel; results come in the order of the queries.
    ///
    /// `probes` are the features compared with the keys; `progress` hears of finished queries.
    pub(super) fn map_blocks<T: Send>(
        &self,
        original: &Features,
        probes: &Features,
        progress: &Progress<'_>,
        each: impl Fn(Block) -> T + Sync,
    ) -> Result<Vec<T>, MethodError> {
        let chunks = self.map_chunks(original, probes, progress, |blocks| {
            Ok(blocks.into_iter().map(&each).collect::<Vec<_>>())
        })?;
        Ok(chunks.into_iter().flatten().collect())
    }

    /// [`Self::map_blocks`], [`CHUNK`] queries in consecutive blocks at a time.
    pub(super) fn map_chunks<T: Send>(
        &self,
        original: &Features,
        probes: &Features,
        progress: &Progress<'_>,
        each: impl Fn(Vec<Block>) -> Result<T, MethodError> + Sync,
    ) -> Result<Vec<T>, MethodError> {
        self.check(original, probes)?;
        let total = original.len();
        let finished = std::sync::atomic::AtomicUsize::new(0);
        (0..total.div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                progress.check()?;
                let rows: Vec<usize> = (chunk * CHUNK..total.min((chunk + 1) * CHUNK)).collect();
                let result = each(self.blocks(original, probes, &rows))?;
                let done = finished.fetch_add(rows.len(), std::sync::atomic::Ordering::Relaxed)
                    + rows.len();
                progress.step(done, total)?;
                Ok(result)
            })
            .collect()
    }

    /// One class's sum for one query of a block, to the last bit as [`super::lanes::class_sums`] takes it.
    pub(super) fn class_sum(
        &self,
        block: &Block,
        log_weights: &[f32],
        beta: f32,
        (class, lane): (usize, usize),
    ) -> f32 {
        let start = class.checked_sub(1).map_or(0, |before| self.ends[before]);
        let keys: Vec<usize> = (start..self.ends[class]).collect();
        let mut total = 0.0;
        for keys in keys.chunks(LANES) {
            let mut arguments = [0.0; LANES];
            for (argument, key) in arguments.iter_mut().zip(keys) {
                *argument = beta * (block.cosines[*key][lane] - 1.0) + log_weights[*key];
            }
            for affinity in &exp(&arguments)[..keys.len()] {
                total += affinity;
            }
        }
        total
    }

    /// Keys of the class that has most.
    pub(super) fn most_keys(&self) -> usize {
        let starts = std::iter::once(&0).chain(&self.ends);
        let counts = self.ends.iter().zip(starts).map(|(end, start)| end - start);
        counts.max().unwrap_or(0)
    }

    /// The largest length of a key: 1, but for trained ones.
    pub(super) fn longest(&self) -> f32 {
        let squares = |row: &[f32]| row.iter().map(|x| x * x).sum::<f32>();
        self.sorted
            .iter_rows()
            .map(squares)
            .fold(1.0, f32::max)
            .sqrt()
    }

    /// The blocks of at most [`CHUNK`] queries with consecutive indices.
    pub(super) fn blocks(
        &self,
        original: &Features,
        probes: &Features,
        rows: &[usize],
    ) -> Vec<Block> {
        let by_class = self
            .text
            .times_transposed(&original.matrix().select_rows(rows));
        let by_key = if self.order.is_empty() {
            Matrix::zeros(0, rows.len())
        } else {
            self.sorted
                .times_transposed(&probes.matrix().select_rows(rows))
        };
        (0..rows.len())
            .step_by(LANES)
            .map(|start| Block {
                first: rows[start],
                len: LANES.min(rows.len() - start),
                zero_shot: lanes_of(&by_class, start, self.text_scale),
                cosines: lanes_of(&by_key, start, 1.0),
            })
            .collect()
    }
}

/// Columns `start..start + 16` of every row times `scale`; zeros beyond the last column.
pub(super) fn lanes_of(matrix: &Matrix, start: usize, scale: f32) -> Vec<Lanes> {
    matrix
        .iter_rows()
        .map(|row| {
            let mut lanes = [0.0; LANES];
            for (lane, x) in lanes.iter_mut().zip(&row[start..]) {
                *lane = x * scale;
            }
            lanes
        })
        .collect()
}

/// Rows `[block.len, num_classes]` from lanes `[num_classes]`, appended to `rows`.
pub(crate) fn append_rows(lanes: &[Lanes], len: usize, rows: &mut Vec<f32>) {
    for lane in 0..len {
        rows.extend(lanes.iter().map(|class| class[lane]));
    }
}
