//! Photos with several labels: edits, their inverses, the file.

use std::path::Path;

use rusqlite::Connection;
use shotlens::ids::{ClassId, PhotoId};
use shotlens::project::{
    Edit, EditError, LabelSource, Project, ProjectState, Saving, Settings, apply,
};

use super::{new_photos, no_wake, snapshot, stored};

fn label_sets(labels: Vec<(PhotoId, Vec<ClassId>)>) -> Edit {
    Edit::SetLabelSets {
        labels,
        source: LabelSource::User,
        predicted: Vec::new(),
    }
}

fn labels_of(state: &ProjectState, photo: PhotoId) -> Vec<ClassId> {
    state.photo(photo).unwrap().labels().collect()
}

/// Three classes and two photos in the pool.
fn small_project() -> (ProjectState, [ClassId; 3], [PhotoId; 2]) {
    let mut state = ProjectState::new();
    let classes = ["hat", "coat", "shoe"].map(|name| {
        let class = state.new_class(name);
        apply(&mut state, Edit::AddClass(class.clone())).unwrap();
        class.id
    });
    let photos = new_photos(&mut state, Path::new("/photos"), 2);
    let ids = [photos[0].id, photos[1].id];
    apply(&mut state, Edit::AddPhotos(photos)).unwrap();
    (state, classes, ids)
}

#[test]
fn the_main_label_comes_first_and_no_class_twice() {
    let (mut state, [hat, coat, shoe], [first, second]) = small_project();
    let before = snapshot(&state);
    let edit = label_sets(vec![
        (first, vec![shoe, coat, hat, shoe, coat]),
        (second, vec![coat]),
    ]);
    assert_eq!(edit.describe(&state), "Label 2 photos");
    let inverse = apply(&mut state, edit).unwrap();
    assert_eq!(labels_of(&state, first), [shoe, hat, coat]);
    assert_eq!(state.num_labelled(coat), 2);
    apply(&mut state, inverse).unwrap();
    assert_eq!(snapshot(&state), before);

    let unknown = ClassId(99);
    let refused = apply(&mut state, label_sets(vec![(first, vec![hat, unknown])]));
    assert_eq!(refused, Err(EditError::UnknownClass { id: unknown }));
    assert_eq!(snapshot(&state), before);
}

#[test]
fn one_label_in_the_place_of_several_can_be_taken_back() {
    let (mut state, [hat, coat, shoe], [photo, _]) = small_project();
    let set = label_sets(vec![(photo, vec![hat, coat])]);
    assert_eq!(set.describe(&state), "Label 1 photo as hat, coat");
    apply(&mut state, set).unwrap();
    let before = snapshot(&state);
    let single = Edit::label(photo, Some(shoe), LabelSource::User);
    let inverse = apply(&mut state, single).unwrap();
    assert_eq!(labels_of(&state, photo), [shoe]);
    apply(&mut state, inverse).unwrap();
    assert_eq!(snapshot(&state), before);
}

#[test]
fn without_its_class_a_label_is_followed_by_the_next_one() {
    let (mut state, [hat, coat, shoe], [first, second]) = small_project();
    let labels = vec![(first, vec![coat, hat, shoe]), (second, vec![hat, coat])];
    apply(&mut state, label_sets(labels)).unwrap();
    let before = snapshot(&state);
    let inverse = apply(&mut state, Edit::RemoveClass(coat)).unwrap();
    assert_eq!(labels_of(&state, first), [hat, shoe]);
    assert_eq!(labels_of(&state, second), [hat]);
    apply(&mut state, inverse).unwrap();
    assert_eq!(snapshot(&state), before);
}

/// A project file in `folder` with photos that have several labels.
fn make_project(folder: &Path) -> (Project, [ClassId; 3], [PhotoId; 2]) {
    let (mut state, classes, [first, second]) = small_project();
    let [hat, coat, _] = classes;
    let label = Edit::label(first, Some(hat), LabelSource::User);
    apply(&mut state, label).unwrap();
    let path = folder.join("coats.shotlens");
    let mut project = Project::create(&path, state, no_wake()).unwrap();
    let settings = Settings {
        multi_label: true,
        ..Settings::default()
    };
    project.perform(Edit::SetSettings(settings)).unwrap();
    assert_eq!(
        project.history().undo_description(),
        Some("Turn several labels a photo on")
    );
    let labels = vec![(first, vec![hat, coat]), (second, vec![coat, hat])];
    project.perform(label_sets(labels)).unwrap();
    (project, classes, [first, second])
}

#[test]
fn the_file_keeps_all_labels_and_their_history() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coats.shotlens");
    let (mut project, [hat, coat, shoe], [first, second]) = make_project(folder.path());
    let memory = snapshot(project.state());
    assert!(project.flush(), "{:?}", project.saving());
    drop(project);
    assert_eq!(stored(&path), memory);

    let mut project = Project::open(&path, no_wake()).unwrap();
    project.perform(Edit::RemovePhotos(vec![second])).unwrap();
    project.perform(Edit::RemoveClass(hat)).unwrap();
    assert_eq!(labels_of(project.state(), first), [coat]);
    assert!(project.flush(), "{:?}", project.saving());
    let (memory, file) = (snapshot(project.state()), path.clone());
    drop(project);
    assert_eq!(stored(&file), memory);

    let mut project = Project::open(&path, no_wake()).unwrap();
    assert!(project.undo().unwrap() && project.undo().unwrap());
    assert_eq!(labels_of(project.state(), first), [hat, coat]);
    assert_eq!(labels_of(project.state(), second), [coat, hat]);
    assert_eq!(project.state().num_labelled(shoe), 0);
    let memory = snapshot(project.state());
    assert!(project.flush(), "{:?}", project.saving());
    drop(project);
    assert_eq!(stored(&path), memory);
}

#[test]
fn a_further_label_is_no_line_in_the_history_of_labels() {
    let folder = tempfile::tempdir().unwrap();
    let (project, [hat, coat, _], [first, second]) = make_project(folder.path());
    drop(project);
    let connection = Connection::open(folder.path().join("coats.shotlens")).unwrap();
    let events: Vec<(i64, i64)> = connection
        .prepare("SELECT photo, class FROM label_events ORDER BY id")
        .unwrap()
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(!events.contains(&(first.0, coat.0)), "{events:?}");
    assert!(!events.contains(&(second.0, hat.0)), "{events:?}");
    assert!(events.contains(&(second.0, coat.0)), "{events:?}");
}

/// A file as version 3 wrote it, with one label a photo.
fn make_version_3(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("coats.shotlens");
    drop(make_project(folder));
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "DROP TABLE further_labels; ALTER TABLE settings DROP COLUMN multi_label;
             PRAGMA user_version = 3; PRAGMA wal_checkpoint(TRUNCATE)",
        )
        .unwrap();
    path
}

#[test]
fn a_project_of_version_3_climbs_and_then_takes_several_labels() {
    let folder = tempfile::tempdir().unwrap();
    let path = make_version_3(folder.path());
    let mut project = Project::open(&path, no_wake()).unwrap();
    assert!(!project.state().settings().multi_label);
    let (photo, classes) = (
        project.state().photos()[0].clone(),
        project.state().classes().to_vec(),
    );
    assert_eq!(photo.labels().collect::<Vec<_>>(), [classes[0].id]);
    let labels = vec![(photo.id, vec![classes[0].id, classes[2].id])];
    project.perform(label_sets(labels)).unwrap();
    assert!(project.flush(), "{:?}", project.saving());
    let memory = snapshot(project.state());
    drop(project);
    assert_eq!(stored(&path), memory);
}

#[test]
fn a_project_of_version_3_can_be_looked_at_where_it_cannot_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = make_version_3(folder.path());
    let before = std::fs::read(&path).unwrap();
    // A folder where the lock belongs: nobody gets the lock.
    std::fs::create_dir(folder.path().join("coats.shotlens.lock")).unwrap();
    let project = Project::open(&path, no_wake()).unwrap();
    assert!(matches!(project.saving(), Saving::ReadOnly { .. }));
    assert_eq!(project.state().photos().len(), 2);
    assert!(
        project
            .state()
            .photos()
            .iter()
            .all(|photo| photo.also.is_empty())
    );
    assert!(!project.state().settings().multi_label);
    drop(project);
    assert!(std::fs::read(&path).unwrap() == before, "the bytes changed");
}
