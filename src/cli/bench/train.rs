//! `shotlens bench train`

use anyhow::Result;
use clap::Args;

use super::embed::{backbone, open};
use crate::cli::Common;
use crate::clip::Architecture;

/// Steps; the fastest counts, because other programs can only slow one down.
const REPETITIONS: usize = 5;

/// How to measure.
#[derive(Args, Debug)]
pub struct BenchTrainArgs {
    /// Photos of a step
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: u32,
    /// A full-size model with random weights instead of --model: vit-b-32, vit-b-16 or vit-l-14
    #[arg(long, value_parser = backbone)]
    backbone: Option<Architecture>,
}

pub(in crate::cli) fn run(args: &BenchTrainArgs, common: &Common) -> Result<()> {
    let engine = open(args.backbone, common)?;
    let batch = args.batch as usize;
    let rate = engine.training_rate(batch, REPETITIONS)?;
    let description = engine.clip().device_description();
    let device = description.split(" (").next().unwrap_or_default();
    let dtype = engine.clip().format().name();
    let threads = rayon::current_num_threads();
    if common.json {
        let row = serde_json::json!({
            "backbone": engine.name(), "device": device, "dtype": dtype, "threads": threads, "batch": batch,
            "train_images_per_second": rate,
        });
        println!("{}", serde_json::Value::from(vec![row]));
    } else {
        println!(
            "{} on {device}, {dtype}, {threads} threads, adapters in every block, batch {batch}",
            engine.name()
        );
        println!("training step  {rate:8.1} photos/s");
    }
    Ok(())
}
