//! The tables of a project file, and how an older file becomes a newer one.

use rusqlite::{Connection, Transaction};

/// "Shot" in ASCII: SQLite's `application_id` of a project file.
pub(super) const APPLICATION_ID: i32 = 0x5368_6f74;

/// One step for every schema version: step `i` turns version `i` into version `i + 1`. Steps are only ever added.
const LADDER: &[&str] = &[VERSION_1, VERSION_2, VERSION_3, VERSION_4];

/// The schema version that this program writes.
pub(super) const VERSION: i64 = LADDER.len() as i64;

/// Times are milliseconds since 1970. Paths are relative to the project file's folder where they can be, with `/`; a BLOB where they are no UTF-8.
///
/// `history` holds every edit ever made and not overwritten by one after an undo; those with `seq` above `meta.applied_seq` are undone. (A flag in each row would make the undo of an edit with 100,000 photos rewrite its 20 MB.)
const VERSION_1: &str = "
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value ANY
) STRICT, WITHOUT ROWID;

CREATE TABLE classes (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    colour INTEGER NOT NULL,
    position INTEGER NOT NULL
) STRICT;

CREATE TABLE prompts (
    class INTEGER NOT NULL REFERENCES classes (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (class, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE photos (
    id INTEGER PRIMARY KEY,
    path ANY NOT NULL,
    shot_of INTEGER REFERENCES classes (id),
    label INTEGER REFERENCES classes (id),
    size INTEGER NOT NULL,
    modified_ms INTEGER NOT NULL,
    hash BLOB
) STRICT;

CREATE TABLE label_events (
    id INTEGER PRIMARY KEY,
    photo INTEGER NOT NULL,
    class INTEGER,
    source TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE settings (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    method TEXT NOT NULL,
    alpha REAL NOT NULL,
    beta REAL NOT NULL,
    gamma REAL NOT NULL,
    auto_tuned INTEGER NOT NULL,
    use_class_names INTEGER NOT NULL,
    learn_from_labels INTEGER NOT NULL,
    adapter TEXT,
    model TEXT
) STRICT;

CREATE TABLE view (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    json TEXT NOT NULL
) STRICT;

CREATE TABLE history (
    seq INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    description TEXT NOT NULL,
    edit TEXT NOT NULL,
    inverse TEXT NOT NULL
) STRICT;
";

/// What methods take besides α, β and γ, as JSON.
const VERSION_2: &str = "
ALTER TABLE settings ADD COLUMN method_options TEXT NOT NULL DEFAULT '{}';
";

/// Photos that somebody could not tell, and what was predicted before a label was given.
const VERSION_3: &str = "
ALTER TABLE photos ADD COLUMN unsure INTEGER NOT NULL DEFAULT 0;
ALTER TABLE label_events ADD COLUMN predicted INTEGER;
";

/// Further labels of a photo besides `photos.label`, and whether the project has such.
const VERSION_4: &str = "
CREATE TABLE further_labels (
    photo INTEGER NOT NULL REFERENCES photos (id) ON DELETE CASCADE,
    class INTEGER NOT NULL REFERENCES classes (id) ON DELETE CASCADE,
    PRIMARY KEY (photo, class)
) STRICT, WITHOUT ROWID;

ALTER TABLE settings ADD COLUMN multi_label INTEGER NOT NULL DEFAULT 0;
";

/// Brings the file from version `found` to [`VERSION`], inside the caller's transaction.
pub(super) fn migrate(transaction: &Transaction<'_>, found: i64) -> rusqlite::Result<()> {
    climb(transaction, LADDER, found)
}

/// The schema version of an open file.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn climb(transaction: &Transaction<'_>, ladder: &[&str], found: i64) -> rusqlite::Result<()> {
    let done = usize::try_from(found).unwrap_or(0);
    for step in ladder.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", ladder.len() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_file_climbs_only_the_steps_that_it_lacks() {
        let mut connection = Connection::open_in_memory().unwrap();
        let ladder = ["CREATE TABLE one (a)", "CREATE TABLE two (a)"];
        let first = connection.transaction().unwrap();
        climb(&first, &ladder[..1], 0).unwrap();
        first.commit().unwrap();
        assert_eq!(version(&connection).unwrap(), 1);

        let second = connection.transaction().unwrap();
        climb(&second, &ladder, 1).unwrap();
        second.commit().unwrap();
        assert_eq!(version(&connection).unwrap(), 2);
        connection
            .execute("INSERT INTO two VALUES (1)", ())
            .unwrap();
    }
}
