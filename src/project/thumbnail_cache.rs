//! Thumbnails as JPEG, so that a large folder opens with pictures.
//!
//! Keyed by path, size and modification time: reading the photo to hash it would cost what the cache saves.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::project::cache_file::{CacheFile, Layout};

static LAYOUT: Layout = Layout {
    application_id: 0x5368_7468, // "Shth"
    version: 1,
    tables: "
CREATE TABLE thumbnails (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL UNIQUE,
    num_bytes INTEGER NOT NULL,
    jpeg BLOB NOT NULL
) STRICT;
",
};

/// The default size of the cache: about 60,000 thumbnails of 160 pixels.
pub const DEFAULT_MAX_BYTES: u64 = 512 * 1024 * 1024;

/// Which thumbnail: of which file, how large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThumbnailKey<'a> {
    /// Absolute.
    pub path: &'a Path,
    /// Bytes of the file.
    pub size: u64,
    /// Modification time of the file, milliseconds since 1970.
    pub modified_ms: i64,
    /// The longer side in pixels.
    pub max_side: u32,
}

impl ThumbnailKey<'_> {
    fn digest(&self) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.size.to_le_bytes());
        hasher.update(&self.modified_ms.to_le_bytes());
        hasher.update(&self.max_side.to_le_bytes());
        hasher.update(self.path.as_os_str().as_encoded_bytes());
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        digest
    }
}

/// The cache in the user's cache folder. One for each thread that reads thumbnails.
pub struct ThumbnailCache {
    file: CacheFile,
    max_bytes: u64,
    num_bytes: u64,
}

impl ThumbnailCache {
    /// Opens or makes the cache at `path`, which holds up to `max_bytes` of JPEG. A damaged one is renamed aside and begun anew ([`Self::take_notes`]).
    pub fn open(path: &Path, max_bytes: u64) -> rusqlite::Result<Self> {
        let file = CacheFile::open(path, &LAYOUT)?;
        let mut cache = Self {
            file,
            max_bytes,
            num_bytes: 0,
        };
        cache.num_bytes = cache
            .file
            .attempt(|connection| total(connection))
            .unwrap_or(0);
        Ok(cache)
    }

    /// What went wrong since the last call, in sentences.
    pub fn take_notes(&mut self) -> Vec<String> {
        self.file.take_notes()
    }

    /// The JPEG file of a thumbnail.
    pub fn get(&mut self, key: ThumbnailKey<'_>) -> Option<Vec<u8>> {
        let digest = key.digest();
        let read = |connection: &mut Connection| {
            connection
                .prepare_cached("SELECT jpeg FROM thumbnails WHERE key = ?1")?
                .query_row([digest], |row| row.get(0))
                .optional()
        };
        self.file.attempt(read).flatten()
    }

    /// Keeps a thumbnail; the oldest are dropped where it gets tight.
    pub fn put(&mut self, key: ThumbnailKey<'_>, jpeg: &[u8]) {
        let digest = key.digest();
        let (max_bytes, mut num_bytes) = (self.max_bytes, self.num_bytes + jpeg.len() as u64);
        let write = |connection: &mut Connection| {
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO thumbnails (key, num_bytes, jpeg) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![digest, jpeg.len() as i64, jpeg])?;
            if num_bytes > max_bytes {
                // Down to nine tenths, so that a full cache does not tidy at every thumbnail.
                num_bytes = drop_oldest(&transaction, max_bytes / 10 * 9)?;
            }
            transaction.commit()?;
            Ok(num_bytes)
        };
        if let Some(num_bytes) = self.file.attempt(write) {
            self.num_bytes = num_bytes;
        }
    }
}

fn total(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT coalesce(sum(num_bytes), 0) FROM thumbnails";
    connection
        .query_row(sql, (), |row| row.get::<_, i64>(0))
        .map(i64::cast_unsigned)
}

/// Drops the oldest until at most `goal` bytes are left; how many are.
fn drop_oldest(connection: &Connection, goal: u64) -> rusqlite::Result<u64> {
    // Counted afresh: other processes and replaced rows are not in our running sum.
    connection.execute(
        "DELETE FROM thumbnails WHERE id <= (
            SELECT id FROM (
                SELECT id, sum(num_bytes) OVER (ORDER BY id DESC) AS newer FROM thumbnails
            ) WHERE newer > ?1 ORDER BY id DESC LIMIT 1)",
        [goal.cast_signed()],
    )?;
    total(connection)
}
