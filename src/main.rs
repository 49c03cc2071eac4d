//! The program: a window, or one command without one.

use std::process::ExitCode;

use clap::Parser as _;
use shotlens::app::{ModelChoice, StartWith};
use shotlens::cli::{self, Cli, Command, Common};
use shotlens::ui;

fn main() -> ExitCode {
    let Cli { common, command } = Cli::parse();
    if let Some(threads) = common.threads {
        // Fails only when a pool was started before, and nothing has run yet.
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .ok();
    }
    match run(command, &common) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shotlens: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Option<Command>, common: &Common) -> anyhow::Result<()> {
    match command {
        None => window(StartWith::Last, common),
        Some(Command::Demo { headless: false }) => window(StartWith::Demo, common),
        Some(Command::Open { path }) if path.is_dir() => window(StartWith::Folder(path), common),
        Some(Command::Open { path }) => window(StartWith::File(path), common),
        Some(command) if command.is_window_benchmark() => ui::bench::run(common.json),
        Some(command) => cli::run(command, common),
    }
}

/// Opens the window; without a display, the demo runs without one instead.
fn window(start: StartWith, common: &Common) -> anyhow::Result<()> {
    if ui::has_display() {
        let model = ModelChoice {
            model: common.model.clone(),
            device: common.device.choice(),
        };
        return ui::run(start, model);
    }
    match start {
        StartWith::File(path) | StartWith::Folder(path) => {
            anyhow::bail!(
                "there is no display to open {} on; `shotlens --help` lists what works without one",
                path.display()
            )
        }
        _ => {
            eprintln!(
                "There is no display to open a window on, so this is the demo without one. `shotlens --help` lists what else works here.\n"
            );
            cli::run_headless_demo(common)
        }
    }
}
