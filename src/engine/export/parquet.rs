//! Parquet, as much of it as a table of photos needs: plain, uncompressed pages (Apache Parquet format 2.11, `parquet.thrift`).
//!
//! Columns: `path`, `label`, `prediction` (UTF-8), `confidence` (float), `decided_by` (UTF-8), `features` (list of float).
//! Written by hand, because the reference library brings two dozen packages for what is one page a column here.

use std::io::Write;

use super::table::Row;
use super::thrift::Thrift;

/// Rows of one group: 40 MB of features at 1,024 numbers each.
const GROUP: usize = 10_000;

const BYTE_ARRAY: i32 = 6;
const FLOAT: i32 = 4;
const REQUIRED: i32 = 0;
const OPTIONAL: i32 = 1;
const REPEATED: i32 = 2;
const UTF8: i32 = 0;
const LIST: i32 = 3;
const PLAIN: i32 = 0;
const RLE: i32 = 3;

/// A column of one row group.
struct Page {
    path: &'static [&'static str],
    physical_type: i32,
    /// Values and nulls.
    num_values: usize,
    bytes: Vec<u8>,
}

/// Where a column of one row group lies.
struct Chunk {
    page: Page,
    offset: u64,
    size: u64,
}

/// Writes a table with the features of every row, unit rows of one length.
pub(super) fn write(out: &mut impl Write, rows: &[(Row, &[f32])]) -> std::io::Result<()> {
    out.write_all(b"PAR1")?;
    let (mut offset, mut groups) = (4, Vec::new());
    for rows in rows.chunks(GROUP) {
        let mut chunks = Vec::new();
        for mut page in pages(rows) {
            let header = page_header(&page);
            out.write_all(&header)?;
            out.write_all(&page.bytes)?;
            let size = (header.len() + page.bytes.len()) as u64;
            page.bytes = Vec::new();
            chunks.push(Chunk { page, offset, size });
            offset += size;
        }
        groups.push((rows.len(), chunks));
    }
    let footer = footer(rows.len(), &groups);
    out.write_all(&footer)?;
    out.write_all(&(footer.len() as u32).to_le_bytes())?;
    out.write_all(b"PAR1")
}

fn pages(rows: &[(Row, &[f32])]) -> Vec<Page> {
    let texts = |of: &dyn Fn(&Row) -> Option<String>| -> Vec<Option<Vec<u8>>> {
        let cells = rows.iter().map(|(row, _)| of(row));
        cells
            .map(|cell| cell.map(|text| plain_text(&text)))
            .collect()
    };
    let confidence = |(row, _): &(Row, &[f32])| {
        let (_, confidence) = row.prediction.as_ref()?;
        Some(confidence.to_le_bytes().to_vec())
    };
    vec![
        column(
            &["path"],
            BYTE_ARRAY,
            &texts(&|row| Some(row.path.clone())),
            false,
        ),
        column(
            &["label"],
            BYTE_ARRAY,
            &texts(&|row| row.label.clone()),
            true,
        ),
        column(
            &["prediction"],
            BYTE_ARRAY,
            &texts(&|row| row.prediction.clone().map(|p| p.0)),
            true,
        ),
        column(
            &["confidence"],
            FLOAT,
            &rows.iter().map(confidence).collect::<Vec<_>>(),
            true,
        ),
        column(
            &["decided_by"],
            BYTE_ARRAY,
            &texts(&|row| Some(row.decided_by.clone())),
            false,
        ),
        features(rows),
    ]
}

/// A text as plain encoding has it: its length, then its bytes.
fn plain_text(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn column(
    path: &'static [&'static str],
    physical_type: i32,
    cells: &[Option<Vec<u8>>],
    is_optional: bool,
) -> Page {
    let mut bytes = Vec::new();
    if is_optional {
        let levels = cells.iter().map(|cell| (1, u8::from(cell.is_some())));
        append_levels(&mut bytes, levels);
    }
    bytes.extend(cells.iter().flatten().flatten());
    Page {
        path,
        physical_type,
        num_values: cells.len(),
        bytes,
    }
}

/// Lists: a value's repetition level is 0 where a list begins, 1 where it goes on; all values are there.
fn features(rows: &[(Row, &[f32])]) -> Page {
    let mut bytes = Vec::new();
    let lengths = || rows.iter().map(|(_, features)| features.len());
    append_levels(
        &mut bytes,
        lengths().flat_map(|len| [(1, 0), (len.saturating_sub(1), 1)]),
    );
    append_levels(&mut bytes, std::iter::once((lengths().sum(), 1)));
    bytes.extend(
        rows.iter()
            .flat_map(|(_, features)| features.iter().flat_map(|x| x.to_le_bytes())),
    );
    Page {
        path: &["features", "list", "element"],
        physical_type: FLOAT,
        num_values: lengths().sum(),
        bytes,
    }
}

/// Levels of one bit as runs, each its length and its value, behind their number of bytes.
fn append_levels(bytes: &mut Vec<u8>, runs: impl Iterator<Item = (usize, u8)>) {
    let mut levels = Thrift::default();
    for (length, level) in runs.filter(|(length, _)| *length > 0) {
        levels.unsigned((length as u64) << 1);
        levels.byte(level);
    }
    let levels = levels.into_bytes();
    bytes.extend_from_slice(&(levels.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&levels);
}

fn page_header(page: &Page) -> Vec<u8> {
    let mut header = Thrift::default();
    let size = page.bytes.len() as i32;
    header.i32(1, 0); // a data page
    header.i32(2, size);
    header.i32(3, size);
    header.structure(5, |data| {
        data.i32(1, page.num_values as i32);
        data.i32(2, PLAIN);
        data.i32(3, RLE);
        data.i32(4, RLE);
    });
    header.end();
    header.into_bytes()
}

/// Name, repetition, type, number of children, converted type.
type Element = (
    &'static str,
    Option<i32>,
    Option<i32>,
    Option<i32>,
    Option<i32>,
);

const SCHEMA: [Element; 9] = [
    ("photos", None, None, Some(6), None),
    ("path", Some(REQUIRED), Some(BYTE_ARRAY), None, Some(UTF8)),
    ("label", Some(OPTIONAL), Some(BYTE_ARRAY), None, Some(UTF8)),
    (
        "prediction",
        Some(OPTIONAL),
        Some(BYTE_ARRAY),
        None,
        Some(UTF8),
    ),
    ("confidence", Some(OPTIONAL), Some(FLOAT), None, None),
    (
        "decided_by",
        Some(REQUIRED),
        Some(BYTE_ARRAY),
        None,
        Some(UTF8),
    ),
    ("features", Some(REQUIRED), None, Some(1), Some(LIST)),
    ("list", Some(REPEATED), None, Some(1), None),
    ("element", Some(REQUIRED), Some(FLOAT), None, None),
];

fn footer(num_rows: usize, groups: &[(usize, Vec<Chunk>)]) -> Vec<u8> {
    let mut footer = Thrift::default();
    footer.i32(1, 1);
    footer.structures(
        2,
        &SCHEMA,
        |out, (name, repetition, physical_type, children, converted)| {
            for (field, value) in [(1, physical_type), (3, repetition)] {
                if let Some(value) = value {
                    out.i32(field, *value);
                }
            }
            out.text(4, name);
            for (field, value) in [(5, children), (6, converted)] {
                if let Some(value) = value {
                    out.i32(field, *value);
                }
            }
        },
    );
    footer.i64(3, num_rows as i64);
    footer.structures(4, groups, |out, (num_rows, chunks)| {
        out.structures(1, chunks, chunk);
        out.i64(2, chunks.iter().map(|chunk| chunk.size as i64).sum());
        out.i64(3, *num_rows as i64);
    });
    footer.text(6, concat!("shotlens ", env!("CARGO_PKG_VERSION")));
    footer.end();
    footer.into_bytes()
}

fn chunk(out: &mut Thrift, chunk: &Chunk) {
    out.i64(2, chunk.offset as i64);
    out.structure(3, |meta| {
        meta.i32(1, chunk.page.physical_type);
        meta.i32s(2, &[PLAIN, RLE]);
        meta.texts(3, chunk.page.path);
        meta.i32(4, 0); // uncompressed
        meta.i64(5, chunk.page.num_values as i64);
        meta.i64(6, chunk.size as i64);
        meta.i64(7, chunk.size as i64);
        meta.i64(9, chunk.offset as i64);
    });
}
