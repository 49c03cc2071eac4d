//! Confidence: `softmax(logits / T)` with a temperature T that makes it honest.
//!
//! T minimises the negative log-likelihood of the support photos' classes, each scored by the others
//! (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, with leave-one-out in place of a validation set).
//! Where all are right, the likelihood knows no end: there each class counts as right to `(n + 1) / (n + 2)` (Platt, 1999).

use super::leave_one_out::{HeldOut, held_out};
use super::{Knowledge, Method, MethodError, Parameters};
use crate::features::Logits;
use crate::progress::Progress;

/// Temperatures that a fit may give; photos that are all classified rightly would otherwise drive T to 0.
pub const TEMPERATURE_RANGE: std::ops::RangeInclusive<f64> = 0.05..=100.0;

/// The temperature of a method's confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Logits are divided by this before the softmax.
    pub temperature: f32,
    /// Whether it was fitted on the support set; else it is the method's default.
    pub is_fitted: bool,
}

/// The temperature for `method` at these parameters; [`default_temperature`] where no class has two
/// shots.
pub fn calibrate(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    progress: &Progress<'_>,
) -> Result<Calibration, MethodError> {
    Ok(calibrate_on(
        method,
        &held_out(method, parameters, knowledge, progress)?,
    ))
}

/// The temperature for `method` from photos that were scored by the others.
pub fn calibrate_on(method: Method, held_out: &HeldOut) -> Calibration {
    if held_out.labels.is_empty() {
        return Calibration {
            temperature: default_temperature(method),
            is_fitted: false,
        };
    }
    Calibration {
        temperature: fit_temperature(&held_out.logits, &held_out.labels),
        is_fitted: true,
    }
}

/// The temperature before anything is fitted: 1, but 0.01 for `ProKeR`, whose logits are raw cosines.
pub fn default_temperature(method: Method) -> f32 {
    match method {
        Method::ProKeR | Method::ProKeRPp => 0.01,
        _ => 1.0,
    }
}

/// The temperature in [`TEMPERATURE_RANGE`] under which the labels are likeliest.
///
/// The negative log-likelihood is convex in 1/T, so it has one minimum in ln T: golden-section search finds it.
///
/// # Panics
/// When there is not one label for each row.
pub fn fit_temperature(logits: &Logits, labels: &[usize]) -> f32 {
    assert_eq!(logits.0.rows(), labels.len(), "one label for each row");
    let golden = (5_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (TEMPERATURE_RANGE.start().ln(), TEMPERATURE_RANGE.end().ln());
    let is_all_right = logits.top_classes() == labels;
    let doubt = if is_all_right {
        1.0 / (labels.len() + 2) as f64
    } else {
        0.0
    };
    let loss = |log_temperature: f64| {
        negative_log_likelihood(logits, labels, doubt, log_temperature.exp())
    };
    let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
    let (mut loss_left, mut loss_right) = (loss(left), loss(right));
    // 7.6 wide at the start, 0.618^24 of it at the end: T to a relative 1e-4.
    for _ in 0..24 {
        if loss_left <= loss_right {
            (high, right, loss_right) = (right, left, loss_left);
            left = high - golden * (high - low);
            loss_left = loss(left);
        } else {
            (low, left, loss_left) = (left, right, loss_right);
            right = low + golden * (high - low);
            loss_right = loss(right);
        }
    }
    f64::midpoint(low, high).exp() as f32
}

/// Probabilities of the classes, `softmax(logits / temperature)`.
pub fn confidences(logits: &[f32], temperature: f32) -> Vec<f32> {
    let best = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut shares: Vec<f32> = logits
        .iter()
        .map(|logit| ((logit - best) / temperature).exp())
        .collect();
    let total: f32 = shares.iter().sum();
    for share in &mut shares {
        *share /= total;
    }
    shares
}

/// Sum over rows of `-ln softmax(row / temperature)[label]`; of that, `doubt` is spread over the other classes.
fn negative_log_likelihood(logits: &Logits, labels: &[usize], doubt: f64, temperature: f64) -> f64 {
    let row_loss = |(row, label): (&[f32], &usize)| {
        let best = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let total: f64 = row
            .iter()
            .map(|logit| ((f64::from(*logit) - best) / temperature).exp())
            .sum();
        let right = f64::from(row[*label]) - best;
        let num_others = row.len().saturating_sub(1).max(1) as f64;
        let sum: f64 = row.iter().map(|logit| f64::from(*logit) - best).sum();
        let expected = (1.0 - doubt) * right + doubt * (sum - right) / num_others;
        total.ln() - expected / temperature
    };
    logits.0.iter_rows().zip(labels).map(row_loss).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Matrix;

    #[test]
    fn the_temperature_undoes_overconfidence() {
        // Three of four right with a margin of 10: honest confidence is 3/4, so exp(10 / T) = 3.
        let logits =
            Logits(Matrix::new(4, 2, vec![10.0, 0.0, 10.0, 0.0, 10.0, 0.0, 10.0, 0.0]).unwrap());
        let temperature = fit_temperature(&logits, &[0, 0, 0, 1]);
        assert!(
            (temperature - 10.0 / 3_f32.ln()).abs() < 0.01,
            "{temperature}"
        );
        assert!((confidences(&[10.0, 0.0], temperature)[0] - 0.75).abs() < 1e-3);
    }

    #[test]
    fn photos_that_are_all_right_keep_a_temperature_in_range() {
        let logits = Logits(Matrix::new(2, 2, vec![1.0, 0.0, 0.0, 1.0]).unwrap());
        // Two of two: as sure as three of four.
        let temperature = fit_temperature(&logits, &[0, 1]);
        let sure = confidences(&[1.0, 0.0], temperature)[0];
        assert!((sure - 0.75).abs() < 1e-3, "{sure}");
    }
}
