//! The rows that closed forms are fitted on: every view by itself where there are views, else one row a photo.

use std::collections::HashMap;

use super::{Knowledge, Method, MethodError, Queries};
use crate::features::Features;
use crate::support::SupportSet;

/// Labelled rows, twice: as the zero-shot term sees them and as the method compares them.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// Original features with labels and groups, `[n, dim]`.
    pub(super) original: &'a SupportSet,
    /// Adapted features for the ++ methods, the original ones for the others, `[n, key_dim]`.
    pub(super) keys: &'a Features,
}

impl Rows<'_> {
    /// The rows of every group.
    pub(super) fn by_group(&self) -> HashMap<usize, Vec<usize>> {
        let mut by_group: HashMap<usize, Vec<usize>> = HashMap::new();
        for (row, group) in self.original.groups().iter().enumerate() {
            by_group.entry(*group).or_default().push(row);
        }
        by_group
    }
}

impl<'a> Knowledge<'a> {
    /// All views; the support rows where there are no views, or none through the adapter that `method` needs.
    pub(super) fn rows_for(&self, method: Method) -> Result<Rows<'a>, MethodError> {
        let photos = Rows {
            original: self.support,
            keys: self.keys_for(method)?,
        };
        let Some(views) = self.views.filter(|views| !views.original.is_empty()) else {
            return Ok(photos);
        };
        self.check_views(views.original)?;
        if !method.needs_adapter() {
            return Ok(Rows {
                original: views.original,
                keys: views.original.features(),
            });
        }
        let Some(keys) = views.adapted else {
            return Ok(photos);
        };
        if keys.len() != views.original.len() {
            return Err(MethodError::Rows {
                what: "adapted views",
                got: keys.len(),
                expected: views.original.len(),
            });
        }
        Ok(Rows {
            original: views.original,
            keys,
        })
    }

    /// Prompts of the class that has fewest; one each where they are not given by themselves.
    pub(crate) fn fewest_prompts(&self) -> usize {
        let Some(prompts) = self.prompts else {
            return 1;
        };
        let mut counts = vec![0; self.support.num_classes()];
        for class in &prompts.classes {
            if let Some(count) = counts.get_mut(*class) {
                *count += 1;
            }
        }
        counts.into_iter().min().unwrap_or(0)
    }

    /// Refuses views of other classes or of another model than the support photos.
    pub(super) fn check_views(&self, views: &SupportSet) -> Result<(), MethodError> {
        let (got, expected) = (views.num_classes(), self.support.num_classes());
        if got != expected {
            return Err(MethodError::Rows {
                what: "classes of the views",
                got,
                expected,
            });
        }
        let (got, expected) = (views.features().dim(), self.text.dim());
        if got != expected {
            return Err(MethodError::Dimension {
                what: "views",
                got,
                expected,
            });
        }
        Ok(())
    }
}

impl<'a> Queries<'a> {
    /// Refuses queries whose original features have another length than `expected`.
    pub(crate) fn check_dim(&self, expected: usize) -> Result<(), MethodError> {
        let got = self.original.dim();
        if got == expected || self.original.is_empty() {
            return Ok(());
        }
        Err(MethodError::Dimension {
            what: "queries",
            got,
            expected,
        })
    }

    /// The features that `method` compares with its keys.
    pub(crate) fn probes_for(&self, method: Method) -> Result<&'a Features, MethodError> {
        if !method.needs_adapter() {
            return Ok(self.original);
        }
        let adapted = self.adapted.ok_or(MethodError::NoAdaptedFeatures {
            method,
            what: "queries",
        })?;
        if adapted.len() == self.original.len() {
            Ok(adapted)
        } else {
            Err(MethodError::Rows {
                what: "adapted queries",
                got: adapted.len(),
                expected: self.original.len(),
            })
        }
    }

    /// [`Queries::probes_for`] with both lengths checked, `dim` of the originals and `key_dim` of the probes.
    pub(super) fn checked_probes(
        &self,
        method: Method,
        dim: usize,
        key_dim: usize,
    ) -> Result<&'a Features, MethodError> {
        self.check_dim(dim)?;
        let probes = self.probes_for(method)?;
        if probes.dim() == key_dim || probes.is_empty() {
            return Ok(probes);
        }
        Err(MethodError::Dimension {
            what: "adapted queries",
            got: probes.dim(),
            expected: key_dim,
        })
    }
}
