//! `shotlens tune`

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

use super::digits;
use super::feature_file::FeatureFile;
use super::score::{ParameterArgs, ScoringInput, labels_within};
use super::stderr::ProgressLine;
use crate::methods::grid::{self, NamedGrid, Tuned};
use crate::methods::{Method, Parameters};
use crate::progress::{CancelToken, Progress};

/// Features in, the best parameters out.
#[derive(Args, Debug)]
pub struct TuneArgs {
    /// A file as for `score`, with `query_labels` as validation labels
    #[arg(value_name = "F.safetensors")]
    file: PathBuf,
    /// An .npy file of labels, where they are not in the file
    #[arg(long, value_name = "L.npy")]
    labels: Option<PathBuf>,
    /// The method, as tip-adapter or tip-adapter-pp
    #[arg(long, value_parser = Method::from_name)]
    method: Method,
    /// The papers' search grid: tip-adapter, tip-x, ape, imo, gda, proker, timo, timo-s, or a data set's name
    /// [default: the method's own]
    #[arg(long, value_name = "NAME", value_parser = NamedGrid::from_name)]
    grid: Option<NamedGrid>,
    /// What the grid does not vary
    #[command(flatten)]
    parameters: ParameterArgs,
}

pub(super) fn run(args: &TuneArgs) -> Result<()> {
    let file = FeatureFile::open(&args.file, args.labels.as_deref())?;
    let input = ScoringInput::read(&file, &args.file)?;
    let labels = labels_within(
        &file.integers("query_labels")?,
        input.text.len(),
        "query_labels",
        &args.file,
    )?;
    if labels.len() != input.queries.len() {
        bail!(
            "{} query_labels for {} queries: {}",
            labels.len(),
            input.queries.len(),
            args.file.display()
        );
    }
    let grid = args.grid.unwrap_or(NamedGrid::of(args.method));
    let (line, cancel) = (ProgressLine::new("tuning"), CancelToken::default());
    let report = |done, total| line.report(done, total);
    let progress = Progress::new(&report, &cancel);
    let start = Instant::now();
    let tuned = grid::tune(
        args.method,
        &args.fixed(grid, &input),
        &input.knowledge(),
        input.queries(),
        &labels,
        &grid.values(args.method),
        &progress,
    )?;
    let seconds = start.elapsed().as_secs_f64();
    // Always JSON: the contract's one output, short enough to be read by people too.
    println!("{}", report_of(args.method, &tuned, seconds));
    Ok(())
}

impl TuneArgs {
    /// What the search does not vary: as given, as for the data set that the grid names, or as published.
    fn fixed(&self, grid: NamedGrid, input: &ScoringInput) -> Parameters {
        match grid {
            NamedGrid::Dataset(preset) => self
                .parameters
                .over(preset.parameters(self.method, input.text.dim())),
            _ => self.parameters.parameters(self.method, input.most_shots()),
        }
    }
}

fn report_of(method: Method, tuned: &Tuned, seconds: f64) -> serde_json::Value {
    let Parameters {
        alpha,
        beta,
        gamma,
        lambda,
        channels,
        num_prompts,
        ..
    } = tuned.parameters;
    let mut json = serde_json::json!({
        "method": method.name(), "alpha": digits(alpha), "beta": digits(beta), "gamma": digits(gamma),
        "accuracy": tuned.accuracy, "combinations": tuned.num_combinations, "seconds": seconds,
    });
    if matches!(method, Method::ProKeR | Method::ProKeRPp) {
        json["lambda"] = digits(lambda).into();
    }
    if let Some(channels) = channels {
        json["channels"] = channels.into();
    }
    if let Some(num_prompts) = num_prompts {
        json["prompts_per_class"] = num_prompts.into();
    }
    json
}
