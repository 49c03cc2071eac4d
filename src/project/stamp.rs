//! How a file looks from outside.

use std::path::Path;
use std::time::UNIX_EPOCH;

use super::state::FileStamp;

/// Size and modification time of a file; zeros where it cannot be asked (reading it will say why).
pub fn stamp(path: &Path) -> FileStamp {
    let Ok(metadata) = std::fs::metadata(path) else {
        return FileStamp::default();
    };
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    FileStamp {
        size: metadata.len(),
        modified_ms: modified.map_or(0, |age| age.as_millis() as i64),
        hash: None,
    }
}
