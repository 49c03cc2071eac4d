//! A model with the workers that somebody named, and the build with CUDA where it lies beside this one.

use super::{RemoteEncoder, WorkerSpec, cuda_beside};
use crate::clip::{DeviceChoice, OpenOptions};
use crate::engine::{Engine, EngineError};
use crate::project::feature_cache::FeatureCache;

/// Opens a model here, and in each worker; `say` is told what is wrong with those that cannot be used, and of failures later.
///
/// # Errors
/// When the model cannot be opened here. A worker that cannot be used is no error.
pub fn open_with_workers(
    model: Option<&str>,
    options: &OpenOptions,
    cache: Option<FeatureCache>,
    specs: &[WorkerSpec],
    say: Box<dyn Fn(String) + Send + Sync>,
) -> Result<Engine, EngineError> {
    let wants_gpu = matches!(options.device, DeviceChoice::Auto | DeviceChoice::Cuda);
    let beside = cuda_beside().filter(|_| wants_gpu && !cfg!(feature = "cuda"));
    let found: Vec<WorkerSpec> = beside.map(WorkerSpec::Program).into_iter().collect();
    let has_workers = !(specs.is_empty() && found.is_empty());
    // What this build lacks, a worker may have.
    let here = OpenOptions {
        device: match options.device {
            DeviceChoice::Cuda if has_workers && !cfg!(feature = "cuda") => DeviceChoice::Cpu,
            device => device,
        },
        ..*options
    };
    let engine = Engine::open(model, &here, cache)?;
    if !has_workers {
        return Ok(engine);
    }
    let start = |spec: &WorkerSpec| RemoteEncoder::start(spec, model, options, engine.clip());
    let mut workers = Vec::new();
    for spec in specs {
        match start(spec) {
            Ok(worker) => workers.push(worker),
            Err(error) => say(format!("{error}; photos are encoded without it")),
        }
    }
    for spec in &found {
        match start(spec) {
            Ok(worker) if !worker.device().starts_with("CPU") => workers.push(worker),
            Ok(worker) => say(format!(
                "{} found no GPU: {}",
                worker.name(),
                worker.device()
            )),
            Err(error) => say(format!("{error}; photos are encoded on the processor")),
        }
    }
    Ok(engine.with_workers(workers, say))
}
