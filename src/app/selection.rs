//! Several photos selected at once, and what is done to all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::App;
use crate::ids::{ClassId, PhotoId};
use crate::project::{Edit, LabelSource, Photo, Role};

/// Photos selected together, besides the one in the inspector.
#[derive(Default)]
pub(crate) struct Marks {
    photos: BTreeSet<PhotoId>,
    /// Where a range begins.
    anchor: Option<PhotoId>,
    /// Another one with every change.
    version: u64,
}

/// How a photo joins the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// In or out, the others stay.
    Toggle,
    /// With everything between it and where the selection began.
    To,
}

impl App {
    /// Whether a photo is one of several that are selected.
    pub fn is_marked(&self, photo: PhotoId) -> bool {
        self.marks.photos.contains(&photo)
    }

    /// How many of the photos selected together are shots.
    pub fn num_marked_shots(&self) -> usize {
        let project = self.project();
        let shots = project
            .classes()
            .iter()
            .flat_map(|class| project.shots(class.id));
        shots.filter(|shot| self.is_marked(**shot)).count()
    }

    /// Another number whenever other photos are selected together.
    pub fn marks_version(&self) -> u64 {
        self.marks.version
    }

    /// How many photos are selected together; 0 where it is the one in the inspector alone.
    pub fn num_marked(&self) -> usize {
        self.marks.photos.len()
    }

    /// What a key that labels means: the photos selected together, or the one in the inspector.
    pub fn targets(&self) -> Vec<PhotoId> {
        if self.marks.photos.is_empty() {
            return self.selected.into_iter().collect();
        }
        self.marks.photos.iter().copied().collect()
    }

    /// Unlabelled photos whose prediction is at least this sure, the least sure first.
    pub fn acceptable(&self, threshold: f32) -> Vec<PhotoId> {
        let is_open = |photo: &PhotoId| {
            let photo = self.project().photo(*photo);
            photo.is_some_and(|photo| photo.label.is_none() && !photo.unsure)
        };
        let pool = self.project().pool();
        let sure = self.scoring.by_confidence().filter(|photo| {
            self.scoring.confidence(*photo) >= Some(threshold) && pool.binary_search(photo).is_ok()
        });
        sure.filter(is_open).collect()
    }

    /// Of the labelled photos whose prediction is at least this sure: how many are labelled as predicted, of how many.
    pub fn agreement_above(&self, threshold: f32) -> (usize, usize) {
        let pool = self.project().pool().iter();
        let labelled = pool.filter_map(|photo| {
            let known = self.project().photo(*photo)?;
            let sure = self.scoring.confidence(*photo)? >= threshold;
            let prediction = self.prediction(*photo).filter(|_| sure)?;
            known.label.map(|_| known.shows(prediction.class))
        });
        labelled.fold((0, 0), |(right, all), is_right| {
            (right + usize::from(is_right), all + 1)
        })
    }

    pub(super) fn mark(&mut self, photo: PhotoId, how: Mark) {
        self.marks.version += 1;
        let anchor = self.marks.anchor.or(self.selected).unwrap_or(photo);
        if self.marks.photos.is_empty() {
            self.marks.photos.extend(self.selected);
        }
        match how {
            Mark::Toggle => {
                if !self.marks.photos.remove(&photo) {
                    self.marks.photos.insert(photo);
                }
                self.marks.anchor = Some(photo);
            }
            Mark::To => {
                self.marks.photos = self.between(anchor, photo);
                self.marks.anchor = Some(anchor);
            }
        }
        self.look_at(Some(photo));
    }

    /// Selects these photos and, where `adds`, keeps the others.
    pub(super) fn mark_all_of(&mut self, photos: Vec<PhotoId>, adds: bool) {
        self.marks.version += 1;
        if !adds {
            self.marks.photos.clear();
        }
        self.marks.photos.extend(photos);
        // What the inspector shows is one of them.
        let is_among = |photo: PhotoId| self.marks.photos.contains(&photo);
        if !self.selected.is_some_and(is_among)
            && let Some(first) = self.marks.photos.first().copied()
        {
            self.look_at(Some(first));
        }
    }

    /// Selects everything that the gallery shows.
    pub(super) fn mark_gallery(&mut self) {
        self.marks.version += 1;
        self.marks.photos = self.gallery.photos.iter().copied().collect();
    }

    pub(super) fn clear_marks(&mut self) {
        self.marks = Marks {
            version: self.marks.version + 1,
            ..Marks::default()
        };
    }

    /// What is no longer in the project is not selected either.
    pub(super) fn prune_marks(&mut self) {
        let project = self.project.state();
        let is_here = |photo: &PhotoId| project.photo(*photo).is_some();
        self.marks.photos.retain(is_here);
        self.marks.version += 1;
    }

    fn between(&self, first: PhotoId, last: PhotoId) -> BTreeSet<PhotoId> {
        let place = |photo| self.gallery.position(photo);
        let (Some(first), Some(last)) = (place(first), place(last)) else {
            return [last].into();
        };
        let range = first.min(last)..=first.max(last);
        self.gallery.photos[range].iter().copied().collect()
    }

    /// Labels photos as predicted, all in one step; those without a prediction are left as they are.
    pub(super) fn accept_predictions(&mut self, photos: &[PhotoId]) {
        if self.project().settings().multi_label {
            return self.add_predictions(photos);
        }
        let predicted = |photo: &PhotoId| Some((*photo, Some(self.prediction(*photo)?.class)));
        let labels: Vec<(PhotoId, Option<ClassId>)> = photos.iter().filter_map(predicted).collect();
        self.label_all(labels, LabelSource::AcceptedPrediction);
    }

    /// Labels photos; where the selection was among them, it moves on to the first photo behind them.
    pub(super) fn label_all(
        &mut self,
        labels: Vec<(PhotoId, Option<ClassId>)>,
        source: LabelSource,
    ) {
        if labels.is_empty() {
            return;
        }
        let is_empty = |(photo, class): &(PhotoId, Option<ClassId>)| {
            let photo = self.project().photo(*photo);
            class.is_none()
                && photo.is_some_and(|photo| photo.role == Role::Pool && photo.label.is_none())
        };
        if labels.iter().all(is_empty) {
            return;
        }
        let photos: BTreeSet<PhotoId> = labels.iter().map(|(photo, _)| *photo).collect();
        let sets = labels.iter().any(|(_, class)| class.is_some());
        let next = self.behind(&photos);
        let (shots, labels): (Vec<_>, Vec<_>) = labels
            .into_iter()
            .partition(|(photo, _)| self.has_shot_role(*photo));
        let predicted = self.predicted_for(&labels, source);
        let label = Edit::SetLabels {
            labels,
            source,
            predicted,
        };
        let labelled = self.perform(with_shots(shots, label));
        self.move_on(labelled && sets, next);
    }

    pub(super) fn has_shot_role(&self, photo: PhotoId) -> bool {
        let photo = self.project().photo(photo);
        photo.is_some_and(Photo::is_shot)
    }

    /// What was predicted for photos that somebody labels, for the running accuracy; of predictions accepted by the dozen nobody
    /// looked at each.
    pub(super) fn predicted_for(
        &self,
        labels: &[(PhotoId, Option<ClassId>)],
        source: LabelSource,
    ) -> Vec<(PhotoId, ClassId)> {
        if source == LabelSource::AcceptedPrediction && labels.len() > 1 {
            return Vec::new();
        }
        let is_given = labels.iter().filter(|(_, class)| class.is_some());
        let known = is_given.filter(|(photo, _)| !self.is_shot(*photo));
        known
            .filter_map(|(photo, _)| Some((*photo, self.prediction(*photo)?.class)))
            .collect()
    }

    /// Says of photos that nobody can tell what they show, or takes that back.
    pub(super) fn set_unsure(&mut self, photos: &[PhotoId], unsure: bool) {
        let next = self.behind(&photos.iter().copied().collect());
        let photos = photos.iter().map(|photo| (*photo, unsure)).collect();
        let is_set = self.perform(Edit::SetUnsure(photos));
        self.move_on(is_set && unsure, next);
    }

    pub(super) fn move_on(&mut self, moves: bool, next: Option<PhotoId>) {
        if !moves {
            return;
        }
        self.clear_marks();
        if next.is_some() {
            self.look_at(next);
            self.save_view();
        }
    }

    /// The photo behind the last of these in the gallery, where the selected one is among them; before the labels change, since
    /// the gallery may then hide them.
    pub(super) fn behind(&self, photos: &BTreeSet<PhotoId>) -> Option<PhotoId> {
        self.selected.filter(|selected| photos.contains(selected))?;
        let places = &self.gallery.photos;
        let last = places.iter().rposition(|photo| photos.contains(photo))?;
        places.get(last + 1).copied()
    }

    /// How many unlabelled photos of the pool are predicted as each class, for whoever accepts many at once.
    pub fn predicted_counts(&self, photos: &[PhotoId]) -> BTreeMap<ClassId, usize> {
        let mut counts = BTreeMap::new();
        for class in photos.iter().filter_map(|photo| self.prediction(*photo)) {
            *counts.entry(class.class).or_default() += 1;
        }
        counts
    }
}

/// An edit that labels photos, with the shots among them: what a shot shows is what it is a shot of; without a label it goes to
/// the pool.
pub(super) fn with_shots(shots: Vec<(PhotoId, Option<ClassId>)>, label: Edit) -> Edit {
    if shots.is_empty() {
        return label;
    }
    let role = |class: Option<ClassId>| class.map_or(Role::Pool, Role::Shot);
    let roles = shots.into_iter().map(|(photo, class)| (photo, role(class)));
    Edit::Batch {
        title: None,
        edits: vec![Edit::SetRoles(roles.collect()), label],
    }
}
