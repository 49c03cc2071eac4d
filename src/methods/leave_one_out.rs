//! Tuning α and β on the support set itself: every photo is scored by the others.
//!
//! A photo is masked with all its views and exact duplicates; the sum of its class, which lost them, is scaled by
//! K/(K-1) (by rows, so that views and duplicates count: all rows over those left). The highest accuracy wins, ties by
//! the mean log-likelihood of the true class under `softmax(logits)`, further ties by the order of the grid (β outside, α
//! inside). Photos of a class with a single shot cannot be judged and are left out; where no class has two, the defaults stay.

use super::keys::{Block, Keys};
use super::lanes::{LANES, Lanes, MASKED, blend, class_sums, count_correct, log_likelihoods};
use super::metrics::percent;
use super::{Knowledge, Method, MethodError, Parameters};
use crate::features::{Logits, Matrix};
use crate::progress::Progress;

/// What leaving one out found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeaveOneOut {
    /// The chosen parameters, or the given ones where nothing could be tuned.
    pub parameters: Parameters,
    /// Whether there were photos to judge by: at least one class with two shots.
    pub is_tuned: bool,
    /// Share of the judged photos that the others classify rightly, percent; `None` where nothing was judged.
    pub accuracy: Option<f64>,
    /// The same for class names alone.
    pub zero_shot_accuracy: Option<f64>,
    /// Mean log-likelihood of the true classes at the chosen parameters.
    pub mean_log_likelihood: Option<f64>,
    /// Rows that were judged.
    pub num_judged: usize,
    /// Pairs of α and β that were tried.
    pub num_combinations: usize,
}

/// 26 values: 0, then six to the decade from 0.01 to 100, the default 1 among them.
pub fn alpha_grid() -> Vec<f32> {
    std::iter::once(0.0)
        .chain((0..=24).map(|step| 10_f64.powf(-2.0 + f64::from(step) / 6.0) as f32))
        .collect()
}

/// 21 values: 20 from 0.1 to 50 at equal factors, and the default 5.5.
pub fn beta_grid() -> Vec<f32> {
    let mut betas: Vec<f32> = (0..20)
        .map(|step| (0.1 * 500_f64.powf(f64::from(step) / 19.0)) as f32)
        .collect();
    betas.push(Parameters::default().beta);
    betas.sort_by(f32::total_cmp);
    betas
}

/// Chooses α and β for `method` by leaving one out; `parameters` keep their other values and are the fallback.
pub fn tune_on_support(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    progress: &Progress<'_>,
) -> Result<LeaveOneOut, MethodError> {
    let is_free = !method.parameters().is_empty();
    let alphas = if is_free { alpha_grid() } else { vec![0.0] };
    let betas = if is_free {
        beta_grid()
    } else {
        vec![parameters.beta]
    };
    let folds = Folds::new(method, knowledge)?;
    let scores = folds.map(knowledge, progress, |fold| fold.scores(&alphas, &betas))?;
    let num_judged = folds.num_judged();
    let mut totals = vec![Score::default(); alphas.len() * betas.len()];
    let mut zero_shot_correct = 0;
    for (block_scores, correct) in scores {
        zero_shot_correct += correct;
        for (total, score) in totals.iter_mut().zip(block_scores) {
            total.num_correct += score.num_correct;
            total.log_likelihood += score.log_likelihood;
        }
    }
    let mut best = 0;
    for (index, score) in totals.iter().enumerate() {
        if score.beats(&totals[best]) {
            best = index;
        }
    }
    let is_tuned = num_judged > 0;
    let chosen = Parameters {
        alpha: alphas[best % alphas.len()],
        beta: betas[best / alphas.len()],
        ..*parameters
    };
    let judged = |value: f64| is_tuned.then_some(value);
    Ok(LeaveOneOut {
        parameters: if is_tuned && is_free {
            chosen
        } else {
            *parameters
        },
        is_tuned: is_tuned && is_free,
        accuracy: judged(percent(totals[best].num_correct as usize, num_judged)),
        zero_shot_accuracy: judged(percent(zero_shot_correct as usize, num_judged)),
        mean_log_likelihood: judged(totals[best].log_likelihood / num_judged.max(1) as f64),
        num_judged,
        num_combinations: totals.len(),
    })
}

/// Logits that the other photos give every judged row, and those rows' labels.
pub fn leave_one_out_logits(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    progress: &Progress<'_>,
) -> Result<(Logits, Vec<usize>), MethodError> {
    let alpha = if method.parameters().is_empty() {
        0.0
    } else {
        parameters.alpha
    };
    let folds = Folds::new(method, knowledge)?;
    let blocks = folds.map(knowledge, progress, |fold| {
        fold.judged_logits(alpha, parameters.beta)
    })?;
    let (data, labels): (Vec<Vec<f32>>, Vec<Vec<usize>>) = blocks.into_iter().unzip();
    let labels = labels.concat();
    let mut logits = Matrix::zeros(labels.len(), knowledge.support.num_classes());
    logits.as_mut_slice().copy_from_slice(&data.concat());
    Ok((Logits(logits), labels))
}

/// One combination's account over judged rows.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    num_correct: u32,
    log_likelihood: f64,
}

impl Score {
    fn beats(&self, other: &Self) -> bool {
        self.num_correct > other.num_correct
            || (self.num_correct == other.num_correct && self.log_likelihood > other.log_likelihood)
    }
}

/// The support set against itself.
struct Folds {
    method: Method,
    keys: Keys,
    /// For every row, the sorted keys that share its group, itself included.
    masked_by_row: Vec<Vec<usize>>,
    /// For every row, rows of its class over those left when its group is gone; `None` where none are left.
    scales: Vec<Option<f32>>,
}

impl Folds {
    fn new(method: Method, knowledge: &Knowledge<'_>) -> Result<Self, MethodError> {
        let keys = Keys::new(method, knowledge)?;
        let support = knowledge.support;
        let mut by_group = vec![Vec::new(); support.len()];
        let dense = dense_groups(support.groups());
        for (key, row) in keys.order.iter().enumerate() {
            by_group[dense[*row]].push(key);
        }
        let rows_per_class = support.rows_per_class();
        let labels = support.labels();
        let masked_by_row: Vec<Vec<usize>> =
            dense.iter().map(|group| by_group[*group].clone()).collect();
        let scales = masked_by_row
            .iter()
            .zip(labels)
            .map(|(masked, label)| {
                let lost = masked
                    .iter()
                    .filter(|key| labels[keys.order[**key]] == *label)
                    .count();
                let total = rows_per_class[*label];
                (total > lost).then(|| total as f32 / (total - lost) as f32)
            })
            .collect();
        Ok(Self {
            method,
            keys,
            masked_by_row,
            scales,
        })
    }

    fn num_judged(&self) -> usize {
        self.scales.iter().flatten().count()
    }

    /// Takes all rows in blocks of 16, each masked from the keys.
    fn map<T: Send>(
        &self,
        knowledge: &Knowledge<'_>,
        progress: &Progress<'_>,
        each: impl Fn(Fold<'_>) -> T + Sync,
    ) -> Result<Vec<T>, MethodError> {
        let support = knowledge.support;
        let probes = knowledge.keys_for(self.method)?;
        self.keys
            .map_blocks(support.features(), probes, progress, |mut block| {
                let mut labels = [u32::MAX; LANES];
                let mut scales = [1.0; LANES];
                for lane in 0..block.len {
                    let row = block.first + lane;
                    for key in &self.masked_by_row[row] {
                        block.cosines[*key][lane] = MASKED;
                    }
                    if let Some(scale) = self.scales[row] {
                        labels[lane] = support.labels()[row] as u32;
                        scales[lane] = scale;
                    }
                }
                let text = if knowledge.use_class_names {
                    None
                } else {
                    Some(self.keys.text_logits(support.features(), &block))
                };
                each(Fold {
                    keys: &self.keys,
                    block,
                    labels,
                    scales,
                    text,
                })
            })
    }
}

/// Up to 16 photos, each hidden from the keys.
struct Fold<'a> {
    keys: &'a Keys,
    block: Block,
    /// The class of every judged lane, `u32::MAX` for the others.
    labels: [u32; LANES],
    scales: Lanes,
    /// Zero-shot logits where the block's own leave out the class names.
    text: Option<Vec<Lanes>>,
}

impl Fold<'_> {
    /// Class sums at this β without the masked keys, the own class scaled up.
    fn sums(&self, beta: f32, sums: &mut [Lanes]) {
        class_sums(
            &self.block.cosines,
            &self.keys.log_weights,
            &self.keys.ends,
            beta,
            sums,
        );
        for (lane, (label, scale)) in self.labels.iter().zip(&self.scales).enumerate() {
            if *label != u32::MAX {
                sums[*label as usize][lane] *= scale;
            }
        }
    }

    /// Account of every combination (β outside), and how many photos the class names alone get right.
    fn scores(&self, alphas: &[f32], betas: &[f32]) -> (Vec<Score>, u32) {
        let mut sums = vec![[0.0; LANES]; self.keys.num_classes()];
        let mut logits = sums.clone();
        let mut scores = Vec::with_capacity(alphas.len() * betas.len());
        for beta in betas {
            self.sums(*beta, &mut sums);
            let mut num_correct = vec![0; alphas.len()];
            count_correct(
                &self.block.zero_shot,
                &sums,
                alphas,
                &self.labels,
                &mut num_correct,
            );
            for (alpha, num_correct) in alphas.iter().zip(num_correct) {
                blend(&self.block.zero_shot, &sums, *alpha, &mut logits);
                let likelihoods = log_likelihoods(&logits, &self.labels);
                let judged = likelihoods
                    .iter()
                    .zip(&self.labels)
                    .filter(|(_, label)| **label != u32::MAX);
                scores.push(Score {
                    num_correct,
                    log_likelihood: judged.map(|(x, _)| f64::from(*x)).sum(),
                });
            }
        }
        let text = self.text.as_ref().unwrap_or(&self.block.zero_shot);
        let mut zero_shot_correct = [0];
        count_correct(text, &sums, &[0.0], &self.labels, &mut zero_shot_correct);
        (scores, zero_shot_correct[0])
    }

    /// Logits of the judged lanes, one row each, and their labels.
    fn judged_logits(&self, alpha: f32, beta: f32) -> (Vec<f32>, Vec<usize>) {
        let mut sums = vec![[0.0; LANES]; self.keys.num_classes()];
        let mut logits = sums.clone();
        self.sums(beta, &mut sums);
        blend(&self.block.zero_shot, &sums, alpha, &mut logits);
        let judged = || (0..LANES).filter(|lane| self.labels[*lane] != u32::MAX);
        let data = judged()
            .flat_map(|lane| logits.iter().map(move |class| class[lane]))
            .collect();
        (
            data,
            judged().map(|lane| self.labels[lane] as usize).collect(),
        )
    }
}

/// The same groups, numbered from 0 without gaps.
fn dense_groups(groups: &[usize]) -> Vec<usize> {
    let mut distinct = groups.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    groups
        .iter()
        .map(|group| distinct.partition_point(|other| other < group))
        .collect()
}
