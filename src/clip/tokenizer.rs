//! OpenAI's byte-pair encoding: text in, 77 token ids out.
//!
//! Follows `clip/simple_tokenizer.py` and `clip.tokenize(truncate=True)`; the vocabulary is OpenAI's own file (MIT).

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::LazyLock;

use flate2::read::GzDecoder;
use foldhash::fast::RandomState;
use regex::Regex;

use super::clean_text::clean_text;

/// Number of token ids of every text: start, at most 75 of the text, end, zeros.
pub const CONTEXT_LENGTH: usize = 77;
/// Number of different token ids.
pub const VOCABULARY_SIZE: usize = 49408;
/// Opens every text.
pub const START_OF_TEXT: u32 = 49406;
/// Closes every text; its first place is where the text tower reads the feature.
pub const END_OF_TEXT: u32 = 49407;

const NUM_BYTES: usize = 256;
const VOCABULARY: &[u8] = include_bytes!("../../assets/clip_bpe_merges.txt.gz");

/// The token ids of one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// [`CONTEXT_LENGTH`] ids below [`VOCABULARY_SIZE`], zeros after the end of the text.
    pub ids: Vec<u32>,
    /// Whether the text was too long and its end is missing; end-of-text is kept.
    pub truncated: bool,
}

/// Turns text into token ids. Cheap to make: the vocabulary is read once per process (about 10 ms).
#[derive(Clone, Copy)]
pub struct Tokenizer {
    vocabulary: &'static Vocabulary,
}

impl Default for Tokenizer {
    fn default() -> Self {
        Self::new()
    }
}

impl Tokenizer {
    /// OpenAI's tokenizer, which all checkpoints of the three dialects share.
    pub fn new() -> Self {
        static SHARED: LazyLock<Vocabulary> = LazyLock::new(Vocabulary::embedded);
        Self {
            vocabulary: &SHARED,
        }
    }

    /// The ids of `text`, cleaned as OpenAI cleans it, cut after 75 tokens.
    pub fn encode(&self, text: &str) -> Tokens {
        let mut ids = Vec::with_capacity(CONTEXT_LENGTH);
        ids.push(START_OF_TEXT);
        let cleaned = clean_text(text);
        for word in WORD.find_iter(&cleaned) {
            self.vocabulary.encode_word(word.as_str(), &mut ids);
            if ids.len() >= CONTEXT_LENGTH {
                break;
            }
        }
        let truncated = ids.len() >= CONTEXT_LENGTH;
        ids.truncate(CONTEXT_LENGTH - 1);
        ids.push(END_OF_TEXT);
        ids.resize(CONTEXT_LENGTH, 0);
        Tokens { ids, truncated }
    }
}

/// OpenAI's pattern. It ignores case, which matters in two places: `'ſ` is `'s`, and U+0345 is neither a letter nor
/// anything else (it folds to ι), so it vanishes.
static WORD: LazyLock<Regex> = LazyLock::new(|| {
    let source = r"(?i:<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}\u{345}]+";
    Regex::new(source).unwrap_or_else(|error| unreachable!("constant pattern: {error}"))
});

/// A map whose hashes are cheap; nobody outside chooses the keys.
type Fast<K, V> = HashMap<K, V, RandomState>;

/// The pieces that words are made of and the order in which they grow together.
struct Vocabulary {
    /// Id of each byte inside a word; at the end of a word it is [`NUM_BYTES`] higher.
    ids_of_bytes: [u32; NUM_BYTES],
    /// Two neighbouring pieces to how early they grow together (lower is earlier) and the piece they become.
    merges: Fast<(u32, u32), (u32, u32)>,
}

impl Vocabulary {
    fn embedded() -> Self {
        let mut text = String::new();
        GzDecoder::new(VOCABULARY)
            .read_to_string(&mut text)
            .unwrap_or_else(|error| {
                unreachable!("the embedded vocabulary is part of the program: {error}")
            });
        Self::parse(&text)
    }

    /// Reads OpenAI's list: a heading, then one pair of pieces a line, most frequent first.
    fn parse(text: &str) -> Self {
        let bytes = bytes_in_order();
        let letters: Vec<(u8, String)> = bytes
            .map(|(byte, letter)| (byte, format!("{letter}</w>")))
            .collect();
        let mut ids_of_bytes = [0; NUM_BYTES];
        let mut ids_of_pieces =
            Fast::with_capacity_and_hasher(VOCABULARY_SIZE, RandomState::default());
        for (id, (byte, ending)) in (0..).zip(&letters) {
            ids_of_bytes[usize::from(*byte)] = id;
            ids_of_pieces.insert(ending.trim_end_matches("</w>"), id);
            ids_of_pieces.insert(ending.as_str(), id + NUM_BYTES as u32);
        }
        let num_merges = VOCABULARY_SIZE - 2 * NUM_BYTES - 2;
        let lines = text.lines().skip(1).take(num_merges);
        let halves: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(' ')).collect();
        // One string for all pieces instead of one each.
        let joined: String = halves
            .iter()
            .flat_map(|(first, second)| [*first, *second])
            .collect();
        let mut start = 0;
        let pairs: Vec<(&str, &str, &str)> = halves
            .into_iter()
            .map(|(first, second)| {
                let both = &joined[start..start + first.len() + second.len()];
                start += both.len();
                (first, second, both)
            })
            .collect();
        // All pieces first: where two pairs make the same piece, the later id holds, as in Python's dict.
        for (id, (_, _, both)) in (2 * NUM_BYTES as u32..).zip(&pairs) {
            ids_of_pieces.insert(both, id);
        }
        let mut merges = Fast::with_capacity_and_hasher(pairs.len(), RandomState::default());
        for (rank, (first, second, both)) in (0..).zip(&pairs) {
            let ids = [first, second, both].map(|piece| ids_of_pieces.get(*piece).copied());
            if let [Some(first), Some(second), Some(both)] = ids {
                merges.insert((first, second), (rank, both));
            }
        }
        Self {
            ids_of_bytes,
            merges,
        }
    }

    /// Appends the ids of one word.
    fn encode_word(&self, word: &str, ids: &mut Vec<u32>) {
        match word {
            "<|startoftext|>" => return ids.push(START_OF_TEXT),
            "<|endoftext|>" => return ids.push(END_OF_TEXT),
            _ => (),
        }
        let mut pieces: Vec<u32> = word
            .bytes()
            .map(|byte| self.ids_of_bytes[usize::from(byte)])
            .collect();
        if let Some(last) = pieces.last_mut() {
            *last += NUM_BYTES as u32;
        }
        while let Some((pair, both)) = self.earliest_merge(&pieces) {
            merge_all(&mut pieces, pair, both);
        }
        ids.append(&mut pieces);
    }

    /// The neighbouring pair that grows together first, and what it becomes.
    fn earliest_merge(&self, pieces: &[u32]) -> Option<((u32, u32), u32)> {
        let pairs = pieces.windows(2).map(|pair| (pair[0], pair[1]));
        let known = pairs.filter_map(|pair| {
            self.merges
                .get(&pair)
                .map(|&(rank, both)| (rank, pair, both))
        });
        known.min().map(|(_, pair, both)| (pair, both))
    }
}

/// Replaces every `pair` by `both`, from the left.
fn merge_all(pieces: &mut Vec<u32>, pair: (u32, u32), both: u32) {
    let (mut from, mut to) = (0, 0);
    while from < pieces.len() {
        let is_pair = pieces[from] == pair.0 && pieces.get(from + 1) == Some(&pair.1);
        pieces[to] = if is_pair { both } else { pieces[from] };
        from += if is_pair { 2 } else { 1 };
        to += 1;
    }
    pieces.truncate(to);
}

/// OpenAI's order of the 256 bytes, each with the letter that stands for it in the list: the printable ones for themselves.
fn bytes_in_order() -> impl Iterator<Item = (u8, char)> {
    let is_printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let printable = (0..=255)
        .filter(is_printable)
        .map(|byte| (byte, char::from(byte)));
    let others = (0..=255_u8).filter(move |byte| !is_printable(byte));
    printable.chain(others.zip('\u{100}'..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start_of(text: &str, num_ids: usize) -> Vec<u32> {
        let mut ids = Tokenizer::new().encode(text).ids;
        ids.truncate(num_ids);
        ids
    }

    #[test]
    fn a_known_prompt_has_openais_ids() {
        assert_eq!(
            start_of("a photo of a cat", 8),
            [49406, 320, 1125, 539, 320, 2368, 49407, 0]
        );
    }

    #[test]
    fn the_empty_prompt_is_start_and_end() {
        assert_eq!(start_of("", 3), [START_OF_TEXT, END_OF_TEXT, 0]);
    }

    #[test]
    fn seventy_five_tokens_fit_and_one_more_is_cut_but_the_end_stays() {
        let fits = Tokenizer::new().encode(&"a ".repeat(75));
        assert!(!fits.truncated);
        assert_eq!(fits.ids[76], END_OF_TEXT);
        let cut = Tokenizer::new().encode(&"a ".repeat(76));
        assert!(cut.truncated);
        assert_eq!(cut.ids, fits.ids);
    }

    #[test]
    fn every_merge_of_the_list_was_understood() {
        assert_eq!(
            Vocabulary::embedded().merges.len(),
            VOCABULARY_SIZE - 2 * NUM_BYTES - 2
        );
    }
}
