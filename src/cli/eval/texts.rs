//! Texts of the classes, and what they can be compared with.

use std::collections::HashMap;

use anyhow::Result;

use super::arguments::{PromptSpec, Templates};
use crate::cli::stderr::warn;
use crate::engine::prompts::{default_prompt, read_prompt_file};
use crate::models::prompts;
use crate::models::published::PromptKind;

/// Prompts of every class.
pub(in crate::cli) struct Texts {
    /// At least one a class.
    pub(in crate::cli) prompts: Vec<Vec<String>>,
    /// Which kinds of published texts they are.
    pub(super) kinds: Vec<PromptKind>,
}

impl Texts {
    /// The texts that `spec` names, for the classes of `dataset` or of folders.
    pub(in crate::cli) fn new(
        spec: &PromptSpec,
        classes: &[String],
        dataset: Option<&str>,
    ) -> Result<Self> {
        let templates = templates_of(spec.templates.as_ref(), dataset);
        let filled: Vec<Vec<String>> = classes
            .iter()
            .map(|class| match templates {
                Some(templates) => templates
                    .iter()
                    .map(|template| prompts::fill(template, class))
                    .collect(),
                None => vec![default_prompt(class)],
            })
            .collect();
        let prompts = match &spec.file {
            Some(path) => with_file(
                filled,
                spec.templates.is_some(),
                read_prompt_file(path, classes)?,
                classes,
            ),
            None => filled,
        };
        tell_equal_classes(&prompts, classes);
        Ok(Self {
            prompts,
            kinds: kinds(spec, templates, dataset),
        })
    }
}

/// `None`: the prompt that a class of folders starts with.
fn templates_of(named: Option<&Templates>, dataset: Option<&str>) -> Option<&'static [String]> {
    match named {
        Some(Templates::Of(name)) => Some(prompts::templates(name)),
        Some(Templates::Own) | None => dataset.map(prompts::templates),
    }
}

/// The file's prompts, after the templates where both count; classes that the file leaves out keep their templates.
fn with_file(
    filled: Vec<Vec<String>>,
    both_count: bool,
    from_file: Vec<Vec<String>>,
    classes: &[String],
) -> Vec<Vec<String>> {
    let left_out: Vec<&str> = classes
        .iter()
        .zip(&from_file)
        .filter(|(_, prompts)| prompts.is_empty())
        .map(|(class, _)| class.as_str())
        .collect();
    if !left_out.is_empty() {
        warn(&format!(
            "{} of {} classes have no prompts in the file and get the template alone: {}",
            left_out.len(),
            classes.len(),
            some_of(&left_out)
        ));
    }
    let merge = |(mut template, own): (Vec<String>, Vec<String>)| {
        if own.is_empty() {
            template
        } else if both_count {
            template.extend(own);
            template
        } else {
            own
        }
    };
    filled.into_iter().zip(from_file).map(merge).collect()
}

/// Which published figures were made with such texts.
fn kinds(
    spec: &PromptSpec,
    templates: Option<&'static [String]>,
    dataset: Option<&str>,
) -> Vec<PromptKind> {
    let (Some(templates), Some(dataset), Some(_)) = (templates, dataset, &spec.templates) else {
        return Vec::new();
    };
    let is_own = templates == prompts::templates(dataset);
    let is_ensemble = templates == prompts::templates("imagenet");
    let mut kinds = Vec::new();
    match (&spec.file, is_own) {
        (None, true) => kinds.push(PromptKind::Template),
        (Some(_), true) => kinds.push(PromptKind::TemplateAndCupl),
        _ => {}
    }
    if spec.file.is_some() && is_ensemble {
        kinds.push(PromptKind::EnsembleAndCupl);
    }
    kinds
}

/// Classes with the same texts are one class to every method that reads them.
fn tell_equal_classes(prompts: &[Vec<String>], classes: &[String]) {
    let mut first_with: HashMap<&[String], usize> = HashMap::new();
    let mut pairs = Vec::new();
    for (class, prompts) in prompts.iter().enumerate() {
        let first = *first_with.entry(prompts).or_insert(class);
        if first != class {
            pairs.push(format!("{} and {}", classes[first], classes[class]));
        }
    }
    if !pairs.is_empty() {
        let pairs: Vec<&str> = pairs.iter().map(String::as_str).collect();
        warn(&format!(
            "classes with the same texts, which names alone cannot tell apart: {}",
            some_of(&pairs)
        ));
    }
}

/// The first few, for a sentence.
pub(super) fn some_of(names: &[&str]) -> String {
    const NUM_NAMED: usize = 5;
    let named = names[..names.len().min(NUM_NAMED)].join(", ");
    if names.len() > NUM_NAMED {
        format!("{named} …")
    } else {
        named
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(templates: Option<Templates>, dataset: Option<&str>) -> Texts {
        let spec = PromptSpec {
            templates,
            file: None,
        };
        Texts::new(&spec, &["Sea_Lake".to_owned()], dataset).unwrap()
    }

    #[test]
    fn a_data_set_has_its_own_templates_and_folders_the_programs() {
        let own = texts(Some(Templates::Own), Some("eurosat"));
        assert_eq!(own.prompts[0], ["a centered satellite photo of Sea Lake."]);
        assert_eq!(own.kinds, [PromptKind::Template]);
        let folders = texts(Some(Templates::Own), None);
        assert_eq!(folders.prompts[0], ["a photo of a Sea Lake"]);
        assert!(folders.kinds.is_empty());
        let seven = texts(Some(Templates::Of("imagenet".to_owned())), Some("eurosat"));
        assert_eq!(seven.prompts[0].len(), 7);
        assert!(
            seven.kinds.is_empty(),
            "nobody published EuroSAT with these"
        );
        let same = texts(Some(Templates::Of("sun397".to_owned())), Some("caltech101"));
        assert_eq!(same.kinds, [PromptKind::Template], "the same words");
    }

    #[test]
    fn a_file_stands_alone_or_beside_the_template() {
        let classes = ["ant", "bee"].map(str::to_owned);
        let filled = || vec![vec!["an ant".to_owned()], vec!["a bee".to_owned()]];
        let file = || vec![vec!["six legs".to_owned()], Vec::new()];
        let alone = with_file(filled(), false, file(), &classes);
        assert_eq!(alone, [["six legs"], ["a bee"]]);
        let both = with_file(filled(), true, file(), &classes);
        assert_eq!(both[0], ["an ant", "six legs"]);
        assert_eq!(both[1], ["a bee"]);
    }
}
