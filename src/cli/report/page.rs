//! The page as a whole.

use std::path::Path;

use super::markup::{Column, escape, note, paragraph, section, table};
use super::words::{self, counted, points, three};
use crate::engine::report::{Basis, Report};
use crate::methods::overlap::{ScatterPoint, Trend};

const STYLE: &str = include_str!("style.css");

/// A report with what the library does not know: name, date, place.
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    pub(super) date: String,
    pub(super) folder: &'a Path,
    pub(super) report: &'a Report,
}

impl Page<'_> {
    pub(super) fn html(&self) -> String {
        let title = escape(self.title);
        let sections = [
            self.headline(),
            self.overlap(),
            self.methods(),
            self.classes(),
            self.by_method(),
            self.pool(),
            self.method(),
            self.support(),
            self.missing(),
            self.model(),
        ];
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"generator\" content=\"Shotlens {version}\"/>\n<title>{title}: overlap and accuracy</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}: overlap and accuracy</h1>\n<p class=\"byline\">{date} · Shotlens {version} · model: {model} · {device}</p>\n{body}</body>\n</html>\n",
            version = env!("CARGO_PKG_VERSION"),
            date = escape(&self.date),
            model = escape(&self.report.model.name),
            device = escape(&self.report.model.device),
            body = sections.concat(),
        )
    }

    /// The points of the classes and their trend.
    pub(super) fn class_trend(&self) -> (Vec<&ScatterPoint>, Option<Trend>) {
        let points = &self.report.class_points;
        (points.iter().collect(), Trend::of(points))
    }

    /// The points of the methods and their trend.
    pub(super) fn method_trend(&self) -> (Vec<&ScatterPoint>, Option<Trend>) {
        let points = self.report.method_points.iter();
        let points: Vec<&ScatterPoint> = points.map(|point| &point.point).collect();
        let own: Vec<ScatterPoint> = points.iter().copied().cloned().collect();
        (points, Trend::of(&own))
    }

    /// The figures that matter most, in boxes.
    fn headline(&self) -> String {
        let report = self.report;
        let mut boxes = Vec::new();
        if let Some(space) = report.spaces.first() {
            let after = space.after.as_ref();
            let to = |before: Option<f64>, after: Option<f64>| {
                format!("{} → {}", three(before), three(after))
            };
            boxes.push((
                to(space.before.overlap, after.and_then(|after| after.overlap)),
                format!("overlap before → after {}", space.title),
            ));
            boxes.push((
                to(space.before.auroc, after.and_then(|after| after.auroc)),
                "AUROC (0.5: full overlap, 1: none)".to_owned(),
            ));
        }
        if let Some(first) = report
            .method_points
            .first()
            .filter(|first| first.space == 0)
        {
            let (before, after) = (first.point.accuracy_before, first.point.accuracy_after);
            boxes.push((
                format!("{before:.1} → {after:.1} %"),
                format!(
                    "accuracy of {} → {}, {}",
                    first.method.without_adapter().title(),
                    first.method.title(),
                    match report.basis {
                        Basis::Labelled => counted(report.num_labelled, "labelled photo"),
                        Basis::Shots => "shots, cross-fitted".to_owned(),
                    }
                ),
            ));
        }
        let boxes: Vec<String> = boxes
            .iter()
            .map(|(figure, what)| {
                format!(
                    "<div><b>{}</b><span>{}</span></div>\n",
                    escape(figure),
                    escape(what)
                )
            })
            .collect();
        let what = format!(
            "How far photos of one class and photos of different classes overlap in CLIP's image space, before and after an adapter, and whether that explains accuracy. {} in {} classes; {}.",
            counted(report.num_shots, "shot"),
            report.classes.len(),
            report.pool.as_ref().map_or_else(
                || "no photos to predict".to_owned(),
                |pool| { format!("{} predicted", counted(pool.num_photos, "photo")) }
            )
        );
        format!(
            "{}<div class=\"headline\">\n{}</div>\n",
            paragraph(&what),
            boxes.concat()
        )
    }

    /// Predictions of the pool.
    fn pool(&self) -> String {
        let report = self.report;
        let Some(pool) = &report.pool else {
            return section(
                "Predictions",
                &paragraph("The pool is empty: nothing was predicted."),
            );
        };
        let columns = [
            Column::Words("class"),
            Column::Numbers("photos"),
            Column::Numbers("share"),
            Column::Numbers("confidence, quartiles"),
        ];
        let share = |count: usize| 100.0 * count as f64 / pool.num_photos.max(1) as f64;
        let named = report.classes.iter().zip(&pool.classes);
        let mut rows: Vec<Vec<String>> = named
            .map(|(class, (count, sure))| {
                vec![
                    class.name.clone(),
                    count.to_string(),
                    words::percent(Some(share(*count))),
                    words::quartiles(*sure),
                ]
            })
            .collect();
        rows.push(vec![
            "all".to_owned(),
            pool.num_photos.to_string(),
            words::percent(Some(share(pool.num_photos))),
            words::quartiles(pool.confidence),
        ]);
        let calibrated = if pool.is_calibrated {
            format!(
                "Confidence is the softmax of the logits at temperature {:.3}, which was fitted on shots that others classified.",
                pool.temperature
            )
        } else {
            format!(
                "Confidence is the softmax of the logits at temperature {}, the method's default: there was nothing to fit it on.",
                pool.temperature
            )
        };
        let said = paragraph(&format!(
            "{} of the pool, by {}. {calibrated}",
            counted(pool.num_photos, "photo"),
            report.method.method.title()
        ));
        section("Predictions", &format!("{said}{}", table(&columns, &rows)))
    }

    /// Photos that were left out.
    fn missing(&self) -> String {
        let missing = &self.report.missing;
        if missing.is_empty() {
            return String::new();
        }
        let rows: Vec<Vec<String>> = missing
            .iter()
            .map(|(path, reason)| {
                let path = path.strip_prefix(self.folder).unwrap_or(path);
                vec![path.display().to_string(), reason.clone()]
            })
            .collect();
        let said = note(&format!(
            "{} of the project could not be read and had no part in any figure.",
            counted(missing.len(), "photo")
        ));
        let columns = [Column::Words("photo"), Column::Words("reason")];
        section(
            "Photos left out",
            &format!("{said}{}", table(&columns, &rows)),
        )
    }

    /// A gain with its sign, for tables.
    pub(super) fn gain(before: Option<f64>, after: Option<f64>) -> String {
        points(before.zip(after).map(|(before, after)| after - before))
    }
}
