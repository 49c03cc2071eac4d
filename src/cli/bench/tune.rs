//! `shotlens bench tune`

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::best_of;
use super::synthetic::{Size, Synthetic};
use crate::cli::{Common, digits};
use crate::methods::grid::{self, NamedGrid};
use crate::methods::{Method, Parameters, SignatureRange};
use crate::progress::Progress;

/// Repetitions; the best counts.
const REPETITIONS: usize = 3;

/// What to search, and through how much.
#[derive(Args, Debug)]
pub struct BenchTuneArgs {
    /// Whose grid
    #[arg(long, value_enum, default_value_t)]
    search: Search,
    #[command(flatten)]
    size: Size,
    /// Keep the features, for `tune` and for other programs
    #[arg(long, value_name = "F.safetensors")]
    out: Option<PathBuf>,
}

/// A method with its authors' grid.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Search {
    /// 4,000 pairs of α and β
    #[default]
    TipAdapter,
    /// 200,000 triples of α, β and γ
    TipX,
    /// 80,000 triples of α, β and γ
    Ape,
    /// One after the other
    All,
}

impl Search {
    fn methods(self) -> &'static [Method] {
        match self {
            Self::TipAdapter => &[Method::TipAdapter],
            Self::TipX => &[Method::TipX],
            Self::Ape => &[Method::Ape],
            Self::All => &[Method::TipAdapter, Method::TipX, Method::Ape],
        }
    }
}

pub(in crate::cli) fn run(args: &BenchTuneArgs, common: &Common) -> Result<()> {
    let scene = Synthetic::new(args.size)?;
    if let Some(path) = &args.out {
        scene.write(path)?;
    }
    let fixed = Parameters {
        signature_range: SignatureRange::Queries,
        ..Parameters::default()
    };
    let Size {
        keys,
        classes,
        queries,
        dim,
    } = args.size;
    let mut rows = Vec::new();
    for method in args.search.methods() {
        let values = NamedGrid::of(*method).values(*method);
        let (seconds, tuned) = best_of(REPETITIONS, || {
            Ok(grid::tune(
                *method,
                &fixed,
                &scene.knowledge(),
                scene.queries(),
                &scene.labels,
                &values,
                &Progress::silent(),
            )?)
        })?;
        let Parameters {
            alpha, beta, gamma, ..
        } = tuned.parameters;
        if !common.json {
            println!(
                "{:<12} {:>7} combinations of {keys} keys, {classes} classes, {queries} queries, {dim} numbers: {seconds:.3} s, {:.2} % at best",
                method.title(),
                tuned.num_combinations,
                tuned.accuracy,
            );
        }
        rows.push(serde_json::json!({
            "search": method.name(), "combinations": tuned.num_combinations, "keys": keys, "classes": classes,
            "queries": queries, "dim": dim, "seconds": seconds, "accuracy": tuned.accuracy,
            "alpha": digits(alpha), "beta": digits(beta), "gamma": digits(gamma),
        }));
    }
    if common.json {
        println!("{}", serde_json::Value::from(rows));
    }
    Ok(())
}
