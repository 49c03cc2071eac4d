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
        let first: Vec<_> = first.map(|photo| (photo.id, Some(class))).collect();
        let shots = shots.into_iter().map(|shot| (shot, Some(class))).collect();
        self.set_label_sets(labels, &first, shots, LabelSource::User);
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
        let first: Vec<_> = first
            .map(|(photo, class)| (photo.id, Some(*class)))
            .collect();
        let shots = shots.into_iter().map(|(shot, class)| (shot, Some(class)));
        let source = LabelSource::AcceptedPrediction;
        let is_done = self.set_label_sets(labels, &first, shots.collect(), source);
        self.move_on(is_done && has_any, next);
    }

    /// `first`: the photos that had no label, which a prediction is judged by. `false`: it could not be done.
    fn set_label_sets(
        &mut self,
        labels: Vec<LabelSet>,
        first: &[(PhotoId, Option<ClassId>)],
        shots: Vec<(PhotoId, Option<ClassId>)>,
        source: LabelSource,
    ) -> bool {
        if labels.is_empty() && shots.is_empty() {
            return true;
        }
        let predicted = self.predicted_for(first, source);
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

#[cfg(test)]
mod tests {

    use super::*;
    use crate::app::{Command, Filter};
    use crate::project::Role;

    /// Three classes, a shot of the first and three photos in the pool; photos may have several labels.
    fn several() -> (App, [ClassId; 3], PhotoId, [PhotoId; 3]) {
        let mut app = App::default();
        let classes = ["hat", "coat", "shoe"].map(|name| {
            app.apply(Command::AddClass(name.to_owned()));
            app.project().class_named(name).unwrap().id
        });
        app.apply(Command::SetMultiLabel(true));
        let shot = app.add_photo("shot.jpg", Role::Shot(classes[0]));
        let pool = ["a.jpg", "b.jpg", "c.jpg"].map(|name| app.add_photo(name, Role::Pool));
        app.apply(Command::Select(Some(pool[0])));
        (app, classes, shot, pool)
    }

    fn labels(app: &App, photo: PhotoId) -> Vec<ClassId> {
        app.project().photo(photo).unwrap().labels().collect()
    }

    fn press(app: &mut App, class: ClassId) {
        app.apply(Command::Label(app.targets(), Some(class)));
    }

    #[test]
    fn a_class_goes_on_and_off_and_the_selection_stays() {
        let (mut app, [hat, coat, shoe], _, [photo, ..]) = several();
        for class in [coat, hat, shoe] {
            press(&mut app, class);
            assert_eq!(app.selected(), Some(photo));
        }
        assert_eq!(labels(&app, photo), [coat, hat, shoe]);
        press(&mut app, coat);
        assert_eq!(labels(&app, photo), [hat, shoe]);
        assert_eq!(app.undo_description(), Some("Take coat off 1 photo"));
        app.apply(Command::Undo);
        assert_eq!(labels(&app, photo), [coat, hat, shoe]);
        assert_eq!(app.undo_description(), Some("Label 1 photo as shoe"));
        app.apply(Command::Label(vec![photo], None));
        assert_eq!(labels(&app, photo), []);
        app.apply(Command::Undo);
        assert_eq!(labels(&app, photo), [coat, hat, shoe]);
    }

    #[test]
    fn of_many_photos_those_that_lack_it_get_the_class_and_then_all_lose_it() {
        let (mut app, [hat, coat, _], _, pool) = several();
        press(&mut app, hat);
        app.apply(Command::MarkPhotos(pool.to_vec(), false));
        press(&mut app, coat);
        press(&mut app, hat);
        assert_eq!(labels(&app, pool[0]), [hat, coat]);
        assert_eq!(labels(&app, pool[1]), [coat, hat]);
        assert_eq!(app.num_marked(), 3);
        assert_eq!(app.undo_description(), Some("Label 2 photos as hat"));
        press(&mut app, hat);
        for photo in pool {
            assert_eq!(labels(&app, photo), [coat]);
        }
        assert_eq!(app.project().num_labelled(hat), 0);
    }

    #[test]
    fn a_shot_stays_an_example_of_one_class() {
        let (mut app, [_, coat, _], shot, [photo, ..]) = several();
        app.apply(Command::Label(vec![shot, photo], Some(coat)));
        assert_eq!(app.project().shots(coat), [shot]);
        assert_eq!(labels(&app, photo), [coat]);
        assert_eq!(labels(&app, shot), []);
    }

    #[test]
    fn what_is_being_labelled_stays_on_show_until_another_is_selected() {
        let (mut app, [hat, coat, _], _, pool) = several();
        app.apply(Command::SetFilter(Filter::Unlabelled));
        press(&mut app, hat);
        assert_eq!(app.gallery().photos, pool);
        app.apply(Command::Select(Some(pool[1])));
        press(&mut app, coat);
        assert_eq!(app.gallery().photos, pool[1..]);
        app.apply(Command::SetFilter(Filter::Class(hat)));
        assert_eq!(
            app.gallery().photos,
            pool[..1],
            "{:?}",
            app.gallery().filter
        );
        app.apply(Command::SetFilter(Filter::Labelled));
        assert_eq!(app.gallery().photos, pool[..2]);
    }

    #[test]
    fn without_the_option_several_labels_are_kept_and_told_until_one_takes_their_place() {
        let (mut app, [hat, coat, shoe], _, [photo, other, _]) = several();
        press(&mut app, hat);
        press(&mut app, coat);
        app.apply(Command::SetMultiLabel(false));
        assert_eq!(labels(&app, photo), [hat, coat]);
        let told = app
            .notices()
            .iter()
            .any(|notice| notice.text.starts_with("1 photo keeps"));
        assert!(told, "{:?}", app.notices());
        app.apply(Command::Label(vec![photo, other], Some(shoe)));
        assert_eq!(labels(&app, photo), [shoe]);
        app.apply(Command::Undo);
        assert_eq!(labels(&app, photo), [hat, coat]);
        app.apply(Command::Undo);
        assert!(app.project().settings().multi_label);
    }

    #[test]
    fn merged_and_split_classes_leave_the_other_labels_alone() {
        let (mut app, [hat, coat, shoe], _, [photo, other, _]) = several();
        for class in [coat, hat, shoe] {
            press(&mut app, class);
        }
        app.apply(Command::Label(vec![other], Some(coat)));
        app.apply(Command::MergeClass(coat, hat));
        assert_eq!(labels(&app, photo), [hat, shoe]);
        assert_eq!(labels(&app, other), [hat]);
        app.apply(Command::Undo);
        assert_eq!(labels(&app, photo), [coat, hat, shoe]);
        assert_eq!(labels(&app, other), [coat]);
        app.apply(Command::DissolveClass(coat));
        assert_eq!(labels(&app, photo), [hat, shoe]);
    }
}
