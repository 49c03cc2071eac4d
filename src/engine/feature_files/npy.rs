//! `NumPy`'s `.npy` arrays: rows of features and lists of labels (format 1.0 to 3.0, NEP 1).
//!
//! Rows are read where they lie, so that a sample of a billion needs the memory of the sample.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use half::f16;

use super::FileError;
use crate::features::Matrix;

const MAGIC: &[u8] = b"\x93NUMPY";
/// The header's end is a multiple of this, so that the numbers can be mapped.
const ALIGNMENT: usize = 64;
/// No header of an array of numbers comes near.
const MAX_HEADER: usize = 1 << 16;

/// What one item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    F16,
    F32,
    F64,
    Signed(usize),
    Unsigned(usize),
}

impl Item {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "<f2" => Self::F16,
            "<f4" => Self::F32,
            "<f8" => Self::F64,
            "|i1" | "<i2" | "<i4" | "<i8" => Self::Signed(name[2..].parse().ok()?),
            "|u1" | "<u2" | "<u4" | "<u8" => Self::Unsigned(name[2..].parse().ok()?),
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Signed(size) | Self::Unsigned(size) => size,
        }
    }
}

/// An array in a file that is as long as its header says.
#[derive(Debug)]
pub struct Npy {
    path: PathBuf,
    file: File,
    item: Item,
    shape: Vec<usize>,
    start: u64,
}

impl Npy {
    /// Opens a file and reads its header.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let content = |problem: String| FileError::content(problem, path);
        let mut file = File::open(path).map_err(|error| FileError::io(error, path))?;
        let header = read_header(&mut file).map_err(content)?;
        let fields = Fields::of(&header).map_err(content)?;
        let start = file
            .stream_position()
            .map_err(|error| FileError::io(error, path))?;
        let length = file
            .metadata()
            .map_err(|error| FileError::io(error, path))?
            .len();
        let expected = fields
            .num_bytes()
            .and_then(|bytes| start.checked_add(bytes));
        if expected != Some(length) {
            return Err(content(format!(
                "its header says {:?} items of {} bytes, and the file has {} bytes of them; it was cut short or written only in part",
                fields.shape,
                fields.item.size(),
                length - start
            )));
        }
        let Fields { item, shape } = fields;
        Ok(Self {
            path: path.to_owned(),
            file,
            item,
            shape,
            start,
        })
    }

    /// Rows and numbers in each, of floating-point numbers.
    pub fn rows_and_dim(&self) -> Result<(usize, usize), FileError> {
        if !matches!(self.item, Item::F16 | Item::F32 | Item::F64) {
            return Err(self.wrong("it holds integers, and features are floating-point numbers"));
        }
        match *self.shape {
            [rows, dim] if dim > 0 => Ok((rows, dim)),
            _ => Err(self.wrong(&format!(
                "its shape is {:?}, and features have two dimensions, [rows, numbers]",
                self.shape
            ))),
        }
    }

    /// All rows.
    pub fn matrix(&self) -> Result<Matrix, FileError> {
        let (rows, _) = self.rows_and_dim()?;
        self.rows(&(0..rows).collect::<Vec<_>>())
    }

    /// Rows by their indices; fastest where they rise.
    pub fn rows(&self, indices: &[usize]) -> Result<Matrix, FileError> {
        let (num_rows, dim) = self.rows_and_dim()?;
        let io = |error| FileError::io(error, &self.path);
        let size = dim * self.item.size();
        let mut reader = BufReader::with_capacity(1 << 18, &self.file);
        reader.seek(SeekFrom::Start(self.start)).map_err(io)?;
        let (mut at, mut row) = (0, vec![0; size]);
        let mut numbers = Vec::with_capacity(indices.len() * dim);
        for index in indices {
            if *index >= num_rows {
                return Err(self.wrong(&format!("it has {num_rows} rows and no row {index}")));
            }
            let distance = (*index as i64 - at) * size as i64;
            reader.seek_relative(distance).map_err(io)?;
            reader.read_exact(&mut row).map_err(io)?;
            at = *index as i64 + 1;
            append_floats(self.item, &row, &mut numbers);
        }
        Ok(Matrix::new(indices.len(), dim, numbers)?)
    }

    /// A list of integers.
    pub fn integers(&self) -> Result<Vec<i64>, FileError> {
        let is_signed = match self.item {
            Item::Signed(_) => true,
            Item::Unsigned(_) => false,
            _ => return Err(self.wrong("it holds floating-point numbers, and labels are integers")),
        };
        let [_] = *self.shape else {
            return Err(self.wrong(&format!(
                "its shape is {:?}, and labels have one dimension",
                self.shape
            )));
        };
        let io = |error| FileError::io(error, &self.path);
        let mut bytes = Vec::new();
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.start)).map_err(io)?;
        file.read_to_end(&mut bytes).map_err(io)?;
        let items = bytes.chunks_exact(self.item.size());
        Ok(items.map(|item| integer(item, is_signed)).collect())
    }

    fn wrong(&self, problem: &str) -> FileError {
        FileError::content(problem, &self.path)
    }
}

fn append_floats(item: Item, row: &[u8], numbers: &mut Vec<f32>) {
    match item {
        Item::F16 => numbers.extend(
            (row.as_chunks::<2>().0.iter()).map(|bytes| f16::from_le_bytes(*bytes).to_f32()),
        ),
        Item::F64 => numbers
            .extend((row.as_chunks::<8>().0.iter()).map(|bytes| f64::from_le_bytes(*bytes) as f32)),
        _ => {
            numbers.extend((row.as_chunks::<4>().0.iter()).map(|bytes| f32::from_le_bytes(*bytes)));
        }
    }
}

/// An integer of up to eight bytes, the lowest first.
fn integer(item: &[u8], is_signed: bool) -> i64 {
    let is_negative = is_signed && item.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut bytes = [if is_negative { 0xFF } else { 0 }; 8];
    bytes[..item.len()].copy_from_slice(item);
    i64::from_le_bytes(bytes)
}

/// The text that says what the array is.
fn read_header(file: &mut File) -> Result<String, String> {
    let none = "this is no .npy file, which numpy.save writes";
    let short = |_error| "the file ends before its header does".to_owned();
    let mut start = [0; 8];
    if file.read_exact(&mut start).is_err() || !start.starts_with(MAGIC) {
        return Err(none.to_owned());
    }
    let length = if start[6] == 1 {
        let mut bytes = [0; 2];
        file.read_exact(&mut bytes).map_err(short)?;
        usize::from(u16::from_le_bytes(bytes))
    } else {
        let mut bytes = [0; 4];
        file.read_exact(&mut bytes).map_err(short)?;
        u32::from_le_bytes(bytes) as usize
    };
    if !(1..=3).contains(&start[6]) || length > MAX_HEADER {
        return Err("this is no .npy file of an array of numbers".to_owned());
    }
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes).map_err(short)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
struct Fields {
    item: Item,
    shape: Vec<usize>,
}

impl Fields {
    /// Of a header as `{'descr': '<f2', 'fortran_order': False, 'shape': (3, 512), }`.
    fn of(header: &str) -> Result<Self, String> {
        let unclear = || format!("its header cannot be understood: {}", header.trim_end());
        let after = |key: &str| {
            let (_, rest) = header.split_once(&format!("'{key}':"))?;
            Some(rest.trim_start())
        };
        let descr = after("descr").ok_or_else(unclear)?;
        // A list here means a table of several columns.
        let name = descr
            .strip_prefix('\'')
            .and_then(|rest| rest.split('\'').next())
            .ok_or_else(|| format!("it holds {descr} and no plain numbers"))?;
        let item = Item::named(name).ok_or_else(|| {
            format!("it holds items of type {name:?}; little-endian float16, float32 or float64 are read as features, integers as labels")
        })?;
        let shape = after("shape")
            .and_then(|rest| rest.strip_prefix('(')?.split(')').next())
            .ok_or_else(unclear)?;
        let shape = shape
            .split(',')
            .map(str::trim)
            .filter(|n| !n.is_empty())
            .map(|n| n.parse().map_err(|_not_a_number| unclear()))
            .collect::<Result<Vec<usize>, _>>()?;
        let order = after("fortran_order").ok_or_else(unclear)?;
        if order.starts_with("True") && shape.len() > 1 {
            return Err("its numbers lie column by column (Fortran order); write it with numpy.ascontiguousarray".to_owned());
        }
        Ok(Self { item, shape })
    }

    fn num_bytes(&self) -> Option<u64> {
        let items = self
            .shape
            .iter()
            .try_fold(1_u64, |product, n| product.checked_mul(*n as u64))?;
        items.checked_mul(self.item.size() as u64)
    }
}

/// Writes rows of `dim` numbers each as an array of float16, as clip-retrieval has them.
pub fn write_halves<'a>(
    out: &mut impl Write,
    dim: usize,
    rows: impl ExactSizeIterator<Item = &'a [f32]>,
) -> std::io::Result<()> {
    let mut header = format!(
        "{{'descr': '<f2', 'fortran_order': False, 'shape': ({}, {dim}), }}",
        rows.len()
    );
    let unpadded = MAGIC.len() + 4 + header.len() + 1;
    header.push_str(&" ".repeat(unpadded.next_multiple_of(ALIGNMENT) - unpadded));
    header.push('\n');
    out.write_all(MAGIC)?;
    out.write_all(&[1, 0])?;
    out.write_all(&(header.len() as u16).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    for row in rows {
        let bytes: Vec<u8> = row
            .iter()
            .flat_map(|number| f16::from_f32(*number).to_le_bytes())
            .collect();
        out.write_all(&bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(descr: &str, order: &str, shape: &str, data: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}\n");
        let mut bytes = [MAGIC, &[1, 0]].concat();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn rows_are_read_in_any_order_and_precision() {
        let halves: Vec<u8> = (0..8_u8)
            .flat_map(|n| f16::from_f32(f32::from(n)).to_le_bytes())
            .collect();
        let (_folder, path) = file("<f2", "False", "4, 2", &halves);
        let rows = Npy::open(&path).unwrap().rows(&[3, 0, 1]).unwrap();
        assert_eq!(rows.as_slice(), [6.0, 7.0, 0.0, 1.0, 2.0, 3.0]);
        let doubles: Vec<u8> = [0.5_f64, -2.0]
            .iter()
            .flat_map(|n| n.to_le_bytes())
            .collect();
        let (_folder, path) = file("<f8", "False", "1, 2", &doubles);
        assert_eq!(
            Npy::open(&path).unwrap().matrix().unwrap().as_slice(),
            [0.5, -2.0]
        );
        let (_folder, path) = file("<i2", "False", "2,", &[0xFF, 0xFF, 3, 0]);
        assert_eq!(Npy::open(&path).unwrap().integers().unwrap(), [-1, 3]);
    }

    #[test]
    fn halves_come_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let rows = [[0.5_f32, -0.25], [1.0, 0.0]];
        let mut bytes = Vec::new();
        write_halves(&mut bytes, 2, rows.iter().map(<[f32; 2]>::as_slice)).unwrap();
        assert_eq!((bytes.len() - 8) % ALIGNMENT, 0, "numbers begin aligned");
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(
            Npy::open(&path).unwrap().matrix().unwrap().as_slice(),
            rows.as_flattened()
        );
    }

    #[test]
    fn bad_files_say_what_is_wrong_with_which() {
        let says = |descr, order, shape, data: &[u8], words: &str| {
            let (_folder, path) = file(descr, order, shape, data);
            let read = Npy::open(&path).and_then(|npy| npy.matrix());
            let message = read.unwrap_err().to_string();
            assert!(
                message.contains(words) && message.contains("a.npy"),
                "{message}"
            );
        };
        says("<f4", "True", "1, 1", &[0; 4], "Fortran");
        says("<f4", "False", "2, 1", &[0; 4], "cut short");
        says(
            "<f4",
            "False",
            "4611686018427387904, 8",
            &[0; 4],
            "cut short",
        );
        says("<i4", "False", "1, 1", &[0; 4], "integers");
        says(">f4", "False", "1, 1", &[0; 4], ">f4");
        says("<f4", "False", "1,", &[0; 4], "two dimensions");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.npy");
        std::fs::write(&path, "PK\x03\x04 something else").unwrap();
        assert!(
            Npy::open(&path)
                .unwrap_err()
                .to_string()
                .contains("no .npy file")
        );
    }
}
