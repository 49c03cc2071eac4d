//! The system's file dialogs, opened without stopping the window, and a typed path where there are none.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use rfd::{AsyncFileDialog, FileHandle};

use crate::app::{AdapterChoice, Command, Destination, Exported};
use crate::ids::ClassId;

/// A person needs longer than this to close a dialog: an answer before came because none opened.
const FASTEST_PERSON: Duration = Duration::from_millis(400);

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ask {
    /// Folders that become classes.
    ClassFolders,
    /// Photos that become shots of a class.
    Shots(ClassId),
    /// Folders of photos for the pool.
    PoolFolders,
    /// Photos for the pool.
    PoolPhotos,
    /// A project file.
    Project,
    /// A folder of photos to start a project on.
    ProjectFolder,
    /// Where a new project goes.
    NewProject,
    /// A model that was downloaded elsewhere.
    Model,
    /// A file of bottleneck adapters.
    Adapter,
    /// A folder of class folders to choose parameters on.
    Validation,
    /// A folder of class folders to train an adapter on.
    Lesson,
    /// A file of prompts.
    Prompts,
    /// A list of labelled photos.
    List,
    /// Where an export goes.
    Export(ExportPlace),
}

/// What is exported, and under which name unless the person has another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ExportPlace {
    pub(super) what: Exported,
    pub(super) name: &'static str,
}

impl Ask {
    /// The dialog's title.
    pub(super) fn title(&self) -> &'static str {
        match self {
            Self::ClassFolders => "Add class folders",
            Self::Shots(_) => "Add photos to the class",
            Self::PoolFolders => "Add folders of photos",
            Self::PoolPhotos => "Add photos",
            Self::Project => "Open project",
            Self::ProjectFolder => "Open a folder of photos",
            Self::NewProject => "New project",
            Self::Model => "Open a downloaded model",
            Self::Adapter => "Open an adapter file",
            Self::Validation => "Tune on a folder of photos in class folders",
            Self::Lesson => "Train on a folder of photos in class folders",
            Self::Prompts => "Load prompts",
            Self::List => "Import a list of labelled photos",
            Self::Export(_) => "Export",
        }
    }

    /// What to do with the answer.
    pub(super) fn command(&self, paths: Vec<PathBuf>) -> Option<Command> {
        let first = paths.first()?.clone();
        Some(match self {
            Self::ClassFolders => Command::AddPaths(Destination::Support, paths),
            Self::Shots(class) => Command::AddPaths(Destination::Class(*class), paths),
            Self::PoolFolders | Self::PoolPhotos => Command::AddPaths(Destination::Pool, paths),
            Self::Project | Self::ProjectFolder => Command::OpenProject(first),
            Self::NewProject => Command::NewProject(Some(first.with_extension("shotlens"))),
            Self::Model => Command::OpenModel(Some(first.to_string_lossy().into_owned())),
            Self::Adapter => Command::SetAdapter(AdapterChoice::File(first)),
            Self::Validation => Command::TuneOnFolder(first),
            Self::Lesson => Command::LearnAdapterFrom(Some(first)),
            Self::Prompts => Command::LoadPrompts(first),
            Self::List => Command::AddPaths(Destination::Anywhere, paths),
            Self::Export(place) => Command::Export(place.what, first),
        })
    }
}

/// What came of a dialog.
pub(super) enum Answer {
    /// Do this.
    Chosen(Command),
    /// No dialog opened, and why: ask for a typed path.
    NoDialog(Ask, String),
}

/// The dialogs that are open.
pub(super) struct Dialogs {
    sender: Sender<(Ask, Option<Vec<PathBuf>>, Duration)>,
    answers: Receiver<(Ask, Option<Vec<PathBuf>>, Duration)>,
    is_open: bool,
}

impl Default for Dialogs {
    fn default() -> Self {
        let (sender, answers) = bounded(4);
        Self {
            sender,
            answers,
            is_open: false,
        }
    }
}

impl Dialogs {
    /// Opens a dialog, unless one is open; [`Self::poll`] has the answer later.
    pub(super) fn open(&mut self, ask: Ask, context: &egui::Context) -> Option<Answer> {
        if self.is_open {
            return None;
        }
        if let Some(reason) = no_dialog_reason() {
            return Some(Answer::NoDialog(ask, reason));
        }
        // macOS wants dialogs made on the main thread; they are awaited elsewhere.
        let answer = dialog_future(&ask);
        let (sender, context, asked) = (self.sender.clone(), context.clone(), ask.clone());
        let thread = std::thread::Builder::new()
            .name("file dialog".to_owned())
            .spawn(move || {
                let start = Instant::now();
                let paths = wait_for(answer);
                sender.send((asked, paths, start.elapsed())).ok();
                context.request_repaint();
            });
        match thread {
            Ok(_) => {
                self.is_open = true;
                None
            }
            Err(err) => Some(Answer::NoDialog(
                ask,
                format!("The system gave no thread for a file dialog ({err})"),
            )),
        }
    }

    /// The answer, once it is there.
    pub(super) fn poll(&mut self) -> Option<Answer> {
        let (ask, paths, elapsed) = self.answers.try_recv().ok()?;
        self.is_open = false;
        match paths {
            Some(paths) => ask.command(paths).map(Answer::Chosen),
            None if elapsed < FASTEST_PERSON => Some(Answer::NoDialog(
                ask,
                "This system opened no file dialog (no desktop portal, no zenity)".to_owned(),
            )),
            None => None,
        }
    }
}

/// Why no dialog can open here, where that is known beforehand.
fn no_dialog_reason() -> Option<String> {
    let is_missing = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    (cfg!(target_os = "linux") && is_missing("DISPLAY") && is_missing("WAYLAND_DISPLAY"))
        .then(|| "There is no display for a file dialog".to_owned())
}

type Paths = Pin<Box<dyn Future<Output = Option<Vec<PathBuf>>> + Send>>;

fn dialog_future(ask: &Ask) -> Paths {
    const PHOTOS: &[&str] = &["jpg", "jpeg", "png", "gif", "bmp", "tif", "tiff", "webp"];
    let dialog = AsyncFileDialog::new().set_title(ask.title());
    match ask {
        Ask::ClassFolders | Ask::PoolFolders => {
            let answer = dialog.pick_folders();
            Box::pin(async { answer.await.map(|files| paths(&files)) })
        }
        Ask::Shots(_) | Ask::PoolPhotos => {
            let answer = dialog.add_filter("Photos", PHOTOS).pick_files();
            Box::pin(async { answer.await.map(|files| paths(&files)) })
        }
        Ask::ProjectFolder | Ask::Validation | Ask::Lesson => one(dialog.pick_folder()),
        Ask::Prompts => one(dialog.add_filter("Prompts", &["json"]).pick_file()),
        Ask::Project => one(dialog
            .add_filter("Shotlens project", &["shotlens"])
            .pick_file()),
        Ask::NewProject => one(dialog
            .add_filter("Shotlens project", &["shotlens"])
            .set_file_name("project.shotlens")
            .save_file()),
        Ask::List => one(dialog
            .add_filter("Lists", &["csv", "tsv", "json", "jsonl", "parquet"])
            .pick_file()),
        Ask::Export(place) => one(dialog.set_file_name(place.name).save_file()),
        Ask::Model | Ask::Adapter => {
            one(dialog.add_filter("Weights", &["safetensors"]).pick_file())
        }
    }
}

fn one(answer: impl Future<Output = Option<FileHandle>> + Send + 'static) -> Paths {
    Box::pin(async { answer.await.map(|file| paths(&[file])) })
}

fn paths(files: &[FileHandle]) -> Vec<PathBuf> {
    files.iter().map(|file| file.path().to_owned()).collect()
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Sleeps until `future` is done; on the dialog's own thread.
fn wait_for<T>(mut future: Pin<Box<dyn Future<Output = T> + Send>>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_becomes_the_command_that_was_asked_for() {
        let paths = vec![PathBuf::from("/a"), PathBuf::from("/b")];
        let class = ClassId(3);
        assert_eq!(
            Ask::Shots(class).command(paths.clone()),
            Some(Command::AddPaths(Destination::Class(class), paths.clone()))
        );
        assert_eq!(
            Ask::NewProject.command(paths),
            Some(Command::NewProject(Some("/a.shotlens".into())))
        );
        assert_eq!(Ask::Project.command(Vec::new()), None);
    }

    #[test]
    fn waiting_ends_when_another_thread_is_done() {
        let (sender, receiver) = bounded::<Waker>(1);
        let finisher = std::thread::Builder::new()
            .spawn(move || receiver.recv().unwrap().wake())
            .unwrap();
        let mut polls = 0;
        let future = std::future::poll_fn(move |context| {
            polls += 1;
            if polls == 1 {
                sender.send(context.waker().clone()).unwrap();
                Poll::Pending
            } else {
                Poll::Ready(polls)
            }
        });
        assert_eq!(wait_for(Box::pin(future)), 2);
        finisher.join().unwrap();
    }
}
