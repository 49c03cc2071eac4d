//! The keys that a person changed, by the name of what they do: a small file of its own, the same for all projects.

use std::collections::BTreeMap;
use std::io;

use super::locations::{Locations, write_atomically};

/// Keys in words, as "Ctrl+Shift+Z", by what they do; `None`: it has no key.
pub type KeyRows = BTreeMap<String, Option<String>>;

/// What the file says; nothing where there is none, or where it cannot be read: keys are worth less than a start.
pub fn load(locations: &Locations) -> KeyRows {
    let text = std::fs::read_to_string(locations.keys());
    text.ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

/// Replaces the file.
///
/// # Errors
/// When the folder cannot be written.
pub fn save(locations: &Locations, rows: &KeyRows) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(rows).map_err(io::Error::other)?;
    write_atomically(&locations.keys(), &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded_and_rubbish_is_nothing() {
        let home = tempfile::tempdir().unwrap();
        let locations = Locations::below(home.path());
        assert!(load(&locations).is_empty());
        let rows = KeyRows::from([
            ("undo".to_owned(), Some("Ctrl+U".to_owned())),
            ("help".to_owned(), None),
        ]);
        save(&locations, &rows).unwrap();
        assert_eq!(load(&locations), rows);
        std::fs::write(locations.keys(), "no json").unwrap();
        assert!(load(&locations).is_empty());
    }
}
