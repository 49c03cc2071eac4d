//! The last project, opened again when the window starts without one.

use std::path::{Path, PathBuf};

use crate::project::locations::{Locations, write_atomically};
use crate::project::stored_path::{from_text, to_text};

/// Remembers `project` as the last one.
pub fn remember(locations: &Locations, project: &Path) -> std::io::Result<()> {
    let project = std::path::absolute(project)?;
    write_atomically(&locations.last_project(), to_text(&project).as_bytes())
}

/// The last project, if one is remembered and its file is still there.
pub fn recall(locations: &Locations) -> Option<PathBuf> {
    let text = std::fs::read_to_string(locations.last_project()).ok()?;
    from_text(&text).filter(|path| path.is_file())
}

/// Forgets it: the demo was chosen, or the project is damaged.
pub fn forget(locations: &Locations) -> std::io::Result<()> {
    match std::fs::remove_file(locations.last_project()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_project_is_recalled_while_its_file_is_there() {
        let home = tempfile::tempdir().unwrap();
        let locations = Locations::below(home.path());
        assert_eq!(recall(&locations), None);
        let project = home.path().join("winter coats.shotlens");
        std::fs::write(&project, "").unwrap();
        remember(&locations, &project).unwrap();
        assert_eq!(recall(&locations), Some(project.clone()));
        std::fs::remove_file(project).unwrap();
        assert_eq!(recall(&locations), None);
        forget(&locations).unwrap();
        forget(&locations).unwrap();
    }
}
