//! Few-shot classification on features: labelled rows and class texts in, logits out.
//!
//! A [`Method`] is fitted on [`Knowledge`] with [`Parameters`] and gives a [`Classifier`]; [`fit`] is the one entrance.
//! No tensors, no pixels, no files: everything here can be tested with made-up features.
//! Formulas and their sources are in the modules of the methods; all follow the notation of their papers:
//! `x` a query, `F` the keys (support features), `L` their one-hot labels, `W` the class texts, all rows of unit length.

mod ape;
pub mod calibration;
mod calip;
pub mod evidence;
mod gda;
pub mod grid;
mod keys;
mod lanes;
pub mod leave_one_out;
mod linear_algebra;
mod lines;
mod method;
pub mod metrics;
pub mod overlap;
pub mod presets;
pub mod projection;
mod proker;
mod published;
pub mod reliability;
mod ridge;
mod rows;
pub mod stored;
pub mod surface;
mod timo;
mod tip_adapter;
mod tip_x;
mod training;
mod weighted_sums;
mod zero_shot;

use crate::features::{Features, Logits};
use crate::progress::{Cancelled, Progress};
use crate::support::SupportSet;

pub use evidence::{Evidence, Reading, Weighing, gather_evidence, gather_readings};
pub use leave_one_out::{HeldOut, LeaveOneOut, Protocol, tune_on_support};
pub use method::{Family, Method, Parameter, ParameterRange, Parameters, UnknownMethod};
pub use tip_x::SignatureRange;
pub use training::{Monitor, TrainStep, TrainedCache};

/// The fixed factor on cosines of photo and text that all the papers' code uses.
pub const LOGIT_SCALE: f32 = 100.0;

/// Why a method cannot be fitted or cannot score.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum MethodError {
    /// A ++ method without adapted features of the support photos or of the queries.
    #[error("{} needs adapted features of the {what}: choose an adapter, IsoCLIP or PCA", .method.title())]
    NoAdaptedFeatures {
        /// The method.
        method: Method,
        /// "support photos" or "queries".
        what: &'static str,
    },
    /// Features of different lengths, as from different models.
    #[error(
        "features of the {what} have {got} numbers, those of the support photos {expected}: they come from different models"
    )]
    Dimension {
        /// Whose features.
        what: &'static str,
        /// Their length.
        got: usize,
        /// The length they should have.
        expected: usize,
    },
    /// Another number of rows than there should be.
    #[error("{got} {what} where {expected} are needed")]
    Rows {
        /// What there are too few or too many of.
        what: &'static str,
        /// How many there are.
        got: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A search asked of a method with nothing that a search could vary without training anew.
    #[error("{} scores at fixed parameters only; leave out tuning", .method.title())]
    FixedOnly {
        /// The method.
        method: Method,
    },
    /// One prompt a class where several are weighed against each other.
    #[error(
        "{} weighs several prompts of each class, and the class with fewest has {fewest}: add prompts, or load them from a file",
        .method.title()
    )]
    TooFewPrompts {
        /// The method.
        method: Method,
        /// Prompts of the class that has fewest.
        fewest: usize,
    },
    /// A method that looks at parts of photos, with a model that gives none.
    #[error(
        "{} looks at parts of a photo, which only CLIP's ResNets give: choose RN50 or RN101",
        .method.title()
    )]
    NoParts {
        /// The method.
        method: Method,
    },
    /// A method whose texts are learnt first.
    #[error("{} needs texts with learnt context, which training through the text tower gives", .method.title())]
    NoLearnedText {
        /// The method.
        method: Method,
    },
    /// Nothing to learn from.
    #[error("{} needs {needed}", .method.title())]
    TooFewShots {
        /// The method.
        method: Method,
        /// What it needs at least, in words.
        needed: &'static str,
    },
    /// A parameter without a finite value.
    #[error("{what} is {number}, where a finite number is needed")]
    NoNumber {
        /// Which parameter.
        what: &'static str,
        /// Its value: NaN or infinite.
        number: f32,
    },
    /// More photos than a method can take at once.
    #[error("{} solves for all photos at once, and {got} are more than the {most} that it can take: leave some out", .method.title())]
    TooManyShots {
        /// The method.
        method: Method,
        /// Photos there are.
        got: usize,
        /// Photos it can take.
        most: usize,
    },
    /// Training blew up.
    #[error("the training of {} diverged: take a lower learning rate, or a smaller α or β", .method.title())]
    Diverged {
        /// The method.
        method: Method,
    },
    /// A decomposition did not succeed: the features hold NaN or are all equal.
    #[error("the {what} of the features cannot be computed: they hold no number, or are all alike")]
    Decomposition {
        /// Which decomposition.
        what: &'static str,
    },
    /// More is cut off than there is.
    #[error("cutting {top} and {bottom} directions leaves nothing of {available}")]
    Cut {
        /// Leading directions to drop.
        top: usize,
        /// Trailing directions to drop.
        bottom: usize,
        /// Directions there are.
        available: usize,
    },
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Every prompt of every class by itself, where a method weighs them.
#[derive(Clone, Debug)]
pub struct Prompts {
    /// One row for each prompt, `[num_prompts, dim]`.
    pub features: Features,
    /// The class of every row, ascending.
    pub classes: Vec<usize>,
}

/// Augmented views of the support photos: several rows a photo, all of one group.
#[derive(Clone, Copy, Debug)]
pub struct Views<'a> {
    /// Original features; groups are numbered as in [`Knowledge::support`], so that a photo's views are known.
    pub original: &'a SupportSet,
    /// The same rows through the adapted encoder, for the ++ methods.
    pub adapted: Option<&'a Features>,
}

/// What a method learns from.
#[derive(Clone, Copy, Debug)]
pub struct Knowledge<'a> {
    /// Labelled photos, original features; one row a photo (with views: their mean).
    pub support: &'a SupportSet,
    /// The same rows through the adapted encoder, for the ++ methods; may have another length than the originals.
    pub adapted_keys: Option<&'a Features>,
    /// One text feature for each class, `[num_classes, dim]`.
    pub text: &'a Features,
    /// The prompts behind `text`, for TIMO.
    pub prompts: Option<&'a Prompts>,
    /// Augmented views behind `support`, for the methods that use every view by itself.
    pub views: Option<Views<'a>>,
    /// Class texts with learnt context, `[num_classes, dim]`, for `CoOp`.
    pub learned_text: Option<&'a Features>,
    /// Whether the model gives parts of photos, which CALIP looks at.
    pub has_parts: bool,
    /// Whether the zero-shot term counts; without it the photos alone decide.
    pub use_class_names: bool,
}

impl<'a> Knowledge<'a> {
    /// Everything a method without adapter needs, with class names.
    pub fn new(support: &'a SupportSet, text: &'a Features) -> Self {
        Self {
            support,
            adapted_keys: None,
            text,
            prompts: None,
            views: None,
            learned_text: None,
            has_parts: false,
            use_class_names: true,
        }
    }

    /// The same with adapted keys for the ++ methods.
    #[must_use]
    pub fn with_adapted_keys(self, adapted_keys: Option<&'a Features>) -> Self {
        Self {
            adapted_keys,
            ..self
        }
    }

    /// The cache keys of `method`: adapted features for the ++ methods, original ones for the others.
    pub(crate) fn keys_for(&self, method: Method) -> Result<&'a Features, MethodError> {
        let support = self.support;
        if self.text.len() != support.num_classes() {
            return Err(MethodError::Rows {
                what: "class texts",
                got: self.text.len(),
                expected: support.num_classes(),
            });
        }
        if !support.is_empty() && self.text.dim() != support.features().dim() {
            return Err(MethodError::Dimension {
                what: "class texts",
                got: self.text.dim(),
                expected: support.features().dim(),
            });
        }
        if !method.needs_adapter() {
            return Ok(support.features());
        }
        let keys = self.adapted_keys.ok_or(MethodError::NoAdaptedFeatures {
            method,
            what: "support photos",
        })?;
        if keys.len() != support.len() {
            return Err(MethodError::Rows {
                what: "adapted support photos",
                got: keys.len(),
                expected: support.len(),
            });
        }
        Ok(keys)
    }
}

/// Photos to be scored.
#[derive(Clone, Copy, Debug)]
pub struct Queries<'a> {
    /// Original features, `[num_queries, dim]`.
    pub original: &'a Features,
    /// The same photos through the adapted encoder, for the ++ methods.
    pub adapted: Option<&'a Features>,
    /// What the tower saw at each place of the photos, for CALIP.
    pub parts: Option<Parts<'a>>,
}

/// Features of the parts of photos.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Photo after photo, `[num_queries · num_parts, dim]`.
    pub features: &'a Features,
    /// Parts of each photo: 49 for CLIP's `ResNets` at 224 pixels.
    pub num_parts: usize,
}

impl<'a> Queries<'a> {
    /// Photos without adapted features.
    pub fn new(original: &'a Features) -> Self {
        Self {
            original,
            adapted: None,
            parts: None,
        }
    }
}

/// A fitted method.
pub trait Classifier: Send + Sync {
    /// Logits of the queries, `[num_queries, num_classes]`: in chunks, in parallel, reporting finished queries.
    fn predict(&self, queries: Queries<'_>, progress: &Progress<'_>)
    -> Result<Logits, MethodError>;

    /// What the queries show, for sliders to weigh as [`Self::weighing`] says; without a way to weigh anew, the logits.
    ///
    /// `hidden`: for every query the keys of a cache that do not vote for it, or nothing at all.
    fn read(
        &self,
        queries: Queries<'_>,
        _hidden: &[&[usize]],
    ) -> Result<Vec<Reading>, MethodError> {
        Ok(evidence::logits_as_readings(&self.logits(queries)?))
    }

    /// What sliders do with what [`Self::read`] gives.
    fn weighing(&self) -> Weighing {
        Weighing::Fixed
    }

    /// The same at other values of the parameters that the method follows without a fit ([`Method::follows`]); `None` where
    /// it follows none.
    fn at(&self, _parameters: &Parameters) -> Option<Box<dyn Classifier>> {
        None
    }

    /// The cache that training has left, for searches over α and β; `None` for other methods.
    fn trained_cache(&self) -> Option<TrainedCache> {
        None
    }

    /// The one linear map that it is, if it is one.
    fn linear(&self) -> Option<stored::Linear> {
        None
    }

    /// Logits of the queries, `[num_queries, num_classes]`.
    fn logits(&self, queries: Queries<'_>) -> Result<Logits, MethodError> {
        self.predict(queries, &Progress::silent())
    }
}

/// Whether `method` can be fitted on this, without fitting it: the error says the reason and the remedy.
pub fn check(method: Method, knowledge: &Knowledge<'_>) -> Result<(), MethodError> {
    knowledge.keys_for(method)?;
    let support = knowledge.support;
    if support.is_empty() && method != Method::ZeroShot && method != Method::Calip {
        return Err(MethodError::TooFewShots {
            method,
            needed: "a labelled photo: drop some on a class, or turn on “Learn from my labels”",
        });
    }
    if matches!(method, Method::Gda | Method::GdaPp) {
        let views = knowledge.rows_for(method)?.original;
        if views.rows_per_class().into_iter().all(|rows| rows < 2) {
            return Err(MethodError::TooFewShots {
                method,
                needed: "two photos of a class, or several views of each photo: add shots, or switch views on",
            });
        }
    }
    if matches!(method, Method::Timo | Method::TimoS) {
        let fewest = knowledge.fewest_prompts();
        if fewest < 2 {
            return Err(MethodError::TooFewPrompts { method, fewest });
        }
    }
    if method == Method::Calip && !knowledge.has_parts {
        return Err(MethodError::NoParts { method });
    }
    if method == Method::CoOp && knowledge.learned_text.is_none() {
        return Err(MethodError::NoLearnedText { method });
    }
    Ok(())
}

/// Fits `method`: in closed form, or by training that nobody watches.
pub fn fit(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
) -> Result<Box<dyn Classifier>, MethodError> {
    fit_watched(method, parameters, knowledge, &Monitor::silent())
}

/// [`fit`], telling `monitor` every step of a training; a training that is cancelled gives its best state so far.
pub fn fit_watched(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    monitor: &Monitor<'_>,
) -> Result<Box<dyn Classifier>, MethodError> {
    let classifier: Box<dyn Classifier> = match method {
        Method::ZeroShot => Box::new(zero_shot::ZeroShot::fit(knowledge)?),
        Method::CoOp => Box::new(zero_shot::ZeroShot::fit_learned(knowledge)?),
        Method::TipAdapter | Method::TipAdapterPp => {
            Box::new(tip_adapter::TipAdapter::fit(method, parameters, knowledge)?)
        }
        Method::TipX | Method::TipXPp => Box::new(tip_x::TipX::fit(method, parameters, knowledge)?),
        Method::Ape | Method::ApePp => Box::new(ape::Ape::fit(method, parameters, knowledge)?),
        Method::Gda | Method::GdaPp => Box::new(gda::fit(method, parameters, knowledge)?),
        Method::ProKeR | Method::ProKeRPp => {
            Box::new(proker::ProKeR::fit(method, parameters, knowledge)?)
        }
        Method::Timo | Method::TimoS => {
            check(method, knowledge)?;
            Box::new(timo::fit(method, parameters, knowledge)?)
        }
        Method::Calip => Box::new(calip::Calip::fit(parameters, knowledge)?),
        Method::TipAdapterF
        | Method::ApeT
        | Method::ClipAdapter
        | Method::LpPlusPlus
        | Method::TaskRes => training::fit(method, parameters, knowledge, monitor)?,
    };
    Ok(classifier)
}

/// The method as [`tune_on_support`] judged it: fitted at `tuned`, or trained at `parameters` and weighed as `tuned`.
pub fn fit_tuned(
    method: Method,
    parameters: &Parameters,
    tuned: &Parameters,
    knowledge: &Knowledge<'_>,
    monitor: &Monitor<'_>,
) -> Result<Box<dyn Classifier>, MethodError> {
    if !method.is_trained() {
        return fit(method, tuned, knowledge);
    }
    let trained = fit_watched(method, parameters, knowledge, monitor)?;
    Ok(match trained.at(tuned) {
        Some(weighed) => weighed,
        None => trained,
    })
}

/// Scores a whole pool: [`fit`], then [`Classifier::predict`].
pub fn predict_pool(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    queries: Queries<'_>,
    progress: &Progress<'_>,
) -> Result<Logits, MethodError> {
    fit(method, parameters, knowledge)?.predict(queries, progress)
}
