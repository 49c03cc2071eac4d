//! Taking in dropped files: what was found becomes classes, shots and pool photos, as one step of the history.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::{App, Destination};
use crate::engine::import::{Imported, ImportedPhoto};
use crate::ids::{ClassId, Generation};
use crate::project::key_file::KeyRows;
use crate::project::{Edit, FileStamp, Locations, Photo, Role};
use crate::worker::clip_worker::ClipJob;
use crate::worker::feature_importer::FeatureImport;
use crate::worker::file_worker::{FileEvent, FileJob, Found, FoundPhoto};

/// What the file worker was asked and has not answered.
#[derive(Default)]
pub(crate) struct PendingFiles {
    next_tag: u64,
    destinations: HashMap<u64, Destination>,
    pub(super) opening: bool,
    importing: bool,
    /// The keys that the person has changed, as the file has them.
    keys: Option<KeyRows>,
    /// Wait for a model.
    features: Vec<PathBuf>,
    waiting: Vec<(Intake, Destination)>,
}

impl PendingFiles {
    pub(super) fn is_empty(&self) -> bool {
        self.destinations.is_empty() && !self.opening && !self.importing
    }

    /// What waited for a project that could not be opened is not for the next one.
    pub(super) fn forget_what_waited(&mut self) {
        self.waiting.clear();
    }

    fn tag(&mut self, destination: Destination) -> u64 {
        self.next_tag += 1;
        self.destinations.insert(self.next_tag, destination);
        self.next_tag
    }
}

/// What a drop comes to.
#[derive(Debug, Default, PartialEq)]
struct Intake {
    classes: Vec<(String, Vec<FoundPhoto>)>,
    shots: Vec<FoundPhoto>,
    pool: Vec<FoundPhoto>,
    rejected: Vec<(PathBuf, String)>,
    lists: Vec<(Imported, HashMap<PathBuf, FileStamp>)>,
    features: Vec<PathBuf>,
}

impl App {
    pub(super) fn add_paths(&mut self, destination: Destination, paths: Vec<PathBuf>) {
        if let [path] = paths.as_slice()
            && path
                .extension()
                .is_some_and(|extension| extension == "shotlens")
        {
            self.open(super::StartWith::File(path.clone()));
            return;
        }
        let tag = self.files.tag(destination);
        self.submit_files(FileJob::Scan { tag, paths });
    }

    pub(super) fn paste_image(&mut self, width: usize, height: usize, rgba: Vec<u8>) {
        let Ok(locations) = Locations::find() else {
            self.error(crate::project::locations::NoHome.to_string());
            return;
        };
        let folder = locations.data().join("pasted");
        let tag = self.files.tag(Destination::Pool);
        self.submit_files(FileJob::SavePicture {
            tag,
            folder,
            width,
            height,
            rgba,
        });
    }

    pub(super) fn poll_files(&mut self) {
        while let Some(event) = self.next_event(|threads| threads.files.try_next()) {
            match event {
                FileEvent::Scanned { tag, found } => {
                    if let Some(destination) = self.files.destinations.remove(&tag) {
                        self.take_in(sort_out(found, destination), destination);
                    }
                }
                FileEvent::PictureSaved { tag, photo } => {
                    self.files.destinations.remove(&tag);
                    match photo {
                        Ok(photo) => {
                            let intake = Intake {
                                pool: vec![photo],
                                ..Intake::default()
                            };
                            self.take_in(intake, Destination::Pool);
                        }
                        Err(message) => self.error(message),
                    }
                }
                FileEvent::ProjectOpened { project, is_demo } => {
                    self.project_opened(*project, is_demo);
                }
                FileEvent::Prompts { path, prompts } => self.take_in_prompts(&path, prompts),
                FileEvent::OpenFailed(message) => self.open_failed(message),
                FileEvent::Keys(rows) => self.files.keys = Some(rows),
                FileEvent::KeysFailed(message) => self.error(message),
                FileEvent::Models(here) => self.models_listed(&here),
            }
        }
    }

    fn take_in(&mut self, intake: Intake, destination: Destination) {
        // Classes of one's own do not belong among the demo's: they begin a project of their own.
        if self.is_demo
            && !(intake.classes.is_empty() && intake.lists.is_empty() && intake.features.is_empty())
        {
            if self.files.waiting.is_empty() {
                self.open(super::StartWith::New(None));
            }
            self.files.waiting.push((intake, destination));
            return;
        }
        for (path, reason) in intake.rejected {
            self.warn(format!("{reason}: {}", path.display()));
            self.skip(path, reason);
        }
        let (mut edits, mut seen) = (Vec::new(), HashSet::new());
        let (mut num_photos, mut num_known) = (0, 0);
        let mut count = |added: usize, given: usize| {
            num_photos += added;
            num_known += given - added;
        };
        for (name, found) in intake.classes {
            let given = found.len();
            let class = self.class_for(&name, &mut edits);
            count(
                self.add_photos(found, Role::Shot(class), &mut seen, &mut edits),
                given,
            );
        }
        let shots_of = match destination {
            Destination::Class(class) => Role::Shot(class),
            _ => Role::Pool,
        };
        for (found, role) in [(intake.shots, shots_of), (intake.pool, Role::Pool)] {
            let given = found.len();
            count(self.add_photos(found, role, &mut seen, &mut edits), given);
        }
        if num_known > 0 {
            self.info(format!("{} already in the project", photos(num_known)));
        }
        if !edits.is_empty() {
            let title = Some(format!("Add {}", photos(num_photos)));
            self.perform(Edit::Batch { title, edits });
        }
        for path in intake.features {
            self.import_features(path);
        }
        for (list, stamps) in intake.lists {
            self.take_in_list(&list, &stamps);
        }
    }

    /// Has photos with features read, which takes a model and a while.
    fn import_features(&mut self, path: PathBuf) {
        if !self.has_model {
            self.files.features.push(path);
            return;
        }
        self.info(format!("Reading features: {}", path.display()));
        self.files.importing = true;
        self.submit_clip(ClipJob::ImportFeatures(self.embedding.epoch(), path));
    }

    /// The keys that the person has changed, once they are read.
    pub fn take_keys(&mut self) -> Option<KeyRows> {
        self.files.keys.take()
    }

    /// Takes in what waited for a model.
    pub(super) fn import_what_waited(&mut self) {
        for path in std::mem::take(&mut self.files.features) {
            self.import_features(path);
        }
    }

    pub(super) fn take_in_features(
        &mut self,
        generation: Generation,
        read: Result<FeatureImport, String>,
    ) {
        self.files.importing = false;
        let read = match read {
            Ok(_) if generation != self.embedding.epoch() => return,
            Ok(read) => read,
            Err(reason) => return self.error(reason),
        };
        if read.num_without_file > 0 {
            self.warn(format!(
                "{} have no file here: they are predicted and labelled, but cannot be seen",
                photos(read.num_without_file)
            ));
        }
        let num_read = read.imported.photos.len();
        if read.num_rows > num_read {
            let all = photos(read.num_rows);
            self.warn(format!(
                "{num_read} of {all} were drawn at random; `shotlens import --sample` draws others"
            ));
        }
        self.take_in_list(&read.imported, &HashMap::new());
    }

    fn take_in_list(&mut self, list: &Imported, stamps: &HashMap<PathBuf, FileStamp>) {
        for reason in &list.skipped {
            self.warn(format!("left out: {reason}"));
        }
        let stamp = |path: &Path| stamps.get(path).copied().unwrap_or_default();
        let edit = list.edit_stamped(self.project.state_mut(), stamp);
        if self.perform(edit) {
            let is_labelled = |photo: &&ImportedPhoto| photo.label.is_some();
            let num_labelled = list.photos.iter().filter(is_labelled).count();
            let all = photos(list.photos.len());
            self.info(format!("{all} imported, {num_labelled} of them labelled"));
        }
    }

    /// What was dropped on the demo begins the project that was made for it.
    pub(super) fn take_in_what_waited(&mut self) {
        let waiting = std::mem::take(&mut self.files.waiting);
        if !waiting.is_empty() {
            self.info("Started a project of your own; the demo stays in the menu");
        }
        for (intake, destination) in waiting {
            self.take_in(intake, destination);
        }
    }

    /// The class with this name, made if need be.
    fn class_for(&mut self, name: &str, edits: &mut Vec<Edit>) -> ClassId {
        if let Some(class) = self.project().class_named(name) {
            return class.id;
        }
        let added = edits.iter().find_map(|edit| match edit {
            Edit::AddClass(class) if class.name == name => Some(class.id),
            _ => None,
        });
        if let Some(class) = added {
            return class;
        }
        let mut class = self.project.state_mut().new_class(name);
        let num_new = edits
            .iter()
            .filter(|edit| matches!(edit, Edit::AddClass(_)))
            .count();
        class.position += num_new as u32;
        class.colour = self.free_colour(edits);
        let id = class.id;
        edits.push(Edit::AddClass(class));
        id
    }

    /// The lowest colour that neither a class has nor one that this drop adds.
    fn free_colour(&self, edits: &[Edit]) -> u8 {
        let new = edits.iter().filter_map(|edit| match edit {
            Edit::AddClass(class) => Some(class.colour),
            _ => None,
        });
        let used: Vec<u8> = self
            .project()
            .classes()
            .iter()
            .map(|class| class.colour)
            .chain(new)
            .collect();
        (0..u8::MAX)
            .find(|colour| !used.contains(colour))
            .unwrap_or(u8::MAX)
    }

    /// Adds photos, or makes shots of those that the project has; how many changed. `seen`: paths of this drop so far, since a
    /// folder may be dropped together with one inside it.
    fn add_photos(
        &mut self,
        found: Vec<FoundPhoto>,
        role: Role,
        seen: &mut HashSet<PathBuf>,
        edits: &mut Vec<Edit>,
    ) -> usize {
        let (mut new, mut moved): (Vec<Photo>, Vec<_>) = (Vec::new(), Vec::new());
        for FoundPhoto { path, stamp } in found {
            if !seen.insert(path.clone()) {
                continue;
            }
            let Some(id) = self.project().photo_at(&path) else {
                new.push(self.project.state_mut().new_photo(&path, role, stamp));
                continue;
            };
            // A shot stays one when its folder is dropped on the pool as well.
            let is_moved = self
                .project()
                .photo(id)
                .is_some_and(|photo| photo.role != role);
            if is_moved && role != Role::Pool {
                moved.push((id, role));
            }
        }
        let num_changed = new.len() + moved.len();
        if !new.is_empty() {
            edits.push(Edit::AddPhotos(new));
        }
        if !moved.is_empty() {
            edits.push(Edit::SetRoles(moved));
        }
        num_changed
    }

    pub(super) fn submit_files(&mut self, job: FileJob) {
        let is_taken = self
            .threads
            .as_ref()
            .is_none_or(|threads| threads.files.submit(job));
        if !is_taken {
            self.error(
                "The thread that reads folders has stopped; restart Shotlens (nothing is lost)",
            );
        }
    }
}

/// "1 photo", "3 photos".
pub(super) fn photos(count: usize) -> String {
    if count == 1 {
        "1 photo".to_owned()
    } else {
        format!("{count} photos")
    }
}

/// What a drop means where it fell: on the left folders are classes, in the centre everything joins the pool,
/// on a class card everything is a shot of it; elsewhere folders of folders and several folders are classes.
fn sort_out(found: Vec<Found>, destination: Destination) -> Intake {
    let mut intake = Intake::default();
    let num_folders = found
        .iter()
        .filter(|found| matches!(found, Found::Folder { .. } | Found::FolderOfFolders { .. }))
        .count();
    let are_classes = match destination {
        Destination::Support => true,
        Destination::Class(_) | Destination::Pool => false,
        Destination::Anywhere => {
            num_folders > 1
                || found
                    .iter()
                    .any(|found| matches!(found, Found::FolderOfFolders { .. }))
        }
    };
    for found in found {
        let (folders, loose) = match found {
            Found::List(list, stamps) => {
                intake.lists.push((*list, stamps));
                continue;
            }
            Found::Features(path) => {
                intake.features.push(path);
                continue;
            }
            Found::Nothing { path, reason } => {
                intake.rejected.push((path, reason));
                continue;
            }
            // On the left everything is a class: loose photos are one of their folder's name.
            Found::Photo(photo) if destination == Destination::Support => {
                add_to_class(&mut intake.classes, photo);
                continue;
            }
            Found::Photo(photo) => (Vec::new(), vec![photo]),
            Found::Folder { name, photos } => (vec![(name, photos)], Vec::new()),
            Found::FolderOfFolders { folders, loose } => (folders, loose),
        };
        match destination {
            Destination::Class(_) => {
                intake.shots.extend(
                    folders
                        .into_iter()
                        .flat_map(|(_, photos)| photos)
                        .chain(loose),
                );
            }
            _ if are_classes => {
                intake.classes.extend(folders);
                intake.pool.extend(loose);
            }
            _ => intake.pool.extend(
                folders
                    .into_iter()
                    .flat_map(|(_, photos)| photos)
                    .chain(loose),
            ),
        }
    }
    intake
}

fn add_to_class(classes: &mut Vec<(String, Vec<FoundPhoto>)>, photo: FoundPhoto) {
    let folder = photo.path.parent().and_then(Path::file_name);
    let name = folder.map_or_else(
        || "new class".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    match classes.iter_mut().find(|(class, _)| *class == name) {
        Some((_, photos)) => photos.push(photo),
        None => classes.push((name, vec![photo])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::FileStamp;

    fn photo(name: &str) -> FoundPhoto {
        FoundPhoto {
            path: PathBuf::from(name),
            stamp: FileStamp::default(),
        }
    }

    fn folder(name: &str) -> Found {
        Found::Folder {
            name: name.to_owned(),
            photos: vec![photo(name)],
        }
    }

    #[test]
    fn one_folder_on_the_centre_joins_the_pool_and_two_anywhere_are_classes() {
        let intake = sort_out(vec![folder("a")], Destination::Anywhere);
        assert_eq!((intake.classes.len(), intake.pool.len()), (0, 1));
        let intake = sort_out(vec![folder("a"), folder("b")], Destination::Anywhere);
        assert_eq!((intake.classes.len(), intake.pool.len()), (2, 0));
        let intake = sort_out(vec![folder("a"), folder("b")], Destination::Pool);
        assert_eq!((intake.classes.len(), intake.pool.len()), (0, 2));
    }

    #[test]
    fn a_folder_on_the_left_is_a_class_and_a_folder_of_folders_several() {
        assert_eq!(
            sort_out(vec![folder("a")], Destination::Support)
                .classes
                .len(),
            1
        );
        let nested = Found::FolderOfFolders {
            folders: vec![
                ("a".to_owned(), vec![photo("1")]),
                ("b".to_owned(), vec![photo("2")]),
            ],
            loose: vec![photo("3")],
        };
        let intake = sort_out(vec![nested], Destination::Anywhere);
        assert_eq!((intake.classes.len(), intake.pool.len()), (2, 1));
    }

    #[test]
    fn loose_photos_on_the_left_are_a_class_of_their_folders_name() {
        let photos = ["/p/hats/1.jpg", "/p/hats/2.jpg"].map(|path| Found::Photo(photo(path)));
        let intake = sort_out(photos.to_vec(), Destination::Support);
        assert_eq!(intake.classes.len(), 1);
        assert_eq!(
            (intake.classes[0].0.as_str(), intake.classes[0].1.len()),
            ("hats", 2)
        );
    }

    #[test]
    fn everything_on_a_class_card_is_a_shot_of_it() {
        let destination = Destination::Class(ClassId(1));
        let intake = sort_out(vec![folder("a"), Found::Photo(photo("1"))], destination);
        assert_eq!((intake.classes.len(), intake.shots.len()), (0, 2));
    }
}
