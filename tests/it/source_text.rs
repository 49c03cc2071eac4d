//! The project's own sources as text, with what is comment, string or test told apart.
//!
//! A plain scanner, no Rust parser: it knows comments, strings, character literals and braces, which is enough
//! to find paths and calls.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One source file.
pub(crate) struct Source {
    /// Path from the repository's root, with `/`.
    pub(crate) path: String,
    /// The text as it is.
    pub(crate) text: String,
    /// The text with comments and the insides of strings blanked, equally long.
    pub(crate) code: String,
    /// `code` with everything under `#[cfg(test)]` blanked too; all blank for a file that is a test module.
    pub(crate) shipped: String,
}

/// Every `.rs` file below a folder of the repository, sorted by path.
pub(crate) fn sources(folder: &str) -> Vec<Source> {
    let mut sources: Vec<Source> = files_below(&root().join(folder))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let code = blank_comments_and_strings(&text);
            let shipped = blank_tests(&code);
            Source {
                path: relative(&path),
                text,
                code,
                shipped,
            }
        })
        .collect();

    let test_files: Vec<String> = sources.iter().flat_map(test_module_files).collect();
    for source in &mut sources {
        if test_files.contains(&source.path) {
            source.shipped = blank(&source.shipped);
        }
    }
    sources
}

/// Every file below a folder, sorted by path.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// A path from the repository's root, with `/`.
pub(crate) fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).unwrap_or(path);
    path.components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

/// Line number, from 1, of a byte position.
pub(crate) fn line_number(text: &str, position: usize) -> usize {
    text[..position].matches('\n').count() + 1
}

/// Blanks everything but line ends.
fn blank(text: &str) -> String {
    blank_range(text, 0, text.len())
}

/// Blanks `start..end` byte by byte, line ends kept, so that positions stay what they were.
fn blank_range(text: &str, start: usize, end: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    blank_bytes(&mut bytes[start..end]);
    String::from_utf8(bytes).unwrap()
}

fn blank_bytes(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

fn blank_comments_and_strings(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = token_end(bytes, at);
        if end > at {
            blank_bytes(&mut code[at..end]);
            at = end;
        } else {
            at += 1;
        }
    }
    String::from_utf8(code).unwrap()
}

/// Where the comment, string or character literal that starts at `at` ends; `at` itself where none starts.
fn token_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let starts_word = at == 0 || !is_word(bytes[at - 1]);
    match rest {
        [b'/', b'/', ..] => {
            at + rest
                .iter()
                .position(|&byte| byte == b'\n')
                .unwrap_or(rest.len())
        }
        [b'/', b'*', ..] => block_comment_end(bytes, at),
        [b'"', ..] => quoted_end(bytes, at + 1),
        [b'b' | b'c', b'"', ..] if starts_word => quoted_end(bytes, at + 2),
        [b'r', b'"' | b'#', ..] if starts_word => raw_string_end(bytes, at + 1).unwrap_or(at),
        [b'b' | b'c', b'r', b'"' | b'#', ..] if starts_word => {
            raw_string_end(bytes, at + 2).unwrap_or(at)
        }
        [b'\'', b'\\', ..] => {
            at + 3
                + rest
                    .iter()
                    .skip(3)
                    .position(|&byte| byte == b'\'')
                    .map_or(0, |found| found + 1)
        }
        [b'\'', ..] => character_end(bytes, at).unwrap_or(at),
        _ => at,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn raw_string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let num_hashes = bytes[at..].iter().take_while(|&&byte| byte == b'#').count();
    let start = at + num_hashes;
    if bytes.get(start) != Some(&b'"') {
        return None; // a raw identifier
    }
    let mut close = vec![b'"'];
    close.resize(1 + num_hashes, b'#');
    let found = bytes[start + 1..]
        .windows(close.len())
        .position(|window| window == close);
    Some(found.map_or(bytes.len(), |found| start + 1 + found + close.len()))
}

/// `'x'` but not the lifetime `'x`.
fn character_end(bytes: &[u8], at: usize) -> Option<usize> {
    let length = std::str::from_utf8(&bytes[at + 1..])
        .ok()?
        .chars()
        .next()?
        .len_utf8();
    (bytes.get(at + 1 + length) == Some(&b'\'')).then_some(at + 2 + length)
}

/// Byte ranges of the items that only tests build, from their `#[cfg(test)]` or `#[cfg(all(test, ..))]` on.
fn test_items(code: &str) -> Vec<(usize, usize)> {
    let mut items: Vec<(usize, usize)> = ["#[cfg(test)]", "#[cfg(all(test,"]
        .into_iter()
        .flat_map(|attribute| code.match_indices(attribute))
        .map(|(start, attribute)| (start, item_end(code, start + attribute.len())))
        .collect();
    items.sort_unstable();
    items
}

/// The end of the item that starts at `start`: after its `;`, or after the brace that closes its first one.
fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0;
    for (position, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b';' if depth == 0 => return position + 1,
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return position + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

fn blank_tests(code: &str) -> String {
    test_items(code)
        .into_iter()
        .fold(code.to_owned(), |code, (start, end)| {
            blank_range(&code, start, end)
        })
}

/// The files of modules declared as `#[cfg(test)] mod name;`, both spellings.
fn test_module_files(source: &Source) -> Vec<String> {
    let folder = source
        .path
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    let own_folder = source
        .path
        .strip_suffix("/mod.rs")
        .or(source.path.strip_suffix(".rs"))
        .unwrap_or(folder);
    test_items(&source.code)
        .into_iter()
        .filter_map(|(start, end)| {
            let name = source.code[start..end]
                .strip_suffix(';')?
                .rsplit_once("mod ")?
                .1
                .trim()
                .to_owned();
            Some([folder, own_folder].map(|folder| {
                [
                    format!("{folder}/{name}.rs"),
                    format!("{folder}/{name}/mod.rs"),
                ]
            }))
        })
        .flatten()
        .flatten()
        .collect()
}

#[test]
fn the_scanner_blanks_comments_strings_and_characters_only() {
    let text = "let a = \"x // {\"; // crate::ui\n/* a /* b */ c */ let b = '\"'; let c: &'a str = r#\"\"{\"#; let d = b\"}\";";
    let code = blank_comments_and_strings(text);
    let words: Vec<&str> = code.split_whitespace().collect();
    assert_eq!(code.len(), text.len());
    assert_eq!(
        words.join(" "),
        "let a = ; let b = ; let c: &'a str = ; let d = ;"
    );
}

#[test]
fn the_scanner_finds_what_is_test_only() {
    let code = "fn a() { 1 }\n#[cfg(test)]\nuse x::{y};\n#[cfg(test)]\nmod tests { fn b() { {} } }\n#[cfg(all(test, x))]\nmod more_tests { fn d() {} }\nfn c() {}";
    let shipped = blank_tests(code);
    assert!(
        shipped.contains("fn a") && shipped.contains("fn c"),
        "{shipped}"
    );
    assert!(
        ["fn b", "fn d", "tests"]
            .iter()
            .all(|test| !shipped.contains(test)),
        "{shipped}"
    );

    let declared = Source {
        path: "src/clip/mod.rs".into(),
        text: String::new(),
        code: "#[cfg(test)]\nmod golden;".into(),
        shipped: String::new(),
    };
    assert!(test_module_files(&declared).contains(&"src/clip/golden.rs".to_owned()));
}
