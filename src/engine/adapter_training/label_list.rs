//! Lists of labelled images as Open Images has them: a table with a column of image ids and a column of labels, the images in
//! one folder by their ids.

use std::collections::HashMap;
use std::path::PathBuf;

/// Columns that hold the image, by what they may be called.
const IMAGE_COLUMNS: [&str; 5] = ["imageid", "image_id", "image", "path", "file_name"];
/// Columns that hold the label. `DisplayName` is the authors' list's, `LabelName` Open Images' own.
const LABEL_COLUMNS: [&str; 5] = ["displayname", "labelname", "label", "class", "label_name"];

/// Why a list cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelListError {
    /// No column with a known name.
    #[error(
        "the first line names no column of {what}; it has {found:?}, and one of them should be {known:?}"
    )]
    Column {
        /// "images" or "labels".
        what: &'static str,
        /// The names there are.
        found: Vec<String>,
        /// The names looked for.
        known: Vec<&'static str>,
    },
    /// A line with too few cells.
    #[error("line {line} has too few cells")]
    Short {
        /// Number of the line, from 1.
        line: usize,
    },
}

/// Image and label of each line, comma separated, cells in quotes where they hold commas. Lines with `Confidence` 0, which say
/// that a label is not in an image, are left out.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, LabelListError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let names: Vec<String> = lines
        .next()
        .map(|(_, line)| cells(line))
        .unwrap_or_default();
    let position = |known: &[&'static str], what| {
        let is_known = |name: &String| known.contains(&name.trim().to_lowercase().as_str());
        names
            .iter()
            .position(is_known)
            .ok_or_else(|| LabelListError::Column {
                what,
                found: names.clone(),
                known: known.to_vec(),
            })
    };
    let (image, label) = (
        position(&IMAGE_COLUMNS, "images")?,
        position(&LABEL_COLUMNS, "labels")?,
    );
    let confidence = names
        .iter()
        .position(|name| name.trim().eq_ignore_ascii_case("confidence"));
    let mut rows = Vec::new();
    for (index, line) in lines {
        let cells = cells(line);
        let (Some(image), Some(label)) = (cells.get(image), cells.get(label)) else {
            return Err(LabelListError::Short { line: index + 1 });
        };
        let is_denied = confidence
            .and_then(|column| cells.get(column)?.trim().parse().ok())
            .is_some_and(|confidence: f64| confidence <= 0.0);
        if !is_denied {
            rows.push((image.trim().to_owned(), label.trim().to_owned()));
        }
    }
    Ok(rows)
}

/// The cells of a line; a doubled quote inside quotes is one.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                cell.push('"');
                characters.next();
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(std::mem::take(&mut cell)),
            _ => cell.push(character),
        }
    }
    cells.push(cell);
    cells
}

/// Files with the index of their label, labels sorted, for those rows whose image is among `files` by its name with or without
/// the ending; how many rows have no file.
pub fn matched(
    rows: &[(String, String)],
    files: &[PathBuf],
) -> (Vec<(PathBuf, usize)>, Vec<String>, usize) {
    let mut by_name: HashMap<&str, &PathBuf> = HashMap::new();
    for file in files.iter().rev() {
        for name in [file.file_stem(), file.file_name()].into_iter().flatten() {
            by_name.extend(name.to_str().map(|name| (name, file)));
        }
    }
    let found: Vec<(&PathBuf, &String)> = rows
        .iter()
        .filter_map(|(image, label)| {
            let name = image.rsplit('/').next().unwrap_or(image);
            Some((*by_name.get(name)?, label))
        })
        .collect();
    let mut labels: Vec<String> = found.iter().map(|(_, label)| (*label).clone()).collect();
    labels.sort();
    labels.dedup();
    let photos: Vec<(PathBuf, usize)> = found
        .iter()
        .filter_map(|(file, label)| Some(((*file).clone(), labels.binary_search(label).ok()?)))
        .collect();
    let num_missing = rows.len() - photos.len();
    (photos, labels, num_missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authors_list_and_open_images_own_are_read() {
        let authors = "ImageID,DisplayName,type\n000a,\"Bear, brown\",train\n000b,Cat,train\n";
        let rows = parse(authors).unwrap();
        assert_eq!(
            rows,
            [
                ("000a".to_owned(), "Bear, brown".to_owned()),
                ("000b".to_owned(), "Cat".to_owned())
            ]
        );
        let own =
            "ImageID,Source,LabelName,Confidence\n1,verification,/m/01,1\n1,verification,/m/02,0\n";
        assert_eq!(parse(own).unwrap(), [("1".to_owned(), "/m/01".to_owned())]);
    }

    #[test]
    fn a_list_without_known_columns_says_what_it_has() {
        let error = parse("a,b\n1,2\n").unwrap_err().to_string();
        assert!(
            error.contains("\"a\"") && error.contains("imageid"),
            "{error}"
        );
        assert_eq!(
            parse("ImageID,Label\n1\n"),
            Err(LabelListError::Short { line: 2 })
        );
    }

    #[test]
    fn images_are_found_by_name_with_or_without_ending() {
        let files = ["x/a.jpg", "x/b.png"].map(PathBuf::from);
        let row = |image: &str, label: &str| (image.to_owned(), label.to_owned());
        let rows = [row("b.png", "dog"), row("a", "cat"), row("c", "cow")];
        let (photos, labels, num_missing) = matched(&rows, &files);
        assert_eq!(labels, ["cat", "dog"]);
        assert_eq!(photos, [(files[1].clone(), 1), (files[0].clone(), 0)]);
        assert_eq!(num_missing, 1);
    }
}
