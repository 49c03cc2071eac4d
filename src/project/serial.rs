//! How values that JSON cannot carry as they are stand in the history's rows.

/// A path as text, or as hex after a NUL when it is not UTF-8 (Unix allows any bytes).
pub(super) mod path {
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::project::stored_path::{from_text, to_text};

    pub(in crate::project) fn serialize<S: Serializer>(
        path: &Arc<Path>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_text(path))
    }

    pub(in crate::project) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<Path>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let path: PathBuf = from_text(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("{text:?} is no path on this system"))
        })?;
        Ok(path.into())
    }
}

/// A content hash as 64 hex digits.
pub(super) mod content_hash {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::image_io::ContentHash;
    use crate::project::stored_path::{bytes_from_hex, bytes_to_hex};

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(in crate::project) fn serialize<S: Serializer>(
        hash: &Option<ContentHash>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match hash {
            Some(hash) => serializer.serialize_str(&bytes_to_hex(&hash.0)),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::project) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<ContentHash>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text
            .and_then(|text| bytes_from_hex(&text))
            .and_then(|bytes| bytes.try_into().ok())
            .map(ContentHash))
    }
}

/// A number as its shortest decimal text: `serde_json` reads plain numbers only to the last digit but one, and an undone slider should be where it was.
pub(super) mod exact_f64 {
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde asks for"
    )]
    pub(in crate::project) fn serialize<S: Serializer>(
        value: &f64,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&value.to_string())
    }

    pub(in crate::project) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<f64, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
