//! Who is right under every combination of a space, and which combination is best.
//!
//! Counting comes first; likelihoods are taken only of the combinations that share the highest count, which are few.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::block::Block;
use super::space::{Space, third_of};
use super::{HeldOut, Protocol};
use crate::features::{Logits, Matrix};
use crate::methods::keys::CHUNK;
use crate::methods::lanes::{LANES, blend, count_correct, log_likelihoods};
use crate::methods::metrics::percent;
use crate::methods::surface::Surface;
use crate::methods::{Method, MethodError};
use crate::progress::Progress;

/// The support set, each row as the others see it.
pub(super) trait Judge: Send + Sync {
    /// Rows of the support set, whether or not they can be judged.
    fn num_rows(&self) -> usize;

    /// What it leaves out at a time.
    fn protocol(&self) -> Protocol;

    /// Consecutive rows in blocks of 16.
    fn blocks(&self, rows: Range<usize>) -> Result<Vec<Block>, MethodError>;
}

/// How many judged rows are right.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Rows that were judged.
    pub(super) num_judged: usize,
    /// By class names alone.
    pub(super) zero_shot: u32,
    /// For every combination of the space.
    pub(super) correct: Vec<u32>,
}

impl Counts {
    /// Counts of one space after another, over the same rows.
    pub(super) fn concat<'a>(pieces: impl Iterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        for piece in pieces {
            (all.num_judged, all.zero_shot) = (piece.num_judged, piece.zero_shot);
            all.correct.extend(&piece.correct);
        }
        all
    }
}

/// The best combination of a space.
#[derive(Clone, Copy, Debug)]
pub(super) struct Best {
    pub(super) combination: usize,
    pub(super) correct: u32,
    /// Sum over the judged rows.
    pub(super) log_likelihood: f64,
}

impl Best {
    /// Whether it is better than what was tried before it.
    pub(super) fn beats(&self, earlier: &Self) -> bool {
        self.correct > earlier.correct
            || (self.correct == earlier.correct && self.log_likelihood > earlier.log_likelihood)
    }
}

/// Counts for every combination.
pub(super) fn count(
    judge: &dyn Judge,
    space: &Space,
    progress: &Progress<'_>,
) -> Result<Counts, MethodError> {
    let wanted: Vec<usize> = (0..space.settings.len()).collect();
    let num_alphas = space.alphas.len();
    let blocks = map_blocks(judge, progress, |block| {
        let mut correct = vec![0; space.len()];
        block.each(space, &wanted, &mut |setting, base, term| {
            let counts = &mut correct[setting * num_alphas..][..num_alphas];
            count_correct(base, term, &space.alphas, &block.labels, counts);
        });
        let mut zero_shot = [0];
        count_correct(
            &block.text,
            &block.text,
            &[0.0],
            &block.labels,
            &mut zero_shot,
        );
        Counts {
            num_judged: judged_lanes(&block.labels).count(),
            zero_shot: zero_shot[0],
            correct,
        }
    })?;
    let mut totals = Counts {
        correct: vec![0; space.len()],
        ..Counts::default()
    };
    for counts in blocks {
        totals.num_judged += counts.num_judged;
        totals.zero_shot += counts.zero_shot;
        for (total, count) in totals.correct.iter_mut().zip(counts.correct) {
            *total += count;
        }
    }
    Ok(totals)
}

/// The combination with the highest count; ties by likelihood under `softmax(logits / temperature)`, then the first.
pub(super) fn best(
    judge: &dyn Judge,
    space: &Space,
    counts: &Counts,
    temperature: f32,
    progress: &Progress<'_>,
) -> Result<Best, MethodError> {
    let correct = counts.correct.iter().copied().max().unwrap_or(0);
    let tied: Vec<usize> = (0..space.len())
        .filter(|combination| counts.correct[*combination] == correct)
        .collect();
    let likelihoods = likelihoods(judge, space, &tied, temperature, progress)?;
    let mut best = Best {
        combination: 0,
        correct,
        log_likelihood: f64::NEG_INFINITY,
    };
    for (combination, log_likelihood) in tied.into_iter().zip(likelihoods) {
        let found = Best {
            combination,
            correct,
            log_likelihood,
        };
        if best.log_likelihood == f64::NEG_INFINITY || found.beats(&best) {
            best = found;
        }
    }
    Ok(best)
}

/// Sum over the judged rows of the log-likelihood of their class, for these combinations (ascending).
fn likelihoods(
    judge: &dyn Judge,
    space: &Space,
    combinations: &[usize],
    temperature: f32,
    progress: &Progress<'_>,
) -> Result<Vec<f64>, MethodError> {
    let num_alphas = space.alphas.len();
    let mut wanted: Vec<usize> = combinations
        .iter()
        .map(|index| index / num_alphas)
        .collect();
    wanted.dedup();
    let blocks = map_blocks(judge, &progress.quiet(), |block| {
        let mut logits = vec![[0.0; LANES]; block.text.len()];
        let mut sums = Vec::with_capacity(combinations.len());
        block.each(space, &wanted, &mut |setting, base, term| {
            let first = combinations.partition_point(|index| index / num_alphas < setting);
            let own = combinations[first..]
                .iter()
                .take_while(|index| **index / num_alphas == setting);
            for combination in own {
                blend(
                    base,
                    term,
                    space.alphas[combination % num_alphas],
                    &mut logits,
                );
                for x in logits.as_flattened_mut() {
                    *x /= temperature;
                }
                let likelihoods = log_likelihoods(&logits, &block.labels);
                let judged = judged_lanes(&block.labels);
                sums.push(judged.map(|lane| f64::from(likelihoods[lane])).sum::<f64>());
            }
        });
        sums
    })?;
    let mut totals = vec![0.0; combinations.len()];
    for sums in blocks {
        for (total, sum) in totals.iter_mut().zip(sums) {
            *total += sum;
        }
    }
    Ok(totals)
}

/// Logits of the judged rows under one combination.
pub(super) fn held_out(
    judge: &dyn Judge,
    space: &Space,
    combination: usize,
    progress: &Progress<'_>,
) -> Result<HeldOut, MethodError> {
    let setting = combination / space.alphas.len();
    let alpha = space.alphas[combination % space.alphas.len()];
    let blocks = map_blocks(judge, progress, |block| {
        let mut found = Vec::new();
        block.each(space, &[setting], &mut |_, base, term| {
            for lane in judged_lanes(&block.labels) {
                found.push(Judgement {
                    row: block.first + lane,
                    label: block.labels[lane] as usize,
                    base: base.iter().map(|class| class[lane]).collect(),
                    term: term.iter().map(|class| class[lane]).collect(),
                });
            }
        });
        found
    })?;
    let rows = blocks.concat();
    let num_classes = rows.first().map_or(0, |row| row.base.len());
    let matrix = |value: &dyn Fn(&Judgement, usize) -> f32| {
        Matrix::from_fn(rows.len(), num_classes, |row, class| {
            value(&rows[row], class)
        })
    };
    Ok(HeldOut {
        rows: rows.iter().map(|row| row.row).collect(),
        labels: rows.iter().map(|row| row.label).collect(),
        logits: Logits(matrix(&|row, class| {
            row.base[class] + alpha * row.term[class]
        })),
        base: matrix(&|row, class| row.base[class]),
        term: matrix(&|row, class| row.term[class]),
    })
}

/// A judged row under one setting.
#[derive(Clone)]
struct Judgement {
    row: usize,
    label: usize,
    base: Vec<f32>,
    term: Vec<f32>,
}

/// Accuracy over α and β, the best over further parameters.
pub(super) fn surface(method: Method, space: &Space, counts: &Counts) -> Surface {
    let num_alphas = space.alphas.len();
    let mut surface = Surface {
        alphas: space.alphas.clone(),
        ..Surface::default()
    };
    for (index, setting) in space.settings.iter().enumerate() {
        if surface.betas.last() != Some(&setting.beta) {
            surface.betas.push(setting.beta);
            surface.accuracies.extend(vec![-1.0; num_alphas]);
            if third_of(method, setting).is_some() {
                surface.thirds.extend(vec![0.0; num_alphas]);
            }
        }
        let row = (surface.betas.len() - 1) * num_alphas;
        for (alpha, correct) in counts.correct[index * num_alphas..][..num_alphas]
            .iter()
            .enumerate()
        {
            let accuracy = percent(*correct as usize, counts.num_judged) as f32;
            if accuracy > surface.accuracies[row + alpha] {
                surface.accuracies[row + alpha] = accuracy;
                if let Some(third) = third_of(method, setting) {
                    surface.thirds[row + alpha] = third;
                }
            }
        }
    }
    surface
}

/// Lanes whose row can be judged.
fn judged_lanes(labels: &[u32; LANES]) -> impl Iterator<Item = usize> {
    (0..LANES).filter(|lane| labels[*lane] != u32::MAX)
}

/// Takes all rows in blocks of 16, in parallel; results come in the order of the rows.
fn map_blocks<T: Send>(
    judge: &dyn Judge,
    progress: &Progress<'_>,
    each: impl Fn(Block) -> T + Sync,
) -> Result<Vec<T>, MethodError> {
    let total = judge.num_rows();
    let finished = AtomicUsize::new(0);
    let chunks: Result<Vec<Vec<T>>, MethodError> = (0..total.div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| {
            progress.check()?;
            let rows = chunk * CHUNK..total.min((chunk + 1) * CHUNK);
            let num_rows = rows.len();
            let results = judge.blocks(rows)?.into_iter().map(&each).collect();
            let done = finished.fetch_add(num_rows, Ordering::Relaxed) + num_rows;
            progress.step(done, total)?;
            Ok(results)
        })
        .collect();
    Ok(chunks?.into_iter().flatten().collect())
}
