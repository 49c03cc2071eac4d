//! CALIP: class texts and parts of a photo that attend to each other (Guo et al., AAAI 2023, arXiv 2209.14169; `run_imagenet.py`
//! of `ZiyuGuo99/CALIP` at 24eb9686). Without photos to learn from, and without training.
//!
//! With `v` a photo's feature, `S` those of its parts `[HW, dim]` (what the attention pool makes of each cell, at unit length) and
//! `W` the texts: `A = S · Wᵀ`, `Tᵃ = softmax over parts(2 A)ᵀ · S`, `Sᵃ = softmax over classes(2 A) · W`, `vᵃ = mean(Sᵃ) + max(Sᵃ)`,
//! `logits = 100 v · Wᵀ + α · 100 v · Tᵃᵀ + β · 100 vᵃ · Wᵀ`. `Tᵃ` and `vᵃ` stay as long as they come out.
//!
//! The paper divides `A` by 2 where the authors' code multiplies; the code made the published numbers. SuS-X's own version takes the
//! 2048 channels before the pool as two parts of 1024, and pools `Sᵃ` by the tower, which is neither paper nor code.

use rayon::prelude::*;

use super::{Classifier, Knowledge, LOGIT_SCALE, Method, MethodError, Parameters, Parts, Queries};
use crate::features::{Features, Logits, Matrix, dot};
use crate::progress::Progress;

/// How sharply parts and classes look at each other.
const SHARPNESS: f32 = 2.0;
/// Photos scored between two looks at the progress.
const CHUNK: usize = 64;

/// CALIP with its two weights.
pub(super) struct Calip {
    text: Features,
    text_columns: Matrix,
    alpha: f32,
    beta: f32,
}

impl Calip {
    pub(super) fn fit(
        parameters: &Parameters,
        knowledge: &Knowledge<'_>,
    ) -> Result<Self, MethodError> {
        knowledge.keys_for(Method::Calip)?;
        Ok(Self {
            text: knowledge.text.clone(),
            text_columns: knowledge.text.matrix().transposed(),
            alpha: parameters.alpha,
            beta: parameters.beta,
        })
    }

    /// Logits of one photo, `[num_classes]`, from its feature and its parts, `[HW, dim]`.
    fn photo(&self, feature: &[f32], parts: &Matrix) -> Vec<f32> {
        let affinity = parts.times_transposed(self.text.matrix());
        let zero_shot = products(feature, self.text.matrix());
        let by_parts = weighted_over_parts(&affinity, &products(feature, parts));
        let guided = products(&self.guided_feature(&affinity), self.text.matrix());
        let terms = zero_shot.iter().zip(by_parts).zip(guided);
        terms
            .map(|((zero_shot, parts), guided)| {
                LOGIT_SCALE * (zero_shot + self.alpha * parts + self.beta * guided)
            })
            .collect()
    }

    /// `vᵃ`, `[dim]`.
    fn guided_feature(&self, affinity: &Matrix) -> Vec<f32> {
        let mut weights = affinity.clone();
        for part in 0..weights.rows() {
            softmax(weights.row_mut(part));
        }
        let guided = weights.times_transposed(&self.text_columns);
        let num_parts = guided.rows().max(1) as f32;
        let mut mean = vec![0.0; guided.cols()];
        let mut max = vec![f32::NEG_INFINITY; guided.cols()];
        for row in guided.iter_rows() {
            for ((mean, max), x) in mean.iter_mut().zip(&mut max).zip(row) {
                *mean += x / num_parts;
                *max = max.max(*x);
            }
        }
        mean.iter().zip(max).map(|(mean, max)| mean + max).collect()
    }
}

/// The feature's product with every row.
fn products(feature: &[f32], rows: &Matrix) -> Vec<f32> {
    rows.iter_rows().map(|row| dot(feature, row)).collect()
}

/// `v · Tᵃᵀ`, `[num_classes]`: the parts' cosines with the photo, weighed for every class by how alike the parts are to it.
fn weighted_over_parts(affinity: &Matrix, cosines: &[f32]) -> Vec<f32> {
    let by_class = affinity.transposed();
    (0..by_class.rows())
        .map(|class| {
            let mut weights = by_class.row(class).to_vec();
            softmax(&mut weights);
            dot(&weights, cosines)
        })
        .collect()
}

/// Softmax of the numbers times [`SHARPNESS`]; they are cosines, so nothing overflows.
fn softmax(row: &mut [f32]) {
    let mut sum = 0.0;
    for x in row.iter_mut() {
        *x = (SHARPNESS * *x).exp();
        sum += *x;
    }
    for x in row.iter_mut() {
        *x /= sum;
    }
}

impl Classifier for Calip {
    fn predict(
        &self,
        queries: Queries<'_>,
        progress: &Progress<'_>,
    ) -> Result<Logits, MethodError> {
        queries.check_dim(self.text.dim())?;
        let parts = queries.parts.ok_or(MethodError::NoParts {
            method: Method::Calip,
        })?;
        let (num_queries, num_classes) = (queries.original.len(), self.text.len());
        parts.check(num_queries, self.text.dim())?;
        let mut rows = Vec::with_capacity(num_queries * num_classes);
        for start in (0..num_queries).step_by(CHUNK) {
            progress.step(start, num_queries)?;
            let end = num_queries.min(start + CHUNK);
            let chunk: Vec<Vec<f32>> = (start..end)
                .into_par_iter()
                .map(|query| self.photo(queries.original.row(query), &parts.of(query)))
                .collect();
            rows.extend(chunk.into_iter().flatten());
        }
        progress.step(num_queries, num_queries)?;
        let fill = |query: usize, class: usize| rows[query * num_classes + class];
        Ok(Logits(Matrix::from_fn(num_queries, num_classes, fill)))
    }
}

impl Parts<'_> {
    /// The parts of one query, `[num_parts, dim]`.
    fn of(&self, query: usize) -> Matrix {
        let rows: Vec<usize> = (query * self.num_parts..(query + 1) * self.num_parts).collect();
        self.features.matrix().select_rows(&rows)
    }

    fn check(&self, num_queries: usize, dim: usize) -> Result<(), MethodError> {
        let (got, expected) = (self.features.len(), num_queries * self.num_parts);
        if got != expected || self.num_parts == 0 {
            return Err(MethodError::Rows {
                what: "parts of queries",
                got,
                expected,
            });
        }
        if num_queries > 0 && self.features.dim() != dim {
            return Err(MethodError::Dimension {
                what: "parts of queries",
                got: self.features.dim(),
                expected: dim,
            });
        }
        Ok(())
    }
}
