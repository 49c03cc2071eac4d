//! Figures as people read them.

use super::axis::signed;
use crate::cli::digits;
use crate::engine::report::{Accuracy, Basis, Quartiles, Report};
use crate::methods::overlap::scatter::FIRM_POINTS;
use crate::methods::overlap::{Overlap, Trend};
use crate::methods::{Method, Parameter, Parameters};

/// With three decimals; a dash where there is none.
pub(super) fn three(value: Option<f64>) -> String {
    value.map_or_else(
        || "\u{2013}".to_owned(),
        |value| signed(&format!("{value:.3}")),
    )
}

/// Percent with one decimal; a dash where there is none.
pub(super) fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "\u{2013}".to_owned(), |value| format!("{value:.1} %"))
}

/// Percentage points with their sign; a dash where there are none.
pub(super) fn points(value: Option<f64>) -> String {
    let said = |value: f64| {
        if value.abs() < 0.05 {
            "0.0".to_owned()
        } else {
            signed(&format!("{value:+.1}"))
        }
    };
    value.map_or_else(|| "\u{2013}".to_owned(), said)
}

/// "0.877 (0.816 to 0.936)".
pub(super) fn auroc(overlap: &Overlap) -> String {
    let interval = overlap.auroc_interval.as_ref();
    let interval = interval.map_or_else(String::new, |interval| {
        format!(" ({:.3} to {:.3})", interval.low, interval.high)
    });
    format!("{}{interval}", three(overlap.auroc))
}

/// A line for a terminal.
pub(super) fn overlap_line(name: &str, overlap: &Overlap) -> String {
    format!(
        "overlap {name}: {}, AUROC {}\n",
        three(overlap.overlap),
        auroc(overlap)
    )
}

/// "45/48 (83 to 98 %)".
pub(super) fn right_of(accuracy: &Accuracy) -> String {
    format!(
        "{}/{} ({:.0} to {:.0} %)",
        accuracy.num_right, accuracy.num_judged, accuracy.interval.0, accuracy.interval.1
    )
}

/// "α 2.855, β 5.5" of those that the method has; λ and the channels where they count.
pub(super) fn parameters(method: Method, parameters: &Parameters) -> String {
    let name = |parameter| match parameter {
        Parameter::Alpha => "α",
        Parameter::Beta => "β",
        Parameter::Gamma => "γ",
    };
    let mut words: Vec<String> = method
        .parameters()
        .iter()
        .map(|one| format!("{}\u{a0}{}", name(*one), rounded(parameters.value(*one))))
        .collect();
    if matches!(method, Method::ProKeR | Method::ProKeRPp) {
        words.push(format!("λ\u{a0}{}", digits(parameters.lambda)));
    }
    if let (Method::Ape | Method::ApePp, Some(channels)) = (method, parameters.channels) {
        words.push(format!("{channels} channels"));
    }
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}

/// Three significant digits: what a search found is no more exact.
fn rounded(value: f32) -> String {
    let value = f64::from(value);
    let decimals = if value == 0.0 {
        0
    } else {
        (2.0 - value.abs().log10().floor()).clamp(0.0, 6.0) as usize
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// "0.55 / 0.82 / 0.97"; a dash where there are none.
pub(super) fn quartiles(quartiles: Option<Quartiles>) -> String {
    quartiles.map_or_else(
        || "\u{2013}".to_owned(),
        |of| format!("{:.2} / {:.2} / {:.2}", of.first, of.median, of.third),
    )
}

/// "1 shot", "2 shots".
pub(super) fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// What accuracies are measured on, in a sentence.
pub(super) fn basis(report: &Report) -> String {
    let folds = "The photos of each class are dealt into four parts; each part is classified by the other three, with parameters chosen by leave-one-out among those three";
    match report.basis {
        Basis::Shots => format!(
            "Accuracies are of the shots, cross-fitted. {folds}, so that no photo had a say in what it is judged by. Training on fewer shots than there are, this says a little less than all of them can do."
        ),
        Basis::Labelled => format!(
            "Accuracies in both scatters are of the {} photos of the pool that somebody labelled; parameters were chosen on the shots alone. Beside them stand the shots, cross-fitted. {folds}.",
            report.num_labelled
        ),
    }
}

/// "r = 0.86 (95 % interval −0.09 to 0.99)", or that there is none.
pub(super) fn correlation(trend: Option<&Trend>) -> String {
    let Some(trend) = trend else {
        return "no correlation (too few points, or all alike)".to_owned();
    };
    let interval = trend.interval.map_or_else(String::new, |(low, high)| {
        format!(" (95 % interval {low:.2} to {high:.2})")
    });
    signed(&format!("r\u{a0}=\u{a0}{:.2}{interval}", trend.correlation))
}

/// What a scatter says, and how firmly; `what` are its points, as "classes".
pub(super) fn verdict(trend: Option<&Trend>, num_points: usize, what: &str) -> String {
    let found = format!("{num_points} {what}: {}", correlation(trend));
    let Some(trend) = trend else {
        return format!("{found}. No line is fitted, and nothing can be said.");
    };
    let line = signed(&format!(
        "Fitted line: gain = {:.1} {} {:.1} points for each 0.1 of overlap taken away.",
        trend.intercept,
        if trend.slope < 0.0 { "\u{2212}" } else { "+" },
        trend.slope.abs() / 10.0
    ));
    let firm = if trend.num_different < FIRM_POINTS {
        format!(
            "With {} no firm statement can be made (at least {FIRM_POINTS} are needed).",
            counted(trend.num_different, "different reduction")
        )
    } else if !trend.is_firm() {
        "The interval holds 0, so these points show no firm relation.".to_owned()
    } else if trend.correlation > 0.0 {
        "More overlap taken away goes with more accuracy gained.".to_owned()
    } else {
        "More overlap taken away goes with less accuracy gained.".to_owned()
    };
    format!("{found}. {line} {firm}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_count() {
        assert_eq!(rounded(5.5), "5.5");
        assert_eq!(rounded(0.012_345), "0.0123");
        assert_eq!(rounded(100.0), "100");
        assert_eq!(rounded(0.0), "0");
        assert_eq!(points(Some(-1.25)), "\u{2212}1.2");
    }
}
