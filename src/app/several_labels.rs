//! Several labels a photo, where the project says so: a class goes on and off, and the selection stays for the next one.

use super::App;
use super::selection::with_shots;
use crate::ids::{ClassId, PhotoId};
use crate::project::{Edit, LabelSource, Photo};

/// The labels of a photo, the main one first.
type LabelSet = (PhotoId, Vec<ClassId>);

impl App {
    /// Gives a class to those of the photos that lack it; where none does, takes it off all. A shot becomes one of that class.
    pub(super) fn toggle_label(&mut self, photos: &[PhotoId], class: ClassId) {
        let (shots, pool): (Vec<PhotoId>, Vec<PhotoId>) =
            photos.iter().partition(|photo| self.has_shot_role(**photo));
        let project = self.project();
        let known: Vec<&Photo> = pool.iter().filter_map(|id| project.photo(*id)).collect();
        let lacking: Vec<&Photo> = known
            .iter()
            .copied()
            .filter(|photo| !photo.shows(class))
            .collect();
        let labels: Vec<LabelSet> = if lacking.is_empty() {
            let all = known.iter();
            all.map(|photo| (photo.id, photo.labels_without(class)))
                .collect()
        } else {
            lacking.iter().map(|photo| with(photo, class)).collect()
        };
        let first = lacking.iter().filter(|photo| photo.label.is_none());
        let first = first.map(|photo| (photo.id, Some(class))).collect();
        let shots = shots.into_iter().map(|shot| (shot, Some(class))).collect();
        self.set_label_sets(labels, first, shots, LabelSource::User);
    }

    /// Adds to each photo what is predicted for it; the selection moves on, also from photos that have it already.
    pub(super) fn add_predictions(&mut self, photos: &[PhotoId]) {
        let predicted = |photo: &PhotoId| Some((*photo, self.prediction(*photo)?.class));
        let predicted: Vec<(PhotoId, ClassId)> = photos.iter().filter_map(predicted).collect();
        let next = self.behind(&predicted.iter().map(|(photo, _)| *photo).collect());
        let has_any = !predicted.is_empty();
        let (shots, pool): (Vec<_>, Vec<_>) = predicted
            .into_iter()
            .partition(|(photo, _)| self.has_shot_role(*photo));
        let project = self.project();
        let known = pool
            .iter()
            .filter_map(|(id, class)| Some((project.photo(*id)?, *class)));
        let lacking: Vec<(&Photo, ClassId)> = known
            .filter(|(photo, class)| !photo.shows(*class))
            .collect();
        let labels = lacking.iter().map(|(photo, class)| with(photo, *class));
        let labels = labels.collect();
        let first = lacking.iter().filter(|(photo, _)| photo.label.is_none());
        let first = first
            .map(|(photo, class)| (photo.id, Some(*class)))
            .collect();
        let shots = shots.into_iter().map(|(shot, class)| (shot, Some(class)));
        let source = LabelSource::AcceptedPrediction;
        let is_done = self.set_label_sets(labels, first, shots.collect(), source);
        self.move_on(is_done && has_any, next);
    }

    /// `first`: the photos that had no label, which a prediction is judged by. `false`: it could not be done.
    fn set_label_sets(
        &mut self,
        labels: Vec<LabelSet>,
        first: Vec<(PhotoId, Option<ClassId>)>,
        shots: Vec<(PhotoId, Option<ClassId>)>,
        source: LabelSource,
    ) -> bool {
        if labels.is_empty() && shots.is_empty() {
            return true;
        }
        let predicted = self.predicted_for(&first, source);
        let label = Edit::SetLabelSets {
            labels,
            source,
            predicted,
        };
        self.perform(with_shots(shots, label))
    }

    /// Whether a photo may have several labels. Photos that have several keep them, and it is said how many those are.
    pub(super) fn set_multi_label(&mut self, on: bool) {
        self.change_settings(|settings| settings.multi_label = on);
        let photos = self.project().photos().iter();
        let num_several = photos.filter(|photo| !photo.also.is_empty()).count();
        if on || self.project().settings().multi_label || num_several == 0 {
            return;
        }
        self.info(if num_several == 1 {
            "1 photo keeps its several labels until somebody labels it anew".to_owned()
        } else {
            format!(
                "{num_several} photos keep their several labels until somebody labels them anew"
            )
        });
    }
}

fn with(photo: &Photo, class: ClassId) -> LabelSet {
    (photo.id, photo.labels().chain([class]).collect())
}
