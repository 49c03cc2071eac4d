//! Sixteen queries side by side: the inner loops of the cache methods, written so that they vectorise.
//!
//! Every step works on the same class or key for 16 queries at once, so nothing is summed across a vector.
//! [`pulp::Arch::dispatch`] compiles the plain loops for AVX-512, AVX2 or the baseline and picks at run time.

/// Queries side by side: one AVX-512 register of f32, two of AVX2.
pub(crate) const LANES: usize = 16;

/// One number for each of 16 queries.
pub(crate) type Lanes = [f32; LANES];

/// Stands for the cosine of a masked key: its affinity is below 1e-37 for every β of at least 1e-4.
pub(crate) const MASKED: f32 = -1e6;

/// `exp` of 16 numbers, within 2e-7 relative; arguments are clamped to [-87, 88].
///
/// Cody and Waite's reduction to `[-ln 2 / 2, ln 2 / 2]` and a polynomial of degree 7.
/// Without `mul_add`, which would be a library call on machines without FMA.
// Inlined, as it must be compiled with the instruction set that the caller dispatched to.
#[inline(always)]
pub(crate) fn exp(x: &Lanes) -> Lanes {
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts; the first has few enough bits that its multiples are exact.
    const LN_2_HIGH: f32 = 355.0 / 512.0;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // Minimax for (exp(r) - 1 - r) / r^2, highest power first (Cephes, expf.c).
    const POLYNOMIAL: [f32; 6] = [
        1.987_569_1e-4,
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_6e-1,
        0.5,
    ];
    let mut out = [0.0; LANES];
    for lane in 0..LANES {
        let clamped = x[lane].clamp(-87.0, 88.0);
        let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
        let exponent = shifted - ROUND;
        let r = (clamped - exponent * LN_2_HIGH) - exponent * LN_2_LOW;
        let tail = POLYNOMIAL
            .iter()
            .fold(0.0, |sum, coefficient| sum * r + coefficient)
            * r
            * r;
        let power = (shifted.to_bits() << 23).wrapping_add(0x3F80_0000);
        out[lane] = (1.0 + (r + tail)) * f32::from_bits(power);
    }
    out
}

/// Sums over every class `c` of `exp(log_weight + β (cosine - 1))`, for 16 queries.
///
/// `cosines`: one entry for each key, keys sorted by class; `ends[c]`: one past the last key of class `c`.
pub(crate) fn class_sums(
    cosines: &[Lanes],
    log_weights: &[f32],
    ends: &[usize],
    beta: f32,
    sums: &mut [Lanes],
) {
    pulp::Arch::new().dispatch(|| {
        let mut start = 0;
        for (sum, end) in sums.iter_mut().zip(ends) {
            let mut total = [0.0; LANES];
            for (cosine, weight) in cosines[start..*end].iter().zip(&log_weights[start..*end]) {
                let mut argument = [0.0; LANES];
                for lane in 0..LANES {
                    argument[lane] = beta * (cosine[lane] - 1.0) + weight;
                }
                let affinity = exp(&argument);
                for lane in 0..LANES {
                    total[lane] += affinity[lane];
                }
            }
            *sum = total;
            start = *end;
        }
    });
}

/// `base + α sums` for every class, for 16 queries.
pub(crate) fn blend(base: &[Lanes], sums: &[Lanes], alpha: f32, logits: &mut [Lanes]) {
    pulp::Arch::new().dispatch(|| {
        for ((logit, base), sum) in logits.iter_mut().zip(base).zip(sums) {
            for lane in 0..LANES {
                logit[lane] = base[lane] + alpha * sum[lane];
            }
        }
    });
}

/// How many of the lanes have their highest logit `base + α sum` at their label (the first of equals counts), for every α.
///
/// `labels` beyond the lanes in use must be `u32::MAX`. Adds to `num_correct`, one for each α.
pub(crate) fn count_correct(
    base: &[Lanes],
    sums: &[Lanes],
    alphas: &[f32],
    labels: &[u32; LANES],
    num_correct: &mut [u32],
) {
    pulp::Arch::new().dispatch(|| {
        for (alpha, count) in alphas.iter().zip(num_correct) {
            let mut best = [f32::NEG_INFINITY; LANES];
            let mut best_class = [0_u32; LANES];
            for (class, (base, sum)) in (0_u32..).zip(base.iter().zip(sums)) {
                for lane in 0..LANES {
                    let logit = base[lane] + alpha * sum[lane];
                    let is_better = logit > best[lane];
                    best[lane] = if is_better { logit } else { best[lane] };
                    best_class[lane] = if is_better { class } else { best_class[lane] };
                }
            }
            let mut correct = 0;
            for lane in 0..LANES {
                correct += u32::from(best_class[lane] == labels[lane]);
            }
            *count += correct;
        }
    });
}

/// Log-likelihood of every lane's label under `softmax(logits)`.
pub(crate) fn log_likelihoods(logits: &[Lanes], labels: &[u32; LANES]) -> Lanes {
    pulp::Arch::new().dispatch(|| {
        let mut best = [f32::NEG_INFINITY; LANES];
        let mut own = [0.0; LANES];
        for (class, logit) in (0_u32..).zip(logits) {
            for lane in 0..LANES {
                best[lane] = best[lane].max(logit[lane]);
                own[lane] = if labels[lane] == class {
                    logit[lane]
                } else {
                    own[lane]
                };
            }
        }
        let mut total = [0.0; LANES];
        for logit in logits {
            let mut shifted = [0.0; LANES];
            for lane in 0..LANES {
                shifted[lane] = logit[lane] - best[lane];
            }
            let share = exp(&shifted);
            for lane in 0..LANES {
                total[lane] += share[lane];
            }
        }
        let mut out = [0.0; LANES];
        for lane in 0..LANES {
            out[lane] = own[lane] - best[lane] - total[lane].ln();
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_2e_7_of_the_true_value() {
        let mut worst: f64 = 0.0;
        for step in 0..20_000 {
            let x: Lanes = std::array::from_fn(|lane| {
                -87.0 + 175.0 * (step * LANES + lane) as f32 / 320_000.0
            });
            for (x, y) in x.iter().zip(exp(&x)) {
                let truth = f64::from(*x).exp();
                worst = worst.max(((f64::from(y) - truth) / truth).abs());
            }
        }
        assert!(worst <= 2e-7, "{worst:e}");
    }

    #[test]
    fn a_masked_key_counts_for_nothing() {
        let mut sums = [[0.0; LANES]];
        class_sums(&[[MASKED; LANES]], &[0.0], &[1], 0.1, &mut sums);
        assert!(sums[0][0] < 1e-37);
    }

    #[test]
    fn the_first_of_equal_logits_wins() {
        let base = [[1.0; LANES], [1.0; LANES]];
        let sums = [[0.0; LANES], [0.0; LANES]];
        let mut labels = [u32::MAX; LANES];
        (labels[0], labels[1]) = (0, 1);
        let mut num_correct = [0];
        count_correct(&base, &sums, &[1.0], &labels, &mut num_correct);
        assert_eq!(num_correct, [1]);
    }

    #[test]
    fn log_likelihoods_are_those_of_a_softmax() {
        let logits = [[1.0; LANES], [2.5; LANES], [-3.0; LANES]];
        let got = log_likelihoods(&logits, &[1; LANES])[0];
        let truth = 2.5 - (1.0_f64.exp() + 2.5_f64.exp() + (-3.0_f64).exp()).ln();
        assert!((f64::from(got) - truth).abs() < 1e-6);
    }
}
