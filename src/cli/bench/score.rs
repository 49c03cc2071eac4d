//! `shotlens bench score`

use anyhow::Result;
use clap::Args;

use super::best_of;
use super::synthetic::{Size, Synthetic};
use crate::cli::Common;
use crate::methods::{Family, Method, Parameters, fit};

/// Repetitions; the best counts.
const REPETITIONS: usize = 5;

/// How much to fit and score.
#[derive(Args, Debug)]
pub struct BenchScoreArgs {
    #[command(flatten)]
    size: Size,
}

pub(in crate::cli) fn run(args: &BenchScoreArgs, common: &Common) -> Result<()> {
    let scene = Synthetic::new(args.size)?;
    let Size {
        keys,
        classes,
        queries,
        dim,
    } = args.size;
    if !common.json {
        println!("{keys} keys, {classes} classes, {queries} queries, {dim} numbers");
        println!("{:<14} {:>10} {:>14}", "method", "fit", "a query");
    }
    let (knowledge, shots) = (scene.knowledge(), keys.div_ceil(classes) as usize);
    let mut rows = Vec::new();
    let closed_form = Method::ALL.into_iter().filter(|method| {
        // CALIP scores parts of photos, which made-up features have none of.
        matches!(method.family(), Family::NoTraining | Family::Adapted) && *method != Method::Calip
    });
    for method in closed_form {
        let parameters = Parameters::published(method, shots);
        let (fit_seconds, classifier) =
            best_of(REPETITIONS, || Ok(fit(method, &parameters, &knowledge)?))?;
        let (seconds, _) = best_of(REPETITIONS, || Ok(classifier.logits(scene.queries())?))?;
        let microseconds = 1e6 * seconds / f64::from(queries);
        if !common.json {
            println!(
                "{:<14} {:>7.1} ms {microseconds:>11.2} µs",
                method.title(),
                1e3 * fit_seconds
            );
        }
        rows.push(serde_json::json!({
            "method": method.name(), "keys": keys, "classes": classes, "queries": queries, "dim": dim,
            "fit_seconds": fit_seconds, "microseconds_per_query": microseconds,
        }));
    }
    if common.json {
        println!("{}", serde_json::Value::from(rows));
    }
    Ok(())
}
