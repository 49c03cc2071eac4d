//! The name of a file's content.

use std::fmt;
use std::fmt::Write as _;

const NUM_BYTES: usize = 32;

/// BLAKE3 of a file's bytes: equal for exact copies, whatever their names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash(pub [u8; NUM_BYTES]);

impl ContentHash {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(blake3::hash(bytes).into())
    }

    /// 64 lower-case hexadecimal digits.
    pub fn hex(&self) -> String {
        let mut hex = String::with_capacity(2 * NUM_BYTES);
        for byte in self.0 {
            // writing to a string cannot fail
            write!(hex, "{byte:02x}").ok();
        }
        hex
    }

    /// Reads what [`ContentHash::hex`] writes; `None` for anything else.
    pub fn from_hex(hex: &str) -> Option<Self> {
        if hex.len() != 2 * NUM_BYTES || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; NUM_BYTES];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({})", self.hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_leads_there_and_back() {
        let hash = ContentHash::of(b"a photo");
        assert_eq!(ContentHash::from_hex(&hash.hex()), Some(hash));
        assert_ne!(hash, ContentHash::of(b"another photo"));
    }

    #[test]
    fn other_strings_are_no_hash() {
        let hex = ContentHash::of(b"").hex();
        for wrong in [
            "",
            &hex[1..],
            &format!("+{}", &hex[1..]),
            &format!("{}é", &hex[2..]),
        ] {
            assert_eq!(ContentHash::from_hex(wrong), None, "{wrong}");
        }
    }
}
