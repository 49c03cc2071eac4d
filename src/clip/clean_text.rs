//! Text as OpenAI's CLIP saw it before its tokenizer: `ftfy`, HTML unescaped twice, white space collapsed, lower case.
//!
//! Follows `clip/simple_tokenizer.py` and ftfy 6.3.1's `fix_text` step by step, golden-tested against both.
//! Left out: ftfy's repair of mojibake ("â€œ" for a curled quote): its heuristics are large, and prompts typed by people do not need it.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use unicode_normalization::UnicodeNormalization as _;

/// `text` cleaned as OpenAI's tokenizer cleans it: the string whose words are looked up in the vocabulary.
pub(super) fn clean_text(text: &str) -> String {
    let fixed = fix_text(text);
    let once = unescape_html(&fixed);
    let twice = unescape_html(&once);
    let words: Vec<&str> = twice.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// ftfy's `fix_text`: line by line; HTML entities stay from the first line on that has a `<`, for it may be real HTML.
fn fix_text(text: &str) -> String {
    let mut fixed = String::with_capacity(text.len());
    let mut has_seen_tag = false;
    for line in text.split_inclusive('\n') {
        has_seen_tag |= line.contains('<');
        fixed.push_str(&fix_line(line, !has_seen_tag));
    }
    fixed
}

/// Repeats all fixes until nothing changes, as ftfy does: one fix can lay bare what another one mends.
fn fix_line(line: &str, unescape: bool) -> String {
    let mut current = line.to_owned();
    loop {
        let unescaped = if unescape {
            unescape_strict(&current)
        } else {
            Cow::Borrowed(current.as_str())
        };
        let mut plain = String::with_capacity(unescaped.len());
        unescaped.chars().for_each(|c| push_fixed(c, &mut plain));
        let plain = plain
            .replace("\r\n", "\n")
            .replace(['\r', '\u{2028}', '\u{2029}'], "\n");
        let without_escapes = TERMINAL_ESCAPE.replace_all(&plain, "");
        let fixed: String = without_escapes
            .chars()
            .filter(|c| !is_unwanted_control(*c))
            .nfc()
            .collect();
        if fixed == current {
            return fixed;
        }
        current = fixed;
    }
}

static TERMINAL_ESCAPE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\x1b\[(?:\d|;)*[a-zA-Z]"));
static ENTITY: LazyLock<Regex> = LazyLock::new(|| pattern("&#?[0-9A-Za-z]{1,24};"));
/// `html.unescape`'s own pattern.
static CHARACTER_REFERENCE: LazyLock<Regex> =
    LazyLock::new(|| pattern("&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\\t\\n\\f <&#;]{1,32};?)"));

fn pattern(source: &str) -> Regex {
    Regex::new(source).unwrap_or_else(|error| unreachable!("constant pattern {source:?}: {error}"))
}

/// ftfy's fixes that look at one character alone: C1 controls, Latin ligatures, character width, quotes.
fn push_fixed(c: char, fixed: &mut String) {
    match c {
        '\u{80}'..='\u{9f}' => fixed.push(windows_1252(c)),
        '\u{2bc}' | '\u{2018}'..='\u{201b}' => fixed.push('\''),
        '\u{201c}'..='\u{201f}' => fixed.push('"'),
        '\u{3000}' => fixed.push(' '),
        // full-width and half-width forms
        '\u{ff01}'..='\u{ffef}' => fixed.extend(std::iter::once(c).nfkc()),
        _ => match ligature(c) {
            Some(letters) => fixed.push_str(letters),
            None => fixed.push(c),
        },
    }
}

/// ftfy's table: typographic ligatures, and digraphs that exist for old encodings only; `æ` and the like stay.
fn ligature(c: char) -> Option<&'static str> {
    Some(match c {
        'Ĳ' => "IJ",
        'ĳ' => "ij",
        'ŉ' => "ʼn",
        'Ǳ' => "DZ",
        'ǲ' => "Dz",
        'ǳ' => "dz",
        'Ǆ' => "DŽ",
        'ǅ' => "Dž",
        'ǆ' => "dž",
        'Ǉ' => "LJ",
        'ǈ' => "Lj",
        'ǉ' => "lj",
        'Ǌ' => "NJ",
        'ǋ' => "Nj",
        'ǌ' => "nj",
        'ﬀ' => "ff",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ﬃ' => "ffi",
        'ﬄ' => "ffl",
        'ﬅ' => "ſt",
        'ﬆ' => "st",
        _ => return None,
    })
}

/// C1 controls as browsers read them; the five that Windows leaves unassigned stay.
fn windows_1252(c: char) -> char {
    const TABLE: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    (c as usize)
        .checked_sub(0x80)
        .and_then(|index| TABLE.get(index))
        .copied()
        .unwrap_or(c)
}

/// ftfy's `remove_control_chars`: characters that nobody types on purpose, the byte order mark among them.
fn is_unwanted_control(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{e}'..='\u{1f}' | '\u{7f}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}')
}

/// ftfy's `unescape_html`: only references that end in `;`, and all-capital spellings such as `&EACUTE;`.
fn unescape_strict(text: &str) -> Cow<'_, str> {
    ENTITY.replace_all(text, |found: &Captures<'_>| {
        let entity = &found[0];
        if entity.starts_with("&#") {
            let decoded = unescape_html(entity);
            // only part of it was a number
            if decoded.contains(';') {
                entity.to_owned()
            } else {
                decoded.into_owned()
            }
        } else {
            named_entity(entity)
                .or_else(|| capital_entity(entity))
                .unwrap_or_else(|| entity.to_owned())
        }
    })
}

/// The characters of `&name;`, if the whole name is known.
fn named_entity(entity: &str) -> Option<String> {
    let decoded = htmlize::unescape(entity);
    // A known prefix leaves the semicolon behind (`&notit;` gives `¬it;`), and an unknown name everything.
    (entity == "&semi;" || !decoded.ends_with(';')).then(|| decoded.into_owned())
}

/// `&EACUTE;` as É: names that are lower case in HTML and mean nothing in capitals.
fn capital_entity(entity: &str) -> Option<String> {
    let is_capital = entity.to_uppercase() == entity && htmlize::unescape(entity) == entity;
    is_capital
        .then(|| named_entity(&entity.to_lowercase()))
        .flatten()
        .map(|characters| characters.to_uppercase())
}

/// Python's `html.unescape`: HTML 5's references, also without `;`, but controls and non-characters vanish.
fn unescape_html(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    CHARACTER_REFERENCE.replace_all(text, |found: &Captures<'_>| {
        let reference = &found[0];
        match reference.strip_prefix("&#") {
            Some(number) => numeric_reference(number.trim_end_matches(';')),
            None => htmlize::unescape(reference).into_owned(),
        }
    })
}

/// The character of `&#digits` or `&#xdigits`; nothing, where Python drops it.
fn numeric_reference(number: &str) -> String {
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => number.parse(),
    };
    // too long to fit is too large to be a character
    let code = code.unwrap_or(u32::MAX);
    match code {
        0 => '\u{fffd}'.into(),
        0xd => '\r'.into(),
        0x80..=0x9f => char::from_u32(code)
            .map(windows_1252)
            .map(String::from)
            .unwrap_or_default(),
        0x1..=0x8 | 0xb | 0xe..=0x1f | 0x7f | 0xfdd0..=0xfdef => String::new(),
        _ if code <= 0x10_ffff && code & 0xfffe == 0xfffe => String::new(),
        _ => char::from_u32(code).unwrap_or('\u{fffd}').into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_ligatures_and_width_are_plain_afterwards() {
        assert_eq!(
            clean_text("“a ﬁsh’s” ｆｕｌｌ　ﾃｽﾄ"),
            "\"a fish's\" full テスト"
        );
    }

    #[test]
    fn html_is_unescaped_twice_and_once_more_by_ftfy() {
        assert_eq!(clean_text("a &amp;amp;amp; b"), "a & b");
        assert_eq!(clean_text("P&EACUTE;REZ &notit;"), "pérez ¬it;");
    }

    #[test]
    fn escapes_controls_and_marks_leave_no_trace() {
        assert_eq!(
            clean_text("\u{feff}\u{1b}[31mred\u{1b}[0m\0 \u{7f}dress\r\n\tnow "),
            "red dress now"
        );
    }

    #[test]
    fn lower_case_is_pythons() {
        assert_eq!(clean_text("\u{130}STANBUL ΟΔΟΣ"), "i\u{307}stanbul οδος");
    }

    #[test]
    fn numbers_that_are_no_characters_do_not_panic() {
        assert_eq!(
            clean_text("a&#xD800;b&#99999999999;c&#1;d"),
            "a\u{fffd}b\u{fffd}cd"
        );
    }
}
