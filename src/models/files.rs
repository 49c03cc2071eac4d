//! From a path to the files of a checkpoint.

use std::fs;
use std::path::{Path, PathBuf};

use super::ModelError;
use crate::clip::{CheckpointFiles, ConfigSource, JsonText, WeightsSource};

pub(super) const HF_WEIGHTS: &str = "model.safetensors";
pub(super) const HF_CONFIG: &str = "config.json";
pub(super) const HF_PREPROCESSOR: &str = "preprocessor_config.json";
pub(super) const OPEN_CLIP_WEIGHTS: &str = "open_clip_model.safetensors";
pub(super) const OPEN_CLIP_CONFIG: &str = "open_clip_config.json";

fn read_json(path: PathBuf) -> Result<JsonText, ModelError> {
    let text =
        fs::read_to_string(&path).map_err(ModelError::io("read the configuration", &path))?;
    Ok(JsonText { text, path })
}

/// The checkpoint at `path`: a folder, or a `.safetensors` file.
///
/// A file under a publisher's own name (`model.safetensors`, `open_clip_model.safetensors`) is read with the
/// configuration beside it, for without it heads and activation would have to be guessed. Any other file is bare.
pub fn files_at(path: &Path) -> Result<CheckpointFiles, ModelError> {
    if path.is_dir() {
        return in_folder(path);
    }
    if !path.is_file() {
        return Err(ModelError::Missing {
            path: path.to_owned(),
        });
    }
    check_extension(path)?;
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let folder = path.parent().unwrap_or(Path::new(""));
    let config = match name {
        HF_WEIGHTS => huggingface_config(folder)?,
        OPEN_CLIP_WEIGHTS => open_clip_config(folder)?,
        _ => None,
    };
    Ok(CheckpointFiles {
        weights: WeightsSource::File(path.to_owned()),
        config: config.unwrap_or(ConfigSource::None),
    })
}

/// Hugging Face's files first, then OpenCLIP's (some publishers offer both), then one file alone.
fn in_folder(folder: &Path) -> Result<CheckpointFiles, ModelError> {
    let file = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
    let only = only_checkpoint(folder)?;
    let huggingface = huggingface_config(folder)?.zip(file(HF_WEIGHTS));
    let open_clip = || Ok::<_, ModelError>(open_clip_config(folder)?.zip(file(OPEN_CLIP_WEIGHTS)));
    let found = match huggingface {
        Some(found) => Some(found),
        None => open_clip()?,
    };
    let (config, weights) = match (found, only) {
        (Some(found), _) => found,
        (None, Some(only)) => {
            let config = match huggingface_config(folder)? {
                Some(config) => Some(config),
                None => open_clip_config(folder)?,
            };
            (config.unwrap_or(ConfigSource::None), only)
        }
        (None, None) => {
            return Err(ModelError::NoCheckpoint {
                path: folder.to_owned(),
            });
        }
    };
    Ok(CheckpointFiles {
        weights: WeightsSource::File(weights),
        config,
    })
}

fn huggingface_config(folder: &Path) -> Result<Option<ConfigSource>, ModelError> {
    let config = folder.join(HF_CONFIG);
    if !config.is_file() {
        return Ok(None);
    }
    let preprocessor = Some(folder.join(HF_PREPROCESSOR)).filter(|path| path.is_file());
    let preprocessor = preprocessor.map(read_json).transpose()?;
    Ok(Some(ConfigSource::HuggingFace {
        config: read_json(config)?,
        preprocessor,
    }))
}

fn open_clip_config(folder: &Path) -> Result<Option<ConfigSource>, ModelError> {
    let config = Some(folder.join(OPEN_CLIP_CONFIG)).filter(|path| path.is_file());
    config
        .map(|path| {
            Ok(ConfigSource::OpenClip {
                config: read_json(path)?,
            })
        })
        .transpose()
}

/// The one `.safetensors` file of a folder; a pickle alone is named as such.
fn only_checkpoint(folder: &Path) -> Result<Option<PathBuf>, ModelError> {
    let entries = fs::read_dir(folder).map_err(ModelError::io("list the folder", folder))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    let is_safe = |path: &&PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "safetensors")
    };
    let mut safe = paths.iter().filter(is_safe);
    match (safe.next(), safe.next()) {
        (Some(only), None) => Ok(Some(only.clone())),
        (None, _) => match paths.into_iter().find(|path| is_pickle(path)) {
            Some(path) => Err(ModelError::Pickle { path }),
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

fn is_pickle(path: &Path) -> bool {
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    ["bin", "pt", "pth", "ckpt", "pkl"]
        .iter()
        .any(|pickle| pickle.eq_ignore_ascii_case(extension))
}

fn check_extension(path: &Path) -> Result<(), ModelError> {
    if is_pickle(path) {
        Err(ModelError::Pickle {
            path: path.to_owned(),
        })
    } else if path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"))
    {
        Ok(())
    } else {
        Err(ModelError::UnknownFile {
            path: path.to_owned(),
        })
    }
}
