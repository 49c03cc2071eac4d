//! `kill -9` loses nothing that was called saved.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use shotlens::project::{
    Access, Edit, LabelSource, ProjectFile, ProjectState, ProjectWriter, WriterEvent,
};

use super::{new_photos, no_wake};

/// Names the project to the child.
const PROJECT_VARIABLE: &str = "SHOTLENS_TEST_CRASH_PROJECT";

/// As many acknowledgements are read before the kill.
const NUM_SEEN: usize = 40;

#[test]
fn a_killed_process_loses_no_edit_that_was_called_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coats.shotlens");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "project::crash::label_photos_until_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(PROJECT_VARIABLE, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let mut seen: Vec<u64> = lines
        .by_ref()
        .filter_map(|line| acknowledged(&line))
        .take(NUM_SEEN)
        .collect();
    assert_eq!(seen.len(), NUM_SEEN, "the child ended early");

    let Access::ReadOnly { reason } = ProjectFile::open(&path).unwrap().file.access().clone()
    else {
        panic!("opened for writing while the child had it");
    };
    assert!(reason.contains(&child.id().to_string()), "{reason}");

    child.kill().unwrap();
    child.wait().unwrap();
    seen.extend(lines.filter_map(|line| acknowledged(&line)));
    let last_saved = *seen.iter().max().unwrap();

    let opened = ProjectFile::open(&path).unwrap();
    assert_eq!(opened.file.access(), &Access::Writable, "a stale lock");
    let num_done = opened.history.num_done();
    assert!(
        num_done >= last_saved,
        "{num_done} of {last_saved} saved edits are in the file"
    );
    // The first two steps add a class and the photos; each further one labels a photo.
    let class = opened.state.classes()[0].id;
    assert_eq!(opened.state.num_labelled(class) as u64, num_done - 2);
}

fn acknowledged(line: &str) -> Option<u64> {
    // The test harness may have written on the same line before.
    line.rsplit_once("saved ")
        .and_then(|(_, seq)| seq.parse().ok())
}

#[test]
#[ignore = "runs as the child of a_killed_process_loses_no_edit_that_was_called_saved"]
#[expect(clippy::print_stdout, reason = "how the child tells its parent")]
fn label_photos_until_killed() {
    const NUM_PHOTOS: usize = 20_000;
    let path = std::env::var_os(PROJECT_VARIABLE).expect("started by the test above");
    drop(ProjectFile::create(Path::new(&path), &ProjectState::new()).unwrap());
    let opened = ProjectFile::open(Path::new(&path)).unwrap();
    let (mut state, mut history) = (opened.state, opened.history);
    let mut writer = ProjectWriter::start(opened.file, no_wake()).unwrap();
    let class = state.new_class("hat");
    let photos = new_photos(&mut state, Path::new("/photos"), NUM_PHOTOS);
    let labels: Vec<Edit> = photos
        .iter()
        .map(|photo| Edit::label(photo.id, Some(class.id), LabelSource::User))
        .collect();
    for edit in [Edit::AddClass(class), Edit::AddPhotos(photos)]
        .into_iter()
        .chain(labels)
    {
        writer.commit(history.perform(&mut state, edit, 0).unwrap());
        while let Some(event) = writer.try_next() {
            if let WriterEvent::Saved { seq: Some(seq), .. } = event {
                println!("saved {seq}");
            }
        }
        // Slow enough not to be done before the parent has seen enough.
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
