//! `shotlens overlap`

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::Common;
use super::feature_file::FeatureFile;
use super::stderr::warn;
use crate::features::Features;
use crate::methods::overlap::{Bins, Overlap, OverlapOptions, measure};
use crate::progress::Progress;

/// Features in, overlap out.
#[derive(Args, Debug)]
pub struct OverlapArgs {
    /// A file with `features` (or `support`) and `labels`; rows labelled -1 are left out. Also an .npy file, a folder of
    /// `features.npy` and `labels.npy`, clip-retrieval's folder, or a Parquet table
    #[arg(value_name = "F.safetensors")]
    file: PathBuf,
    /// An .npy file of labels, where they are not in the file
    #[arg(long, value_name = "L.npy")]
    labels: Option<PathBuf>,
    /// Bins of the histograms over [-1, 1]
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    bins: u32,
}

pub(super) fn run(args: &OverlapArgs, common: &Common) -> Result<()> {
    let file = FeatureFile::open(&args.file, args.labels.as_deref())?;
    let rows = match file.matrix_if_there("features")? {
        Some(rows) => rows,
        None => file.matrix("support")?,
    };
    let labels = file.integers("labels")?;
    if labels.len() != rows.rows() {
        bail!(
            "{} labels for {} rows of features: {}",
            labels.len(),
            rows.rows(),
            args.file.display()
        );
    }
    let labelled: Vec<usize> = (0..labels.len()).filter(|row| labels[*row] >= 0).collect();
    let classes: Vec<usize> = labelled.iter().map(|row| labels[*row] as usize).collect();
    let features = Features::normalized(rows.select_rows(&labelled))?;
    let bins = Bins::Fixed(args.bins as usize);
    let options = OverlapOptions {
        bins,
        num_resamples: if common.json { 0 } else { 200 },
        ..OverlapOptions::default()
    };
    let overlap = measure(&features, &classes, &options, &Progress::silent())?;
    if overlap.is_sampled {
        warn("more than 20 million pairs: the figures come from a seeded sample of them");
    }
    if common.json {
        println!("{}", json(&overlap));
    } else {
        print!("{}", text(&overlap));
    }
    Ok(())
}

fn json(overlap: &Overlap) -> serde_json::Value {
    serde_json::json!({
        "overlap": overlap.overlap, "auroc": overlap.auroc,
        "paired_mean": overlap.paired_mean, "unpaired_mean": overlap.unpaired_mean,
        "num_paired": overlap.num_paired, "num_unpaired": overlap.num_unpaired,
        "variance": overlap.variance, "bins": overlap.num_bins(),
        "paired": overlap.paired, "unpaired": overlap.unpaired,
    })
}

/// The figures for people, a line each.
pub(super) fn text(overlap: &Overlap) -> String {
    let number =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    let interval = overlap
        .auroc_interval
        .as_ref()
        .map_or_else(String::new, |interval| {
            format!(" ({:.4} to {:.4})", interval.low, interval.high)
        });
    let few = if overlap.has_too_few {
        "  (too few photos for a firm figure)"
    } else {
        ""
    };
    format!(
        "AUROC            {}{interval}{few}\noverlap          {}\nmean cosine      {} same class, {} different classes\npairs            {} same class, {} different classes\nfeature variance {:.6}\n",
        number(overlap.auroc),
        number(overlap.overlap),
        number(overlap.paired_mean),
        number(overlap.unpaired_mean),
        overlap.num_paired,
        overlap.num_unpaired,
        overlap.variance,
    )
}
