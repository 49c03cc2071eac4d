//! The right-hand side of a product, laid out in the order in which the kernel reads it.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::bf16::{self, PairProduct};
use super::kernel::dispatch;
use crate::clip::NumberFormat;

/// Vectors per panel. With 8 rows that is 24 accumulators, 3 vectors of the panel and one broadcast in 32 registers.
pub(super) const VECTORS: usize = 3;
/// Cache lines start at multiples of this many numbers; a vector across two of them costs two loads.
const LINE: usize = 16;

struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// Numbers in one vector register of this machine.
pub(super) fn lanes() -> usize {
    dispatch(Lanes)
}

/// Columns of a panel of this machine.
pub(super) fn panel_width() -> usize {
    VECTORS * lanes()
}

/// `outputs` × `inner` numbers where [i, k] lies at `i * output_stride + k * inner_stride`.
#[derive(Clone, Copy)]
pub(super) struct Strided<'a, T = f32> {
    pub(super) data: &'a [T],
    pub(super) outputs: usize,
    pub(super) inner: usize,
    pub(super) output_stride: usize,
    pub(super) inner_stride: usize,
}

/// How many cells `inner` rows of `outputs` columns have in panels: the last panel is filled up to whole vectors.
pub(super) fn packed_len(outputs: usize, inner: usize) -> usize {
    outputs.next_multiple_of(lanes()) * inner
}

impl<T: Copy + Default> Strided<'_, T> {
    /// How many cells the packed form has.
    pub(super) fn packed_len(&self) -> usize {
        packed_len(self.outputs, self.inner)
    }

    /// Writes panel `panel`, `inner` rows of its columns, into `target`; columns past the last are zero.
    fn pack_panel(&self, panel: usize, target: &mut [T]) {
        let first = panel * panel_width();
        let width = target.len() / self.inner;
        let used = width.min(self.outputs - first);
        if self.output_stride == 1 {
            for (k, row) in target.chunks_exact_mut(width).enumerate() {
                let start = first + k * self.inner_stride;
                row[..used].copy_from_slice(&self.data[start..start + used]);
                row[used..].fill(T::default());
            }
            return;
        }
        // A cache line of every column at a time: they and the rows they go to stay in the nearest cache.
        for (tile, rows) in target.chunks_mut(LINE * width).enumerate() {
            for column in 0..used {
                let start = (first + column) * self.output_stride + tile * LINE * self.inner_stride;
                let numbers = self.data[start..].iter().step_by(self.inner_stride);
                let cells = rows[column..].iter_mut().step_by(width);
                for (cell, number) in cells.zip(numbers) {
                    *cell = *number;
                }
            }
            for row in rows.chunks_exact_mut(width) {
                row[used..].fill(T::default());
            }
        }
    }

    /// Writes all panels, one after the other.
    pub(super) fn pack_into(&self, target: &mut [T]) {
        for (panel, target) in target.chunks_mut(panel_width() * self.inner).enumerate() {
            self.pack_panel(panel, target);
        }
    }
}

/// Panels that somebody else owns.
#[derive(Clone, Copy)]
pub(in crate::clip::ops) struct PackedView<'a, T = f32> {
    pub(super) data: &'a [T],
    pub(super) outputs: usize,
    /// Rows of a panel: the matrix's columns, or pairs of them.
    pub(in crate::clip::ops) inner: usize,
}

impl<'a, T> PackedView<'a, T> {
    /// Number of panels.
    pub(super) fn num_panels(&self) -> usize {
        self.outputs.div_ceil(panel_width())
    }

    /// The numbers of panel `panel`, `inner` rows of its columns.
    pub(super) fn panel(&self, panel: usize) -> &'a [T] {
        let size = panel_width() * self.inner;
        let start = panel * size;
        &self.data[start..(start + size).min(self.data.len())]
    }
}

/// Numbers that start at a cache line.
struct Aligned<T> {
    data: Vec<T>,
    /// Where they start in `data`.
    offset: usize,
    len: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// `len` times the default.
    fn new(len: usize) -> Self {
        let data = vec![T::default(); len + LINE];
        let offset = data
            .as_ptr()
            .align_offset(LINE * size_of::<f32>())
            .min(LINE);
        Self { data, offset, len }
    }

    fn numbers(&self) -> &[T] {
        &self.data[self.offset..self.offset + self.len]
    }

    fn numbers_mut(&mut self) -> &mut [T] {
        &mut self.data[self.offset..self.offset + self.len]
    }
}

/// A weight matrix `[outputs, inner]`, packed once when it is loaded.
pub(in crate::clip::ops) struct PackedMatrix {
    outputs: usize,
    inner: usize,
    panels: Panels,
}

/// The packed numbers.
enum Panels {
    F32(Aligned<f32>),
    /// Pairs of neighbours along `inner`, the first in the lower half; half the memory to read.
    Bf16(PairProduct, Aligned<u32>),
}

/// The panels of a [`PackedMatrix`], for the kernel of their format.
pub(super) enum Format<'a> {
    F32(PackedView<'a>),
    Bf16(PairProduct, PackedView<'a, u32>),
}

impl PackedMatrix {
    /// Packs `weight`, `outputs` rows of `inner` numbers, rounded to `format` where this processor multiplies it.
    pub(in crate::clip::ops) fn new(
        weight: &[f32],
        outputs: usize,
        inner: usize,
        format: NumberFormat,
    ) -> Self {
        assert!(
            inner > 0 && weight.len() == outputs * inner,
            "weights do not fill their shape"
        );
        let panels = match PairProduct::of(format) {
            Some(product) => Panels::Bf16(product, packed_pairs(weight, outputs, inner)),
            None => Panels::F32(packed(weight, outputs, inner)),
        };
        Self {
            outputs,
            inner,
            panels,
        }
    }

    /// Rows of the original matrix.
    pub(in crate::clip::ops) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Columns of the original matrix.
    pub(in crate::clip::ops) fn inner(&self) -> usize {
        self.inner
    }

    /// The panels of pairs and what multiplies them, when they are such.
    pub(in crate::clip::ops) fn pairs(&self) -> Option<(PairProduct, PackedView<'_, u32>)> {
        match self.format() {
            Format::F32(_) => None,
            Format::Bf16(product, view) => Some((product, view)),
        }
    }

    /// The panels.
    pub(super) fn format(&self) -> Format<'_> {
        match &self.panels {
            Panels::F32(data) => Format::F32(PackedView {
                data: data.numbers(),
                outputs: self.outputs,
                inner: self.inner,
            }),
            Panels::Bf16(product, data) => Format::Bf16(
                *product,
                PackedView {
                    data: data.numbers(),
                    outputs: self.outputs,
                    inner: self.inner.div_ceil(2),
                },
            ),
        }
    }

    /// The transposed matrix, as rounded as this one is packed, for products in f32.
    pub(in crate::clip::ops) fn transposed(&self) -> Self {
        let (outputs, inner) = (self.inner, self.outputs);
        let mut data = Aligned::new(packed_len(outputs, inner));
        match self.format() {
            Format::F32(view) => self.transpose_into(data.numbers_mut(), view, |number, _| number),
            Format::Bf16(_, view) => {
                self.transpose_into(data.numbers_mut(), view, bf16::number_of_pair);
            }
        }
        Self {
            outputs,
            inner,
            panels: Panels::F32(data),
        }
    }

    /// Writes the panels of the transposed matrix, `number(cell, k)` for every cell's column k of the original: a panel of both
    /// at a time meets in a square of 9 KiB.
    fn transpose_into<T: Copy + Sync>(
        &self,
        target: &mut [f32],
        view: PackedView<'_, T>,
        number: impl Fn(T, usize) -> f32 + Sync,
    ) {
        let per_cell = self.inner.div_ceil(view.inner);
        let panels = target.par_chunks_mut(panel_width() * self.outputs);
        panels.enumerate().for_each(|(panel, target)| {
            let width = target.len() / self.outputs;
            let first = panel * panel_width();
            for source in 0..view.num_panels() {
                let data = view.panel(source);
                let source_width = data.len() / view.inner;
                let first_row = source * panel_width();
                let num_rows = source_width.min(self.outputs - first_row);
                for k in 0..width.min(self.inner - first) {
                    let start = (first + k) / per_cell * source_width;
                    let cells = &data[start..start + num_rows];
                    let column = target[first_row * width + k..].iter_mut().step_by(width);
                    for (to, cell) in column.zip(cells) {
                        *to = number(*cell, first + k);
                    }
                }
            }
        });
    }

    /// The original matrix, `outputs` rows of `inner` numbers, as rounded as it is packed.
    #[cfg(test)]
    pub(in crate::clip::ops) fn unpacked(&self) -> Vec<f32> {
        match self.format() {
            Format::F32(view) => self.read_back(view, |number, _| number),
            Format::Bf16(_, view) => self.read_back(view, bf16::number_of_pair),
        }
    }

    /// `number(cell, k)` for every cell's column k of the original.
    #[cfg(test)]
    fn read_back<T: Copy>(
        &self,
        view: PackedView<'_, T>,
        number: impl Fn(T, usize) -> f32,
    ) -> Vec<f32> {
        let mut weight = vec![0.0; self.outputs * self.inner];
        let per_cell = self.inner.div_ceil(view.inner);
        for panel in 0..view.num_panels() {
            let data = view.panel(panel);
            let width = data.len() / view.inner;
            let first = panel * panel_width();
            for column in 0..width.min(self.outputs - first) {
                let row = &mut weight[(first + column) * self.inner..][..self.inner];
                for (k, value) in row.iter_mut().enumerate() {
                    *value = number(data[k / per_cell * width + column], k);
                }
            }
        }
        weight
    }
}

fn packed(weight: &[f32], outputs: usize, inner: usize) -> Aligned<f32> {
    let source = Strided {
        data: weight,
        outputs,
        inner,
        output_stride: inner,
        inner_stride: 1,
    };
    let mut data = Aligned::new(source.packed_len());
    data.numbers_mut()
        .par_chunks_mut(panel_width() * inner)
        .enumerate()
        .for_each(|(panel, target)| source.pack_panel(panel, target));
    data
}

fn packed_pairs(weight: &[f32], outputs: usize, inner: usize) -> Aligned<u32> {
    let pairs = inner.div_ceil(2);
    let mut data = Aligned::new(packed_len(outputs, pairs));
    data.numbers_mut()
        .par_chunks_mut(panel_width() * pairs)
        .enumerate()
        .for_each(|(panel, target)| {
            let width = target.len() / pairs;
            let columns = weight.chunks_exact(inner).skip(panel * panel_width());
            for (column, row) in columns.take(width).enumerate() {
                let cells = target[column..].iter_mut().step_by(width);
                for (cell, numbers) in cells.zip(row.chunks(2)) {
                    *cell = bf16::pair(numbers);
                }
            }
        });
    data
}
