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
    /// Set aside as unsure.
    Unsure,
    /// Labelled otherwise than predicted.
    Disagreeing,
    /// Predicted (or, where labelled, labelled) as this class.
    Class(ClassId),
    /// [`Gallery::chosen`] alone.
    Chosen,
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
    /// The last added first.
    Newest,
    /// Those first whose two likeliest classes are nearly equal.
    Margin,
    /// Those first whose probabilities are spread most over the classes.
    Entropy,
    /// By class (the label, or what is predicted), within it the most confident first.
    Class,
    /// As [`Gallery::ranked`] has it.
    Ranked,
}

/// What the gallery shows now.
#[derive(Clone, Debug, Default)]
pub struct Gallery {
    /// Which photos.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// Photos that were picked out, and what they are, as "labelled hat, predicted coat".
    pub chosen: (String, Vec<PhotoId>),
    /// All photos in the order of a search, and what was searched for.
    pub ranked: (String, Vec<PhotoId>),
    /// The photos themselves, filtered and sorted.
    pub photos: Vec<PhotoId>,
}

impl Gallery {
    /// Where a photo stands in the gallery.
    pub fn position(&self, photo: PhotoId) -> Option<usize> {
        self.photos.iter().position(|id| *id == photo)
    }
}
