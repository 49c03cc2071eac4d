//! Derivatives of the activations, for the way back.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::activation::{erf, exp, load, sigmoid, store};
use super::kernel::dispatch;
use crate::clip::ops::Elementwise;

/// Numbers of a task.
const BLOCK: usize = 1 << 14;

/// `gradient · f'(x)` for every number, in parallel.
pub(in crate::clip::ops) fn times_slope(
    gradient: &[f32],
    x: &[f32],
    kind: Elementwise,
) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    out.par_chunks_mut(BLOCK)
        .zip(gradient.par_chunks(BLOCK).zip(x.par_chunks(BLOCK)))
        .for_each(|(out, (gradient, x))| {
            dispatch(TimesSlope {
                gradient,
                x,
                out,
                kind,
            });
        });
    out
}

struct TimesSlope<'a> {
    gradient: &'a [f32],
    x: &'a [f32],
    out: &'a mut [f32],
    kind: Elementwise,
}

impl WithSimd for TimesSlope<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            gradient,
            x,
            out,
            kind,
        } = self;
        let parts = gradient.chunks(S::F32_LANES).zip(x.chunks(S::F32_LANES));
        for (out, (gradient, x)) in out.chunks_mut(S::F32_LANES).zip(parts) {
            let slope = slope(simd, kind, load(simd, x));
            store(simd, out, simd.mul_f32s(load(simd, gradient), slope));
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
