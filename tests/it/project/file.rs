//! The file itself: what it refuses, what it survives.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use shotlens::ids::PhotoId;
use shotlens::image_io::ContentHash;
use shotlens::project::{
    Access, Edit, FileStamp, LabelSource, MethodOptions, Project, ProjectError, ProjectFile,
    ProjectState, Saving, Settings, View,
};

use super::{new_photos, no_wake, snapshot, stored};

/// A project file with one class and `num_photos` photos beside it, closed again.
fn make_project(folder: &Path, num_photos: usize) -> PathBuf {
    let path = folder.join("coats.shotlens");
    let mut project = Project::create(&path, ProjectState::new(), no_wake()).unwrap();
    let class = project.state_mut().new_class("hat");
    project.perform(Edit::AddClass(class)).unwrap();
    let photos = new_photos(project.state_mut(), &folder.join("photos"), num_photos);
    project.perform(Edit::AddPhotos(photos)).unwrap();
    path
}

#[test]
fn a_second_opener_may_look_but_not_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = make_project(folder.path(), 3);
    let mut first = Project::open(&path, no_wake()).unwrap();
    let mut second = Project::open(&path, no_wake()).unwrap();
    assert_eq!(snapshot(second.state()), snapshot(first.state()));
    let Saving::ReadOnly { reason } = second.saving() else {
        panic!("{:?}", second.saving())
    };
    assert!(reason.contains(&std::process::id().to_string()), "{reason}");
    let before = snapshot(second.state());
    let class = second.state_mut().new_class("dress");
    let error = second.perform(Edit::AddClass(class.clone())).unwrap_err();
    assert!(matches!(error, ProjectError::ReadOnly { .. }), "{error}");
    assert!(matches!(second.undo(), Err(ProjectError::ReadOnly { .. })));
    assert_eq!(snapshot(second.state()), before);

    first.perform(Edit::AddClass(class)).unwrap();
    assert!(first.flush());
    drop(first);
    assert_eq!(
        ProjectFile::open(&path).unwrap().file.access(),
        &Access::Writable
    );
}

#[test]
fn a_closed_project_is_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = make_project(folder.path(), 3);
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(names, [path]);
}

#[test]
fn a_damaged_project_is_named_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = make_project(folder.path(), 2_000);
    let whole = std::fs::read(&path).unwrap();
    let mut overwritten = whole.clone();
    overwritten[4096 * 3..4096 * 12].fill(0xa5);
    let half = whole[..whole.len() / 2].to_vec();
    for damaged in [overwritten, half] {
        std::fs::write(&path, &damaged).unwrap();
        let error = ProjectFile::open(&path).unwrap_err();
        assert!(matches!(error, ProjectError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("coats.shotlens"), "{error}");
        assert!(
            std::fs::read(&path).unwrap() == damaged,
            "the bytes changed"
        );
    }
}

#[test]
fn what_is_no_project_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.shotlens");
    std::fs::write(
        &text,
        "not a database at all, but long enough to have a header".repeat(9),
    )
    .unwrap();
    let foreign = folder.path().join("foreign.shotlens");
    Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE t (a)")
        .unwrap();
    for path in [text, foreign] {
        let before = std::fs::read(&path).unwrap();
        let error = ProjectFile::open(&path).unwrap_err();
        assert!(matches!(error, ProjectError::NotAProject { .. }), "{error}");
        assert!(std::fs::read(&path).unwrap() == before, "the bytes changed");
    }
    let missing = ProjectFile::open(&folder.path().join("gone.shotlens")).unwrap_err();
    assert!(
        matches!(missing, ProjectError::NotFound { .. }),
        "{missing}"
    );
}

#[test]
fn a_project_of_a_newer_shotlens_is_refused_with_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let path = make_project(folder.path(), 3);
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = ProjectFile::open(&path).unwrap_err();
    assert!(
        matches!(
            error,
            ProjectError::NewerVersion {
                found: 99,
                known: 4,
                ..
            }
        ),
        "{error}"
    );
    assert!(std::fs::read(&path).unwrap() == before, "the bytes changed");
}

#[test]
fn a_making_that_was_interrupted_opens_as_an_empty_project() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.shotlens");
    std::fs::write(&path, "").unwrap();
    let opened = ProjectFile::open(&path).unwrap();
    assert_eq!(snapshot(&opened.state), snapshot(&ProjectState::new()));
    assert_eq!(opened.file.access(), &Access::Writable);
}

#[test]
fn making_a_project_never_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    let path = make_project(folder.path(), 3);
    let before = std::fs::read(&path).unwrap();
    let error = ProjectFile::create(&path, &ProjectState::new()).unwrap_err();
    assert!(
        matches!(error, ProjectError::AlreadyExists { .. }),
        "{error}"
    );
    assert!(std::fs::read(&path).unwrap() == before, "the bytes changed");
}

#[test]
fn a_project_is_made_from_what_is_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let source = Project::open(&make_project(folder.path(), 5), no_wake()).unwrap();
    let path = folder.path().join("copy.shotlens");
    let copy = Project::create(&path, source.state().clone(), no_wake()).unwrap();
    drop(copy);
    assert_eq!(stored(&path), snapshot(source.state()));
}

#[test]
fn photos_beside_the_project_are_found_after_both_were_moved() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old place");
    std::fs::create_dir(&old).unwrap();
    make_project(&old, 2);
    let new = folder.path().join("new place");
    std::fs::rename(&old, &new).unwrap();

    let mut project = Project::open(&new.join("coats.shotlens"), no_wake()).unwrap();
    let photos = new.join("photos");
    assert!(
        project
            .state()
            .photos()
            .iter()
            .all(|photo| photo.path.starts_with(&photos))
    );
    // The history moved along too.
    assert!(project.undo().unwrap());
    assert_eq!(project.state().photos(), []);
    assert!(project.redo().unwrap());
    assert!(
        project
            .state()
            .photos()
            .iter()
            .all(|photo| photo.path.starts_with(&photos))
    );
}

#[cfg(unix)]
#[test]
fn paths_that_are_no_utf8_survive() {
    use std::os::unix::ffi::OsStrExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coats.shotlens");
    let mut project = Project::create(&path, ProjectState::new(), no_wake()).unwrap();
    let mut photos = new_photos(project.state_mut(), folder.path(), 2);
    let odd = std::ffi::OsStr::from_bytes(b"caf\xe9.jpg");
    photos[0].path = folder.path().join(odd).into();
    photos[1].path = Path::new("/elsewhere").join(odd).into();
    project.perform(Edit::AddPhotos(photos)).unwrap();
    let memory = snapshot(project.state());
    drop(project);
    assert_eq!(stored(&path), memory);
    let mut project = Project::open(&path, no_wake()).unwrap();
    assert!(project.undo().unwrap());
    assert!(project.redo().unwrap());
    assert_eq!(snapshot(project.state()), memory);
}

#[test]
fn view_and_file_stamps_are_kept_without_an_undo_step() {
    let folder = tempfile::tempdir().unwrap();
    let path = make_project(folder.path(), 2);
    let mut project = Project::open(&path, no_wake()).unwrap();
    let num_steps = project.history().num_done();
    let photo = project.state().photos()[1].id;
    project.set_view(View {
        sort: "least sure".to_owned(),
        selected: Some(photo),
        ..View::default()
    });
    let file = FileStamp {
        size: u64::MAX,
        modified_ms: 12,
        hash: Some(ContentHash([9; 32])),
    };
    project.set_files(vec![(photo, file), (PhotoId(999), file)]);
    assert_eq!(project.saving(), &Saving::Pending);
    assert!(project.flush());
    assert!(
        matches!(project.saving(), Saving::Saved { at: Some(_) }),
        "{:?}",
        project.saving()
    );
    assert_eq!(project.history().num_done(), num_steps);
    let memory = snapshot(project.state());
    drop(project);
    assert_eq!(stored(&path), memory);
}

#[test]
fn every_label_ever_given_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = make_project(folder.path(), 1);
    let mut project = Project::open(&path, no_wake()).unwrap();
    let (photo, hat) = (
        project.state().photos()[0].id,
        project.state().classes()[0].id,
    );
    project
        .perform(Edit::label(
            photo,
            Some(hat),
            LabelSource::AcceptedPrediction,
        ))
        .unwrap();
    project
        .perform(Edit::label(photo, None, LabelSource::User))
        .unwrap();
    assert!(project.undo().unwrap());
    drop(project);
    let connection = Connection::open(&path).unwrap();
    let events: Vec<(Option<i64>, String)> = connection
        .prepare("SELECT class, source FROM label_events ORDER BY id")
        .unwrap()
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let expected = [
        (Some(hat.0), "accepted prediction"),
        (None, "user"),
        (Some(hat.0), "undo"),
    ];
    assert_eq!(
        events,
        expected.map(|(class, source)| (class, source.to_owned()))
    );
}

#[test]
fn ids_are_not_given_twice_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = make_project(folder.path(), 3);
    let mut project = Project::open(&path, no_wake()).unwrap();
    let last = project.state().photos()[2].id;
    project.perform(Edit::RemovePhotos(vec![last])).unwrap();
    drop(project);
    let mut project = Project::open(&path, no_wake()).unwrap();
    assert!(new_photos(project.state_mut(), folder.path(), 1)[0].id > last);
}

#[test]
fn a_copy_of_the_file_at_rest_is_the_whole_project() {
    let folder = tempfile::tempdir().unwrap();
    let path = make_project(folder.path(), 3);
    let mut project = Project::open(&path, no_wake()).unwrap();
    let class = project.state_mut().new_class("dress");
    project.perform(Edit::AddClass(class)).unwrap();
    assert!(project.flush());
    let log = folder.path().join("coats.shotlens-wal");
    wait_for(&mut project, |_| {
        std::fs::metadata(&log).is_ok_and(|log| log.len() == 0)
    });
    let copy = folder.path().join("copy.shotlens");
    std::fs::copy(&path, &copy).unwrap();
    assert_eq!(stored(&copy), snapshot(project.state()));
}

#[test]
fn a_project_of_version_1_opens_and_can_be_undone_to_its_beginning() {
    // Made by this version with one step of every kind, the last three undone.
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/version-1.shotlens");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.shotlens");
    std::fs::copy(sample, &path).unwrap();
    let mut project = Project::open(&path, no_wake()).unwrap();
    assert_eq!(
        (project.history().num_done(), project.history().num_undone()),
        (9, 3)
    );
    let cap = project.state().class_named("cap").unwrap();
    assert_eq!(cap.texts(), ["a photo of a cap", "a drawing of a cap"]);
    assert_eq!(project.state().shots(cap.id).len(), 1);
    let photos: Vec<_> = project
        .state()
        .photos()
        .iter()
        .map(|photo| photo.path.clone())
        .collect();
    assert_eq!(photos[0].as_ref(), folder.path().join("photos/1-0.jpg"));
    assert_eq!(project.state().view().sort, "least sure");
    assert_eq!(project.state().settings().options, MethodOptions::default());
    while project.redo().unwrap() {}
    assert!((project.state().settings().alpha - 2.5).abs() < 1e-12);
    while project.undo().unwrap() {}
    assert_eq!(
        (project.state().classes(), project.state().photos()),
        (&[][..], &[][..])
    );
}

#[test]
fn a_project_of_version_1_keeps_what_methods_take_from_then_on() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/version-1.shotlens");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.shotlens");
    std::fs::copy(sample, &path).unwrap();
    let mut project = Project::open(&path, no_wake()).unwrap();
    let options = MethodOptions {
        channels: Some(500),
        w0: Some(0.7),
        w1: Some(0.3),
        epochs: Some(20),
        learning_rate: Some(1e-3),
        preset: Some("APE on imagenet".to_owned()),
        ..MethodOptions::default()
    };
    let before = project.state().settings().clone();
    let settings = Settings {
        options: options.clone(),
        ..before.clone()
    };
    project
        .perform(Edit::SetSettings(settings.clone()))
        .unwrap();
    assert_eq!(
        project.history().undo_description(),
        Some("Take the values of APE on imagenet")
    );
    assert!(project.flush(), "{:?}", project.saving());
    drop(project);
    let mut project = Project::open(&path, no_wake()).unwrap();
    assert_eq!(project.state().settings(), &settings);
    assert!(project.undo().unwrap());
    assert_eq!(project.state().settings(), &before);
}

#[test]
fn a_project_of_version_1_can_be_looked_at_where_it_cannot_be_changed() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/version-1.shotlens");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.shotlens");
    std::fs::copy(&sample, &path).unwrap();
    // A folder where the lock belongs: nobody gets the lock.
    std::fs::create_dir(folder.path().join("old.shotlens.lock")).unwrap();
    let project = Project::open(&path, no_wake()).unwrap();
    assert!(matches!(project.saving(), Saving::ReadOnly { .. }));
    assert_eq!(project.state().settings().options, MethodOptions::default());
    drop(project);
    assert_eq!(std::fs::read(path).unwrap(), std::fs::read(sample).unwrap());
}

#[test]
fn what_could_not_be_written_is_said_and_written_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = make_project(folder.path(), 1);
    let mut project = Project::open(&path, no_wake()).unwrap();
    let blocker = Connection::open(&path).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let class = project.state_mut().new_class("dress");
    project.perform(Edit::AddClass(class)).unwrap();
    wait_for(
        &mut project,
        |saving| matches!(saving, Saving::Failed { message } if message.contains("coats.shotlens")),
    );
    blocker.execute_batch("ROLLBACK").unwrap();
    wait_for(&mut project, |saving| {
        matches!(saving, Saving::Saved { .. })
    });
    let memory = snapshot(project.state());
    drop(blocker);
    drop(project);
    assert_eq!(stored(&path), memory);
}

#[track_caller]
fn wait_for(project: &mut Project, is_expected: impl Fn(&Saving) -> bool) {
    let start = Instant::now();
    while !is_expected(project.saving()) {
        assert!(
            start.elapsed() < Duration::from_mins(1),
            "still {:?}",
            project.saving()
        );
        std::thread::sleep(Duration::from_millis(10));
        project.poll();
    }
}
