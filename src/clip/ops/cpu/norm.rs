//! Layer normalisation of rows.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::activation::{load, store};
use super::bf16::PairProduct;
use super::kernel::dispatch;
use super::output::{SharedRows, filled, rows};

/// Rows of a task.
const BLOCK_ROWS: usize = 32;

/// `(x - mean) / sqrt(variance + eps) · weight + bias` for every row of `weight.len()` numbers, in parallel.
pub(in crate::clip::ops) fn layer_norm(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    eps: f32,
) -> Vec<f32> {
    in_blocks(x.len() / weight.len(), weight.len(), |out, rows| {
        dispatch(Norm {
            x,
            weight,
            bias,
            eps,
            out,
            rows,
        });
    })
}

/// Rows of `width` numbers, filled a block at a time, in parallel.
fn in_blocks(
    num_rows: usize,
    width: usize,
    fill: impl Fn(SharedRows<'_>, Range<usize>) + Sync,
) -> Vec<f32> {
    filled(num_rows, width, |out| {
        (0..num_rows.div_ceil(BLOCK_ROWS))
            .into_par_iter()
            .for_each(|block| {
                let rows = block * BLOCK_ROWS..((block + 1) * BLOCK_ROWS).min(num_rows);
                fill(out, rows);
            });
    })
}

/// The same rounded to pairs, rows of an even number of numbers.
pub(in crate::clip::ops) fn layer_norm_pairs(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    eps: f32,
    product: PairProduct,
) -> Vec<u32> {
    let (width, num_rows) = (weight.len(), x.len() / weight.len());
    rows(num_rows, width / 2, |row, pairs| {
        let mut numbers = vec![0.0; width];
        dispatch(Norm {
            x: &x[row * width..][..width],
            weight,
            bias,
            eps,
            out: SharedRows::new(&mut numbers, width),
            rows: 0..1,
        });
        product.round(&numbers, pairs);
    })
}

/// The gradient of `x` from that of its normalised rows, in parallel: with n = standardised x and g = gradient · weight,
/// `(g - mean(g) - n · mean(g · n)) / deviation`; plus `beside`, like x, where x is used beside the norm too.
pub(in crate::clip::ops) fn layer_norm_gradient(
    x: &[f32],
    weight: &[f32],
    gradient: &[f32],
    beside: Option<&[f32]>,
    eps: f32,
) -> Vec<f32> {
    in_blocks(x.len() / weight.len(), weight.len(), |out, rows| {
        dispatch(NormGradient {
            x,
            weight,
            gradient,
            beside,
            eps,
            out,
            rows,
        });
    })
}

struct Norm<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    eps: f32,
    out: SharedRows<'a>,
    rows: Range<usize>,
}

impl WithSimd for Norm<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            x,
            weight,
            bias,
            eps,
            out,
            rows,
        } = self;
        let width = weight.len();
        for row in rows {
            let x = &x[row * width..][..width];
            #[expect(unsafe_code, reason = "blocks of rows are disjoint")]
            let out = unsafe { out.cells(row, 0..width) };
            let (mean, inverse) = moments(simd, x, eps);
            let (centre, scale) = (simd.splat_f32s(mean), simd.splat_f32s(inverse));
            for (index, out) in out.chunks_mut(S::F32_LANES).enumerate() {
                let part = index * S::F32_LANES..index * S::F32_LANES + out.len();
                let load = |from: &[f32]| load(simd, &from[part.clone()]);
                let x = simd.mul_f32s(simd.sub_f32s(load(x), centre), scale);
                store(simd, out, simd.mul_add_e_f32s(x, load(weight), load(bias)));
            }
        }
    }
}

/// The mean of a row, and 1 over its deviation.
#[inline(always)]
fn moments<S: Simd>(simd: S, x: &[f32], eps: f32) -> (f32, f32) {
    let width = x.len();
    let mean = sum(simd, x, |x| x) / width as f32;
    let centre = simd.splat_f32s(mean);
    let squares = |x| {
        let x = simd.sub_f32s(x, centre);
        simd.mul_f32s(x, x)
    };
    // What a last, partly filled vector adds too much: its empty lanes are zero before the mean is taken.
    let empty = width.next_multiple_of(S::F32_LANES) - width;
    let variance = (sum(simd, x, squares) - empty as f32 * mean * mean) / width as f32;
    (mean, 1.0 / (variance + eps).sqrt())
}

/// Sum of `f` over `x`, filled up with zeros to whole vectors.
#[inline(always)]
fn sum<S: Simd>(simd: S, x: &[f32], f: impl Fn(S::f32s) -> S::f32s) -> f32 {
    let (vectors, rest) = S::as_simd_f32s(x);
    let mut total = simd.splat_f32s(0.0);
    for vector in vectors {
        total = simd.add_f32s(total, f(*vector));
    }
    if !rest.is_empty() {
        total = simd.add_f32s(total, f(simd.partial_load_f32s(rest)));
    }
    simd.reduce_sum_f32s(total)
}

struct NormGradient<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    gradient: &'a [f32],
    beside: Option<&'a [f32]>,
    eps: f32,
    out: SharedRows<'a>,
    rows: Range<usize>,
}

impl<'a> WithSimd for NormGradient<'a> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.weight.len();
        for row in self.rows {
            let of_row = |numbers: &'a [f32]| &numbers[row * width..][..width];
            let (x, gradient) = (of_row(self.x), of_row(self.gradient));
            let beside = self.beside.map(of_row);
            #[expect(unsafe_code, reason = "blocks of rows are disjoint")]
            let out = unsafe { self.out.cells(row, 0..width) };
            let (mean, inverse) = moments(simd, x, self.eps);
            let (centre, scale) = (simd.splat_f32s(mean), simd.splat_f32s(inverse));
            // Of a vector: what is standardised, and its gradient.
            let parts = |start: usize| {
                let load =
                    |from: &[f32]| load(simd, &from[start..(start + S::F32_LANES).min(width)]);
                let n = simd.mul_f32s(simd.sub_f32s(load(x), centre), scale);
                (n, simd.mul_f32s(load(gradient), load(self.weight)))
            };
            let (mut total, mut along) = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
            for start in (0..width).step_by(S::F32_LANES) {
                let (n, g) = parts(start);
                total = simd.add_f32s(total, g);
                along = simd.mul_add_e_f32s(n, g, along);
            }
            let mean_of = |sum| simd.splat_f32s(simd.reduce_sum_f32s(sum) / width as f32);
            let (total, along) = (mean_of(total), mean_of(along));
            for (index, out) in out.chunks_mut(S::F32_LANES).enumerate() {
                let start = index * S::F32_LANES;
                let (n, g) = parts(start);
                let g = simd.sub_f32s(simd.sub_f32s(g, total), simd.mul_f32s(n, along));
                let of_x = match beside {
                    None => simd.mul_f32s(g, scale),
                    Some(beside) => {
                        let beside = load(simd, &beside[start..start + out.len()]);
                        simd.mul_add_e_f32s(g, scale, beside)
                    }
                };
                store(simd, out, of_x);
            }
        }
    }
}
