//! Outcomes as JSON and as lines on a terminal.

use std::fmt::Write as _;

use super::comparison::Comparison;
use crate::cli::digits;
use crate::engine::evaluate::Outcome;
use crate::methods::metrics::Confusion;

/// An evaluation, ready to be printed.
pub(super) struct Report<'a> {
    pub(super) outcomes: &'a [Outcome],
    pub(super) model: &'a str,
    pub(super) num_test: usize,
    pub(super) comparison: &'a Comparison,
}

impl Report<'_> {
    /// The contract's list, one object an outcome.
    pub(super) fn json(&self) -> serde_json::Value {
        self.outcomes
            .iter()
            .map(|outcome| self.row_json(outcome))
            .collect()
    }

    fn row_json(&self, outcome: &Outcome) -> serde_json::Value {
        let confusion = outcome.result.as_ref().ok();
        let published = self.comparison.published(outcome);
        let (parameters, seconds) = (&outcome.parameters, &outcome.seconds);
        serde_json::json!({
            "method": outcome.method.name(), "shots": outcome.shots, "seed": outcome.seed,
            "accuracy": confusion.map(Confusion::mean_recall),
            "accuracy_micro": confusion.map(Confusion::micro_accuracy),
            "alpha": digits(parameters.alpha), "beta": digits(parameters.beta), "gamma": digits(parameters.gamma),
            "tuned": outcome.is_tuned, "class_names": outcome.use_class_names,
            "seconds": seconds.total(), "fit_seconds": seconds.fit, "predict_us": self.microseconds(outcome),
            "num_test": self.num_test, "model": self.model,
            "adapter": outcome.adapter, "reason": outcome.result.as_ref().err(),
            "dataset": self.comparison.dataset(),
            "published": published.map(|published| published.accuracy),
            "difference": self.difference(outcome),
        })
    }

    /// Microseconds a photo, from features to logits.
    pub(super) fn microseconds(&self, outcome: &Outcome) -> f64 {
        1e6 * outcome.seconds.predict / self.num_test.max(1) as f64
    }

    /// Our share of all photos less the published one, percentage points.
    fn difference(&self, outcome: &Outcome) -> Option<f64> {
        let ours = outcome.result.as_ref().ok()?.micro_accuracy();
        Some(ours - self.comparison.published(outcome)?.accuracy)
    }

    /// Lines for a terminal, with published figures where the run is on a data set.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "{:<16} {:>5} {:>5} {:>9} {:>9} {:>8} {:>7}",
            "method", "shots", "seed", "accuracy", "micro", "alpha", "beta"
        );
        let is_compared = self.comparison.dataset().is_some();
        if is_compared {
            write!(text, " {:>9} {:>10}", "published", "difference").ok();
        }
        text.push('\n');
        for outcome in self.outcomes {
            self.line(outcome, is_compared, &mut text);
        }
        let num_test = self.num_test;
        writeln!(
            text,
            "{num_test} test photos; accuracy is the mean over classes"
        )
        .ok();
        if is_compared {
            text.push_str(
                "published figures count all photos alike, so the difference is that of micro\n",
            );
        }
        text
    }

    fn line(&self, outcome: &Outcome, is_compared: bool, text: &mut String) {
        let head = format!(
            "{:<16} {:>5} {:>5}",
            outcome.method.name(),
            outcome.shots,
            outcome.seed
        );
        match &outcome.result {
            Ok(confusion) => {
                let (mean, micro) = (confusion.mean_recall(), confusion.micro_accuracy());
                let (alpha, beta) = (outcome.parameters.alpha, outcome.parameters.beta);
                write!(
                    text,
                    "{head} {mean:>7.2} % {micro:>7.2} % {alpha:>8.3} {beta:>7.3}"
                )
                .ok();
                if is_compared {
                    let of = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
                    let published = self.comparison.published(outcome);
                    let published = of(published.map(|figure| format!("{:.2}", figure.accuracy)));
                    let difference = of(self
                        .difference(outcome)
                        .map(|points| format!("{points:+.2}")));
                    write!(text, " {published:>9} {difference:>10}").ok();
                }
                let adapter = outcome.adapter.as_deref().unwrap_or_default();
                let names = if outcome.use_class_names {
                    ""
                } else {
                    " class names left out"
                };
                writeln!(text, "  {adapter}{names}").ok();
            }
            Err(reason) => {
                writeln!(text, "{head}         -  {reason}").ok();
            }
        }
    }
}
