//! The prompts that published results were made with.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PromptTable {
    default: Vec<String>,
    datasets: BTreeMap<String, Vec<String>>,
}

static TABLE: LazyLock<PromptTable> = LazyLock::new(|| {
    toml::from_str(include_str!("../../assets/prompts.toml"))
        .unwrap_or_else(|error| unreachable!("assets/prompts.toml is part of the program: {error}"))
});

/// Templates of one of `CoOp`'s data sets by its folder name (`eurosat`, `oxford_pets` ...), `{}` for the class name;
/// more than one are averaged. `a photo of a {}.` for any other name.
pub fn templates(dataset: &str) -> &'static [String] {
    TABLE.datasets.get(dataset).unwrap_or(&TABLE.default)
}

/// Names of the data sets that have templates, sorted.
pub fn datasets() -> impl Iterator<Item = &'static str> {
    TABLE.datasets.keys().map(String::as_str)
}

/// `template` with `{}` replaced by the class name, `_` in it by spaces.
pub fn fill(template: &str, class_name: &str) -> String {
    template.replace("{}", &class_name.replace('_', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_has_one_place_for_the_name() {
        for dataset in datasets().chain(["anything else"]) {
            for template in templates(dataset) {
                assert_eq!(template.matches("{}").count(), 1, "{dataset}: {template}");
            }
        }
        assert_eq!(datasets().count(), 11);
    }

    #[test]
    fn underscores_become_spaces() {
        assert_eq!(
            fill(&templates("oxford_pets")[0], "great_dane"),
            "a photo of a great dane, a type of pet."
        );
    }
}
