//! Full disks, protected folders, photos that change or go away under the program: a sentence each, and nothing is lost.
//!
//! Disks are small tmpfs mounts in a mount namespace of a child's own (`unshare`), so nothing is left behind. Where the system allows no such thing the test says "skipped".

#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shotlens::app::{App, Command as Do, ModelChoice, StartWith};
use shotlens::ids::PhotoId;
use shotlens::image_io::ContentHash;
use shotlens::project::{
    CachedRow, Edit, FeatureCache, FileStamp, LabelSource, Locations, Photo, Project, ProjectError,
    ProjectFile, ProjectState, Role, Saving,
};
use shotlens::worker::Wake;

/// Longer than any machine needs; a deadline, not a measure.
const DEADLINE: Duration = Duration::from_mins(3);
const PLACE_VARIABLE: &str = "SHOTLENS_TEST_PLACE";

/// Runs a test in a child that has mounts of its own.
fn run_with_mounts(name: &str) {
    let place = tempfile::tempdir().unwrap();
    // As root first, then as whoever may be root of a namespace only.
    let ways: [&[&str]; 2] = [&["-m"], &["-rm"]];
    let can = |way: &&&[&str]| {
        let mounts = ["mount", "-t", "tmpfs", "none"];
        let tried = Command::new("unshare")
            .args(**way)
            .args(mounts)
            .arg(place.path())
            .output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    let Some(way) = ways.iter().find(can) else {
        println!("skipped: this system lets nobody mount a disk of its own");
        return;
    };
    let status = Command::new("unshare")
        .args(*way)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env(PLACE_VARIABLE, place.path())
        .env("SHOTLENS_HOME", place.path().join("home"))
        .status()
        .unwrap();
    assert!(status.success(), "{name} failed; its output is above");
}

#[test]
fn a_full_disk_is_said_and_what_did_not_fit_is_written_once_there_is_room() {
    run_with_mounts("trouble::full_disk");
}

#[test]
fn a_protected_folder_is_said_and_its_project_can_be_looked_at() {
    run_with_mounts("trouble::protected_folder");
}

#[test]
fn photos_that_change_or_go_away_keep_their_labels_and_are_read_again() {
    let home = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "trouble::photos_under_the_program",
            "--ignored",
            "--nocapture",
        ])
        .env(PLACE_VARIABLE, home.path())
        .env("SHOTLENS_HOME", home.path().join("home"))
        .status()
        .unwrap();
    assert!(status.success(), "the child failed; its output is above");
}

/// The folder that a child was started for.
fn place() -> PathBuf {
    std::env::var_os(PLACE_VARIABLE)
        .expect("started by a test above")
        .into()
}

#[track_caller]
fn mount(arguments: &[&str], at: &Path) {
    let mounted = Command::new("mount")
        .args(arguments)
        .arg(at)
        .status()
        .unwrap();
    assert!(mounted.success(), "mount {arguments:?}");
}

fn no_wake() -> Wake {
    Arc::new(|| ())
}

/// A project with a class and some photos that nobody reads.
fn make_project(path: &Path) -> Project {
    let mut project = Project::create(path, ProjectState::new(), no_wake()).unwrap();
    let class = project.state_mut().new_class("hat");
    project.perform(Edit::AddClass(class)).unwrap();
    let photo = |state: &mut ProjectState, index| {
        let path = Path::new("/photos").join(format!("{index}.jpg"));
        state.new_photo(&path, Role::Pool, FileStamp::default())
    };
    let photos: Vec<Photo> = (0..3_000)
        .map(|index| photo(project.state_mut(), index))
        .collect();
    project.perform(Edit::AddPhotos(photos)).unwrap();
    assert!(project.flush());
    project
}

/// Labels the photos with these places.
fn label(project: &mut Project, photos: std::ops::Range<usize>) -> Result<(), ProjectError> {
    let class = project.state().classes()[0].id;
    for index in photos {
        let photo = project.state().photos()[index].id;
        project.perform(Edit::label(photo, Some(class), LabelSource::User))?;
    }
    Ok(())
}

fn labelled(state: &ProjectState) -> Vec<PhotoId> {
    let with_label = state.photos().iter().filter(|photo| photo.label.is_some());
    with_label.map(|photo| photo.id).collect()
}

#[track_caller]
fn wait_for(project: &mut Project, is_expected: impl Fn(&Saving) -> bool) {
    let start = Instant::now();
    while !is_expected(project.saving()) {
        assert!(start.elapsed() < DEADLINE, "still {:?}", project.saving());
        std::thread::sleep(Duration::from_millis(10));
        project.poll();
    }
}

/// Writes a file until nothing fits any more.
fn fill(disk: &Path) -> PathBuf {
    use std::io::Write as _;
    let path = disk.join("filler");
    let mut file = std::fs::File::create(&path).unwrap();
    for block in [4096, 1] {
        while file.write_all(&vec![7; block]).is_ok() {}
    }
    path
}

#[test]
#[ignore = "run by the test of the full disk"]
fn full_disk() {
    let disk = place();
    mount(&["-t", "tmpfs", "-o", "size=4m", "none"], &disk);
    let path = disk.join("coats.shotlens");
    let mut project = make_project(&path);
    label(&mut project, 0..10).unwrap();
    assert!(project.flush());
    let filler = fill(&disk);
    // What was saved is safe; what follows is kept in memory, and its undo too.
    label(&mut project, 10..1_500).unwrap();
    assert!(project.undo().unwrap());
    let is_said = |saving: &Saving| matches!(saving, Saving::Failed { message } if message.contains("the disk is full") && message.contains("coats.shotlens"));
    wait_for(&mut project, is_said);
    assert!(
        labelled(&ProjectFile::look(&path).unwrap()).len() >= 10,
        "what was saved"
    );

    let other = disk.join("other.shotlens");
    let error = Project::create(&other, project.state().clone(), no_wake())
        .err()
        .unwrap();
    assert!(error.to_string().contains("other.shotlens"), "{error}");
    assert!(!other.exists(), "half a project was left");
    caches_only_forget(&disk);
    let keys = disk.join("keys.json");
    assert!(shotlens::project::locations::write_atomically(&keys, &[7; 9_000]).is_err());
    assert!(!keys.exists());

    std::fs::remove_file(filler).unwrap();
    wait_for(&mut project, |saving| {
        matches!(saving, Saving::Saved { .. })
    });
    let memory = labelled(project.state());
    assert_eq!(memory.len(), 1_499);
    drop(project);
    let mut project = Project::open(&path, no_wake()).unwrap();
    assert_eq!(labelled(project.state()), memory);
    assert!(project.redo().unwrap());
    assert_eq!(labelled(project.state()).len(), 1_500);
}

/// Features that cannot be kept are made again; nothing stops.
fn caches_only_forget(disk: &Path) {
    let path = disk.join("cache/features.sqlite");
    let row = CachedRow {
        features: vec![0.5; 500],
        hidden: None,
    };
    let rows: Vec<_> = (0..200_u8)
        .map(|i| (ContentHash([i; 32]), row.clone()))
        .collect();
    let Ok((mut cache, note)) = FeatureCache::open(&path) else {
        return;
    };
    let is_kept = cache.put_many("space", &rows);
    let said = note
        .into_iter()
        .chain(cache.take_notes())
        .collect::<Vec<_>>()
        .join("; ");
    assert!(is_kept || said.contains("cache"), "{said}");
}

#[test]
#[ignore = "run by the test of the protected folder"]
fn protected_folder() {
    let disk = place();
    mount(&["-t", "tmpfs", "none"], &disk);
    let path = disk.join("coats.shotlens");
    let mut project = make_project(&path);
    label(&mut project, 0..10).unwrap();
    drop(project);

    mount(&["-o", "remount,ro"], &disk);
    let mut project = Project::open(&path, no_wake()).unwrap();
    assert!(
        matches!(project.saving(), Saving::ReadOnly { .. }),
        "{:?}",
        project.saving()
    );
    assert_eq!(labelled(project.state()).len(), 10);
    let error = label(&mut project, 10..11).unwrap_err().to_string();
    assert!(
        error.contains("for reading only") && error.contains("coats.shotlens"),
        "{error}"
    );
    assert_eq!(
        labelled(project.state()).len(),
        10,
        "it was not changed in memory either"
    );
    assert_eq!(labelled(&ProjectFile::look(&path).unwrap()).len(), 10);
    let new = Project::create(&disk.join("new.shotlens"), ProjectState::new(), no_wake());
    let error = new.err().unwrap().to_string();
    assert!(
        error.contains("new.shotlens") && error.contains("ead-only"),
        "{error}"
    );
    drop(project);

    mount(&["-o", "remount,rw"], &disk);
    let mut project = Project::open(&path, no_wake()).unwrap();
    label(&mut project, 10..20).unwrap();
    assert!(project.flush());
    assert_eq!(labelled(&ProjectFile::look(&path).unwrap()).len(), 20);
}

#[test]
fn a_project_whose_folder_is_renamed_away_and_back_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (here, away) = (folder.path().join("here"), folder.path().join("away"));
    std::fs::create_dir(&here).unwrap();
    let path = here.join("coats.shotlens");
    let mut project = make_project(&path);
    label(&mut project, 0..10).unwrap();
    assert!(project.flush());
    std::fs::rename(&here, &away).unwrap();
    label(&mut project, 10..20).unwrap();
    project.flush();
    let memory = labelled(project.state());
    std::fs::rename(&away, &here).unwrap();
    label(&mut project, 20..30).unwrap();
    wait_for(&mut project, |saving| {
        matches!(saving, Saving::Saved { .. })
    });
    assert_eq!(memory.len(), 20);
    drop(project);
    let project = Project::open(&path, no_wake()).unwrap();
    assert_eq!(labelled(project.state()).len(), 30);
}

#[track_caller]
fn wait(app: &mut App, what: &str, is_done: impl Fn(&App) -> bool) {
    let start = Instant::now();
    loop {
        app.poll();
        if is_done(app) {
            return;
        }
        let said = (app.notices(), app.skipped());
        assert!(
            start.elapsed() < DEADLINE,
            "waited in vain for {what}: {said:?}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn has_said(app: &App, words: &str) -> bool {
    app.notices()
        .iter()
        .any(|notice| notice.text.contains(words))
}

#[test]
#[ignore = "run by the test of photos that change"]
fn photos_under_the_program() {
    let folder = place().join("photos");
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/pool/bird");
    std::fs::create_dir_all(&folder).unwrap();
    let pictures: Vec<PathBuf> = std::fs::read_dir(demo)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .take(4)
        .collect();
    let copies: Vec<PathBuf> = pictures
        .iter()
        .map(|path| folder.join(path.file_name().unwrap()))
        .collect();
    for (from, to) in pictures.iter().zip(&copies) {
        std::fs::copy(from, to).unwrap();
    }
    let start = |path: PathBuf| {
        let mut app =
            App::start(StartWith::File(path), ModelChoice::default(), &no_wake()).unwrap();
        wait(&mut app, "the project and its photos", |app| {
            app.is_idle() && !app.project().photos().is_empty()
        });
        app
    };
    let path = project_of(&copies);
    let mut app = start(path.clone());
    let id = |app: &App, copy: &Path| app.project().photo_at(copy).unwrap();
    let class = app.project().classes()[0].id;
    let all: Vec<PhotoId> = copies.iter().map(|copy| id(&app, copy)).collect();
    app.apply(Do::Label(all.clone(), Some(class)));
    let hash = |app: &App, photo| app.project().photo(photo).unwrap().file.hash;
    let first = hash(&app, all[0]);

    // Another picture under the same name, and a pipe where a picture was.
    std::fs::write(&copies[0], std::fs::read(demo_of_another_class()).unwrap()).unwrap();
    std::fs::remove_file(&copies[1]).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(&copies[1])
            .status()
            .unwrap()
            .success()
    );
    app.apply(Do::LookAgain);
    wait(&mut app, "the changed photo", |app| {
        has_said(app, "another picture") && app.is_idle()
    });
    assert_ne!(hash(&app, all[0]), first);
    assert_eq!(app.take_outdated_pictures().len(), 2);
    let pipe = app
        .skipped()
        .iter()
        .find(|skipped| skipped.path == copies[1])
        .unwrap();
    assert!(pipe.reason.contains("a pipe"), "{}", pipe.reason);
    std::fs::remove_file(&copies[1]).unwrap();
    std::fs::copy(&pictures[1], &copies[1]).unwrap();

    // The folder goes away, as one on a network does, and comes back.
    let away = place().join("away");
    std::fs::rename(&folder, &away).unwrap();
    app.apply(Do::LookAgain);
    wait(&mut app, "the sentence", |app| {
        has_said(app, "4 photos") && has_said(app, "no longer where")
    });
    let labels = |app: &App| labelled(app.project());
    assert_eq!(labels(&app), all);
    drop(app);
    let mut app = start(path);
    wait(&mut app, "the sentence after a restart", |app| {
        has_said(app, "no longer where")
    });
    assert_eq!((labels(&app), app.skipped().len()), (all.clone(), 4));
    std::fs::rename(&away, &folder).unwrap();
    app.apply(Do::LookAgain);
    wait(&mut app, "the photos", |app| {
        has_said(app, "4 photos")
            && has_said(app, "back")
            && app.is_idle()
            && hash(app, all[1]).is_some()
    });
    assert_eq!(labels(&app), all);
}

/// A project in Shotlens' own folder with one class and these photos in its pool.
fn project_of(photos: &[PathBuf]) -> PathBuf {
    let path = Locations::find().unwrap().new_project("birds").unwrap();
    let mut project = Project::create(&path, ProjectState::new(), no_wake()).unwrap();
    let class = project.state_mut().new_class("bird");
    project.perform(Edit::AddClass(class)).unwrap();
    let new = |state: &mut ProjectState, path: &PathBuf| {
        state.new_photo(path, Role::Pool, shotlens::project::stamp(path))
    };
    let photos = photos
        .iter()
        .map(|path| new(project.state_mut(), path))
        .collect();
    project.perform(Edit::AddPhotos(photos)).unwrap();
    path
}

fn demo_of_another_class() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/pool/bug");
    std::fs::read_dir(folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path()
}
