//! `shotlens eval`

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use super::photo_list::{self, ListedPhoto};
use super::stderr::{ProgressLine, warn};
use super::{Common, digits, session};
use crate::engine::Engine;
use crate::engine::adapted::{AdaptedEncoder, AdapterSpec};
use crate::engine::evaluate::{Outcome, Plan, Split, Tuning};
use crate::image_io::ContentHash;
use crate::methods::{Method, UnknownMethod};
use crate::progress::{CancelToken, Progress};
use crate::support::Dataset;

/// Folders of labelled photos in, accuracies out.
#[derive(Args, Debug)]
pub struct EvalArgs {
    /// Photos to learn from, a folder per class
    #[arg(long, value_name = "DIR")]
    support: PathBuf,
    /// Photos to report on, a folder per class
    #[arg(long, value_name = "DIR")]
    test: PathBuf,
    /// Photos of each class to learn from [default: all]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    shots: Option<u32>,
    /// One drawing of shots for each seed
    #[arg(long, value_name = "1,2,3", value_delimiter = ',', default_value = "1")]
    seeds: Vec<u64>,
    /// all, or names as tip-adapter,tip-adapter-pp
    #[arg(long, value_name = "all|a,b", default_value = "all", value_parser = methods)]
    methods: Methods,
    /// How parameters are found: none (published defaults), loo (leave-one-out on the shots) or val=DIR
    #[arg(long, value_name = "none|loo|val=DIR", default_value = "loo", value_parser = tune)]
    tune: Tune,
    /// Adapted features of the ++ methods: FILE, `isoclip[:TOP,BOTTOM]` or `pca[:DIM]` [default: isoclip]
    #[arg(long, value_name = "ADAPTER")]
    adapter: Option<AdapterSpec>,
    /// The scale of an adapter file that does not say its own
    #[arg(long, value_name = "S", requires = "adapter")]
    adapter_scale: Option<f64>,
}

pub(super) fn run(args: &EvalArgs, common: &Common) -> Result<()> {
    let methods = args.methods.0.clone();
    let engine = session::open_engine(common)?;
    if args.tune != Tune::None && methods.iter().any(|method| !method.is_live()) {
        warn(
            "only tip-adapter and tip-adapter-pp are tuned so far; the other methods run at their published defaults",
        );
    }
    let needs_adapter = methods.iter().any(|method| method.needs_adapter());
    if needs_adapter && args.adapter.is_none() {
        warn("adapted features of the ++ methods: isoclip (choose with --adapter)");
    }
    let spec = args.adapter.clone().unwrap_or(AdapterSpec::IsoClip(None));
    let bottleneck = match &spec {
        AdapterSpec::File(_) if needs_adapter => Some(AdaptedEncoder::without_support(
            &spec,
            args.adapter_scale,
            &engine,
        )?),
        _ => None,
    };
    let support_photos = labelled_photos(&args.support)?;
    let classes = class_names(&support_photos);
    let folder = Folder {
        engine: &engine,
        classes: &classes,
        adapter: bottleneck.as_ref(),
        wants_parts: methods.contains(&Method::Calip),
    };
    let support = folder.embed(&args.support, &support_photos)?;
    let seen: HashSet<_> = support.hashes.iter().copied().collect();
    let test = folder.embed_unseen(&args.test, &seen)?;
    if let Some(adapter) = &bottleneck {
        refuse_what_trained(adapter, &support, &test, args)?;
    }
    let tuning = tuning(&args.tune, &folder, &seen, &test)?;
    let plan = Plan {
        classes: &classes,
        support: &support,
        test: &test,
        shots: args.shots.map(|shots| shots as usize),
        seeds: &args.seeds,
        methods: &methods,
        tuning: &tuning,
        adapter: &spec,
        adapter_scale: args.adapter_scale,
    };
    let outcomes = engine.evaluate(&plan, &Progress::silent())?;
    if common.json {
        let rows: Vec<_> = outcomes
            .iter()
            .map(|outcome| json(outcome, &engine, test.labels.len()))
            .collect();
        println!("{}", serde_json::Value::from(rows));
    } else {
        print_table(&outcomes, test.labels.len());
    }
    Ok(())
}

/// Methods as named on the command line.
#[derive(Clone, Debug)]
struct Methods(Vec<Method>);

fn methods(names: &str) -> Result<Methods, UnknownMethod> {
    if names == "all" {
        return Ok(Methods(Method::ALL.to_vec()));
    }
    names
        .split(',')
        .map(|name| Method::from_name(name.trim()))
        .collect::<Result<_, _>>()
        .map(Methods)
}

/// How parameters are found, as named on the command line.
#[derive(Clone, Debug, PartialEq)]
enum Tune {
    None,
    LeaveOneOut,
    Validation(PathBuf),
}

fn tune(text: &str) -> Result<Tune, String> {
    match text {
        "none" => Ok(Tune::None),
        "loo" => Ok(Tune::LeaveOneOut),
        _ => {
            let folder = text
                .strip_prefix("val=")
                .filter(|folder| !folder.is_empty());
            folder
                .map(|folder| Tune::Validation(PathBuf::from(folder)))
                .ok_or_else(|| "expected none, loo or val=DIR".to_owned())
        }
    }
}

/// Photos that have a class, a folder per class.
fn labelled_photos(folder: &Path) -> Result<Vec<ListedPhoto>> {
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
    Ok(labelled)
}

fn class_names(photos: &[ListedPhoto]) -> Vec<String> {
    Dataset::from_paths("", photos.iter().map(|photo| photo.name.clone())).classes
}

/// Embeds folders whose classes are known.
struct Folder<'a> {
    engine: &'a Engine,
    classes: &'a [String],
    adapter: Option<&'a AdaptedEncoder>,
    /// Whether a method looks at parts of photos.
    wants_parts: bool,
}

impl Folder<'_> {
    fn embed(&self, folder: &Path, photos: &[ListedPhoto]) -> Result<Split> {
        let known: Vec<(PathBuf, usize)> = photos
            .iter()
            .filter_map(|photo| {
                Some((
                    photo.path.clone(),
                    self.classes.binary_search(photo.class.as_ref()?).ok()?,
                ))
            })
            .collect();
        if known.len() < photos.len() {
            let unknown = photos.len() - known.len();
            warn(&format!(
                "{unknown} photos in {} belong to classes without support and are left out",
                folder.display()
            ));
        }
        let (line, cancel) = (ProgressLine::new("embedding"), CancelToken::default());
        let report = |done, total| line.report(done, total);
        let (mut split, skipped) =
            self.engine
                .embed_split(&known, self.adapter, &Progress::new(&report, &cancel))?;
        for (_, reason) in &skipped {
            warn(&format!("skipped: {reason}"));
        }
        if split.labels.is_empty() {
            bail!("no photo of {} can be used", folder.display());
        }
        if self.wants_parts {
            let skipped: HashSet<usize> = skipped.iter().map(|(index, _)| *index).collect();
            let kept = known
                .into_iter()
                .enumerate()
                .filter(|(index, _)| !skipped.contains(index));
            let paths: Vec<PathBuf> = kept.map(|(_, (path, _))| path).collect();
            split.parts = self
                .engine
                .embed_parts(&paths, &Progress::new(&report, &cancel))?;
        }
        Ok(split)
    }

    /// Photos that the method has not seen: copies of support photos are left out, or the figure would flatter.
    fn embed_unseen(&self, folder: &Path, seen: &HashSet<ContentHash>) -> Result<Split> {
        let (split, num_seen) = self.embed(folder, &labelled_photos(folder)?)?.without(seen);
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
}

/// No photo that trained the adapter is reported on; where some are shots, that is said.
fn refuse_what_trained(
    adapter: &AdaptedEncoder,
    support: &Split,
    test: &Split,
    args: &EvalArgs,
) -> Result<()> {
    let trained_on = adapter.trained_on();
    let num_tested = test
        .hashes
        .iter()
        .filter(|photo| trained_on.contains(photo))
        .count();
    if num_tested > 0 {
        bail!(
            "{num_tested} photos in {} trained the adapter, so its figures on them would flatter; leave them out, or train another",
            args.test.display()
        );
    }
    let num_shots = support
        .hashes
        .iter()
        .filter(|photo| trained_on.contains(photo))
        .count();
    if num_shots > 0 {
        warn(&format!(
            "{num_shots} photos in {} trained the adapter: parameters of the ++ methods are tuned on the others",
            args.support.display()
        ));
    }
    Ok(())
}

/// Validation photos are neither shots, which would recognise themselves, nor test photos.
fn tuning(
    tune: &Tune,
    folder: &Folder<'_>,
    seen: &HashSet<ContentHash>,
    test: &Split,
) -> Result<Tuning> {
    let path = match tune {
        Tune::None => return Ok(Tuning::None),
        Tune::LeaveOneOut => return Ok(Tuning::LeaveOneOut),
        Tune::Validation(path) => path,
    };
    let excluded: HashSet<ContentHash> = seen.iter().chain(&test.hashes).copied().collect();
    let (split, num_excluded) = folder
        .embed(path, &labelled_photos(path)?)?
        .without(&excluded);
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

fn json(outcome: &Outcome, engine: &Engine, num_test: usize) -> serde_json::Value {
    let confusion = outcome.result.as_ref().ok();
    let parameters = &outcome.parameters;
    serde_json::json!({
        "method": outcome.method.name(), "shots": outcome.shots, "seed": outcome.seed,
        "accuracy": confusion.map(crate::methods::metrics::Confusion::mean_recall),
        "accuracy_micro": confusion.map(crate::methods::metrics::Confusion::micro_accuracy),
        "alpha": digits(parameters.alpha), "beta": digits(parameters.beta), "gamma": digits(parameters.gamma),
        "seconds": outcome.seconds, "num_test": num_test, "model": engine.name(),
        "adapter": outcome.adapter, "reason": outcome.result.as_ref().err(),
    })
}

fn print_table(outcomes: &[Outcome], num_test: usize) {
    println!(
        "{:<16} {:>5} {:>5} {:>9} {:>9} {:>8} {:>7}",
        "method", "shots", "seed", "accuracy", "micro", "alpha", "beta"
    );
    for outcome in outcomes {
        let head = format!(
            "{:<16} {:>5} {:>5}",
            outcome.method.name(),
            outcome.shots,
            outcome.seed
        );
        match &outcome.result {
            Ok(confusion) => {
                let (macro_, micro) = (confusion.mean_recall(), confusion.micro_accuracy());
                let (alpha, beta) = (outcome.parameters.alpha, outcome.parameters.beta);
                let adapter = outcome.adapter.as_deref().unwrap_or_default();
                println!(
                    "{head} {macro_:>7.2} % {micro:>7.2} % {alpha:>8.3} {beta:>7.3}  {adapter}"
                );
            }
            Err(reason) => println!("{head}         -  {reason}"),
        }
    }
    println!("{num_test} test photos; accuracy is the mean over classes");
}
