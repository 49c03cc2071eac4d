//! Photos with their features: one Parquet table, or clip-retrieval's layout of arrays beside tables.

use std::path::Path;

use super::ExportError;
use super::parquet::{Column, GROUP, ParquetFile};
use super::photos::{ExportPhoto, Exportable};
use super::place::named_from;
use super::staged::{StagedFile, StagedFolder};
use super::table::Row;
use crate::engine::feature_files::npy;
use crate::engine::feature_files::source::{IMAGE_FOLDER, METADATA_FOLDER};

/// Rows of one array: what clip-retrieval puts into one.
const PART: usize = 1_000_000;

type Columns<'a> = Vec<(&'static str, Column<'a>)>;

impl Exportable {
    /// One table with features.
    pub(super) fn write_parquet(&self, out: &Path) -> Result<(), ExportError> {
        self.write_groups(out, out, &self.photos, &|rows, photos| {
            let texts = rows.iter().map(|row| row.path.as_str()).collect();
            let features = photos
                .iter()
                .map(|photo| photo.features.as_slice())
                .collect();
            let mut columns = vec![("path", Column::Text(texts))];
            columns.extend(known(rows));
            columns.push(("features", Column::Lists(features)));
            columns
        })
    }

    /// clip-retrieval's layout: `img_emb/img_emb_0.npy` in half precision, `metadata/metadata_0.parquet`.
    pub(super) fn write_clip_retrieval(&self, out: &Path) -> Result<(), ExportError> {
        let staged = StagedFolder::create(out)?;
        self.write_parts(staged.workplace(), out, PART)?;
        staged.finish()
    }

    fn write_parts(&self, folder: &Path, out: &Path, size: usize) -> Result<(), ExportError> {
        let last = self.photos.len().saturating_sub(1) / size;
        // As many digits in every name, so that names sort as numbers do.
        let digits = last.to_string().len();
        for (number, photos) in self.photos.chunks(size).enumerate() {
            let place = |folder_name: &str, ending: &str| {
                folder
                    .join(folder_name)
                    .join(format!("{folder_name}_{number:0digits$}.{ending}"))
            };
            write_array(&place(IMAGE_FOLDER, "npy"), photos)?;
            self.write_groups(&place(METADATA_FOLDER, "parquet"), out, photos, &metadata)?;
        }
        Ok(())
    }

    /// A table of `photos` in the file `table`; it will be read as if it lay at `out`.
    fn write_groups(
        &self,
        table: &Path,
        out: &Path,
        photos: &[ExportPhoto],
        columns: &dyn for<'a> Fn(&'a [Row], &'a [ExportPhoto]) -> Columns<'a>,
    ) -> Result<(), ExportError> {
        let mut file = ParquetFile::create(table, &columns(&[], &[]), &self.model)?;
        for photos in photos.chunks(GROUP) {
            let rows = photos
                .iter()
                .map(|photo| photo.row(named_from(out, &photo.path), &self.classes));
            let rows: Vec<Row> = rows.collect();
            file.write_group(&columns(&rows, photos))?;
        }
        file.finish()
    }
}

fn write_array(path: &Path, photos: &[ExportPhoto]) -> Result<(), ExportError> {
    let mut file = StagedFile::create(path)?;
    let dim = photos.first().map_or(0, |photo| photo.features.len());
    let rows = photos.iter().map(|photo| photo.features.as_slice());
    npy::write_halves(&mut file, dim, rows).map_err(|error| ExportError::io(error, path))?;
    file.finish()
}

/// What clip-retrieval's own columns are called, and what is known of the photos here beside them. A caption is what
/// clip-retrieval shows under a photo: here its class.
fn metadata<'a>(rows: &'a [Row], _photos: &'a [ExportPhoto]) -> Columns<'a> {
    let caption = |row: &'a Row| {
        let predicted = row.prediction.as_ref().map(|(class, _)| class.as_str());
        row.label.as_deref().or(predicted).unwrap_or_default()
    };
    let mut columns = vec![
        (
            "image_path",
            Column::Text(rows.iter().map(|row| row.path.as_str()).collect()),
        ),
        ("caption", Column::Text(rows.iter().map(caption).collect())),
    ];
    columns.extend(known(rows));
    columns
}

fn known(rows: &[Row]) -> Columns<'_> {
    let predictions = || rows.iter().map(|row| row.prediction.as_ref());
    vec![
        (
            "label",
            Column::OptionalText(rows.iter().map(|row| row.label.as_deref()).collect()),
        ),
        (
            "prediction",
            Column::OptionalText(predictions().map(|found| Some(found?.0.as_str())).collect()),
        ),
        (
            "confidence",
            Column::OptionalNumber(predictions().map(|found| Some(found?.1)).collect()),
        ),
        (
            "decided_by",
            Column::Text(rows.iter().map(|row| row.decided_by.as_str()).collect()),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::classifier::Prediction;
    use crate::engine::feature_files::FeatureSource;
    use crate::image_io::ContentHash;

    fn exportable() -> Exportable {
        let photo = |number: u8| ExportPhoto {
            path: format!("/photos/{number}.jpg").into(),
            hash: ContentHash([number; 32]),
            label: (number == 1).then_some(1),
            also: Vec::new(),
            prediction: (number > 0).then_some(Prediction {
                class: 0,
                confidence: 0.75,
            }),
            decided_by: "gda".to_owned(),
            features: vec![f32::from(number), 0.5, -0.25],
        };
        Exportable {
            classes: vec!["hat".to_owned(), "dress".to_owned()],
            photos: (0..5).map(photo).collect(),
            model: "demo sha256:ab".to_owned(),
            ..Exportable::default()
        }
    }

    #[test]
    fn both_layouts_come_back_with_every_row() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("photos.parquet");
        exportable().write_parquet(&table).unwrap();
        let parts = folder.path().join("parts");
        exportable().write_parts(&parts, &parts, 2).unwrap();
        assert!(parts.join("img_emb/img_emb_2.npy").is_file());
        for place in [table, parts] {
            let source = FeatureSource::open(&place).unwrap();
            assert_eq!(
                (source.num_rows(), source.model()),
                (5, Some(("demo", Some("ab"))))
            );
            let (photos, features) = source.read(&[0, 1, 4]).unwrap();
            let labels: Vec<_> = photos.iter().map(|photo| photo.label.as_deref()).collect();
            assert_eq!(labels, [None, Some("dress"), None]);
            assert_eq!(photos[2].path, "/photos/4.jpg");
            assert_eq!(
                features.as_slice(),
                [0.0, 0.5, -0.25, 1.0, 0.5, -0.25, 4.0, 0.5, -0.25]
            );
        }
    }
}
