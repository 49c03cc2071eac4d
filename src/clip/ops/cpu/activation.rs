//! Exponential, sigmoid and error function on whole vectors, and the activations made of them.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::kernel::dispatch;
use super::output::filled;
use crate::clip::ops::Elementwise;

/// Numbers of a task.
pub(super) const BLOCK: usize = 1 << 14;

/// The function `kind` of every number of `x`, in parallel.
pub(in crate::clip::ops) fn applied(kind: Elementwise, x: &[f32]) -> Vec<f32> {
    filled(1, x.len(), |out| {
        let parts = x.par_chunks(BLOCK).enumerate();
        parts.for_each(|(index, x)| {
            let start = index * BLOCK;
            #[expect(unsafe_code, reason = "parts are disjoint")]
            let out = unsafe { out.cells(0, start..start + x.len()) };
            dispatch(Apply { kind, x, out });
        });
    })
}

struct Apply<'a> {
    kind: Elementwise,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let parts = self.out.chunks_mut(S::F32_LANES);
        for (out, x) in parts.zip(self.x.chunks(S::F32_LANES)) {
            store(simd, out, apply(simd, self.kind, load(simd, x)));
        }
    }
}

/// The vector at the start of `from`, filled up with zeros when `from` is shorter.
///
/// pulp's partial load is a call; whole vectors should not pay for it.
#[inline(always)]
pub(super) fn load<S: Simd>(simd: S, from: &[f32]) -> S::f32s {
    match S::as_simd_f32s(from).0.first() {
        Some(vector) => *vector,
        None => simd.partial_load_f32s(from),
    }
}

/// Writes as many numbers of `vector` as `to` has room for.
#[inline(always)]
pub(super) fn store<S: Simd>(simd: S, to: &mut [f32], vector: S::f32s) {
    match S::as_mut_simd_f32s(to).0.first_mut() {
        Some(place) => *place = vector,
        None => simd.partial_store_f32s(to, vector),
    }
}

/// `e^x`, within 2 units in the last place for x in [-87, 88], clamped outside.
///
/// Cody and Waite's reduction to |r| <= ln 2 / 2 and the Taylor polynomial of degree 7 in Horner's form.
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // 1.5 · 2²³: adding it leaves round(x · log2 e) in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = simd.max_f32s(
        simd.splat_f32s(-87.0),
        simd.min_f32s(simd.splat_f32s(88.0), x),
    );
    let shifted = simd.mul_add_e_f32s(
        x,
        simd.splat_f32s(std::f32::consts::LOG2_E),
        simd.splat_f32s(ROUND),
    );
    let n = simd.sub_f32s(shifted, simd.splat_f32s(ROUND));
    // ln 2 in two parts, the first exact in 15 bits.
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-0.693_145_75), x);
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-1.428_606_8e-6), r);
    let mut p = simd.splat_f32s(1.0 / 5040.0);
    for coefficient in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        p = simd.mul_add_e_f32s(p, r, simd.splat_f32s(coefficient));
    }
    let power = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(p), power))
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(super) fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    let e = exp(simd, simd.neg_f32s(x));
    simd.div_f32s(one, simd.add_f32s(one, e))
}

/// The error function within 1.5e-7 (Abramowitz and Stegun 7.1.26).
#[inline(always)]
pub(super) fn erf<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    let size = simd.abs_f32s(x);
    let t = simd.div_f32s(
        one,
        simd.mul_add_e_f32s(size, simd.splat_f32s(0.327_591_1), one),
    );
    let mut p = simd.splat_f32s(1.061_405_4);
    for coefficient in [-1.453_152_1, 1.421_413_8, -0.284_496_74, 0.254_829_6] {
        p = simd.mul_add_e_f32s(p, t, simd.splat_f32s(coefficient));
    }
    let e = exp(simd, simd.neg_f32s(simd.mul_f32s(x, x)));
    let value = simd.sub_f32s(one, simd.mul_f32s(simd.mul_f32s(p, t), e));
    let negative = simd.less_than_f32s(x, simd.splat_f32s(0.0));
    simd.select_f32s(negative, simd.neg_f32s(value), value)
}

/// The function `kind` of every number in `x`.
#[inline(always)]
pub(super) fn apply<S: Simd>(simd: S, kind: Elementwise, x: S::f32s) -> S::f32s {
    match kind {
        Elementwise::Identity => x,
        Elementwise::Relu => simd.max_f32s(x, simd.splat_f32s(0.0)),
        Elementwise::QuickGelu => {
            let scaled = simd.mul_f32s(x, simd.splat_f32s(1.702));
            simd.mul_f32s(x, sigmoid(simd, scaled))
        }
        Elementwise::Gelu => {
            let scaled = simd.mul_f32s(x, simd.splat_f32s(std::f32::consts::FRAC_1_SQRT_2));
            let half = simd.mul_f32s(x, simd.splat_f32s(0.5));
            simd.mul_add_e_f32s(half, erf(simd, scaled), half)
        }
    }
}
