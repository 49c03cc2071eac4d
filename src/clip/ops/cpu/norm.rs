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
    let (width, num_rows) = (weight.len(), x.len() / weight.len());
    filled(num_rows, width, |out| {
        (0..num_rows.div_ceil(BLOCK_ROWS))
            .into_par_iter()
            .for_each(|block| {
                let rows = block * BLOCK_ROWS..((block + 1) * BLOCK_ROWS).min(num_rows);
                dispatch(Norm {
                    x,
                    weight,
                    bias,
                    eps,
                    out,
                    rows,
                });
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
/// `(g - mean(g) - n · mean(g · n)) / deviation`.
pub(in crate::clip::ops) fn layer_norm_gradient(
    x: &[f32],
    weight: &[f32],
    gradient: &[f32],
    eps: f32,
) -> Vec<f32> {
    let width = weight.len();
    let mut out = vec![0.0; x.len()];
    out.par_chunks_mut(width)
        .zip(x.par_chunks(width).zip(gradient.par_chunks(width)))
        .for_each(|(out, (x, gradient))| norm_gradient_of_row(x, weight, gradient, eps, out));
    out
}

fn norm_gradient_of_row(x: &[f32], weight: &[f32], gradient: &[f32], eps: f32, out: &mut [f32]) {
    let count = x.len() as f32;
    let mean = x.iter().sum::<f32>() / count;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / count;
    let inverse = 1.0 / (variance + eps).sqrt();
    let (mut sum, mut along) = (0.0, 0.0);
    for ((x, weight), gradient) in x.iter().zip(weight).zip(gradient) {
        let g = gradient * weight;
        sum += g;
        along += g * (x - mean) * inverse;
    }
    let (sum, along) = (sum / count, along / count);
    let inputs = x.iter().zip(weight).zip(gradient);
    for (out, ((x, weight), gradient)) in out.iter_mut().zip(inputs) {
        let n = (x - mean) * inverse;
        *out = (gradient * weight - sum - n * along) * inverse;
    }
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
            let mean = sum(simd, x, |x| x) / width as f32;
            let centre = simd.splat_f32s(mean);
            let squares = |x| {
                let x = simd.sub_f32s(x, centre);
                simd.mul_f32s(x, x)
            };
            // What a last, partly filled vector adds too much: its empty lanes are zero before the mean is taken.
            let empty = width.next_multiple_of(S::F32_LANES) - width;
            let variance = (sum(simd, x, squares) - empty as f32 * mean * mean) / width as f32;
            let scale = simd.splat_f32s(1.0 / (variance + eps).sqrt());
            for (index, out) in out.chunks_mut(S::F32_LANES).enumerate() {
                let part = index * S::F32_LANES..index * S::F32_LANES + out.len();
                let load = |from: &[f32]| load(simd, &from[part.clone()]);
                let x = simd.mul_f32s(simd.sub_f32s(load(x), centre), scale);
                store(simd, out, simd.mul_add_e_f32s(x, load(weight), load(bias)));
            }
        }
    }
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
