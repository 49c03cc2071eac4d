//! Paths as the project file holds them: relative to its folder where possible, with `/`, and whole where not.

use std::path::{Component, Path, PathBuf};

/// Marks a path whose bytes are no UTF-8; no file name can hold a NUL.
const HEX_MARK: char = '\0';

/// `path` relative to `base` when it lies below it, with `/` between the parts; otherwise unchanged.
///
/// Relative means that project and photos can be moved together.
pub(super) fn to_stored(path: &Path, base: &Path) -> PathBuf {
    match path.strip_prefix(base) {
        Ok(relative) if !relative.as_os_str().is_empty() => with_slashes(relative),
        _ => path.to_owned(),
    }
}

/// The absolute path of a stored one, for a project file in the folder `base`.
pub(super) fn from_stored(stored: &Path, base: &Path) -> PathBuf {
    // Component by component, so that `/` becomes `\` on Windows.
    let mut path = base.to_owned();
    path.extend(stored.components());
    path
}

fn with_slashes(relative: &Path) -> PathBuf {
    if std::path::MAIN_SEPARATOR == '/' {
        return relative.to_owned();
    }
    let parts: Vec<_> = relative.components().map(Component::as_os_str).collect();
    PathBuf::from(parts.join(std::ffi::OsStr::new("/")))
}

/// A path as text: itself where it is UTF-8, otherwise its bytes in hex behind a NUL.
pub(super) fn to_text(path: &Path) -> String {
    match path.to_str() {
        Some(text) => text.to_owned(),
        None => format!(
            "{HEX_MARK}{}",
            bytes_to_hex(path.as_os_str().as_encoded_bytes())
        ),
    }
}

/// The path of a text made by [`to_text`]; `None` when it does not exist on this system (bytes from Unix on Windows) or is damaged.
pub(super) fn from_text(text: &str) -> Option<PathBuf> {
    match text.strip_prefix(HEX_MARK) {
        None => Some(PathBuf::from(text)),
        Some(hex) => path_from_bytes(bytes_from_hex(hex)?),
    }
}

/// The path of these bytes; `None` when this system has none such.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "only Unix has paths of any bytes")]
pub(super) fn path_from_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

#[cfg(not(unix))]
pub(super) fn path_from_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

/// Lower-case hex digits, two a byte.
pub(super) fn bytes_to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .map(char::from)
        .collect()
}

/// The bytes of hex digits; `None` when the text is no such thing.
pub(super) fn bytes_from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).map(|value| value as u8))
        .collect();
    let digits = digits?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_the_base_is_stored_relative_and_comes_back() {
        let base = Path::new("/data/coats");
        let path = base.join("hats").join("a.jpg");
        let stored = to_stored(&path, base);
        assert_eq!(stored, Path::new("hats/a.jpg"));
        assert_eq!(from_stored(&stored, base), path);
    }

    #[test]
    fn a_path_elsewhere_is_stored_whole() {
        let (base, path) = (Path::new("/data/coats"), Path::new("/data/coats2/a.jpg"));
        let stored = to_stored(path, base);
        assert_eq!(stored, path);
        assert_eq!(from_stored(&stored, base), path);
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_utf8_survive_as_text() {
        let path = path_from_bytes(b"/photos/caf\xe9.jpg".to_vec()).unwrap();
        assert_eq!(from_text(&to_text(&path)), Some(path));
    }

    #[test]
    fn damaged_hex_is_no_path() {
        assert_eq!(from_text("\0abc"), None);
        assert_eq!(from_text("\0zz"), None);
    }
}
