//! Our figures beside the published ones, where there are some for the same thing.

use super::arguments::{EvalArgs, Tune};
use super::texts::Texts;
use crate::cli::stderr::warn;
use crate::engine::Engine;
use crate::engine::evaluate::Outcome;
use crate::models::published::{PromptKind, Published, Setting, published};

/// What the run can be compared with.
pub(super) struct Comparison {
    dataset: Option<&'static str>,
    model: String,
    prompts: Vec<PromptKind>,
    has_shots: bool,
    has_views: bool,
    is_tuned_on_val: bool,
}

impl Comparison {
    pub(super) fn new(args: &EvalArgs, engine: &Engine, texts: &Texts) -> Self {
        Self {
            dataset: args.dataset.map(|benchmark| benchmark.name),
            model: engine.name().to_owned(),
            prompts: texts.kinds.clone(),
            has_shots: !args.shots.is_empty(),
            has_views: args.views.is_some(),
            is_tuned_on_val: args.tune == Tune::OwnValidation,
        }
    }

    /// The data set, where it is one that figures were published for.
    pub(super) fn dataset(&self) -> Option<&'static str> {
        self.dataset
    }

    /// The published figure for an outcome's setting; `Err`: why those that there are do not count.
    fn look_up(&self, outcome: &Outcome) -> Result<Option<Published>, String> {
        let Some(dataset) = self.dataset else {
            return Ok(None);
        };
        published(&Setting {
            method: outcome.method.name(),
            dataset,
            model: &self.model,
            shots: self.has_shots.then_some(outcome.shots),
            prompts: &self.prompts,
        })
    }

    /// The published figure beside which an outcome may stand.
    pub(super) fn published(&self, outcome: &Outcome) -> Option<Published> {
        self.look_up(outcome).ok().flatten()
    }

    /// Says what cannot be compared, and in what the published runs differed.
    pub(super) fn tell(&self, outcomes: &[Outcome]) {
        for note in self.notes(outcomes) {
            warn(&note);
        }
    }

    /// The same as sentences, each once.
    pub(super) fn notes(&self, outcomes: &[Outcome]) -> Vec<String> {
        let mut notes = Vec::new();
        let mut note = |text: String| {
            if !notes.contains(&text) {
                notes.push(text);
            }
        };
        for outcome in outcomes {
            let name = outcome.method.name();
            match self.look_up(outcome) {
                Err(reason) => note(format!("no comparison for {name}: {reason}")),
                Ok(Some(figure)) => {
                    if figure.has_views && !self.has_views {
                        note("the published caches average ten random views of each photo; --views 10 does".to_owned());
                    }
                    if figure.tuned.is_some_and(|on| on != "val") {
                        let on = figure.tuned.unwrap_or_default();
                        note(format!("the published figure of {name} was tuned on: {on}"));
                    } else if figure.tuned.is_some() && !self.is_tuned_on_val {
                        note("the published figures were tuned on validation photos; --tune val does (for ImageNet on the test photos themselves, which is not done here)".to_owned());
                    }
                }
                Ok(None) => {}
            }
        }
        notes
    }
}
