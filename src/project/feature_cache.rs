//! Features that were computed once: a second opening of a project embeds nothing.
//!
//! A row belongs to the content of a file, not to its path, and to a space: model, preprocessing, adapter and views, in one string that the engine makes. Several processes may share the file.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::image_io::ContentHash;
use crate::project::cache_file::{CacheFile, Layout};

static LAYOUT: Layout = Layout {
    application_id: 0x5368_6661, // "Shfa"
    version: 1,
    tables: "
CREATE TABLE spaces (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE features (
    id INTEGER PRIMARY KEY,
    space INTEGER NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
    hash BLOB NOT NULL,
    features BLOB NOT NULL,
    hidden BLOB
) STRICT;
CREATE UNIQUE INDEX features_by_hash ON features (space, hash);
",
};

/// Fewer rows than this are looked up one by one (5 µs each); more are worth a walk over the index of the space (15 ms for 100,000).
const FEW: usize = 4_096;

/// What the cache holds of one photo.
#[derive(Clone, Debug, PartialEq)]
pub struct CachedRow {
    /// `[dim]`, as the projection gives it.
    pub features: Vec<f32>,
    /// `[width]`, before the projection, where the model has such a thing.
    pub hidden: Option<Vec<f32>>,
}

/// The cache in the user's cache folder.
pub struct FeatureCache {
    file: CacheFile,
}

impl FeatureCache {
    /// Opens or makes the cache at `path`. A damaged one is renamed aside and begun anew; the note says so. An error means that not even memory can hold a cache.
    pub fn open(path: &Path) -> rusqlite::Result<(Self, Option<String>)> {
        let mut file = CacheFile::open(path, &LAYOUT)?;
        let notes = file.take_notes();
        Ok((Self { file }, (!notes.is_empty()).then(|| notes.join("; "))))
    }

    /// What went wrong since it was opened or last asked, in sentences; a cache that fails is only slow.
    pub fn take_notes(&mut self) -> Vec<String> {
        self.file.take_notes()
    }

    /// The rows of these contents in `space`, in the same order; `None` where there is none or it is damaged.
    pub fn get_many(&mut self, space: &str, hashes: &[ContentHash]) -> Vec<Option<CachedRow>> {
        self.file
            .attempt(|connection| read_rows(connection, space, hashes))
            .unwrap_or_else(|| vec![None; hashes.len()])
    }

    /// Keeps rows of `space`, in one transaction; a row that is there already is replaced. `false`: nothing was kept.
    pub fn put_many(&mut self, space: &str, rows: &[(ContentHash, CachedRow)]) -> bool {
        self.file
            .attempt(|connection| write_rows(connection, space, rows))
            .is_some()
    }

    /// Forgets every row of `space`.
    pub fn forget(&mut self, space: &str) -> bool {
        let sql = "DELETE FROM spaces WHERE name = ?1";
        self.file
            .attempt(|connection| connection.execute(sql, [space]))
            .is_some()
    }
}

fn read_rows(
    connection: &mut Connection,
    space: &str,
    hashes: &[ContentHash],
) -> rusqlite::Result<Vec<Option<CachedRow>>> {
    let mut found = vec![None; hashes.len()];
    // One snapshot, and one lock taken instead of one for each row.
    let transaction = connection.transaction()?;
    let space: Option<i64> = transaction
        .prepare_cached("SELECT id FROM spaces WHERE name = ?1")?
        .query_row([space], |row| row.get(0))
        .optional()?;
    if let Some(space) = space {
        let mut statement =
            transaction.prepare_cached("SELECT features, hidden FROM features WHERE id = ?1")?;
        // In the order of the file: the reads are then almost sequential.
        for (id, index) in row_ids(&transaction, space, hashes)? {
            found[index] = statement.query_row([id], read_row).optional()?.flatten();
        }
    }
    Ok(found)
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<CachedRow>> {
    let features = unpack(row.get_ref(0)?.as_blob()?);
    let hidden = row.get_ref(1)?.as_blob_or_null()?.map(unpack);
    // A damaged half is a miss of the whole.
    Ok(match (features, hidden) {
        (Some(features), None) => Some(CachedRow {
            features,
            hidden: None,
        }),
        (Some(features), Some(Some(hidden))) => Some(CachedRow {
            features,
            hidden: Some(hidden),
        }),
        _ => None,
    })
}

/// Row ids of the hashes that are there, rising, with the index of each hash.
fn row_ids(
    connection: &Connection,
    space: i64,
    hashes: &[ContentHash],
) -> rusqlite::Result<Vec<(i64, usize)>> {
    let mut ids = Vec::with_capacity(hashes.len());
    if hashes.len() < FEW {
        let mut statement =
            connection.prepare_cached("SELECT id FROM features WHERE space = ?1 AND hash = ?2")?;
        for (index, hash) in hashes.iter().enumerate() {
            let id = statement
                .query_row(params![space, hash.0], |row| row.get(0))
                .optional()?;
            ids.extend(id.map(|id: i64| (id, index)));
        }
    } else {
        let mut wanted: HashMap<[u8; 32], Vec<usize>> = HashMap::with_capacity(hashes.len());
        for (index, hash) in hashes.iter().enumerate() {
            wanted.entry(hash.0).or_default().push(index);
        }
        let mut statement =
            connection.prepare_cached("SELECT hash, id FROM features WHERE space = ?1")?;
        let mut rows = statement.query([space])?;
        while let Some(row) = rows.next()? {
            let Ok(hash) = row.get::<_, [u8; 32]>(0) else {
                continue;
            };
            let id: i64 = row.get(1)?;
            ids.extend(
                wanted
                    .get(&hash)
                    .into_iter()
                    .flatten()
                    .map(|&index| (id, index)),
            );
        }
    }
    ids.sort_unstable();
    Ok(ids)
}

fn write_rows(
    connection: &mut Connection,
    space: &str,
    rows: &[(ContentHash, CachedRow)],
) -> rusqlite::Result<()> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction
        .prepare_cached("INSERT OR IGNORE INTO spaces (name) VALUES (?1)")?
        .execute([space])?;
    let space: i64 = transaction
        .prepare_cached("SELECT id FROM spaces WHERE name = ?1")?
        .query_row([space], |row| row.get(0))?;
    {
        let mut statement = transaction.prepare_cached(
            "INSERT INTO features (space, hash, features, hidden) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (space, hash) DO UPDATE SET features = ?3, hidden = coalesce(?4, hidden)",
        )?;
        for (hash, row) in rows {
            let hidden = row.hidden.as_deref().map(pack);
            statement.execute(params![space, hash.0, pack(&row.features), hidden])?;
        }
    }
    transaction.commit()
}

/// Bytes of the check at the end of a packed row.
const CHECK_LEN: usize = 8;

/// Numbers in little-endian order, then the first bytes of their blake3: one bad row is a miss, not a wrong prediction.
fn pack(values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() * 4 + CHECK_LEN);
    for value in values {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    let check = blake3::hash(&bytes);
    bytes.extend_from_slice(&check.as_bytes()[..CHECK_LEN]);
    bytes
}

fn unpack(bytes: &[u8]) -> Option<Vec<f32>> {
    let (bytes, check) = bytes.split_at_checked(bytes.len().checked_sub(CHECK_LEN)?)?;
    let (values, rest) = bytes.as_chunks::<4>();
    let is_whole = rest.is_empty() && blake3::hash(bytes).as_bytes().starts_with(check);
    is_whole.then(|| {
        values
            .iter()
            .map(|value| f32::from_le_bytes(*value))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_row_comes_back_and_a_changed_byte_is_a_miss() {
        let values = [1.5, -0.0, f32::MIN_POSITIVE, 3.0e7];
        let mut bytes = pack(&values);
        assert_eq!(unpack(&bytes).as_deref(), Some(values.as_slice()));
        bytes[5] ^= 1;
        assert_eq!(unpack(&bytes), None);
        assert_eq!(unpack(&bytes[..3]), None);
        assert_eq!(unpack(&pack(&values)[4..]), None);
    }
}
