//! Photos from folders, a folder per class.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::arguments::{EvalArgs, Tune};
use super::material::{Embedder, Material, check_classes, tell_empty_classes};
use super::texts::some_of;
use crate::cli::photo_list::{self, ListedPhoto};
use crate::cli::stderr::warn;
use crate::engine::evaluate::{Drawing, Split, Tuning};
use crate::image_io::ContentHash;
use crate::support::split::sample_shots;
use crate::support::{Dataset, groups_of};

/// Two folders with a folder per class.
pub(super) fn from_folders(
    args: &EvalArgs,
    support: &Path,
    test: &Path,
    embedder: Embedder<'_>,
) -> Result<Material> {
    if args.tune == Tune::OwnValidation {
        bail!("folders have no validation photos of their own; name some with --tune val=DIR");
    }
    let photos = labelled_photos(support)?;
    let names = photos.iter().map(|photo| photo.name.clone());
    let classes = Dataset::from_paths("", names).classes;
    check_classes(&classes, &support.display().to_string())?;
    let folders = Folders {
        embedder,
        classes: &classes,
    };
    let known = folders.known(support, &photos);
    let support = embedder.support(&known, &support.display().to_string())?;
    let seen: HashSet<_> = support.hashes.iter().copied().collect();
    let test = folders.unseen(test, &seen)?;
    let tuning = folders.tuning(&args.tune, &seen, &test)?;
    tell_empty_classes(&classes, &support, "can be learnt from");
    tell_empty_classes(&classes, &test, "can be reported on");
    let drawings = drawings_of_folders(args, &support, classes.len());
    Ok(Material {
        classes,
        support,
        drawings,
        test,
        tuning,
    })
}

/// As many photos as there are, up to those asked for.
fn drawings_of_folders(args: &EvalArgs, support: &Split, num_classes: usize) -> Vec<Drawing> {
    let labels: Vec<Option<usize>> = support.labels.iter().copied().map(Some).collect();
    let num_of_shots: Vec<Option<usize>> = if args.shots.is_empty() {
        vec![None]
    } else {
        args.shots
            .iter()
            .map(|shots| Some(*shots as usize))
            .collect()
    };
    let drawing = |shots: Option<usize>, seed: u64| {
        let rows: Vec<usize> = match shots {
            Some(shots) => sample_shots(&labels, num_classes, shots, seed),
            None => (0..labels.len()).collect(),
        };
        let shots = most_photos(support, &rows, num_classes);
        Drawing { seed, shots, rows }
    };
    num_of_shots
        .into_iter()
        .flat_map(|shots| args.seeds.iter().map(move |seed| (shots, *seed)))
        .map(|(shots, seed)| drawing(shots, seed))
        .collect()
}

/// Distinct photos of the class that has most.
fn most_photos(support: &Split, rows: &[usize], num_classes: usize) -> usize {
    let groups = groups_of(
        rows.iter()
            .map(|row| (support.labels[*row], support.hashes[*row])),
    );
    let mut counts = vec![0; num_classes];
    for (place, row) in rows.iter().enumerate() {
        counts[support.labels[*row]] += usize::from(groups[place] == place);
    }
    counts.into_iter().max().unwrap_or(0)
}

/// Photos that have a class, a folder per class.
pub(in crate::cli) fn labelled_photos(folder: &Path) -> Result<Vec<ListedPhoto>> {
    let photos = photo_list::list(&[folder.to_owned()])?;
    let (labelled, loose): (Vec<_>, Vec<_>) =
        photos.into_iter().partition(|photo| photo.class.is_some());
    if !loose.is_empty() {
        warn(&format!(
            "{} photos directly in {} have no class and are left out",
            loose.len(),
            folder.display()
        ));
    }
    if labelled.is_empty() {
        bail!(
            "{} has no class folders; put each class's photos into a folder of its own",
            folder.display()
        );
    }
    tell_empty_folders(folder, &labelled);
    Ok(labelled)
}

/// A class folder without photos is no class.
fn tell_empty_folders(folder: &Path, photos: &[ListedPhoto]) {
    let with_photos: HashSet<&str> = photos
        .iter()
        .filter_map(|photo| photo.class.as_deref())
        .collect();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut empty: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && !with_photos.contains(name.as_str()))
        .collect();
    empty.sort_unstable();
    if !empty.is_empty() {
        let names: Vec<&str> = empty.iter().map(String::as_str).collect();
        warn(&format!(
            "folders of {} without photos are left out: {}",
            folder.display(),
            some_of(&names)
        ));
    }
}

/// Folders whose classes are those of the support set.
struct Folders<'a> {
    embedder: Embedder<'a>,
    classes: &'a [String],
}

impl Folders<'_> {
    /// Photos of known classes.
    fn known(&self, folder: &Path, photos: &[ListedPhoto]) -> Vec<(PathBuf, usize)> {
        let label = |photo: &ListedPhoto| self.classes.binary_search(photo.class.as_ref()?).ok();
        let known: Vec<(PathBuf, usize)> = photos
            .iter()
            .filter_map(|photo| Some((photo.path.clone(), label(photo)?)))
            .collect();
        if known.len() < photos.len() {
            warn(&format!(
                "{} photos in {} belong to classes without support and are left out",
                photos.len() - known.len(),
                folder.display()
            ));
        }
        known
    }

    /// Photos that no method has seen: copies of support photos are left out, or the figure would flatter.
    fn unseen(&self, folder: &Path, seen: &HashSet<ContentHash>) -> Result<Split> {
        let known = self.known(folder, &labelled_photos(folder)?);
        let split = self.embedder.test(&known, &folder.display().to_string())?;
        let (split, num_seen) = split.without(seen);
        self.embedder
            .refuse_what_trained(&split, &folder.display().to_string())?;
        if num_seen > 0 {
            warn(&format!(
                "{num_seen} photos in {} are also in the support set and are left out",
                folder.display()
            ));
        }
        if split.labels.is_empty() {
            bail!(
                "every photo in {} is also in the support set: there is nothing to report on",
                folder.display()
            );
        }
        Ok(split)
    }

    /// Validation photos are neither shots, which would recognise themselves, nor test photos.
    fn tuning(&self, tune: &Tune, seen: &HashSet<ContentHash>, test: &Split) -> Result<Tuning> {
        let path = match tune {
            Tune::None | Tune::OwnValidation => return Ok(Tuning::None),
            Tune::LeaveOneOut => return Ok(Tuning::LeaveOneOut),
            Tune::Validation(path) => path,
        };
        let excluded: HashSet<ContentHash> = seen.iter().chain(&test.hashes).copied().collect();
        let known = self.known(path, &labelled_photos(path)?);
        let split = self
            .embedder
            .validation(&known, &path.display().to_string())?;
        let (split, num_excluded) = split.without(&excluded);
        if num_excluded > 0 {
            warn(&format!(
                "{num_excluded} photos in {} are also shots or test photos and are not tuned on",
                path.display()
            ));
        }
        if split.labels.is_empty() {
            bail!(
                "every photo in {} is also a shot or a test photo: nothing is tuned on what is reported",
                path.display()
            );
        }
        Ok(Tuning::Validation(Box::new(split)))
    }
}
