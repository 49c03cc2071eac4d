//! The searches of GDA, TIMO and TIMO-S: two products for all α.

use rayon::prelude::*;

use super::counts::{Axes, Counts};
use super::scene::Validation;
use super::{Grid, Tuned};
use crate::features::Logits;
use crate::methods::gda::{self, TextAndGaussians};
use crate::methods::timo::Guidance;
use crate::methods::{Knowledge, Method, MethodError, Parameters};
use crate::progress::Progress;

/// Numbers of prompts that TIMO-S tries.
const PROMPT_STEPS: usize = 10;

/// Rightly classified photos by GDA for every α.
pub(super) fn count_gda(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    validation: &Validation<'_>,
    axes: &Axes,
    progress: &Progress<'_>,
) -> Result<Vec<u32>, MethodError> {
    let fitted = gda::fit(method, parameters, knowledge)?;
    progress.check()?;
    count_alphas(&fitted, validation, axes)
}

/// Rightly classified photos by TIMO for every γ and α.
pub(super) fn count_timo(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    validation: &Validation<'_>,
    axes: &Axes,
    progress: &Progress<'_>,
) -> Result<Vec<u32>, MethodError> {
    let guidance = Guidance::new(method, knowledge)?;
    let gaussians = guidance.gaussians(parameters.num_prompts)?;
    let scale = (parameters.alpha, knowledge.use_class_names);
    let mut counts = Vec::with_capacity(axes.len());
    for (step, gamma) in axes.thirds.iter().enumerate() {
        progress.step(step, axes.thirds.len())?;
        let text = guidance.text(*gamma)?;
        let fitted = TextAndGaussians::new(method, text, &gaussians, scale);
        counts.extend(count_alphas(&fitted, validation, axes)?);
    }
    Ok(counts)
}

/// Rightly classified photos for every α, which moves neither of the two products.
fn count_alphas(
    fitted: &TextAndGaussians,
    validation: &Validation<'_>,
    axes: &Axes,
) -> Result<Vec<u32>, MethodError> {
    let (text, gaussian) = fitted.parts(validation.queries)?;
    let count = |alpha: &f32| {
        let logits = fitted.with(*alpha).weigh(&text, &gaussian);
        matches(&logits, validation.labels)
    };
    Ok(axes.alphas.iter().map(count).collect())
}

/// TIMO-S as its authors search: γ by the image-guided texts alone, then numbers of prompts outside and α inside.
pub(super) fn tune_timo_s(
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    validation: &Validation<'_>,
    grid: &Grid,
    progress: &Progress<'_>,
) -> Result<Tuned, MethodError> {
    let method = Method::TimoS;
    let guidance = Guidance::new(method, knowledge)?;
    let fixed = Parameters {
        gamma: best_gamma(
            &guidance,
            parameters.gamma,
            &grid.thirds,
            validation,
            progress,
        )?,
        ..*parameters
    };
    let alone = Grid {
        thirds: Vec::new(),
        ..grid.clone()
    };
    let axes = Axes::of(method, &fixed, &alone);
    let text = guidance.text(fixed.gamma)?;
    let scale = (fixed.alpha, knowledge.use_class_names);
    let numbers = numbers_of_prompts(guidance.most_prompts());
    let searched: Result<Vec<Counts>, MethodError> = numbers
        .par_iter()
        .map(|number| {
            progress.check()?;
            let gaussians = guidance.gaussians(Some(*number))?;
            let fitted = TextAndGaussians::new(method, text.clone(), &gaussians, scale);
            Ok(Counts {
                num_correct: count_alphas(&fitted, validation, &axes)?,
                num_queries: validation.labels.len(),
            })
        })
        .collect();
    let searched = searched?;
    let mut best = 0;
    for (index, counts) in searched.iter().enumerate() {
        if counts.num_correct.iter().max() > searched[best].num_correct.iter().max() {
            best = index;
        }
    }
    let chosen = searched[best].choose(method, &fixed, &axes);
    Ok(Tuned {
        parameters: Parameters {
            num_prompts: Some(numbers[best]),
            ..chosen.parameters
        },
        num_combinations: grid.thirds.len() + numbers.len() * axes.alphas.len(),
        surface: Counts::highest(&searched)
            .choose(method, &fixed, &axes)
            .surface,
        ..chosen
    })
}

/// The first γ at which the image-guided texts alone get most photos right; `fixed` where there is none to try.
fn best_gamma(
    guidance: &Guidance<'_>,
    fixed: f32,
    gammas: &[f32],
    validation: &Validation<'_>,
    progress: &Progress<'_>,
) -> Result<f32, MethodError> {
    let mut best = (fixed, None);
    for (step, gamma) in gammas.iter().enumerate() {
        progress.step(step, gammas.len())?;
        let text = guidance.text(*gamma)?;
        validation.queries.check_dim(text.cols())?;
        let logits = Logits(validation.queries.original.matrix().times_transposed(&text));
        let count = Some(matches(&logits, validation.labels));
        if count > best.1 {
            best = (*gamma, count);
        }
    }
    Ok(best.0)
}

/// Ten numbers from 1 to twice `most`, evenly spaced and rounded down, as the authors' `linspace`.
fn numbers_of_prompts(most: usize) -> Vec<usize> {
    let (last, steps) = (2.0 * most as f32, PROMPT_STEPS - 1);
    let step = (last - 1.0) / steps as f32;
    // From the nearer end, as PyTorch counts, so that both ends are exact.
    let number = |index: usize| {
        if index < PROMPT_STEPS / 2 {
            1.0 + step * index as f32
        } else {
            last - step * (steps - index) as f32
        }
    };
    (0..PROMPT_STEPS)
        .map(|index| number(index) as usize)
        .collect()
}

/// Rows whose highest logit, the first of equals, is at their label.
pub(super) fn matches(logits: &Logits, labels: &[usize]) -> u32 {
    let classes = logits.top_classes();
    let pairs = classes.iter().zip(labels);
    pairs.filter(|(class, label)| class == label).count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_prompts_are_the_authors() {
        assert_eq!(numbers_of_prompts(5), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(
            numbers_of_prompts(30),
            [1, 7, 14, 20, 27, 33, 40, 46, 53, 60]
        );
        assert_eq!(numbers_of_prompts(2), [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]);
    }
}
