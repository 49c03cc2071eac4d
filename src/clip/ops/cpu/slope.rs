//! Derivatives of the activations, for the way back.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::activation::{BLOCK, erf, exp, load, sigmoid, store};
use super::kernel::dispatch;
use crate::clip::ops::Elementwise;

/// Multiplies every number of `gradient` by `f'(x)`, in parallel.
pub(in crate::clip::ops) fn times_slope(gradient: &mut [f32], x: &[f32], kind: Elementwise) {
    let parts = gradient.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK));
    parts.for_each(|(gradient, x)| dispatch(TimesSlope { gradient, x, kind }));
}

/// The sum of every column of rows of `width` numbers.
pub(in crate::clip::ops) fn column_sums(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        for (sum, x) in sums.iter_mut().zip(row) {
            *sum += x;
        }
    }
    sums
}

struct TimesSlope<'a> {
    gradient: &'a mut [f32],
    x: &'a [f32],
    kind: Elementwise,
}

impl WithSimd for TimesSlope<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let parts = self.gradient.chunks_mut(S::F32_LANES);
        for (gradient, x) in parts.zip(self.x.chunks(S::F32_LANES)) {
            let slope = slope(simd, self.kind, load(simd, x));
            let product = simd.mul_f32s(load(simd, gradient), slope);
            store(simd, gradient, product);
        }
    }
}

/// The derivative of `kind` at every number in `x`.
#[inline(always)]
fn slope<S: Simd>(simd: S, kind: Elementwise, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    match kind {
        Elementwise::Identity => one,
        Elementwise::Relu => {
            let zero = simd.splat_f32s(0.0);
            simd.select_f32s(simd.less_than_f32s(zero, x), one, zero)
        }
        Elementwise::QuickGelu => {
            let scaled = simd.mul_f32s(x, simd.splat_f32s(1.702));
            let s = sigmoid(simd, scaled);
            let rest = simd.mul_f32s(scaled, simd.sub_f32s(one, s));
            simd.mul_add_e_f32s(s, rest, s)
        }
        Elementwise::Gelu => {
            let scaled = simd.mul_f32s(x, simd.splat_f32s(std::f32::consts::FRAC_1_SQRT_2));
            let half = simd.splat_f32s(0.5);
            let cumulative = simd.mul_add_e_f32s(half, erf(simd, scaled), half);
            let density = exp(simd, simd.neg_f32s(simd.mul_f32s(scaled, scaled)));
            // 1 / √(2π)
            let density = simd.mul_f32s(density, simd.splat_f32s(0.398_942_3));
            simd.mul_add_e_f32s(x, density, cumulative)
        }
    }
}
