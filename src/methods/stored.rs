//! Fitted methods as the numbers that are left of them: what a file can hold, and another program can apply.

use super::{Classifier, Method, MethodError, Queries, TrainedCache};
use crate::features::{Features, Logits, Matrix};
use crate::progress::Progress;

/// One linear map: `logits = x · weightsᵀ + x̃ · adapted_weightsᵀ + biases`.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// `[num_classes, dim]`, of original features.
    pub weights: Matrix,
    /// `[num_classes, adapted_dim]`, of adapted features, for the ++ methods.
    pub adapted_weights: Option<Matrix>,
    /// `[num_classes]`.
    pub biases: Vec<f32>,
}

impl Linear {
    /// `x · weightsᵀ` alone.
    pub fn without_bias(weights: Matrix) -> Self {
        Self {
            biases: vec![0.0; weights.rows()],
            weights,
            adapted_weights: None,
        }
    }
}

/// A linear map as a classifier.
pub struct LinearClassifier {
    method: Method,
    linear: Linear,
}

impl LinearClassifier {
    /// `method` is the one that gave the map, for errors.
    pub fn new(method: Method, linear: Linear) -> Self {
        Self { method, linear }
    }
}

impl Classifier for LinearClassifier {
    fn predict(
        &self,
        queries: Queries<'_>,
        progress: &Progress<'_>,
    ) -> Result<Logits, MethodError> {
        let (map, rows) = (&self.linear, queries.original);
        progress.check()?;
        queries.check_dim(map.weights.cols())?;
        let mut logits = product(rows, &map.weights);
        if let Some(weights) = &map.adapted_weights {
            let probes = queries.checked_probes(self.method, map.weights.cols(), weights.cols())?;
            let adapted = product(probes, weights);
            add(&mut logits, adapted.as_slice());
        }
        for row in 0..logits.rows() {
            let scores = logits.row_mut(row).iter_mut();
            scores.zip(&map.biases).for_each(|(x, bias)| *x += bias);
        }
        progress.step(rows.len(), rows.len())?;
        Ok(Logits(logits))
    }

    fn linear(&self) -> Option<Linear> {
        Some(self.linear.clone())
    }
}

/// A cache that training has left, at one α and β.
pub struct CacheClassifier {
    cache: TrainedCache,
    alpha: f32,
    beta: f32,
}

impl CacheClassifier {
    /// With its weight and its sharpness.
    pub fn new(cache: TrainedCache, alpha: f32, beta: f32) -> Self {
        Self { cache, alpha, beta }
    }
}

impl Classifier for CacheClassifier {
    fn predict(
        &self,
        queries: Queries<'_>,
        progress: &Progress<'_>,
    ) -> Result<Logits, MethodError> {
        let (cache, rows) = (&self.cache, queries.original);
        progress.check()?;
        queries.check_dim(cache.text.cols())?;
        let mut logits = product(rows, &cache.text);
        let affinities = product(rows, &cache.keys);
        let voters: Vec<(&usize, &f32)> = cache.labels.iter().zip(&cache.votes).collect();
        for (row, affinities) in affinities.iter_rows().enumerate() {
            let scores = logits.row_mut(row);
            for (affinity, (label, vote)) in affinities.iter().zip(&voters) {
                scores[**label] += self.alpha * *vote * (self.beta * (affinity - 1.0)).exp();
            }
        }
        progress.step(rows.len(), rows.len())?;
        Ok(Logits(logits))
    }

    fn trained_cache(&self) -> Option<TrainedCache> {
        Some(self.cache.clone())
    }
}

/// `[n, num_rows]`, also for no queries at all.
fn product(queries: &Features, weights: &Matrix) -> Matrix {
    if queries.is_empty() {
        return Matrix::zeros(0, weights.rows());
    }
    queries.matrix().times_transposed(weights)
}

fn add(logits: &mut Matrix, more: &[f32]) {
    let logits = logits.as_mut_slice().iter_mut();
    logits.zip(more).for_each(|(logit, x)| *logit += x);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{Knowledge, Parameters, fit};
    use crate::support::SupportSet;
    use crate::support::random::Random;

    fn random_rows(random: &mut Random, rows: usize, cols: usize) -> Features {
        let mut number = || (random.next_u64() >> 40) as f32 / (1 << 24) as f32 - 0.4;
        Features::normalized(Matrix::from_fn(rows, cols, |_, _| number())).unwrap()
    }

    /// The largest difference between a fitted method's logits and those of what is left of it.
    fn difference(method: Method) -> f32 {
        let mut random = Random::new(7);
        let (shots, text) = (
            random_rows(&mut random, 12, 8),
            random_rows(&mut random, 3, 8),
        );
        let (adapted, queries) = (
            random_rows(&mut random, 12, 6),
            random_rows(&mut random, 9, 8),
        );
        let adapted_queries = random_rows(&mut random, 9, 6);
        let labels = (0..12).map(|row| row % 3).collect();
        let support = SupportSet::new(shots, labels, 3, (0..12).collect()).unwrap();
        let knowledge = Knowledge::new(&support, &text).with_adapted_keys(Some(&adapted));
        let parameters = Parameters {
            alpha: 0.7,
            epochs: Some(2),
            ..Parameters::default()
        };
        let fitted = fit(method, &parameters, &knowledge).unwrap();
        let stored: Box<dyn Classifier> = match (fitted.linear(), fitted.trained_cache()) {
            (Some(linear), _) => Box::new(LinearClassifier::new(method, linear)),
            (None, Some(cache)) => Box::new(CacheClassifier::new(
                cache,
                parameters.alpha,
                parameters.beta,
            )),
            (None, None) => panic!("nothing is left of {method:?}"),
        };
        let queries = Queries {
            adapted: Some(&adapted_queries),
            ..Queries::new(&queries)
        };
        let (expected, found) = (
            fitted.logits(queries).unwrap(),
            stored.logits(queries).unwrap(),
        );
        let pairs = expected.0.as_slice().iter().zip(found.0.as_slice());
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn what_is_left_of_a_method_scores_as_the_method_itself() {
        let methods = [
            Method::ZeroShot,
            Method::Gda,
            Method::GdaPp,
            Method::TaskRes,
            Method::LpPlusPlus,
            Method::TipAdapterF,
            Method::ApeT,
        ];
        for method in methods {
            let difference = difference(method);
            assert!(difference < 1e-3, "{method:?}: {difference}");
        }
    }
}
