//! Tables as Parquet, a group of rows at a time.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, FloatType};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use super::{ExportError, StagedFile};

/// Rows of one group: 40 MB of features at 1,024 numbers each.
pub(super) const GROUP: usize = 10_000;

/// A column of one group.
pub(super) enum Column<'a> {
    /// Text in every row.
    Text(Vec<&'a str>),
    /// Text in some rows.
    OptionalText(Vec<Option<&'a str>>),
    /// Numbers in some rows.
    OptionalNumber(Vec<Option<f32>>),
    /// As many numbers in every row.
    Lists(Vec<&'a [f32]>),
}

impl Column<'_> {
    fn schema(&self, name: &str) -> String {
        match self {
            Self::Text(_) => format!("required binary {name} (UTF8);"),
            Self::OptionalText(_) => format!("optional binary {name} (UTF8);"),
            Self::OptionalNumber(_) => format!("optional float {name};"),
            Self::Lists(_) => format!(
                "required group {name} (LIST) {{ repeated group list {{ required float element; }} }}"
            ),
        }
    }

    fn write(&self, out: &mut SerializedColumnWriter<'_>) -> Result<usize, ParquetError> {
        match self {
            Self::Text(cells) => {
                let values: Vec<ByteArray> = cells.iter().map(|text| (*text).into()).collect();
                out.typed::<ByteArrayType>()
                    .write_batch(&values, None, None)
            }
            Self::OptionalText(cells) => {
                let values: Vec<ByteArray> = cells.iter().flatten().map(|t| (*t).into()).collect();
                out.typed::<ByteArrayType>()
                    .write_batch(&values, Some(&presence(cells)), None)
            }
            Self::OptionalNumber(cells) => {
                let values: Vec<f32> = cells.iter().flatten().copied().collect();
                out.typed::<FloatType>()
                    .write_batch(&values, Some(&presence(cells)), None)
            }
            Self::Lists(rows) => {
                let values = rows.concat();
                // A number's repetition level is 0 where a list begins, 1 where it goes on.
                let goes_on = rows
                    .iter()
                    .flat_map(|row| (0..row.len()).map(|at| i16::from(at > 0)));
                let repetitions: Vec<i16> = goes_on.collect();
                let definitions = vec![1; values.len()];
                out.typed::<FloatType>().write_batch(
                    &values,
                    Some(&definitions),
                    Some(&repetitions),
                )
            }
        }
    }
}

fn presence<T>(cells: &[Option<T>]) -> Vec<i16> {
    cells.iter().map(|cell| i16::from(cell.is_some())).collect()
}

/// A table on its way into a file.
pub(super) struct ParquetFile {
    writer: SerializedFileWriter<StagedFile>,
    path: PathBuf,
}

impl ParquetFile {
    /// Begins a file with columns as those of `like`, and with `model` in its metadata.
    pub(super) fn create(
        path: &Path,
        like: &[(&str, Column<'_>)],
        model: &str,
    ) -> Result<Self, ExportError> {
        let columns: String = like
            .iter()
            .map(|(name, column)| column.schema(name))
            .collect();
        let mut properties = WriterProperties::builder()
            .set_created_by(concat!("shotlens ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::SNAPPY)
            .set_key_value_metadata(Some(vec![KeyValue::new(
                "model".to_owned(),
                model.to_owned(),
            )]));
        for (name, column) in like {
            if matches!(column, Column::Lists(_)) {
                // Numbers of features neither repeat nor shrink, and nobody searches for their least.
                let list = ColumnPath::from(
                    format!("{name}.list.element")
                        .split('.')
                        .map(str::to_owned)
                        .collect::<Vec<_>>(),
                );
                properties = properties
                    .set_column_dictionary_enabled(list.clone(), false)
                    .set_column_compression(list.clone(), Compression::UNCOMPRESSED)
                    .set_column_statistics_enabled(list, EnabledStatistics::None);
            }
        }
        let schema = parse_message_type(&format!("message photos {{ {columns} }}"));
        let writer = schema.and_then(|schema| {
            let file = StagedFile::create(path)
                .map_err(|error| ParquetError::External(Box::new(error)))?;
            SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties.build()))
        });
        Ok(Self {
            writer: writer.map_err(|error| failed(error, path))?,
            path: path.to_owned(),
        })
    }

    /// Adds rows; columns as the file began with.
    pub(super) fn write_group(
        &mut self,
        columns: &[(&str, Column<'_>)],
    ) -> Result<(), ExportError> {
        let mut write = || {
            let mut group = self.writer.next_row_group()?;
            for (_, column) in columns {
                if let Some(mut out) = group.next_column()? {
                    column.write(&mut out)?;
                    out.close()?;
                }
            }
            group.close()
        };
        write()
            .map(|_| ())
            .map_err(|error| failed(error, &self.path))
    }

    /// Puts the whole file in its place.
    pub(super) fn finish(self) -> Result<(), ExportError> {
        let mut file = self
            .writer
            .into_inner()
            .map_err(|error| failed(error, &self.path))?;
        file.flush()
            .map_err(|error| ExportError::io(error, &self.path))?;
        file.finish()
    }
}

fn failed(error: ParquetError, path: &Path) -> ExportError {
    ExportError::io(std::io::Error::other(error), path)
}
