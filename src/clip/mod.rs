//! CLIP alone: pixels and strings in, features out; knows nothing of few-shot learning.

mod clean_text;
pub mod preprocess;
mod resample;
pub mod tokenizer;
