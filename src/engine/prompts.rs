//! Texts for classes.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Engine, EngineError};
use crate::features::{Features, Matrix};
use crate::methods::Prompts;

/// Texts encoded at once.
const BATCH: usize = 64;

/// The prompt a class starts with: "a photo of a {name}", underscores as spaces.
pub fn default_prompt(class_name: &str) -> String {
    format!("a photo of a {}", class_name.replace('_', " "))
}

/// The lines of a text file: a byte order mark is dropped, lines end in `\n` or `\r\n`, blank lines count,
/// and a final newline ends the last line instead of beginning another.
pub fn lines(content: &str) -> Vec<String> {
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    if content.is_empty() {
        return Vec::new();
    }
    let content = content.strip_suffix('\n').unwrap_or(content);
    content
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line).to_owned())
        .collect()
}

/// Prompts of every class from a file as `CuPL`'s: `{"class name": ["prompt", …], …}`. A class that the file does not name
/// has none. See [`parse_prompts`] for how names are matched.
///
/// # Errors
/// A file that cannot be read or is no such list, or that names none of the classes.
pub fn read_prompt_file(path: &Path, classes: &[String]) -> Result<Vec<Vec<String>>, EngineError> {
    let problem = |problem| EngineError::PromptFile {
        problem,
        path: path.to_owned(),
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| problem(format!("the prompts cannot be read ({error})")))?;
    parse_prompts(&text, classes).map_err(problem)
}

/// Prompts of every class from the text of such a file, in its order. Names are matched whatever their case, with `_` as a
/// space; of two keys that are one class, both count.
///
/// # Errors
/// What is wrong with the text, in words.
pub fn parse_prompts(json: &str, classes: &[String]) -> Result<Vec<Vec<String>>, String> {
    let json = json.strip_prefix('\u{feff}').unwrap_or(json);
    let lists: BTreeMap<String, Vec<String>> = serde_json::from_str(json).map_err(|error| {
        format!("prompts are {{\"class name\": [\"prompt\", …]}}, and this is not ({error})")
    })?;
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, prompts) in lists {
        by_name.entry(plain(&name)).or_default().extend(prompts);
    }
    let found: Vec<Vec<String>> = classes
        .iter()
        .map(|class| by_name.get(&plain(class)).cloned().unwrap_or_default())
        .collect();
    if found.iter().all(Vec::is_empty) {
        let some: Vec<&str> = by_name.keys().take(3).map(String::as_str).collect();
        return Err(format!(
            "none of the classes has prompts here; there are some for {}",
            some.join(", ")
        ));
    }
    Ok(found)
}

/// A class name for comparison.
fn plain(name: &str) -> String {
    name.trim().replace('_', " ").to_lowercase()
}

impl Engine {
    /// Every prompt of every class by itself.
    pub fn prompt_features<'a>(
        &self,
        classes: impl Iterator<Item = &'a [String]>,
    ) -> Result<Prompts, EngineError> {
        let (mut texts, mut owners) = (Vec::new(), Vec::new());
        for (class, prompts) in classes.enumerate() {
            texts.extend_from_slice(prompts);
            owners.extend(std::iter::repeat_n(class, prompts.len()));
        }
        let mut rows = Vec::with_capacity(texts.len() * self.clip().dim());
        for batch in texts.chunks(BATCH) {
            rows.extend(self.embed_texts(batch)?.0.into_vec());
        }
        let rows = Matrix::new(texts.len(), self.clip().dim(), rows)?;
        Ok(Prompts {
            features: Features::normalized(rows)?,
            classes: owners,
        })
    }

    /// One feature per class, `[num_classes, dim]`: its prompts' unit features, averaged and scaled to unit length, as all the
    /// papers' code does with prompt ensembles.
    pub fn class_features<'a>(
        &self,
        classes: impl ExactSizeIterator<Item = &'a [String]>,
    ) -> Result<Features, EngineError> {
        let num_classes = classes.len();
        class_means(&self.prompt_features(classes)?, num_classes)
    }
}

/// The unit mean of every class's prompts, `[num_classes, dim]`.
pub fn class_means(prompts: &Prompts, num_classes: usize) -> Result<Features, EngineError> {
    let mut means = Matrix::zeros(num_classes, prompts.features.dim());
    for (row, class) in prompts.classes.iter().enumerate() {
        let own = means.row_mut(*class).iter_mut();
        own.zip(prompts.features.row(row))
            .for_each(|(mean, value)| *mean += value);
    }
    Ok(Features::normalized(means)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_follow_the_contract() {
        assert_eq!(lines("\u{feff}a\r\n\nb\n"), ["a", "", "b"]);
        assert_eq!(lines("a"), ["a"]);
        assert_eq!(lines("\n"), [""]);
        assert_eq!(lines("a\n\n"), ["a", ""]);
        assert!(lines("").is_empty());
    }

    #[test]
    fn underscores_in_class_names_become_spaces() {
        assert_eq!(default_prompt("polar_bear"), "a photo of a polar bear");
    }

    #[test]
    fn prompts_are_matched_by_name_whatever_its_case_and_underscores() {
        let classes = ["Polar_Bear", "cat", "dog"].map(str::to_owned);
        let json =
            r#"{"polar bear": ["white fur", "on ice"], "CAT": ["whiskers"], "cow": ["horns"]}"#;
        let prompts = parse_prompts(json, &classes).unwrap();
        assert_eq!(prompts[0], ["white fur", "on ice"]);
        assert_eq!(prompts[1], ["whiskers"]);
        assert!(prompts[2].is_empty());
    }

    #[test]
    fn files_of_another_kind_or_other_classes_are_refused() {
        let classes = ["cat".to_owned()];
        let message = parse_prompts(r#"["cat"]"#, &classes).unwrap_err();
        assert!(message.contains("class name"), "{message}");
        let message = parse_prompts(r#"{"dog": ["bark"]}"#, &classes).unwrap_err();
        assert!(message.contains("dog"), "{message}");
        let error = read_prompt_file(Path::new("/no/such.json"), &classes).unwrap_err();
        assert!(error.to_string().contains("/no/such.json"), "{error}");
    }
}
