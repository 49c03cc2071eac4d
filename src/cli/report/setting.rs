//! What the figures were made of: model, support set, method.

use super::markup::{Column, facts, note, paragraph, section, table};
use super::page::Page;
use super::words::{counted, parameters};

impl Page<'_> {
    /// Model and preprocessing.
    pub(super) fn model(&self) -> String {
        let model = &self.report.model;
        section(
            "Model",
            &facts(&[
                ("Model", model.name.clone()),
                ("Weights (SHA-256)", model.hash.clone()),
                ("Feature", format!("{} numbers", model.dim)),
                ("Preprocessing", model.preprocess.clone()),
                ("Device", model.device.clone()),
                ("Program", format!("Shotlens {}", env!("CARGO_PKG_VERSION"))),
            ]),
        )
    }

    /// Classes with shots and prompts.
    pub(super) fn support(&self) -> String {
        let report = self.report;
        let has_labels = report.num_labelled > 0;
        let mut columns = vec![Column::Words("class"), Column::Numbers("shots")];
        if has_labels {
            columns.push(Column::Numbers("labelled photos"));
        }
        columns.push(Column::Words("prompts"));
        let rows: Vec<Vec<String>> = report
            .classes
            .iter()
            .map(|class| {
                let mut row = vec![class.name.clone(), class.num_shots.to_string()];
                if has_labels {
                    row.push(class.num_labelled.to_string());
                }
                row.push(class.prompts.join(" · "));
                row
            })
            .collect();
        let mut content = paragraph(&format!(
            "{} in {} classes.",
            counted(report.num_shots, "shot"),
            report.classes.len()
        ));
        if report.num_labels_learnt > 0 {
            content.push_str(&paragraph(&format!(
                "{} of them are photos of the pool that were labelled: the project learns from labels, so those judge nothing.",
                report.num_labels_learnt
            )));
        }
        content.push_str(&table(&columns, &rows));
        section("Support set", &content)
    }

    /// The project's method and its parameters.
    pub(super) fn method(&self) -> String {
        let method = &self.report.method;
        let mut rows = vec![
            ("Method", method.method.title().to_owned()),
            ("Parameters", parameters(method.method, &method.parameters)),
            ("How they were chosen", method.choice.clone()),
            (
                "Class names",
                if method.use_class_names {
                    "count".to_owned()
                } else {
                    "switched off: the shots alone decide".to_owned()
                },
            ),
        ];
        if let Some(space) = &method.space {
            rows.push(("Adapted features", space.clone()));
        }
        let mut content = String::new();
        if let Some(obstacle) = &method.obstacle {
            content.push_str(&note(&format!(
                "The project says {}, which cannot be used here ({obstacle}); {} stands in for it.",
                method.chosen.title(),
                method.method.title()
            )));
        }
        content.push_str(&facts(&rows));
        section("Method of the project", &content)
    }
}
