//! `TaskRes` (CVPR 2023; geekyutao/TaskRes at 51953596): class texts with a trained residual.
//!
//! `t' = t + α r`, `logits = 100 · x · (t' / ‖t'‖)ᵀ`; `r` starts at 0. Adam with L2 5e-4, its trainer's default.

use super::super::stored::Linear;
use super::super::{Knowledge, LOGIT_SCALE, Parameters};
use super::clip_adapter::through_length;
use super::descent::Start;
use super::kernels::cross_entropy;
use super::optimiser::{Rule, Update};
use super::{Model, scaled};
use crate::features::Matrix;

/// A residual on its way.
#[derive(Clone)]
pub(super) struct TaskRes {
    /// Unit rows, `[num_classes, dim]`; they count in any case, as there is nothing else to compare with.
    text: Matrix,
    /// `r`, `[num_classes, dim]`.
    residual: Matrix,
    /// α.
    scale: f32,
}

pub(super) fn start(
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    learning_rate: f32,
) -> Start<TaskRes> {
    let text = knowledge.text.matrix().clone();
    let model = TaskRes {
        residual: Matrix::zeros(text.rows(), text.cols()),
        text,
        scale: parameters.alpha,
    };
    let update = Update::Adam {
        epsilon: 1e-8,
        decay: 0.0,
        l2: 5e-4,
    };
    let rule = Rule {
        update,
        learning_rate,
        every: 1,
    };
    Start {
        model,
        rules: vec![rule],
    }
}

impl TaskRes {
    /// `t' / ‖t'‖` and `‖t'‖`.
    fn moved_text(&self) -> (Matrix, Vec<f32>) {
        let mut moved = self.text.clone();
        let steps = self.residual.as_slice().iter();
        for (x, r) in moved.as_mut_slice().iter_mut().zip(steps) {
            *x += self.scale * r;
        }
        let lengths: Vec<f32> = moved
            .iter_rows()
            .map(|row| row.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12))
            .collect();
        for (class, length) in lengths.iter().enumerate() {
            moved.row_mut(class).iter_mut().for_each(|x| *x /= length);
        }
        (moved, lengths)
    }
}

impl Model for TaskRes {
    fn weights(&mut self) -> Vec<&mut Matrix> {
        vec![&mut self.residual]
    }

    fn logits(&self, rows: &Matrix) -> Matrix {
        scaled(&rows.times_transposed(&self.moved_text().0), LOGIT_SCALE)
    }

    fn linear(&self) -> Option<Linear> {
        let weights = scaled(&self.moved_text().0, LOGIT_SCALE);
        Some(Linear::without_bias(weights))
    }

    fn gradients(&self, rows: &Matrix, labels: &[usize], share: f32) -> (f32, Vec<Matrix>) {
        let (moved, lengths) = self.moved_text();
        let mut logits = scaled(&rows.times_transposed(&moved), LOGIT_SCALE);
        let loss = cross_entropy(&mut logits, labels, share);
        let mut by_residual = logits.transposed_times(rows);
        through_length(&mut by_residual, &moved);
        for (class, length) in lengths.iter().enumerate() {
            let factor = LOGIT_SCALE * self.scale / length;
            let row = by_residual.row_mut(class);
            for x in row {
                *x *= factor;
            }
        }
        (loss, vec![by_residual])
    }

    fn at(&self, parameters: &Parameters) -> Option<Self> {
        Some(Self {
            scale: parameters.alpha,
            ..self.clone()
        })
    }
}
