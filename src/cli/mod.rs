//! The same engine without a window, for scripts, servers and tests. The flags are a contract; README's reference lists them.

mod adapter;
mod bench;
mod demo;
mod embed;
mod eval;
mod export;
mod feature_file;
mod import;
mod import_features;
mod label;
mod model;
mod overlap;
mod photo_list;
mod preprocess;
mod report;
mod score;
mod session;
mod stderr;
mod tensor_file;
mod tune;
mod watch;
mod worker;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use bench::WindowBenchmark;
pub use demo::run_headless_demo;

use crate::clip::{Activation, DeviceChoice, Precision};
pub use crate::engine::remote::WorkerSpec;

/// Few-shot image labelling and exploration with CLIP
#[derive(Parser, Debug)]
#[command(name = "shotlens", version, about, max_term_width = 100)]
pub struct Cli {
    /// What holds for every command
    #[command(flatten)]
    pub common: Common,
    /// What to do; the window on the last project (or the demo) when left out
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What holds for every command.
#[derive(Args, Debug, Clone, Default)]
pub struct Common {
    /// A known model's name (see `model list`), a checkpoint file or its folder [default: the embedded demo model]
    #[arg(long, global = true, value_name = "PATH|NAME")]
    pub model: Option<String>,
    /// Where CLIP runs
    #[arg(long, global = true, value_enum, default_value_t)]
    pub device: Device,
    /// What CLIP's layers multiply; features of a format that is named never mix with others
    #[arg(long = "dtype", global = true, value_enum, default_value_t)]
    pub precision: Dtype,
    /// Processor threads [default: all]
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<usize>,
    /// Machine-readable output on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// The activation of a bare .safetensors file [default: quick-gelu]
    #[arg(long, global = true, value_enum)]
    pub activation: Option<ActivationName>,
    /// Encode photos in another process: a program's path, `cuda` (shotlens-cuda beside this one) or ssh:HOST:PROGRAM (PROGRAM may be left out); may be repeated
    #[arg(long = "worker", global = true, value_name = "PROGRAM|cuda|ssh:HOST")]
    pub workers: Vec<WorkerSpec>,
}

/// Where CLIP runs.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The best there is
    #[default]
    Auto,
    /// The processor
    Cpu,
    /// An NVIDIA GPU
    Cuda,
    /// An Apple GPU
    Metal,
}

impl Device {
    /// The same for the engine.
    pub fn choice(self) -> DeviceChoice {
        match self {
            Self::Auto => DeviceChoice::Auto,
            Self::Cpu => DeviceChoice::Cpu,
            Self::Cuda => DeviceChoice::Cuda,
            Self::Metal => DeviceChoice::Metal,
        }
    }
}

/// Number formats.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dtype {
    /// The fastest that does not change predictions
    #[default]
    Auto,
    /// 32-bit floats
    F32,
    /// 16-bit brain floats
    Bf16,
    /// 16-bit floats
    F16,
}

impl Dtype {
    /// The same for the engine.
    pub fn choice(self) -> Precision {
        match self {
            Self::Auto => Precision::Auto,
            Self::F32 => Precision::F32,
            Self::Bf16 => Precision::Bf16,
            Self::F16 => Precision::F16,
        }
    }
}

/// The activation between the two layers of a transformer's MLP.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivationName {
    /// As OpenAI's models
    QuickGelu,
    /// As most of `OpenCLIP`'s
    Gelu,
}

impl ActivationName {
    /// The same for the engine.
    pub fn choice(self) -> Activation {
        match self {
            Self::QuickGelu => Activation::QuickGelu,
            Self::Gelu => Activation::Gelu,
        }
    }
}

/// One command line use.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// The window on a project file, or on a folder of photos (or features) as a new project
    Open {
        /// A .shotlens file, a folder, a list, or features (Parquet, clip-retrieval's folder)
        #[arg(value_name = "PROJECT|FOLDER")]
        path: PathBuf,
    },
    /// The demo: embedded model, a few classes, a pool of photos
    Demo {
        /// Print predictions, accuracy and overlap before and after instead of opening the window
        #[arg(long)]
        headless: bool,
    },
    /// Write what the model's preprocessing makes of photos: u8 [size, size, 3] per photo
    Preprocess(preprocess::PreprocessArgs),
    /// Write the features of photos, crops or texts
    Embed(embed::EmbedArgs),
    /// Write a method's logits for a file of features
    Score(Box<score::ScoreArgs>),
    /// Find the best parameters on validation queries
    Tune(Box<tune::TuneArgs>),
    /// Measure how far same-class and different-class cosines overlap
    Overlap(overlap::OverlapArgs),
    /// Train bottleneck adapters for the ++ methods, or see what a file says of itself
    Adapter {
        /// What to do
        #[command(subcommand)]
        action: adapter::AdapterAction,
    },
    /// Compare methods: a support set against test photos, a folder per class each
    Eval(Box<eval::EvalArgs>),
    /// Predict a folder of photos, from a few labelled ones or by a classifier file
    Label(Box<label::LabelArgs>),
    /// Write a project's photos for other programs, or its classifier
    Export(export::ExportArgs),
    /// Make a project of a table, a folder or a data set's list of labelled photos
    Import(import::ImportArgs),
    /// Predict new photos of a folder as they arrive
    Watch(watch::WatchArgs),
    /// Write a project's figures as one self-contained HTML file: overlap, methods, and the one against the other
    Report(report::ReportArgs),
    /// The known and the downloaded models
    Model {
        /// What to do
        #[command(subcommand)]
        action: model::ModelAction,
    },
    /// Encode for another Shotlens, over standard input and output (see --worker)
    Worker,
    /// Measure speed
    Bench {
        /// What to measure
        #[command(subcommand)]
        what: bench::Bench,
    },
}

impl Command {
    /// What of the window is to be measured, which is not the command line's to do.
    pub fn window_benchmark(&self) -> Option<WindowBenchmark> {
        match self {
            Self::Bench { what } => what.of_window(),
            _ => None,
        }
    }
}

/// Carries out a command that needs no window.
///
/// # Errors
/// Whatever went wrong, with its causes; `main` prints the chain and exits with 1.
pub fn run(command: Command, common: &Common) -> Result<()> {
    match command {
        Command::Open { path } => anyhow::bail!(
            "{} opens in the window, and there is no display here",
            path.display()
        ),
        Command::Demo { .. } => demo::run_headless_demo(common),
        Command::Preprocess(args) => preprocess::run(&args, common),
        Command::Embed(args) => embed::run(&args, common),
        Command::Score(args) => score::run(&args, common),
        Command::Tune(args) => tune::run(&args),
        Command::Overlap(args) => overlap::run(&args, common),
        Command::Eval(args) => eval::run(&args, common),
        Command::Export(args) => export::run(&args, common),
        Command::Import(args) => import::run(&args, common),
        Command::Watch(args) => watch::run(&args, common),
        Command::Label(args) => label::run(&args, common),
        Command::Report(args) => report::run(&args, common),
        Command::Adapter { action } => adapter::run(&action, common),
        Command::Model { action } => model::run(&action, common),
        Command::Worker => worker::run(),
        Command::Bench { what } => bench::run(&what, common),
    }
}

/// A single-precision number with the digits that it was meant with: 2.855, not 2.8550000190734863.
fn digits(value: f32) -> f64 {
    value
        .to_string()
        .parse()
        .unwrap_or_else(|_not_a_number| f64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_they_were_meant() {
        assert_eq!(serde_json::json!(digits(2.855)).to_string(), "2.855");
        assert_eq!(serde_json::json!(digits(100.0)).to_string(), "100.0");
    }
}
