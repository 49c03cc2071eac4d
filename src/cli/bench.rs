//! `shotlens bench`

mod embed;
mod precision;
mod score;
mod startup;
mod synthetic;
mod train;
mod tune;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::Common;

/// What to measure.
#[derive(Subcommand, Debug)]
pub enum Bench {
    /// Photos a second: the encoder alone, and files on disk to features
    Embed(embed::BenchEmbedArgs),
    /// What number formats change on labelled photos: speed, features, predictions
    Precision(precision::BenchPrecisionArgs),
    /// Fitting and scoring, for every method in closed form, on made-up features
    Score(score::BenchScoreArgs),
    /// Photos a second of an adapter's training step, on made-up pictures
    Train(train::BenchTrainArgs),
    /// The papers' grid searches, on made-up features
    Tune(tune::BenchTuneArgs),
    /// The demo's first start: first frame, photos, predictions, memory, the program's size
    Startup,
    /// Frame times of the window without a display: sliders, scrolling, filters, orders, labels, dialogs
    Ui(UiArgs),
}

/// What of the window is to be measured, which is not the command line's to do.
#[derive(Clone, Debug)]
pub enum WindowBenchmark {
    /// Frame times.
    Ui(UiArgs),
    /// One start of the demo.
    OneStart,
}

impl Bench {
    /// The window's part of it.
    pub(super) fn of_window(&self) -> Option<WindowBenchmark> {
        match self {
            Self::Ui(args) => Some(WindowBenchmark::Ui(args.clone())),
            Self::Startup if startup::is_one_start() => Some(WindowBenchmark::OneStart),
            _ => None,
        }
    }
}

/// How large a project the window is measured on.
#[derive(Args, Clone, Debug)]
pub struct UiArgs {
    /// Photos to label
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub photos: usize,
    /// Measure on this project file; where there is none it is made, with `--photos` small photos and made-up features in the cache
    #[arg(long, value_name = "FILE")]
    pub project: Option<PathBuf>,
    /// Measure only a slider, at every size of pool and number of keys
    #[arg(long, conflicts_with_all = ["photos", "project"])]
    pub grid: bool,
    /// Sizes of the pool for `--grid`
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000, 1_000_000])]
    pub pools: Vec<usize>,
    /// Numbers of keys for `--grid`
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_values_t = [100, 1_600, 16_000, 50_000])]
    pub keys: Vec<usize>,
}

pub(super) fn run(what: &Bench, common: &Common) -> Result<()> {
    match what {
        Bench::Embed(args) => embed::run(args, common),
        Bench::Precision(args) => precision::run(args, common),
        Bench::Score(args) => score::run(args, common),
        Bench::Train(args) => train::run(args, common),
        Bench::Tune(args) => tune::run(args, common),
        Bench::Startup => startup::run(common),
        Bench::Ui(_) => anyhow::bail!("`bench ui` is run by the window's part of the program"),
    }
}

/// The shortest time of several repetitions, in seconds, and what the last gave: other programs can only slow one down.
fn best_of<T>(repetitions: usize, task: impl Fn() -> Result<T>) -> Result<(f64, T)> {
    let mut best = f64::INFINITY;
    let mut timed = || {
        let start = Instant::now();
        let result = task();
        best = best.min(start.elapsed().as_secs_f64());
        result
    };
    let mut last = timed()?;
    for _ in 1..repetitions {
        last = timed()?;
    }
    Ok((best, last))
}
