//! Outcomes as a document: methods × shots, over seeds.

use std::fmt::Write as _;

use super::output::Report;
use crate::engine::evaluate::Outcome;
use crate::methods::Method;
use crate::methods::metrics::Confusion;

/// Tables of accuracies and times, under a header that says how they were made.
pub(super) fn document(report: &Report<'_>, command: &[String]) -> String {
    let tables = Tables {
        report,
        methods: distinct(report.outcomes.iter().map(|outcome| outcome.method)),
        shots: distinct(report.outcomes.iter().map(|outcome| outcome.shots)),
    };
    let num_seeds = distinct(report.outcomes.iter().map(|outcome| outcome.seed)).len();
    let mut text = format!(
        "Made by shotlens {}, model {}, {} test photos, {num_seeds} drawings of shots:\n\n```\nshotlens {}\n```\n\n",
        env!("CARGO_PKG_VERSION"),
        report.model,
        report.num_test,
        command
            .iter()
            .map(|word| quoted(word))
            .collect::<Vec<_>>()
            .join(" "),
    );
    text.push_str(
        "Accuracy (mean over classes), percent, mean ± standard deviation over drawings:\n\n",
    );
    tables.write(&mut text, &|outcomes| {
        spread(&accuracies(outcomes, Confusion::mean_recall))
    });
    if report.comparison.dataset().is_some() {
        text.push_str(
            "\nShare of all test photos, percent, and its difference to the published figure:\n\n",
        );
        tables.write(&mut text, &|outcomes| tables.compared(outcomes));
    }
    text.push_str(
        "\nTime to fit or train (without tuning), and per photo to score its features:\n\n",
    );
    tables.write(&mut text, &|outcomes| tables.times(outcomes));
    tables.reasons(&mut text);
    text
}

struct Tables<'a> {
    report: &'a Report<'a>,
    methods: Vec<Method>,
    shots: Vec<usize>,
}

impl Tables<'_> {
    /// A row a method, a column a number of shots.
    fn write(&self, text: &mut String, cell: &dyn Fn(&[&Outcome]) -> Option<String>) {
        text.push_str("| method |");
        for shots in &self.shots {
            let plural = if *shots == 1 { "" } else { "s" };
            write!(text, " {shots} shot{plural} |").ok();
        }
        let rules = vec!["---"; self.shots.len() + 1].join(" | ");
        writeln!(text, "\n| {rules} |").ok();
        for method in &self.methods {
            write!(text, "| {} |", method.title()).ok();
            for shots in &self.shots {
                let cell = cell(&self.outcomes(*method, *shots));
                write!(text, " {} |", cell.unwrap_or_else(|| "–".to_owned())).ok();
            }
            text.push('\n');
        }
    }

    /// All drawings of a cell.
    fn outcomes(&self, method: Method, shots: usize) -> Vec<&Outcome> {
        let all = self.report.outcomes.iter();
        all.filter(|outcome| outcome.method == method && outcome.shots == shots)
            .collect()
    }

    fn compared(&self, outcomes: &[&Outcome]) -> Option<String> {
        let ours = accuracies(outcomes, Confusion::micro_accuracy);
        let shown = spread(&ours)?;
        let figure = outcomes
            .first()
            .and_then(|outcome| self.report.comparison.published(outcome));
        Some(match figure {
            Some(figure) => format!(
                "{shown} ({:+.2} to {:.2})",
                mean(&ours) - figure.accuracy,
                figure.accuracy
            ),
            None => shown,
        })
    }

    fn times(&self, outcomes: &[&Outcome]) -> Option<String> {
        let applied: Vec<&&Outcome> = outcomes
            .iter()
            .filter(|outcome| outcome.result.is_ok())
            .collect();
        if applied.is_empty() {
            return None;
        }
        let mean_of = |value: &dyn Fn(&Outcome) -> f64| {
            mean(
                &applied
                    .iter()
                    .map(|outcome| value(outcome))
                    .collect::<Vec<_>>(),
            )
        };
        let fit = mean_of(&|outcome| outcome.seconds.fit);
        let predict = mean_of(&|outcome| self.report.microseconds(outcome));
        Some(format!("{fit:.3} s, {predict:.1} µs"))
    }

    /// Why cells are empty, and what the comparison leaves open.
    fn reasons(&self, text: &mut String) {
        let mut reasons = Vec::new();
        for outcome in self.report.outcomes {
            if let Err(reason) = &outcome.result {
                reasons.push(format!("{}: {reason}.", outcome.method.title()));
            }
        }
        let notes = self.report.comparison.notes(self.report.outcomes);
        reasons.extend(notes.into_iter().map(|note| format!("{note}.")));
        let reasons = distinct(reasons.into_iter());
        if !reasons.is_empty() {
            text.push('\n');
        }
        for reason in reasons {
            writeln!(text, "- {reason}").ok();
        }
    }
}

/// Each value once, in the order of first appearance.
fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}

fn accuracies(outcomes: &[&Outcome], of: fn(&Confusion) -> f64) -> Vec<f64> {
    let confusions = outcomes
        .iter()
        .filter_map(|outcome| outcome.result.as_ref().ok());
    confusions.map(of).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// "70.02 ± 1.98" (sample deviation), a single value alone; nothing for no values.
fn spread(values: &[f64]) -> Option<String> {
    let mean = mean(values);
    match values.len() {
        0 => None,
        1 => Some(format!("{mean:.2}")),
        count => {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            let deviation = (squares / (count - 1) as f64).sqrt();
            Some(format!("{mean:.2} ± {deviation:.2}"))
        }
    }
}

/// A word as a shell would need it.
fn quoted(word: &str) -> String {
    let is_plain =
        |character: char| character.is_alphanumeric() || "-_./,=:+@%".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_sample_deviations_and_single_values_have_none() {
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[70.0]).unwrap(), "70.00");
        assert_eq!(spread(&[69.7, 72.1, 68.2]).unwrap(), "70.00 ± 1.97");
    }

    #[test]
    fn commands_can_be_pasted_again() {
        assert_eq!(quoted("--shots"), "--shots");
        assert_eq!(quoted("my photos"), "'my photos'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
