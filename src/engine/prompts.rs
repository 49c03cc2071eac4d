//! Texts for classes.

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
}
