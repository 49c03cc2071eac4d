//! TIMO and TIMO-S, fitted anew without every part: γ changes only the texts, the number of prompts only the Gaussian classes.

use rayon::prelude::*;

use super::given::Given;
use super::parts::Parts;
use super::refit::Rest;
use super::space::Space;
use crate::features::Matrix;
use crate::methods::linear_algebra::{to_f32, to_f64};
use crate::methods::timo::Guidance;
use crate::methods::{Knowledge, Method, MethodError};
use crate::progress::Progress;

/// Multiplications of all fits beyond which folds are left out instead of photos: some seconds on two cores.
const MAX_PRODUCTS: usize = 20_000_000_000;

/// Logits of every row by the others: the Gaussian classes as the base, the guided texts as the term that α weighs.
pub(super) fn judge<'a>(
    method: Method,
    space: &Space,
    knowledge: &Knowledge<'a>,
    progress: &Progress<'_>,
) -> Result<Given<'a>, MethodError> {
    let axes = Axes::of(space);
    let parts = parts_for(method, knowledge, axes.num_prompts.len())?;
    let mut given = Given::zero_shot(knowledge, &parts);
    let nothing = given.terms[0].clone();
    given.bases = vec![nothing.clone(); axes.num_prompts.len()];
    given.terms = vec![nothing; axes.gammas.len()];
    given.places = axes.places(space);
    let finished = std::sync::atomic::AtomicUsize::new(0);
    let found: Result<Vec<Option<Terms>>, MethodError> = (0..parts.len())
        .into_par_iter()
        .map(|part| {
            progress.check()?;
            let terms = axes.terms_without(method, knowledge, parts.rows_of(part))?;
            let done = finished.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            progress.step(done, parts.len())?;
            Ok(terms)
        })
        .collect();
    for (part, terms) in found?.into_iter().enumerate() {
        let rows = parts.rows_of(part);
        match terms {
            Some(terms) => {
                given.fill(rows, &terms.bases, &terms.terms);
            }
            None => given.leave_out(rows),
        }
    }
    Ok(given)
}

fn parts_for(
    method: Method,
    knowledge: &Knowledge<'_>,
    num_fits: usize,
) -> Result<Parts, MethodError> {
    let by_photo = Parts::by_photo(knowledge.support);
    let (rows, dim) = (
        knowledge.rows_for(method)?.original.len(),
        knowledge.text.dim(),
    );
    let products = by_photo.len() * num_fits * dim * dim * (rows + dim);
    Ok(if products > MAX_PRODUCTS {
        Parts::folds(knowledge.support)
    } else {
        by_photo
    })
}

/// The values that a space tries.
struct Axes {
    num_prompts: Vec<Option<usize>>,
    gammas: Vec<f32>,
}

/// What the photos of a part show without it, `[num_photos, num_classes]`, for every number of prompts and every γ.
struct Terms {
    bases: Vec<Matrix>,
    terms: Vec<Matrix>,
}

impl Axes {
    fn of(space: &Space) -> Self {
        let (mut num_prompts, mut gammas) = (Vec::new(), Vec::new());
        for setting in &space.settings {
            if !num_prompts.contains(&setting.num_prompts) {
                num_prompts.push(setting.num_prompts);
            }
            if !gammas.contains(&setting.gamma) {
                gammas.push(setting.gamma);
            }
        }
        Self {
            num_prompts,
            gammas,
        }
    }

    /// Where each setting's base and term stand.
    fn places(&self, space: &Space) -> Vec<(usize, usize)> {
        let place = |setting: &crate::methods::Parameters| {
            let base = self
                .num_prompts
                .iter()
                .position(|num| *num == setting.num_prompts);
            let term = self
                .gammas
                .iter()
                .position(|gamma| gamma.total_cmp(&setting.gamma).is_eq());
            (base.unwrap_or_default(), term.unwrap_or_default())
        };
        space.settings.iter().map(place).collect()
    }

    /// `None` where too little is left to fit.
    fn terms_without(
        &self,
        method: Method,
        knowledge: &Knowledge<'_>,
        hidden: &[usize],
    ) -> Result<Option<Terms>, MethodError> {
        let rest = Rest::new(knowledge, hidden);
        let photos = knowledge.support.features().select(hidden);
        let guidance = Guidance::new(method, &rest.knowledge(knowledge))?;
        let mut terms = Vec::with_capacity(self.gammas.len());
        for gamma in &self.gammas {
            let mut term = photos.matrix().times_transposed(&guidance.text(*gamma)?);
            if !knowledge.use_class_names {
                term.as_mut_slice().fill(0.0);
            }
            terms.push(term);
        }
        let wide = to_f64(photos.matrix());
        let mut bases = Vec::with_capacity(self.num_prompts.len());
        for num_prompts in &self.num_prompts {
            let gaussians = match guidance.gaussians(*num_prompts) {
                Ok(gaussians) => gaussians,
                Err(MethodError::TooFewShots { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            let mut scores = to_f32((&wide * gaussians.weights.transpose()).as_ref());
            for row in 0..scores.rows() {
                for (score, bias) in scores.row_mut(row).iter_mut().zip(&gaussians.biases) {
                    *score += *bias as f32;
                }
            }
            bases.push(scores);
        }
        Ok(Some(Terms { bases, terms }))
    }
}
