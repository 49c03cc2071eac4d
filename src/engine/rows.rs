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
        self.embed_rows(paths, &[], Lens::through(adapter), progress)
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
        self.gather(paths, known, lens, true, progress)
    }

    /// As [`Self::embed_all`], without what is before the projection: memory for the features alone.
    pub fn embed_features(
        &self,
        paths: &[PathBuf],
        adapter: Option<&BottleneckAdapter>,
        progress: &Progress<'_>,
    ) -> Result<EmbeddedRows, EngineError> {
        self.gather(paths, &[], Lens::through(adapter), false, progress)
    }

    fn gather(
        &self,
        paths: &[PathBuf],
        known: &[FileStamp],
        lens: Lens<'_>,
        with_hidden: bool,
        progress: &Progress<'_>,
    ) -> Result<EmbeddedRows, EngineError> {
        let request = |(key, path): (usize, &PathBuf)| PhotoRequest {
            key,
            path: path.clone(),
            known: known.get(key).copied(),
        };
        let requests: Vec<PhotoRequest<usize>> = paths.iter().enumerate().map(request).collect();
        let mut features = Rows::new(paths.len(), self.clip.dim());
        let mut hidden = None;
        let mut outcomes = vec![Err("not embedded".to_owned()); paths.len()];
        self.embed_through(&requests, lens, progress, &mut |batch| {
            for (key, outcome) in batch {
                outcomes[key] = outcome.map(|row| {
                    features.set(key, &row.features);
                    if let Some(row) = row.hidden.filter(|_| with_hidden) {
                        let new = || Rows::new(paths.len(), row.len());
                        hidden.get_or_insert_with(new).set(key, &row);
                    }
                    row.stamp
                });
            }
        })?;
        let mut rows = EmbeddedRows::default();
        for (index, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(stamp) => {
                    rows.kept.push(index);
                    rows.stamps.push(stamp);
                }
                Err(reason) => rows.skipped.push((index, reason)),
            }
        }
        // Features that were made elsewhere have nothing before them; then no photo's is of use.
        let is_whole = |hidden: &Rows| rows.kept.iter().all(|index| hidden.is_set[*index]);
        if let Some(hidden) = hidden.filter(is_whole) {
            rows.hidden = Some(hidden.keep(&rows.kept)?);
        }
        rows.features = features.keep(&rows.kept)?;
        Ok(rows)
    }
}

/// Rows of numbers that come in any order.
struct Rows {
    numbers: Vec<f32>,
    is_set: Vec<bool>,
    num_columns: usize,
}

impl Rows {
    fn new(num_rows: usize, num_columns: usize) -> Self {
        Self {
            numbers: vec![0.0; num_rows * num_columns],
            is_set: vec![false; num_rows],
            num_columns,
        }
    }

    /// Rows of another length are those of no model, and are not taken.
    fn set(&mut self, index: usize, row: &[f32]) {
        let to = self.numbers[index * self.num_columns..].get_mut(..self.num_columns);
        if let Some(to) = to.filter(|to| to.len() == row.len()) {
            to.copy_from_slice(row);
            self.is_set[index] = true;
        }
    }

    /// The rows `kept` (ascending), in the same memory.
    fn keep(mut self, kept: &[usize]) -> Result<Matrix, EngineError> {
        let width = self.num_columns;
        for (to, from) in kept.iter().enumerate() {
            self.numbers
                .copy_within(from * width..(from + 1) * width, to * width);
        }
        self.numbers.truncate(kept.len() * width);
        Ok(Matrix::new(kept.len(), width, self.numbers)?)
    }
}
