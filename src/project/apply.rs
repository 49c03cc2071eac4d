//! Doing an edit, and its undoing.
//!
//! [`apply`] changes the state and gives back the inverse edit: applying that restores the state exactly. What it changed is also said row by row ([`RowChange`]), so that the file is written from the same decisions and never reasons about edits itself.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;

use crate::ids::{ClassId, PhotoId};
use crate::project::edit::{Edit, EditError, LabelSource, RowChange};
use crate::project::state::{Class, Judgement, Photo, ProjectState, Role, Settings};

/// Applies `edit` and returns its inverse. On an error nothing has changed.
pub fn apply(state: &mut ProjectState, edit: Edit) -> Result<Edit, EditError> {
    apply_recording(state, edit, &mut Vec::new())
}

/// As [`apply`], and appends to `changes` what the file has to write.
pub fn apply_recording(
    state: &mut ProjectState,
    edit: Edit,
    changes: &mut Vec<RowChange>,
) -> Result<Edit, EditError> {
    match edit {
        Edit::AddClass(class) => add_class(state, class, changes),
        Edit::RemoveClass(id) => remove_class(state, id, changes),
        Edit::RenameClass { id, name } => rename_class(state, id, name, changes),
        Edit::SetPrompts { id, prompts } => set_prompts(state, id, prompts, changes),
        Edit::MoveClass { id, to } => move_class(state, id, to, changes),
        Edit::AddPhotos(photos) => add_photos(state, photos, changes),
        Edit::RemovePhotos(ids) => remove_photos(state, ids, changes),
        Edit::SetRoles(roles) => set_roles(state, roles, changes),
        Edit::SetLabels {
            labels,
            source,
            predicted,
        } => {
            let labels = labels.into_iter();
            let sets = labels.map(|(id, label)| (id, label.into_iter().collect()));
            set_labels(state, sets.collect(), source, predicted, changes)
        }
        Edit::SetLabelSets {
            labels,
            source,
            predicted,
        } => set_labels(state, labels, source, predicted, changes),
        Edit::SetUnsure(unsure) => set_unsure(state, unsure, changes),
        Edit::SetColour { id, colour } => set_colour(state, id, colour, changes),
        Edit::SetSettings(settings) => set_settings(state, settings, changes),
        Edit::Batch { title, edits } => batch(state, title, edits, changes),
    }
}

fn add_class(
    state: &mut ProjectState,
    class: Class,
    changes: &mut Vec<RowChange>,
) -> Result<Edit, EditError> {
    let id = class.id;
    if state.class(id).is_some() {
        return Err(EditError::IdTaken { id: id.0 });
    }
    check_name(state, id, &class.name)?;
    state.insert_class(class);
    let at = state.class(id).map_or(0, |class| class.position as usize);
    put_classes(state, at.., changes);
    Ok(Edit::RemoveClass(id))
}

fn remove_class(
    state: &mut ProjectState,
    id: ClassId,
    changes: &mut Vec<RowChange>,
) -> Result<Edit, EditError> {
    let class = state.take_class(id).ok_or(EditError::UnknownClass { id })?;
    let shots = state.take_photos(|photo| photo.role == Role::Shot(id));
    if !shots.is_empty() {
        changes.push(RowChange::DeletePhotos(
            shots.iter().map(|photo| photo.id).collect(),
        ));
    }
    let labelled = state.photos().iter().filter(|photo| photo.shows(id));
    let rest: Vec<(PhotoId, Vec<ClassId>)> = labelled
        .map(|photo| (photo.id, photo.labels_without(id)))
        .collect();
    let relabelled = relabel(state, rest, LabelSource::User, Vec::new(), changes);
    changes.push(RowChange::DeleteClass(id));
    put_classes(state, class.position as usize.., changes);

    let mut edits = vec![Edit::AddClass(class)];
    if !shots.is_empty() {
        edits.push(Edit::AddPhotos(shots));
    }
    edits.extend(relabelled);
    Ok(Edit::Batch { title: None, edits })
}

fn rename_class(
    state: &mut ProjectState,
    id: ClassId,
    name: String,
    changes: &mut Vec<RowChange>,
) -> Result<Edit, EditError> {
    check_name(state, id, &name)?;
    let class = state.class_mut(id).ok_or(EditError::UnknownClass { id })?;
    let name = std::mem::replace(&mut class.name, name);
    changes.push(RowChange::PutClass(class.clone()));
    Ok(Edit::RenameClass { id, name })
}

fn set_prompts(
    state: &mut ProjectState,
    id: ClassId,
    prompts: Vec<String>,
    changes: &mut Vec<RowChange>,
) -> Result<Edit, EditError> {
    let class = state.class_mut(id).ok_or(EditError::UnknownClass { id })?;
    let prompts = std::mem::replace(&mut class.prompts, prompts);
    changes.push(RowChange::PutClass(class.clone()));
    Ok(Edit::SetPrompts { id, prompts })
}

fn move_class(
    state: &mut ProjectState,
    id: ClassId,
    to: u32,
    changes: &mut Vec<RowChange>,
) -> Result<Edit, EditError> {
    let mut class = state.take_class(id).ok_or(EditError::UnknownClass { id })?;
    let from = class.position;
    let to = to.min(state.classes().len() as u32);
    class.position = to;
    state.insert_class(class);
    put_classes(
        state,
        from.min(to) as usize..from.max(to) as usize + 1,
        changes,
    );
    Ok(Edit::MoveClass { id, to: from })
}

fn add_photos(
    state: &mut ProjectState,
    mut photos: Vec<Photo>,
    changes: &mut Vec<RowChange>,
) -> Result<Edit, EditError> {
    check_new_photos(state, &photos)?;
    for photo in &mut photos {
        let labels: Vec<ClassId> = photo.labels().collect();
        photo.set_labels(&labels);
    }
    let ids = photos.iter().map(|photo| photo.id).collect();
    changes.push(RowChange::InsertPhotos(photos.clone()));
    state.insert_photos(photos);
    Ok(Edit::RemovePhotos(ids))
}

fn remove_photos(
    state: &mut ProjectState,
    ids: Vec<PhotoId>,
    changes: &mut Vec<RowChange>,
) -> Result<Edit, EditError> {
    for &id in &ids {
        check_photo(state, id)?;
    }
    let leaving: HashSet<PhotoId> = ids.iter().copied().collect();
    let taken = state.take_photos(|photo| leaving.contains(&photo.id));
    changes.push(RowChange::DeletePhotos(ids));
    Ok(Edit::AddPhotos(taken))
}

fn set_roles(
    state: &mut ProjectState,
    roles: Vec<(PhotoId, Role)>,
    changes: &mut Vec<RowChange>,
) -> Result<Edit, EditError> {
    for &(id, role) in &roles {
        check_photo(state, id)?;
        if let Role::Shot(class) = role {
            check_class(state, class)?;
        }
    }
    let mut old: Vec<(PhotoId, Role)> = roles
        .iter()
        .filter_map(|&(id, role)| state.replace_role(id, role).map(|old| (id, old)))
        .collect();
    state.rebuild_members();
    // Backwards, so that a photo named twice gets its first role back.
    old.reverse();
    changes.push(RowChange::SetRoles(roles));
    Ok(Edit::SetRoles(old))
}

fn set_labels(
    state: &mut ProjectState,
    labels: Vec<(PhotoId, Vec<ClassId>)>,
    source: LabelSource,
    predicted: Vec<(PhotoId, ClassId)>,
    changes: &mut Vec<RowChange>,
) -> Result<Edit, EditError> {
    for (id, classes) in &labels {
        check_photo(state, *id)?;
        for class in classes {
            check_class(state, *class)?;
        }
    }
    let nothing = Edit::SetLabels {
        labels: Vec::new(),
        source,
        predicted: Vec::new(),
    };
    Ok(relabel(state, labels, source, predicted, changes).unwrap_or(nothing))
}

/// Sets the labels of photos that are there, the main one first; the inverse, unless there is nothing to do.
fn relabel(
    state: &mut ProjectState,
    labels: Vec<(PhotoId, Vec<ClassId>)>,
    source: LabelSource,
    predicted: Vec<(PhotoId, ClassId)>,
    changes: &mut Vec<RowChange>,
) -> Option<Edit> {
    let (mut old, mut main, mut also) = (Vec::new(), Vec::new(), Vec::new());
    for (id, classes) in labels {
        let before = state.replace_labels(id, &classes)?;
        let after = state.photo(id)?;
        // A further label alone is nothing for the history of the main ones; one given again is.
        let is_further =
            before.first() == classes.first() && (before.len() > 1 || classes.len() > 1);
        if !is_further {
            main.push((id, after.label));
        }
        if before.len() > 1 || !after.also.is_empty() {
            also.push((id, after.also.clone()));
        }
        old.push((id, before));
    }
    // Backwards, so that a photo named twice gets its first labels back.
    old.reverse();
    let is_any = !old.is_empty();
    state.add_judgements(judgements(&main, &predicted));
    if !main.is_empty() {
        changes.push(RowChange::SetLabels {
            labels: main,
            source,
            predicted,
        });
    }
    if !also.is_empty() {
        changes.push(RowChange::SetAlso(also));
    }
    is_any.then(|| Edit::labels(old, source))
}

/// The labels that were predicted or not.
fn judgements(
    labels: &[(PhotoId, Option<ClassId>)],
    predicted: &[(PhotoId, ClassId)],
) -> Vec<Judgement> {
    let predicted: HashMap<PhotoId, ClassId> = predicted.iter().copied().collect();
    let judged = labels.iter().filter_map(|(photo, label)| {
        Some(Judgement {
            photo: *photo,
            label: (*label)?,
            predicted: *predicted.get(photo)?,
        })
    });
    judged.collect()
}

fn set_unsure(
    state: &mut ProjectState,
    unsure: Vec<(PhotoId, bool)>,
    changes: &mut Vec<RowChange>,
) -> Result<Edit, EditError> {
    for &(id, _) in &unsure {
        check_photo(state, id)?;
    }
    let mut old: Vec<(PhotoId, bool)> = unsure
        .iter()
        .filter_map(|&(id, unsure)| state.replace_unsure(id, unsure))
        .collect();
    old.reverse();
    changes.push(RowChange::SetUnsure(unsure));
    Ok(Edit::SetUnsure(old))
}

fn set_colour(
    state: &mut ProjectState,
    id: ClassId,
    colour: u8,
    changes: &mut Vec<RowChange>,
) -> Result<Edit, EditError> {
    let class = state.class_mut(id).ok_or(EditError::UnknownClass { id })?;
    let colour = std::mem::replace(&mut class.colour, colour);
    changes.push(RowChange::PutClass(class.clone()));
    Ok(Edit::SetColour { id, colour })
}

fn set_settings(
    state: &mut ProjectState,
    settings: Settings,
    changes: &mut Vec<RowChange>,
) -> Result<Edit, EditError> {
    let Settings {
        alpha, beta, gamma, ..
    } = settings;
    for (parameter, value) in [("alpha", alpha), ("beta", beta), ("gamma", gamma)] {
        if !value.is_finite() {
            return Err(EditError::NotFinite {
                parameter,
                value: value.to_string(),
            });
        }
    }
    changes.push(RowChange::PutSettings(settings.clone()));
    Ok(Edit::SetSettings(state.replace_settings(settings)))
}

fn batch(
    state: &mut ProjectState,
    title: Option<String>,
    edits: Vec<Edit>,
    changes: &mut Vec<RowChange>,
) -> Result<Edit, EditError> {
    let num_changes = changes.len();
    let mut inverses = Vec::with_capacity(edits.len());
    for edit in edits {
        match apply_recording(state, edit, changes) {
            Ok(inverse) => inverses.push(inverse),
            Err(error) => {
                for inverse in inverses.into_iter().rev() {
                    apply(state, inverse)?;
                }
                changes.truncate(num_changes);
                return Err(error);
            }
        }
    }
    inverses.reverse();
    Ok(Edit::Batch {
        title,
        edits: inverses,
    })
}

fn check_name(state: &ProjectState, id: ClassId, name: &str) -> Result<(), EditError> {
    if name.trim().is_empty() {
        return Err(EditError::BlankName);
    }
    match state.class_named(name) {
        Some(other) if other.id != id => Err(EditError::NameTaken {
            name: name.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn check_class(state: &ProjectState, id: ClassId) -> Result<(), EditError> {
    state
        .class(id)
        .map(|_| ())
        .ok_or(EditError::UnknownClass { id })
}

fn check_photo(state: &ProjectState, id: PhotoId) -> Result<(), EditError> {
    state
        .photo_index(id)
        .map(|_| ())
        .ok_or(EditError::UnknownPhoto { id })
}

fn check_new_photos(state: &ProjectState, photos: &[Photo]) -> Result<(), EditError> {
    let mut ids = HashSet::with_capacity(photos.len());
    let mut paths: HashSet<&OsStr> = HashSet::with_capacity(photos.len());
    for photo in photos {
        if !ids.insert(photo.id) || state.photo_index(photo.id).is_some() {
            return Err(EditError::IdTaken { id: photo.id.0 });
        }
        if !photo.path.is_absolute() {
            return Err(EditError::RelativePath {
                path: photo.path.to_path_buf(),
            });
        }
        if !paths.insert(photo.path.as_os_str()) || state.photo_at(&photo.path).is_some() {
            return Err(EditError::PathTaken {
                path: photo.path.to_path_buf(),
            });
        }
        if let Role::Shot(class) = photo.role {
            check_class(state, class)?;
        }
        for class in photo.labels() {
            check_class(state, class)?;
        }
    }
    Ok(())
}

fn put_classes(
    state: &ProjectState,
    positions: impl std::slice::SliceIndex<[Class], Output = [Class]>,
    changes: &mut Vec<RowChange>,
) {
    let classes = state.classes().get(positions).unwrap_or_default();
    changes.extend(classes.iter().cloned().map(RowChange::PutClass));
}
