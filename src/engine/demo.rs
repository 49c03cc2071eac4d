//! The demo's photos and its adapter: inside the binary, and on disk once the demo is opened, because those of a project are files.

use std::path::{Path, PathBuf};

use super::adapted::AdapterSpec;
use super::{Engine, EngineError};
use crate::clip::BottleneckAdapter;
use crate::project::{Edit, ProjectState, Role, Settings, apply};

/// The demo's files, by their path below `assets/demo`, as "support/fish/carp.jpg" or "pool/fish/trout.jpg".
#[cfg(feature = "embedded-assets")]
#[derive(rust_embed::Embed)]
#[folder = "assets/demo/"]
#[include = "pool/*"]
#[include = "support/*"]
#[include = "demo-adapter.safetensors"]
struct DemoFiles;

/// The bottleneck adapter that was trained for the demo model.
const ADAPTER: &str = "demo-adapter.safetensors";

/// Paths of the demo's photos and its adapter, sorted; none in a build without embedded assets.
fn paths() -> Vec<String> {
    #[cfg(feature = "embedded-assets")]
    let mut paths: Vec<String> = DemoFiles::iter()
        .map(std::borrow::Cow::into_owned)
        .collect();
    #[cfg(not(feature = "embedded-assets"))]
    let mut paths: Vec<String> = Vec::new();
    paths.sort();
    paths
}

/// The bytes of one of the demo's files.
#[cfg(feature = "embedded-assets")]
fn bytes(path: &str) -> std::borrow::Cow<'static, [u8]> {
    DemoFiles::get(path)
        .map(|file| file.data)
        .unwrap_or_default()
}

#[cfg(not(feature = "embedded-assets"))]
fn bytes(_path: &str) -> std::borrow::Cow<'static, [u8]> {
    std::borrow::Cow::default()
}

/// Writes the demo's files below `folder` where they are missing, and returns the folder of the support set and that of the pool.
pub fn unpack(folder: &Path) -> Result<(PathBuf, PathBuf), EngineError> {
    let paths = paths();
    if paths.is_empty() {
        let problem =
            "this build of Shotlens has no demo inside; open a folder of photos instead".to_owned();
        return Err(EngineError::Folder {
            problem,
            path: folder.to_owned(),
        });
    }
    for name in paths {
        let (path, bytes) = (folder.join(&name), bytes(&name));
        if std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() == bytes.len() as u64) {
            continue;
        }
        let parent = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let written = parent.and_then(|()| std::fs::write(&path, &bytes));
        if let Err(error) = written {
            return Err(EngineError::Folder {
                problem: format!("could not write the demo's photos ({error})"),
                path,
            });
        }
    }
    Ok((folder.join("support"), folder.join("pool")))
}

/// Where [`unpack`] put the adapter that was trained for the demo model.
pub fn adapter(folder: &Path) -> PathBuf {
    folder.join(ADAPTER)
}

/// The demo's own adapter, or IsoCLIP where `engine` has another model than the embedded one.
pub fn adapter_for(engine: &Engine, folder: &Path) -> AdapterSpec {
    let path = adapter(folder);
    match BottleneckAdapter::open(&path, None, engine.clip()) {
        Ok(_) => AdapterSpec::File(path),
        Err(_other_model) => AdapterSpec::IsoClip(None),
    }
}

/// The demo's project: its classes with their shots, and the pool; `folder` is where [`unpack`] put the photos.
pub fn project(folder: &Path) -> ProjectState {
    let (mut state, paths) = (ProjectState::new(), paths());
    let mut classes: Vec<&str> = paths
        .iter()
        .filter_map(|path| class_of(path, "support"))
        .collect();
    classes.dedup();
    for name in classes {
        let class = state.new_class(name);
        let role = Role::Shot(class.id);
        apply(&mut state, Edit::AddClass(class)).ok();
        let shots = paths
            .iter()
            .filter(|path| class_of(path, "support") == Some(name));
        add(&mut state, folder, role, shots);
    }
    add(
        &mut state,
        folder,
        Role::Pool,
        paths.iter().filter(|path| path.starts_with("pool/")),
    );
    let settings = Settings {
        adapter: Some(adapter(folder).display().to_string()),
        ..state.settings().clone()
    };
    apply(&mut state, Edit::SetSettings(settings)).ok();
    state
}

fn add<'a>(
    state: &mut ProjectState,
    folder: &Path,
    role: Role,
    paths: impl Iterator<Item = &'a String>,
) {
    let photos = paths
        .map(|path| {
            let path = folder.join(path);
            let stamp = crate::project::stamp(&path);
            state.new_photo(&path, role, stamp)
        })
        .collect();
    apply(state, Edit::AddPhotos(photos)).ok();
}

/// The class of a demo file of the support set or the pool.
pub fn class_of<'a>(path: &'a str, part: &str) -> Option<&'a str> {
    path.strip_prefix(part)?
        .strip_prefix('/')?
        .split_once('/')
        .map(|(class, _)| class)
}

#[cfg(all(test, feature = "embedded-assets"))]
mod tests {
    use super::*;

    #[test]
    fn the_demo_project_has_its_classes_with_shots_and_a_pool() {
        let folder = tempfile::tempdir().unwrap();
        unpack(folder.path()).unwrap();
        let state = project(folder.path());
        assert!(
            state.classes().len() >= 5,
            "{} classes",
            state.classes().len()
        );
        assert!(
            state
                .classes()
                .iter()
                .all(|class| state.shots(class.id).len() >= 5)
        );
        assert!(state.pool().len() >= 40);
        assert!(state.photos().iter().all(|photo| photo.path.is_file()));
    }
}
