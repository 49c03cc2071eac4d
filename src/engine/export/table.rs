//! The table of photos that `label`, `watch` and `export` write: `path,label,prediction,confidence,decided_by`.

use std::io::Write;

use crate::engine::csv;

/// The columns, in their order.
pub const COLUMNS: [&str; 5] = ["path", "label", "prediction", "confidence", "decided_by"];

/// Who decided on a photo's class: a shot's by being one, a folder's name, or the method of the prediction.
pub const BY_SHOT: &str = "shot";
/// Somebody looked and could not tell.
pub const BY_UNSURE: &str = "unsure";
/// The photo lay in a folder of that name.
pub const BY_FOLDER: &str = "folder";

/// What is known of a photo.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The file, with `/`.
    pub path: String,
    /// The class that somebody gave it; of several as [`super::label_cell`] joins them.
    pub label: Option<String>,
    /// The class that the method predicts, with its confidence, 0 to 1.
    pub prediction: Option<(String, f32)>,
    /// `shot`, `user`, `unsure`, `accepted prediction`, `import`, `folder`, or the method's name; empty where nobody decided.
    pub decided_by: String,
}

impl Row {
    /// The cells, in the order of [`COLUMNS`].
    fn cells(&self) -> [String; 5] {
        let (prediction, confidence) = match &self.prediction {
            Some((class, confidence)) => (class.clone(), confidence_text(*confidence)),
            None => (String::new(), String::new()),
        };
        [
            self.path.clone(),
            self.label.clone().unwrap_or_default(),
            prediction,
            confidence,
            self.decided_by.clone(),
        ]
    }
}

/// A confidence with as many digits as it is worth.
pub fn confidence_text(confidence: f32) -> String {
    format!("{confidence:.4}")
}

/// Writes rows as CSV, with the names of the columns first.
pub struct TableWriter<W: Write>(W);

impl<W: Write> TableWriter<W> {
    /// Begins a table.
    pub fn new(mut out: W) -> std::io::Result<Self> {
        csv::write_line(&mut out, &COLUMNS)?;
        Ok(Self(out))
    }

    /// Goes on with a table that has its first line.
    pub fn without_header(out: W) -> Self {
        Self(out)
    }

    /// Adds a row.
    pub fn write(&mut self, row: &Row) -> std::io::Result<()> {
        csv::write_line(&mut self.0, &row.cells())
    }

    /// What is written to.
    pub fn into_inner(self) -> W {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let mut table = TableWriter::new(Vec::new()).unwrap();
        let row = Row {
            path: "a, \"b\".jpg".to_owned(),
            prediction: Some(("hat".to_owned(), 0.98768)),
            decided_by: "gda".to_owned(),
            ..Row::default()
        };
        table.write(&row).unwrap();
        let text = String::from_utf8(table.into_inner()).unwrap();
        let expected =
            "path,label,prediction,confidence,decided_by\n\"a, \"\"b\"\".jpg\",,hat,0.9877,gda\n";
        assert_eq!(text, expected);
    }
}
