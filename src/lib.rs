//! Shotlens: few-shot image labelling and exploration with CLIP.
//!
//! Where things are, from the bottom up; a module may use those above it in this list, never those below:
//!
//! - [`ids`], [`memory`], [`progress`], [`features`]: leaves that everything shares
//! - [`image_io`]: files to upright RGB pixels, thumbnails, folder walks
//! - [`clip`]: pixels and strings in, features out; knows nothing of few-shot learning
//! - [`support`]: who is labelled what; [`methods`]: features and labels in, logits out; neither knows CLIP or pixels
//! - [`project`]: the project file, its history, the feature cache
//! - [`models`]: which checkpoints exist, where they lie, how they are fetched
//! - [`engine`]: synchronous use cases; [`worker`]: threads around them
//! - [`app`]: all state of the window, without a window
//! - [`cli`] and [`ui`]: the two faces
//!
//! `ARCHITECTURE.md` has the invariants; `tests/it/layering.rs` holds them.

pub mod app;
pub mod cli;
pub mod clip;
pub mod engine;
pub mod features;
pub mod ids;
pub mod image_io;
pub mod memory;
pub mod methods;
pub mod models;
pub mod progress;
pub mod project;
pub mod support;
pub mod ui;
pub mod worker;
