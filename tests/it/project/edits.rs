//! Edits in memory: every one can be undone, none is half done.

use std::path::Path;

use shotlens::ids::{ClassId, PhotoId};
use shotlens::project::{Edit, EditError, LabelSource, ProjectState, Role, Settings, apply};

use super::{Random, new_photos, snapshot};

#[test]
fn applying_an_edit_and_its_inverse_restores_the_project_exactly() {
    let (mut num_applied, mut num_refused) = (0, 0);
    for seed in 0..30 {
        let mut random = Random(seed);
        let mut state = ProjectState::new();
        for _ in 0..60 {
            let edit = random.edit(&mut state, Path::new("/photos"));
            let before = snapshot(&state);
            let Ok(inverse) = apply(&mut state, edit.clone()) else {
                assert_eq!(
                    snapshot(&state),
                    before,
                    "a refused edit changed something: {edit:?}"
                );
                num_refused += 1;
                continue;
            };
            let after = snapshot(&state);
            let again = apply(&mut state, inverse).unwrap();
            assert_eq!(snapshot(&state), before, "undone: {edit:?}");
            apply(&mut state, again).unwrap();
            assert_eq!(snapshot(&state), after, "redone: {edit:?}");
            num_applied += 1;
        }
    }
    assert!(
        num_applied > 900 && num_refused > 90,
        "{num_applied} applied, {num_refused} refused"
    );
}

/// Classes "hat" and "dress"; three photos in the pool, one shot of "hat".
fn small_project() -> (ProjectState, [ClassId; 2], Vec<PhotoId>) {
    let mut state = ProjectState::new();
    let classes = ["hat", "dress"].map(|name| {
        let class = state.new_class(name);
        apply(&mut state, Edit::AddClass(class.clone())).unwrap();
        class.id
    });
    let mut photos = new_photos(&mut state, Path::new("/photos"), 4);
    photos[3].role = Role::Shot(classes[0]);
    let ids = photos.iter().map(|photo| photo.id).collect();
    apply(&mut state, Edit::AddPhotos(photos)).unwrap();
    (state, classes, ids)
}

#[test]
fn removing_a_class_takes_its_shots_along_and_clears_its_labels() {
    let (mut state, [hat, _], photos) = small_project();
    apply(
        &mut state,
        Edit::label(photos[0], Some(hat), LabelSource::User),
    )
    .unwrap();
    let before = snapshot(&state);
    let inverse = apply(&mut state, Edit::RemoveClass(hat)).unwrap();
    assert_eq!(state.photo(photos[3]), None);
    assert_eq!(state.photo(photos[0]).unwrap().label, None);
    apply(&mut state, inverse).unwrap();
    assert_eq!(snapshot(&state), before);
}

#[test]
fn a_batch_with_one_bad_edit_changes_nothing() {
    let (mut state, [hat, dress], photos) = small_project();
    let before = snapshot(&state);
    let edits = vec![
        Edit::RemoveClass(dress),
        Edit::label(photos[1], Some(hat), LabelSource::User),
        Edit::label(photos[1], Some(dress), LabelSource::User),
    ];
    let error = apply(&mut state, Edit::Batch { title: None, edits }).unwrap_err();
    assert_eq!(error, EditError::UnknownClass { id: dress });
    assert_eq!(snapshot(&state), before);
}

#[test]
fn a_new_class_takes_the_lowest_colour_that_is_free() {
    let (mut state, [hat, _], _) = small_project();
    assert_eq!(state.new_class("skirt").colour, 2);
    apply(&mut state, Edit::RemoveClass(hat)).unwrap();
    assert_eq!(state.new_class("skirt").colour, 0);
}

#[test]
fn prompts_follow_a_renamed_class() {
    let (mut state, [hat, _], _) = small_project();
    apply(
        &mut state,
        Edit::RenameClass {
            id: hat,
            name: "cap".to_owned(),
        },
    )
    .unwrap();
    assert_eq!(state.class(hat).unwrap().texts(), ["a photo of a cap"]);
}

#[test]
fn names_and_photos_are_unique() {
    let (mut state, [hat, _], photos) = small_project();
    let taken = apply(
        &mut state,
        Edit::RenameClass {
            id: hat,
            name: "dress".to_owned(),
        },
    );
    assert_eq!(
        taken,
        Err(EditError::NameTaken {
            name: "dress".to_owned()
        })
    );
    let mut again = state.photo(photos[0]).unwrap().clone();
    again.id = PhotoId(77);
    let path = again.path.to_path_buf();
    let error = apply(&mut state, Edit::AddPhotos(vec![again])).unwrap_err();
    assert_eq!(error, EditError::PathTaken { path });
}

#[test]
fn a_parameter_that_is_no_number_is_refused() {
    let (mut state, ..) = small_project();
    let settings = Settings {
        beta: f64::NAN,
        ..Settings::default()
    };
    let error = apply(&mut state, Edit::SetSettings(settings)).unwrap_err();
    assert!(error.to_string().contains("beta"), "{error}");
}

#[test]
fn the_undo_menu_says_what_an_edit_does() {
    let (state, [hat, dress], photos) = small_project();
    let source = LabelSource::User;
    let labels = photos[..3]
        .iter()
        .map(|&photo| (photo, Some(hat)))
        .collect();
    let says = |edit: Edit| edit.describe(&state);
    assert_eq!(
        says(Edit::SetLabels {
            labels,
            source,
            predicted: Vec::new()
        }),
        "Label 3 photos as hat"
    );
    assert_eq!(
        says(Edit::label(photos[0], None, source)),
        "Clear the label of 1 photo"
    );
    assert_eq!(says(Edit::RemoveClass(dress)), "Remove class dress");
    assert_eq!(
        says(Edit::SetRoles(vec![(photos[0], Role::Shot(dress))])),
        "Make 1 photo shots of dress"
    );
    let settings = Settings {
        alpha: 1.17,
        auto_tuned: false,
        ..Settings::default()
    };
    assert_eq!(says(Edit::SetSettings(settings)), "Set α to 1.17");
}
