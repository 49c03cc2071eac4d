//! Classes as wholes: merged, dissolved.

use super::{App, Filter};
use crate::ids::{ClassId, PhotoId};
use crate::project::{Edit, LabelSource, Role};

impl App {
    /// Merges a class into another: its shots and labels become the other's, its prompts go.
    pub(super) fn merge_class(&mut self, from: ClassId, into: ClassId) {
        if from == into {
            return;
        }
        let project = self.project();
        let (Some(gone), Some(kept)) = (project.class(from), project.class(into)) else {
            return;
        };
        let title = format!("Merge {} into {}", gone.name, kept.name);
        let shots = project.shots(from).iter();
        let roles = shots.map(|photo| (*photo, Role::Shot(into)));
        let labelled = project.photos().iter();
        let labelled = labelled.filter(|photo| photo.shows(from));
        let labels = labelled.map(|photo| (photo.id, photo.labels_with(into, from)));
        let edits = vec![
            Edit::SetRoles(roles.collect()),
            Edit::labels(labels.collect(), LabelSource::User),
            Edit::RemoveClass(from),
        ];
        let is_shown = self.gallery.filter == Filter::Class(from);
        let title = Some(title);
        if self.perform(Edit::Batch { title, edits }) && is_shown {
            self.gallery.filter = Filter::Class(into);
            self.refresh_gallery();
        }
    }

    /// Removes a class; its shots go to the pool, where they wait for another label.
    pub(super) fn dissolve_class(&mut self, class: ClassId) {
        let project = self.project();
        let Some(gone) = project.class(class) else {
            return;
        };
        let title = Some(format!("Remove class {}", gone.name));
        let shots = project.shots(class).iter();
        let roles: Vec<(PhotoId, Role)> = shots.map(|photo| (*photo, Role::Pool)).collect();
        let edits = vec![Edit::SetRoles(roles), Edit::RemoveClass(class)];
        self.perform(Edit::Batch { title, edits });
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::app::Command;

    /// Two classes with two shots each, and two photos labelled as one class each.
    fn two_classes() -> (App, [ClassId; 2]) {
        let mut app = App::default();
        let ids = ["hat", "cap"].map(|name| {
            app.apply(Command::AddClass(name.to_owned()));
            app.project().class_named(name).unwrap().id
        });
        for (class, id) in ids.into_iter().enumerate() {
            for shot in 0..2 {
                app.add_photo(&format!("{class}/{shot}.jpg"), Role::Shot(id));
            }
            let photo = app.add_photo(&format!("{class}.jpg"), Role::Pool);
            app.apply(Command::Label(vec![photo], Some(id)));
        }
        (app, ids)
    }

    #[test]
    fn a_merged_class_gives_shots_and_labels_and_undo_gives_them_back() {
        let (mut app, [hat, cap]) = two_classes();
        app.apply(Command::MergeClass(cap, hat));
        assert_eq!(app.project().classes().len(), 1);
        assert_eq!(app.project().shots(hat).len(), 4);
        assert_eq!(app.project().num_labelled(hat), 2);
        app.apply(Command::Undo);
        assert_eq!(app.project().shots(cap).len(), 2);
        assert_eq!(app.project().num_labelled(cap), 1);
    }

    #[test]
    fn a_dissolved_class_leaves_its_photos_unlabelled_in_the_pool() {
        let (mut app, [hat, _]) = two_classes();
        app.apply(Command::DissolveClass(hat));
        let project = app.project();
        assert_eq!((project.pool().len(), project.photos().len()), (4, 6));
        let labels = project
            .pool()
            .iter()
            .filter(|photo| project.photo(**photo).unwrap().label.is_some());
        assert_eq!(labels.count(), 1);
    }
}
