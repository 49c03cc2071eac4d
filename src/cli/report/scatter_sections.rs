//! Overlap reduction against accuracy: over classes, and over methods.

use super::markup::{Column, figure, paragraph, section, table};
use super::page::Page;
use super::scatter::{Mark, NUM_SHAPES, Scatter};
use super::words::{self, percent, points, three};
use crate::methods::Method;

impl Page<'_> {
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
