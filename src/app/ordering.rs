//! Filtering and sorting the gallery, and remembering how.

use std::collections::HashSet;

use super::{App, Filter, Gallery, Sort};
use crate::ids::{ClassId, PhotoId};
use crate::project::View;
use crate::worker::evidence_set::Scored;

impl App {
    /// Brings the gallery in line with pool, labels, predictions, filter and sort.
    pub(super) fn refresh_gallery(&mut self) {
        self.map.mark_stale();
        if self.gallery.filter == Filter::Chosen {
            let project = self.project.state();
            let is_here = |photo: &&PhotoId| project.photo(**photo).is_some();
            let chosen = self.gallery.chosen.1.iter().filter(is_here);
            self.gallery.photos = chosen.copied().collect();
            return;
        }
        let sort = self.gallery.sort;
        let known = self
            .order
            .take()
            .filter(|(known, _)| *known == sort && sort != Sort::Ranked);
        let order = known.map_or_else(|| self.ordered(sort), |(_, order)| order);
        self.gallery.photos = if self.gallery.filter == Filter::All {
            order.clone()
        } else {
            let kept = self.still_labelled();
            let passes = |photo: &PhotoId| self.passes(*photo) || kept.contains(photo);
            order.iter().copied().filter(passes).collect()
        };
        self.order = Some((sort, order));
    }

    /// Photos, labels or predictions changed: what was computed of them is no longer true.
    pub(super) fn forget_order(&mut self) {
        self.revision += 1;
        self.order = None;
    }

    /// Changes whenever labels, photos or predictions do.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    fn ordered(&self, sort: Sort) -> Vec<PhotoId> {
        match sort {
            Sort::Added => self.project().pool().to_vec(),
            Sort::Newest => self.project().pool().iter().rev().copied().collect(),
            Sort::Margin => self.pool_by(|scored| scored.margin),
            Sort::Entropy => self.pool_by(|scored| -scored.entropy),
            Sort::Class => self.pool_by_class(),
            Sort::Ranked => self.pool_as_ranked(),
            Sort::Name => self.pool_by_name(),
            Sort::LeastSure => self.pool_by_confidence(),
            Sort::MostSure => self.pool_by_confidence().into_iter().rev().collect(),
        }
    }

    /// What is selected stays on show while it is given one label after the other, though the filter would hide it.
    fn still_labelled(&self) -> HashSet<PhotoId> {
        if !self.project().settings().multi_label {
            return HashSet::new();
        }
        let targets: HashSet<PhotoId> = self.targets().into_iter().collect();
        let shown = self.gallery.photos.iter().copied();
        shown.filter(|photo| targets.contains(photo)).collect()
    }

    fn passes(&self, id: PhotoId) -> bool {
        let Some(photo) = self.project().photo(id) else {
            return false;
        };
        let predicted = || {
            self.scoring
                .prediction(id)
                .map(|prediction| prediction.class)
        };
        match self.gallery.filter {
            Filter::All | Filter::Chosen => true,
            Filter::Unlabelled => photo.label.is_none() && !photo.unsure,
            Filter::Unsure => photo.label.is_none() && photo.unsure,
            Filter::Labelled => photo.label.is_some(),
            Filter::Disagreeing => {
                photo.label.is_some() && predicted().is_some_and(|class| !photo.shows(class))
            }
            Filter::Class(class) => match photo.label {
                Some(_) => photo.shows(class),
                None => predicted() == Some(class),
            },
        }
    }

    fn pool_by_name(&self) -> Vec<PhotoId> {
        let mut pool = self.project().pool().to_vec();
        pool.sort_by_cached_key(|photo| {
            self.project()
                .photo(*photo)
                .map(|photo| photo.path.file_name().map(ToOwned::to_owned))
        });
        pool
    }

    /// The least confident first; photos without a prediction at the end, as they were added.
    fn pool_by_confidence(&self) -> Vec<PhotoId> {
        let pool = self.project().pool();
        let in_pool = |photo: &PhotoId| pool.binary_search(photo).is_ok();
        let mut photos: Vec<PhotoId> = self.scoring.by_confidence().filter(in_pool).collect();
        photos.extend(
            pool.iter()
                .filter(|photo| !self.scoring.is_predicted(**photo)),
        );
        photos
    }

    /// By something of the predictions, the smallest first; photos without one at the end, as they were added.
    fn pool_by(&self, key: impl Fn(&Scored) -> f32) -> Vec<PhotoId> {
        let pool = self.project().pool();
        let mut keyed: Vec<(f32, PhotoId)> = pool
            .iter()
            .map(|photo| {
                let scored = self.scoring.scored(*photo);
                (scored.map_or(f32::INFINITY, &key), *photo)
            })
            .collect();
        keyed.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        keyed.into_iter().map(|(_, photo)| photo).collect()
    }

    /// By the class of the label or prediction, the surest first within it; photos with neither at the end.
    fn pool_by_class(&self) -> Vec<PhotoId> {
        let classes = self.project().classes();
        let place = |id| classes.iter().position(|class| class.id == id);
        let mut photos = self.pool_by(|scored| -scored.confidence);
        photos.sort_by_cached_key(|photo| {
            let label = self.project().photo(*photo).and_then(|photo| photo.label);
            let class = label.or_else(|| Some(self.scoring.prediction(*photo)?.class));
            class.and_then(place).unwrap_or(usize::MAX)
        });
        photos
    }

    /// As the last search ranked them; photos that it did not know at the end.
    fn pool_as_ranked(&self) -> Vec<PhotoId> {
        let pool = self.project().pool();
        let ranked = &self.gallery.ranked.1;
        let in_pool = |photo: &PhotoId| pool.binary_search(photo).is_ok();
        let mut photos: Vec<PhotoId> = ranked.iter().copied().filter(in_pool).collect();
        let known: HashSet<PhotoId> = photos.iter().copied().collect();
        photos.extend(pool.iter().filter(|photo| !known.contains(photo)));
        photos
    }

    /// Shows these photos alone.
    pub(super) fn show_only(&mut self, photos: Vec<PhotoId>, title: String) {
        self.gallery.chosen = (title, photos);
        self.gallery.filter = Filter::Chosen;
        self.refresh_gallery();
    }

    /// Whether predictions decide what the gallery shows or in which order.
    pub(super) fn gallery_follows_predictions(&self) -> bool {
        matches!(
            self.gallery.sort,
            Sort::LeastSure | Sort::MostSure | Sort::Margin | Sort::Entropy | Sort::Class
        ) || matches!(self.gallery.filter, Filter::Disagreeing | Filter::Class(_))
    }
}

/// The gallery as a project remembers it, still without photos.
pub(super) fn gallery_of(view: &View) -> Gallery {
    let filter = match view.filter.as_str() {
        "unlabelled" => Filter::Unlabelled,
        "labelled" => Filter::Labelled,
        "unsure" => Filter::Unsure,
        "disagreeing" => Filter::Disagreeing,
        class => class
            .strip_prefix("class ")
            .and_then(|id| id.parse().ok())
            .map_or(Filter::All, |id| Filter::Class(ClassId(id))),
    };
    let sort = match view.sort.as_str() {
        "name" => Sort::Name,
        "least sure" => Sort::LeastSure,
        "most sure" => Sort::MostSure,
        "newest" => Sort::Newest,
        "margin" => Sort::Margin,
        "entropy" => Sort::Entropy,
        "class" => Sort::Class,
        _ => Sort::Added,
    };
    Gallery {
        filter,
        sort,
        ..Gallery::default()
    }
}

/// What the project is to remember of the gallery and the selection.
pub(super) fn view_of(gallery: &Gallery, selected: Option<PhotoId>, previous: &View) -> View {
    let filter = match gallery.filter {
        Filter::All | Filter::Chosen => "all".to_owned(),
        Filter::Unlabelled => "unlabelled".to_owned(),
        Filter::Labelled => "labelled".to_owned(),
        Filter::Unsure => "unsure".to_owned(),
        Filter::Disagreeing => "disagreeing".to_owned(),
        Filter::Class(class) => format!("class {}", class.0),
    };
    let sort = match gallery.sort {
        // A search is not remembered.
        Sort::Added | Sort::Ranked => "added",
        Sort::Newest => "newest",
        Sort::Margin => "margin",
        Sort::Entropy => "entropy",
        Sort::Class => "class",
        Sort::Name => "name",
        Sort::LeastSure => "least sure",
        Sort::MostSure => "most sure",
    };
    View {
        filter,
        sort: sort.to_owned(),
        selected,
        ..previous.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_and_sort_survive_being_remembered() {
        let filters = [
            Filter::All,
            Filter::Unlabelled,
            Filter::Labelled,
            Filter::Unsure,
            Filter::Disagreeing,
            Filter::Class(ClassId(7)),
        ];
        for (filter, sort) in filters.into_iter().zip([
            Sort::Newest,
            Sort::Margin,
            Sort::Name,
            Sort::LeastSure,
            Sort::MostSure,
            Sort::Added,
        ]) {
            let gallery = Gallery {
                filter,
                sort,
                ..Gallery::default()
            };
            let remembered = gallery_of(&view_of(&gallery, None, &View::default()));
            assert_eq!((remembered.filter, remembered.sort), (filter, sort));
        }
    }
}
