//! The product of pairs with AVX512-BF16.

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_add_ps, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps,
    _mm512_loadu_ps, _mm512_mask_storeu_epi32, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps,
    _mm512_set1_epi32, _mm512_setzero_ps, _mm512_storeu_ps,
};
use std::ops::Range;

use pulp::x86::V4;

use super::super::matmul::{TILE_ROWS, finish_cells, finish_panel};
use super::super::output::SharedRows;
use super::super::pack::{VECTORS, panel_width};
use super::{PairTask, Target};

const LANES: usize = PairProduct::LANES;
/// Inner pairs between two visits of an output cell: a panel of them is 144 KiB.
const BLOCK_PAIRS: usize = 768;

/// The product of pairs, on processors with AVX512-BF16.
#[derive(Clone, Copy, Debug)]
pub(in crate::clip) struct PairProduct {
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

    /// Rounds to the nearest pairs, ties to even as [`super::pair`] does; numbers below the normal ones become zero.
    #[expect(
        clippy::unused_self,
        reason = "it is the proof that the processor has these instructions"
    )]
    pub(in crate::clip) fn round(self, numbers: &[f32], to: &mut [u32]) {
        #[expect(
            unsafe_code,
            reason = "a PairProduct is made only where the processor has these instructions"
        )]
        unsafe {
            round(numbers, to);
        }
    }

    /// The rectangle `rows` × `panels` of the output, on this thread.
    pub(in crate::clip::ops::cpu) fn run(
        self,
        task: &PairTask<'_>,
        rows: Range<usize>,
        panels: Range<usize>,
    ) {
        let sweep = Sweep {
            simd: self.simd,
            task,
            rows,
        };
        #[expect(
            unsafe_code,
            reason = "a PairProduct is made only where the processor has these instructions"
        )]
        unsafe {
            sweep.run(panels);
        }
    }
}

/// Rows of a product.
struct Sweep<'a> {
    simd: V4,
    task: &'a PairTask<'a>,
    rows: Range<usize>,
}

impl Sweep<'_> {
    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16")]
    #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
    fn run(&self, panels: Range<usize>) {
        let b = self.task.b;
        match self.task.out {
            Target::Numbers(out) => {
                for start in (0..b.inner).step_by(BLOCK_PAIRS) {
                    let inner = start..(start + BLOCK_PAIRS).min(b.inner);
                    for index in panels.clone() {
                        let inner = inner.clone();
                        match self.vectors(index) {
                            1 => self.numbers::<1>(out, index, inner),
                            2 => self.numbers::<2>(out, index, inner),
                            _ => self.numbers::<VECTORS>(out, index, inner),
                        }
                    }
                }
            }
            Target::Pairs(out) => {
                for index in panels {
                    match self.vectors(index) {
                        1 => self.pairs::<1>(out, index),
                        2 => self.pairs::<2>(out, index),
                        _ => self.pairs::<VECTORS>(out, index),
                    }
                }
            }
        }
    }

    /// Vectors of a row of panel `index`.
    fn vectors(&self, index: usize) -> usize {
        self.task.b.panel(index).len() / self.task.b.inner / LANES
    }

    /// The columns of panel `index`, which has `V` vectors.
    fn columns<const V: usize>(&self, index: usize) -> Range<usize> {
        let first = index * panel_width();
        first..(first + V * LANES).min(self.task.b.outputs)
    }

    /// The inner pairs `inner` of panel `index`, for all rows; with the last of them the numbers are finished.
    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16")]
    #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
    fn numbers<const V: usize>(&self, out: SharedRows<'_>, index: usize, inner: Range<usize>) {
        let PairTask { a, b, finish, .. } = *self.task;
        let columns = self.columns::<V>(index);
        let part = &b.panel(index)[inner.start * V * LANES..inner.end * V * LANES];
        let mut row = self.rows.start;
        while row < self.rows.end {
            let tile = Tile {
                a: &a.data[row * a.stride + inner.start..],
                stride: a.stride,
                out: out.from(row, 0),
                columns: columns.clone(),
                first: inner.start == 0,
            };
            row += tile.up_to::<V>(self.rows.end - row, part);
        }
        if inner.end == b.inner {
            let rows = self.rows.clone();
            finish_panel(self.simd, finish, out, rows, b.outputs, columns);
        }
    }

    /// All of panel `index` for all rows: a few of them are finished and rounded while they are in the nearest cache.
    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16")]
    #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
    fn pairs<const V: usize>(&self, out: SharedRows<'_, u32>, index: usize) {
        let PairTask { a, b, finish, .. } = *self.task;
        let (columns, panel) = (self.columns::<V>(index), b.panel(index));
        let width = columns.len();
        let mut sums = TileSums([0.0; TILE_ROWS * VECTORS * LANES]);
        let mut row = self.rows.start;
        while row < self.rows.end {
            let tile = Tile {
                a: &a.data[row * a.stride..],
                stride: a.stride,
                out: SharedRows::new(&mut sums.0, width),
                columns: 0..width,
                first: true,
            };
            let count = tile.up_to::<V>(self.rows.end - row, panel);
            for (r, sums) in sums.0.chunks_exact_mut(width).take(count).enumerate() {
                let columns = columns.clone();
                #[expect(unsafe_code, reason = "tasks are disjoint rectangles of the output")]
                let cells = unsafe { out.cells(row + r, columns.start / 2..columns.end / 2) };
                finish_cells(self.simd, finish, sums, row + r, b.outputs, columns);
                round(sums, cells);
            }
            row += count;
        }
    }
}

/// The sums of a tile, from a cache line's start on.
#[repr(align(64))]
struct TileSums([f32; TILE_ROWS * VECTORS * LANES]);

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
    /// As many of `left` rows as fit, and how many that were.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16")]
    fn up_to<const V: usize>(&self, left: usize, panel: &[u32]) -> usize {
        match left {
            TILE_ROWS.. => self.compute::<TILE_ROWS, V>(panel),
            4.. => self.compute::<4, V>(panel),
            2.. => self.compute::<2, V>(panel),
            _ => self.compute::<1, V>(panel),
        }
    }

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
    // What was stored under a mask has to reach the cache before it can be read again: whole vectors need not wait.
    if let Some(cells) = cells.first_chunk_mut::<LANES>() {
        #[expect(unsafe_code, reason = "all cells lie inside")]
        unsafe {
            let sum = if first {
                sum
            } else {
                _mm512_add_ps(sum, _mm512_loadu_ps(cells.as_ptr()))
            };
            _mm512_storeu_ps(cells.as_mut_ptr(), sum);
        }
        return;
    }
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
    if rest.is_empty() {
        return;
    }
    let mask = (1_u32 << rest.len()) - 1;
    let to = &mut last[..rest.len().div_ceil(2)];
    #[expect(
        unsafe_code,
        reason = "the masks have bits for what is there and no other"
    )]
    unsafe {
        let low = _mm512_maskz_loadu_ps(mask as u16, rest.as_ptr());
        let high = _mm512_maskz_loadu_ps((mask >> LANES) as u16, rest.as_ptr().wrapping_add(LANES));
        let pairs = bits(_mm512_cvtne2ps_pbh(high, low));
        _mm512_mask_storeu_epi32(
            to.as_mut_ptr().cast(),
            ((1_u32 << to.len()) - 1) as u16,
            pairs,
        );
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

#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn bits(pairs: __m512bh) -> __m512i {
    #[expect(unsafe_code, reason = "vectors of one size are plain bits")]
    unsafe {
        std::mem::transmute::<__m512bh, __m512i>(pairs)
    }
}
