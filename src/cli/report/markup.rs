//! HTML that is XHTML as well: every element is closed, every string escaped.

use std::fmt::Write as _;

/// Text between tags or in an attribute; characters that XML cannot hold become U+FFFD.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' => escaped.push(character),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            control if control < ' ' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A paragraph of plain text.
pub(super) fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escape(text))
}

/// A paragraph that a reader must not miss.
pub(super) fn note(text: &str) -> String {
    format!("<p class=\"note\">{}</p>\n", escape(text))
}

/// A section with its heading; `content` is markup.
pub(super) fn section(heading: &str, content: &str) -> String {
    format!(
        "<section>\n<h2>{}</h2>\n{content}</section>\n",
        escape(heading)
    )
}

/// A figure with its caption; `drawing` is markup.
pub(super) fn figure(drawing: &str, caption: &str) -> String {
    format!(
        "<figure>\n{drawing}<figcaption>{}</figcaption>\n</figure>\n",
        escape(caption)
    )
}

/// Terms and what they are.
pub(super) fn facts(rows: &[(&str, String)]) -> String {
    let mut text = String::from("<dl>\n");
    for (term, value) in rows {
        // Writing to a String cannot fail.
        writeln!(text, "<dt>{}</dt><dd>{}</dd>", escape(term), escape(value)).ok();
    }
    text.push_str("</dl>\n");
    text
}

/// A column: its heading, and whether it holds numbers.
#[derive(Clone, Copy)]
pub(super) enum Column {
    /// Words, to the left.
    Words(&'static str),
    /// Numbers, to the right.
    Numbers(&'static str),
}

impl Column {
    fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::Words(heading) => (heading, ""),
            Self::Numbers(heading) => (heading, " class=\"number\""),
        }
    }
}

/// A table of plain text.
pub(super) fn table(columns: &[Column], rows: &[Vec<String>]) -> String {
    let mut text = String::from("<div class=\"wide\"><table>\n<thead><tr>");
    for column in columns {
        let (heading, class) = column.parts();
        write!(text, "<th scope=\"col\"{class}>{}</th>", escape(heading)).ok();
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        text.push_str("<tr>");
        for (column, cell) in columns.iter().zip(row) {
            write!(text, "<td{}>{}</td>", column.parts().1, escape(cell)).ok();
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody>\n</table></div>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_string_is_markup() {
        assert_eq!(
            escape("<script>\"a\" & 'b'\u{1b}</script>"),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;\u{fffd}&lt;/script&gt;"
        );
        let made = table(
            &[Column::Words("class"), Column::Numbers("shots")],
            &[vec!["R&D <b>".to_owned(), "3".to_owned()]],
        );
        assert!(made.contains("<td>R&amp;D &lt;b&gt;</td><td class=\"number\">3</td>"));
    }
}
