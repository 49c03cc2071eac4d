//! The photos of a training, and which view of each an epoch sees.

use std::collections::HashMap;

use super::super::{Knowledge, MethodError};
use crate::features::Matrix;
use crate::support::SupportSet;
use crate::support::random::Random;
use crate::support::split::{Holdout, hold_out_quarter};

/// Support photos with the rows of their views.
pub(super) struct Photos<'a> {
    pub(super) support: &'a SupportSet,
    views: Option<&'a SupportSet>,
    /// Rows in `views` of every support row; none for a photo without views, which is then taken as it is.
    rows_of: Vec<Vec<usize>>,
}

impl<'a> Photos<'a> {
    pub(super) fn new(knowledge: &Knowledge<'a>) -> Result<Self, MethodError> {
        let support = knowledge.support;
        let views = knowledge.views.map(|views| views.original);
        let mut by_photo: HashMap<(usize, usize), Vec<usize>> = HashMap::new();
        if let Some(views) = views.filter(|views| !views.is_empty()) {
            knowledge.check_views(views)?;
            for (row, photo) in views.labels().iter().zip(views.groups()).enumerate() {
                by_photo.entry((*photo.0, *photo.1)).or_default().push(row);
            }
        }
        let rows = |(label, group): (&usize, &usize)| {
            by_photo.get(&(*label, *group)).cloned().unwrap_or_default()
        };
        let rows_of = support.labels().iter().zip(support.groups()).map(rows);
        Ok(Self {
            support,
            views,
            rows_of: rows_of.collect(),
        })
    }

    /// Number of photos.
    pub(super) fn len(&self) -> usize {
        self.support.len()
    }

    /// A quarter of every class's photos held out.
    pub(super) fn hold_out(&self, seed: u64) -> Holdout {
        let support = self.support;
        hold_out_quarter(
            support.labels(),
            support.groups(),
            support.num_classes(),
            seed,
        )
    }

    /// The classes of these photos.
    pub(super) fn labels(&self, photos: &[usize]) -> Vec<usize> {
        photos
            .iter()
            .map(|photo| self.support.labels()[*photo])
            .collect()
    }

    /// A random view of each of these photos, `[photos, dim]`.
    pub(super) fn draw(&self, photos: &[usize], random: &mut Random) -> Matrix {
        let dim = self.support.features().dim();
        let mut rows = Matrix::zeros(photos.len(), dim);
        for (index, photo) in photos.iter().enumerate() {
            let own = &self.rows_of[*photo];
            let row = match self.views {
                Some(views) if !own.is_empty() => {
                    views.features().row(own[random.below(own.len())])
                }
                _ => self.support.features().row(*photo),
            };
            rows.row_mut(index).copy_from_slice(row);
        }
        rows
    }
}
