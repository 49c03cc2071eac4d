//! Gradient descent as `PyTorch` does it: SGD with momentum, Adam and `AdamW` (Loshchilov and Hutter, ICLR 2019).

use rayon::prelude::*;

use crate::features::Matrix;

/// Numbers that one thread takes at a time.
const CHUNK: usize = 1 << 14;

/// Decay of Adam's mean of gradients.
const BETA_1: f32 = 0.9;

/// Decay of Adam's mean of squared gradients.
const BETA_2: f32 = 0.999;

/// How a gradient becomes a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Update {
    /// `torch.optim.Adam` (`l2`: its weight decay) and `torch.optim.AdamW` (`decay`: its weight decay).
    Adam {
        /// Added to the root of the mean squared gradient.
        epsilon: f32,
        /// Share of the weight that a step of size 1 takes off, apart from the gradient.
        decay: f32,
        /// Times the weight, added to the gradient.
        l2: f32,
    },
    /// `torch.optim.SGD` without dampening.
    Sgd {
        /// Share of the last step that the next one keeps.
        momentum: f32,
        /// Times the weight, added to the gradient.
        l2: f32,
    },
}

/// How one matrix of weights is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rule {
    pub(super) update: Update,
    /// The first step's size.
    pub(super) learning_rate: f32,
    /// Updated at every so many steps, from 1.
    pub(super) every: usize,
}

/// What is kept of one matrix between steps.
struct State {
    rule: Rule,
    first: Vec<f32>,
    second: Vec<f32>,
    num_updates: i32,
}

/// Rules with their states, in the order of the weights.
pub(super) struct Optimiser {
    states: Vec<State>,
    num_steps: usize,
}

impl Optimiser {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        let state = |rule| State {
            rule,
            first: Vec::new(),
            second: Vec::new(),
            num_updates: 0,
        };
        Self {
            states: rules.into_iter().map(state).collect(),
            num_steps: 0,
        }
    }

    /// One step; the learning rates count times `factor`.
    pub(super) fn step(&mut self, weights: Vec<&mut Matrix>, gradients: &[Matrix], factor: f32) {
        self.num_steps += 1;
        let matrices = weights.into_iter().zip(gradients);
        for (state, (weights, gradient)) in self.states.iter_mut().zip(matrices) {
            if self.num_steps.is_multiple_of(state.rule.every) {
                state.update(weights.as_mut_slice(), gradient.as_slice(), factor);
            }
        }
    }
}

impl State {
    fn update(&mut self, weights: &mut [f32], gradient: &[f32], factor: f32) {
        self.num_updates += 1;
        let rate = self.rule.learning_rate * factor;
        self.first.resize(weights.len(), 0.0);
        match self.rule.update {
            Update::Sgd { momentum, l2 } => {
                let velocities = self.first.par_chunks_mut(CHUNK);
                (
                    weights.par_chunks_mut(CHUNK),
                    gradient.par_chunks(CHUNK),
                    velocities,
                )
                    .into_par_iter()
                    .for_each(|(weights, gradient, velocities)| {
                        for ((w, g), v) in weights.iter_mut().zip(gradient).zip(velocities) {
                            *v = momentum * *v + (g + l2 * *w);
                            *w -= rate * *v;
                        }
                    });
            }
            Update::Adam { epsilon, decay, l2 } => {
                self.second.resize(weights.len(), 0.0);
                let step = Adam {
                    rate: rate / (1.0 - BETA_1.powi(self.num_updates)),
                    root: (1.0 - BETA_2.powi(self.num_updates)).sqrt().recip(),
                    keep: 1.0 - rate * decay,
                    epsilon,
                    l2,
                };
                let firsts = self.first.par_chunks_mut(CHUNK);
                let seconds = self.second.par_chunks_mut(CHUNK);
                (
                    weights.par_chunks_mut(CHUNK),
                    gradient.par_chunks(CHUNK),
                    firsts,
                    seconds,
                )
                    .into_par_iter()
                    .for_each(|(weights, gradient, firsts, seconds)| {
                        step.take(weights, gradient, firsts, seconds);
                    });
            }
        }
    }
}

/// The numbers of one step of Adam.
#[derive(Clone, Copy)]
struct Adam {
    rate: f32,
    root: f32,
    keep: f32,
    epsilon: f32,
    l2: f32,
}

impl Adam {
    fn take(self, weights: &mut [f32], gradient: &[f32], firsts: &mut [f32], seconds: &mut [f32]) {
        let moments = firsts.iter_mut().zip(seconds);
        for ((w, g), (first, second)) in weights.iter_mut().zip(gradient).zip(moments) {
            let g = g + self.l2 * *w;
            *first += (1.0 - BETA_1) * (g - *first);
            *second = BETA_2 * *second + (1.0 - BETA_2) * g * g;
            let root = second.sqrt() * self.root + self.epsilon;
            *w = self.keep * *w - self.rate * *first / root;
        }
    }
}

/// Cosine schedule without restarts: the factor on the learning rate at `step` of `total`, from 1 down to 0.
pub(super) fn cosine(step: usize, total: usize) -> f32 {
    let turn = std::f64::consts::PI * step as f64 / total.max(1) as f64;
    (0.5 * (1.0 + turn.cos())) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two steps from (1, -2) with gradients (0.5, -0.1) and (0.25, 0.3), by torch 2.5.1 in float64.
    fn two_steps(update: Update) -> Vec<f32> {
        let rule = Rule {
            update,
            learning_rate: 0.1,
            every: 1,
        };
        let mut optimiser = Optimiser::new(vec![rule]);
        let mut weights = Matrix::new(1, 2, vec![1.0, -2.0]).unwrap();
        for gradient in [vec![0.5, -0.1], vec![0.25, 0.3]] {
            let gradient = Matrix::new(1, 2, gradient).unwrap();
            optimiser.step(vec![&mut weights], &[gradient], 1.0);
        }
        weights.into_vec()
    }

    #[track_caller]
    fn check(update: Update, expected: [f32; 2]) {
        let got = two_steps(update);
        let close = got.iter().zip(expected).all(|(x, y)| (x - y).abs() < 2e-6);
        assert!(close, "{got:?} is not {expected:?}");
    }

    #[test]
    fn steps_are_those_of_torch() {
        check(
            Update::Adam {
                epsilon: 1e-3,
                decay: 0.1,
                l2: 0.0,
            },
            [0.788_314_9, -1.911_379_2],
        );
        check(
            Update::Adam {
                epsilon: 1e-3,
                decay: 0.0,
                l2: 0.1,
            },
            [0.805_369_9, -1.863_209_6],
        );
        check(
            Update::Sgd {
                momentum: 0.9,
                l2: 0.1,
            },
            [0.851_6, -1.953_3],
        );
    }

    #[test]
    fn the_schedule_falls_from_one_to_zero() {
        assert!((cosine(0, 8) - 1.0).abs() < 1e-6);
        assert!((cosine(4, 8) - 0.5).abs() < 1e-6);
        assert!(cosine(8, 8).abs() < 1e-6);
    }
}
