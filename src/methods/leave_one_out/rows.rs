//! The rows that a method is fitted to where it uses every view by itself.

use std::collections::HashMap;

use crate::features::Features;
use crate::methods::{Knowledge, Method, MethodError};

/// Rows with their classes and groups: the views where there are some, else one row a photo.
#[derive(Clone, Copy)]
pub(super) struct FitRows<'a> {
    /// What the method compares: adapted rows for the ++ methods.
    pub(super) features: &'a Features,
    /// The same rows through the original encoder.
    pub(super) originals: &'a Features,
    pub(super) labels: &'a [usize],
    /// As in the support set: the views of a photo share its group.
    pub(super) groups: &'a [usize],
}

impl<'a> FitRows<'a> {
    pub(super) fn of(method: Method, knowledge: &Knowledge<'a>) -> Result<Self, MethodError> {
        let (features, support) = match knowledge.views {
            Some(views) if method.needs_adapter() => {
                let adapted = views.adapted.ok_or(MethodError::NoAdaptedFeatures {
                    method,
                    what: "support photos",
                })?;
                (adapted, views.original)
            }
            Some(views) => (views.original.features(), views.original),
            None => (knowledge.keys_for(method)?, knowledge.support),
        };
        Ok(Self {
            features,
            originals: support.features(),
            labels: support.labels(),
            groups: support.groups(),
        })
    }

    /// The rows of every group.
    pub(super) fn by_group(&self) -> HashMap<usize, Vec<usize>> {
        let mut by_group: HashMap<usize, Vec<usize>> = HashMap::new();
        for (row, group) in self.groups.iter().enumerate() {
            by_group.entry(*group).or_default().push(row);
        }
        by_group
    }
}
