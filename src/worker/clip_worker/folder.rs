//! A folder of class folders, embedded without becoming part of the project: photos to choose parameters by.

use std::path::{Path, PathBuf};

use super::ClipEvent;
use crate::engine::adapted::AdaptedEncoder;
use crate::engine::embed::{PhotoFeatures, PhotoRequest};
use crate::engine::embed_both::BothOutcome;
use crate::engine::{Engine, EngineError};
use crate::ids::Generation;
use crate::image_io;
use crate::progress::{CancelToken, Progress};
use crate::worker::Outbox;
use crate::worker::scoring_worker::StrayPhoto;

/// What to embed.
pub(super) struct FolderRequest<'a> {
    pub(super) generation: Generation,
    pub(super) folder: &'a Path,
    pub(super) classes: &'a [String],
    pub(super) adapter: Option<&'a AdaptedEncoder>,
    pub(super) cancel: &'a CancelToken,
}

/// The photos of a folder whose class the project knows.
#[derive(Clone, Debug, Default)]
pub struct EmbeddedFolder {
    /// Photos with their class.
    pub photos: Vec<StrayPhoto>,
    /// Folders that are no class of the project.
    pub unknown_folders: Vec<String>,
    /// Photos that could not be read.
    pub num_unreadable: usize,
}

/// Embeds what belongs to a class; `Err(None)`: somebody stopped it.
pub(super) fn embed(
    engine: &Engine,
    request: &FolderRequest<'_>,
    out: &Outbox<ClipEvent>,
) -> Result<EmbeddedFolder, Option<String>> {
    let listed = image_io::list_photos(request.folder).map_err(|error| Some(error.to_string()))?;
    let (requests, unknown_folders) = sort_out(request, listed);
    if requests.is_empty() {
        return Err(Some(no_photos(request)));
    }
    let passes = engine.passes(request.adapter);
    let progress = Progress::new(&|_, _| (), request.cancel);
    let mut both: Vec<Option<(PhotoFeatures, Option<Vec<f32>>)>> = vec![None; requests.len()];
    let mut done = 0;
    let mut keep = |batch: Vec<(usize, BothOutcome)>| {
        done += batch.len();
        let total = passes * requests.len();
        out.send(ClipEvent::FolderProgress(
            request.generation,
            done.min(total),
            total,
        ));
        for (index, outcome) in batch {
            both[index] = outcome.ok();
        }
    };
    let numbered: Vec<PhotoRequest<usize>> = requests
        .iter()
        .enumerate()
        .map(|(key, (path, _))| PhotoRequest {
            key,
            path: path.clone(),
            known: None,
        })
        .collect();
    engine
        .embed_both(&numbered, request.adapter, &|| None, &progress, &mut keep)
        .map_err(reason)?;
    let num_listed = requests.len();
    let photos: Vec<StrayPhoto> = requests
        .into_iter()
        .zip(both)
        .filter_map(|((_, class), both)| {
            let (original, adapted) = both?;
            Some(StrayPhoto {
                original,
                adapted,
                class,
            })
        })
        .collect();
    Ok(EmbeddedFolder {
        num_unreadable: num_listed - photos.len(),
        photos,
        unknown_folders,
    })
}

fn reason(error: EngineError) -> Option<String> {
    match error {
        EngineError::Cancelled(_) => None,
        error => Some(error.to_string()),
    }
}

/// Photos with the class of their first folder, and the folders that are no class.
fn sort_out(
    request: &FolderRequest<'_>,
    listed: Vec<PathBuf>,
) -> (Vec<(PathBuf, usize)>, Vec<String>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for relative in listed {
        let mut parts = relative.components();
        let first = parts.next().map(|part| part.as_os_str().to_string_lossy());
        let (Some(folder), Some(_)) = (first, parts.next()) else {
            continue;
        };
        match class_of(&folder, request.classes) {
            Some(class) => known.push((request.folder.join(&relative), class)),
            None if !unknown.iter().any(|name| *name == folder) => {
                unknown.push(folder.into_owned());
            }
            None => {}
        }
    }
    (known, unknown)
}

/// The class that a folder's name means, whatever its case, with `_` as a space.
fn class_of(folder: &str, classes: &[String]) -> Option<usize> {
    let plain = |name: &str| name.trim().replace('_', " ").to_lowercase();
    classes
        .iter()
        .position(|class| plain(class) == plain(folder))
}

fn no_photos(request: &FolderRequest<'_>) -> String {
    format!(
        "no photos in folders named like the classes ({}); choose a folder that has one folder of photos per class: {}",
        request.classes.join(", "),
        request.folder.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_matched_to_classes_whatever_their_case() {
        let classes = ["polar bear", "Cat"].map(str::to_owned);
        let cancel = CancelToken::default();
        let request = FolderRequest {
            generation: Generation::default(),
            folder: Path::new("/val"),
            classes: &classes,
            adapter: None,
            cancel: &cancel,
        };
        let listed = [
            "Polar_Bear/1.jpg",
            "cat/deep/2.jpg",
            "dog/3.jpg",
            "dog/4.jpg",
            "loose.jpg",
        ]
        .map(PathBuf::from)
        .to_vec();
        let (known, unknown) = sort_out(&request, listed);
        let classes: Vec<usize> = known.iter().map(|(_, class)| *class).collect();
        assert_eq!((classes, unknown), (vec![0, 1], vec!["dog".to_owned()]));
    }
}
