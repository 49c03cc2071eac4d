//! Which photos the gallery shows, in which order.

use crate::ids::{ClassId, PhotoId};

/// Which photos of the pool are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Filter {
    /// All of the pool.
    #[default]
    All,
    /// Without a label.
    Unlabelled,
    /// With a label.
    Labelled,
    /// Labelled otherwise than predicted.
    Disagreeing,
    /// Predicted (or, where labelled, labelled) as this class.
    Class(ClassId),
}

/// In which order they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Sort {
    /// As they were added.
    #[default]
    Added,
    /// By file name.
    Name,
    /// The least confident prediction first.
    LeastSure,
    /// The most confident prediction first.
    MostSure,
}

/// What the gallery shows now.
#[derive(Clone, Debug, Default)]
pub struct Gallery {
    /// Which photos.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// The photos themselves, filtered and sorted.
    pub photos: Vec<PhotoId>,
}

impl Gallery {
    /// Where a photo stands in the gallery.
    pub fn position(&self, photo: PhotoId) -> Option<usize> {
        self.photos.iter().position(|id| *id == photo)
    }
}
