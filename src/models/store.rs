//! Models that were fetched or added, and the way from what a user names to the files of a checkpoint.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::embedded::embedded_model;
use super::files::{HF_CONFIG, HF_PREPROCESSOR, HF_WEIGHTS, OPEN_CLIP_CONFIG};
use super::{Hub, KnownActivation, KnownModel, ModelError, files_at, known_models};
use crate::clip::{CheckpointFiles, ConfigSource, WeightsSource};
use crate::progress::Progress;

/// The name of the model inside the program.
pub const EMBEDDED_NAME: &str = "embedded";
/// File in a model's folder that records where it came from.
const ORIGIN: &str = "origin.json";

/// Where a stored model came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// `owner/name` on the hub, or the path that was added.
    pub source: String,
    /// The hub's commit; none for an added file.
    pub commit: Option<String>,
    /// SHA-256 of each file that the hub keeps as a large one, as stated by it and verified.
    pub sha256: BTreeMap<String, String>,
}

/// A model of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledModel {
    /// Its name, which is its folder's.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// Bytes of all its files.
    pub num_bytes: u64,
    /// Where it came from, where that was recorded.
    pub origin: Option<Origin>,
}

/// A checkpoint ready to be opened.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Its files.
    pub files: CheckpointFiles,
    /// What to call it.
    pub name: String,
    /// The activation that the table states, for a known model; configurations may leave it out.
    pub activation: Option<KnownActivation>,
}

/// The folder of models in the user's data.
#[derive(Clone, Debug)]
pub struct ModelStore {
    folder: PathBuf,
}

/// The model that `model` names: a path, a model of the store, or without one the embedded model.
///
/// A path that exists goes before a name.
pub fn resolve(model: Option<&str>) -> Result<Resolved, ModelError> {
    match model {
        None | Some(EMBEDDED_NAME) => embedded(),
        Some(model) if looks_like_path(model) => at_path(Path::new(model)),
        Some(name) => ModelStore::open()?.resolve(name),
    }
}

fn embedded() -> Result<Resolved, ModelError> {
    Ok(Resolved {
        files: embedded_model()?,
        name: EMBEDDED_NAME.to_owned(),
        activation: None,
    })
}

fn at_path(path: &Path) -> Result<Resolved, ModelError> {
    let files = files_at(path)?;
    let name = path
        .file_stem()
        .unwrap_or(path.as_os_str())
        .to_string_lossy();
    Ok(Resolved {
        files,
        name: name.into_owned(),
        activation: None,
    })
}

/// Whether somebody who typed `model` meant a file or folder.
fn looks_like_path(model: &str) -> bool {
    let path = Path::new(model);
    let has_file_ending = ["safetensors", "bin", "pt", "pth", "ckpt", "onnx"]
        .iter()
        .any(|ending| {
            path.extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case(ending))
        });
    has_file_ending || model.contains(['/', '\\']) || path.exists()
}

impl ModelStore {
    /// `SHOTLENS_HOME/models`, else `models` in the user's data folder. Nothing is created before it is needed.
    pub fn open() -> Result<Self, ModelError> {
        let home = match std::env::var_os("SHOTLENS_HOME") {
            Some(home) if !home.is_empty() => PathBuf::from(home),
            _ => directories::ProjectDirs::from("", "", "shotlens")
                .map(|folders| folders.data_local_dir().to_owned())
                .ok_or(ModelError::NoHome)?,
        };
        Ok(Self::at(home.join("models")))
    }

    /// A store in a folder of one's own.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where a model of that name lies or would lie.
    pub fn path(&self, name: &str) -> Result<PathBuf, ModelError> {
        let is_good = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.@".contains(c))
            && name != EMBEDDED_NAME;
        if is_good {
            Ok(self.folder.join(name))
        } else {
            Err(ModelError::BadName {
                name: name.to_owned(),
            })
        }
    }

    /// What was fetched or added, by name.
    pub fn list(&self) -> Result<Vec<InstalledModel>, ModelError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(ModelError::io("list the models", &self.folder)(error)),
        };
        let folders = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.is_dir());
        let mut models: Vec<InstalledModel> =
            folders.filter_map(|path| self.installed(path)).collect();
        models.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(models)
    }

    /// The model in `path`; `None` for downloads under way and folders with other names.
    fn installed(&self, path: PathBuf) -> Option<InstalledModel> {
        let name = path.file_name()?.to_str()?.to_owned();
        if name.ends_with(PARTIAL) || self.path(&name).is_err() {
            return None;
        }
        let files = fs::read_dir(&path).ok()?.filter_map(Result::ok);
        let num_bytes = files
            .filter_map(|file| file.metadata().ok())
            .map(|metadata| metadata.len())
            .sum();
        let origin = fs::read_to_string(path.join(ORIGIN))
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok());
        Some(InstalledModel {
            name,
            path,
            num_bytes,
            origin,
        })
    }

    /// Fetches a known model, continuing where an earlier try stopped. Steps of `progress` are bytes.
    pub fn download(
        &self,
        model: &KnownModel,
        hub: &Hub,
        progress: &Progress<'_>,
    ) -> Result<PathBuf, ModelError> {
        let path = self.free_path(&model.name)?;
        let partial = self.partial_path(&model.name)?;
        fs::create_dir_all(&partial).map_err(ModelError::io("create the folder", &partial))?;
        let mut origin = Origin {
            source: model.repository.clone(),
            ..Origin::default()
        };
        // the small file first: a wrong repository shows before a gigabyte has come
        for file in [&model.config, &model.weights] {
            let fetched = hub.fetch(model, file, &partial.join(file), progress)?;
            origin.commit = fetched.commit.or(origin.commit);
            if let Some(sha256) = fetched.sha256 {
                origin.sha256.insert(file.clone(), sha256);
            }
        }
        finish(&partial, &path, &origin)
    }

    /// Adds a local file or folder under `name`: linked where the disk allows it, copied elsewhere, never moved.
    pub fn add_local(&self, source: &Path, name: &str) -> Result<PathBuf, ModelError> {
        let files = files_at(source)?;
        let path = self.free_path(name)?;
        let partial = self.partial_path(name)?;
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(ModelError::io("clear the folder", &partial))?;
        }
        fs::create_dir_all(&partial).map_err(ModelError::io("create the folder", &partial))?;
        if let WeightsSource::File(weights) = &files.weights {
            let folder = weights.parent().unwrap_or(Path::new(""));
            take_file(weights, &partial)?;
            let is_bare = matches!(files.config, ConfigSource::None);
            for config in [HF_CONFIG, HF_PREPROCESSOR, OPEN_CLIP_CONFIG] {
                let config = folder.join(config);
                if !is_bare && config.is_file() {
                    take_file(&config, &partial)?;
                }
            }
        }
        let source = fs::canonicalize(source).unwrap_or_else(|_| source.to_owned());
        finish(
            &partial,
            &path,
            &Origin {
                source: source.display().to_string(),
                ..Origin::default()
            },
        )
    }

    /// Deletes a stored model, and what is left of a download of it.
    pub fn remove(&self, name: &str) -> Result<(), ModelError> {
        let folders = [self.path(name)?, self.partial_path(name)?];
        let mut is_removed = false;
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            fs::remove_dir_all(folder).map_err(ModelError::io("delete the model", folder))?;
            is_removed = true;
        }
        if is_removed {
            Ok(())
        } else {
            Err(ModelError::NotInstalled {
                name: name.to_owned(),
            })
        }
    }

    /// The stored model of that name; for a known one that is not here, what to do.
    pub fn resolve(&self, name: &str) -> Result<Resolved, ModelError> {
        let known = known_models().iter().find(|model| model.name == name);
        let path = self.path(name).ok().filter(|path| path.is_dir());
        match (path, known) {
            (Some(path), known) => Ok(Resolved {
                files: files_at(&path)?,
                name: name.to_owned(),
                activation: known.map(|model| model.activation),
            }),
            (None, Some(model)) => Err(ModelError::NotDownloaded {
                name: name.to_owned(),
                repository: model.repository.clone(),
                licence: model.licence.clone(),
                approximate_bytes: model.approximate_bytes(),
            }),
            (None, None) => Err(ModelError::Unknown {
                name: name.to_owned(),
                known: self.names()?,
            }),
        }
    }

    fn names(&self) -> Result<Vec<String>, ModelError> {
        let mut names = vec![EMBEDDED_NAME.to_owned()];
        names.extend(known_models().iter().map(|model| model.name.clone()));
        let own = self.list()?.into_iter().map(|model| model.name);
        let added: Vec<String> = own.filter(|name| !names.contains(name)).collect();
        names.extend(added);
        Ok(names)
    }

    fn free_path(&self, name: &str) -> Result<PathBuf, ModelError> {
        let path = self.path(name)?;
        if path.exists() {
            Err(ModelError::Exists {
                name: name.to_owned(),
                path,
            })
        } else {
            Ok(path)
        }
    }

    fn partial_path(&self, name: &str) -> Result<PathBuf, ModelError> {
        self.path(&format!("{name}{PARTIAL}"))
    }
}

/// Ending of the folder that a model is put together in; it gets its name only when it is whole.
const PARTIAL: &str = ".partial";

fn finish(partial: &Path, path: &Path, origin: &Origin) -> Result<PathBuf, ModelError> {
    let record = partial.join(ORIGIN);
    let text = serde_json::to_string_pretty(origin).map_err(std::io::Error::from);
    let written = text.and_then(|text| fs::write(&record, text + "\n"));
    written.map_err(ModelError::io("record the origin", &record))?;
    fs::rename(partial, path).map_err(ModelError::io("name the model's folder", path))?;
    Ok(path.to_owned())
}

/// Links or copies `file` into `folder` under its own name.
fn take_file(file: &Path, folder: &Path) -> Result<(), ModelError> {
    let name = file.file_name().unwrap_or(HF_WEIGHTS.as_ref());
    let to = folder.join(name);
    // a link needs no second gigabyte; across disks and for symbolic links, copy
    let is_linked = !file.is_symlink() && fs::hard_link(file, &to).is_ok();
    if !is_linked {
        fs::copy(file, &to).map_err(ModelError::io("copy the model", &to))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_and_slashes_make_a_path() {
        for path in ["x.safetensors", "models/x", "C:\\x", "x.pt"] {
            assert!(looks_like_path(path), "{path}");
        }
        for name in ["openai-vit-b-32", "no-such-thing"] {
            assert!(!looks_like_path(name), "{name}");
        }
    }

    #[test]
    fn names_cannot_leave_the_store() {
        let store = ModelStore::at("store".into());
        for name in ["..", ".x", "a/b", "a\\b", "", "C:", EMBEDDED_NAME] {
            assert!(
                matches!(store.path(name), Err(ModelError::BadName { .. })),
                "{name:?}"
            );
        }
    }
}
