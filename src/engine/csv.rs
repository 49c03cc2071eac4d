//! Comma-separated values (RFC 4180): the tables that are written and read here are small and plain, so this is all it takes.

use std::io::Write;

/// Writes a line, cells in quotes where they must be.
pub fn write_line<S: AsRef<str>>(out: &mut impl Write, cells: &[S]) -> std::io::Result<()> {
    for (index, cell) in cells.iter().enumerate() {
        let (cell, comma) = (cell.as_ref(), if index > 0 { "," } else { "" });
        if cell.contains([',', '"', '\n', '\r']) || cell.starts_with([' ', '\t']) {
            write!(out, "{comma}\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            write!(out, "{comma}{cell}")?;
        }
    }
    out.write_all(b"\n")
}

/// A line of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Number of its first line in the text, from 1.
    pub number: usize,
    /// Its cells.
    pub cells: Vec<String>,
}

/// All lines, blank ones left out: a byte order mark is dropped, lines end in `\n` or `\r\n`, quoted cells may hold line ends,
/// a doubled quote inside quotes is one. Where the first line has no comma but semicolons or tabs, those separate.
pub fn lines(text: &str) -> Vec<Line> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let separator = separator_of(text);
    let (mut lines, mut line, mut cell) = (Vec::new(), Line::default(), String::new());
    let (mut is_quoted, mut number) = (false, 1);
    let mut characters = text.chars().peekable();
    line.number = 1;
    while let Some(character) = characters.next() {
        number += usize::from(character == '\n');
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                cell.push('"');
                characters.next();
            }
            '"' if is_quoted || cell.is_empty() => is_quoted = !is_quoted,
            '\r' if !is_quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !is_quoted => {
                line.cells.push(std::mem::take(&mut cell));
                let next = Line {
                    number,
                    ..Line::default()
                };
                lines.push(std::mem::replace(&mut line, next));
            }
            _ if character == separator && !is_quoted => line.cells.push(std::mem::take(&mut cell)),
            _ => cell.push(character),
        }
    }
    line.cells.push(cell);
    lines.push(line);
    lines.retain(|line| line.cells.iter().any(|cell| !cell.is_empty()));
    lines
}

fn separator_of(text: &str) -> char {
    let first = text.lines().next().unwrap_or_default();
    let is_there = |separator: &char| first.contains(*separator);
    [',', ';', '\t'].into_iter().find(is_there).unwrap_or(',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<Vec<String>> {
        lines(text).into_iter().map(|line| line.cells).collect()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let table = [
            ["path", "label"],
            ["a, \"b\".jpg", "two\nlines"],
            [" c.jpg", ""],
        ];
        let mut bytes = Vec::new();
        for line in &table {
            write_line(&mut bytes, line).unwrap();
        }
        assert_eq!(cells(&String::from_utf8(bytes).unwrap()), table);
    }

    #[test]
    fn tables_of_other_programs_are_read() {
        assert_eq!(cells("\u{feff}a;b\r\n1;2"), [["a", "b"], ["1", "2"]]);
        assert_eq!(cells("a\tb\n\n1\t2\n"), [["a", "b"], ["1", "2"]]);
        let found = lines("a,b\n\"x\ny\",2\nz,3");
        assert_eq!(found[2].number, 4, "the number is the text's");
    }
}
