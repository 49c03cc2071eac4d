//! Adapter files: opened for the model in use, and listed.

use std::path::{Path, PathBuf};

use crate::engine::adapted::{AdaptedEncoder, AdapterSpec};
use crate::engine::adapter_training::info;
use crate::engine::{Engine, EngineError};

/// An adapter file, or the state of a training that was not finished.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundAdapter {
    /// The file.
    pub path: PathBuf,
    /// How it was trained and what came of it, as lines for people.
    pub summary: String,
    /// Why it cannot be used with this model.
    pub unavailable: Option<String>,
    /// A training by this name was interrupted and can go on.
    pub is_unfinished: bool,
}

/// The extension of a training's state, behind the adapter's own.
const UNFINISHED: &str = "training";

/// Opens an adapter file for the model; whoever embeds a folder beside it takes [`AdaptedEncoder::bottleneck`] of it.
pub(super) fn open_adapter(
    engine: &Engine,
    adapter: Option<&(PathBuf, Option<f64>)>,
) -> Result<Option<AdaptedEncoder>, EngineError> {
    let open = |(path, scale): &(PathBuf, Option<f64>)| {
        AdaptedEncoder::without_support(&AdapterSpec::File(path.clone()), *scale, engine)
    };
    adapter.map(open).transpose()
}

/// The adapter files in a folder by name, and the names under which a training was interrupted; nothing where there is no folder.
pub(super) fn list(engine: &Engine, folder: &Path) -> Vec<FoundAdapter> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let has_extension = |path: &Path, wanted| path.extension().is_some_and(|ext| ext == wanted);
    let mut found = Vec::new();
    for path in paths {
        if has_extension(&path, UNFINISHED) {
            found.push(FoundAdapter {
                path: path.with_extension(""),
                summary: String::new(),
                unavailable: None,
                is_unfinished: true,
            });
        } else if has_extension(&path, "safetensors") {
            found.extend(described(engine, path));
        }
    }
    found
}

/// An adapter file with what it says of itself; `None` for files of another kind.
fn described(engine: &Engine, path: PathBuf) -> Option<FoundAdapter> {
    let info = info(&path).ok()?;
    let field = |key: &str| {
        let found = info.metadata.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    };
    let is_of_another = field("base_model_hash").is_some_and(|hash| hash != engine.clip().hash());
    Some(FoundAdapter {
        unavailable: is_of_another
            .then(|| format!("It was trained for another model than {}", engine.name())),
        summary: field("training").map(summary).unwrap_or_default(),
        is_unfinished: false,
        path,
    })
}

/// The training's summary in words, as far as it has the expected fields.
fn summary(training: &str) -> String {
    let Ok(fields) = serde_json::from_str::<serde_json::Value>(training) else {
        return String::new();
    };
    let mut lines = Vec::new();
    if let (Some(photos), Some(classes)) = (fields["photos"].as_u64(), fields["classes"].as_u64()) {
        lines.push(format!("Trained on {photos} photos of {classes} classes"));
    }
    if let (Some(loss), Some(steps)) = (fields["loss"].as_str(), fields["kept_step"].as_u64()) {
        lines.push(format!("Loss {loss}, {steps} steps"));
    }
    let pair = |key: &str| {
        Some((
            fields["before"][key].as_f64()?,
            fields["after"][key].as_f64()?,
        ))
    };
    for (key, name) in [("overlap", "Overlap"), ("auroc", "AUROC")] {
        if let Some((before, after)) = pair(key) {
            lines.push(format!(
                "{name} of photos held out {before:.2} → {after:.2}"
            ));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_told_in_words() {
        let text = r#"{"photos":36,"classes":6,"loss":"ce","kept_step":75,"before":{"overlap":0.43,"auroc":0.9},"after":{"overlap":0.2,"auroc":0.97}}"#;
        let said = summary(text);
        assert!(said.contains("36 photos of 6 classes"), "{said}");
        assert!(
            said.contains("Overlap of photos held out 0.43 → 0.20"),
            "{said}"
        );
        assert_eq!(summary("no json"), "");
    }
}
