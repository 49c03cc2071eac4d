//! Methods side by side.

use super::markup::{Column, note, paragraph, section, table};
use super::page::Page;
use super::words::{self, counted, percent, points, right_of};
use crate::engine::report::{Accuracy, Basis, MethodRow};

impl Page<'_> {
    /// All methods.
    pub(super) fn methods(&self) -> String {
        let report = self.report;
        let has_labels = report.num_labelled > 0;
        let mut columns = vec![
            Column::Words("method"),
            Column::Words("features"),
            Column::Words("parameters"),
            Column::Numbers("shots: mean of classes"),
            Column::Numbers("right (95 %)"),
            Column::Numbers("gain by ++"),
        ];
        if has_labels {
            columns.extend([
                Column::Numbers("labelled: mean of classes"),
                Column::Numbers("right (95 %)"),
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
        content.push_str(&paragraph("Parameters are those chosen by leave-one-out on all shots, or where some of them trained the adapter, on the others. Gains are over the method without ++ on the same photos, in percentage points of the mean over classes; intervals are of the share of all photos (Wilson, 95 %)."));
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
            let width = |of: &Accuracy| of.interval.1 - of.interval.0;
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
    let accuracy = |of: Option<Accuracy>| {
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
