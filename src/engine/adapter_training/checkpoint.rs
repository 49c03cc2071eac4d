//! The state of training as a file, so that it can go on: what learns, its moments, the best state so far.

use std::collections::HashMap;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::parameters::{Parameter, Parameters};
use super::shelf::Saved;
use crate::engine::EngineError;

/// How far training is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    /// Steps done.
    pub(super) step: usize,
    /// The step after which the held-out photos were told apart best, how well, and the adapters' tensors then.
    pub(super) best: Option<Best>,
}

/// The state that did best on the held-out photos.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Best {
    pub(super) step: usize,
    pub(super) auroc: f64,
    pub(super) tensors: Vec<Vec<f32>>,
}

/// The file's bytes; of `remembered` the values alone.
pub(super) fn packed(
    fingerprint: &str,
    state: &State,
    parameters: &Parameters,
    remembered: &[Parameter],
) -> Result<Vec<u8>, EngineError> {
    let mut tensors: Vec<(String, Vec<u8>)> = Vec::new();
    let bytes = |numbers: &[f32]| numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    for parameter in &parameters.all {
        tensors.push((
            format!("value.{}", parameter.name),
            bytes(&parameter.numbers()?),
        ));
        for (index, moments) in parameter.moments.iter().enumerate() {
            tensors.push((format!("moment{index}.{}", parameter.name), bytes(moments)));
        }
    }
    for parameter in remembered {
        let numbers = parameter.numbers()?;
        tensors.push((format!("value.{}", parameter.name), bytes(&numbers)));
    }
    let mut metadata = HashMap::from([
        ("fingerprint".to_owned(), fingerprint.to_owned()),
        ("step".to_owned(), state.step.to_string()),
    ]);
    if let Some(best) = &state.best {
        metadata.insert("best_step".to_owned(), best.step.to_string());
        metadata.insert("best_auroc".to_owned(), best.auroc.to_string());
        for (parameter, numbers) in parameters.adapters().iter().zip(&best.tensors) {
            tensors.push((format!("best.{}", parameter.name), bytes(numbers)));
        }
    }
    serialized(&tensors, metadata)
}

/// A file of tensors of one dimension.
fn serialized(
    tensors: &[(String, Vec<u8>)],
    metadata: HashMap<String, String>,
) -> Result<Vec<u8>, EngineError> {
    let problem = |error: safetensors::SafeTensorError| {
        EngineError::Training(format!("the checkpoint could not be made ({error})"))
    };
    let views = tensors.iter().map(|(name, bytes)| {
        let view = TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes);
        view.map(|view| (name.as_str(), view))
    });
    let views: Vec<_> = views.collect::<Result<_, _>>().map_err(problem)?;
    safetensors::serialize(views, Some(metadata)).map_err(problem)
}

/// Puts what was saved into `parameters` and `remembered`.
pub(super) fn load(
    saved: &Saved,
    fingerprint: &str,
    parameters: &mut Parameters,
    remembered: &[Parameter],
) -> Result<State, EngineError> {
    let file = Checkpoint::open(saved)?;
    if file.metadata.get("fingerprint").map(String::as_str) != Some(fingerprint) {
        return Err(
            file.problem("it belongs to other photos or options: give the same ones, or delete it")
        );
    }
    for parameter in &mut parameters.all {
        let name = &parameter.name;
        let len = parameter.var.elem_count();
        parameter.moments = [
            file.numbers(&format!("moment0.{name}"), len)?,
            file.numbers(&format!("moment1.{name}"), len)?,
        ];
        parameter.set(&file.numbers(&format!("value.{name}"), len)?)?;
    }
    for parameter in remembered {
        let name = format!("value.{}", parameter.name);
        parameter.set(&file.numbers(&name, parameter.var.elem_count())?)?;
    }
    let best = match (
        file.number::<usize>("best_step"),
        file.number::<f64>("best_auroc"),
    ) {
        (Some(step), Some(auroc)) => {
            let tensors = parameters.adapters().iter().map(|parameter| {
                file.numbers(
                    &format!("best.{}", parameter.name),
                    parameter.var.elem_count(),
                )
            });
            Some(Best {
                step,
                auroc,
                tensors: tensors.collect::<Result<_, _>>()?,
            })
        }
        _ => None,
    };
    let step = file
        .number("step")
        .ok_or_else(|| file.problem("it does not say its step"))?;
    Ok(State { step, best })
}

struct Checkpoint<'a> {
    tensors: SafeTensors<'a>,
    metadata: HashMap<String, String>,
    name: &'a str,
}

impl<'a> Checkpoint<'a> {
    fn open(saved: &'a Saved) -> Result<Self, EngineError> {
        let Saved { name, file: bytes } = saved;
        let problem = |error: safetensors::SafeTensorError| unusable(name, &error.to_string());
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(problem)?;
        Ok(Self {
            tensors: SafeTensors::deserialize(bytes).map_err(problem)?,
            metadata: header.metadata().clone().unwrap_or_default(),
            name,
        })
    }

    fn problem(&self, reason: &str) -> EngineError {
        unusable(self.name, reason)
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.metadata.get(key)?.parse().ok()
    }

    fn numbers(&self, name: &str, len: usize) -> Result<Vec<f32>, EngineError> {
        let view = self
            .tensors
            .tensor(name)
            .map_err(|error| self.problem(&error.to_string()))?;
        let (numbers, _) = view.data().as_chunks();
        if view.dtype() != Dtype::F32 || numbers.len() != len {
            return Err(self.problem(&format!("{name} has another size")));
        }
        Ok(numbers
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect())
    }
}

fn unusable(name: &str, reason: &str) -> EngineError {
    EngineError::Training(format!("the checkpoint cannot be used ({reason}): {name}"))
}
