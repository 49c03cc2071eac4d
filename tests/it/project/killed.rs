//! `kill -9` at many random moments of a labelling session: what was called saved is there, and so is its history.
//!
//! A child labels, undoes, redoes and edits classes through the real writer and prints what is called saved. What it does follows
//! from a seed, so the parent can do the same in memory: after a kill the file must equal the memory after some number of these
//! changes, and no fewer than were called saved. The next child goes on with the same file.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use shotlens::project::history::{Commit, History};
use shotlens::project::{
    Access, Edit, LabelSource, OpenedProject, Project, ProjectFile, ProjectState, ProjectWriter,
    View, WriterEvent,
};

use super::{Random, new_photos, no_wake, snapshot};

/// Name the project and the seed to the child.
const PROJECT_VARIABLE: &str = "SHOTLENS_TEST_KILLED_PROJECT";
const SEED_VARIABLE: &str = "SHOTLENS_TEST_KILLED_SEED";

/// How many kills, where another number than [`NUM_KILLS`] is wanted.
const KILLS_VARIABLE: &str = "SHOTLENS_TEST_KILLS";
const NUM_KILLS: usize = 200;

/// More changes than can be on their way to the disk at once.
const MOST_UNSAVED: usize = 20_000;

/// What is labelled, and what can be undone.
#[derive(Clone)]
struct Session {
    state: ProjectState,
    history: History,
}

/// A change that was made in memory and is to be written.
enum Change {
    Commit(Box<Commit>),
    View(Box<View>),
}

impl Session {
    fn of(opened: OpenedProject) -> Self {
        let OpenedProject { state, history, .. } = opened;
        Self { state, history }
    }

    /// A photo gets a label, mostly; else a step back or forth, another view, or any other edit.
    fn change(&mut self, random: &mut Random, folder: &Path) -> Change {
        loop {
            let edit = match random.below(20) {
                0..10 => self.label(random),
                10..13 => match self.history.undo(&mut self.state, 0).unwrap() {
                    Some(commit) => return Change::Commit(Box::new(commit)),
                    None => continue,
                },
                13..15 => match self.history.redo(&mut self.state, 0).unwrap() {
                    Some(commit) => return Change::Commit(Box::new(commit)),
                    None => continue,
                },
                15 => {
                    let view = View {
                        sort: format!("order {}", random.below(5)),
                        ..View::default()
                    };
                    self.state.set_view(view.clone());
                    return Change::View(Box::new(view));
                }
                16 => Some(self.merge(random)),
                _ => Some(random.edit(&mut self.state, folder)),
            };
            // An edit that does not fit changes nothing.
            if let Some(Ok(commit)) =
                edit.map(|edit| self.history.perform(&mut self.state, edit, 0))
            {
                return Change::Commit(Box::new(commit));
            }
        }
    }

    fn label(&self, random: &mut Random) -> Option<Edit> {
        let photos = self.state.photos();
        let photo = photos.get(random.below(photos.len()))?.id;
        let class = random.class(&self.state);
        Some(Edit::label(photo, Some(class), LabelSource::User))
    }

    /// All photos of a class become another's, and the class goes.
    fn merge(&self, random: &mut Random) -> Edit {
        let (from, to) = (random.class(&self.state), random.class(&self.state));
        let of_class = self
            .state
            .photos()
            .iter()
            .filter(|photo| photo.label == Some(from));
        let edits = vec![
            Edit::SetLabels {
                labels: of_class.map(|photo| (photo.id, Some(to))).collect(),
                source: LabelSource::User,
                predicted: Vec::new(),
            },
            Edit::RemoveClass(from),
        ];
        Edit::Batch {
            title: Some("Merge".to_owned()),
            edits,
        }
    }
}

#[test]
fn two_hundred_kills_lose_no_edit_that_was_called_saved() {
    let num_kills = std::env::var(KILLS_VARIABLE).map_or(NUM_KILLS, |number| {
        number.parse().expect("a number of kills")
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("coats.shotlens");
    let mut session = begin(&path);
    let mut moments = Random(num_kills as u64);
    let (mut num_saved, mut num_found) = (0, 0);
    for seed in 0..num_kills as u64 {
        let acknowledged = label_and_kill(&path, seed, &mut moments);
        let opened = ProjectFile::open(&path).unwrap_or_else(|error| panic!("{seed}: {error}"));
        assert_eq!(opened.file.access(), &Access::Writable, "a stale lock");
        num_found += follow(&mut session, seed, folder.path(), acknowledged, &opened);
        num_saved += acknowledged;
        session = Session::of(opened);
    }
    println!("{num_kills} kills: {num_saved} changes called saved, {num_found} found, none lost");
    assert!(num_saved > num_kills, "the children hardly labelled");
    check_whole_history(&path);
}

/// A project with classes and photos, whose history has only that.
fn begin(path: &Path) -> Session {
    drop(ProjectFile::create(path, &ProjectState::new()).unwrap());
    let OpenedProject {
        mut file,
        mut state,
        mut history,
    } = ProjectFile::open(path).unwrap();
    let mut edits = Vec::new();
    for name in ["hat", "dress", "coat", "shoe"] {
        let class = state.new_class(name);
        edits.push(Edit::AddClass(class));
    }
    edits.push(Edit::AddPhotos(new_photos(
        &mut state,
        Path::new("/photos"),
        200,
    )));
    for edit in edits {
        file.commit(history.perform(&mut state, edit, 0).unwrap())
            .unwrap();
    }
    history.end_gesture();
    Session { state, history }
}

/// Has a child label until a random moment; how many of its changes were called saved.
fn label_and_kill(path: &Path, seed: u64, moments: &mut Random) -> usize {
    let mut child = start_child(path, seed);
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    // One in ten is killed while it starts and opens the project.
    if moments.below(10) != 0 {
        assert!(
            lines.any(|line| line.ends_with("labelling")),
            "the child ended early"
        );
    }
    std::thread::sleep(Duration::from_micros(moments.below(80_000) as u64));
    child.kill().unwrap();
    child.wait().unwrap();
    let saved = lines.filter_map(|line| line.strip_prefix("saved ")?.parse().ok());
    saved.max().unwrap_or(0)
}

fn start_child(path: &Path, seed: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "project::killed::label_until_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(PROJECT_VARIABLE, path)
        .env(SEED_VARIABLE, seed.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Does in memory what the child did, until the memory equals the file; after how many changes.
fn follow(
    session: &mut Session,
    seed: u64,
    folder: &Path,
    acknowledged: usize,
    opened: &OpenedProject,
) -> usize {
    let mut random = Random(seed);
    let written = snapshot(&opened.state);
    for number in 0..acknowledged + MOST_UNSAVED {
        if number >= acknowledged
            && snapshot(&session.state) == written
            && has_steps(session, opened)
        {
            return number;
        }
        session.change(&mut random, folder);
    }
    panic!(
        "kill {seed}: the file is not as it was after the {acknowledged} saved changes, nor later"
    );
}

/// Whether the last steps can be taken back and made again with the same words and effects.
fn has_steps(session: &Session, opened: &OpenedProject) -> bool {
    const NUM_STEPS: usize = 12;
    let mut memory = session.clone();
    let mut file = Session {
        state: opened.state.clone(),
        history: opened.history.clone(),
    };
    if words(&file.history) != words(&memory.history) {
        return false;
    }
    [History::undo, History::redo].into_iter().all(|step| {
        (0..NUM_STEPS).all(|_| {
            for session in [&mut file, &mut memory] {
                step(&mut session.history, &mut session.state, 0).unwrap();
            }
            words(&file.history) == words(&memory.history)
                && snapshot(&file.state) == snapshot(&memory.state)
        })
    })
}

/// How much can be undone and redone, and what the menu says of it.
fn words(history: &History) -> (u64, u64, Option<&str>, Option<&str>) {
    let (undo, redo) = (history.undo_description(), history.redo_description());
    (history.num_done(), history.num_undone(), undo, redo)
}

/// All is undone to the empty project and made again, across all sessions that were killed.
fn check_whole_history(path: &Path) {
    let mut project = Project::open(path, no_wake()).unwrap();
    let now = snapshot(project.state());
    let num_done = project.history().num_done();
    // Steps that are not in memory yet arrive behind the first ones.
    while project.undo().unwrap() || (project.flush() && project.undo().unwrap()) {}
    assert_eq!(project.history().num_done(), 0);
    assert_eq!(
        (project.state().classes(), project.state().photos()),
        (&[][..], &[][..])
    );
    while project.history().num_done() < num_done {
        assert!(project.redo().unwrap() || (project.flush() && project.redo().unwrap()));
    }
    assert_eq!(snapshot(project.state()), now);
}

#[test]
#[ignore = "runs as the child of two_hundred_kills_lose_no_edit_that_was_called_saved"]
#[expect(clippy::print_stdout, reason = "how the child tells its parent")]
fn label_until_killed() {
    let path = std::env::var_os(PROJECT_VARIABLE).expect("started by the test above");
    let seed = std::env::var(SEED_VARIABLE).unwrap().parse().unwrap();
    let path = Path::new(&path);
    let OpenedProject {
        file,
        state,
        history,
    } = ProjectFile::open(path).unwrap();
    let mut session = Session { state, history };
    let mut writer = ProjectWriter::start(file, no_wake()).unwrap();
    let (mut random, mut pauses) = (Random(seed), Random(!seed));
    // On a line of its own: the test harness may have written before.
    println!("\nlabelling");
    loop {
        match session.change(&mut random, path.parent().unwrap()) {
            Change::Commit(commit) => writer.commit(*commit),
            Change::View(view) => writer.save_view(*view),
        }
        while let Some(event) = writer.try_next() {
            match event {
                WriterEvent::Saved { num_written, .. } => println!("saved {num_written}"),
                other => println!("unexpected: {other:?}"),
            }
        }
        // By turns single changes, and many that share a transaction.
        if pauses.below(3) == 0 {
            std::thread::sleep(Duration::from_micros(pauses.below(3_000) as u64));
        }
    }
}
