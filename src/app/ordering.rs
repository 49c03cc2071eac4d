//! Filtering and sorting the gallery, and remembering how.

use super::{App, Filter, Gallery, Sort};
use crate::ids::{ClassId, PhotoId};
use crate::project::View;

impl App {
    /// Brings the gallery in line with pool, labels, predictions, filter and sort.
    pub(super) fn refresh_gallery(&mut self) {
        let mut photos = match self.gallery.sort {
            Sort::Added => self.project().pool().to_vec(),
            Sort::Name => self.pool_by_name(),
            Sort::LeastSure => self.pool_by_confidence(),
            Sort::MostSure => self.pool_by_confidence().into_iter().rev().collect(),
        };
        if self.gallery.filter != Filter::All {
            photos.retain(|photo| self.passes(*photo));
        }
        self.gallery.photos = photos;
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
            Filter::All => true,
            Filter::Unlabelled => photo.label.is_none(),
            Filter::Labelled => photo.label.is_some(),
            Filter::Disagreeing => {
                photo.label.is_some() && predicted().is_some_and(|class| photo.label != Some(class))
            }
            Filter::Class(class) => photo.label.or_else(predicted) == Some(class),
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

    /// Whether predictions decide what the gallery shows or in which order.
    pub(super) fn gallery_follows_predictions(&self) -> bool {
        matches!(self.gallery.sort, Sort::LeastSure | Sort::MostSure)
            || matches!(self.gallery.filter, Filter::Disagreeing | Filter::Class(_))
    }
}

/// The gallery as a project remembers it, still without photos.
pub(super) fn gallery_of(view: &View) -> Gallery {
    let filter = match view.filter.as_str() {
        "unlabelled" => Filter::Unlabelled,
        "labelled" => Filter::Labelled,
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
        _ => Sort::Added,
    };
    Gallery {
        filter,
        sort,
        photos: Vec::new(),
    }
}

/// What the project is to remember of the gallery and the selection.
pub(super) fn view_of(gallery: &Gallery, selected: Option<PhotoId>, previous: &View) -> View {
    let filter = match gallery.filter {
        Filter::All => "all".to_owned(),
        Filter::Unlabelled => "unlabelled".to_owned(),
        Filter::Labelled => "labelled".to_owned(),
        Filter::Disagreeing => "disagreeing".to_owned(),
        Filter::Class(class) => format!("class {}", class.0),
    };
    let sort = match gallery.sort {
        Sort::Added => "added",
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
            Filter::Disagreeing,
            Filter::Class(ClassId(7)),
        ];
        for (filter, sort) in filters.into_iter().zip([
            Sort::Added,
            Sort::Name,
            Sort::LeastSure,
            Sort::MostSure,
            Sort::Added,
        ]) {
            let gallery = Gallery {
                filter,
                sort,
                photos: Vec::new(),
            };
            let remembered = gallery_of(&view_of(&gallery, None, &View::default()));
            assert_eq!((remembered.filter, remembered.sort), (filter, sort));
        }
    }
}
