//! Features that were made elsewhere, in the cache beside one's own.
//!
//! They have a space of their own: half precision, another decoder or a mistaken model must not replace what this program has
//! computed. Only photos that a project knows by hash are looked up there, so `shotlens embed` never hands them on.
//!
//! A photo whose file is there is known by its content, as ever. One whose file is not has no content here; it is known by its
//! features, so that copies are still copies, and two projects that name different photos alike do not get each other's.
//! Its stamp says size 0 and time 0, which is what a missing file looks like: once the file appears, it is read.

use super::Engine;
use super::embed::fill_missing;
use crate::image_io::ContentHash;
use crate::project::feature_cache::CachedRow;

/// Apart from hashes of files, which begin with the file's bytes.
const DOMAIN: &[u8] = b"shotlens features without a file, 1\0";

/// What stands for the content of a photo that cannot be read.
pub fn hash_without_file(features: &[f32]) -> ContentHash {
    let mut bytes = DOMAIN.to_vec();
    bytes.extend(features.iter().flat_map(|number| number.to_le_bytes()));
    ContentHash::of(&bytes)
}

impl Engine {
    /// Keeps features `[dim]` that the same model has made elsewhere. `false`: the cache could not take them.
    pub fn remember_imported(&self, rows: Vec<(ContentHash, Vec<f32>)>) -> bool {
        let rows: Vec<(ContentHash, CachedRow)> = rows
            .into_iter()
            .map(|(hash, features)| {
                (
                    hash,
                    CachedRow {
                        features,
                        hidden: None,
                    },
                )
            })
            .collect();
        let space = imported(&self.feature_space(None));
        self.cache()
            .is_some_and(|mut cache| cache.put_many(&space, &rows))
    }

    /// What the cache has of these contents: one's own features, else imported ones.
    pub(super) fn cached_or_imported(
        &self,
        space: &str,
        hashes: &[ContentHash],
    ) -> Vec<Option<CachedRow>> {
        let mut rows = self.cached(space, hashes);
        fill_missing(&mut rows, hashes, |wanted| {
            self.cached(&imported(space), wanted)
        });
        rows
    }
}

fn imported(space: &str) -> String {
    format!("{space}/imported")
}
