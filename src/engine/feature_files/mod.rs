//! Features that other tools have made: `NumPy` arrays, clip-retrieval's folders, Parquet tables.

mod error;
pub mod npy;
pub mod parquet;
pub mod source;

pub use error::FileError;
pub use npy::Npy;
pub use parquet::ParquetTable;
pub use source::{FeatureRow, FeatureSource};

/// What the column of files may be called.
pub const PATHS: [&str; 8] = [
    "path",
    "file_name",
    "filename",
    "file",
    "image",
    "filepath",
    "image_path",
    "photo",
];
/// What the column of labels may be called.
pub const LABELS: [&str; 6] = [
    "label",
    "class",
    "category",
    "classname",
    "class_name",
    "label_name",
];
/// What the column of features may be called.
pub const FEATURES: [&str; 8] = [
    "features",
    "feature",
    "embedding",
    "embeddings",
    "image_embedding",
    "img_emb",
    "clip_embedding",
    "vector",
];
