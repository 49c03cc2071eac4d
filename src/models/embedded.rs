//! The demo model inside the program.

use super::ModelError;
use crate::clip::CheckpointFiles;

/// The embedded model: int8 rows, Hugging Face's names and configuration.
#[cfg(feature = "embedded-assets")]
#[expect(
    clippy::unnecessary_wraps,
    reason = "a build without the model has an error here"
)]
pub(super) fn embedded_model() -> Result<CheckpointFiles, ModelError> {
    use crate::clip::{ConfigSource, JsonText, WeightsSource};

    let text = |name: &str, text: &str| JsonText {
        text: text.to_owned(),
        path: format!("embedded/{name}").into(),
    };
    let config = text(
        "config.json",
        include_str!("../../assets/demo-model/config.json"),
    );
    let preprocessor = text(
        "preprocessor_config.json",
        include_str!("../../assets/demo-model/preprocessor_config.json"),
    );
    Ok(CheckpointFiles {
        weights: WeightsSource::Hashed {
            bytes: include_bytes!("../../assets/demo-model/model-int8.safetensors"),
            // Hashing 29 MB takes 20 ms of a start that shall take 50.
            sha256: include_str!("../../assets/demo-model/model-int8.safetensors.sha256")
                .trim_ascii_end(),
        },
        config: ConfigSource::HuggingFace {
            config,
            preprocessor: Some(preprocessor),
        },
    })
}

/// This build has none.
#[cfg(not(feature = "embedded-assets"))]
pub(super) fn embedded_model() -> Result<CheckpointFiles, ModelError> {
    Err(ModelError::NoEmbeddedModel)
}
