//! Who is in the support set: shots, and as many labelled photos as the project wants to learn from.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::ids::{ClassId, PhotoId};
use crate::project::state::{Photo, ProjectState};

/// How many labelled photos join the shots, where the project learns from labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LabelLimit {
    /// All of them.
    #[default]
    All,
    /// So many that no class has more shots and labels than the one with the fewest.
    Balanced,
    /// At most so many of each class.
    PerClass(u32),
}

impl LabelLimit {
    /// What the project file's `learn_from_labels` holds: 0 is not at all, 1 all, 2 balanced, -n at most n of each class.
    pub(super) fn to_row(self, learns: bool) -> i64 {
        match self {
            _ if !learns => 0,
            Self::All => 1,
            Self::Balanced => 2,
            Self::PerClass(most) => -i64::from(most.max(1)),
        }
    }

    /// Whether the project learns, and how many.
    pub(super) fn of_row(row: i64) -> (bool, Self) {
        let limit = match row {
            2 => Self::Balanced,
            most if most < 0 => Self::PerClass(u32::try_from(-most).unwrap_or(u32::MAX)),
            _ => Self::All,
        };
        (row != 0, limit)
    }
}

impl ProjectState {
    /// The support set: shots class by class, then labelled photos where the project learns from them, each with the place of its
    /// class in the list. A photo with several labels is there once for each.
    pub fn support(&self) -> Vec<(PhotoId, usize)> {
        let mut support = Vec::new();
        for (place, class) in self.classes().iter().enumerate() {
            let shots = self.shots(class.id).iter();
            support.extend(shots.map(|photo| (*photo, place)));
        }
        if self.settings().learn_from_labels {
            let mut learnt = self.learnt();
            learnt.sort_unstable();
            support.extend(learnt);
        }
        support
    }

    /// The labelled photos of the pool that are learnt from.
    fn learnt(&self) -> Vec<(PhotoId, usize)> {
        let classes = self.classes();
        let places: HashMap<ClassId, usize> = classes
            .iter()
            .enumerate()
            .map(|(place, class)| (class.id, place))
            .collect();
        let mut labelled: Vec<Vec<PhotoId>> = vec![Vec::new(); classes.len()];
        for photo in self.pool() {
            let labels = self.photo(*photo).into_iter().flat_map(Photo::labels);
            for place in labels.filter_map(|label| places.get(&label)) {
                labelled[*place].push(*photo);
            }
        }
        let num_shots: Vec<usize> = classes
            .iter()
            .map(|class| self.shots(class.id).len())
            .collect();
        let known = num_shots
            .iter()
            .zip(&labelled)
            .map(|(shots, labels)| shots + labels.len());
        let fewest = known.filter(|known| *known > 0).min().unwrap_or(0);
        let mut learnt = Vec::new();
        for (place, photos) in labelled.into_iter().enumerate() {
            let most = match self.settings().label_limit {
                LabelLimit::All => photos.len(),
                LabelLimit::Balanced => fewest.saturating_sub(num_shots[place]),
                LabelLimit::PerClass(most) => most as usize,
            };
            learnt.extend(spread(&photos, most).map(|photo| (photo, place)));
        }
        learnt
    }
}

/// At most `most` of the photos, evenly drawn from all of them.
fn spread(photos: &[PhotoId], most: usize) -> impl Iterator<Item = PhotoId> + '_ {
    let count = most.min(photos.len());
    (0..count).map(move |index| photos[index * photos.len() / count])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::project::state::{FileStamp, Role, Settings};
    use crate::project::{Edit, LabelSource, apply};

    /// Two classes with two shots and one; of the first six photos are labelled, of the second one.
    fn project(limit: LabelLimit) -> ProjectState {
        let mut state = ProjectState::new();
        let mut number = 0;
        for (name, num_shots, num_labels) in [("hat", 2, 6), ("coat", 1, 1)] {
            let class = state.new_class(name);
            let id = class.id;
            apply(&mut state, Edit::AddClass(class)).unwrap();
            for place in 0..num_shots + num_labels {
                let role = if place < num_shots {
                    Role::Shot(id)
                } else {
                    Role::Pool
                };
                let path = format!("/photos/{number}.jpg");
                number += 1;
                let photo = state.new_photo(Path::new(&path), role, FileStamp::default());
                let photo_id = photo.id;
                apply(&mut state, Edit::AddPhotos(vec![photo])).unwrap();
                if place >= num_shots {
                    let label = Edit::label(photo_id, Some(id), LabelSource::User);
                    apply(&mut state, label).unwrap();
                }
            }
        }
        let settings = Settings {
            learn_from_labels: true,
            label_limit: limit,
            ..Settings::default()
        };
        apply(&mut state, Edit::SetSettings(settings)).unwrap();
        state
    }

    fn sizes(state: &ProjectState) -> [usize; 2] {
        let support = state.support();
        [0, 1].map(|place| support.iter().filter(|(_, class)| *class == place).count())
    }

    #[test]
    fn a_limit_holds_for_every_class() {
        assert_eq!(sizes(&project(LabelLimit::All)), [8, 2]);
        assert_eq!(sizes(&project(LabelLimit::Balanced)), [2, 2]);
        assert_eq!(sizes(&project(LabelLimit::PerClass(3))), [5, 2]);
    }

    #[test]
    fn the_file_knows_every_limit() {
        for limit in [
            LabelLimit::All,
            LabelLimit::Balanced,
            LabelLimit::PerClass(16),
        ] {
            assert_eq!(LabelLimit::of_row(limit.to_row(true)), (true, limit));
            assert!(!LabelLimit::of_row(limit.to_row(false)).0);
        }
    }

    #[test]
    fn a_limit_takes_early_and_late_labels_alike() {
        let photos: Vec<PhotoId> = (0..10).map(PhotoId).collect();
        let taken: Vec<i64> = spread(&photos, 3).map(|photo| photo.0).collect();
        assert_eq!(taken, [0, 3, 6]);
        assert_eq!(spread(&[], 3).count(), 0);
    }

    #[test]
    fn a_photo_with_several_labels_is_learnt_as_each_of_its_classes() {
        let mut state = project(LabelLimit::All);
        let [hat, coat] = [0, 1].map(|place| state.classes()[place].id);
        let photo = state.pool()[0];
        let edit = Edit::SetLabelSets {
            labels: vec![(photo, vec![hat, coat])],
            source: LabelSource::User,
            predicted: Vec::new(),
        };
        apply(&mut state, edit).unwrap();
        assert_eq!(sizes(&state), [8, 3]);
        assert_eq!((state.num_labelled(hat), state.num_labelled(coat)), (6, 2));
        let places = state.support().into_iter();
        let places: Vec<usize> = places
            .filter(|(other, _)| *other == photo)
            .map(|(_, place)| place)
            .collect();
        assert_eq!(places, [0, 1]);
    }
}
