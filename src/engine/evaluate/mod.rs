//! Comparing methods on labelled photos that none of them has seen.

mod materials;
mod split;
mod tuning;

use std::time::Instant;

pub use split::{Looks, Rows, Split};
pub use tuning::Tuning;
pub(in crate::engine) use tuning::{Chosen, Ground};

use super::adapted::AdapterSpec;
use super::prompts::class_means;
use super::{Engine, EngineError};
use crate::features::Features;
use crate::methods::metrics::Confusion;
use crate::methods::{self, Knowledge, Method, Monitor, Parameters};
use crate::progress::Progress;
use materials::{Common, Materials};

/// One drawing of shots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    /// Its seed.
    pub seed: u64,
    /// Photos of each class, for the reader.
    pub shots: usize,
    /// The drawn photos: rows of [`Plan::support`]; one may come twice.
    pub rows: Vec<usize>,
}

/// What to compare.
pub struct Plan<'a> {
    /// Class names, in the order of the labels.
    pub classes: &'a [String],
    /// Prompts of every class, at least one each.
    pub prompts: &'a [Vec<String>],
    /// Photos to learn from.
    pub support: &'a Split,
    /// Photos to report on.
    pub test: &'a Split,
    /// Which photos of `support` are learnt from, once for every drawing.
    pub drawings: &'a [Drawing],
    /// Which methods.
    pub methods: &'a [Method],
    /// How parameters are found.
    pub tuning: &'a Tuning,
    /// Adapted features for the ++ methods.
    pub adapter: &'a AdapterSpec,
    /// Scale of an adapter file that does not say its own.
    pub adapter_scale: Option<f64>,
    /// The data set, where it is one of the literature's.
    pub dataset: Option<&'a str>,
}

/// Where the time went, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seconds {
    /// Finding parameters.
    pub tune: f64,
    /// Fitting or training with them.
    pub fit: f64,
    /// Scoring all test photos, from features to logits.
    pub predict: f64,
}

impl Seconds {
    /// All of it.
    pub fn total(&self) -> f64 {
        self.tune + self.fit + self.predict
    }
}

/// One method with one drawing of shots.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The method.
    pub method: Method,
    /// The drawing's seed.
    pub seed: u64,
    /// Photos of each class.
    pub shots: usize,
    /// Confusion on the test photos, or why there is none.
    pub result: Result<Confusion, String>,
    /// The class predicted for each test photo; empty where the method could not apply.
    pub predicted: Vec<usize>,
    /// The parameters used.
    pub parameters: Parameters,
    /// Whether they were tuned.
    pub is_tuned: bool,
    /// Whether class names took part: tuning leaves them out where the shots do better alone.
    pub use_class_names: bool,
    /// How long it took.
    pub seconds: Seconds,
    /// The adapted features used, if any.
    pub adapter: Option<String>,
}

impl Engine {
    /// Evaluates every method with every drawing, drawings outside. A method that cannot apply is an outcome with its reason.
    pub fn evaluate(
        &self,
        plan: &Plan<'_>,
        progress: &Progress<'_>,
    ) -> Result<Vec<Outcome>, EngineError> {
        let prompts = self.prompt_features(plan.prompts.iter().map(Vec::as_slice))?;
        let unit = |split: &Split| Features::normalized(split.rows.features.clone());
        let common = Common {
            text: class_means(&prompts, plan.classes.len())?,
            prompts,
            test: unit(plan.test)?,
            parts: plan.test.parts.as_ref(),
            validation: plan.tuning.validation().map(unit).transpose()?,
        };
        let total = plan.drawings.len() * plan.methods.len();
        let mut outcomes = Vec::with_capacity(total);
        for drawing in plan.drawings {
            let materials = Materials::new(self, plan, drawing, progress)?;
            for method in plan.methods {
                progress.step(outcomes.len(), total)?;
                outcomes.push(plan.outcome(*method, drawing, &materials, &common, progress)?);
            }
        }
        progress.step(total, total)?;
        Ok(outcomes)
    }
}

/// A method's answer.
struct Scored {
    predicted: Vec<usize>,
    parameters: Parameters,
    is_tuned: bool,
    use_class_names: bool,
    seconds: Seconds,
}

impl Plan<'_> {
    fn outcome(
        &self,
        method: Method,
        drawing: &Drawing,
        materials: &Materials,
        common: &Common<'_>,
        progress: &Progress<'_>,
    ) -> Result<Outcome, EngineError> {
        let scored = match self.score(method, drawing, materials, common, progress) {
            Err(EngineError::Cancelled(cancelled)) => return Err(cancelled.into()),
            scored => scored.map_err(|error| error.to_string()),
        };
        let (labels, num_classes) = (&self.test.labels, self.classes.len());
        let (result, scored) = match scored {
            Ok(scored) => (
                Ok(Confusion::new(labels, &scored.predicted, num_classes)),
                scored,
            ),
            Err(reason) => (
                Err(reason),
                Scored {
                    predicted: Vec::new(),
                    parameters: Parameters::default(),
                    is_tuned: false,
                    use_class_names: true,
                    seconds: Seconds::default(),
                },
            ),
        };
        Ok(Outcome {
            method,
            seed: drawing.seed,
            shots: drawing.shots,
            result,
            predicted: scored.predicted,
            parameters: scored.parameters,
            is_tuned: scored.is_tuned,
            use_class_names: scored.use_class_names,
            seconds: scored.seconds,
            adapter: materials.adapter_title(method),
        })
    }

    fn score(
        &self,
        method: Method,
        drawing: &Drawing,
        materials: &Materials,
        common: &Common<'_>,
        progress: &Progress<'_>,
    ) -> Result<Scored, EngineError> {
        let knowledge = materials
            .knowledge(method, common)
            .map_err(EngineError::Adapter)?;
        methods::check(method, &knowledge)?;
        let shots = materials.support.shots_per_class();
        let shots = shots.into_iter().max().unwrap_or(0);
        let defaults = Parameters {
            seed: drawing.seed,
            ..Parameters::published_for(method, shots, self.dataset)
        };
        let start = Instant::now();
        let ground = Ground {
            knowledge: &knowledge,
            validation: materials.validation(method, common),
            unseen: materials.unseen(method),
            dataset: self.dataset,
        };
        let chosen = self.tuning.choose(method, defaults, &ground, progress)?;
        let tuned = Instant::now();
        let knowledge = Knowledge {
            use_class_names: chosen.use_class_names,
            ..knowledge
        };
        let watching = Monitor::silent();
        let classifier =
            methods::fit_tuned(method, &defaults, &chosen.parameters, &knowledge, &watching)?;
        let fitted = Instant::now();
        let logits = classifier.predict(materials.test(method, common), progress)?;
        let seconds = Seconds {
            tune: (tuned - start).as_secs_f64(),
            fit: (fitted - tuned).as_secs_f64() + materials.seconds_trained(method),
            predict: fitted.elapsed().as_secs_f64(),
        };
        Ok(Scored {
            predicted: logits.top_classes(),
            parameters: chosen.parameters,
            is_tuned: chosen.is_tuned,
            use_class_names: chosen.use_class_names,
            seconds,
        })
    }
}
