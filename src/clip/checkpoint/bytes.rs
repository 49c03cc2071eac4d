//! The bytes of a checkpoint, in a file or in the program, and what they are when they are no safetensors.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use safetensors::tensor::Metadata;
use sha2::{Digest, Sha256};

use super::WeightsSource;
use crate::clip::ClipError;

/// Bytes hashed at once.
const HASHED_AT_ONCE: usize = 1 << 20;
/// A safetensors file begins with its header's length in so many bytes.
const LENGTH_BYTES: usize = 8;
/// A header larger than safetensors allows is no header.
const LARGEST_HEADER: usize = 100_000_000;

/// The bytes of a checkpoint, kept for as long as somebody may ask for them.
///
/// A file is read and not mapped: mapped, all of it counted as this program's memory (600 MB of ViT-B/32), and somebody who
/// cut it short while it was open ended the program.
pub(in crate::clip) struct WeightBytes {
    content: Content,
    len: usize,
    path: PathBuf,
    hash: OnceLock<String>,
}

enum Content {
    File(File),
    Static(&'static [u8]),
}

/// Which tensors a checkpoint has.
pub(super) struct Header {
    /// Names, types, shapes, and where they lie from `data_start` on.
    pub(super) metadata: Metadata,
    /// The first byte behind the header.
    pub(super) data_start: usize,
}

impl WeightBytes {
    /// Opens the file, or takes the bytes in the program.
    pub(in crate::clip) fn open(source: &WeightsSource) -> Result<Self, ClipError> {
        let hash = OnceLock::new();
        let (content, len) = match source {
            WeightsSource::File(path) => open(path)?,
            WeightsSource::Bytes(bytes) => (Content::Static(bytes), bytes.len()),
            WeightsSource::Hashed { bytes, sha256 } => {
                hash.get_or_init(|| (*sha256).to_owned());
                (Content::Static(bytes), bytes.len())
            }
        };
        Ok(Self {
            content,
            len,
            path: source.path(),
            hash,
        })
    }

    /// Where they came from.
    pub(in crate::clip) fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes `range`, which lie inside.
    pub(super) fn read(&self, range: Range<usize>) -> Result<Cow<'_, [u8]>, ClipError> {
        match &self.content {
            Content::Static(bytes) => Ok(Cow::Borrowed(&bytes[range])),
            Content::File(_) => {
                let mut bytes = vec![0; range.len()];
                self.read_into(range.start, &mut bytes)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// Fills `buffer` with the bytes from `start` on.
    pub(super) fn read_into(&self, start: usize, buffer: &mut [u8]) -> Result<(), ClipError> {
        match &self.content {
            Content::Static(bytes) => {
                buffer.copy_from_slice(&bytes[start..start + buffer.len()]);
                Ok(())
            }
            Content::File(file) => {
                read_at(file, start as u64, buffer).map_err(|error| self.unreadable(file, error))
            }
        }
    }

    /// What to say of a file whose bytes do not come, though it had them when it was opened.
    fn unreadable(&self, file: &File, error: io::Error) -> ClipError {
        let len = file.metadata().map_or(self.len as u64, |now| now.len());
        let path = self.path.clone();
        match usize::try_from(len) {
            Ok(got) if got < self.len => ClipError::Truncated {
                got,
                expected: self.len,
                path,
            },
            _ => ClipError::Open {
                source: error,
                path,
            },
        }
    }

    /// Their SHA-256 in hexadecimal (about 1.5 GB/s), computed by the first call.
    pub(in crate::clip) fn hash(&self) -> Result<&str, ClipError> {
        if let Some(hash) = self.hash.get() {
            return Ok(hash);
        }
        let mut digest = Sha256::new();
        for start in (0..self.len).step_by(HASHED_AT_ONCE) {
            digest.update(&self.read(start..(start + HASHED_AT_ONCE).min(self.len))?);
        }
        let bytes = digest.finalize();
        Ok(self.hash.get_or_init(|| hexadecimal(&bytes)))
    }

    /// Which tensors there are, or what is wrong with the file.
    pub(super) fn header(&self) -> Result<Header, ClipError> {
        let path = || self.path.clone();
        let start = self.read(0..self.len.min(64))?;
        if start.starts_with(b"version https://git-lfs") {
            return Err(ClipError::LfsPointer { path: path() });
        }
        if is_pickle(&start) {
            return Err(ClipError::Pickle { path: path() });
        }
        let not_safetensors = |reason: &str| ClipError::NotSafetensors {
            reason: reason.to_owned(),
            path: path(),
        };
        let header_len = header_len(&start).ok_or_else(|| not_safetensors("it has no header"))?;
        let data_start = LENGTH_BYTES + header_len;
        let truncated = |expected| ClipError::Truncated {
            got: self.len,
            expected,
            path: path(),
        };
        if data_start > self.len {
            return Err(truncated(data_start));
        }
        let header = self.read(LENGTH_BYTES..data_start)?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| not_safetensors(&error.to_string()))?;
        match data_start.checked_add(metadata.data_len()) {
            Some(end) if end == self.len => Ok(Header {
                metadata,
                data_start,
            }),
            Some(end) if end > self.len => Err(truncated(end)),
            _ => Err(not_safetensors("it goes on behind its last tensor")),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
    }
    text
}

/// Whether PyTorch wrote this: a zip archive since its version 1.6, a bare pickle of protocol 2 to 5 before.
fn is_pickle(bytes: &[u8]) -> bool {
    // The length of a safetensors header may start with the same two bytes, but a brace follows it.
    let is_bare = matches!(bytes, [0x80, 2..=5, ..]) && bytes.get(8) != Some(&b'{');
    is_bare || bytes.starts_with(b"PK\x03\x04")
}

/// How long the header is, when the first bytes of a file are those of one.
fn header_len(start: &[u8]) -> Option<usize> {
    let len = usize::try_from(u64::from_le_bytes(*start.first_chunk::<LENGTH_BYTES>()?)).ok()?;
    (len <= LARGEST_HEADER && start.get(LENGTH_BYTES) == Some(&b'{')).then_some(len)
}

/// Opens a file, and says how long it is.
fn open(path: &Path) -> Result<(Content, usize), ClipError> {
    let error = |source| ClipError::Open {
        source,
        path: path.to_owned(),
    };
    let file = File::open(path).map_err(error)?;
    let metadata = file.metadata().map_err(error)?;
    if metadata.is_dir() {
        return Err(error(io::ErrorKind::IsADirectory.into()));
    }
    let len = usize::try_from(metadata.len())
        .map_err(|_too_long| error(io::ErrorKind::FileTooLarge.into()))?;
    Ok((Content::File(file), len))
}

/// Fills `buffer` from `start` on; several threads may read one file.
#[cfg(unix)]
fn read_at(file: &File, start: u64, buffer: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, start)
}

/// Fills `buffer` from `start` on; several threads may read one file.
#[cfg(windows)]
fn read_at(file: &File, start: u64, buffer: &mut [u8]) -> io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        let rest = &mut buffer[done..];
        match std::os::windows::fs::FileExt::seek_read(file, rest, start + done as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => done += count,
        }
    }
    Ok(())
}
