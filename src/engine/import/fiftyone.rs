//! `FiftyOneImageClassificationDataset`: photos in `data/`, and `labels.json` with `{"classes": […], "labels": {"stem": index}}`.
//!
//! A label may also be a name, an object with a `label`, a list of these, or null; a key may have the photo's ending.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Entry, ImportError, Imported, content, gathered, read_text};
use crate::image_io::list_photos;

pub(super) fn read(source: &Path, root: Option<&Path>) -> Result<Imported, ImportError> {
    let list = if source.is_dir() {
        source.join("labels.json")
    } else {
        source.to_owned()
    };
    let value: Value = serde_json::from_str(&read_text(&list)?)
        .map_err(|error| content(format!("this is no JSON ({error})"), &list))?;
    let Some(labels) = value["labels"].as_object() else {
        return Err(content("it has no `labels`", &list));
    };
    let classes: Option<Vec<String>> = value["classes"].as_array().map(|names| {
        names
            .iter()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect()
    });
    let folder = root.map_or_else(|| list.with_file_name("data"), PathBuf::from);
    let files = list_photos(&folder)?;
    let labels: HashMap<&str, Vec<String>> = labels
        .iter()
        .map(|(key, label)| (key.as_str(), labels_of(label, classes.as_deref())))
        .collect();
    let entries = files.iter().map(|file| {
        let name = file.to_string_lossy().into_owned();
        let stem = file.with_extension("").to_string_lossy().into_owned();
        let label = labels
            .get(name.as_str())
            .or_else(|| labels.get(stem.as_str()));
        Entry::of_labels(name, label.cloned().unwrap_or_default())
    });
    gathered(entries.collect(), classes, &folder, &list)
}

fn labels_of(label: &Value, classes: Option<&[String]>) -> Vec<String> {
    match label {
        Value::Array(labels) => labels
            .iter()
            .filter_map(|label| label_of(label, classes))
            .collect(),
        label => label_of(label, classes).into_iter().collect(),
    }
}

fn label_of(label: &Value, classes: Option<&[String]>) -> Option<String> {
    match label {
        Value::Number(index) => classes?
            .get(usize::try_from(index.as_u64()?).ok()?)
            .cloned(),
        Value::String(name) => Some(name.clone()),
        Value::Object(fields) => fields.get("label")?.as_str().map(str::to_owned),
        _ => None,
    }
}
