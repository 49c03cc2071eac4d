//! The thread that looks at what was dropped: folders are walked, pasted pictures written, so that the window never touches a disk.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{Outbox, Wake, Worker};
use crate::engine::demo_project;
use crate::engine::feature_files::FeatureSource;
use crate::engine::import::{self, ImportError, Imported};
use crate::engine::prompts::read_prompt_file;
use crate::image_io;
use crate::models::ModelStore;
use crate::project::key_file::{self, KeyRows};
use crate::project::{self, FileStamp, Locations, Project, ProjectState, last};

/// What the file worker can be asked.
pub enum FileJob {
    /// See what these paths hold; `tag` comes back.
    Scan {
        /// Whatever the asker wants to know again.
        tag: u64,
        /// Files and folders.
        paths: Vec<PathBuf>,
    },
    /// Write a picture from the clipboard into `folder`.
    SavePicture {
        /// Comes back.
        tag: u64,
        /// Where to.
        folder: PathBuf,
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
        /// Four bytes a pixel.
        rgba: Vec<u8>,
    },
    /// Read a file of prompts for these classes.
    ReadPrompts {
        /// The file.
        path: PathBuf,
        /// Names of the classes.
        classes: Vec<String>,
    },
    /// Open a project.
    Open(ProjectTarget),
    /// Let go of a project once its last change is on the disk.
    Close(Box<Project>),
    /// See which models are on this machine.
    ListModels,
    /// Read which keys the person has changed.
    ReadKeys,
    /// Keep them.
    KeepKeys(KeyRows),
}

/// Which project to open.
#[derive(Clone, Debug, PartialEq)]
pub enum ProjectTarget {
    /// The one of the last time, or the demo.
    Last,
    /// The demo.
    Demo,
    /// This file.
    File(PathBuf),
    /// A new one at this path, or in Shotlens' own folder.
    New(Option<PathBuf>),
}

/// A file as found.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundPhoto {
    /// Absolute.
    pub path: PathBuf,
    /// Size and modification time.
    pub stamp: FileStamp,
}

/// What one dropped path holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// A photo by itself.
    Photo(FoundPhoto),
    /// A folder with photos directly in it (or deeper, below no class folder).
    Folder {
        /// Its name.
        name: String,
        /// The photos.
        photos: Vec<FoundPhoto>,
    },
    /// A folder of folders: each with its photos, and the loose ones.
    FolderOfFolders {
        /// Name and photos of each folder.
        folders: Vec<(String, Vec<FoundPhoto>)>,
        /// Photos directly inside.
        loose: Vec<FoundPhoto>,
    },
    /// A list of labelled photos, with how their files look.
    List(Box<Imported>, HashMap<PathBuf, FileStamp>),
    /// Photos with features that another program has made: Parquet, or clip-retrieval's folder.
    Features(PathBuf),
    /// Nothing that can be used, and why.
    Nothing {
        /// The path.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
}

/// What the file worker tells.
pub enum FileEvent {
    /// What the paths hold, in their order.
    Scanned {
        /// Of the job.
        tag: u64,
        /// One for each path.
        found: Vec<Found>,
    },
    /// The picture is a file now, or why not.
    PictureSaved {
        /// Of the job.
        tag: u64,
        /// The file.
        photo: Result<FoundPhoto, String>,
    },
    /// Prompts of every class as the file has them, or why not.
    Prompts {
        /// The file.
        path: PathBuf,
        /// Of every class in the job's order; none where the file does not name it.
        prompts: Result<Vec<Vec<String>>, String>,
    },
    /// A project is open.
    ProjectOpened {
        /// It.
        project: Box<Project>,
        /// It is the demo.
        is_demo: bool,
    },
    /// Names of the models on this machine.
    Models(Vec<String>),
    /// The keys that the person has changed.
    Keys(KeyRows),
    /// They could not be kept, and why.
    KeysFailed(String),
    /// A project could not be opened, and why.
    OpenFailed(String),
}

/// Starts the thread.
pub fn start(wake: Wake) -> std::io::Result<Worker<FileJob, FileEvent>> {
    Worker::start(
        "file worker",
        wake.clone(),
        move |jobs, out: Outbox<FileEvent>| {
            for job in jobs {
                if let Some(event) = carry_out(job, &wake) {
                    out.send(event);
                }
            }
        },
    )
}

fn carry_out(job: FileJob, wake: &Wake) -> Option<FileEvent> {
    match job {
        FileJob::Scan { tag, paths } => {
            let found = paths.iter().map(|path| scan(path)).collect();
            Some(FileEvent::Scanned { tag, found })
        }
        FileJob::SavePicture {
            tag,
            folder,
            width,
            height,
            rgba,
        } => {
            let photo = save_picture(&folder, width, height, rgba);
            Some(FileEvent::PictureSaved { tag, photo })
        }
        FileJob::ReadPrompts { path, classes } => {
            let prompts = read_prompt_file(&path, &classes).map_err(|error| error.to_string());
            Some(FileEvent::Prompts { path, prompts })
        }
        FileJob::Open(target) => Some(open(&target, wake)),
        FileJob::Close(project) => {
            drop(project);
            None
        }
        FileJob::ReadKeys => Some(FileEvent::Keys(key_file::load(&Locations::find().ok()?))),
        FileJob::KeepKeys(rows) => keep_keys(&rows).err().map(FileEvent::KeysFailed),
        FileJob::ListModels => {
            let installed = ModelStore::open()
                .and_then(|store| store.list())
                .unwrap_or_default();
            Some(FileEvent::Models(
                installed.into_iter().map(|model| model.name).collect(),
            ))
        }
    }
}

fn open(target: &ProjectTarget, wake: &Wake) -> FileEvent {
    let opened = match target {
        ProjectTarget::Last => open_last(wake),
        ProjectTarget::Demo => demo_project::open(wake).map(|project| (project, true)),
        ProjectTarget::File(path) => open_file(path, wake),
        ProjectTarget::New(path) => {
            new_project(path.as_deref(), wake).map(|project| (project, false))
        }
    };
    match opened {
        Ok((project, is_demo)) => {
            remember(&project, is_demo);
            FileEvent::ProjectOpened {
                project: Box::new(project),
                is_demo,
            }
        }
        Err(message) => FileEvent::OpenFailed(message),
    }
}

/// The project of the last time; the demo where there was none or it is gone.
fn open_last(wake: &Wake) -> Result<(Project, bool), String> {
    let last = Locations::find()
        .ok()
        .and_then(|locations| last::recall(&locations));
    match last.filter(|path| path.is_file()) {
        Some(path) => open_file(&path, wake),
        None => demo_project::open(wake).map(|project| (project, true)),
    }
}

fn open_file(path: &Path, wake: &Wake) -> Result<(Project, bool), String> {
    let is_demo = demo_project::path().is_ok_and(|demo| demo == path);
    Project::open(path, wake.clone())
        .map(|project| (project, is_demo))
        .map_err(|error| error.to_string())
}

fn keep_keys(rows: &KeyRows) -> Result<(), String> {
    let locations = Locations::find().map_err(|error| error.to_string())?;
    let place = locations.keys();
    let failed = |error| format!("The keys could not be kept ({error}): {}", place.display());
    key_file::save(&locations, rows).map_err(failed)
}

/// An empty project, at `path` or under the next free name in Shotlens' own folder.
pub fn new_project(path: Option<&Path>, wake: &Wake) -> Result<Project, String> {
    let path = match path {
        Some(path) => path.with_extension("shotlens"),
        None => Locations::find()
            .map_err(|error| error.to_string())?
            .new_project("Untitled")
            .map_err(|error| format!("could not make a folder for projects: {error}"))?,
    };
    Project::create(&path, ProjectState::new(), wake.clone()).map_err(|error| error.to_string())
}

/// The next start opens this project again; failing that, it opens the demo, which is no reason to stop.
fn remember(project: &Project, is_demo: bool) {
    if let (Ok(locations), Some(path)) = (Locations::find(), project.path()) {
        if is_demo {
            last::forget(&locations).ok();
        } else {
            last::remember(&locations, path).ok();
        }
    }
}

/// Looks at one dropped path.
fn scan(path: &Path) -> Found {
    let nothing = |reason: String| Found::Nothing {
        path: path.to_owned(),
        reason,
    };
    let path = match std::path::absolute(path) {
        Ok(path) => path,
        Err(error) => return nothing(error.to_string()),
    };
    if FeatureSource::is_one(&path) {
        return Found::Features(path);
    }
    if is_list(&path) {
        return list(&path).unwrap_or_else(|error| nothing(error.to_string()));
    }
    if path.is_file() {
        return if image_io::is_image_name(&path) {
            Found::Photo(found(path))
        } else {
            nothing(
                "not a photo or a list of photos; Shotlens reads jpg, png, gif, bmp, tiff and webp files, and csv, json and jsonl lists".to_owned(),
            )
        };
    }
    let photos = match image_io::list_photos(&path) {
        Ok(photos) => photos,
        Err(error) => return nothing(error.to_string()),
    };
    if photos.is_empty() {
        return nothing(
            "no photos in this folder; Shotlens reads jpg, png, gif, bmp, tiff and webp files"
                .to_owned(),
        );
    }
    group(&path, photos)
}

/// Whether this is a list of photos, or a folder with one.
fn is_list(path: &Path) -> bool {
    if path.is_dir() {
        return ["metadata.jsonl", "metadata.csv", "labels.json"]
            .iter()
            .any(|name| path.join(name).is_file());
    }
    let extension = path
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    path.is_file() && LISTS.contains(&extension.as_str())
}

/// Endings of lists of photos.
const LISTS: [&str; 4] = ["csv", "tsv", "json", "jsonl"];

fn list(path: &Path) -> Result<Found, ImportError> {
    let imported = import::read(path, None, None)?;
    let photos = imported.photos.iter();
    let stamps = photos.map(|photo| (photo.path.clone(), project::stamp(&photo.path)));
    let stamps = stamps.collect();
    Ok(Found::List(Box::new(imported), stamps))
}

/// Sorts a folder's photos by the first folder below it.
fn group(root: &Path, photos: Vec<PathBuf>) -> Found {
    let (mut folders, mut loose): (Vec<(String, Vec<FoundPhoto>)>, Vec<FoundPhoto>) =
        (Vec::new(), Vec::new());
    for relative in photos {
        let photo = found(root.join(&relative));
        let mut parts = relative.components();
        let first = parts
            .next()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .unwrap_or_default();
        if parts.next().is_none() {
            loose.push(photo);
        } else if let Some((_, photos)) = folders.iter_mut().find(|(name, _)| *name == first) {
            photos.push(photo);
        } else {
            folders.push((first, vec![photo]));
        }
    }
    if folders.is_empty() {
        let name = root.file_name().map_or_else(
            || root.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        );
        Found::Folder {
            name,
            photos: loose,
        }
    } else {
        Found::FolderOfFolders { folders, loose }
    }
}

fn found(path: PathBuf) -> FoundPhoto {
    let stamp = project::stamp(&path);
    FoundPhoto { path, stamp }
}

/// Writes a pasted picture as PNG, named by its content so that pasting it twice gives one file.
fn save_picture(
    folder: &Path,
    width: usize,
    height: usize,
    rgba: Vec<u8>,
) -> Result<FoundPhoto, String> {
    let name = format!("pasted-{}.png", &blake3::hash(&rgba).to_hex()[..12]);
    let picture = image::RgbaImage::from_raw(width as u32, height as u32, rgba)
        .ok_or("the clipboard's picture is damaged; copy it again")?;
    std::fs::create_dir_all(folder).map_err(|error| {
        format!(
            "could not make the folder for pasted pictures ({error}): {}",
            folder.display()
        )
    })?;
    let path = folder.join(name);
    picture.save(&path).map_err(|error| {
        format!(
            "could not save the pasted picture ({error}): {}",
            path.display()
        )
    })?;
    Ok(found(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_folders_keeps_its_loose_photos_apart() {
        let paths = ["hat/1.jpg", "hat/deep/2.jpg", "3.jpg", "dress/4.jpg"]
            .map(PathBuf::from)
            .to_vec();
        let Found::FolderOfFolders { folders, loose } = group(Path::new("/none"), paths) else {
            panic!("expected folders")
        };
        let sizes: Vec<(&str, usize)> = folders
            .iter()
            .map(|(name, photos)| (name.as_str(), photos.len()))
            .collect();
        assert_eq!((sizes, loose.len()), (vec![("hat", 2), ("dress", 1)], 1));
    }

    #[test]
    fn a_folder_of_photos_gives_its_name() {
        let found = group(
            Path::new("/none/winter coats"),
            vec![PathBuf::from("1.jpg")],
        );
        assert!(
            matches!(found, Found::Folder { name, photos } if name == "winter coats" && photos.len() == 1)
        );
    }

    #[test]
    fn a_file_that_is_no_photo_says_what_would_be() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notes.txt");
        std::fs::write(&file, "x").unwrap();
        assert!(matches!(scan(&file), Found::Nothing { reason, .. } if reason.contains("jpg")));
        assert!(
            matches!(scan(folder.path()), Found::Nothing { reason, .. } if reason.contains("no photos"))
        );
    }
}
