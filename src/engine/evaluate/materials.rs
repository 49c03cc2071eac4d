//! What every method learns from in one drawing of shots.

use super::{Plan, Split};
use crate::engine::adapted::{AdaptedEncoder, SupportRows};
use crate::engine::{Engine, EngineError};
use crate::features::Features;
use crate::methods::{Knowledge, Method, Prompts, Queries, Views};
use crate::support::SupportSet;

/// What stays the same whatever shots are drawn.
pub(super) struct Common {
    /// One text feature a class.
    pub(super) text: Features,
    /// Every prompt by itself.
    pub(super) prompts: Prompts,
    /// Photos to report on.
    pub(super) test: Features,
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
    /// Texts with learnt context: what trains them puts them here.
    learned_text: Option<Features>,
}

/// Adapted features of all photos of one drawing.
struct Adapted {
    keys: Features,
    views: Option<Features>,
    test: Features,
    validation: Option<Features>,
    title: String,
}

impl Materials {
    /// Makes adapted features where a method of the plan needs them.
    pub(super) fn new(
        engine: &Engine,
        plan: &Plan<'_>,
        drawn: &Split,
    ) -> Result<Self, EngineError> {
        let num_classes = plan.classes.len();
        let support = drawn.support_set(num_classes)?;
        let needs_adapter = plan.methods.iter().any(|method| method.needs_adapter());
        let adapted = if needs_adapter {
            adapted(engine, plan, drawn, &support).map_err(|error| error.to_string())
        } else {
            Err("no adapted features were asked for".to_owned())
        };
        Ok(Self {
            views: drawn.view_set(num_classes)?,
            support,
            adapted,
            learned_text: None,
        })
    }

    /// What `method` learns from.
    ///
    /// # Errors
    /// Why there are no adapted features, for a method that needs them.
    pub(super) fn knowledge<'a>(
        &'a self,
        method: Method,
        common: &'a Common,
    ) -> Result<Knowledge<'a>, String> {
        let adapted = self.adapted_for(method)?;
        let views = self.views.as_ref().map(|original| Views {
            original,
            adapted: adapted.and_then(|adapted| adapted.views.as_ref()),
        });
        Ok(Knowledge {
            adapted_keys: adapted.map(|adapted| &adapted.keys),
            prompts: Some(&common.prompts),
            views,
            learned_text: self.learned_text.as_ref(),
            ..Knowledge::new(&self.support, &common.text)
        })
    }

    /// The photos to report on.
    pub(super) fn test<'a>(&'a self, method: Method, common: &'a Common) -> Queries<'a> {
        let adapted = self.adapted_for(method).ok().flatten();
        Queries {
            adapted: adapted.map(|adapted| &adapted.test),
            ..Queries::new(&common.test)
        }
    }

    /// The photos to tune on, where there are some.
    pub(super) fn validation<'a>(
        &'a self,
        method: Method,
        common: &'a Common,
    ) -> Option<Queries<'a>> {
        let adapted = self.adapted_for(method).ok().flatten();
        Some(Queries {
            adapted: adapted.and_then(|adapted| adapted.validation.as_ref()),
            ..Queries::new(common.validation.as_ref()?)
        })
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
        keys: drawn.rows.adapted(&encoder)?,
        views: drawn.adapted_views(&encoder)?,
        test: plan.test.rows.adapted(&encoder)?,
        validation: validation
            .map(|split| split.rows.adapted(&encoder))
            .transpose()?,
        title: encoder.title(),
    })
}
