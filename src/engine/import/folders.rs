//! A folder per class; photos directly in the folder have no label.

use std::path::Path;

use super::{Entry, ImportError, Imported, gathered};
use crate::image_io::list_photos;
use crate::support::class_name;

pub(super) fn read(folder: &Path) -> Result<Imported, ImportError> {
    let photos = list_photos(folder)?;
    let entries = photos.iter().map(|photo| {
        let name = photo.to_string_lossy().into_owned();
        let label = class_name(&name).map(str::to_owned);
        Entry::new(name, label)
    });
    gathered(entries.collect(), None, folder, folder)
}
