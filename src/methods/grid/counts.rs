//! What a search has counted, and which combination it chooses.

use super::{Grid, LoopOrder, Tuned};
use crate::methods::metrics::percent;
use crate::methods::surface::Surface;
use crate::methods::{Method, Parameter, Parameters};

/// The values that a method's search really varies: at least one of each.
#[derive(Clone, Debug)]
pub(super) struct Axes {
    pub(super) betas: Vec<f32>,
    pub(super) thirds: Vec<f32>,
    pub(super) alphas: Vec<f32>,
    order: LoopOrder,
    third: Option<Third>,
}

/// Which parameter the third axis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Third {
    Gamma,
    Lambda,
}

impl Axes {
    /// The grid's values of the parameters that `method` has; what is missing stays as in `parameters`.
    pub(super) fn of(method: Method, parameters: &Parameters, grid: &Grid) -> Self {
        let has = |parameter| method.parameters().contains(&parameter);
        let third = match method {
            Method::ProKeR | Method::ProKeRPp => Some(Third::Lambda),
            _ => has(Parameter::Gamma).then_some(Third::Gamma),
        };
        let or_fixed = |is_there: bool, values: &[f32], fixed: f32| {
            if is_there && !values.is_empty() {
                values.to_vec()
            } else {
                vec![fixed]
            }
        };
        let fixed_third = if third == Some(Third::Lambda) {
            parameters.lambda
        } else {
            parameters.gamma
        };
        // Class names alone: no cache votes.
        let fixed_alpha = if method == Method::ZeroShot {
            0.0
        } else {
            parameters.alpha
        };
        Self {
            betas: or_fixed(has(Parameter::Beta), &grid.betas, parameters.beta),
            thirds: or_fixed(third.is_some(), &grid.thirds, fixed_third),
            alphas: or_fixed(has(Parameter::Alpha), &grid.alphas, fixed_alpha),
            order: grid.order,
            third,
        }
    }

    /// Number of combinations.
    pub(super) fn len(&self) -> usize {
        self.betas.len() * self.thirds.len() * self.alphas.len()
    }

    /// The places of β, third and α in the order of [`Counts`].
    pub(super) fn places(&self) -> impl Iterator<Item = [usize; 3]> {
        let (thirds, alphas) = (self.thirds.len(), self.alphas.len());
        (0..self.len()).map(move |i| [i / alphas / thirds, i / alphas % thirds, i % alphas])
    }

    /// `parameters` with the values at these places of β, third and α.
    pub(super) fn at(
        &self,
        parameters: &Parameters,
        [beta, third, alpha]: [usize; 3],
    ) -> Parameters {
        let mut found = Parameters {
            beta: self.betas[beta],
            alpha: self.alphas[alpha],
            ..*parameters
        };
        match self.third {
            Some(Third::Gamma) => found.gamma = self.thirds[third],
            Some(Third::Lambda) => found.lambda = self.thirds[third],
            None => {}
        }
        found
    }
}

/// Rightly classified queries for every combination.
pub(super) struct Counts {
    /// `[betas, thirds, alphas]`.
    pub(super) num_correct: Vec<u32>,
    pub(super) num_queries: usize,
}

impl Counts {
    /// The highest count of each combination over several searches, at least one.
    pub(super) fn highest(searches: &[Self]) -> Self {
        let mut highest = Self {
            num_correct: vec![0; searches[0].num_correct.len()],
            num_queries: searches[0].num_queries,
        };
        for search in searches {
            for (highest, count) in highest.num_correct.iter_mut().zip(&search.num_correct) {
                *highest = (*highest).max(*count);
            }
        }
        highest
    }

    /// The best combination, the first in the authors' loops where several are equal.
    pub(super) fn choose(&self, method: Method, parameters: &Parameters, axes: &Axes) -> Tuned {
        let (mut best, mut most) = ([0; 3], None);
        let mut consider = |place: [usize; 3]| {
            let count = self.at(axes, place);
            if most.is_none_or(|most| count > most) {
                (best, most) = (place, Some(count));
            }
        };
        let places = |len: usize| 0..len;
        match axes.order {
            LoopOrder::BetaOutside => {
                for beta in places(axes.betas.len()) {
                    for alpha in places(axes.alphas.len()) {
                        places(axes.thirds.len()).for_each(|third| consider([beta, third, alpha]));
                    }
                }
            }
            LoopOrder::AlphaOutside => {
                for alpha in places(axes.alphas.len()) {
                    for beta in places(axes.betas.len()) {
                        places(axes.thirds.len()).for_each(|third| consider([beta, third, alpha]));
                    }
                }
            }
        }
        let is_free = !method.parameters().is_empty();
        Tuned {
            parameters: if is_free {
                axes.at(parameters, best)
            } else {
                *parameters
            },
            accuracy: percent(most.unwrap_or(0) as usize, self.num_queries),
            num_combinations: axes.len(),
            surface: self.surface(axes),
        }
    }

    fn at(&self, axes: &Axes, [beta, third, alpha]: [usize; 3]) -> u32 {
        self.num_correct[(beta * axes.thirds.len() + third) * axes.alphas.len() + alpha]
    }

    /// The best over the third parameter, the first of equals, for every pair of β and α.
    fn surface(&self, axes: &Axes) -> Surface {
        let num_pairs = axes.betas.len() * axes.alphas.len();
        let mut accuracies = Vec::with_capacity(num_pairs);
        let mut thirds = Vec::with_capacity(num_pairs);
        for beta in 0..axes.betas.len() {
            for alpha in 0..axes.alphas.len() {
                let count = |third: &usize| self.at(axes, [beta, *third, alpha]);
                // Among equals `max_by_key` gives the last, so the first comes last.
                let best = (0..axes.thirds.len()).rev().max_by_key(count).unwrap_or(0);
                accuracies.push(percent(count(&best) as usize, self.num_queries) as f32);
                thirds.push(axes.thirds[best]);
            }
        }
        if axes.third.is_none() {
            thirds.clear();
        }
        Surface {
            betas: axes.betas.clone(),
            alphas: axes.alphas.clone(),
            accuracies,
            thirds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equals_in_the_authors_loops_wins() {
        let mut grid = Grid {
            betas: vec![1.0, 2.0],
            alphas: vec![10.0, 20.0],
            thirds: vec![0.1, 0.2],
            order: LoopOrder::BetaOutside,
        };
        let counts = Counts {
            // β 1: α 20 at both γ; β 2: α 10 at γ 0.2. All 7.
            num_correct: vec![3, 7, 2, 7, 1, 1, 7, 6],
            num_queries: 10,
        };
        let chosen = |grid: &Grid| {
            let parameters = Parameters::default();
            let axes = Axes::of(Method::Ape, &parameters, grid);
            let tuned = counts.choose(Method::Ape, &parameters, &axes);
            let Parameters {
                alpha, beta, gamma, ..
            } = tuned.parameters;
            assert!((tuned.accuracy - 70.0).abs() < 1e-9);
            assert_eq!(tuned.num_combinations, 8);
            assert_eq!(tuned.surface.accuracies, [30.0, 70.0, 70.0, 60.0]);
            assert_eq!(tuned.surface.thirds, [0.1, 0.1, 0.2, 0.2]);
            (beta, alpha, gamma)
        };
        assert_eq!(chosen(&grid), (1.0, 20.0, 0.1));
        grid.order = LoopOrder::AlphaOutside;
        assert_eq!(chosen(&grid), (2.0, 10.0, 0.2));
    }

    #[test]
    fn only_what_a_method_has_is_varied() {
        let grid = Grid {
            betas: vec![1.0, 2.0],
            alphas: vec![3.0],
            thirds: vec![0.5, 0.7],
            order: LoopOrder::BetaOutside,
        };
        let parameters = Parameters::default();
        let len = |method| Axes::of(method, &parameters, &grid).len();
        assert_eq!(
            [
                Method::ZeroShot,
                Method::Gda,
                Method::TipAdapter,
                Method::ProKeR,
                Method::TipX
            ]
            .map(len),
            [1, 1, 2, 4, 4]
        );
        assert_eq!(
            Axes::of(Method::Ape, &parameters, &Grid::default()).len(),
            1
        );
    }
}
