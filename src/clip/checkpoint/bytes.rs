//! The bytes of a checkpoint, mapped or in the program, and what they are when they are no safetensors.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

use super::WeightsSource;
use crate::clip::ClipError;

/// The bytes of a checkpoint, kept for as long as somebody may ask for their hash.
pub(in crate::clip) struct WeightBytes {
    content: Content,
    path: PathBuf,
    hash: OnceLock<String>,
}

enum Content {
    Mapped(memmap2::Mmap),
    Static(&'static [u8]),
}

impl WeightBytes {
    /// Maps the file, or takes the bytes in the program.
    pub(in crate::clip) fn open(source: &WeightsSource) -> Result<Self, ClipError> {
        let hash = OnceLock::new();
        let content = match source {
            WeightsSource::File(path) => map(path)?,
            WeightsSource::Bytes(bytes) => Content::Static(bytes),
            WeightsSource::Hashed { bytes, sha256 } => {
                hash.get_or_init(|| (*sha256).to_owned());
                Content::Static(bytes)
            }
        };
        Ok(Self {
            content,
            path: source.path(),
            hash,
        })
    }

    /// All bytes.
    pub(in crate::clip) fn as_slice(&self) -> &[u8] {
        match &self.content {
            Content::Mapped(map) => map,
            Content::Static(bytes) => bytes,
        }
    }

    /// Where they came from.
    pub(in crate::clip) fn path(&self) -> &Path {
        &self.path
    }

    /// Their SHA-256 in hexadecimal; computed on the first call (about 1 GB/s).
    pub(in crate::clip) fn hash(&self) -> &str {
        self.hash.get_or_init(|| {
            use std::fmt::Write as _;
            let mut text = String::with_capacity(64);
            for byte in Sha256::digest(self.as_slice()) {
                // Writing to a String cannot fail.
                write!(text, "{byte:02x}").ok();
            }
            text
        })
    }

    /// The tensors in the file, or what is wrong with it.
    pub(in crate::clip) fn tensors(&self) -> Result<SafeTensors<'_>, ClipError> {
        let bytes = self.as_slice();
        let path = || self.path.clone();
        if bytes.starts_with(b"version https://git-lfs") {
            return Err(ClipError::LfsPointer { path: path() });
        }
        if is_pickle(bytes) {
            return Err(ClipError::Pickle { path: path() });
        }
        if let Some(expected) = promised_len(bytes).filter(|expected| *expected > bytes.len()) {
            return Err(ClipError::Truncated {
                got: bytes.len(),
                expected,
                path: path(),
            });
        }
        SafeTensors::deserialize(bytes).map_err(|error| ClipError::NotSafetensors {
            reason: error.to_string(),
            path: path(),
        })
    }
}

/// Whether PyTorch wrote this: a zip archive since its version 1.6, a bare pickle of protocol 2 to 5 before.
fn is_pickle(bytes: &[u8]) -> bool {
    // The length of a safetensors header may start with the same two bytes, but a brace follows it.
    let is_bare = matches!(bytes, [0x80, 2..=5, ..]) && bytes.get(8) != Some(&b'{');
    is_bare || bytes.starts_with(b"PK\x03\x04")
}

/// Maps a file into memory.
fn map(path: &Path) -> Result<Content, ClipError> {
    let error = |source| ClipError::Open {
        source,
        path: path.to_owned(),
    };
    let file = File::open(path).map_err(error)?;
    if file.metadata().map_err(error)?.is_dir() {
        return Err(error(std::io::ErrorKind::IsADirectory.into()));
    }
    #[expect(
        unsafe_code,
        reason = "a checkpoint of gigabytes is mapped; whoever overwrites it while it is open gets other numbers or a crash, as with every program that maps files"
    )]
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(error)?;
    Ok(Content::Mapped(map))
}

/// How long the header says that the file is, when there is a header.
fn promised_len(bytes: &[u8]) -> Option<usize> {
    /// A header larger than safetensors allows is no header.
    const LARGEST_HEADER: usize = 100_000_000;
    let header_len = usize::try_from(u64::from_le_bytes(*bytes.first_chunk::<8>()?)).ok()?;
    if header_len > LARGEST_HEADER || bytes.get(8) != Some(&b'{') {
        return None;
    }
    let Some(header) = bytes.get(8..8 + header_len) else {
        return Some(8 + header_len);
    };
    let header: serde_json::Value = serde_json::from_slice(header).ok()?;
    let ends = header
        .as_object()?
        .values()
        .filter_map(|info| info.get("data_offsets")?.get(1)?.as_u64());
    Some(8 + header_len + usize::try_from(ends.max()?).ok()?)
}
