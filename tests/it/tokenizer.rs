//! Token ids against those of `clip.tokenize`.

use serde::Deserialize;
use shotlens::clip::tokenizer::{CONTEXT_LENGTH, Tokenizer};

#[derive(Deserialize)]
struct Golden {
    text: String,
    /// Up to end-of-text; zeros follow.
    ids: Vec<u32>,
    truncated: bool,
}

fn goldens(json: &str) -> Vec<Golden> {
    serde_json::from_str(json).unwrap()
}

/// How many texts get other ids than `clip.tokenize` gives them, each printed.
fn num_wrong(goldens: &[Golden]) -> usize {
    let tokenizer = Tokenizer::new();
    let is_wrong = |golden: &&Golden| {
        let mut ids = golden.ids.clone();
        ids.resize(CONTEXT_LENGTH, 0);
        let tokens = tokenizer.encode(&golden.text);
        let is_wrong = tokens.ids != ids || tokens.truncated != golden.truncated;
        if is_wrong {
            println!(
                "{:?}: {:?}, expected {:?}",
                golden.text, tokens.ids, golden.ids
            );
        }
        is_wrong
    };
    goldens.iter().filter(is_wrong).count()
}

#[test]
fn ids_are_openais_in_many_scripts() {
    let goldens = goldens(include_str!("../data/tokens.json"));
    assert!(goldens.len() >= 200);
    assert_eq!(num_wrong(&goldens), 0);
}

/// Many more texts than the repository keeps: `make_tokens.py --count 6000 --seed 7 --out FILE`.
#[test]
fn ids_are_openais_in_a_larger_file_where_one_is_given() {
    let Ok(path) = std::env::var("SHOTLENS_TOKENS") else {
        println!("skipped: SHOTLENS_TOKENS names no file");
        return;
    };
    let goldens = goldens(&std::fs::read_to_string(path).unwrap());
    assert_eq!(num_wrong(&goldens), 0, "of {}", goldens.len());
}
