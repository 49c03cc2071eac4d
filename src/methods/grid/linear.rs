//! The searches of GDA, TIMO and TIMO-S: few combinations, each two products; what is fitted does not depend on α.

use rayon::prelude::*;

use super::counts::{Axes, Counts};
use super::scene::Validation;
use super::{Grid, Tuned};
use crate::features::Logits;
use crate::methods::gda::Gda;
use crate::methods::timo::Timo;
use crate::methods::{Classifier, Knowledge, Method, MethodError, Parameters};
use crate::progress::Progress;

/// Numbers of prompts that TIMO-S tries.
const PROMPT_STEPS: usize = 10;

/// Rightly classified photos by GDA for every α.
pub(super) fn count_gda(
    method: Method,
    knowledge: &Knowledge<'_>,
    validation: &Validation<'_>,
    axes: &Axes,
    progress: &Progress<'_>,
) -> Result<Vec<u32>, MethodError> {
    let gda = Gda::new(method, knowledge)?;
    let count = |(step, alpha): (usize, &f32)| {
        progress.step(step, axes.alphas.len())?;
        num_correct(&gda.at(*alpha), validation, progress)
    };
    axes.alphas.iter().enumerate().map(count).collect()
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
    let timo = Timo::new(method, knowledge)?;
    let gaussians = timo.gaussians(parameters.num_prompts)?;
    let mut counts = Vec::with_capacity(axes.len());
    for gamma in &axes.thirds {
        let text = timo.text(*gamma)?;
        for alpha in &axes.alphas {
            progress.step(counts.len(), axes.len())?;
            let classifier = timo.at(*alpha, &text, &gaussians);
            counts.push(num_correct(&classifier, validation, progress)?);
        }
    }
    Ok(counts)
}

/// TIMO-S as its authors search: γ by the image-guided texts alone, then numbers of prompts outside and α inside.
pub(super) fn tune_timo_s(
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    validation: &Validation<'_>,
    grid: &Grid,
    progress: &Progress<'_>,
) -> Result<Tuned, MethodError> {
    let timo = Timo::new(Method::TimoS, knowledge)?;
    let gamma = best_gamma(&timo, parameters.gamma, &grid.thirds, validation, progress)?;
    let fixed = Parameters {
        gamma,
        ..*parameters
    };
    let axes = Axes::of(
        Method::TimoS,
        &fixed,
        &Grid {
            thirds: Vec::new(),
            ..grid.clone()
        },
    );
    let text = timo.text(gamma)?;
    let numbers = numbers_of_prompts(timo.most_prompts());
    let searched: Result<Vec<Vec<u32>>, MethodError> = numbers
        .par_iter()
        .map(|number| {
            progress.check()?;
            let gaussians = timo.gaussians(Some(*number))?;
            let count = |alpha: &f32| {
                num_correct(&timo.at(*alpha, &text, &gaussians), validation, progress)
            };
            axes.alphas.iter().map(count).collect()
        })
        .collect();
    let searched = searched?;
    let mut best = (0, None);
    for (index, counts) in searched.iter().enumerate() {
        let most = counts.iter().max();
        if most > best.1 {
            best = (index, most);
        }
    }
    let counts_at = |num_correct: Vec<u32>| Counts {
        num_correct,
        num_queries: validation.labels.len(),
    };
    // A pair of the surface shows the best over all numbers of prompts.
    let highest = |alpha: usize| {
        searched
            .iter()
            .map(|counts| counts[alpha])
            .max()
            .unwrap_or(0)
    };
    let over_numbers = (0..axes.alphas.len()).map(highest).collect();
    let surface = counts_at(over_numbers)
        .choose(Method::TimoS, &fixed, &axes)
        .surface;
    let chosen = counts_at(searched[best.0].clone()).choose(Method::TimoS, &fixed, &axes);
    Ok(Tuned {
        parameters: Parameters {
            num_prompts: Some(numbers[best.0]),
            ..chosen.parameters
        },
        num_combinations: grid.thirds.len() + numbers.len() * axes.alphas.len(),
        surface,
        ..chosen
    })
}

/// The first γ at which the image-guided texts alone get most photos right; `fixed` where there is none to try.
fn best_gamma(
    timo: &Timo<'_>,
    fixed: f32,
    gammas: &[f32],
    validation: &Validation<'_>,
    progress: &Progress<'_>,
) -> Result<f32, MethodError> {
    let mut best = (fixed, None);
    for (step, gamma) in gammas.iter().enumerate() {
        progress.step(step, gammas.len())?;
        let text = timo.text(*gamma)?;
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

fn num_correct(
    classifier: &dyn Classifier,
    validation: &Validation<'_>,
    progress: &Progress<'_>,
) -> Result<u32, MethodError> {
    progress.check()?;
    let logits = classifier.predict(validation.queries, &Progress::silent())?;
    Ok(matches(&logits, validation.labels))
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
