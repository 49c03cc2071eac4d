//! Photos with features, wherever they lie: a Parquet table, a folder of such tables, or clip-retrieval's layout
//! (`img_emb/img_emb_0.npy` beside `metadata/metadata_0.parquet`, and so on).
//!
//! A source may hold a billion rows: it knows how many each part has, and reads those that are asked for.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{FEATURES, FileError, LABELS, Npy, PATHS, ParquetTable};
use crate::features::Matrix;
use crate::support::random::Random;

/// Where clip-retrieval puts the features of images.
pub const IMAGE_FOLDER: &str = "img_emb";
/// Where clip-retrieval puts what it knows of them.
pub const METADATA_FOLDER: &str = "metadata";

/// A photo as the source knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeatureRow {
    /// The file, as the source names it.
    pub path: String,
    /// The class that it is said to show.
    pub label: Option<String>,
    /// Who decided that, in tables that Shotlens has written.
    pub decided_by: Option<String>,
}

/// One file, or two that belong together.
#[derive(Clone, Debug)]
struct Part {
    table: PathBuf,
    /// The array of features, where they are not in the table.
    array: Option<PathBuf>,
    num_rows: usize,
}

/// Photos with features, part by part.
#[derive(Clone, Debug)]
pub struct FeatureSource {
    path: PathBuf,
    parts: Vec<Part>,
    model: Option<String>,
}

impl FeatureSource {
    /// Whether this is one by its name, without a look into its files.
    pub fn is_one(path: &Path) -> bool {
        is_parquet(path)
            || path.join(IMAGE_FOLDER).is_dir()
            || !files_in(path, "parquet").is_empty()
    }

    /// Opens every part and counts its rows.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let images = path.join(IMAGE_FOLDER);
        let pairs: Vec<(PathBuf, Option<PathBuf>)> = if images.is_dir() {
            files_in(&images, "npy")
                .into_iter()
                .map(|array| (table_of(path, &array), Some(array)))
                .collect()
        } else if path.is_dir() {
            files_in(path, "parquet")
                .into_iter()
                .map(|table| (table, None))
                .collect()
        } else {
            vec![(path.to_owned(), None)]
        };
        if pairs.is_empty() {
            return Err(FileError::content(
                "this folder has no img_emb/*.npy with metadata/*.parquet, as clip-retrieval writes them, and no *.parquet",
                path,
            ));
        }
        let mut source = Self {
            path: path.to_owned(),
            parts: Vec::with_capacity(pairs.len()),
            model: None,
        };
        for (table, array) in pairs {
            source.add(table, array)?;
        }
        Ok(source)
    }

    fn add(&mut self, table: PathBuf, array: Option<PathBuf>) -> Result<(), FileError> {
        let opened = ParquetTable::open(&table)?;
        let num_rows = opened.num_rows();
        if let Some(array) = &array {
            let (rows, _) = Npy::open(array)?.rows_and_dim()?;
            if rows != num_rows {
                return Err(FileError::content(
                    format!(
                        "it has {num_rows} rows, and {} has {rows}; they are not of one run",
                        array.display()
                    ),
                    &table,
                ));
            }
        }
        let model = opened.metadata("model");
        if let (Some(before), Some(now)) = (&self.model, &model)
            && before != now
        {
            return Err(FileError::content(
                format!("its features were made by {now}, those of other files here by {before}"),
                &table,
            ));
        }
        self.model = self.model.take().or(model);
        self.parts.push(Part {
            table,
            array,
            num_rows,
        });
        Ok(())
    }

    /// The file or folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Rows of all parts.
    pub fn num_rows(&self) -> usize {
        self.parts.iter().map(|part| part.num_rows).sum()
    }

    /// The model that made the features, where the files say it: its name and, where they have it, the SHA-256 of its weights.
    pub fn model(&self) -> Option<(&str, Option<&str>)> {
        let model = self.model.as_deref()?;
        Some(match model.split_once(" sha256:") {
            Some((name, hash)) => (name, Some(hash)),
            None => (model, None),
        })
    }

    /// Photos and features `[rows, dim]` of the rows with these rising indices, counted through all parts.
    pub fn read(&self, rows: &[usize]) -> Result<(Vec<FeatureRow>, Matrix), FileError> {
        let (mut start, mut rest) = (0, rows);
        let (mut photos, mut features) = (Vec::with_capacity(rows.len()), Matrix::default());
        for part in &self.parts {
            let end = start + part.num_rows;
            let (wanted, later) = rest.split_at(rest.partition_point(|row| *row < end));
            if !wanted.is_empty() {
                let own: Vec<usize> = wanted.iter().map(|row| row - start).collect();
                photos.extend(part.photos(&own)?);
                part.append_features(&mut features, &own)?;
            }
            (start, rest) = (end, later);
        }
        Ok((photos, features))
    }
}

impl Part {
    fn photos(&self, rows: &[usize]) -> Result<Vec<FeatureRow>, FileError> {
        let table = ParquetTable::open(&self.table)?;
        let path = required(&table, &self.table, "photos", &PATHS)?;
        let optional = |names: &[&str]| match table.column(names) {
            Some(column) => table.texts(column, rows),
            None => Ok(vec![None; rows.len()]),
        };
        let (labels, deciders) = (optional(&LABELS)?, optional(&["decided_by"])?);
        let paths = table.texts(path, rows)?;
        let named = paths.into_iter().zip(labels).zip(deciders).zip(rows);
        named
            .map(|(((path, label), decided_by), row)| {
                let path = path.ok_or_else(|| {
                    FileError::content(format!("row {row} names no photo"), &self.table)
                })?;
                Ok(FeatureRow {
                    path,
                    label,
                    decided_by,
                })
            })
            .collect()
    }

    /// Takes these rows of the part to the end of `all`.
    fn append_features(&self, all: &mut Matrix, rows: &[usize]) -> Result<(), FileError> {
        let features = if let Some(array) = &self.array {
            Npy::open(array)?.rows(rows)?
        } else {
            let table = ParquetTable::open(&self.table)?;
            table.features(required(&table, &self.table, "features", &FEATURES)?, rows)?
        };
        let (cols, before) = (features.cols(), all.cols());
        all.append(features).map_err(|_other_length| {
            FileError::content(
                format!("its features have {cols} numbers, those of other files here {before}"),
                &self.table,
            )
        })
    }
}

fn required(
    table: &ParquetTable,
    path: &Path,
    what: &str,
    names: &[&str],
) -> Result<super::parquet::Column, FileError> {
    table.column(names).ok_or_else(|| {
        FileError::content(
            format!(
                "it has the columns {:?}, and none of {what}; one of them should be {}",
                table.names(),
                names.join(", ")
            ),
            path,
        )
    })
}

/// `count` of `total` rows, rising, each set of them equally likely (Floyd's algorithm: the memory of the sample).
pub fn sample(total: usize, count: usize, seed: u64) -> Vec<usize> {
    let (mut random, mut chosen) = (Random::new(seed), HashSet::new());
    for bound in total - count.min(total)..total {
        let row = random.below(bound + 1);
        if !chosen.insert(row) {
            chosen.insert(bound);
        }
    }
    let mut rows: Vec<usize> = chosen.into_iter().collect();
    rows.sort_unstable();
    rows
}

fn is_parquet(path: &Path) -> bool {
    path.is_file()
        && path
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"))
}

/// The metadata beside an array: `metadata/metadata_7.parquet` to `img_emb/img_emb_7.npy`.
fn table_of(folder: &Path, array: &Path) -> PathBuf {
    let stem = array
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let number = stem.strip_prefix(IMAGE_FOLDER).unwrap_or(&stem);
    folder
        .join(METADATA_FOLDER)
        .join(format!("{METADATA_FOLDER}{number}.parquet"))
}

/// Files with this ending directly in a folder, by name; hidden ones are not whole yet.
pub fn files_in(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_one = |path: &PathBuf| {
        path.extension().is_some_and(|found| found == ending)
            && path.is_file()
            && !path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_one).collect();
    // By number: parts of one run may have numbers of different lengths.
    files.sort_by_key(|file| (file.as_os_str().len(), file.clone()));
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_as_many_rows_as_asked_and_each_is_as_likely() {
        assert_eq!(sample(5, 9, 1), [0, 1, 2, 3, 4]);
        assert_eq!(sample(1 << 40, 100, 7), sample(1 << 40, 100, 7));
        assert_ne!(sample(1000, 100, 7), sample(1000, 100, 8));
        let mut counts = [0; 10];
        for seed in 0..3000 {
            let rows = sample(10, 3, seed);
            assert!(rows.len() == 3 && rows.is_sorted());
            for row in rows {
                counts[row] += 1;
            }
        }
        assert!(
            counts.iter().all(|count| (800..1000).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn parts_are_found_with_their_metadata() {
        let folder = Path::new("out");
        let table = table_of(folder, Path::new("out/img_emb/img_emb_07.npy"));
        assert_eq!(table, Path::new("out/metadata/metadata_07.parquet"));
    }
}
