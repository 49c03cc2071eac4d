//! `function(a · bᵀ + bias + residual)` with `a` and `b` rounded to 16-bit brain floats, two of which are multiplied and
//! added to an f32 sum at once.

use half::bf16;

pub(in crate::clip::ops) use product::PairProduct;

/// One or two numbers, rounded: the first in the lower half, zero for a second that is not there.
pub(super) fn pair(numbers: &[f32]) -> u32 {
    let half = |index: usize| {
        let number = numbers.get(index).copied().unwrap_or_default();
        u32::from(bf16::from_f32(number).to_bits())
    };
    half(0) | half(1) << 16
}

/// The number of column `k` from the pair that holds it.
pub(super) fn number_of_pair(pair: u32, k: usize) -> f32 {
    f32::from_bits(if k.is_multiple_of(2) {
        pair << 16
    } else {
        pair & 0xffff_0000
    })
}

#[cfg(target_arch = "x86_64")]
mod product {
    use std::arch::x86_64::{
        __m512, __m512bh, __m512i, _mm512_add_ps, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps,
        _mm512_loadu_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_set1_epi32,
        _mm512_setzero_ps,
    };
    use std::ops::Range;

    use pulp::x86::V4;
    use rayon::prelude::*;

    use super::super::matmul::{Finish, Rows, TILE_ROWS, finish_panel};
    use super::super::output::SharedRows;
    use super::super::pack::{PackedView, VECTORS, panel_width};

    const LANES: usize = PairProduct::LANES;
    /// Inner pairs between two visits of an output cell: a panel of them is 144 KiB.
    const BLOCK_PAIRS: usize = 768;

    /// The product of pairs, on processors with AVX512-BF16.
    #[derive(Clone, Copy, Debug)]
    pub(in crate::clip::ops) struct PairProduct {
        simd: V4,
    }

    impl PairProduct {
        /// Numbers of a vector of sums, and pairs of a vector of factors.
        pub(in crate::clip::ops) const LANES: usize = 16;

        /// `None` where the processor has no instructions for it.
        pub(in crate::clip::ops) fn try_new() -> Option<Self> {
            let simd = V4::try_new()?;
            is_x86_feature_detected!("avx512bf16").then_some(Self { simd })
        }

        /// Pairs of all numbers of `a`, row by row, in parallel: once for all tasks that multiply them.
        #[expect(
            clippy::unused_self,
            reason = "it is the proof that the processor has these instructions"
        )]
        pub(in crate::clip::ops::cpu) fn pairs(self, a: Rows<'_>) -> Vec<u32> {
            let mut pairs = vec![0; a.count * a.stride.div_ceil(2)];
            pairs
                .par_chunks_mut(a.stride.div_ceil(2))
                .zip(a.data.par_chunks(a.stride))
                .with_min_len(TILE_ROWS)
                .for_each(|(pairs, numbers)| {
                    #[expect(
                        unsafe_code,
                        reason = "a PairProduct is made only where the processor has these instructions"
                    )]
                    unsafe {
                        round(numbers, pairs);
                    }
                });
            pairs
        }

        /// The rectangle `rows` × `panels` of the output, on this thread; `a` are rows of as many pairs as `b` has.
        pub(in crate::clip::ops::cpu) fn run(
            self,
            a: &[u32],
            b: PackedView<'_, u32>,
            finish: Finish<'_>,
            out: SharedRows<'_>,
            rows: Range<usize>,
            panels: Range<usize>,
        ) {
            let task = Task {
                simd: self.simd,
                a,
                b,
                finish,
                out,
                rows,
                panels,
            };
            #[expect(
                unsafe_code,
                reason = "a PairProduct is made only where the processor has these instructions"
            )]
            unsafe {
                task.run();
            }
        }
    }

    struct Task<'a> {
        simd: V4,
        a: &'a [u32],
        b: PackedView<'a, u32>,
        finish: Finish<'a>,
        out: SharedRows<'a>,
        rows: Range<usize>,
        panels: Range<usize>,
    }

    impl Task<'_> {
        #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16")]
        #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
        fn run(&self) {
            for start in (0..self.b.inner).step_by(BLOCK_PAIRS) {
                let inner = start..(start + BLOCK_PAIRS).min(self.b.inner);
                for panel in self.panels.clone() {
                    let pairs = self.b.panel(panel);
                    match pairs.len() / self.b.inner / LANES {
                        1 => self.sweep_panel::<1>(pairs, panel, inner.clone()),
                        2 => self.sweep_panel::<2>(pairs, panel, inner.clone()),
                        _ => self.sweep_panel::<VECTORS>(pairs, panel, inner.clone()),
                    }
                }
            }
        }

        /// All rows of the task against the inner pairs `inner` of one panel of `V` vectors.
        #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16")]
        #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
        fn sweep_panel<const V: usize>(&self, panel: &[u32], index: usize, inner: Range<usize>) {
            let first = index * panel_width();
            let columns = first..(first + V * LANES).min(self.b.outputs);
            let part = &panel[inner.start * V * LANES..inner.end * V * LANES];
            let mut row = self.rows.start;
            while row < self.rows.end {
                let tile = Tile {
                    a: &self.a[row * self.b.inner + inner.start..],
                    stride: self.b.inner,
                    out: self.out.from(row, 0),
                    columns: columns.clone(),
                    first: inner.start == 0,
                };
                let left = self.rows.end - row;
                row += if left >= TILE_ROWS {
                    tile.compute::<TILE_ROWS, V>(part)
                } else if left >= 4 {
                    tile.compute::<4, V>(part)
                } else if left >= 2 {
                    tile.compute::<2, V>(part)
                } else {
                    tile.compute::<1, V>(part)
                };
            }
            if inner.end == self.b.inner {
                let (rows, outputs) = (self.rows.clone(), self.b.outputs);
                finish_panel(self.simd, self.finish, self.out, rows, outputs, columns);
            }
        }
    }

    /// A few rows of the output against one panel: all of it stays in registers.
    struct Tile<'a> {
        a: &'a [u32],
        stride: usize,
        out: SharedRows<'a>,
        columns: Range<usize>,
        /// Whether the output holds nothing yet.
        first: bool,
    }

    impl Tile<'_> {
        /// Adds `a · panel` to `R` rows of `V` vectors, and returns `R`.
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16")]
        fn compute<const R: usize, const V: usize>(&self, panel: &[u32]) -> usize {
            let (vectors, _) = panel.as_chunks::<LANES>();
            let (panel, _) = vectors.as_chunks::<V>();
            let mut rows: [&[u32]; R] = [&[]; R];
            for (r, row) in rows.iter_mut().enumerate() {
                *row = &self.a[r * self.stride..][..panel.len()];
            }
            let mut sums = [[_mm512_setzero_ps(); V]; R];
            for k in 0..panel.len() {
                for r in 0..R {
                    let value = pairs(_mm512_set1_epi32(rows[r][k].cast_signed()));
                    for v in 0..V {
                        sums[r][v] = _mm512_dpbf16_ps(sums[r][v], value, load(&panel[k][v]));
                    }
                }
            }
            for (r, sums) in sums.iter().enumerate() {
                #[expect(unsafe_code, reason = "tasks are disjoint rectangles of the output")]
                let cells = unsafe { self.out.cells(r, self.columns.clone()) };
                for (cells, sum) in cells.chunks_mut(LANES).zip(sums) {
                    add_to(cells, *sum, self.first);
                }
            }
            R
        }
    }

    /// Adds as many sums as there are cells; `first` when these hold nothing yet.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn add_to(cells: &mut [f32], sum: __m512, first: bool) {
        let mask = ((1_u32 << cells.len()) - 1) as u16;
        #[expect(unsafe_code, reason = "the mask has a bit for every cell and no other")]
        unsafe {
            let sum = if first {
                sum
            } else {
                _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, cells.as_ptr()))
            };
            _mm512_mask_storeu_ps(cells.as_mut_ptr(), mask, sum);
        }
    }

    /// Rounds to the nearest pairs, ties to even as [`super::pair`] does; numbers below the normal ones become zero.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn round(numbers: &[f32], to: &mut [u32]) {
        let (whole, rest) = numbers.as_chunks::<{ 2 * LANES }>();
        let (vectors, last) = to.split_at_mut(whole.len() * LANES);
        for (numbers, to) in whole.iter().zip(vectors.as_chunks_mut::<LANES>().0) {
            #[expect(
                unsafe_code,
                reason = "both halves lie inside; vectors of one size are plain bits"
            )]
            unsafe {
                let low = _mm512_loadu_ps(numbers.as_ptr());
                let high = _mm512_loadu_ps(numbers[LANES..].as_ptr());
                *to = std::mem::transmute::<__m512bh, [u32; LANES]>(_mm512_cvtne2ps_pbh(high, low));
            }
        }
        for (numbers, to) in rest.chunks(2).zip(last) {
            *to = super::pair(numbers);
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn load(numbers: &[u32; LANES]) -> __m512bh {
        #[expect(unsafe_code, reason = "vectors of one size are plain bits")]
        unsafe {
            std::mem::transmute::<[u32; LANES], __m512bh>(*numbers)
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn pairs(numbers: __m512i) -> __m512bh {
        #[expect(unsafe_code, reason = "vectors of one size are plain bits")]
        unsafe {
            std::mem::transmute::<__m512i, __m512bh>(numbers)
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod product {
    use std::ops::Range;

    use super::super::matmul::{Finish, Rows};
    use super::super::output::SharedRows;
    use super::super::pack::PackedView;

    /// The product of pairs, which only x86 has instructions for so far.
    #[derive(Clone, Copy, Debug)]
    pub(in crate::clip::ops) enum PairProduct {}

    impl PairProduct {
        /// None.
        pub(in crate::clip::ops) const LANES: usize = 0;

        /// There is none.
        pub(in crate::clip::ops) fn try_new() -> Option<Self> {
            None
        }

        /// Never happens.
        pub(in crate::clip::ops::cpu) fn pairs(self, _: Rows<'_>) -> Vec<u32> {
            match self {}
        }

        /// Never happens.
        pub(in crate::clip::ops::cpu) fn run(
            self,
            _: &[u32],
            _: PackedView<'_, u32>,
            _: Finish<'_>,
            _: SharedRows<'_>,
            _: Range<usize>,
            _: Range<usize>,
        ) {
            match self {}
        }
    }
}
