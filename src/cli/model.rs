//! `shotlens model`

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Subcommand;

use super::Common;
use super::stderr::ProgressLine;
use crate::models::{Hub, ModelStore, known_models};
use crate::progress::{CancelToken, Progress};

/// What to do with models.
#[derive(Subcommand, Debug)]
pub enum ModelAction {
    /// The known models, and those on this machine
    List,
    /// Fetch a known model, or take in a checkpoint file or folder under a name
    Add {
        /// A known model's name, or a file or folder
        #[arg(value_name = "NAME|FILE|FOLDER")]
        source: String,
        /// What to call a file or folder [default: its own name]
        #[arg(long = "as", value_name = "NAME")]
        name: Option<String>,
    },
    /// Delete a model from this machine
    Remove {
        /// Its name
        name: String,
    },
    /// Where a model lies
    Path {
        /// Its name
        name: String,
    },
}

pub(super) fn run(action: &ModelAction, common: &Common) -> Result<()> {
    let store = ModelStore::open()?;
    match action {
        ModelAction::List => list(&store, common),
        ModelAction::Add { source, name } => add(&store, source, name.as_deref(), common),
        ModelAction::Remove { name } => {
            store.remove(name)?;
            report(
                common,
                &serde_json::json!({"removed": name}),
                &format!("removed {name}"),
            );
            Ok(())
        }
        ModelAction::Path { name } => {
            let path = store.path(name)?;
            if !path.is_dir() {
                bail!(
                    "{name} is not on this machine; `shotlens model add {name}` fetches it, `shotlens model list` shows the names"
                );
            }
            report(
                common,
                &serde_json::json!({"path": path}),
                &path.display().to_string(),
            );
            Ok(())
        }
    }
}

fn report(common: &Common, json: &serde_json::Value, text: &str) {
    if common.json {
        println!("{json}");
    } else {
        println!("{text}");
    }
}

fn list(store: &ModelStore, common: &Common) -> Result<()> {
    let installed = store.list()?;
    let is_here = |name: &str| installed.iter().any(|model| model.name == name);
    if common.json {
        let known: Vec<_> = known_models()
            .iter()
            .map(|model| {
                serde_json::json!({
                    "name": model.name, "title": model.title, "repository": model.repository, "revision": model.revision,
                    "image_size": model.image_size, "bytes": model.approximate_bytes(), "licence": model.licence,
                    "limits": model.limits, "tried": model.tried, "installed": is_here(&model.name),
                })
            })
            .collect();
        let here: Vec<_> = installed
            .iter()
            .map(|model| serde_json::json!({"name": model.name, "path": model.path, "bytes": model.num_bytes}))
            .collect();
        println!("{}", serde_json::json!({"known": known, "installed": here}));
        return Ok(());
    }
    println!(
        "{:<32} {:>8}  {:<10} {:<10} publisher's licence and limits",
        "name", "size", "here", "tried"
    );
    for model in known_models() {
        let (here, tried) = (
            if is_here(&model.name) { "yes" } else { "no" },
            if model.tried { "yes" } else { "not yet" },
        );
        let size = format!("{} MB", model.approximate_bytes() / 1_000_000);
        println!(
            "{:<32} {size:>8}  {here:<10} {tried:<10} {}; {}",
            model.name, model.licence, model.limits
        );
    }
    for model in installed
        .iter()
        .filter(|model| known_models().iter().all(|known| known.name != model.name))
    {
        println!(
            "{:<32} {:>5} MB  yes",
            model.name,
            model.num_bytes / 1_000_000
        );
    }
    Ok(())
}

fn add(store: &ModelStore, source: &str, name: Option<&str>, common: &Common) -> Result<()> {
    let path = match known_models().iter().find(|model| model.name == source) {
        Some(model) => {
            let (line, cancel) = (ProgressLine::new("bytes"), CancelToken::default());
            let report = |done, total| line.report(done, total);
            store.download(model, &Hub::from_env(), &Progress::new(&report, &cancel))?
        }
        None => add_local(store, Path::new(source), name)?,
    };
    report(
        common,
        &serde_json::json!({"path": path}),
        &format!("{source} is ready: {}", path.display()),
    );
    Ok(())
}

fn add_local(store: &ModelStore, source: &Path, name: Option<&str>) -> Result<PathBuf> {
    if !source.exists() {
        bail!(
            "{} is neither a known model (see `shotlens model list`) nor a file or folder",
            source.display()
        );
    }
    let own_name = source.file_stem().unwrap_or_default().to_string_lossy();
    Ok(store.add_local(source, name.unwrap_or(&own_name))?)
}
