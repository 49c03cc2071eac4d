//! Photos as points on a plane: principal axes at once, then neighbourhoods.
//!
//! [`Ground`] is what every map is drawn from: a few dozen coordinates a photo instead of hundreds. [`Neighbours`] are found in it,
//! and [`lay_out`] places photos so that neighbours stay neighbours (UMAP, arXiv 1802.03426).

mod graph;
mod ground;
mod layout;
mod neighbours;

pub use ground::Ground;
pub use layout::{LARGEST, lay_out};
pub use neighbours::{NUM_NEIGHBOURS, Neighbours};

/// A place on a map; the unit has no meaning.
pub type Point = [f32; 2];
