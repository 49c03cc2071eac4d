//! The table `history`: one row a step, edits as JSON with paths relative to the project file.

use std::path::Path;

use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

use crate::project::edit::Edit;
use crate::project::history::{CommitKind, History, PAGE, Step, Wanted};
use crate::project::rows::{read_meta, write_meta};
use crate::project::stored_path::{from_stored, to_stored};

/// Reads the steps around the present; the rest stays in the file until it is asked for.
pub(super) fn read_history(connection: &Connection, base: &Path) -> rusqlite::Result<History> {
    let newest: i64 =
        connection.query_row("SELECT coalesce(max(seq), 0) FROM history", (), |row| {
            row.get(0)
        })?;
    let applied = read_meta(connection, "applied_seq")?
        .unwrap_or(0)
        .clamp(0, newest);
    let (applied, newest) = (applied.cast_unsigned(), newest.cast_unsigned());
    let done = read_steps(connection, base, Wanted::Before(applied + 1))?;
    let undone = read_steps(connection, base, Wanted::After(applied))?;
    Ok(History::from_parts(applied, newest, done, undone))
}

/// Reads a page of steps, oldest first.
pub(super) fn read_steps(
    connection: &Connection,
    base: &Path,
    wanted: Wanted,
) -> rusqlite::Result<Vec<Step>> {
    let (condition, seq) = match wanted {
        Wanted::Before(seq) => ("seq < ?1 ORDER BY seq DESC", seq),
        Wanted::After(seq) => ("seq > ?1 ORDER BY seq", seq),
    };
    let sql = format!(
        "SELECT seq, at_ms, description, edit, inverse FROM history WHERE {condition} LIMIT {PAGE}"
    );
    let mut steps = connection
        .prepare_cached(&sql)?
        .query_map([seq.cast_signed()], |row| read_step(row, base))?
        .collect::<rusqlite::Result<Vec<Step>>>()?;
    steps.sort_by_key(|step| step.seq);
    Ok(steps)
}

fn read_step(row: &Row<'_>, base: &Path) -> rusqlite::Result<Step> {
    let edit_in = |column: usize| {
        let mut edit: Edit =
            serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
            })?;
        edit.map_paths(&|path| from_stored(path, base));
        Ok::<_, rusqlite::Error>(edit)
    };
    Ok(Step {
        seq: row.get::<_, i64>(0)?.cast_unsigned(),
        at_ms: row.get(1)?,
        description: row.get(2)?,
        edit: edit_in(3)?,
        inverse: edit_in(4)?,
    })
}

/// Follows what happened to the history.
pub(super) fn write_history(
    connection: &Connection,
    base: &Path,
    kind: &CommitKind,
) -> rusqlite::Result<()> {
    match kind {
        CommitKind::New(step) => {
            connection
                .prepare_cached("DELETE FROM history WHERE seq >= ?1")?
                .execute([step.seq.cast_signed()])?;
            connection
                .prepare_cached(
                    "INSERT INTO history (seq, at_ms, description, edit, inverse) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![
                    step.seq.cast_signed(),
                    step.at_ms,
                    step.description,
                    edit_json(&step.edit, base)?,
                    edit_json(&step.inverse, base)?,
                ])?;
            write_meta(connection, "applied_seq", step.seq.cast_signed())
        }
        CommitKind::Continue(step) => connection
            .prepare_cached(
                "UPDATE history SET at_ms = ?2, description = ?3, edit = ?4 WHERE seq = ?1",
            )?
            .execute(params![
                step.seq.cast_signed(),
                step.at_ms,
                step.description,
                edit_json(&step.edit, base)?,
            ])
            .map(drop),
        CommitKind::Undo(seq) => write_meta(connection, "applied_seq", seq.cast_signed() - 1),
        CommitKind::Redo(seq) => write_meta(connection, "applied_seq", seq.cast_signed()),
    }
}

fn edit_json(edit: &Edit, base: &Path) -> rusqlite::Result<String> {
    let mut edit = edit.clone();
    edit.map_paths(&|path| to_stored(path, base));
    serde_json::to_string(&edit)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
