//! Undo and redo: unlimited, and across a restart.

use shotlens::project::{Edit, Project, ProjectFile, ProjectState, Saving, Settings};

use super::{Random, no_wake, snapshot, stored};

fn with_alpha(state: &ProjectState, alpha: f64) -> Edit {
    Edit::SetSettings(Settings {
        alpha,
        auto_tuned: false,
        ..state.settings().clone()
    })
}

#[test]
fn the_file_equals_the_memory_after_every_edit_undo_and_redo() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 100..104 {
        let path = folder.path().join(format!("{seed}.shotlens"));
        let mut random = Random(seed);
        drop(ProjectFile::create(&path, &ProjectState::new()).unwrap());
        for _ in 0..15 {
            // A new opening each time: what is undone below was done before a restart.
            let mut project = Project::open(&path, no_wake()).unwrap();
            for _ in 0..5 {
                match random.below(5) {
                    0 => drop(project.undo().unwrap()),
                    1 => drop(project.redo().unwrap()),
                    _ => {
                        let edit = random.edit(project.state_mut(), folder.path());
                        // Some do not fit; nothing may be written then.
                        drop(project.perform(edit));
                    }
                }
            }
            assert!(project.flush(), "{:?}", project.saving());
            let memory = snapshot(project.state());
            drop(project);
            assert_eq!(stored(&path), memory, "seed {seed}");
        }
    }
}

#[test]
fn a_long_history_is_undone_and_redone_to_its_ends_after_a_restart() {
    const NUM_EDITS: u32 = 2_600;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.shotlens");
    let mut project = Project::create(&path, ProjectState::new(), no_wake()).unwrap();
    let empty = snapshot(project.state());
    for number in 1..=NUM_EDITS {
        let edit = with_alpha(project.state(), f64::from(number));
        project.end_gesture();
        project.perform(edit).unwrap();
    }
    let full = snapshot(project.state());
    drop(project);

    let mut project = Project::open(&path, no_wake()).unwrap();
    assert_eq!(project.history().num_done(), u64::from(NUM_EDITS));
    for number in (1..=NUM_EDITS).rev() {
        assert_eq!(
            project.state().settings().alpha.to_bits(),
            f64::from(number).to_bits()
        );
        // The steps that are not in memory yet arrive behind the first ones.
        project.poll();
        assert!(project.undo().unwrap() || (project.flush() && project.undo().unwrap()));
    }
    assert!(!project.undo().unwrap());
    assert_eq!(snapshot(project.state()), empty);
    drop(project);

    let mut project = Project::open(&path, no_wake()).unwrap();
    assert_eq!(project.history().num_undone(), u64::from(NUM_EDITS));
    for _ in 0..NUM_EDITS {
        project.poll();
        assert!(project.redo().unwrap() || (project.flush() && project.redo().unwrap()));
    }
    assert!(!project.redo().unwrap());
    assert_eq!(snapshot(project.state()), full);
    drop(project);
    assert_eq!(stored(&path), full);
}

#[test]
fn an_edit_after_an_undo_forgets_what_was_undone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coats.shotlens");
    let mut project = Project::create(&path, ProjectState::new(), no_wake()).unwrap();
    for name in ["hat", "dress", "skirt"] {
        let class = project.state_mut().new_class(name);
        project.perform(Edit::AddClass(class)).unwrap();
    }
    assert!(project.undo().unwrap());
    assert!(project.undo().unwrap());
    assert_eq!(
        project.history().redo_description(),
        Some("Add class dress")
    );
    let class = project.state_mut().new_class("coat");
    project.perform(Edit::AddClass(class)).unwrap();
    assert!(!project.redo().unwrap());
    drop(project);

    let mut project = Project::open(&path, no_wake()).unwrap();
    assert_eq!(project.history().undo_description(), Some("Add class coat"));
    assert_eq!(
        (project.history().num_done(), project.history().num_undone()),
        (2, 0)
    );
    assert!(!project.redo().unwrap());
    let names: Vec<&str> = project
        .state()
        .classes()
        .iter()
        .map(|class| class.name.as_str())
        .collect();
    assert_eq!(names, ["hat", "coat"]);
}

#[test]
fn a_slider_drag_is_one_step_and_letting_go_begins_another() {
    let mut project = Project::without_file(ProjectState::new());
    let beta_before = project.state().settings().beta;
    for alpha in [1.1, 1.2, 1.3] {
        let edit = with_alpha(project.state(), alpha);
        project.perform(edit).unwrap();
    }
    assert_eq!(project.history().num_done(), 1);
    project.end_gesture();
    let edit = with_alpha(project.state(), 1.4);
    project.perform(edit).unwrap();
    assert_eq!(project.history().num_done(), 2);
    let beta = Settings {
        beta: 9.0,
        ..project.state().settings().clone()
    };
    project.perform(Edit::SetSettings(beta)).unwrap();
    assert_eq!(project.history().num_done(), 3, "another slider");

    for alpha in [1.4, 1.3, 1.0] {
        assert!(project.undo().unwrap());
        assert!((project.state().settings().alpha - alpha).abs() < 1e-12);
    }
    assert!((project.state().settings().beta - beta_before).abs() < 1e-12);
    assert!(
        project.state().settings().auto_tuned,
        "the badge comes back with the value"
    );
    assert_eq!(project.saving(), &Saving::NoFile);
}

#[test]
fn the_first_touch_of_a_tuned_slider_begins_one_step_too() {
    let mut project = Project::without_file(ProjectState::new());
    // α moves; β stays where tuning had put it, which the settings did not say so far.
    for alpha in [1.1, 1.2] {
        let settings = Settings {
            alpha,
            beta: 9.0,
            auto_tuned: false,
            ..Settings::default()
        };
        project.perform(Edit::SetSettings(settings)).unwrap();
    }
    assert_eq!(project.history().num_done(), 1);
    let settings = Settings {
        beta: 9.5,
        ..project.state().settings().clone()
    };
    project.perform(Edit::SetSettings(settings)).unwrap();
    assert_eq!(project.history().num_done(), 1, "β was part of the step");
    let settings = Settings {
        gamma: 0.3,
        ..project.state().settings().clone()
    };
    project.perform(Edit::SetSettings(settings)).unwrap();
    assert_eq!(project.history().num_done(), 2);
}

#[test]
fn a_merged_drag_is_one_step_after_a_restart_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coats.shotlens");
    let mut project = Project::create(&path, ProjectState::new(), no_wake()).unwrap();
    for alpha in [2.0, 3.0, 4.7] {
        let edit = with_alpha(project.state(), alpha);
        project.perform(edit).unwrap();
    }
    drop(project);
    let mut project = Project::open(&path, no_wake()).unwrap();
    assert!(project.undo().unwrap());
    assert_eq!(project.state().settings(), &Settings::default());
    assert!(project.redo().unwrap());
    assert!((project.state().settings().alpha - 4.7).abs() < 1e-12);
}
