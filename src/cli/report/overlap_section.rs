//! Overlap before and after: histograms and figures.

use super::histogram::{self, Panel};
use super::markup::{Column, figure, note, paragraph, section, table};
use super::page::Page;
use super::words::{auroc, counted, three};
use crate::engine::report::SpaceFigures;
use crate::methods::overlap::{ClassVariance, FIRM_PAIRS, Overlap};

impl Page<'_> {
    /// Histograms and figures before and after.
    pub(super) fn overlap(&self) -> String {
        let report = self.report;
        let Some(space) = report.spaces.first() else {
            let reasons: Vec<String> = report
                .unavailable
                .iter()
                .map(|(name, reason)| format!("{name}: {reason}"))
                .collect();
            return section(
                "Overlap",
                &note(&format!(
                    "There are no adapted features. {}",
                    reasons.join(" ")
                )),
            );
        };
        let mut content = String::new();
        if let Some(stand_in) = &report.stand_in {
            content.push_str(&note(&format!(
                "{stand_in}; “after” is {}, which needs no training.",
                space.title
            )));
        }
        for said in &space.notes {
            content.push_str(&note(said));
        }
        let mut panels = vec![Panel {
            title: "before".to_owned(),
            overlap: &space.before,
        }];
        panels.extend(space.after.as_ref().map(|overlap| Panel {
            title: format!("after {}", space.title),
            overlap,
        }));
        let num_bins = space.before.num_bins();
        content.push_str(&figure(
            &histogram::drawing(&panels),
            &format!(
                "Cosines of all pairs of {}: share of the pairs of each kind in {num_bins} bins over \u{2212}1 to 1.",
                counted(space.num_shots, "shot")
            ),
        ));
        content.push_str(&overlap_table(&report.spaces));
        if space.before.has_too_few {
            content.push_str(&note(&format!(
                "Too few photos for a firm figure: there are fewer than {FIRM_PAIRS} pairs of a kind."
            )));
        }
        content.push_str(&paragraph("The overlap coefficient is the sum over bins of the smaller of both shares; it is biased upwards where pairs are few. The AUROC is the chance that a same-class pair is more alike than a different-class pair, with a 95 % bootstrap interval over photos. The statistic is ours: the paper's exact one is not published."));
        for (name, reason) in &report.unavailable {
            content.push_str(&paragraph(&format!("Not measured: {name} ({reason}).")));
        }
        section("Overlap", &content)
    }
}

fn overlap_table(spaces: &[SpaceFigures]) -> String {
    let columns = [
        Column::Words("features"),
        Column::Numbers("overlap"),
        Column::Numbers("AUROC (95 % interval)"),
        Column::Numbers("mean cosine, same class"),
        Column::Numbers("different classes"),
        Column::Numbers("pairs, same class"),
        Column::Numbers("different classes"),
        Column::Numbers("variance within classes"),
        Column::Numbers("between classes"),
    ];
    let mut rows = Vec::new();
    for (index, space) in spaces.iter().enumerate() {
        let mut push = |name: String, of: &Overlap, variance: ClassVariance| {
            rows.push(vec![
                name,
                three(of.overlap),
                auroc(of),
                three(of.paired_mean),
                three(of.unpaired_mean),
                of.num_paired.to_string(),
                of.num_unpaired.to_string(),
                small(variance.within),
                small(variance.between),
            ]);
        };
        // Another adapter may be measured on fewer shots, and then has a "before" of its own.
        if index == 0 {
            push("original".to_owned(), &space.before, space.variance_before);
        } else if space.before != spaces[0].before {
            push(
                format!("original, for {}", space.title),
                &space.before,
                space.variance_before,
            );
        }
        if let Some((after, variance)) = space.after.as_ref().zip(space.variance_after) {
            push(space.title.clone(), after, variance);
        }
    }
    table(&columns, &rows)
}

/// A variance, which is small: a feature of 512 numbers has 0.002 in all.
fn small(value: f64) -> String {
    format!("{value:.6}")
}
