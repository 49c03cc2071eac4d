//! Comparing methods on labelled photos that none of them has seen.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Instant;

use super::adapted::{AdaptedEncoder, AdapterSpec, SupportRows};
use super::learned_text::learned_text;
use super::parts::PartRows;
use super::tune_apart::tune_apart;
use super::{Engine, EngineError, prompts};
use crate::features::{Features, Matrix};
use crate::image_io::ContentHash;
use crate::methods::grid::{self, Grid};
use crate::methods::metrics::Confusion;
use crate::methods::{
    Knowledge, Method, MethodError, Parameters, Queries, predict_pool, tune_on_support,
};
use crate::progress::Progress;
use crate::support::{SupportSet, groups_of, split};

/// Labelled photos with their features.
#[derive(Clone, Debug, Default)]
pub struct Split {
    /// As the projection gives them, `[n, dim]`.
    pub features: Matrix,
    /// Before the projection, `[n, width]`.
    pub hidden: Option<Matrix>,
    /// Through bottleneck adapters, `[n, dim]`.
    pub bottleneck: Option<Matrix>,
    /// What the tower saw at each place, for CALIP.
    pub parts: Option<PartRows>,
    /// Class of every row.
    pub labels: Vec<usize>,
    /// Content of every row.
    pub hashes: Vec<ContentHash>,
}

impl Split {
    /// The rows with these indices.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            features: self.features.select_rows(rows),
            hidden: self.hidden.as_ref().map(|hidden| hidden.select_rows(rows)),
            bottleneck: self
                .bottleneck
                .as_ref()
                .map(|adapted| adapted.select_rows(rows)),
            parts: self.parts.as_ref().map(|parts| parts.select(rows)),
            labels: rows.iter().map(|row| self.labels[*row]).collect(),
            hashes: rows.iter().map(|row| self.hashes[*row]).collect(),
        }
    }

    /// Adapted rows of unit length.
    fn adapted(&self, encoder: &AdaptedEncoder) -> Result<Features, EngineError> {
        let rows = match &self.bottleneck {
            Some(rows) if encoder.bottleneck().is_some() => rows.clone(),
            _ => encoder.adapt(&self.features, self.hidden.as_ref())?,
        };
        Ok(Features::normalized(rows)?)
    }

    /// Without photos whose content is in `seen`; how many those were.
    #[must_use]
    pub fn without(&self, seen: &HashSet<ContentHash>) -> (Self, usize) {
        let rows: Vec<usize> = (0..self.labels.len())
            .filter(|row| !seen.contains(&self.hashes[*row]))
            .collect();
        let num_left_out = self.labels.len() - rows.len();
        (self.select(&rows), num_left_out)
    }
}

/// How parameters are found.
#[derive(Clone, Debug)]
pub enum Tuning {
    /// The published defaults.
    None,
    /// By leave-one-out on the support set.
    LeaveOneOut,
    /// By the papers' grid on validation photos.
    Validation(Box<Split>),
}

/// What to compare.
pub struct Plan<'a> {
    /// Class names, in the order of the labels.
    pub classes: &'a [String],
    /// Photos to learn from.
    pub support: &'a Split,
    /// Photos to report on.
    pub test: &'a Split,
    /// Photos of each class to learn from; `None`: all.
    pub shots: Option<usize>,
    /// One drawing of shots each.
    pub seeds: &'a [u64],
    /// Which methods.
    pub methods: &'a [Method],
    /// How parameters are found.
    pub tuning: &'a Tuning,
    /// Adapted features for the ++ methods.
    pub adapter: &'a AdapterSpec,
    /// Scale of an adapter file that does not say its own.
    pub adapter_scale: Option<f64>,
}

/// One method with one drawing of shots.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The method.
    pub method: Method,
    /// The drawing.
    pub seed: u64,
    /// Shots of the class that has most.
    pub shots: usize,
    /// Confusion on the test photos, or why there is none.
    pub result: Result<Confusion, String>,
    /// The class predicted for each test photo; empty where the method could not apply.
    pub predicted: Vec<usize>,
    /// The parameters used.
    pub parameters: Parameters,
    /// Tuning, fitting and predicting.
    pub seconds: f64,
    /// The adapted features used, if any.
    pub adapter: Option<String>,
}

impl Engine {
    /// Embeds labelled photos, also through bottleneck adapters where `adapter` is a file.
    pub fn embed_split(
        &self,
        photos: &[(PathBuf, usize)],
        adapter: Option<&AdaptedEncoder>,
        progress: &Progress<'_>,
    ) -> Result<(Split, Vec<(usize, String)>), EngineError> {
        let paths: Vec<PathBuf> = photos.iter().map(|(path, _)| path.clone()).collect();
        let rows = self.embed_all(&paths, None, progress)?;
        let bottleneck = match adapter.and_then(AdaptedEncoder::bottleneck) {
            Some(adapter) => {
                let kept: Vec<PathBuf> = rows
                    .kept
                    .iter()
                    .map(|index| paths[*index].clone())
                    .collect();
                let adapted = self.embed_all(&kept, Some(adapter), progress)?;
                if let Some((index, reason)) = adapted.skipped.first() {
                    let problem = format!("could be read once but not twice ({reason})");
                    return Err(EngineError::Folder {
                        problem,
                        path: kept[*index].clone(),
                    });
                }
                Some(adapted.features)
            }
            None => None,
        };
        let labels = rows.kept.iter().map(|index| photos[*index].1).collect();
        let split = Split {
            features: rows.features,
            hidden: rows.hidden,
            bottleneck,
            parts: None,
            labels,
            hashes: rows.hashes,
        };
        Ok((split, rows.skipped))
    }

    /// Evaluates every method with every seed.
    pub fn evaluate(
        &self,
        plan: &Plan<'_>,
        progress: &Progress<'_>,
    ) -> Result<Vec<Outcome>, EngineError> {
        let texts: Vec<Vec<String>> = plan
            .classes
            .iter()
            .map(|name| vec![prompts::default_prompt(name)])
            .collect();
        let text = self.class_features(texts.iter().map(Vec::as_slice))?;
        let mut outcomes = Vec::new();
        for seed in plan.seeds {
            let support = plan.drawn(*seed);
            let set = support_set(&support, plan.classes.len())?;
            let encoder = self.encoder_for(plan, &support, &set);
            let adapted = encoder.as_ref().map_err(String::clone).and_then(|encoder| {
                let adapt =
                    |split: &Split| split.adapted(encoder).map_err(|error| error.to_string());
                let validation = match plan.tuning {
                    Tuning::Validation(validation) => Some(adapt(validation)?),
                    _ => None,
                };
                Ok(AdaptedRows {
                    unseen: encoder.trained_on().rows_unseen(&support.hashes),
                    keys: adapt(&support)?,
                    test: adapt(plan.test)?,
                    validation,
                    title: encoder.title(),
                })
            });
            let learned = self.learned_for(plan, &set, *seed, progress)?;
            for method in plan.methods {
                progress.check()?;
                let texts = Texts {
                    class: &text,
                    learned: learned.as_ref().map(|(text, _)| text),
                };
                let outcome = plan.outcome(*method, *seed, &set, texts, &adapted, progress)?;
                let learning = learned.as_ref().filter(|_| *method == Method::CoOp);
                outcomes.push(Outcome {
                    seconds: outcome.seconds + learning.map_or(0.0, |(_, seconds)| *seconds),
                    ..outcome
                });
            }
        }
        Ok(outcomes)
    }

    /// Class texts with learned context, where a method asks for them, and the seconds that took.
    fn learned_for(
        &self,
        plan: &Plan<'_>,
        set: &SupportSet,
        seed: u64,
        progress: &Progress<'_>,
    ) -> Result<Option<(Features, f64)>, EngineError> {
        if !plan.methods.contains(&Method::CoOp) || set.is_empty() {
            return Ok(None);
        }
        let parameters = Parameters {
            seed,
            ..Parameters::default()
        };
        let start = Instant::now();
        let text = learned_text(self, plan.classes, set, None, &parameters, progress)?;
        Ok(Some((text, start.elapsed().as_secs_f64())))
    }

    fn encoder_for(
        &self,
        plan: &Plan<'_>,
        support: &Split,
        set: &SupportSet,
    ) -> Result<AdaptedEncoder, String> {
        if !plan.methods.iter().any(|method| method.needs_adapter()) {
            return Err("no adapted features were asked for".to_owned());
        }
        let rows = SupportRows {
            support: set,
            hidden: support.hidden.as_ref(),
        };
        AdaptedEncoder::new(plan.adapter, plan.adapter_scale, self, Some(rows))
            .map_err(|error| error.to_string())
    }
}

/// Class texts, `[num_classes, dim]`.
#[derive(Clone, Copy)]
struct Texts<'a> {
    class: &'a Features,
    learned: Option<&'a Features>,
}

/// Adapted features of all photos of one drawing.
struct AdaptedRows {
    /// Shots that did not train the adapter, where some did.
    unseen: Option<Vec<usize>>,
    keys: Features,
    test: Features,
    validation: Option<Features>,
    title: String,
}

impl Plan<'_> {
    /// The shots of one drawing.
    fn drawn(&self, seed: u64) -> Split {
        let Some(shots) = self.shots else {
            return self.support.clone();
        };
        let labels: Vec<Option<usize>> = self.support.labels.iter().copied().map(Some).collect();
        self.support.select(&split::sample_shots(
            &labels,
            self.classes.len(),
            shots,
            seed,
        ))
    }

    fn outcome(
        &self,
        method: Method,
        seed: u64,
        set: &SupportSet,
        texts: Texts<'_>,
        adapted: &Result<AdaptedRows, String>,
        progress: &Progress<'_>,
    ) -> Result<Outcome, EngineError> {
        let start = Instant::now();
        let shots = set.shots_per_class().into_iter().max().unwrap_or(0);
        let outcome = |result, parameters, adapter, predicted| Outcome {
            method,
            seed,
            shots,
            result,
            predicted,
            parameters,
            seconds: start.elapsed().as_secs_f64(),
            adapter,
        };
        let adapted = match (method.needs_adapter(), adapted) {
            (false, _) => None,
            (true, Ok(adapted)) => Some(adapted),
            (true, Err(reason)) => {
                return Ok(outcome(
                    Err(reason.clone()),
                    Parameters::default(),
                    None,
                    Vec::new(),
                ));
            }
        };
        let knowledge = Knowledge {
            learned_text: texts.learned,
            has_parts: self.test.parts.is_some(),
            ..Knowledge::new(set, texts.class)
                .with_adapted_keys(adapted.map(|adapted| &adapted.keys))
        };
        let test = Features::normalized(self.test.features.clone())?;
        let queries = Queries {
            adapted: adapted.map(|adapted| &adapted.test),
            parts: self.test.parts.as_ref().map(PartRows::parts),
            ..Queries::new(&test)
        };
        let scored = self
            .parameters(method, &knowledge, adapted, progress)
            .and_then(|parameters| {
                let logits = predict_pool(method, &parameters, &knowledge, queries, progress)?;
                Ok((logits.top_classes(), parameters))
            });
        let title = adapted.map(|adapted| adapted.title.clone());
        match scored {
            Ok((predicted, parameters)) => {
                let confusion = Confusion::new(&self.test.labels, &predicted, self.classes.len());
                Ok(outcome(Ok(confusion), parameters, title, predicted))
            }
            Err(EngineError::Cancelled(cancelled)) => Err(cancelled.into()),
            Err(error) => Ok(outcome(
                Err(error.to_string()),
                Parameters::default(),
                title,
                Vec::new(),
            )),
        }
    }

    /// Never from the test photos.
    fn parameters(
        &self,
        method: Method,
        knowledge: &Knowledge<'_>,
        adapted: Option<&AdaptedRows>,
        progress: &Progress<'_>,
    ) -> Result<Parameters, EngineError> {
        let defaults = method.default_parameters();
        match self.tuning {
            // Tuning for the other methods is still to come; they are compared at their published defaults.
            _ if !method.is_live() => Ok(defaults),
            Tuning::None => Ok(defaults),
            Tuning::LeaveOneOut if adapted.is_some_and(|adapted| adapted.unseen.is_some()) => {
                let unseen = adapted.and_then(|adapted| adapted.unseen.as_deref());
                tune_apart(method, knowledge, unseen.unwrap_or_default(), progress)
            }
            Tuning::LeaveOneOut => {
                Ok(tune_on_support(method, &defaults, knowledge, progress)?.parameters)
            }
            Tuning::Validation(validation) => {
                let original = Features::normalized(validation.features.clone())?;
                let adapted = adapted.and_then(|adapted| adapted.validation.as_ref());
                let queries = Queries {
                    adapted,
                    ..Queries::new(&original)
                };
                let grid = if method.needs_adapter() {
                    Grid::imo()
                } else {
                    Grid::named("tip-adapter").unwrap_or_else(|_unknown| Grid::imo())
                };
                let tuned = grid::tune(
                    method,
                    &defaults,
                    knowledge,
                    queries,
                    &validation.labels,
                    &grid,
                    progress,
                );
                Ok(tuned
                    .map_err(|error: MethodError| EngineError::Method(error))?
                    .parameters)
            }
        }
    }
}

/// The support set of a split; exact duplicates share a group.
pub fn support_set(support: &Split, num_classes: usize) -> Result<SupportSet, EngineError> {
    let groups = groups_of(support.hashes.iter());
    let features = Features::normalized(support.features.clone())?;
    Ok(SupportSet::new(
        features,
        support.labels.clone(),
        num_classes,
        groups,
    )?)
}
