//! `shotlens eval`

mod arguments;
mod benchmarks;
mod comparison;
mod folders;
mod markdown;
mod material;
mod output;
mod texts;

use anyhow::{Context as _, Result, bail};

pub(super) use arguments::{EvalArgs, PromptSpec, prompt_spec};
pub(super) use folders::labelled_photos;
pub(super) use material::{Embedder, check_classes, tell_empty_classes};
pub(super) use texts::Texts;

use super::stderr::{ProgressLine, warn};
use super::{Common, session};
use crate::engine::Engine;
use crate::engine::adapted::{AdaptedEncoder, AdapterSpec};
use crate::engine::evaluate::{Looks, Outcome, Plan};
use crate::methods::Method;
use crate::progress::{CancelToken, Progress};
use arguments::Tune;
use comparison::Comparison;
use material::Material;
use output::Report;

pub(super) fn run(args: &EvalArgs, common: &Common) -> Result<()> {
    let engine = session::open_engine(common)?;
    let spec = args.adapter.clone().unwrap_or(AdapterSpec::IsoClip(None));
    let bottleneck = bottleneck(args, &spec, &engine)?;
    let embedder = Embedder {
        engine: &engine,
        looks: Looks {
            adapter: bottleneck.as_ref(),
            num_views: args.views.map_or(0, |views| views as usize),
            has_parts: args.methods.0.contains(&Method::Calip),
        },
    };
    let material = material(args, embedder)?;
    let dataset = args.dataset.map(|benchmark| benchmark.name);
    let texts = Texts::new(&args.prompts, &material.classes, dataset)?;
    let plan = Plan {
        classes: &material.classes,
        prompts: &texts.prompts,
        support: &material.support,
        test: &material.test,
        drawings: &material.drawings,
        methods: &args.methods.0,
        tuning: &material.tuning,
        adapter: &spec,
        adapter_scale: args.adapter_scale,
        dataset,
    };
    let (line, cancel) = (ProgressLine::new("evaluating"), CancelToken::default());
    let report = |done, total| line.report(done, total);
    let outcomes = engine.evaluate(&plan, &Progress::new(&report, &cancel))?;
    if args.tune != Tune::None {
        tell_untuned(&outcomes);
    }
    let comparison = Comparison::new(args, &engine, &texts);
    comparison.tell(&outcomes);
    let report = Report {
        outcomes: &outcomes,
        model: engine.name(),
        num_test: material.test.labels.len(),
        comparison: &comparison,
    };
    if let Some(path) = &args.markdown {
        let command: Vec<String> = std::env::args().skip(1).collect();
        std::fs::write(path, markdown::document(&report, &command))
            .with_context(|| format!("the table cannot be written to {}", path.display()))?;
    }
    if common.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.table());
    }
    Ok(())
}

/// The adapter file to encode photos with, where a method needs one.
fn bottleneck(
    args: &EvalArgs,
    spec: &AdapterSpec,
    engine: &Engine,
) -> Result<Option<AdaptedEncoder>> {
    if !args.methods.0.iter().any(|method| method.needs_adapter()) {
        return Ok(None);
    }
    if args.adapter.is_none() {
        warn("adapted features of the ++ methods: isoclip (choose with --adapter)");
    }
    match spec {
        AdapterSpec::File(_) => {
            let encoder = AdaptedEncoder::without_support(spec, args.adapter_scale, engine)?;
            Ok(Some(encoder))
        }
        _ => Ok(None),
    }
}

fn material(args: &EvalArgs, embedder: Embedder<'_>) -> Result<Material> {
    match (&args.dataset, &args.root, &args.support, &args.test) {
        (Some(benchmark), Some(root), ..) => {
            benchmarks::from_benchmark(args, benchmark, root, embedder)
        }
        (None, _, Some(support), Some(test)) => {
            folders::from_folders(args, support, test, embedder)
        }
        _ => bail!("name --support and --test, or --dataset and --root"),
    }
}

/// Methods that ran at published parameters although tuning was asked for.
fn tell_untuned(outcomes: &[Outcome]) {
    let mut untuned: Vec<Method> = Vec::new();
    for outcome in outcomes {
        let is_untuned =
            outcome.result.is_ok() && !outcome.is_tuned && !outcome.method.parameters().is_empty();
        if is_untuned && !untuned.contains(&outcome.method) {
            untuned.push(outcome.method);
        }
    }
    if !untuned.is_empty() {
        let names: Vec<&str> = untuned.iter().map(|method| method.name()).collect();
        warn(&format!(
            "at their published parameters, because they are not tuned in this way or there was nothing to tune on: {}",
            names.join(", ")
        ));
    }
}
