//! What was found: overlap, methods, classes, and the two scatters.

use super::histogram::{self, Panel};
use super::markup::{Column, figure, note, paragraph, section, table};
use super::page::Page;
use super::scatter::{Mark, NUM_SHAPES, Scatter};
use super::words::{self, auroc, counted, percent, points, right_of, three};
use crate::engine::report::{Basis, MethodRow, SpaceFigures};
use crate::methods::Method;
use crate::methods::overlap::FIRM_PAIRS;

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

    /// All methods.
    pub(super) fn methods(&self) -> String {
        let report = self.report;
        let has_labels = report.num_labelled > 0;
        let mut columns = vec![
            Column::Words("method"),
            Column::Words("features"),
            Column::Words("parameters"),
            Column::Numbers("shots, mean over classes"),
            Column::Numbers("right (95 % interval)"),
            Column::Numbers("gain by ++"),
        ];
        if has_labels {
            columns.extend([
                Column::Numbers("labelled, mean over classes"),
                Column::Numbers("right (95 % interval)"),
                Column::Numbers("gain by ++"),
            ]);
        }
        let rows: Vec<Vec<String>> = report
            .methods
            .iter()
            .filter(|row| row.obstacle.is_none())
            .map(|row| method_cells(row, has_labels))
            .collect();
        let mut content = paragraph(&words::basis(report));
        content.push_str(&table(&columns, &rows));
        content.push_str(&paragraph("Parameters are those chosen by leave-one-out on all shots. Gains are over the method without ++ on the same photos, in percentage points of the mean over classes."));
        for row in report.methods.iter().filter(|row| row.obstacle.is_some()) {
            let space = row.space.as_deref().unwrap_or("original features");
            let reason = row.obstacle.as_deref().unwrap_or_default();
            content.push_str(&paragraph(&format!(
                "{} on {space}: not measured ({reason}).",
                row.method.title()
            )));
        }
        if report.num_labelled_left_out > 0 {
            content.push_str(&paragraph(&format!(
                "{} not counted: copies of shots, or part of the training of the adapter.",
                counted(report.num_labelled_left_out, "labelled photo")
            )));
        }
        if has_labels {
            content.push_str(&paragraph("Labels that were given by accepting a prediction favour the method that predicted."));
        }
        content.push_str(&self.how_firm());
        section("Methods", &content)
    }

    /// How much of a difference the number of photos can bear.
    fn how_firm(&self) -> String {
        let judged = self
            .report
            .methods
            .iter()
            .filter_map(|row| match self.report.basis {
                Basis::Shots => row.shots,
                Basis::Labelled => row.labelled,
            });
        let widest = judged.max_by(|a, b| {
            let width = |of: &crate::engine::report::Accuracy| of.interval.1 - of.interval.0;
            width(a).total_cmp(&width(b))
        });
        let Some(widest) = widest else {
            return note(
                "No photo could judge: add shots, at least two of a class, or label photos of the pool.",
            );
        };
        let half = (widest.interval.1 - widest.interval.0) / 2.0;
        note(&format!(
            "With {} one more right is {:.1} points, and the 95 % intervals reach up to ±{half:.0} points: differences below that are not firm.",
            counted(widest.num_judged, "photo"),
            100.0 / widest.num_judged as f64
        ))
    }

    /// Classes in a table, and the scatter over them.
    pub(super) fn classes(&self) -> String {
        let report = self.report;
        let columns = [
            Column::Words("class"),
            Column::Numbers("pairs"),
            Column::Numbers("overlap before"),
            Column::Numbers("after"),
            Column::Numbers("AUROC before"),
            Column::Numbers("after"),
            Column::Numbers("photos judged"),
            Column::Numbers("recall before"),
            Column::Numbers("after"),
            Column::Numbers("gain"),
        ];
        let rows: Vec<Vec<String>> = report
            .per_class
            .iter()
            .map(|row| {
                let after = row.after.as_ref();
                vec![
                    row.name.clone(),
                    row.before.num_paired.to_string(),
                    three(row.before.overlap),
                    three(after.and_then(|after| after.overlap)),
                    three(row.before.auroc),
                    three(after.and_then(|after| after.auroc)),
                    row.num_judged.to_string(),
                    percent(row.recall_before),
                    percent(row.recall_after),
                    Self::gain(row.recall_before, row.recall_after),
                ]
            })
            .collect();
        let (class_points, trend) = self.class_trend();
        let num_points = class_points.len();
        let scatter = Scatter {
            marks: class_points
                .into_iter()
                .map(|point| Mark {
                    point,
                    label: point.name.clone(),
                    shape: 0,
                })
                .collect(),
            trend,
            gain: "gain in recall, percentage points",
            legend: Vec::new(),
        };
        let mut content = paragraph(
            "Each class against all others: overlap of the pairs of its shots with the pairs of its shots and others', and the share of its photos that Tip-Adapter (before) and Tip-Adapter++ (after) get right.",
        );
        content.push_str(&table(&columns, &rows));
        content.push_str(&figure(
            &scatter.drawing(),
            &format!(
                "Does a class that loses overlap gain recall? {} The line is dashed unless the statement is firm.",
                words::verdict(trend.as_ref(), num_points, "classes")
            ),
        ));
        section("Classes: overlap reduction against recall", &content)
    }

    /// The scatter over ++ methods and kinds of adapted features.
    pub(super) fn by_method(&self) -> String {
        let report = self.report;
        let (_, trend) = self.method_trend();
        let label = |method: Method| method.title().trim_end_matches("++").to_owned();
        let scatter = Scatter {
            marks: report
                .method_points
                .iter()
                .map(|point| Mark {
                    point: &point.point,
                    label: label(point.method),
                    shape: point.space,
                })
                .collect(),
            trend,
            gain: "gain in accuracy by ++, percentage points",
            legend: report
                .spaces
                .iter()
                .take(NUM_SHAPES)
                .map(|space| space.title.clone())
                .collect(),
        };
        let columns = [
            Column::Words("method"),
            Column::Numbers("overlap before"),
            Column::Numbers("after"),
            Column::Numbers("accuracy before"),
            Column::Numbers("after"),
            Column::Numbers("gain"),
        ];
        let rows: Vec<Vec<String>> = report
            .method_points
            .iter()
            .map(|one| {
                let point = &one.point;
                vec![
                    point.name.clone(),
                    three(Some(point.overlap_before)),
                    three(Some(point.overlap_after)),
                    percent(Some(point.accuracy_before)),
                    percent(Some(point.accuracy_after)),
                    points(Some(point.accuracy_gain())),
                ]
            })
            .collect();
        let caption = format!(
            "Does an adapter that takes more overlap away gain more accuracy? {} Methods on one kind of features share its overlap and its photos, so they are no independent points, and the interval is narrower than it should be.",
            words::verdict(
                trend.as_ref(),
                report.method_points.len(),
                "pairs of method and features"
            )
        );
        let content = format!(
            "{}{}",
            figure(&scatter.drawing(), &caption),
            table(&columns, &rows)
        );
        section("Methods: overlap reduction against accuracy", &content)
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
        let mut push = |name: String,
                        of: &crate::methods::overlap::Overlap,
                        variance: crate::methods::overlap::ClassVariance| {
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

fn method_cells(row: &MethodRow, has_labels: bool) -> Vec<String> {
    let names = if row.use_class_names {
        ""
    } else {
        "; without class names"
    };
    let published = if row.is_tuned || row.method.parameters().is_empty() {
        ""
    } else {
        "; published"
    };
    let accuracy = |of: Option<crate::engine::report::Accuracy>| {
        [
            percent(of.map(|of| of.mean_recall)),
            of.as_ref().map_or_else(|| "\u{2013}".to_owned(), right_of),
        ]
    };
    let gain = |of: Option<f64>| {
        if row.space.is_some() {
            points(of)
        } else {
            String::new()
        }
    };
    let mut cells = vec![
        row.method.title().to_owned(),
        row.space.clone().unwrap_or_else(|| "original".to_owned()),
        format!(
            "{}{published}{names}",
            words::parameters(row.method, &row.parameters)
        ),
    ];
    cells.extend(accuracy(row.shots));
    cells.push(gain(row.gain_shots));
    if has_labels {
        cells.extend(accuracy(row.labelled));
        cells.push(gain(row.gain_labelled));
    }
    cells
}
