//! The classifier file: a fitted method in one safetensors file, for this program and for others.
//!
//! Tensors (f32 rows of unit length unless said): `support` `[n, dim]`, `labels` and `groups` `[n]` i64, `text`
//! `[num_classes, dim]`; `support_imo` `[n, adapted_dim]` for the ++ methods; `weights` `[num_classes, dim]`, `bias`
//! `[num_classes]` and perhaps `weights_imo` where the method is one linear map; `cache_text`, `cache_keys`, `cache_labels`
//! and `votes` where training has left a cache; `projection` `[adapted_dim, in_dim]` where the adapter is a matrix.

use std::path::{Path, PathBuf};

use safetensors::SafeTensorError;

use super::adapter_words::{self, StoredAdapter};
use super::file_error::ClassifierFileError;
use super::parameter_words;
use super::tensors::{Content, Tensors};
use super::{PhotoClassifier, Recipe};
use crate::engine::{Engine, EngineError};
use crate::features::Features;
use crate::methods::calibration::Calibration;
use crate::methods::stored::{CacheClassifier, Linear, LinearClassifier};
use crate::methods::{self, Classifier, Knowledge, Method, Monitor, TrainedCache};
use crate::project::locations::write_atomically;
use crate::support::SupportSet;

/// What the metadata calls the format.
const FORMAT: &str = "shotlens-classifier";

/// The version that is written, and the newest that is read.
const VERSION: u32 = 1;

/// A classifier file in memory, before it is known to fit a model.
pub struct ClassifierFile {
    path: PathBuf,
    recipe: Recipe,
    linear: Option<Linear>,
    cache: Option<TrainedCache>,
    adapter: Option<StoredAdapter>,
    model: String,
    model_hash: String,
    preprocess: String,
}

impl PhotoClassifier {
    /// Writes a classifier that was made with `engine`, whole or not at all.
    pub fn write(&self, path: &Path, engine: &Engine) -> Result<(), ClassifierFileError> {
        let io = |source| ClassifierFileError::Io {
            doing: "written",
            source,
            path: path.to_owned(),
        };
        let bytes = self
            .tensors(engine)
            .bytes()
            .map_err(|error: SafeTensorError| io(std::io::Error::other(error)))?;
        write_atomically(path, &bytes).map_err(io)
    }

    fn tensors(&self, engine: &Engine) -> Tensors {
        let (recipe, mut file) = (&self.recipe, Tensors::default());
        file.matrix("support", recipe.support.features().matrix());
        file.indices("labels", recipe.support.labels());
        file.indices("groups", recipe.support.groups());
        file.matrix("text", recipe.text.matrix());
        if let Some(keys) = &recipe.adapted_keys {
            file.matrix("support_imo", keys.matrix());
        }
        if let Some(linear) = self.fitted.linear() {
            file.matrix("weights", &linear.weights);
            file.numbers("bias", &linear.biases);
            if let Some(weights) = &linear.adapted_weights {
                file.matrix("weights_imo", weights);
            }
        }
        if let Some(cache) = self.fitted.trained_cache() {
            file.matrix("cache_text", &cache.text);
            file.matrix("cache_keys", &cache.keys);
            file.indices("cache_labels", &cache.labels);
            file.numbers("votes", &cache.votes);
        }
        file.word("format", FORMAT);
        file.word("version", VERSION.to_string());
        file.word("shotlens", env!("CARGO_PKG_VERSION"));
        file.word("method", recipe.method.name());
        file.word("parameters", parameter_words::text(&recipe.parameters));
        file.word("trained_with", parameter_words::text(&recipe.trained_with));
        file.word("use_class_names", recipe.use_class_names.to_string());
        file.word("temperature", recipe.calibration.temperature.to_string());
        file.word("calibrated", recipe.calibration.is_fitted.to_string());
        file.word("classes", serde_json::json!(recipe.classes).to_string());
        file.word("model", engine.model_line());
        file.word("base_model_hash", engine.clip().hash());
        file.word("preprocess", engine.clip().preprocess().id());
        adapter_words::write(&mut file, self.adapter.as_ref());
        file
    }
}

impl ClassifierFile {
    /// Reads a file, without a model.
    pub fn read(path: &Path) -> Result<Self, ClassifierFileError> {
        let bytes = std::fs::read(path).map_err(|source| ClassifierFileError::Io {
            doing: "read",
            source,
            path: path.to_owned(),
        })?;
        let no_classifier = |problem| ClassifierFileError::NotAClassifier {
            problem,
            path: path.to_owned(),
        };
        let content = Content::parse(&bytes).map_err(no_classifier)?;
        let found = version(&content).map_err(no_classifier)?;
        if found > VERSION {
            return Err(ClassifierFileError::NewerVersion {
                found,
                known: VERSION,
                path: path.to_owned(),
            });
        }
        Self::parse(&content, path).map_err(no_classifier)
    }

    fn parse(content: &Content<'_>, path: &Path) -> Result<Self, String> {
        let recipe = recipe(content)?;
        let linear = match content.matrix_if_there("weights")? {
            Some(weights) => Some(Linear {
                weights,
                adapted_weights: content.matrix_if_there("weights_imo")?,
                biases: content.numbers("bias")?,
            }),
            None => None,
        };
        let cache = match content.matrix_if_there("cache_keys")? {
            Some(keys) => Some(TrainedCache {
                text: content.matrix("cache_text")?,
                keys,
                labels: content.indices("cache_labels")?,
                votes: content.numbers("votes")?,
            }),
            None => None,
        };
        check_shapes(&recipe, linear.as_ref(), cache.as_ref())?;
        Ok(Self {
            path: path.to_owned(),
            adapter: adapter_words::read(content)?,
            model: content.word("model")?.to_owned(),
            model_hash: content.word("base_model_hash")?.to_owned(),
            preprocess: content.word("preprocess")?.to_owned(),
            recipe,
            linear,
            cache,
        })
    }

    /// Class names, in the order of the logits.
    pub fn classes(&self) -> &[String] {
        &self.recipe.classes
    }

    /// The classifier, if `engine` has the model that it was made with.
    pub fn open(self, engine: &Engine) -> Result<PhotoClassifier, EngineError> {
        self.check_model(engine)?;
        let adapter = match &self.adapter {
            Some(adapter) => Some(adapter.open(&self.path, engine)?),
            None => None,
        };
        let fitted = self.fitted()?;
        Ok(PhotoClassifier {
            recipe: self.recipe,
            adapter,
            fitted,
        })
    }

    fn check_model(&self, engine: &Engine) -> Result<(), ClassifierFileError> {
        let (theirs, ours) = (&self.model_hash, engine.clip().hash());
        if theirs != ours {
            let name = self.model.split(" sha256:").next().unwrap_or_default();
            return Err(ClassifierFileError::OtherModel {
                theirs: short(name, theirs),
                ours: short(engine.name(), ours),
                remedy: name.to_owned(),
                path: self.path.clone(),
            });
        }
        let ours = engine.clip().preprocess().id();
        if self.preprocess != ours {
            return Err(ClassifierFileError::OtherPreprocess {
                theirs: self.preprocess.clone(),
                ours,
                path: self.path.clone(),
            });
        }
        Ok(())
    }

    /// What was kept of the method, or for closed forms the method fitted once more.
    fn fitted(&self) -> Result<Box<dyn Classifier>, EngineError> {
        let recipe = &self.recipe;
        let parameters = &recipe.parameters;
        if let Some(linear) = &self.linear {
            return Ok(Box::new(LinearClassifier::new(
                recipe.method,
                linear.clone(),
            )));
        }
        if let Some(cache) = &self.cache {
            let (alpha, beta) = (parameters.alpha, parameters.beta);
            return Ok(Box::new(CacheClassifier::new(cache.clone(), alpha, beta)));
        }
        let knowledge = Knowledge {
            has_parts: recipe.method == Method::Calip,
            use_class_names: recipe.use_class_names,
            ..Knowledge::new(&recipe.support, &recipe.text)
                .with_adapted_keys(recipe.adapted_keys.as_ref())
        };
        Ok(methods::fit_tuned(
            recipe.method,
            &recipe.trained_with,
            parameters,
            &knowledge,
            &Monitor::silent(),
        )?)
    }
}

fn version(content: &Content<'_>) -> Result<u32, String> {
    if content.word("format")? != FORMAT {
        return Err(format!("its format is not {FORMAT}"));
    }
    let version = content.word("version")?;
    version
        .parse()
        .map_err(|_not_a_number| format!("its version is {version:?}"))
}

fn recipe(content: &Content<'_>) -> Result<Recipe, String> {
    let features = |name| Features::normalized(content.matrix(name)?).map_err(|e| e.to_string());
    let classes: Vec<String> = serde_json::from_str(content.word("classes")?)
        .map_err(|error| format!("its classes are no list of names: {error}"))?;
    let (labels, groups) = (content.indices("labels")?, content.indices("groups")?);
    let support = SupportSet::new(features("support")?, labels, classes.len(), groups)
        .map_err(|error| error.to_string())?;
    let adapted_keys = match content.matrix_if_there("support_imo")? {
        Some(keys) => Some(Features::normalized(keys).map_err(|error| error.to_string())?),
        None => None,
    };
    let temperature = content.word("temperature")?;
    let temperature: f32 = temperature
        .parse()
        .ok()
        .filter(|number: &f32| *number > 0.0 && number.is_finite())
        .ok_or_else(|| format!("its temperature is {temperature:?}"))?;
    Ok(Recipe {
        classes,
        method: Method::from_name(content.word("method")?).map_err(|error| error.to_string())?,
        parameters: parameter_words::parse(content.word("parameters")?)?,
        trained_with: parameter_words::parse(content.word("trained_with")?)?,
        use_class_names: content.word("use_class_names")? == "true",
        calibration: Calibration {
            temperature,
            is_fitted: content.word("calibrated")? == "true",
        },
        text: features("text")?,
        support,
        adapted_keys,
    })
}

/// Refuses tensors that do not fit together, which would be met only when photos are scored.
fn check_shapes(
    recipe: &Recipe,
    linear: Option<&Linear>,
    cache: Option<&TrainedCache>,
) -> Result<(), String> {
    let (num_classes, dim) = (recipe.classes.len(), recipe.text.dim());
    let mut is_whole = num_classes > 0 && recipe.text.len() == num_classes;
    if let Some(linear) = linear {
        let rows = [Some(&linear.weights), linear.adapted_weights.as_ref()];
        is_whole &= rows.into_iter().flatten().all(|w| w.rows() == num_classes);
        is_whole &= linear.biases.len() == num_classes && linear.weights.cols() == dim;
    }
    if let Some(cache) = cache {
        is_whole &= cache.keys.rows() == cache.labels.len() && cache.keys.cols() == dim;
        is_whole &= cache.votes.len() == cache.labels.len() && cache.text.cols() == dim;
        is_whole &= cache.text.rows() == num_classes;
        is_whole &= cache.labels.iter().all(|label| *label < num_classes);
    }
    is_whole
        .then_some(())
        .ok_or_else(|| "its tensors do not fit together".to_owned())
}

/// A model for people: its name and the start of its hash.
fn short(name: &str, hash: &str) -> String {
    let start = hash.get(..12).unwrap_or(hash);
    format!("{name} ({start}…)")
}
