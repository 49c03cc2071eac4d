//! The papers' grid searches on validation photos.
//!
//! Combinations are tried in the authors' order and only a better one replaces the best, so the first of equals wins:
//! β outside, α inside (gaopengcuhk/Tip-Adapter at d0e2d6f8, `search_hp`).
//! For every block of 16 queries and every β the exponentials are taken once; each α then costs a multiply-add a class.

use super::keys::Keys;
use super::lanes::{LANES, class_sums, count_correct};
use super::metrics::percent;
use super::{Knowledge, Method, MethodError, Parameters, Queries};
use crate::progress::Progress;

/// Values of α and β to try.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Values of β, the outer loop.
    pub betas: Vec<f32>,
    /// Values of α, the inner loop.
    pub alphas: Vec<f32>,
}

/// A name that no grid has.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no grid {name:?}; choose tip-adapter, imo or one of {}", TIP_ADAPTER_SCALES.map(|(name, ..)| name).join(", "))]
pub struct UnknownGrid {
    /// The name asked for.
    pub name: String,
}

/// Largest β and α of Tip-Adapter's search for every data set (configs/*.yaml).
const TIP_ADAPTER_SCALES: [(&str, f64, f64); 11] = [
    ("imagenet", 7.0, 3.0),
    ("caltech101", 12.0, 5.0),
    ("dtd", 13.0, 13.0),
    ("eurosat", 12.0, 10.0),
    ("fgvc", 30.0, 30.0),
    ("food101", 10.0, 10.0),
    ("oxford_flowers", 50.0, 50.0),
    ("oxford_pets", 7.0, 3.0),
    ("stanford_cars", 20.0, 10.0),
    ("sun397", 12.0, 10.0),
    ("ucf101", 7.0, 3.0),
];

impl Grid {
    /// A grid by name: `tip-adapter` (its scales for `ImageNet`), a data set's name for Tip-Adapter's scales there, or `imo`.
    pub fn named(name: &str) -> Result<Self, UnknownGrid> {
        if name == "imo" {
            return Ok(Self::imo());
        }
        let name = if name == "tip-adapter" {
            "imagenet"
        } else {
            name
        };
        let found = TIP_ADAPTER_SCALES
            .into_iter()
            .find(|(scale_name, ..)| *scale_name == name);
        found
            .map(|(_, beta_max, alpha_max)| Self::tip_adapter(beta_max, alpha_max))
            .ok_or_else(|| UnknownGrid {
                name: name.to_owned(),
            })
    }

    /// Tip-Adapter's 200 × 20 steps from 0.1, the upper ends left out.
    pub fn tip_adapter(beta_max: f64, alpha_max: f64) -> Self {
        let steps = |max: f64, count: u32| {
            (0..count)
                .map(|i| (0.1 + f64::from(i) * (max - 0.1) / f64::from(count)) as f32)
                .collect()
        };
        Self {
            betas: steps(beta_max, 200),
            alphas: steps(alpha_max, 20),
        }
    }

    /// IMO's grid, both ends included: 20 of β and 200 of α from 0 to 20.
    pub fn imo() -> Self {
        let steps = |count: u32| {
            (0..count)
                .map(|i| (20.0 * f64::from(i) / f64::from(count - 1)) as f32)
                .collect()
        };
        Self {
            betas: steps(20),
            alphas: steps(200),
        }
    }

    /// Number of combinations.
    pub fn len(&self) -> usize {
        self.betas.len() * self.alphas.len()
    }

    /// Whether there is nothing to try.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuned {
    /// The best parameters.
    pub parameters: Parameters,
    /// Share of the validation photos that they classify rightly, percent.
    pub accuracy: f64,
    /// Combinations tried.
    pub num_combinations: usize,
}

/// Tries the whole grid on validation photos; `parameters` give the values that the grid does not vary.
///
/// Zero-shot has nothing to tune: one combination.
pub fn tune(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
    validation: Queries<'_>,
    labels: &[usize],
    grid: &Grid,
    progress: &Progress<'_>,
) -> Result<Tuned, MethodError> {
    let num_queries = validation.original.len();
    if labels.len() != num_queries {
        return Err(MethodError::Rows {
            what: "validation labels",
            got: labels.len(),
            expected: num_queries,
        });
    }
    let nothing = Grid {
        betas: vec![parameters.beta],
        alphas: vec![if method == Method::ZeroShot {
            0.0
        } else {
            parameters.alpha
        }],
    };
    let is_free = !method.parameters().is_empty() && !grid.is_empty();
    let grid = if is_free { grid } else { &nothing };
    let num_correct = count_grid(method, knowledge, validation, labels, grid, progress)?;
    let mut best = 0;
    for (index, count) in num_correct.iter().enumerate() {
        if *count > num_correct[best] {
            best = index;
        }
    }
    let found = Parameters {
        beta: grid.betas[best / grid.alphas.len()],
        alpha: grid.alphas[best % grid.alphas.len()],
        ..*parameters
    };
    Ok(Tuned {
        parameters: if is_free { found } else { *parameters },
        accuracy: percent(num_correct[best] as usize, num_queries),
        num_combinations: grid.len(),
    })
}

/// Rightly classified queries for every combination, β outside.
fn count_grid(
    method: Method,
    knowledge: &Knowledge<'_>,
    validation: Queries<'_>,
    labels: &[usize],
    grid: &Grid,
    progress: &Progress<'_>,
) -> Result<Vec<u32>, MethodError> {
    let keys = Keys::new(method, knowledge)?;
    let blocks = keys.map_blocks(
        validation.original,
        validation.probes_for(method)?,
        progress,
        |block| {
            let mut own = [u32::MAX; LANES];
            for (own, label) in own
                .iter_mut()
                .zip(&labels[block.first..block.first + block.len])
            {
                *own = *label as u32;
            }
            let mut sums = vec![[0.0; LANES]; keys.num_classes()];
            let mut num_correct = vec![0; grid.len()];
            for (beta, counts) in grid
                .betas
                .iter()
                .zip(num_correct.chunks_mut(grid.alphas.len()))
            {
                class_sums(
                    &block.cosines,
                    &keys.log_weights,
                    &keys.ends,
                    *beta,
                    &mut sums,
                );
                count_correct(&block.zero_shot, &sums, &grid.alphas, &own, counts);
            }
            num_correct
        },
    )?;
    let mut totals = vec![0; grid.len()];
    for counts in blocks {
        totals
            .iter_mut()
            .zip(counts)
            .for_each(|(total, count)| *total += count);
    }
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_have_the_authors_values() {
        let grid = Grid::named("tip-adapter").unwrap();
        assert_eq!(
            (grid.len(), grid.betas[0], grid.alphas[0]),
            (4000, 0.1, 0.1)
        );
        assert!((grid.betas[199] - (0.1 + 199.0 * 6.9 / 200.0)).abs() < 1e-6);
        assert!((grid.alphas[19] - (0.1 + 19.0 * 2.9 / 20.0)).abs() < 1e-6);
        let imo = Grid::named("imo").unwrap();
        assert_eq!(
            (imo.len(), imo.alphas[0], imo.alphas[199], imo.betas[19]),
            (4000, 0.0, 20.0, 20.0)
        );
        assert_eq!(Grid::named("oxford_flowers").unwrap().betas.len(), 200);
        assert_eq!(Grid::named("moon").unwrap_err().name, "moon");
    }
}
