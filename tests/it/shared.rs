//! Development data that is too large for the repository: full-size goldens and photo sets.

use std::path::{Path, PathBuf};

/// A file or folder of the development data, or `None` with a printed line where there is none.
///
/// The folder is `SHOTLENS_SHARED` where that is set, else `../shared` beside the repository.
/// A test without its data prints why and passes: the repository alone must pass all of its tests.
#[expect(dead_code, reason = "used by the tests that read large goldens")]
pub(crate) fn shared(relative: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SHOTLENS_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let path = root.join(relative);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no {relative} in {}", root.display());
    None
}
