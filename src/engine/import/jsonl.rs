//! Hugging Face's `ImageFolder` with metadata: a line of JSON for each photo with `file_name` and `label`, a name or a list of names, or such a table.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Entry, ImportError, Imported, base, content, gathered, read_text, table};
use crate::engine::export::table::{BY_SHOT, BY_UNSURE};

pub(super) fn read(source: &Path, root: Option<&Path>) -> Result<Imported, ImportError> {
    let list = list_of(source)?;
    if list.extension().is_some_and(|ending| ending == "csv") {
        return table::read(&list, root);
    }
    let text = read_text(&list)?;
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let entries = lines.map(|(index, line)| {
        entry(line).map_err(|problem| content(format!("line {}: {problem}", index + 1), &list))
    });
    gathered(
        entries.collect::<Result<_, _>>()?,
        None,
        base(&list, root),
        &list,
    )
}

fn list_of(source: &Path) -> Result<PathBuf, ImportError> {
    if !source.is_dir() {
        return Ok(source.to_owned());
    }
    let names = ["metadata.jsonl", "metadata.csv"];
    let mut lists = names.iter().map(|name| source.join(name));
    lists
        .find(|list| list.is_file())
        .ok_or_else(|| content("this folder has no metadata.jsonl or metadata.csv", source))
}

fn entry(line: &str) -> Result<Entry, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("no JSON ({error})"))?;
    let path = value["file_name"].as_str().ok_or("it has no `file_name`")?;
    let name = |label: &Value| match label {
        Value::String(name) => name.clone(),
        other => other.to_string(),
    };
    let labels = match &value["label"] {
        Value::Null => Vec::new(),
        Value::Array(labels) => labels.iter().map(name).collect(),
        label => vec![name(label)],
    };
    Ok(Entry {
        is_shot: value["decided_by"] == BY_SHOT,
        is_unsure: value["decided_by"] == BY_UNSURE,
        ..Entry::of_labels(path, labels)
    })
}
