//! The one integration test binary.

mod models;
mod photos;
mod preprocess;
mod tokenizer;
