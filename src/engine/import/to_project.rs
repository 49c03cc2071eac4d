//! A list that was read, as an edit of a project: one step, which undo takes back whole.

use std::path::Path;

use super::{ImportError, Imported};
use crate::ids::{ClassId, PhotoId};
use crate::project::{self, Edit, FileStamp, LabelSource, ProjectState, Role, Settings, apply};

impl Imported {
    /// The edit that adds everything to a project. Classes that it has are used, photos that it has get their label.
    pub fn edit(&self, state: &mut ProjectState) -> Edit {
        self.edit_stamped(state, project::stamp)
    }

    /// The same, told how each file looks.
    pub fn edit_stamped(
        &self,
        state: &mut ProjectState,
        stamp: impl Fn(&Path) -> FileStamp,
    ) -> Edit {
        let mut edits = Vec::new();
        let classes: Vec<(String, ClassId)> = self
            .classes
            .iter()
            .map(|name| (name.clone(), class_id(name, state, &mut edits)))
            .collect();
        let class_of = |label: &String| {
            let mut known = classes.iter();
            known.find(|(name, _)| name == label).map(|(_, id)| *id)
        };
        let mut unsure = Vec::new();
        let (mut photos, mut labels): (Vec<_>, Vec<(PhotoId, Vec<ClassId>)>) = Default::default();
        for imported in &self.photos {
            let class = imported.label.as_ref().and_then(class_of);
            let role = match class {
                Some(class) if imported.is_shot => Role::Shot(class),
                _ => Role::Pool,
            };
            let id = state.photo_at(&imported.path).unwrap_or_else(|| {
                let known = imported.known;
                let file = known.unwrap_or_else(|| stamp(&imported.path));
                let photo = state.new_photo(&imported.path, role, file);
                let id = photo.id;
                photos.push(photo);
                id
            });
            if imported.is_unsure {
                unsure.push((id, true));
            }
            if class.is_some() && !imported.is_shot {
                let further = imported.also.iter().filter_map(class_of);
                labels.push((id, class.into_iter().chain(further).collect()));
            }
        }
        edits.push(Edit::AddPhotos(photos));
        // The project then goes on as the list begins.
        if labels.iter().any(|(_, classes)| classes.len() > 1) {
            edits.push(Edit::SetSettings(Settings {
                multi_label: true,
                ..state.settings().clone()
            }));
        }
        edits.push(Edit::labels(labels, LabelSource::Import));
        if !unsure.is_empty() {
            edits.push(Edit::SetUnsure(unsure));
        }
        Edit::Batch {
            title: Some(format!("Import {} photos", self.photos.len())),
            edits,
        }
    }

    /// A new project with everything in it.
    pub fn project(&self) -> Result<ProjectState, ImportError> {
        let mut state = ProjectState::new();
        let edit = self.edit(&mut state);
        apply(&mut state, edit)?;
        Ok(state)
    }
}

/// The class of this name; one that is new comes last in the list.
fn class_id(name: &str, state: &mut ProjectState, edits: &mut Vec<Edit>) -> ClassId {
    if let Some(class) = state.class_named(name) {
        return class.id;
    }
    let mut class = state.new_class(name);
    let num_new = edits.len() as u32;
    class.position += num_new;
    class.colour = class.colour.saturating_add(num_new as u8);
    let id = class.id;
    edits.push(Edit::AddClass(class));
    id
}
