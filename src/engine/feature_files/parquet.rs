//! Parquet tables of other tools: columns of text, numbers and features, row by row where wanted.

use std::fs::File;
use std::path::{Path, PathBuf};

use half::f16;
use parquet::basic::Compression;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::FileError;
use crate::features::Matrix;

/// A table in a file.
pub struct ParquetTable {
    path: PathBuf,
    reader: SerializedFileReader<File>,
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column(usize);

impl ParquetTable {
    /// Opens a file and reads what it says of itself.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let file = File::open(path).map_err(|error| FileError::io(error, path))?;
        let reader = SerializedFileReader::new(file).map_err(|error| {
            FileError::content(format!("this is no whole Parquet file ({error})"), path)
        })?;
        Ok(Self {
            path: path.to_owned(),
            reader,
        })
    }

    /// Rows of all groups.
    pub fn num_rows(&self) -> usize {
        let groups = self.reader.metadata().row_groups().iter();
        groups.map(|group| group.num_rows() as usize).sum()
    }

    /// What the file's metadata say for `key`.
    pub fn metadata(&self, key: &str) -> Option<String> {
        let pairs = self
            .reader
            .metadata()
            .file_metadata()
            .key_value_metadata()?;
        pairs.iter().find(|pair| pair.key == key)?.value.clone()
    }

    /// Names of the columns.
    pub fn names(&self) -> Vec<String> {
        let columns = self.schema().iter();
        let mut names: Vec<String> = columns.map(|column| top(column).to_owned()).collect();
        names.dedup();
        names
    }

    /// The column with the first of these names that there is, whatever its case.
    pub fn column(&self, names: &[&str]) -> Option<Column> {
        let is_named =
            |column: &ColumnDescriptor, name: &str| top(column).eq_ignore_ascii_case(name);
        let find = |name: &&str| (self.schema().iter()).position(|column| is_named(column, name));
        names.iter().find_map(find).map(Column)
    }

    /// Text of the rows with these rising indices; integers as digits, nothing where there is nothing.
    pub fn texts(&self, column: Column, rows: &[usize]) -> Result<Vec<Option<String>>, FileError> {
        let mut texts = Vec::with_capacity(rows.len());
        self.visit(column, rows, |reader, runs| {
            match reader {
                ColumnReader::ByteArrayColumnReader(reader) => {
                    texts.extend(cells(reader, runs, text)?);
                }
                ColumnReader::Int32ColumnReader(reader) => {
                    texts.extend(cells(reader, runs, |n| Ok(n.to_string()))?);
                }
                ColumnReader::Int64ColumnReader(reader) => {
                    texts.extend(cells(reader, runs, |n| Ok(n.to_string()))?);
                }
                _ => return Err("holds no text".to_owned().into()),
            }
            Ok(())
        })?;
        Ok(texts)
    }

    /// Features of the rows with these rising indices, `[rows, dim]`.
    pub fn features(&self, column: Column, rows: &[usize]) -> Result<Matrix, FileError> {
        let (mut numbers, mut dim) = (Vec::new(), None);
        self.visit(column, rows, |reader, runs| match reader {
            ColumnReader::FloatColumnReader(reader) => {
                lists(reader, runs, &mut dim, &mut numbers, |x| Ok(*x))
            }
            ColumnReader::DoubleColumnReader(reader) => {
                lists(reader, runs, &mut dim, &mut numbers, |x| Ok(*x as f32))
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                lists(reader, runs, &mut dim, &mut numbers, half)
            }
            _ => Err("holds no lists of floating-point numbers".to_owned().into()),
        })?;
        Ok(Matrix::new(rows.len(), dim.unwrap_or(0), numbers)?)
    }

    /// Calls `read` with each row group's reader and the runs of rows that are wanted of it.
    fn visit(
        &self,
        column: Column,
        rows: &[usize],
        mut read: impl FnMut(ColumnReader, &[Run]) -> Result<(), ReadError>,
    ) -> Result<(), FileError> {
        let (mut start, mut rest) = (0, rows);
        for index in 0..self.reader.num_row_groups() {
            let group = self.reader.metadata().row_group(index);
            let end = start + group.num_rows() as usize;
            let (wanted, later) = rest.split_at(rest.partition_point(|row| *row < end));
            if !wanted.is_empty() {
                check_compression(group.column(column.0).compression())
                    .and_then(|()| {
                        let reader = self.reader.get_row_group(index)?;
                        read(reader.get_column_reader(column.0)?, &runs(wanted, start))
                    })
                    .map_err(|error| self.wrong(column, &error))?;
            }
            (start, rest) = (end, later);
        }
        match rest.first() {
            Some(row) => Err(FileError::content(
                format!("it has {start} rows and no row {row}"),
                &self.path,
            )),
            None => Ok(()),
        }
    }

    fn wrong(&self, column: Column, error: &ReadError) -> FileError {
        let name = top(&self.schema()[column.0]);
        FileError::content(format!("its column {name:?} {}", error.0), &self.path)
    }

    fn schema(&self) -> &[parquet::schema::types::ColumnDescPtr] {
        self.reader
            .metadata()
            .file_metadata()
            .schema_descr()
            .columns()
    }
}

/// What is wrong with a column, to be read behind its name.
struct ReadError(String);

impl From<String> for ReadError {
    fn from(problem: String) -> Self {
        Self(problem)
    }
}

impl From<ParquetError> for ReadError {
    fn from(error: ParquetError) -> Self {
        Self(format!("cannot be read ({error})"))
    }
}

/// The name under which people know a column: a list's numbers lie two levels below it.
fn top(column: &ColumnDescriptor) -> &str {
    column.path().parts().first().map_or("", String::as_str)
}

fn check_compression(compression: Compression) -> Result<(), ReadError> {
    match compression {
        Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) => Ok(()),
        other => Err(ReadError(format!(
            "is compressed with {other}, which is not read here; write it with snappy, as pandas and pyarrow do unless told otherwise"
        ))),
    }
}

/// Rows that follow each other: how many to pass over, how many to read.
type Run = (usize, usize);

fn runs(rows: &[usize], start: usize) -> Vec<Run> {
    let mut at = start;
    let chunks = rows.chunk_by(|a, b| a + 1 == *b);
    chunks
        .map(|chunk| {
            let run = (chunk[0] - at, chunk.len());
            at = chunk[0] + chunk.len();
            run
        })
        .collect()
}

/// What a run holds: values that are there, and the levels that say where.
struct Cells<T> {
    values: Vec<T>,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

fn read_run<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    (skipped, read): Run,
) -> Result<Cells<T::T>, ReadError> {
    reader.skip_records(skipped)?;
    let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
    let (num_read, ..) = reader.read_records(
        read,
        Some(&mut definitions),
        Some(&mut repetitions),
        &mut values,
    )?;
    if num_read != read {
        return Err("ends before its table does".to_owned().into());
    }
    Ok(Cells {
        values,
        definitions,
        repetitions,
    })
}

/// One value a row, or none.
fn cells<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    runs: &[Run],
    convert: impl Fn(&T::T) -> Result<String, ReadError>,
) -> Result<Vec<Option<String>>, ReadError> {
    let mut out = Vec::new();
    for run in runs {
        let cells = read_run(&mut reader, *run)?;
        if cells.repetitions.iter().any(|level| *level > 0) {
            return Err("holds lists, and one text a row is expected"
                .to_owned()
                .into());
        }
        let deepest = cells.definitions.iter().copied().max().unwrap_or(0);
        let is_full = cells.definitions.is_empty() || cells.values.len() == cells.definitions.len();
        let mut values = cells.values.iter().map(&convert);
        if is_full {
            out.extend(
                values
                    .map(|value| value.map(Some))
                    .collect::<Result<Vec<_>, _>>()?,
            );
            continue;
        }
        for level in &cells.definitions {
            // Where nothing of the run is there, its deepest level is an empty cell's.
            let is_there = *level == deepest && !cells.values.is_empty();
            out.push(if is_there {
                values.next().transpose()?
            } else {
                None
            });
        }
    }
    Ok(out)
}

/// As many numbers in every row.
fn lists<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    runs: &[Run],
    dim: &mut Option<usize>,
    numbers: &mut Vec<f32>,
    convert: impl Fn(&T::T) -> Result<f32, ReadError>,
) -> Result<(), ReadError> {
    for run in runs {
        let cells = read_run(&mut reader, *run)?;
        let starts = cells.repetitions.iter().filter(|level| **level == 0);
        let num_rows = starts.count();
        if num_rows == 0 {
            return Err(
                "holds single numbers, and a list of them is expected in every row"
                    .to_owned()
                    .into(),
            );
        }
        if cells.values.len() != cells.repetitions.len() {
            return Err("has empty cells, and every row needs its features"
                .to_owned()
                .into());
        }
        let found = cells.values.len() / num_rows;
        let dim = *dim.get_or_insert(found);
        let lists = cells.repetitions.chunk_by(|_, next| *next > 0);
        if lists.into_iter().any(|list| list.len() != dim) {
            return Err(format!(
                "has rows of different lengths, and all need as many numbers as the first, {dim}"
            )
            .into());
        }
        for value in &cells.values {
            numbers.push(convert(value)?);
        }
    }
    Ok(())
}

fn text(bytes: &ByteArray) -> Result<String, ReadError> {
    let text = bytes.as_utf8();
    text.map(str::to_owned)
        .map_err(|_not_utf8| "holds text that is not UTF-8".to_owned().into())
}

fn half(bytes: &FixedLenByteArray) -> Result<f32, ReadError> {
    match *bytes.data() {
        [low, high] => Ok(f16::from_le_bytes([low, high]).to_f32()),
        _ => Err("holds no floating-point numbers".to_owned().into()),
    }
}
