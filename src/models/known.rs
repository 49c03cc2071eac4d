//! The table of checkpoints that can be fetched by name.

use std::sync::LazyLock;

use serde::Deserialize;

/// One checkpoint of `assets/models.toml`.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownModel {
    /// What the command line calls it.
    pub name: String,
    /// What the window calls it.
    pub title: String,
    /// Repository on the hub, `owner/name`.
    pub repository: String,
    /// Commit, tag or branch.
    pub revision: String,
    /// File of the tensors in the repository.
    pub weights: String,
    /// File of the configuration in the repository.
    pub config: String,
    /// Names and layout of the tensors; `open_clip` for every row so far.
    pub dialect: String,
    /// Which GELU its blocks use.
    pub activation: KnownActivation,
    /// Side of its crops in pixels.
    pub image_size: usize,
    /// Mean of red, green, blue on a scale of 0 to 1.
    pub mean: [f32; 3],
    /// Their deviation.
    pub std: [f32; 3],
    /// Number of weights.
    pub num_parameters: u64,
    /// Licence as the publisher states it.
    pub licence: String,
    /// Limits of use as the publisher states them.
    pub limits: String,
    /// Where repository, activation, mean and std are stated.
    pub source: String,
    /// Whether somebody has fetched and run it with this program.
    pub tried: bool,
}

/// The activation of a checkpoint's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KnownActivation {
    /// `x * sigmoid(1.702 x)`.
    QuickGelu,
    /// The exact one.
    Gelu,
}

impl KnownModel {
    /// About how many bytes a download is: four per weight, less where the publisher stores halves.
    pub fn approximate_bytes(&self) -> u64 {
        4 * self.num_parameters
    }
}

/// All rows of the table, in its order.
pub fn known_models() -> &'static [KnownModel] {
    static TABLE: LazyLock<Vec<KnownModel>> = LazyLock::new(|| {
        parse(include_str!("../../assets/models.toml")).unwrap_or_else(|error| {
            unreachable!("assets/models.toml is part of the program: {error}")
        })
    });
    &TABLE
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    defaults: Defaults,
    model: Vec<Row>,
}

/// What rows do not say for themselves.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Defaults {
    revision: String,
    weights: String,
    config: String,
    dialect: String,
    tried: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    title: String,
    repository: String,
    revision: Option<String>,
    weights: Option<String>,
    config: Option<String>,
    dialect: Option<String>,
    activation: KnownActivation,
    image_size: usize,
    mean: [f32; 3],
    std: [f32; 3],
    num_parameters: u64,
    licence: String,
    limits: String,
    source: String,
    tried: Option<bool>,
}

fn parse(text: &str) -> Result<Vec<KnownModel>, toml::de::Error> {
    let Table { defaults, model } = toml::from_str(text)?;
    let known = |row: Row| KnownModel {
        name: row.name,
        title: row.title,
        repository: row.repository,
        revision: row.revision.unwrap_or_else(|| defaults.revision.clone()),
        weights: row.weights.unwrap_or_else(|| defaults.weights.clone()),
        config: row.config.unwrap_or_else(|| defaults.config.clone()),
        dialect: row.dialect.unwrap_or_else(|| defaults.dialect.clone()),
        activation: row.activation,
        image_size: row.image_size,
        mean: row.mean,
        std: row.std,
        num_parameters: row.num_parameters,
        licence: row.licence,
        limits: row.limits,
        source: row.source,
        tried: row.tried.unwrap_or(defaults.tried),
    };
    Ok(model.into_iter().map(known).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_has_the_promised_models_under_different_names() {
        let names: BTreeSet<&str> = known_models()
            .iter()
            .map(|model| model.name.as_str())
            .collect();
        assert_eq!(names.len(), 12);
        assert!(names.contains("openai-vit-l-14-336") && names.contains("datacomp-vit-b-16"));
    }

    #[test]
    fn only_laions_large_model_has_its_own_mean() {
        let others: Vec<&str> = known_models()
            .iter()
            .filter(|m| m.mean.iter().all(|mean| (mean - 0.5).abs() < 1e-6))
            .map(|m| m.name.as_str())
            .collect();
        assert_eq!(others, ["laion-vit-l-14"]);
    }

    #[test]
    fn openais_models_use_quick_gelu_and_the_others_do_not() {
        for model in known_models() {
            let is_quick = model.activation == KnownActivation::QuickGelu;
            assert_eq!(
                is_quick,
                model.name.starts_with("openai-"),
                "{}",
                model.name
            );
        }
    }
}
