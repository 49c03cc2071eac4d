//! The literature's data sets, with the authors' splits and draws.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::arguments::{EvalArgs, Tune};
use super::material::{Embedder, Material, check_classes, tell_empty_classes};
use crate::cli::stderr::warn;
use crate::engine::benchmark_files::read_benchmark;
use crate::engine::evaluate::{Drawing, Split, Tuning};
use crate::support::benchmark::{Benchmark, Item, Splits};
use crate::support::split::draw_few_shot;

/// One of the literature's data sets, with the authors' splits and draws.
pub(super) fn from_benchmark(
    args: &EvalArgs,
    benchmark: &Benchmark,
    root: &Path,
    embedder: Embedder<'_>,
) -> Result<Material> {
    let splits = read_benchmark(benchmark, root)?;
    let title = benchmark.title;
    check_classes(&splits.classes, title)?;
    check_tuning(&args.tune, &splits, title)?;
    let folder = root.join(benchmark.folder);
    let photos = |items: &[Item]| -> Vec<(PathBuf, usize)> {
        let photo = |item: &Item| (folder.join(&item.path), item.label);
        items.iter().map(photo).collect()
    };
    let train = photos(&splits.train);
    let draws = draws_of_benchmark(args, &train);
    let mut wanted: Vec<usize> = draws.iter().flat_map(|draw| draw.rows.clone()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let wanted_photos: Vec<_> = wanted.iter().map(|item| train[*item].clone()).collect();
    let support = embedder.support(&wanted_photos, &format!("{title}'s training list"))?;
    let row_of: HashMap<usize, usize> = support
        .places
        .iter()
        .enumerate()
        .map(|(row, place)| (wanted[*place], row))
        .collect();
    let on_rows = |draw: Drawing| Drawing {
        rows: draw
            .rows
            .iter()
            .filter_map(|item| row_of.get(item).copied())
            .collect(),
        ..draw
    };
    let drawings = draws.into_iter().map(on_rows).collect();
    let test = embedder.test(&photos(&splits.test), &format!("{title}'s test list"))?;
    embedder.refuse_what_trained(&test, &format!("{title}'s test list"))?;
    tell_copies(&support, &test);
    let tuning = match &args.tune {
        Tune::LeaveOneOut => Tuning::LeaveOneOut,
        Tune::OwnValidation => {
            let whose = format!("{title}'s validation list");
            let split = embedder.validation(&photos(&splits.val), &whose)?;
            apart_from(&split, &test, title)?
        }
        Tune::None | Tune::Validation(_) => Tuning::None,
    };
    tell_empty_classes(&splits.classes, &support, "can be learnt from");
    Ok(Material {
        classes: splits.classes,
        support,
        drawings,
        test,
        tuning,
    })
}

/// Refuses before anything is embedded.
fn check_tuning(tune: &Tune, splits: &Splits, title: &str) -> Result<()> {
    match tune {
        Tune::OwnValidation if splits.val.is_empty() => bail!(
            "{title} has no validation photos apart from those that are reported on (its authors tune on these); use --tune loo or none"
        ),
        Tune::Validation(_) => bail!(
            "a data set is tuned on its own validation photos: leave out the folder, as in --tune val"
        ),
        _ => Ok(()),
    }
}

/// Draws over the training list, before anything is known of its photos: what is unreadable later must not change them.
fn draws_of_benchmark(args: &EvalArgs, train: &[(PathBuf, usize)]) -> Vec<Drawing> {
    let labels: Vec<usize> = train.iter().map(|(_, label)| *label).collect();
    let all = || {
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for label in &labels {
            *counts.entry(*label).or_default() += 1;
        }
        args.seeds.iter().map(move |seed| Drawing {
            seed: *seed,
            shots: counts.values().copied().max().unwrap_or(0),
            rows: (0..train.len()).collect(),
        })
    };
    if args.shots.is_empty() {
        return all().collect();
    }
    let pairs = args
        .shots
        .iter()
        .flat_map(|shots| args.seeds.iter().map(|seed| (*shots as usize, *seed)));
    pairs
        .map(|(shots, seed)| Drawing {
            seed,
            shots,
            rows: draw_few_shot(&labels, shots, seed),
        })
        .collect()
}

/// The authors' splits stay as they are, so that figures can be compared; what they share is said.
fn tell_copies(support: &Split, test: &Split) {
    let seen: HashSet<_> = support.hashes.iter().collect();
    let num_copies = test
        .hashes
        .iter()
        .filter(|hash| seen.contains(hash))
        .count();
    if num_copies > 0 {
        warn(&format!(
            "{num_copies} test photos are exact copies of photos that shots were drawn from; they stay, as in the published splits"
        ));
    }
}

/// Validation photos that are not reported on.
fn apart_from(split: &Split, test: &Split, title: &str) -> Result<Tuning> {
    let (split, num_copies) = split.without(&test.hashes.iter().copied().collect());
    if num_copies > 0 {
        warn(&format!(
            "{num_copies} validation photos of {title} are exact copies of test photos and are not tuned on"
        ));
    }
    if split.labels.is_empty() {
        bail!(
            "every validation photo of {title} is also a test photo: nothing is tuned on what is reported"
        );
    }
    Ok(Tuning::Validation(Box::new(split)))
}
