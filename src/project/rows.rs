//! The project's tables, read whole and written row by row.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::types::{Type, Value, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::ids::{ClassId, PhotoId};
use crate::image_io::ContentHash;
use crate::project::edit::{LabelSource, RowChange};
use crate::project::schema;
use crate::project::state::{
    Class, FileStamp, Judgement, MethodOptions, Photo, ProjectState, Role, Settings, View,
};
use crate::project::stored_path::{from_stored, path_from_bytes, to_stored};
use crate::project::support_members::LabelLimit;

/// Reads everything but the history. `base` is the project file's folder.
pub(super) fn read_state(connection: &Connection, base: &Path) -> rusqlite::Result<ProjectState> {
    let next_class = ClassId(read_meta(connection, "next_class")?.unwrap_or(1));
    let next_photo = PhotoId(read_meta(connection, "next_photo")?.unwrap_or(1));
    let mut state = ProjectState::from_parts(
        read_classes(connection)?,
        read_photos(connection, base)?,
        read_settings(connection)?,
        read_view(connection)?,
        (next_class, next_photo),
    );
    state.add_judgements(read_judgements(connection)?);
    Ok(state)
}

/// Labels that people gave to photos with a prediction, in their order.
fn read_judgements(connection: &Connection) -> rusqlite::Result<Vec<Judgement>> {
    if schema::version(connection)? < 3 {
        return Ok(Vec::new());
    }
    connection
        .prepare(
            "SELECT photo, class, predicted FROM label_events
             WHERE class IS NOT NULL AND predicted IS NOT NULL ORDER BY id",
        )?
        .query_map((), |row| {
            Ok(Judgement {
                photo: PhotoId(row.get(0)?),
                label: ClassId(row.get(1)?),
                predicted: ClassId(row.get(2)?),
            })
        })?
        .collect()
}

/// A number of the table `meta`.
pub(super) fn read_meta(connection: &Connection, key: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
}

/// Sets a number of the table `meta`.
pub(super) fn write_meta(connection: &Connection, key: &str, value: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
        .execute(params![key, value])
        .map(drop)
}

/// Raises a number of the table `meta`; it never falls.
pub(super) fn raise_meta(connection: &Connection, key: &str, value: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO meta (key, value) VALUES (?1, ?2)
             ON CONFLICT (key) DO UPDATE SET value = max(value, ?2)",
        )?
        .execute(params![key, value])
        .map(drop)
}

fn read_classes(connection: &Connection) -> rusqlite::Result<Vec<Class>> {
    let mut prompts: HashMap<i64, Vec<String>> = HashMap::new();
    let mut statement =
        connection.prepare("SELECT class, text FROM prompts ORDER BY class, position")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        prompts.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    connection
        .prepare("SELECT id, name, colour, position FROM classes")?
        .query_map((), |row| {
            let id = row.get(0)?;
            Ok(Class {
                id: ClassId(id),
                name: row.get(1)?,
                prompts: prompts.remove(&id).unwrap_or_default(),
                colour: row.get(2)?,
                position: row.get(3)?,
            })
        })?
        .collect()
}

/// The further labels of the photos that have such.
fn read_further_labels(
    connection: &Connection,
) -> rusqlite::Result<HashMap<PhotoId, Vec<ClassId>>> {
    let mut labels: HashMap<PhotoId, Vec<ClassId>> = HashMap::new();
    if schema::version(connection)? < 4 {
        return Ok(labels);
    }
    let mut statement =
        connection.prepare("SELECT photo, class FROM further_labels ORDER BY photo, class")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let photo = labels.entry(PhotoId(row.get(0)?)).or_default();
        photo.push(ClassId(row.get(1)?));
    }
    Ok(labels)
}

fn read_photos(connection: &Connection, base: &Path) -> rusqlite::Result<Vec<Photo>> {
    let mut further = read_further_labels(connection)?;
    // An older file that may only be looked at stays as it is.
    let unsure = if schema::version(connection)? < 3 {
        "0"
    } else {
        "unsure"
    };
    connection
        .prepare(&format!(
            "SELECT id, path, shot_of, label, size, modified_ms, hash, {unsure} FROM photos ORDER BY id",
        ))?
        .query_map((), |row| {
            let shot_of: Option<i64> = row.get(2)?;
            let label: Option<i64> = row.get(3)?;
            let size: i64 = row.get(4)?;
            let hash: Option<[u8; 32]> = row.get(6)?;
            let id = PhotoId(row.get(0)?);
            let also = further.remove(&id).unwrap_or_default();
            let labels: Vec<ClassId> = label.map(ClassId).into_iter().chain(also).collect();
            let mut photo = Photo {
                id,
                path: from_stored(&path_from_row(row, 1)?, base).into(),
                role: shot_of.map_or(Role::Pool, |class| Role::Shot(ClassId(class))),
                label: None,
                also: Vec::new(),
                unsure: row.get(7)?,
                file: FileStamp {
                    size: size.cast_unsigned(),
                    modified_ms: row.get(5)?,
                    hash: hash.map(ContentHash),
                },
            };
            photo.set_labels(&labels);
            Ok(photo)
        })?
        .collect()
}

fn path_from_row(row: &Row<'_>, column: usize) -> rusqlite::Result<PathBuf> {
    let unreadable = |kind, what: &str| {
        rusqlite::Error::FromSqlConversionFailure(column, kind, what.to_owned().into())
    };
    match row.get_ref(column)? {
        ValueRef::Text(text) => std::str::from_utf8(text)
            .map(PathBuf::from)
            .map_err(|error| unreadable(Type::Text, &error.to_string())),
        ValueRef::Blob(bytes) => path_from_bytes(bytes.to_vec())
            .ok_or_else(|| unreadable(Type::Blob, "a path from another system")),
        other => Err(unreadable(other.data_type(), "not a path")),
    }
}

fn path_value(path: &Path, base: &Path) -> Value {
    let stored = to_stored(path, base);
    match stored.to_str() {
        Some(text) => Value::Text(text.to_owned()),
        None => Value::Blob(stored.as_os_str().as_encoded_bytes().to_vec()),
    }
}

fn read_settings(connection: &Connection) -> rusqlite::Result<Settings> {
    // An older file that may only be looked at stays as it is.
    let options = if schema::version(connection)? < 2 {
        "'{}'"
    } else {
        "method_options"
    };
    let multi_label = if schema::version(connection)? < 4 {
        "0"
    } else {
        "multi_label"
    };
    let sql = format!(
        "SELECT method, alpha, beta, gamma, auto_tuned, use_class_names, learn_from_labels, adapter, model, {options}, {multi_label} FROM settings"
    );
    let found = connection
        .query_row(&sql, (), |row| {
            let (learn_from_labels, label_limit) = LabelLimit::of_row(row.get(6)?);
            Ok(Settings {
                method: row.get(0)?,
                alpha: row.get(1)?,
                beta: row.get(2)?,
                gamma: row.get(3)?,
                options: read_options(&row.get::<_, String>(9)?),
                auto_tuned: row.get(4)?,
                use_class_names: row.get(5)?,
                learn_from_labels,
                label_limit,
                multi_label: row.get(10)?,
                adapter: row.get(7)?,
                model: row.get(8)?,
            })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// Options are worth less than the project: what cannot be read is as if it was not said.
fn read_options(json: &str) -> MethodOptions {
    serde_json::from_str(json).unwrap_or_default()
}

fn read_view(connection: &Connection) -> rusqlite::Result<View> {
    let json: Option<String> = connection
        .query_row("SELECT json FROM view", (), |row| row.get(0))
        .optional()?;
    // The view is worth less than the project: what cannot be read is forgotten.
    Ok(json
        .and_then(|json| serde_json::from_str(&json).ok())
        .unwrap_or_default())
}

/// Replaces the view.
pub(super) fn write_view(connection: &Connection, view: &View) -> rusqlite::Result<()> {
    let json = serde_json::to_string(view)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO view (id, json) VALUES (1, ?1)")?
        .execute([json])
        .map(drop)
}

/// Records how files were found on disk; ids that are gone meanwhile are passed over.
pub(super) fn write_files(
    connection: &Connection,
    files: &[(PhotoId, FileStamp)],
) -> rusqlite::Result<()> {
    let mut statement = connection
        .prepare_cached("UPDATE photos SET size = ?2, modified_ms = ?3, hash = ?4 WHERE id = ?1")?;
    for (id, file) in files {
        let hash = file.hash.as_ref().map(|hash| hash.0.as_slice());
        statement.execute(params![
            id.0,
            file.size.cast_signed(),
            file.modified_ms,
            hash
        ])?;
    }
    Ok(())
}

/// When and why rows change, for the labels' own history.
#[derive(Clone, Copy)]
pub(super) struct Occasion {
    /// Milliseconds since 1970.
    pub(super) at_ms: i64,
    /// `undo` or `redo`; `None`: the edit's own source.
    pub(super) reason: Option<&'static str>,
}

/// Writes what an edit changed.
pub(super) fn write_change(
    connection: &Connection,
    change: &RowChange,
    base: &Path,
    occasion: Occasion,
) -> rusqlite::Result<()> {
    match change {
        RowChange::PutClass(class) => put_class(connection, class),
        RowChange::DeleteClass(id) => connection
            .prepare_cached("DELETE FROM classes WHERE id = ?1")?
            .execute([id.0])
            .map(drop),
        RowChange::InsertPhotos(photos) => insert_photos(connection, photos, base),
        RowChange::DeletePhotos(ids) => {
            let mut statement = connection.prepare_cached("DELETE FROM photos WHERE id = ?1")?;
            ids.iter()
                .try_for_each(|id| statement.execute([id.0]).map(drop))
        }
        RowChange::SetRoles(roles) => {
            let mut statement =
                connection.prepare_cached("UPDATE photos SET shot_of = ?2 WHERE id = ?1")?;
            roles.iter().try_for_each(|(id, role)| {
                statement.execute(params![id.0, shot_of(*role)]).map(drop)
            })
        }
        RowChange::SetLabels {
            labels,
            source,
            predicted,
        } => set_labels(connection, labels, *source, predicted, occasion),
        RowChange::SetAlso(photos) => set_further_labels(connection, photos),
        RowChange::SetUnsure(photos) => {
            let mut statement =
                connection.prepare_cached("UPDATE photos SET unsure = ?2 WHERE id = ?1")?;
            photos
                .iter()
                .try_for_each(|(id, unsure)| statement.execute(params![id.0, unsure]).map(drop))
        }
        RowChange::PutSettings(settings) => put_settings(connection, settings),
    }
}

fn put_class(connection: &Connection, class: &Class) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO classes (id, name, colour, position) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET name = ?2, colour = ?3, position = ?4",
        )?
        .execute(params![
            class.id.0,
            class.name,
            class.colour,
            class.position
        ])?;
    connection
        .prepare_cached("DELETE FROM prompts WHERE class = ?1")?
        .execute([class.id.0])?;
    let mut statement = connection
        .prepare_cached("INSERT INTO prompts (class, position, text) VALUES (?1, ?2, ?3)")?;
    for (position, text) in class.prompts.iter().enumerate() {
        statement.execute(params![class.id.0, position as i64, text])?;
    }
    // Ids are never given twice, also not after the class is gone.
    raise_meta(connection, "next_class", class.id.0 + 1)
}

fn insert_photos(connection: &Connection, photos: &[Photo], base: &Path) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO photos (id, path, shot_of, label, size, modified_ms, hash, unsure) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for photo in photos {
        let Photo {
            id,
            path,
            role,
            label,
            also,
            unsure,
            file,
        } = photo;
        statement.execute(params![
            id.0,
            path_value(path, base),
            shot_of(*role),
            label.map(|class| class.0),
            file.size.cast_signed(),
            file.modified_ms,
            file.hash.as_ref().map(|hash| hash.0.as_slice()),
            unsure,
        ])?;
        add_further_labels(connection, *id, also)?;
    }
    let last = photos.iter().map(|photo| photo.id.0).max().unwrap_or(0);
    raise_meta(connection, "next_photo", last + 1)
}

fn set_labels(
    connection: &Connection,
    labels: &[(PhotoId, Option<ClassId>)],
    source: LabelSource,
    predicted: &[(PhotoId, ClassId)],
    occasion: Occasion,
) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached("UPDATE photos SET label = ?2 WHERE id = ?1")?;
    let mut log = connection.prepare_cached(
        "INSERT INTO label_events (photo, class, source, at_ms, predicted) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let predicted: HashMap<PhotoId, ClassId> = predicted.iter().copied().collect();
    let reason = occasion.reason.unwrap_or(source.name());
    for &(photo, class) in labels {
        let class = class.map(|class| class.0);
        update.execute(params![photo.0, class])?;
        let predicted = predicted.get(&photo).map(|class| class.0);
        log.execute(params![photo.0, class, reason, occasion.at_ms, predicted])?;
    }
    Ok(())
}

fn set_further_labels(
    connection: &Connection,
    photos: &[(PhotoId, Vec<ClassId>)],
) -> rusqlite::Result<()> {
    let mut clear = connection.prepare_cached("DELETE FROM further_labels WHERE photo = ?1")?;
    for (photo, classes) in photos {
        clear.execute([photo.0])?;
        add_further_labels(connection, *photo, classes)?;
    }
    Ok(())
}

fn add_further_labels(
    connection: &Connection,
    photo: PhotoId,
    classes: &[ClassId],
) -> rusqlite::Result<()> {
    if classes.is_empty() {
        return Ok(());
    }
    let mut add =
        connection.prepare_cached("INSERT INTO further_labels (photo, class) VALUES (?1, ?2)")?;
    classes
        .iter()
        .try_for_each(|class| add.execute([photo.0, class.0]).map(drop))
}

fn put_settings(connection: &Connection, settings: &Settings) -> rusqlite::Result<()> {
    let Settings {
        method,
        alpha,
        beta,
        gamma,
        options,
        auto_tuned,
        use_class_names,
        learn_from_labels,
        label_limit,
        multi_label,
        adapter,
        model,
    } = settings;
    let options = serde_json::to_string(options)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO settings (id, method, alpha, beta, gamma, auto_tuned, use_class_names, learn_from_labels, adapter, model, method_options, multi_label)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            method,
            alpha,
            beta,
            gamma,
            auto_tuned,
            use_class_names,
            label_limit.to_row(*learn_from_labels),
            adapter,
            model,
            options,
            multi_label
        ])
        .map(drop)
}

fn shot_of(role: Role) -> Option<i64> {
    match role {
        Role::Shot(class) => Some(class.0),
        Role::Pool => None,
    }
}

/// The source of the last label of every photo that has one; undoing and redoing is a person's doing.
pub(super) fn read_label_sources(
    connection: &Connection,
) -> rusqlite::Result<HashMap<PhotoId, String>> {
    let mut statement = connection.prepare(
        "SELECT photo, source FROM label_events WHERE id IN (SELECT max(id) FROM label_events GROUP BY photo)",
    )?;
    let rows = statement.query_map((), |row| {
        let source: String = row.get(1)?;
        let is_step = source == "undo" || source == "redo";
        let source = if is_step {
            LabelSource::User.name().to_owned()
        } else {
            source
        };
        Ok((PhotoId(row.get(0)?), source))
    })?;
    rows.collect()
}
