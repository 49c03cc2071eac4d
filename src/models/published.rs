//! The accuracies that were published, to be set beside our own.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::known::known_models;

/// The texts behind a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum PromptKind {
    /// The data set's own templates.
    #[serde(rename = "template")]
    Template,
    /// The data set's own templates, and `CuPL`'s sentences.
    #[serde(rename = "template+cupl")]
    TemplateAndCupl,
    /// `ImageNet`'s seven templates, and `CuPL`'s sentences.
    #[serde(rename = "ensemble+cupl")]
    EnsembleAndCupl,
    /// Learnt context: no templates at all.
    #[serde(rename = "learnt")]
    Learnt,
}

impl PromptKind {
    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Template => "the data set's own template",
            Self::TemplateAndCupl => "the data set's own template and CuPL's sentences",
            Self::EnsembleAndCupl => "ImageNet's seven templates and CuPL's sentences",
            Self::Learnt => "learnt context",
        }
    }
}

/// One published figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// Share of all test photos that are right, percent.
    pub accuracy: f64,
    /// Texts that it was made with.
    pub prompts: PromptKind,
    /// Whether support photos were averaged over ten random crops.
    pub has_views: bool,
    /// What parameters were searched on, where they were: "val", "test".
    pub tuned: Option<&'static str>,
    /// Repository with commit and file, or paper with table.
    pub source: &'static str,
}

/// What was run.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Name on the command line.
    pub method: &'a str,
    /// Name on the command line.
    pub dataset: &'a str,
    /// Name of the model.
    pub model: &'a str,
    /// Photos of each class; `None`: all, which nobody published.
    pub shots: Option<usize>,
    /// Which kinds its texts are of; none where nobody published with such texts.
    pub prompts: &'a [PromptKind],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    results: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    method: String,
    backbone: String,
    prompts: PromptKind,
    views: bool,
    tuned: Option<String>,
    source: String,
    shots: Vec<usize>,
    accuracies: BTreeMap<String, Vec<f64>>,
}

impl Row {
    fn accuracy(&self, dataset: &str, shots: Option<usize>) -> Option<f64> {
        let matches = |own: &usize| *own == 0 || Some(*own) == shots;
        let column = self.shots.iter().position(matches)?;
        self.accuracies.get(dataset)?.get(column).copied()
    }
}

static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let table: Result<Table, _> = toml::from_str(include_str!("../../assets/published.toml"));
    match table {
        Ok(table) => table.results,
        Err(error) => unreachable!("assets/published.toml is part of the program: {error}"),
    }
});

/// The figure published for this setting. `Ok(None)`: nobody published one for this method, data set and number of shots.
///
/// # Errors
/// In words, where the figures that there are were made with another model or other texts: they are no comparison.
pub fn published(setting: &Setting<'_>) -> Result<Option<Published>, String> {
    let figures: Vec<(&Row, f64)> = TABLE
        .iter()
        .filter(|row| row.method == setting.method)
        .filter_map(|row| Some((row, row.accuracy(setting.dataset, setting.shots)?)))
        .collect();
    if figures.is_empty() {
        return Ok(None);
    }
    let same_model: Vec<_> = figures
        .iter()
        .filter(|(row, _)| row.backbone == setting.model)
        .collect();
    if same_model.is_empty() {
        let backbones: Vec<&str> = figures
            .iter()
            .map(|(row, _)| title_of(&row.backbone))
            .collect();
        return Err(format!(
            "published with {}, not with this model",
            backbones.join(", ")
        ));
    }
    let fits =
        |row: &Row| row.prompts == PromptKind::Learnt || setting.prompts.contains(&row.prompts);
    match same_model.iter().find(|(row, _)| fits(row)) {
        Some((row, accuracy)) => Ok(Some(Published {
            accuracy: *accuracy,
            prompts: row.prompts,
            has_views: row.views,
            tuned: row.tuned.as_deref(),
            source: &row.source,
        })),
        None => Err(format!(
            "published with {}, not with these prompts",
            same_model[0].0.prompts.title()
        )),
    }
}

fn title_of(backbone: &'static str) -> &'static str {
    known_models()
        .iter()
        .find(|model| model.name == backbone)
        .map_or(backbone, |model| model.title.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(method: &'static str, dataset: &'static str, shots: usize) -> Setting<'static> {
        Setting {
            method,
            dataset,
            model: "openai-rn50",
            shots: Some(shots),
            prompts: &[PromptKind::Template],
        }
    }

    fn accuracy(setting: &Setting<'_>) -> f64 {
        published(setting).unwrap().unwrap().accuracy
    }

    #[test]
    fn every_row_names_known_things() {
        let datasets: Vec<&str> = super::super::prompts::datasets().collect();
        for row in &*TABLE {
            assert!(
                known_models()
                    .iter()
                    .any(|model| model.name == row.backbone),
                "{}",
                row.backbone
            );
            for (dataset, accuracies) in &row.accuracies {
                assert!(datasets.contains(&dataset.as_str()), "{dataset}");
                assert_eq!(accuracies.len(), row.shots.len(), "{dataset}");
                assert!(accuracies.iter().all(|value| (5.0..100.0).contains(value)));
            }
        }
    }

    #[test]
    fn means_over_the_eleven_are_those_of_the_sources() {
        let mean = |method: &'static str, shots| {
            let row = TABLE
                .iter()
                .find(|row| row.method == method && row.accuracies.len() == 11);
            let row = row.unwrap();
            let values = row
                .accuracies
                .keys()
                .filter_map(|dataset| row.accuracy(dataset, Some(shots)));
            (values.sum::<f64>() / 11.0 * 100.0).round() / 100.0
        };
        let near = |value: f64, expected: f64| {
            assert!((value - expected).abs() < 0.006, "{value} for {expected}");
        };
        near(mean("tip-adapter", 1), 62.33);
        near(mean("tip-adapter-f", 16), 75.83);
        near(mean("tip-x", 4), 67.64);
        near(mean("ape", 8), 71.58);
        near(mean("ape-t", 2), 69.43);
        near(mean("coop", 16), 73.45);
        near(mean("gda", 16), 76.05);
        near(mean("timo-s", 16), 76.83);
        near(mean("calip", 1), 59.46);
    }

    #[test]
    fn figures_are_found_by_setting() {
        assert_eq!(
            accuracy(&setting("tip-adapter", "eurosat", 4)).to_bits(),
            65.32_f64.to_bits()
        );
        assert_eq!(
            accuracy(&setting("zero-shot", "dtd", 16)).to_bits(),
            42.2_f64.to_bits()
        );
        assert_eq!(
            accuracy(&setting("coop", "food101", 1)).to_bits(),
            74.3_f64.to_bits()
        );
        let vit = Setting {
            model: "openai-vit-b-16",
            ..setting("gda", "imagenet", 16)
        };
        assert_eq!(accuracy(&vit).to_bits(), 72.24_f64.to_bits());
        assert_eq!(published(&setting("tip-adapter", "eurosat", 3)), Ok(None));
        assert_eq!(published(&setting("proker", "eurosat", 16)), Ok(None));
        let all = Setting {
            shots: None,
            ..setting("tip-adapter", "eurosat", 1)
        };
        assert_eq!(published(&all), Ok(None));
    }

    #[test]
    fn other_models_and_other_texts_are_no_comparison() {
        let other = Setting {
            model: "demo",
            ..setting("tip-adapter", "eurosat", 16)
        };
        let reason = published(&other).unwrap_err();
        assert_eq!(reason, "published with OpenAI RN50, not with this model");
        let reason = published(&setting("ape", "eurosat", 16)).unwrap_err();
        assert!(reason.contains("CuPL"), "{reason}");
        let with_cupl = Setting {
            prompts: &[PromptKind::TemplateAndCupl],
            ..setting("ape", "eurosat", 16)
        };
        assert_eq!(accuracy(&with_cupl).to_bits(), 78.16_f64.to_bits());
    }
}
