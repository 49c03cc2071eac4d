//! `CoOp`'s lists, `split_zhou_*.json`: `{"train": [[path, label, class name], …], "val": …, "test": …}`.
//!
//! Paths are relative to the data set's folder of pictures, which lies beside the list under a name of its own: where the
//! list's folder does not have them, the one folder in it that does is taken.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Entry, ImportError, Imported, base, content, gathered, read_text};

pub(super) fn read(list: &Path, root: Option<&Path>) -> Result<Imported, ImportError> {
    let value: Value = serde_json::from_str(&read_text(list)?)
        .map_err(|error| content(format!("this is no JSON ({error})"), list))?;
    let mut named = Vec::new();
    for part in ["train", "val", "test"] {
        for item in value[part].as_array().into_iter().flatten() {
            let (Some(path), Some(label), Some(name)) =
                (item[0].as_str(), item[1].as_u64(), item[2].as_str())
            else {
                return Err(content(
                    format!("{part} has an item that is not [path, label, class name]: {item}"),
                    list,
                ));
            };
            named.push((path, label, name));
        }
    }
    let mut classes: Vec<(u64, &str)> = named
        .iter()
        .map(|(_, label, name)| (*label, *name))
        .collect();
    classes.sort_unstable();
    classes.dedup();
    let names = classes
        .into_iter()
        .map(|(_, name)| name.to_owned())
        .collect();
    let entries: Vec<Entry> = named
        .iter()
        .map(|(path, _, name)| Entry::new(*path, Some((*name).to_owned())))
        .collect();
    let first = entries
        .first()
        .map(|entry| entry.path.clone())
        .unwrap_or_default();
    let folder = root.map_or_else(|| folder_with(base(list, None), &first), PathBuf::from);
    gathered(entries, Some(names), &folder, list)
}

/// `folder`, or the folder in it that has `photo`.
fn folder_with(folder: &Path, photo: &str) -> PathBuf {
    if folder.join(photo).is_file() {
        return folder.to_owned();
    }
    let below = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut below: Vec<PathBuf> = below.map(|entry| entry.path()).collect();
    below.sort();
    below
        .into_iter()
        .find(|folder| folder.join(photo).is_file())
        .unwrap_or_else(|| folder.to_owned())
}
