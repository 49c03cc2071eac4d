//! Many photos to matrices, in the order in which they were given.

use std::path::PathBuf;

use super::embed::{Lens, PhotoRequest};
use super::{Engine, EngineError};
use crate::clip::BottleneckAdapter;
use crate::features::Matrix;
use crate::progress::Progress;
use crate::project::FileStamp;

/// Features of those photos that could be read.
#[derive(Clone, Debug, Default)]
pub struct EmbeddedRows {
    /// Index of each row's photo in the list given, ascending.
    pub kept: Vec<usize>,
    /// `[n, dim]`, as the projection gives them.
    pub features: Matrix,
    /// `[n, width]`, before the projection, where the model has such.
    pub hidden: Option<Matrix>,
    /// Each row's file as it was read, with its content hash.
    pub stamps: Vec<FileStamp>,
    /// Index and reason of each photo that was left out.
    pub skipped: Vec<(usize, String)>,
}

impl Engine {
    /// Embeds photos; those that cannot be read or decoded are named in `skipped`.
    pub fn embed_all(
        &self,
        paths: &[PathBuf],
        adapter: Option<&BottleneckAdapter>,
        progress: &Progress<'_>,
    ) -> Result<EmbeddedRows, EngineError> {
        let lens = Lens {
            adapter,
            view: None,
        };
        self.embed_rows(paths, &[], lens, progress)
    }

    /// The same through any lens. `known` are the files as they were last read, one each, or none: where they still look so
    /// and their features are cached, they are not opened.
    pub fn embed_rows(
        &self,
        paths: &[PathBuf],
        known: &[FileStamp],
        lens: Lens<'_>,
        progress: &Progress<'_>,
    ) -> Result<EmbeddedRows, EngineError> {
        let request = |(key, path): (usize, &PathBuf)| PhotoRequest {
            key,
            path: path.clone(),
            known: known.get(key).copied(),
        };
        let requests: Vec<PhotoRequest<usize>> = paths.iter().enumerate().map(request).collect();
        let mut outcomes = vec![None; paths.len()];
        self.embed_through(&requests, lens, progress, &mut |batch| {
            for (key, outcome) in batch {
                outcomes[key] = Some(outcome);
            }
        })?;
        let mut rows = EmbeddedRows::default();
        let (mut features, mut hidden, mut has_hidden) = (Vec::new(), Vec::new(), true);
        for (index, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Some(Ok(row)) => {
                    rows.kept.push(index);
                    rows.stamps.push(row.stamp);
                    features.extend(row.features);
                    has_hidden &= row.hidden.is_some();
                    hidden.extend(row.hidden.into_iter().flatten());
                }
                Some(Err(reason)) => rows.skipped.push((index, reason)),
                None => rows.skipped.push((index, "not embedded".to_owned())),
            }
        }
        let num_rows = rows.kept.len();
        let has_hidden = has_hidden && num_rows > 0;
        rows.features = Matrix::new(num_rows, self.clip.dim(), features)?;
        // Features that were made elsewhere have nothing before them; then no photo's is of use.
        if has_hidden {
            rows.hidden = Some(Matrix::new(num_rows, hidden.len() / num_rows, hidden)?);
        }
        Ok(rows)
    }
}
