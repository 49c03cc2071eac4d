//! The demo as a project file: made the first time, opened again after that.

use std::path::PathBuf;

use super::demo;
use crate::project::{Locations, Project, Wake};

/// Where the demo's photos and its project lie.
fn folder() -> Result<PathBuf, String> {
    Ok(Locations::find()
        .map_err(|error| error.to_string())?
        .data()
        .join("demo"))
}

/// Where the demo's project file lies.
pub fn path() -> Result<PathBuf, String> {
    Ok(folder()?.join("demo.shotlens"))
}

/// Opens the demo; one that is damaged or from another version is put aside and made anew.
pub fn open(wake: &Wake) -> Result<Project, String> {
    let (folder, path) = (folder()?, path()?);
    demo::unpack(&folder).map_err(|error| error.to_string())?;
    if path.is_file() {
        if let Ok(project) = Project::open(&path, wake.clone())
            && project
                .state()
                .photos()
                .iter()
                .all(|photo| photo.path.is_file())
        {
            return Ok(project);
        }
        let aside = path.with_extension("shotlens.old");
        std::fs::rename(&path, &aside).map_err(|error| {
            format!(
                "could not put the old demo aside ({error}): {}",
                path.display()
            )
        })?;
    }
    Project::create(&path, demo::project(&folder), wake.clone()).map_err(|error| error.to_string())
}
