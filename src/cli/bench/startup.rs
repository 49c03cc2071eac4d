//! `shotlens bench startup`: how long until the demo's window shows something, and then its predictions, without a display.
//!
//! Every repetition is a process of its own with an empty home, as the first start on a machine is. What a display and its
//! driver take to open a window is not in it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, anyhow};

use crate::cli::Common;

const REPETITIONS: usize = 5;
/// Set for a process that is one repetition.
const ONE_START: &str = "SHOTLENS_ONE_START";
/// What a start prints: milliseconds, and the memory in MB.
const COLUMNS: [&str; 5] = [
    "first_frame_ms",
    "photos_ms",
    "first_prediction_ms",
    "all_predictions_ms",
    "resident_mb",
];

/// Whether this process is one repetition.
pub(in crate::cli) fn is_one_start() -> bool {
    std::env::var_os(ONE_START).is_some()
}

/// Starts the program several times and prints the medians.
pub(in crate::cli) fn run(common: &Common) -> Result<()> {
    let program = std::env::current_exe().context("this program has no path")?;
    let home = std::env::temp_dir().join(format!("shotlens-startup-{}", std::process::id()));
    let starts = (0..REPETITIONS).map(|_| one_start(&program, &home));
    let starts: Vec<[f64; 5]> = starts.collect::<Result<_>>()?;
    let mut row = serde_json::Map::new();
    row.insert("repetitions".to_owned(), REPETITIONS.into());
    for (column, name) in COLUMNS.into_iter().enumerate() {
        let mut values: Vec<f64> = starts.iter().map(|start| start[column]).collect();
        values.sort_by(f64::total_cmp);
        row.insert(name.to_owned(), values[values.len() / 2].into());
    }
    let binary_mb = std::fs::metadata(&program)?.len() as f64 / 1e6;
    row.insert("binary_mb".to_owned(), binary_mb.into());
    if common.json {
        println!("{}", serde_json::Value::from(vec![row]));
        return Ok(());
    }
    println!("the demo, started for the first time, medians of {REPETITIONS}");
    for name in COLUMNS.into_iter().chain(["binary_mb"]) {
        println!("{name:<20} {:>8.0}", row[name].as_f64().unwrap_or_default());
    }
    Ok(())
}

fn one_start(program: &Path, home: &Path) -> Result<[f64; 5]> {
    let ended = Command::new(program)
        .args(["bench", "startup"])
        .env(ONE_START, "1")
        .env("SHOTLENS_HOME", home)
        .output();
    // Nothing is left of an earlier start.
    std::fs::remove_dir_all(home).ok();
    let ended = ended.context("the program could not be started again")?;
    let told = String::from_utf8_lossy(&ended.stdout);
    let values = told.split_whitespace().filter_map(|word| word.parse().ok());
    let values: Vec<f64> = values.collect();
    values.try_into().map_err(|_missing| {
        let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        anyhow!("a start gave no figures: {said}")
    })
}
