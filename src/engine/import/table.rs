//! Tables: `path,label` and what others call these columns.

use std::path::Path;

use super::{Entry, ImportError, Imported, base, content, gathered, read_text};
use crate::engine::csv;
use crate::engine::export::table::{BY_SHOT, BY_UNSURE};
use crate::engine::feature_files::{LABELS, PATHS};

pub(super) fn read(list: &Path, root: Option<&Path>) -> Result<Imported, ImportError> {
    let entries = entries(&read_text(list)?).map_err(|problem| content(problem, list))?;
    gathered(entries, None, base(list, root), list)
}

/// The rows of a table; a row without a label is a photo to be labelled.
pub(super) fn entries(text: &str) -> Result<Vec<Entry>, String> {
    let mut lines = csv::lines(text).into_iter();
    let header = lines.next().map(|line| line.cells).unwrap_or_default();
    let column = |known: &[&str]| {
        known.iter().find_map(|known| {
            header
                .iter()
                .position(|name| name.trim().eq_ignore_ascii_case(known))
        })
    };
    let missing = |what: &str, known: &[&str]| {
        format!(
            "the first line names no column of {what}; it has {header:?}, and one of them should be {}",
            known.join(", ")
        )
    };
    let path = column(&PATHS).ok_or_else(|| missing("photos", &PATHS))?;
    let label = column(&LABELS).ok_or_else(|| missing("labels", &LABELS))?;
    let decided_by = column(&["decided_by"]);
    lines
        .map(|line| {
            let cell = |column: usize| line.cells.get(column).map(|cell| cell.trim().to_owned());
            let path = cell(path).filter(|path| !path.is_empty());
            let path = path.ok_or_else(|| format!("line {} names no photo", line.number))?;
            let by = decided_by.and_then(cell).unwrap_or_default();
            Ok(Entry {
                is_shot: by == BY_SHOT,
                is_unsure: by == BY_UNSURE,
                ..Entry::of_cell(path, cell(label).as_deref())
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_what_they_are_called() {
        let rows = entries("Filename;Class\r\na.jpg;hat\r\nb.jpg;\r\n").unwrap();
        assert_eq!(rows[0].label.as_deref(), Some("hat"));
        assert!(rows[0].also.is_empty());
        let several = entries("path,label\na.jpg,hat|coat\n").unwrap();
        assert_eq!(
            (several[0].label.as_deref(), several[0].also.as_slice()),
            (Some("hat"), &["coat".to_owned()][..])
        );
        assert_eq!(
            (rows[1].path.as_str(), rows[1].label.as_deref()),
            ("b.jpg", None)
        );
        let message = entries("a,b\n1,2\n").unwrap_err();
        assert!(
            message.contains("path") && message.contains("\"a\""),
            "{message}"
        );
        assert!(
            entries("path,label\n,hat\n")
                .unwrap_err()
                .contains("line 2")
        );
    }
}
