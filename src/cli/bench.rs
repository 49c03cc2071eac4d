//! `shotlens bench`

mod embed;

use anyhow::Result;
use clap::Subcommand;

use super::Common;

/// What to measure.
#[derive(Subcommand, Debug)]
pub enum Bench {
    /// Photos a second: the encoder alone, and files on disk to features
    Embed(embed::BenchEmbedArgs),
    /// Frame times of the window: dragging a slider and scrolling, without a display
    Ui,
}

pub(super) fn run(what: &Bench, common: &Common) -> Result<()> {
    match what {
        Bench::Embed(args) => embed::run(args, common),
        Bench::Ui => anyhow::bail!("`bench ui` is run by the window's part of the program"),
    }
}
