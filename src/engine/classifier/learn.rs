//! A classifier from labelled photos: tuned by leaving shots out, calibrated, fitted.

use super::{Adapter, PhotoClassifier, Prediction, Recipe, prediction};
use crate::engine::adapted::{AdaptedEncoder, AdapterSpec, SupportRows};
use crate::engine::evaluate::Split;
use crate::engine::learned_text::learned_text;
use crate::engine::prompts::class_means;
use crate::engine::tune_apart::judge_shots;
use crate::engine::{Engine, EngineError};
use crate::features::Features;
use crate::methods::calibration::calibrate_on;
use crate::methods::{
    self, Knowledge, LeaveOneOut, Method, MethodError, Monitor, Parameters, Prompts,
};
use crate::progress::Progress;
use crate::support::SupportSet;

/// What is wanted of a method.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The method.
    pub method: Method,
    /// Its parameters, the fallback where tuning finds nothing.
    pub parameters: Parameters,
    /// Whether to tune them by leave-one-out.
    pub tunes: bool,
    /// Whether the text term counts.
    pub use_class_names: bool,
    /// Whether tuning may leave class names out where the shots do better alone.
    pub may_drop_names: bool,
    /// Adapted features for the ++ methods; `IsoCLIP` where none are named.
    pub adapter: Option<AdapterSpec>,
    /// Scale of an adapter file that does not say its own.
    pub adapter_scale: Option<f64>,
}

impl Wish {
    /// The method at its published parameters for so many shots a class, tuned as `eval` does.
    pub fn tuned(method: Method, shots: usize) -> Self {
        Self {
            method,
            parameters: Parameters::published(method, shots),
            tunes: true,
            use_class_names: true,
            may_drop_names: true,
            adapter: None,
            adapter_scale: None,
        }
    }
}

/// A classifier, and what its shots say of it.
pub struct Learned {
    /// The classifier.
    pub classifier: PhotoClassifier,
    /// The shots, each scored by others.
    pub judged: LeaveOneOut,
}

impl Learned {
    /// What the other shots predict for a row of the support set; `None` where it could not be judged.
    pub fn held_out(&self, row: usize) -> Option<Prediction> {
        let held_out = &self.judged.held_out;
        let index = held_out.rows.binary_search(&row).ok()?;
        let temperature = self.classifier.recipe.calibration.temperature;
        Some(prediction(held_out.logits.0.row(index), temperature))
    }
}

/// What a method learns from, owned.
struct Ground {
    support: SupportSet,
    text: Features,
    prompts: Prompts,
    adapter: Option<Adapter>,
    keys: Option<Features>,
    /// Shots that did not train the adapter, where some did.
    unseen: Option<Vec<usize>>,
    learned_text: Option<Features>,
}

impl Engine {
    /// Fits what `wish` says on labelled photos; `prompts` are the texts of every class, at least one each.
    pub fn learn_classifier(
        &self,
        classes: &[String],
        prompts: &[Vec<String>],
        photos: &Split,
        wish: &Wish,
        progress: &Progress<'_>,
    ) -> Result<Learned, EngineError> {
        let ground = self.ground(classes, prompts, photos, wish, progress)?;
        let mut knowledge = Knowledge {
            prompts: Some(&ground.prompts),
            learned_text: ground.learned_text.as_ref(),
            has_parts: self.clip().num_parts().is_some(),
            use_class_names: wish.use_class_names,
            ..Knowledge::new(&ground.support, &ground.text).with_adapted_keys(ground.keys.as_ref())
        };
        methods::check(wish.method, &knowledge)?;
        let judged = judge(wish, &mut knowledge, ground.unseen.as_deref(), progress)?;
        let (method, trained_with) = (wish.method, wish.parameters);
        let fitted = methods::fit_tuned(
            method,
            &trained_with,
            &judged.parameters,
            &knowledge,
            &Monitor::silent(),
        )?;
        let recipe = Recipe {
            classes: classes.to_vec(),
            method,
            parameters: judged.parameters,
            trained_with,
            use_class_names: knowledge.use_class_names,
            calibration: calibrate_on(method, &judged.held_out),
            text: ground.text,
            support: ground.support,
            adapted_keys: ground.keys,
        };
        let classifier = PhotoClassifier {
            recipe,
            adapter: ground.adapter,
            fitted,
        };
        Ok(Learned { classifier, judged })
    }

    fn ground(
        &self,
        classes: &[String],
        prompts: &[Vec<String>],
        photos: &Split,
        wish: &Wish,
        progress: &Progress<'_>,
    ) -> Result<Ground, EngineError> {
        let prompts = self.prompt_features(prompts.iter().map(Vec::as_slice))?;
        let support = photos.support_set(classes.len())?;
        let adapter = wish.method.needs_adapter();
        let adapter = adapter
            .then(|| self.adapter(wish, photos, &support))
            .transpose()?;
        let encoder = adapter.as_ref().map(|adapter| &adapter.encoder);
        let learned_text = match wish.method {
            Method::CoOp if !support.is_empty() => Some(learned_text(
                self,
                classes,
                &support,
                None,
                &wish.parameters,
                progress,
            )?),
            _ => None,
        };
        Ok(Ground {
            text: class_means(&prompts, classes.len())?,
            keys: encoder
                .filter(|_| !support.is_empty())
                .map(|encoder| photos.rows.adapted(encoder))
                .transpose()?,
            unseen: encoder.and_then(|encoder| encoder.trained_on().rows_unseen(&photos.hashes)),
            prompts,
            support,
            adapter,
            learned_text,
        })
    }

    fn adapter(
        &self,
        wish: &Wish,
        photos: &Split,
        support: &SupportSet,
    ) -> Result<Adapter, EngineError> {
        let spec = wish.adapter.clone().unwrap_or(AdapterSpec::IsoClip(None));
        let rows = SupportRows {
            support,
            hidden: photos.rows.hidden.as_ref(),
        };
        let encoder = AdaptedEncoder::new(&spec, wish.adapter_scale, self, Some(rows))?;
        Ok(Adapter { spec, encoder })
    }
}

/// Parameters and what the shots say at them; `knowledge` may lose its class names where that is better and allowed.
fn judge(
    wish: &Wish,
    knowledge: &mut Knowledge<'_>,
    unseen: Option<&[usize]>,
    progress: &Progress<'_>,
) -> Result<LeaveOneOut, EngineError> {
    let judged = |knowledge: &Knowledge<'_>| {
        let parameters = &wish.parameters;
        match judge_shots(
            wish.method,
            parameters,
            knowledge,
            unseen,
            wish.tunes,
            progress,
        ) {
            Err(MethodError::FixedOnly { .. }) => Ok(LeaveOneOut::untuned(parameters)),
            judged => judged,
        }
    };
    let found = judged(knowledge)?;
    let is_better_alone = found.better_without_names.is_some() && knowledge.use_class_names;
    if wish.may_drop_names && is_better_alone && !wish.method.parameters().is_empty() {
        knowledge.use_class_names = false;
        return Ok(judged(knowledge)?);
    }
    Ok(found)
}
