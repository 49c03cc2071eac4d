//! Labelled photos with all features that methods may ask for.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::engine::adapted::AdaptedEncoder;
use crate::engine::embed::{Lens, PhotoRequest};
use crate::engine::parts::PartRows;
use crate::engine::rows::EmbeddedRows;
use crate::engine::{Engine, EngineError};
use crate::features::{Features, Matrix};
use crate::image_io::ContentHash;
use crate::progress::Progress;
use crate::project::FileStamp;
use crate::support::{SupportSet, groups_of};

/// What the encoder gave for some photos, one row each.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// As the projection gives them, `[n, dim]`.
    pub features: Matrix,
    /// Before the projection, `[n, width]`.
    pub hidden: Option<Matrix>,
    /// Through bottleneck adapters, `[n, dim]`.
    pub bottleneck: Option<Matrix>,
}

impl Rows {
    /// The rows with these indices, in this order.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let select = |matrix: &Matrix| matrix.select_rows(rows);
        Self {
            features: select(&self.features),
            hidden: self.hidden.as_ref().map(select),
            bottleneck: self.bottleneck.as_ref().map(select),
        }
    }

    /// Adapted rows of unit length.
    pub fn adapted(&self, encoder: &AdaptedEncoder) -> Result<Features, EngineError> {
        let rows = match &self.bottleneck {
            Some(rows) if encoder.bottleneck().is_some() => rows.clone(),
            _ => encoder.adapt(&self.features, self.hidden.as_ref())?,
        };
        Ok(Features::normalized(rows)?)
    }

    /// The mean over views, before any scaling to unit length: Tip-Adapter averages what the encoder gives and normalises once.
    fn mean(views: &[Self]) -> Self {
        let mean = |of: &dyn Fn(&Self) -> Option<&Matrix>| {
            let views: Vec<&Matrix> = views.iter().map(of).collect::<Option<_>>()?;
            let mut mean = (*views.first()?).clone();
            for (index, value) in mean.as_mut_slice().iter_mut().enumerate() {
                let sum: f64 = views
                    .iter()
                    .map(|view| f64::from(view.as_slice()[index]))
                    .sum();
                *value = (sum / views.len() as f64) as f32;
            }
            Some(mean)
        };
        Self {
            features: mean(&|rows| Some(&rows.features)).unwrap_or_default(),
            hidden: mean(&|rows| rows.hidden.as_ref()),
            bottleneck: mean(&|rows| rows.bottleneck.as_ref()),
        }
    }
}

/// Labelled photos with their features.
#[derive(Clone, Debug, Default)]
pub struct Split {
    /// One row a photo: of the square in its middle, or with views the mean over them.
    pub rows: Rows,
    /// Every view by itself, one row a photo each; none for photos that are only looked at in the middle.
    pub views: Vec<Rows>,
    /// What the tower saw at each place of every photo, for CALIP.
    pub parts: Option<PartRows>,
    /// Class of every photo.
    pub labels: Vec<usize>,
    /// Content of every photo.
    pub hashes: Vec<ContentHash>,
    /// Place of every photo in the list that was embedded.
    pub places: Vec<usize>,
}

impl Split {
    /// The photos with these indices, in this order.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            rows: self.rows.select(rows),
            views: self.views.iter().map(|view| view.select(rows)).collect(),
            parts: self.parts.as_ref().map(|parts| parts.select(rows)),
            labels: rows.iter().map(|row| self.labels[*row]).collect(),
            hashes: rows.iter().map(|row| self.hashes[*row]).collect(),
            places: rows.iter().map(|row| self.places[*row]).collect(),
        }
    }

    /// Without photos whose content is in `seen`; how many those were.
    #[must_use]
    pub fn without(&self, seen: &HashSet<ContentHash>) -> (Self, usize) {
        let rows: Vec<usize> = (0..self.labels.len())
            .filter(|row| !seen.contains(&self.hashes[*row]))
            .collect();
        let num_left_out = self.labels.len() - rows.len();
        (self.select(&rows), num_left_out)
    }

    /// The support set, one row a photo; exact duplicates share a group.
    pub fn support_set(&self, num_classes: usize) -> Result<SupportSet, EngineError> {
        let features = Features::normalized(self.rows.features.clone())?;
        let groups = groups_of(self.hashes.iter());
        let labels = self.labels.clone();
        Ok(SupportSet::new(features, labels, num_classes, groups)?)
    }

    /// All views as one support set, first view first: the views of a photo and of its duplicates share a group. `None` for
    /// photos without views.
    pub fn view_set(&self, num_classes: usize) -> Result<Option<SupportSet>, EngineError> {
        if self.views.is_empty() {
            return Ok(None);
        }
        let features: Vec<&Matrix> = self.views.iter().map(|view| &view.features).collect();
        let features = Features::normalized(stacked(&features)?)?;
        let num_views = self.views.len();
        let labels = self.labels.repeat(num_views);
        let groups = groups_of(self.hashes.iter()).repeat(num_views);
        Ok(Some(SupportSet::new(
            features,
            labels,
            num_classes,
            groups,
        )?))
    }

    /// Adapted features of the rows of [`Self::view_set`].
    pub fn adapted_views(&self, encoder: &AdaptedEncoder) -> Result<Option<Features>, EngineError> {
        if self.views.is_empty() {
            return Ok(None);
        }
        let adapted: Vec<Features> = self
            .views
            .iter()
            .map(|view| view.adapted(encoder))
            .collect::<Result<_, _>>()?;
        let matrices: Vec<&Matrix> = adapted.iter().map(Features::matrix).collect();
        Ok(Some(Features::normalized(stacked(&matrices)?)?))
    }
}

/// Matrices below each other.
fn stacked(parts: &[&Matrix]) -> Result<Matrix, EngineError> {
    let cols = parts.first().map_or(0, |part| part.cols());
    let rows = parts.iter().flat_map(|part| part.iter_rows());
    Ok(Matrix::from_rows(cols, rows)?)
}

/// How the photos of a split are looked at.
#[derive(Clone, Copy, Default)]
pub struct Looks<'a> {
    /// Also through bottleneck adapters, where this is a file of them.
    pub adapter: Option<&'a AdaptedEncoder>,
    /// Random views to average; 0 for the square in the middle.
    pub num_views: usize,
    /// Also part by part, where the model's image tower gives parts.
    pub has_parts: bool,
}

impl Engine {
    /// Embeds labelled photos; index and reason of each that cannot be read or decoded come second. `known` are the files as
    /// they were last read, one each, or none.
    pub fn embed_split(
        &self,
        photos: &[(PathBuf, usize)],
        known: &[FileStamp],
        looks: Looks<'_>,
        progress: &Progress<'_>,
    ) -> Result<(Split, Vec<(usize, String)>), EngineError> {
        let paths: Vec<PathBuf> = photos.iter().map(|(path, _)| path.clone()).collect();
        self.fill_cache(&paths, known, looks, progress)?;
        let embedded = self.embed_rows(&paths, known, Lens::default(), progress)?;
        let kept: Vec<PathBuf> = embedded
            .kept
            .iter()
            .map(|index| paths[*index].clone())
            .collect();
        let bottleneck = looks.adapter.and_then(AdaptedEncoder::bottleneck);
        let views: Vec<Rows> = (0..looks.num_views)
            .map(|number| {
                let through = |adapter| Lens {
                    adapter,
                    view: Some(number),
                    ..Lens::default()
                };
                let plain = self.embed_again(&kept, &embedded, through(None), progress)?;
                let adapted = bottleneck
                    .map(|adapter| {
                        self.embed_again(&kept, &embedded, through(Some(adapter)), progress)
                    })
                    .transpose()?;
                Ok(Rows {
                    features: plain.features,
                    hidden: plain.hidden,
                    bottleneck: adapted.map(|rows| rows.features),
                })
            })
            .collect::<Result<_, EngineError>>()?;
        let rows = if views.is_empty() {
            let lens = |adapter| Lens::through(Some(adapter));
            let adapted = bottleneck
                .map(|adapter| self.embed_again(&kept, &embedded, lens(adapter), progress))
                .transpose()?;
            Rows {
                features: embedded.features,
                hidden: embedded.hidden,
                bottleneck: adapted.map(|rows| rows.features),
            }
        } else {
            Rows::mean(&views)
        };
        let parts = if looks.has_parts {
            self.embed_parts(&kept, progress)?
        } else {
            None
        };
        let split = Split {
            parts,
            rows,
            views,
            labels: embedded.kept.iter().map(|index| photos[*index].1).collect(),
            hashes: embedded
                .stamps
                .iter()
                .filter_map(|stamp| stamp.hash)
                .collect(),
            places: embedded.kept,
        };
        Ok((split, embedded.skipped))
    }

    /// Where one pass gives features with and without the adapter: has the cache keep both, for the passes that follow.
    fn fill_cache(
        &self,
        paths: &[PathBuf],
        known: &[FileStamp],
        looks: Looks<'_>,
        progress: &Progress<'_>,
    ) -> Result<(), EngineError> {
        let Some(adapter) = looks.adapter.and_then(AdaptedEncoder::bottleneck) else {
            return Ok(());
        };
        if looks.num_views > 0 || self.passes(looks.adapter) > 1 || self.cache().is_none() {
            return Ok(());
        }
        let lens = Lens {
            with_original: true,
            ..Lens::through(Some(adapter))
        };
        let request = |(index, path): (usize, &PathBuf)| PhotoRequest {
            key: (),
            path: path.clone(),
            known: known.get(index).copied(),
        };
        let requests: Vec<PhotoRequest<()>> = paths.iter().enumerate().map(request).collect();
        self.embed_through(&requests, lens, progress, &mut |_| ())
    }

    /// Photos that could be read, through another lens.
    fn embed_again(
        &self,
        paths: &[PathBuf],
        first: &EmbeddedRows,
        lens: Lens<'_>,
        progress: &Progress<'_>,
    ) -> Result<EmbeddedRows, EngineError> {
        let rows = self.embed_rows(paths, &first.stamps, lens, progress)?;
        match rows.skipped.first() {
            Some((index, reason)) => Err(EngineError::Folder {
                problem: format!("could be read once but not twice ({reason})"),
                path: paths[*index].clone(),
            }),
            None => Ok(rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[[f32; 2]]) -> Rows {
        Rows {
            features: Matrix::from_rows(2, values.iter().map(<[f32; 2]>::as_slice)).unwrap(),
            ..Rows::default()
        }
    }

    /// Two views of three photos, the last a copy of the first.
    fn split() -> Split {
        let views = vec![
            rows(&[[4.0, 0.0], [0.0, 1.0], [4.0, 0.0]]),
            rows(&[[0.0, 2.0], [0.0, 3.0], [0.0, 2.0]]),
        ];
        let [a, b] = [1, 2].map(|byte| ContentHash([byte; 32]));
        Split {
            rows: Rows::mean(&views),
            views,
            parts: None,
            labels: vec![0, 1, 0],
            hashes: vec![a, b, a],
            places: vec![0, 1, 2],
        }
    }

    #[test]
    fn views_are_averaged_before_they_are_scaled() {
        let mean = split().rows;
        assert_eq!(
            mean.features.as_slice(),
            [2.0, 1.0, 0.0, 2.0, 2.0, 1.0],
            "the longer view counts more"
        );
        assert!(mean.hidden.is_none());
    }

    #[test]
    fn views_of_a_photo_and_of_its_copy_are_one_group() {
        let views = split().view_set(2).unwrap().unwrap();
        assert_eq!(views.groups(), [0, 1, 0, 0, 1, 0]);
        assert_eq!(views.labels(), [0, 1, 0, 0, 1, 0]);
        assert_eq!(views.features().row(3), [0.0, 1.0]);
        assert_eq!(views.shots_per_class(), [1, 1]);
        let plain = Split {
            views: Vec::new(),
            ..split()
        };
        assert!(plain.view_set(2).unwrap().is_none());
    }

    #[test]
    fn a_selection_takes_its_views_along() {
        let chosen = split().select(&[2, 1]);
        assert_eq!(chosen.places, [2, 1]);
        assert_eq!(chosen.views[1].features.as_slice(), [0.0, 2.0, 0.0, 3.0]);
        let (rest, num_left_out) = split().without(&HashSet::from([ContentHash([1; 32])]));
        assert_eq!((rest.labels, num_left_out), (vec![1], 2));
    }
}
