//! `shotlens bench`

mod embed;
mod score;
mod synthetic;
mod train;
mod tune;

use std::time::Instant;

use anyhow::Result;
use clap::Subcommand;

use super::Common;

/// What to measure.
#[derive(Subcommand, Debug)]
pub enum Bench {
    /// Photos a second: the encoder alone, and files on disk to features
    Embed(embed::BenchEmbedArgs),
    /// Fitting and scoring, for every method in closed form, on made-up features
    Score(score::BenchScoreArgs),
    /// Photos a second of an adapter's training step, on made-up pictures
    Train(train::BenchTrainArgs),
    /// The papers' grid searches, on made-up features
    Tune(tune::BenchTuneArgs),
    /// Frame times of the window: dragging a slider and scrolling, without a display
    Ui,
}

pub(super) fn run(what: &Bench, common: &Common) -> Result<()> {
    match what {
        Bench::Embed(args) => embed::run(args, common),
        Bench::Score(args) => score::run(args, common),
        Bench::Train(args) => train::run(args, common),
        Bench::Tune(args) => tune::run(args, common),
        Bench::Ui => anyhow::bail!("`bench ui` is run by the window's part of the program"),
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
