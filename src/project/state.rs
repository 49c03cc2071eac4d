//! What a project holds, in memory: classes, photos, settings, view.
//!
//! Cheap look-ups for 100,000 photos. Everything except view and file stamps is changed through [`super::apply()`] alone, so that every change can be undone and written.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{ClassId, PhotoId};
use crate::image_io::ContentHash;
use crate::project::path_index::PathIndex;
use crate::project::serial;
use crate::project::support_members::LabelLimit;

/// The prompt of a new class; `{name}` stands for the class's name, so that a renamed class needs no new prompt.
pub const DEFAULT_PROMPT: &str = "a photo of a {name}";

/// A class: a name, the prompts that describe it, a colour and a place in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Stable for the life of the project.
    pub id: ClassId,
    /// Unique in the project, not blank.
    pub name: String,
    /// What the text tower reads, with `{name}` where the class's name belongs; see [`Class::texts`].
    pub prompts: Vec<String>,
    /// Index into the palette; the lowest unused one when the class was made.
    pub colour: u8,
    /// Place in the list, from 0 without gaps.
    pub position: u32,
}

impl Class {
    /// The prompts with the name filled in; the bare name when there are no prompts.
    pub fn texts(&self) -> Vec<String> {
        if self.prompts.is_empty() {
            return vec![self.name.clone()];
        }
        self.prompts
            .iter()
            .map(|prompt| prompt.replace("{name}", &self.name))
            .collect()
    }
}

/// What a photo is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// An example of a class, in the support set.
    Shot(ClassId),
    /// To be predicted and labelled.
    Pool,
}

/// How a photo's file looked when it was last read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp {
    /// Bytes.
    pub size: u64,
    /// Modification time, milliseconds since 1970 (negative before).
    pub modified_ms: i64,
    /// Hash of the bytes, once they were read.
    #[serde(with = "serial::content_hash")]
    pub hash: Option<ContentHash>,
}

/// A photo of the project; the file itself is never touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Photo {
    /// Stable for the life of the project.
    pub id: PhotoId,
    /// Absolute; shared, because workers and undo keep copies.
    #[serde(with = "serial::path")]
    pub path: Arc<Path>,
    /// Shot or pool.
    pub role: Role,
    /// What somebody said it shows; independent of the role.
    pub label: Option<ClassId>,
    /// Further classes that it shows: sorted, each once, never `label`, none without a label. Absent in the history of older projects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<ClassId>,
    /// Somebody looked at it and could not tell; absent in the history of older projects.
    #[serde(default)]
    pub unsure: bool,
    /// The file as last read.
    pub file: FileStamp,
}

impl Photo {
    /// The name of its file, for people.
    pub fn file_name(&self) -> String {
        self.path.file_name().map_or_else(
            || self.path.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        )
    }

    /// Whether it is an example in the support set.
    pub fn is_shot(&self) -> bool {
        matches!(self.role, Role::Shot(_))
    }

    /// Every class that it is known to show: a shot its own, any other its labels.
    pub fn known_classes(&self) -> impl Iterator<Item = ClassId> + '_ {
        let (shot_of, labelled) = match self.role {
            Role::Shot(class) => (Some(class), None),
            Role::Pool => (None, Some(self.labels())),
        };
        shot_of.into_iter().chain(labelled.into_iter().flatten())
    }

    /// The class that it is known to show: a shot's own, else its label.
    pub fn known_class(&self) -> Option<ClassId> {
        self.known_classes().next()
    }

    /// Every class that somebody said it shows: its label, then the further ones.
    pub fn labels(&self) -> impl Iterator<Item = ClassId> + '_ {
        self.label.into_iter().chain(self.also.iter().copied())
    }

    /// Whether somebody said that it shows this class.
    pub fn shows(&self, class: ClassId) -> bool {
        self.labels().any(|label| label == class)
    }

    /// Its labels with one class in the place of another.
    pub fn labels_with(&self, new: ClassId, old: ClassId) -> Vec<ClassId> {
        self.labels()
            .map(|label| if label == old { new } else { label })
            .collect()
    }

    /// Its labels without a class; where that is the label, the first of the further ones takes its place.
    pub fn labels_without(&self, class: ClassId) -> Vec<ClassId> {
        self.labels().filter(|label| *label != class).collect()
    }

    /// Sets the label to the first of these and the further ones to the others.
    pub(super) fn set_labels(&mut self, labels: &[ClassId]) {
        self.label = labels.first().copied();
        self.also = labels.get(1..).unwrap_or_default().to_vec();
        self.also.sort_unstable();
        self.also.dedup();
        self.also.retain(|class| Some(*class) != self.label);
    }
}

/// A label that a person gave, and what was predicted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The photo.
    pub photo: PhotoId,
    /// The label.
    pub label: ClassId,
    /// What was predicted then.
    pub predicted: ClassId,
}

/// What a method takes besides its sliders; what is not said is as the method's authors have it.
///
/// Saved as JSON: a key that this version does not know is dropped, one that is missing is not said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MethodOptions {
    /// APE: channels kept.
    pub channels: Option<usize>,
    /// APE: weight of the similarity between classes in the choice of channels.
    pub w0: Option<f32>,
    /// APE: weight of the variance over class texts in the choice of channels.
    pub w1: Option<f32>,
    /// `ProKeR`: how far the kernel may leave the class texts.
    pub lambda: Option<f32>,
    /// TIMO: prompts of each class that guide the photos.
    pub num_prompts: Option<usize>,
    /// Trained methods: passes over the shots.
    pub epochs: Option<usize>,
    /// Trained methods: the first step size.
    pub learning_rate: Option<f32>,
    /// Name of the preset that these values and the sliders came from.
    pub preset: Option<String>,
}

/// The method and its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches that depend on nothing"
)]
pub struct Settings {
    /// As on the command line: `zero-shot`, `tip-adapter`, ...
    pub method: String,
    /// Weight of the cache term.
    #[serde(with = "serial::exact_f64")]
    pub alpha: f64,
    /// Sharpness of the affinity.
    #[serde(with = "serial::exact_f64")]
    pub beta: f64,
    /// Weight of Tip-X's or APE's extra term.
    #[serde(with = "serial::exact_f64")]
    pub gamma: f64,
    /// What the method takes besides; absent in the history of older projects.
    #[serde(default)]
    pub options: MethodOptions,
    /// Whether α and β follow leave-one-out tuning; the first touch of a slider ends that.
    pub auto_tuned: bool,
    /// Whether the text term counts.
    pub use_class_names: bool,
    /// Whether labelled photos of the pool join the support set.
    pub learn_from_labels: bool,
    /// How many of them; absent in the history of older projects.
    #[serde(default)]
    pub label_limit: LabelLimit,
    /// Whether a photo may have several labels; absent in the history of older projects.
    #[serde(default)]
    pub multi_label: bool,
    /// `FILE`, `isoclip[:TOP,BOTTOM]` or `pca[:DIM]`.
    pub adapter: Option<String>,
    /// Name or path of the model; `None` is the embedded one.
    pub model: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            method: "tip-adapter".to_owned(),
            alpha: 1.0,
            beta: 5.5,
            gamma: 0.1,
            options: MethodOptions::default(),
            auto_tuned: true,
            use_class_names: true,
            learn_from_labels: false,
            label_limit: LabelLimit::All,
            multi_label: false,
            adapter: Some("isoclip".to_owned()),
            model: None,
        }
    }
}

/// How the project was last looked at; saved, but neither undone nor redone.
///
/// A key that this version does not know is dropped, one that is missing has its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct View {
    /// Which photos are shown, in the window's own words.
    pub filter: String,
    /// In which order, in the window's own words.
    pub sort: String,
    /// The photo in the inspector.
    pub selected: Option<PhotoId>,
    /// `light`, `dark`, or empty for the system's.
    pub theme: String,
    /// Width of the left panel in points.
    pub left_width: Option<f32>,
    /// Width of the right panel in points.
    pub right_width: Option<f32>,
    /// Height of the lower centre panel in points.
    pub lower_height: Option<f32>,
}

/// Everything a project holds.
#[derive(Clone, Debug, Default)]
pub struct ProjectState {
    // By position.
    classes: Vec<Class>,
    // By id: look-ups are binary searches, and an undone removal finds its old place.
    photos: Vec<Photo>,
    settings: Settings,
    view: View,
    by_path: PathIndex,
    members: HashMap<Role, Vec<PhotoId>>,
    num_labelled: HashMap<ClassId, usize>,
    num_with_label: usize,
    judgements: Vec<Judgement>,
    next_class: i64,
    next_photo: i64,
}

impl ProjectState {
    /// An empty project with default settings.
    pub fn new() -> Self {
        Self {
            next_class: 1,
            next_photo: 1,
            ..Self::default()
        }
    }

    /// A state read from a file; `next` are the first ids never used. Classes and photos in any order.
    pub(super) fn from_parts(
        mut classes: Vec<Class>,
        mut photos: Vec<Photo>,
        settings: Settings,
        view: View,
        next: (ClassId, PhotoId),
    ) -> Self {
        classes.sort_by_key(|class| (class.position, class.id));
        photos.sort_by_key(|photo| photo.id);
        let mut state = Self {
            classes,
            settings,
            view,
            ..Self::new()
        };
        state.renumber();
        state.insert_photos(photos);
        state.next_class = state.next_class.max(next.0.0);
        state.next_photo = state.next_photo.max(next.1.0);
        for class in &state.classes {
            state.next_class = state.next_class.max(class.id.0 + 1);
        }
        state
    }

    /// The classes in the order of the list.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The photos in the order of their ids, which is the order in which they were added.
    pub fn photos(&self) -> &[Photo] {
        &self.photos
    }

    /// The method and its parameters.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How the project was last looked at.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Labels that people gave to photos with a prediction, in their order; also those that were changed later.
    pub fn judgements(&self) -> &[Judgement] {
        &self.judgements
    }

    pub(super) fn add_judgements(&mut self, judgements: impl IntoIterator<Item = Judgement>) {
        self.judgements.extend(judgements);
    }

    /// Replaces the view; not part of the history.
    pub fn set_view(&mut self, view: View) {
        self.view = view;
    }

    /// Records how a photo's file was found on disk; not part of the history. `false`: no such photo.
    pub fn set_file(&mut self, id: PhotoId, file: FileStamp) -> bool {
        self.photo_mut(id).map(|photo| photo.file = file).is_some()
    }

    /// The class with this id.
    pub fn class(&self, id: ClassId) -> Option<&Class> {
        self.classes.iter().find(|class| class.id == id)
    }

    /// The class with exactly this name.
    pub fn class_named(&self, name: &str) -> Option<&Class> {
        self.classes.iter().find(|class| class.name == name)
    }

    /// The photo with this id.
    pub fn photo(&self, id: PhotoId) -> Option<&Photo> {
        self.photo_index(id).map(|index| &self.photos[index])
    }

    /// Where in [`Self::photos`] a photo is.
    pub fn photo_index(&self, id: PhotoId) -> Option<usize> {
        self.photos.binary_search_by_key(&id, |photo| photo.id).ok()
    }

    /// The photo at this absolute path, if the project has it; a photo is in a project once.
    pub fn photo_at(&self, path: &Path) -> Option<PhotoId> {
        self.by_path.get(path)
    }

    /// The shots of a class, by id.
    pub fn shots(&self, class: ClassId) -> &[PhotoId] {
        self.members
            .get(&Role::Shot(class))
            .map_or(&[], Vec::as_slice)
    }

    /// The photos of the pool, by id.
    pub fn pool(&self) -> &[PhotoId] {
        self.members.get(&Role::Pool).map_or(&[], Vec::as_slice)
    }

    /// How many photos, shots or pool, carry this label, alone or among others.
    pub fn num_labelled(&self, class: ClassId) -> usize {
        self.num_labelled.get(&class).copied().unwrap_or(0)
    }

    /// How many photos, shots or pool, have a label.
    pub fn num_with_label(&self) -> usize {
        self.num_with_label
    }

    /// A class ready for [`super::Edit::AddClass`]: a fresh id, the default prompt, the lowest unused colour, last in the list.
    pub fn new_class(&mut self, name: &str) -> Class {
        let id = ClassId(self.next_class);
        self.next_class += 1;
        let used: Vec<u8> = self.classes.iter().map(|class| class.colour).collect();
        let colour = (0..u8::MAX)
            .find(|colour| !used.contains(colour))
            .unwrap_or(u8::MAX);
        let prompts = vec![DEFAULT_PROMPT.to_owned()];
        Class {
            id,
            name: name.to_owned(),
            prompts,
            colour,
            position: self.classes.len() as u32,
        }
    }

    /// A photo ready for [`super::Edit::AddPhotos`], with a fresh id and no label. `path` is absolute.
    pub fn new_photo(&mut self, path: &Path, role: Role, file: FileStamp) -> Photo {
        let id = PhotoId(self.next_photo);
        self.next_photo += 1;
        Photo {
            id,
            path: path.into(),
            role,
            label: None,
            also: Vec::new(),
            unsure: false,
            file,
        }
    }

    /// The first class id and photo id never used.
    pub(super) fn next_ids(&self) -> (ClassId, PhotoId) {
        (ClassId(self.next_class), PhotoId(self.next_photo))
    }
}

/// What [`super::apply()`] is made of; nothing here checks.
impl ProjectState {
    pub(super) fn class_mut(&mut self, id: ClassId) -> Option<&mut Class> {
        self.classes.iter_mut().find(|class| class.id == id)
    }

    pub(super) fn insert_class(&mut self, class: Class) {
        self.next_class = self.next_class.max(class.id.0 + 1);
        let at = (class.position as usize).min(self.classes.len());
        self.classes.insert(at, class);
        self.renumber();
    }

    pub(super) fn take_class(&mut self, id: ClassId) -> Option<Class> {
        let at = self.classes.iter().position(|class| class.id == id)?;
        let class = self.classes.remove(at);
        self.renumber();
        Some(class)
    }

    pub(super) fn insert_photos(&mut self, photos: Vec<Photo>) {
        self.by_path.reserve(photos.len());
        for photo in &photos {
            self.next_photo = self.next_photo.max(photo.id.0 + 1);
            self.by_path.insert(photo);
            let labels: Vec<ClassId> = photo.labels().collect();
            self.count_labels(&labels, 1);
        }
        self.photos.extend(photos);
        self.photos.sort_by_key(|photo| photo.id);
        self.rebuild_members();
    }

    /// Takes out the photos that `is_leaving` picks, in the order of their ids.
    pub(super) fn take_photos(&mut self, is_leaving: impl Fn(&Photo) -> bool) -> Vec<Photo> {
        let taken: Vec<Photo> = self
            .photos
            .extract_if(.., |photo| is_leaving(photo))
            .collect();
        for photo in &taken {
            self.by_path.remove(&photo.path);
            let labels: Vec<ClassId> = photo.labels().collect();
            self.count_labels(&labels, -1);
        }
        self.rebuild_members();
        taken
    }

    /// Sets one photo's role and returns the old one. [`Self::rebuild_members`] is due afterwards.
    pub(super) fn replace_role(&mut self, id: PhotoId, role: Role) -> Option<Role> {
        self.photo_mut(id)
            .map(|photo| std::mem::replace(&mut photo.role, role))
    }

    /// Sets one photo's labels, the main one first, and returns the old ones, which puts them back.
    pub(super) fn replace_labels(
        &mut self,
        id: PhotoId,
        labels: &[ClassId],
    ) -> Option<Vec<ClassId>> {
        let index = self.photo_index(id)?;
        let photo = &mut self.photos[index];
        let old: Vec<ClassId> = photo.labels().collect();
        photo.set_labels(labels);
        let new: Vec<ClassId> = photo.labels().collect();
        self.count_labels(&old, -1);
        self.count_labels(&new, 1);
        Some(old)
    }

    /// Sets whether nobody can tell, and returns photo and old state, which puts it back.
    pub(super) fn replace_unsure(&mut self, id: PhotoId, unsure: bool) -> Option<(PhotoId, bool)> {
        let photo = self.photo_mut(id)?;
        Some((id, std::mem::replace(&mut photo.unsure, unsure)))
    }

    pub(super) fn replace_settings(&mut self, settings: Settings) -> Settings {
        std::mem::replace(&mut self.settings, settings)
    }

    pub(super) fn rebuild_members(&mut self) {
        self.members.clear();
        for photo in &self.photos {
            self.members.entry(photo.role).or_default().push(photo.id);
        }
    }

    fn photo_mut(&mut self, id: PhotoId) -> Option<&mut Photo> {
        self.photo_index(id).map(|index| &mut self.photos[index])
    }

    fn count_labels(&mut self, labels: &[ClassId], step: isize) {
        for class in labels {
            let count = self.num_labelled.entry(*class).or_default();
            *count = count.saturating_add_signed(step);
        }
        if !labels.is_empty() {
            self.num_with_label = self.num_with_label.saturating_add_signed(step);
        }
    }

    fn renumber(&mut self) {
        for (position, class) in self.classes.iter_mut().enumerate() {
            class.position = position as u32;
        }
    }
}
