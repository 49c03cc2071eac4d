//! Several class names in one cell of a table: joined by `|`.
//!
//! A `|` of a name is written `\|` and a backslash `\\`. A cell without `|` is one name, to the letter.

/// The cell of these names; `None` for none.
pub fn joined(names: &[&str]) -> Option<String> {
    match names {
        [] => None,
        [name] if !name.contains('|') => Some((*name).to_owned()),
        _ => {
            let names: Vec<String> = names.iter().map(|name| escaped(name)).collect();
            Some(names.join("|"))
        }
    }
}

/// The names of a cell, without blanks around them; none twice.
pub fn split(cell: &str) -> Vec<String> {
    let mut names = Vec::new();
    if cell.contains('|') {
        let mut name = String::new();
        let mut rest = cell.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '\\' => name.push(rest.next_if(|next| "|\\".contains(*next)).unwrap_or('\\')),
                '|' => names.push(std::mem::take(&mut name)),
                other => name.push(other),
            }
        }
        names.push(name);
    } else {
        names.push(cell.to_owned());
    }
    let mut found: Vec<String> = Vec::new();
    for name in names.iter().map(|name| name.trim()) {
        if !name.is_empty() && !found.iter().any(|known| known == name) {
            found.push(name.to_owned());
        }
    }
    found
}

fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_went() {
        let sets: [&[&str]; 7] = [
            &["hat"],
            &["hat", "coat"],
            &["hat|cap"],
            &["hat|cap", "coat"],
            &["a\\", "|b", "c\\|d"],
            &["a\\\\b"],
            &["a\\b", "c"],
        ];
        for names in sets {
            let cell = joined(names).unwrap();
            assert_eq!(split(&cell), names, "{cell}");
        }
        assert_eq!(joined(&[]), None);
    }

    #[test]
    fn one_name_stays_as_it_is_and_several_are_joined() {
        assert_eq!(joined(&["a\\b, c"]).unwrap(), "a\\b, c");
        assert_eq!(joined(&["hat", "coat"]).unwrap(), "hat|coat");
        assert_eq!(joined(&["hat|cap", "coat"]).unwrap(), "hat\\|cap|coat");
        assert_eq!(split(" hat | coat || hat "), ["hat", "coat"]);
        assert_eq!(split(" "), [""; 0]);
    }
}
