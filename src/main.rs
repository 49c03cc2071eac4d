//! The program: a window, or one command without one.

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use clap::Parser as _;
use shotlens::app::{App, ModelChoice, StartWith};
use shotlens::cli::{self, Cli, Command, Common, WindowBenchmark};
use shotlens::memory;
use shotlens::ui;
use shotlens::worker::{Wake, thumbnail_reader};

fn main() -> ExitCode {
    memory::keep_freed();
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
        Some(Command::Open { path }) if !is_project(&path) => {
            window(StartWith::Folder(path), common)
        }
        Some(Command::Open { path }) => window(StartWith::File(path), common),
        Some(command) => match command.window_benchmark() {
            Some(WindowBenchmark::Ui(args)) if args.grid => {
                ui::bench::run_grid(&args.pools, &args.keys, common.json)
            }
            Some(WindowBenchmark::Ui(args)) => {
                ui::bench::run(args.photos, args.project.as_deref(), common.json)
            }
            Some(WindowBenchmark::OneStart) => ui::bench_startup::run(),
            None => cli::run(command, common),
        },
    }
}

/// A project file, and not a folder or a file to start a project on.
fn is_project(path: &Path) -> bool {
    !path.is_dir()
        && path
            .extension()
            .is_some_and(|extension| extension == "shotlens")
}

/// Opens the window; without a display, the demo runs without one instead.
fn window(start: StartWith, common: &Common) -> anyhow::Result<()> {
    if has_display() {
        return open_window(start, common);
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

fn open_window(start: StartWith, common: &Common) -> anyhow::Result<()> {
    // The threads start before there is a window to wake; its first frame takes in what they had by then.
    let window: Arc<OnceLock<Wake>> = Arc::default();
    let later = Arc::clone(&window);
    let wake: Wake = Arc::new(move || {
        if let Some(wake) = later.get() {
            wake();
        }
    });
    let model = ModelChoice {
        model: common.model.clone(),
        device: common.device.choice(),
        precision: common.precision.choice(),
        activation: common.activation.map(cli::ActivationName::choice),
        workers: common.workers.clone(),
        is_forced: common.model.is_some(),
    };
    let app = App::start(start, model, &wake)?;
    let opened = ui::run(app, thumbnail_reader::reader(), move |wake| {
        window.set(wake).ok();
    });
    opened.map_err(|error| anyhow::anyhow!("the window could not be opened ({error}); `shotlens demo --headless` and the other commands need none"))
}

/// Whether there is something to open a window on: always, except on a Unix without X11 and Wayland.
fn has_display() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(any(windows, target_os = "macos")) || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}
