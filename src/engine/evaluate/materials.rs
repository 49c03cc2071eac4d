//! What every method learns from in one drawing of shots.

use std::time::Instant;

use super::{Drawing, Plan, Split};
use crate::engine::adapted::{AdaptedEncoder, SupportRows};
use crate::engine::learned_text::learned_text;
use crate::engine::parts::PartRows;
use crate::engine::{Engine, EngineError};
use crate::features::Features;
use crate::methods::{Knowledge, Method, Parameters, Prompts, Queries, Views};
use crate::progress::Progress;
use crate::support::SupportSet;

/// What stays the same whatever shots are drawn.
pub(super) struct Common<'a> {
    /// One text feature a class.
    pub(super) text: Features,
    /// Every prompt by itself.
    pub(super) prompts: Prompts,
    /// Photos to report on.
    pub(super) test: Features,
    /// Their parts, where there are some.
    pub(super) parts: Option<&'a PartRows>,
    /// Photos to tune on.
    pub(super) validation: Option<Features>,
}

/// One drawing of shots.
pub(super) struct Materials {
    /// One row a photo.
    pub(super) support: SupportSet,
    /// One row a view.
    views: Option<SupportSet>,
    /// Adapted features, or why there are none.
    adapted: Result<Adapted, String>,
    /// Texts with learnt context, where a method of the plan reads them.
    learned: Option<LearnedText>,
}

/// What `CoOp` learnt.
struct LearnedText {
    /// One text feature a class, or why there are none.
    text: Result<Features, String>,
    /// How long the training took.
    seconds: f64,
}

/// Adapted features of all photos of one drawing.
struct Adapted {
    /// Shots that did not train the adapter, where some did.
    unseen: Option<Vec<usize>>,
    keys: Features,
    views: Option<Features>,
    test: Features,
    validation: Option<Features>,
    title: String,
}

impl Materials {
    /// The photos of one drawing; adapted features and learnt texts where a method of the plan needs them.
    pub(super) fn new(
        engine: &Engine,
        plan: &Plan<'_>,
        drawing: &Drawing,
        progress: &Progress<'_>,
    ) -> Result<Self, EngineError> {
        let drawn = &plan.support.select(&drawing.rows);
        let num_classes = plan.classes.len();
        let support = drawn.support_set(num_classes)?;
        let needs_adapter = plan.methods.iter().any(|method| method.needs_adapter());
        let adapted = if needs_adapter {
            adapted(engine, plan, drawn, &support).map_err(|error| error.to_string())
        } else {
            Err("no adapted features were asked for".to_owned())
        };
        let mut materials = Self {
            views: drawn.view_set(num_classes)?,
            support,
            adapted,
            learned: None,
        };
        if plan.methods.contains(&Method::CoOp) && !materials.support.is_empty() {
            materials.learned = Some(materials.learn(engine, plan.classes, drawing, progress)?);
        }
        Ok(materials)
    }

    fn learn(
        &self,
        engine: &Engine,
        classes: &[String],
        drawing: &Drawing,
        progress: &Progress<'_>,
    ) -> Result<LearnedText, EngineError> {
        let parameters = Parameters {
            seed: drawing.seed,
            ..Parameters::default()
        };
        let (start, views) = (Instant::now(), self.views.as_ref());
        let text = learned_text(engine, classes, &self.support, views, &parameters, progress);
        Ok(LearnedText {
            text: match text {
                Err(EngineError::Cancelled(cancelled)) => return Err(cancelled.into()),
                text => text.map_err(|error| error.to_string()),
            },
            seconds: start.elapsed().as_secs_f64(),
        })
    }

    /// What was trained for `method` before it is fitted, in seconds.
    pub(super) fn seconds_trained(&self, method: Method) -> f64 {
        let learned = self.learned.as_ref().filter(|_| method == Method::CoOp);
        learned.map_or(0.0, |learned| learned.seconds)
    }

    /// What `method` learns from.
    ///
    /// # Errors
    /// Why there are no adapted features or learnt texts, for a method that needs them.
    pub(super) fn knowledge<'a>(
        &'a self,
        method: Method,
        common: &'a Common<'_>,
    ) -> Result<Knowledge<'a>, String> {
        let adapted = self.adapted_for(method)?;
        let learned_text = match &self.learned {
            Some(learned) if method == Method::CoOp => {
                Some(learned.text.as_ref().map_err(String::clone)?)
            }
            _ => None,
        };
        let views = self.views.as_ref().map(|original| Views {
            original,
            adapted: adapted.and_then(|adapted| adapted.views.as_ref()),
        });
        Ok(Knowledge {
            adapted_keys: adapted.map(|adapted| &adapted.keys),
            prompts: Some(&common.prompts),
            views,
            learned_text,
            has_parts: common.parts.is_some(),
            ..Knowledge::new(&self.support, &common.text)
        })
    }

    /// The photos to report on.
    pub(super) fn test<'a>(&'a self, method: Method, common: &'a Common<'_>) -> Queries<'a> {
        let adapted = self.adapted_for(method).ok().flatten();
        Queries {
            adapted: adapted.map(|adapted| &adapted.test),
            parts: common.parts.map(PartRows::parts),
            ..Queries::new(&common.test)
        }
    }

    /// The photos to tune on, where there are some.
    pub(super) fn validation<'a>(
        &'a self,
        method: Method,
        common: &'a Common<'_>,
    ) -> Option<Queries<'a>> {
        let adapted = self.adapted_for(method).ok().flatten();
        Some(Queries {
            adapted: adapted.and_then(|adapted| adapted.validation.as_ref()),
            ..Queries::new(common.validation.as_ref()?)
        })
    }

    /// Shots that did not train the adapter of `method`, where some did.
    pub(super) fn unseen(&self, method: Method) -> Option<&[usize]> {
        self.adapted_for(method).ok()??.unseen.as_deref()
    }

    /// Which adapted features `method` works on, for people.
    pub(super) fn adapter_title(&self, method: Method) -> Option<String> {
        let adapted = self.adapted_for(method).ok().flatten();
        adapted.map(|adapted| adapted.title.clone())
    }

    fn adapted_for(&self, method: Method) -> Result<Option<&Adapted>, String> {
        if !method.needs_adapter() {
            return Ok(None);
        }
        self.adapted.as_ref().map(Some).map_err(String::clone)
    }
}

fn adapted(
    engine: &Engine,
    plan: &Plan<'_>,
    drawn: &Split,
    support: &SupportSet,
) -> Result<Adapted, EngineError> {
    let rows = SupportRows {
        support,
        hidden: drawn.rows.hidden.as_ref(),
    };
    let encoder = AdaptedEncoder::new(plan.adapter, plan.adapter_scale, engine, Some(rows))?;
    let validation = plan.tuning.validation();
    Ok(Adapted {
        unseen: encoder.trained_on().rows_unseen(&drawn.hashes),
        keys: drawn.rows.adapted(&encoder)?,
        views: drawn.adapted_views(&encoder)?,
        test: plan.test.rows.adapted(&encoder)?,
        validation: validation
            .map(|split| split.rows.adapted(&encoder))
            .transpose()?,
        title: encoder.title(),
    })
}
