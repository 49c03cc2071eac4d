//! Rows that several threads write at once.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

/// Rows that a thread fills at least before another is asked.
const ROWS_OF_A_TASK: usize = 8;

/// `num_rows` rows of `width` numbers, every one of which `fill` must write.
///
/// Not zeroed before: that took 3 % of ViT-B/32.
pub(super) fn filled<T: Copy>(
    num_rows: usize,
    width: usize,
    fill: impl FnOnce(SharedRows<'_, T>),
) -> Vec<T> {
    let len = num_rows * width;
    let mut numbers = Vec::with_capacity(len);
    let room: &mut [MaybeUninit<T>] = &mut numbers.spare_capacity_mut()[..len];
    fill(SharedRows {
        start: room.as_mut_ptr().cast(),
        len,
        stride: width,
        lifetime: PhantomData,
    });
    #[expect(unsafe_code, reason = "`fill` has written all `len` numbers")]
    unsafe {
        numbers.set_len(len);
    }
    numbers
}

/// `num_rows` rows of `width` cells, zero until `fill(row, cells)` writes them, in parallel.
///
/// A row becomes zero on the thread that fills it, in its cache: all at once took 2 % of ViT-B/32 on one thread, while the
/// others waited.
pub(in crate::clip) fn rows<T: Copy + Default + Send>(
    num_rows: usize,
    width: usize,
    fill: impl Fn(usize, &mut [T]) + Sync,
) -> Vec<T> {
    filled(num_rows, width, |out| {
        let rows = (0..num_rows).into_par_iter().with_min_len(ROWS_OF_A_TASK);
        rows.for_each(|row| {
            #[expect(unsafe_code, reason = "every row is written by one thread")]
            let cells = unsafe { out.cells(row, 0..width) };
            cells.fill(T::default());
            fill(row, cells);
        });
    })
}

/// A row-major matrix whose cells different threads fill, each its own.
#[derive(Clone, Copy)]
pub(super) struct SharedRows<'a, T = f32> {
    start: *mut T,
    len: usize,
    stride: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

#[expect(
    unsafe_code,
    reason = "cells are reached only through `cells`, whose callers never share one"
)]
unsafe impl<T: Send> Send for SharedRows<'_, T> {}
#[expect(
    unsafe_code,
    reason = "cells are reached only through `cells`, whose callers never share one"
)]
unsafe impl<T: Send> Sync for SharedRows<'_, T> {}

impl<'a, T> SharedRows<'a, T> {
    /// Rows of `stride` numbers over all of `data`.
    pub(super) fn new(data: &'a mut [T], stride: usize) -> Self {
        Self {
            start: data.as_mut_ptr(),
            len: data.len(),
            stride,
            lifetime: PhantomData,
        }
    }

    /// The same rows from row `row` and column `column` on.
    pub(super) fn from(self, row: usize, column: usize) -> Self {
        let skipped = row * self.stride + column;
        assert!(skipped <= self.len, "the corner lies outside");
        Self {
            start: self.start.wrapping_add(skipped),
            len: self.len - skipped,
            ..self
        }
    }

    /// The cells of `columns` in row `row`.
    ///
    /// # Safety
    /// Nobody else may hold any of these cells while the slice lives.
    #[inline(always)]
    #[expect(
        unsafe_code,
        reason = "bounds are asserted; that cells are not shared is the caller's promise"
    )]
    pub(super) unsafe fn cells(&self, row: usize, columns: Range<usize>) -> &'a mut [T] {
        let first = row * self.stride + columns.start;
        let len = columns.end - columns.start;
        assert!(first + len <= self.len, "cells outside the matrix");
        unsafe { std::slice::from_raw_parts_mut(self.start.add(first), len) }
    }
}
