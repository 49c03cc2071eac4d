//! The right-hand side of a product, laid out in the order in which the kernel reads it.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

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
    Arch::new().dispatch(Lanes)
}

/// Columns of a panel of this machine.
pub(super) fn panel_width() -> usize {
    VECTORS * lanes()
}

/// `outputs` × `inner` numbers where [i, k] lies at `i * output_stride + k * inner_stride`.
#[derive(Clone, Copy)]
pub(super) struct Strided<'a> {
    pub(super) data: &'a [f32],
    pub(super) outputs: usize,
    pub(super) inner: usize,
    pub(super) output_stride: usize,
    pub(super) inner_stride: usize,
}

impl Strided<'_> {
    /// How many numbers the packed form has: the last panel is filled up to whole vectors.
    pub(super) fn packed_len(&self) -> usize {
        self.outputs.next_multiple_of(lanes()) * self.inner
    }

    /// Writes panel `panel`, `inner` rows of its columns, into `target`; columns past the last are zero.
    fn pack_panel(&self, panel: usize, target: &mut [f32]) {
        let first = panel * panel_width();
        let width = target.len() / self.inner;
        let used = width.min(self.outputs - first);
        if self.output_stride == 1 {
            for (k, row) in target.chunks_exact_mut(width).enumerate() {
                let start = first + k * self.inner_stride;
                row[..used].copy_from_slice(&self.data[start..start + used]);
                row[used..].fill(0.0);
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
                row[used..].fill(0.0);
            }
        }
    }

    /// Writes all panels, one after the other.
    pub(super) fn pack_into(&self, target: &mut [f32]) {
        for (panel, target) in target.chunks_mut(panel_width() * self.inner).enumerate() {
            self.pack_panel(panel, target);
        }
    }
}

/// Panels that somebody else owns.
#[derive(Clone, Copy)]
pub(super) struct PackedView<'a> {
    pub(super) data: &'a [f32],
    pub(super) outputs: usize,
    pub(super) inner: usize,
}

impl<'a> PackedView<'a> {
    /// Number of panels.
    pub(super) fn num_panels(&self) -> usize {
        self.outputs.div_ceil(panel_width())
    }

    /// The numbers of panel `panel`, `inner` rows of its columns.
    pub(super) fn panel(&self, panel: usize) -> &'a [f32] {
        let size = panel_width() * self.inner;
        let start = panel * size;
        &self.data[start..(start + size).min(self.data.len())]
    }
}

/// A weight matrix `[outputs, inner]`, packed once when it is loaded.
pub(in crate::clip::ops) struct PackedMatrix {
    outputs: usize,
    inner: usize,
    data: Vec<f32>,
    /// Where the first panel starts in `data`, so that it starts a cache line.
    offset: usize,
}

impl PackedMatrix {
    /// Packs `weight`, `outputs` rows of `inner` numbers.
    pub(in crate::clip::ops) fn new(weight: &[f32], outputs: usize, inner: usize) -> Self {
        assert!(
            inner > 0 && weight.len() == outputs * inner,
            "weights do not fill their shape"
        );
        let source = Strided {
            data: weight,
            outputs,
            inner,
            output_stride: inner,
            inner_stride: 1,
        };
        let len = source.packed_len();
        let mut data = vec![0.0; len + LINE];
        let offset = data
            .as_ptr()
            .align_offset(LINE * size_of::<f32>())
            .min(LINE);
        data[offset..offset + len]
            .par_chunks_mut(panel_width() * inner)
            .enumerate()
            .for_each(|(panel, target)| source.pack_panel(panel, target));
        Self {
            outputs,
            inner,
            data,
            offset,
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

    /// The panels.
    pub(super) fn view(&self) -> PackedView<'_> {
        let len = self.outputs.next_multiple_of(lanes()) * self.inner;
        PackedView {
            data: &self.data[self.offset..self.offset + len],
            outputs: self.outputs,
            inner: self.inner,
        }
    }

    /// The original matrix, `outputs` rows of `inner` numbers.
    pub(in crate::clip::ops) fn unpacked(&self) -> Vec<f32> {
        let mut weight = vec![0.0; self.outputs * self.inner];
        let view = self.view();
        for panel in 0..view.num_panels() {
            let data = view.panel(panel);
            let width = data.len() / self.inner;
            let first = panel * panel_width();
            for column in 0..width.min(self.outputs - first) {
                let row = &mut weight[(first + column) * self.inner..][..self.inner];
                for (cell, value) in row.iter_mut().zip(data[column..].iter().step_by(width)) {
                    *cell = *value;
                }
            }
        }
        weight
    }
}
