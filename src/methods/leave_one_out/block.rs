//! Sixteen judged photos and what the others say of them, up to parameters that only weigh.

use crate::methods::lanes::{LANES, Lanes, class_sums, exp};
use crate::methods::leave_one_out::space::Space;

/// Up to 16 consecutive rows of the support set, each hidden from the others.
pub(super) struct Block {
    /// The first of them.
    pub(super) first: usize,
    /// The class of every judged lane, `u32::MAX` for the others.
    pub(super) labels: [u32; LANES],
    /// Zero-shot logits, `[num_classes]`.
    pub(super) text: Vec<Lanes>,
    /// What is added to them.
    pub(super) terms: Terms,
}

/// Logits are `base + α term`; both may depend on the setting.
pub(super) enum Terms {
    /// The sums of a cache's votes; the base is zero-shot, less a third term where there is one.
    Votes(Votes),
    /// Terms computed beforehand, `[num_classes]` each; the base is zero-shot where `bases` is empty.
    Given {
        /// What class names give in place of zero-shot.
        bases: Vec<Vec<Lanes>>,
        /// What α multiplies.
        terms: Vec<Vec<Lanes>>,
        /// For every setting its base and its term; empty where there is one of each for every setting.
        places: Vec<(usize, usize)>,
    },
}

/// The keys of a cache against 16 photos.
pub(super) struct Votes {
    /// Cosines with the keys, sorted by class; hidden ones are [`super::super::lanes::MASKED`].
    pub(super) cosines: Vec<Lanes>,
    /// APE: what γ multiplies in the exponent of every vote; empty for other methods.
    pub(super) surprises: Vec<Lanes>,
    /// Tip-X: what γ takes off the logits, `[num_classes]`; empty for other methods.
    pub(super) penalties: Vec<Lanes>,
    /// One past the last key of every class.
    pub(super) ends: Vec<usize>,
    /// What the sum of every class is multiplied by, `[num_classes]`.
    pub(super) scales: Vec<Lanes>,
}

/// Hears of a setting, its base and its term, `[num_classes]` each.
pub(super) type Visit<'a> = dyn FnMut(usize, &[Lanes], &[Lanes]) + 'a;

impl Block {
    /// `each(setting, base, term)` for the wanted settings, in their order.
    pub(super) fn each(&self, space: &Space, wanted: &[usize], each: &mut Visit<'_>) {
        let nothing = vec![[0.0; LANES]; self.text.len()];
        let if_names = |base| {
            if space.use_class_names {
                base
            } else {
                &nothing
            }
        };
        match &self.terms {
            Terms::Votes(votes) => {
                votes.each(if_names(&self.text), space, wanted, each);
            }
            Terms::Given {
                bases,
                terms,
                places,
            } => {
                for setting in wanted {
                    let same = (*setting, *setting);
                    let (base, term) = places.get(*setting).copied().unwrap_or(same);
                    let base = if_names(bases.get(base).unwrap_or(&self.text));
                    each(*setting, base, &terms[term]);
                }
            }
        }
    }
}

impl Votes {
    fn each(&self, text: &[Lanes], space: &Space, wanted: &[usize], each: &mut Visit<'_>) {
        let mut sums = vec![[0.0; LANES]; self.ends.len()];
        let mut base = text.to_vec();
        let weights = vec![0.0; self.cosines.len()];
        let mut last_beta = None;
        for setting in wanted {
            let (beta, gamma) = (
                space.settings[*setting].beta,
                space.settings[*setting].gamma,
            );
            if !self.surprises.is_empty() {
                self.weighted_sums(beta, gamma, &mut sums);
                self.scale(&mut sums);
            } else if last_beta != Some(beta) {
                class_sums(&self.cosines, &weights, &self.ends, beta, &mut sums);
                self.scale(&mut sums);
                last_beta = Some(beta);
            }
            for ((base, text), penalty) in base.iter_mut().zip(text).zip(&self.penalties) {
                for lane in 0..LANES {
                    base[lane] = text[lane] - gamma * penalty[lane];
                }
            }
            each(*setting, &base, &sums);
        }
    }

    /// Sums over every class of `exp(β (cosine - 1) + γ surprise)`.
    fn weighted_sums(&self, beta: f32, gamma: f32, sums: &mut [Lanes]) {
        pulp::Arch::new().dispatch(WeightedSums {
            votes: self,
            beta,
            gamma,
            sums,
        });
    }

    fn scale(&self, sums: &mut [Lanes]) {
        for (sums, scales) in sums.iter_mut().zip(&self.scales) {
            for lane in 0..LANES {
                sums[lane] *= scales[lane];
            }
        }
    }
}

struct WeightedSums<'a> {
    votes: &'a Votes,
    beta: f32,
    gamma: f32,
    sums: &'a mut [Lanes],
}

impl pulp::WithSimd for WeightedSums<'_> {
    type Output = ();

    #[expect(
        clippy::inline_always,
        reason = "must be compiled with the instruction set that was dispatched to"
    )]
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self {
            votes,
            beta,
            gamma,
            sums,
        } = self;
        let mut start = 0;
        for (sum, end) in sums.iter_mut().zip(&votes.ends) {
            let mut total = [0.0; LANES];
            let surprises = &votes.surprises[start..*end];
            for (cosine, surprise) in votes.cosines[start..*end].iter().zip(surprises) {
                let mut argument = [0.0; LANES];
                for lane in 0..LANES {
                    argument[lane] = beta * (cosine[lane] - 1.0) + gamma * surprise[lane];
                }
                let vote = exp(&argument);
                for lane in 0..LANES {
                    total[lane] += vote[lane];
                }
            }
            *sum = total;
            start = *end;
        }
    }
}
