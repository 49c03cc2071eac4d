//! Tuning on the support set itself: every photo is scored by the others.
//!
//! A photo is hidden with all its views and exact duplicates, and the method is fitted to the rest: by masking for caches,
//! where the sum of its class is scaled by K/(K-1) (by rows, so that views and duplicates count: all rows over those left),
//! in closed form for GDA, `ProKeR` and APE. The highest accuracy wins, ties by the mean log-likelihood of the true class
//! under `softmax(logits / T)` with the method's default T, further ties by the order of the grid (β outside, α inside).
//! Photos of a class with a single shot cannot be judged and are left out; where no class has two, the defaults stay.

mod ape;
mod block;
mod cache;
mod gda;
mod given;
mod parts;
mod proker;
mod refined;
mod refit;
mod search;
mod space;
mod timo;

use rayon::prelude::*;

use self::ape::ApeJudge;
use self::cache::CacheJudge;
use self::given::Given;
use self::parts::Parts;
use self::search::{Best, Counts, Judge};
use self::space::Space;
pub use self::space::{alpha_grid, beta_grid};
use super::calibration::default_temperature;
use super::metrics::percent;
use super::surface::Surface;
use super::{Family, Knowledge, Method, MethodError, Parameters, Reading, Weighing};
use crate::features::{Logits, Matrix};
use crate::progress::Progress;

/// What was left out at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protocol {
    /// One photo with its views and duplicates.
    #[default]
    EachPhoto,
    /// One of so many folds of photos: for large support sets and for methods without a closed form.
    Folds(usize),
}

/// Photos scored by the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeldOut {
    /// Rows of the support set that could be judged, ascending.
    pub rows: Vec<usize>,
    /// Their classes.
    pub labels: Vec<usize>,
    /// What the others give them, `[num_judged, num_classes]`: `base + α term`.
    pub logits: Logits,
    /// The part of the logits that α does not weigh, `[num_judged, num_classes]`.
    pub base: Matrix,
    /// The part that it does, `[num_judged, num_classes]`.
    pub term: Matrix,
}

impl HeldOut {
    /// What the others show of a row of the support set, for sliders to weigh; `None` where it was not judged, and for
    /// caches, whose keys are hidden instead.
    pub fn reading(&self, weighing: &Weighing, row: usize) -> Option<Reading> {
        let index = self.rows.binary_search(&row).ok()?;
        match weighing {
            Weighing::Votes(_) => None,
            Weighing::Fixed => Some(Reading {
                base: self.logits.0.row(index).to_vec(),
                ..Reading::default()
            }),
            Weighing::Linear => Some(Reading {
                base: self.base.row(index).to_vec(),
                term: self.term.row(index).to_vec(),
                ..Reading::default()
            }),
        }
    }

    /// Share of the judged photos that the others classify rightly, percent; `None` where nothing was judged.
    pub fn accuracy(&self) -> Option<f64> {
        let classes = self.logits.top_classes();
        let right = classes
            .iter()
            .zip(&self.labels)
            .filter(|(class, label)| class == label);
        (!self.labels.is_empty()).then(|| percent(right.count(), self.labels.len()))
    }
}

/// What leaving one out found.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaveOneOut {
    /// The chosen parameters, or the given ones where nothing could be tuned.
    pub parameters: Parameters,
    /// Whether something was tuned: the method has parameters, and at least one class has two shots.
    pub is_tuned: bool,
    /// What was left out at a time.
    pub protocol: Protocol,
    /// Share of the judged photos that the others classify rightly, percent; `None` where nothing was judged.
    pub accuracy: Option<f64>,
    /// The same for class names alone.
    pub zero_shot_accuracy: Option<f64>,
    /// The same at the best parameters without class names, where that is higher than `accuracy`.
    pub better_without_names: Option<f64>,
    /// Mean log-likelihood of the true classes at the chosen parameters.
    pub mean_log_likelihood: Option<f64>,
    /// Rows that were judged.
    pub num_judged: usize,
    /// Combinations of parameters that were tried.
    pub num_combinations: usize,
    /// Accuracy over the parameters; `None` where nothing was tuned.
    pub surface: Option<Surface>,
    /// The judged photos at the chosen parameters.
    pub held_out: HeldOut,
}

impl LeaveOneOut {
    /// Nothing could be judged.
    pub fn untuned(parameters: &Parameters) -> Self {
        Self {
            parameters: *parameters,
            is_tuned: false,
            protocol: Protocol::default(),
            accuracy: None,
            zero_shot_accuracy: None,
            better_without_names: None,
            mean_log_likelihood: None,
            num_judged: 0,
            num_combinations: 0,
            surface: None,
            held_out: HeldOut::default(),
        }
    }
}

/// Chooses the parameters of `method` by leaving one out; `parameters` keep their other values and are the fallback.
///
/// A trained method is trained at `parameters` for each of five folds, and α and β then weigh what was trained, where it is a
/// cache: train at `parameters`, and take [`super::Classifier::at`] the result ([`super::fit_tuned`] does).
///
/// # Errors
/// When features are missing or do not fit, a parameter is no number, or somebody asked to stop.
pub fn tune_on_support(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    progress: &Progress<'_>,
) -> Result<LeaveOneOut, MethodError> {
    if !can_judge(method, parameters, knowledge)? {
        return Ok(LeaveOneOut::untuned(parameters));
    }
    let space = Space::of(
        method,
        parameters,
        names_count(method, knowledge),
        knowledge.fewest_prompts(),
    );
    let pieces: Result<Vec<Piece>, MethodError> = space
        .pieces(method)
        .into_par_iter()
        .map(|space| Piece::new(method, parameters, space, knowledge, progress))
        .collect();
    let pieces = pieces?;
    let Some(best) = best_of(&pieces) else {
        return Ok(LeaveOneOut::untuned(parameters));
    };
    let counts = Counts::concat(pieces.iter().map(|piece| &piece.counts));
    let num_judged = counts.num_judged;
    if num_judged == 0 {
        return Ok(LeaveOneOut::untuned(parameters));
    }
    let accuracy = percent(best.best.correct as usize, num_judged);
    let without_names = pieces.iter().map(|piece| piece.without_names).max();
    let without_names = percent(without_names.unwrap_or(0) as usize, num_judged);
    let is_tuned = space.len() > 1;
    Ok(LeaveOneOut {
        parameters: best.space.at(method, best.best.combination),
        is_tuned,
        protocol: best.judge.protocol(),
        accuracy: Some(accuracy),
        zero_shot_accuracy: Some(percent(counts.zero_shot as usize, num_judged)),
        better_without_names: Some(without_names).filter(|without| *without > accuracy),
        mean_log_likelihood: Some(best.best.log_likelihood / num_judged as f64),
        num_judged,
        num_combinations: space.len(),
        surface: is_tuned.then(|| search::surface(method, &space, &counts)),
        held_out: search::held_out(
            &*best.judge,
            &best.space,
            best.best.combination,
            &progress.quiet(),
        )?,
    })
}

/// What the other photos give every photo that can be judged; nothing where none can.
///
/// # Errors
/// As [`tune_on_support`].
pub fn held_out(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    progress: &Progress<'_>,
) -> Result<HeldOut, MethodError> {
    if !can_judge(method, parameters, knowledge)? {
        return Ok(HeldOut::default());
    }
    let space = Space::single(method, parameters, names_count(method, knowledge));
    let judge = judge_of(method, parameters, &space, knowledge, progress)?;
    search::held_out(&*judge, &space, 0, progress)
}

/// [`held_out`] without the rows: logits and labels.
///
/// # Errors
/// As [`tune_on_support`].
pub fn leave_one_out_logits(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    progress: &Progress<'_>,
) -> Result<(Logits, Vec<usize>), MethodError> {
    let HeldOut { labels, logits, .. } = held_out(method, parameters, knowledge, progress)?;
    Ok((logits, labels))
}

/// A part of the space that is searched by itself.
struct Piece<'a> {
    space: Space,
    judge: Box<dyn Judge + 'a>,
    counts: Counts,
    best: Best,
    /// The highest count without class names; 0 where they were not counting, or cannot be left out.
    without_names: u32,
}

impl<'a> Piece<'a> {
    fn new(
        method: Method,
        parameters: &Parameters,
        space: Space,
        knowledge: &Knowledge<'a>,
        progress: &Progress<'_>,
    ) -> Result<Self, MethodError> {
        let judge = judge_of(method, parameters, &space, knowledge, progress)?;
        let counts = search::count(&*judge, &space, progress)?;
        let temperature = default_temperature(method);
        let best = search::best(&*judge, &space, &counts, temperature, &progress.quiet())?;
        let mut without_names = 0;
        if space.use_class_names && has_optional_names(method) {
            let counts = search::count(&*judge, &space.without_names(method), &progress.quiet())?;
            without_names = counts.correct.into_iter().max().unwrap_or(0);
        }
        Ok(Self {
            space,
            judge,
            counts,
            best,
            without_names,
        })
    }
}

/// The piece that holds the best combination; the first of equals.
fn best_of<'a, 'b>(pieces: &'b [Piece<'a>]) -> Option<&'b Piece<'a>> {
    let mut best = pieces.first()?;
    for piece in pieces {
        if piece.best.beats(&best.best) {
            best = piece;
        }
    }
    Some(best)
}

/// Whether class names are added to what the photos say; methods that are not made of such two parts take care themselves.
fn names_count(method: Method, knowledge: &Knowledge<'_>) -> bool {
    knowledge.use_class_names || !has_optional_names(method)
}

/// Whether the photos alone can decide, without another fit.
fn has_optional_names(method: Method) -> bool {
    matches!(method.family(), Family::NoTraining | Family::Adapted)
        && !matches!(
            method,
            Method::ZeroShot | Method::Calip | Method::Timo | Method::TimoS
        )
}

/// Whether there is anybody to judge and a way to do it.
fn can_judge(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
) -> Result<bool, MethodError> {
    parameters.check()?;
    knowledge.keys_for(method)?;
    let learns_elsewhere = matches!(method, Method::Calip | Method::CoOp);
    Ok(!learns_elsewhere && Parts::by_photo(knowledge.support).num_judged() > 0)
}

/// The support set as the others see it under `method`.
fn judge_of<'a>(
    method: Method,
    parameters: &Parameters,
    space: &Space,
    knowledge: &Knowledge<'a>,
    progress: &Progress<'_>,
) -> Result<Box<dyn Judge + 'a>, MethodError> {
    Ok(match method {
        Method::TipAdapter | Method::TipAdapterPp => {
            Box::new(CacheJudge::tip_adapter(method, knowledge)?)
        }
        Method::TipX | Method::TipXPp => Box::new(CacheJudge::tip_x(method, knowledge)?),
        Method::Ape | Method::ApePp => {
            Box::new(ApeJudge::new(method, parameters, knowledge, progress)?)
        }
        Method::Gda | Method::GdaPp => Box::new(gda::judge(method, knowledge, progress)?),
        Method::ProKeR | Method::ProKeRPp => {
            Box::new(proker::judge(method, space, knowledge, progress)?)
        }
        Method::ZeroShot => Box::new(Given::zero_shot(
            knowledge,
            &Parts::by_photo(knowledge.support),
        )),
        Method::Timo | Method::TimoS => Box::new(timo::judge(method, space, knowledge, progress)?),
        _ => Box::new(refit::judge(
            method, parameters, space, knowledge, progress,
        )?),
    })
}
