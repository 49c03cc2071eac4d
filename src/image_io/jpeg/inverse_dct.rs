//! Blocks of frequencies to blocks of samples: libjpeg's accurate integer transform (`jidctint.c`), bit for bit.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::blocks::{Line, Plane};

/// Blocks that are transformed side by side: one vector of 16 numbers, or two of 8, or four. Each number of a vector belongs to another
/// block, so nothing is ever moved within one.
pub(super) const LANES: usize = 16;

type Lanes = [i32; LANES];

/// Fractional bits of the constants.
const CONSTANT_BITS: u32 = 13;
/// Fractional bits that are kept between the two passes.
const PASS_BITS: u32 = 2;

/// Samples of a line of blocks: 8 rows, each of as many bytes as `rows` has an eighth of: 8 for each block and then some, so that they are a
/// multiple of `8 * LANES`. Those of `columns` and some beside them are written.
pub(super) fn to_samples(line: &Line, plane: &Plane, columns: Range<usize>, rows: &mut [u8]) {
    const WIDTH: usize = 8 * LANES;
    let end = columns.end.next_multiple_of(WIDTH).min(rows.len() / 8);
    Arch::new().dispatch(Samples {
        line,
        plane,
        columns: columns.start / WIDTH * WIDTH..end,
        rows,
    });
}

struct Samples<'a> {
    line: &'a Line,
    plane: &'a Plane,
    /// From a multiple of `8 * LANES` to one.
    columns: Range<usize>,
    rows: &'a mut [u8],
}

impl WithSimd for Samples<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let stride = self.rows.len() / 8;
        let mut blocks = self.line.blocks().skip(self.columns.start / 8);
        let mut values = [[0; LANES]; 64];
        for first in self.columns.step_by(8 * LANES) {
            values.as_flattened_mut().fill(0);
            for (lane, block) in blocks.by_ref().take(LANES).enumerate() {
                for frequency in block {
                    let place = usize::from(frequency.place) % 64;
                    values[place][lane] =
                        i32::from(frequency.value) * self.plane.quantisation[place];
                }
            }
            for column in 0..8 {
                transform::<{ CONSTANT_BITS - PASS_BITS }>(&mut values, column, 8);
            }
            for row in 0..8 {
                transform::<{ CONSTANT_BITS + PASS_BITS + 3 }>(&mut values, 8 * row, 1);
                let samples = &mut self.rows[row * stride + first..][..8 * LANES];
                write(&values[8 * row..], samples);
            }
        }
    }
}

/// Eight frequencies of each block, `step` apart, to samples times a power of two.
#[inline(always)]
fn transform<const SHIFT: u32>(values: &mut [Lanes; 64], first: usize, step: usize) {
    let mut taken: [Lanes; 8] = std::array::from_fn(|index| values[(first + index * step) % 64]);
    for lane in 0..LANES {
        let transformed = transform_one::<SHIFT>(std::array::from_fn(|index| taken[index][lane]));
        for (taken, value) in taken.iter_mut().zip(transformed) {
            taken[lane] = value;
        }
    }
    for (index, taken) in taken.into_iter().enumerate() {
        values[(first + index * step) % 64] = taken;
    }
}

/// The transform of C. Loeffler, A. Ligtenberg and G. Moschytz (1989), as `jidctint.c` orders and rounds it. A file that
/// makes numbers overflow makes wrong samples, and no more.
#[inline(always)]
fn transform_one<const SHIFT: u32>(values: [i32; 8]) -> [i32; 8] {
    let times = |value: i32, constant: i32| value.wrapping_mul(constant);
    let sum = |a: i32, b: i32| a.wrapping_add(b);
    // The even half.
    let turned = times(sum(values[2], values[6]), 4_433);
    let even_2 = sum(turned, times(values[6], -15_137));
    let even_3 = sum(turned, times(values[2], 6_270));
    let even_0 = sum(values[0], values[4]).wrapping_shl(CONSTANT_BITS);
    let even_1 = values[0]
        .wrapping_sub(values[4])
        .wrapping_shl(CONSTANT_BITS);
    let even = [
        sum(even_0, even_3),
        sum(even_1, even_2),
        even_1.wrapping_sub(even_2),
        even_0.wrapping_sub(even_3),
    ];
    // The odd half.
    let (z1, z2) = (sum(values[7], values[1]), sum(values[5], values[3]));
    let (z3, z4) = (sum(values[7], values[3]), sum(values[5], values[1]));
    let z5 = times(sum(z3, z4), 9_633);
    let (z1, z2) = (times(z1, -7_373), times(z2, -20_995));
    let z3 = sum(times(z3, -16_069), z5);
    let z4 = sum(times(z4, -3_196), z5);
    let odd = [
        sum(times(values[1], 12_299), sum(z1, z4)),
        sum(times(values[3], 25_172), sum(z2, z3)),
        sum(times(values[5], 16_819), sum(z2, z4)),
        sum(times(values[7], 2_446), sum(z1, z3)),
    ];
    let rounded = |value: i32| sum(value, 1 << (SHIFT - 1)) >> SHIFT;
    std::array::from_fn(|index| {
        if index < 4 {
            rounded(sum(even[index], odd[index]))
        } else {
            rounded(even[7 - index].wrapping_sub(odd[7 - index]))
        }
    })
}

/// The first 8 of `values` as bytes, block after block.
#[inline(always)]
fn write(values: &[Lanes], samples: &mut [u8]) {
    let byte = |value: i32| value.wrapping_add(128).clamp(0, 255) as u32;
    let mut halves = [[0_u32; LANES]; 2];
    for (half, values) in halves.iter_mut().zip(values.chunks_exact(4)) {
        for lane in 0..LANES {
            half[lane] = byte(values[0][lane])
                | byte(values[1][lane]) << 8
                | byte(values[2][lane]) << 16
                | byte(values[3][lane]) << 24;
        }
    }
    for (lane, samples) in samples.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let both = u64::from(halves[0][lane]) | u64::from(halves[1][lane]) << 32;
        *samples = both.to_le_bytes();
    }
}
