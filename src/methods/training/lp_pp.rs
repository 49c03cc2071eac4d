//! LP++ (CVPR 2024; FereshteShakeri/FewShot-CLIP-Strong-Baseline at f81054f9): a linear probe that mixes in the class texts.
//!
//! `logits = x · Vᵀ + b + α_c (x · t_c)`. V starts at the sums of every class's photos (the authors' centroids, not divided
//! by the number of shots), b at 0, all α at `250 · mean_c mean_{i ∈ c} x_i · t_c`.
//! All photos at once; V and b by SGD with momentum 0.9 at `4 n / λ_max(XᵀX)`; α at every tenth step by a plain gradient step
//! at `n / (4 max_c Σ (x · t_c)²)` (the released code never clears α's gradient, so that it adds up over all steps; the
//! paper's step, taken here, does not). The authors encode every photo once, so views are not drawn: see [`super::fit`].

use faer::Side;

use super::super::linear_algebra::to_f64;
use super::super::stored::Linear;
use super::super::{Knowledge, MethodError, Parameters};
use super::descent::Start;
use super::kernels::cross_entropy;
use super::optimiser::{Rule, Update};
use super::{Model, scaled, text_scale};
use crate::features::Matrix;
use crate::support::SupportSet;

/// Steps from one update of α to the next.
const ALPHA_EVERY: usize = 10;

/// A probe on its way.
#[derive(Clone)]
pub(super) struct LpPlusPlus {
    /// Unit rows, or zeros where class names do not count, `[num_classes, dim]`.
    text: Matrix,
    /// V, `[num_classes, dim]`.
    prototypes: Matrix,
    /// `[1, num_classes]`.
    biases: Matrix,
    /// `[1, num_classes]`.
    alphas: Matrix,
}

pub(super) fn start(
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    support: &SupportSet,
) -> Result<Start<LpPlusPlus>, MethodError> {
    let text = scaled(knowledge.text.matrix(), text_scale(knowledge).min(1.0));
    let rows = support.features().matrix();
    let n = rows.rows() as f32;
    let cosines = rows.times_transposed(&text);
    let mut squares = vec![0.0_f32; text.rows()];
    for row in cosines.iter_rows() {
        squares
            .iter_mut()
            .zip(row)
            .for_each(|(sum, x)| *sum += x * x);
    }
    let most = squares.into_iter().fold(1e-12, f32::max);
    let rate = match parameters.learning_rate {
        Some(rate) => rate,
        None => 4.0 * n / highest_eigenvalue(rows)?,
    };
    let alpha = 250.0 * mean_own_cosine(&cosines, support);
    let model = LpPlusPlus {
        prototypes: class_sums(support),
        biases: Matrix::zeros(1, text.rows()),
        alphas: Matrix::from_fn(1, text.rows(), |_, _| alpha),
        text,
    };
    let rule = |momentum, learning_rate, every| Rule {
        update: Update::Sgd { momentum, l2: 0.0 },
        learning_rate,
        every,
    };
    let probe = rule(0.9, rate, 1);
    let blend = rule(0.0, n / (4.0 * most), ALPHA_EVERY);
    Ok(Start {
        model,
        rules: vec![probe, probe, blend],
    })
}

/// Sums of the rows of every class, `[num_classes, dim]`.
fn class_sums(support: &SupportSet) -> Matrix {
    let mut sums = support.class_means();
    for (class, count) in support.rows_per_class().into_iter().enumerate() {
        let row = sums.row_mut(class).iter_mut();
        row.for_each(|x| *x *= count as f32);
    }
    sums
}

/// Mean over the classes with photos of their photos' mean cosine to the class text.
fn mean_own_cosine(cosines: &Matrix, support: &SupportSet) -> f32 {
    let counts = support.rows_per_class();
    let num_present = counts.iter().filter(|count| **count > 0).count();
    let own = |(row, label): (&[f32], &usize)| row[*label] / counts[*label] as f32;
    let sum: f32 = cosines.iter_rows().zip(support.labels()).map(own).sum();
    sum / num_present.max(1) as f32
}

/// Of `XᵀX`, which is that of `XXᵀ`: the smaller of the two is decomposed.
fn highest_eigenvalue(rows: &Matrix) -> Result<f32, MethodError> {
    let gram = if rows.rows() < rows.cols() {
        rows.times_transposed(rows)
    } else {
        rows.transposed_times(rows)
    };
    let what = "spectrum";
    let eigenvalues = to_f64(&gram)
        .self_adjoint_eigenvalues(Side::Lower)
        .map_err(|_no_convergence| MethodError::Decomposition { what })?;
    let highest = eigenvalues.into_iter().fold(0.0, f64::max);
    if highest > 0.0 {
        Ok(highest as f32)
    } else {
        Err(MethodError::Decomposition { what })
    }
}

impl LpPlusPlus {
    /// `V + α ∘ t`, `[num_classes, dim]`.
    fn directions(&self) -> Matrix {
        let mut directions = self.prototypes.clone();
        for (class, alpha) in self.alphas.as_slice().iter().enumerate() {
            let row = directions.row_mut(class).iter_mut();
            row.zip(self.text.row(class))
                .for_each(|(v, t)| *v += alpha * t);
        }
        directions
    }
}

impl Model for LpPlusPlus {
    fn weights(&mut self) -> Vec<&mut Matrix> {
        vec![&mut self.prototypes, &mut self.biases, &mut self.alphas]
    }

    fn logits(&self, rows: &Matrix) -> Matrix {
        let mut logits = rows.times_transposed(&self.directions());
        for row in 0..logits.rows() {
            let biases = self.biases.as_slice();
            logits
                .row_mut(row)
                .iter_mut()
                .zip(biases)
                .for_each(|(x, b)| *x += b);
        }
        logits
    }

    fn linear(&self) -> Option<Linear> {
        Some(Linear {
            weights: self.directions(),
            adapted_weights: None,
            biases: self.biases.as_slice().to_vec(),
        })
    }

    fn gradients(&self, rows: &Matrix, labels: &[usize], share: f32) -> (f32, Vec<Matrix>) {
        let mut logits = self.logits(rows);
        let loss = cross_entropy(&mut logits, labels, share);
        let prototypes = logits.transposed_times(rows);
        let mut biases = Matrix::zeros(1, logits.cols());
        for row in logits.iter_rows() {
            let sums = biases.as_mut_slice().iter_mut();
            sums.zip(row).for_each(|(sum, x)| *sum += x);
        }
        let alphas = Matrix::from_fn(1, logits.cols(), |_, class| {
            let terms = prototypes.row(class).iter().zip(self.text.row(class));
            terms.map(|(x, t)| x * t).sum()
        });
        (loss, vec![prototypes, biases, alphas])
    }
}
