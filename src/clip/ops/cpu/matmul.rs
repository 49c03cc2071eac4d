//! `function(a · bᵀ + bias + residual)` in one sweep over the output.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::activation::{apply, load, store};
use super::bf16::numbers_of_pairs;
use super::kernel::dispatch;
use super::output::{SharedRows, filled};
use super::pack::{Format, PackedMatrix, PackedView, VECTORS, panel_width};
use crate::clip::ops::Elementwise;

/// Inner columns between two visits of an output cell: a panel of them is 192 KiB with AVX-512.
///
/// It divides the widths of ViT-L/14: with 768, its rows of 1024 numbers are cut into 768 and 256 and cost 5 % more.
const BLOCK_INNER: usize = 1024;
/// Numbers of `a` that a task goes through again for every panel: they should stay in a second-level cache of 1 MiB.
const BLOCK_NUMBERS: usize = 128 << 10;
/// Rows of the largest tile.
pub(super) const TILE_ROWS: usize = 8;
/// Multiplications below which a second thread costs more than it brings.
const SERIAL_WORK: usize = 1 << 18;

/// Rows of numbers, `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T = f32> {
    pub(super) data: &'a [T],
    pub(super) count: usize,
    pub(super) stride: usize,
}

/// What happens to a sum before it is final.
#[derive(Clone, Copy, Default)]
pub(in crate::clip::ops) struct Finish<'a> {
    /// One number per output column.
    pub(in crate::clip::ops) bias: Option<&'a [f32]>,
    /// Rows like the output's, taken in turn when there are fewer.
    pub(in crate::clip::ops) residual: Option<&'a [f32]>,
    /// Applied last.
    pub(in crate::clip::ops) function: Elementwise,
}

impl Finish<'_> {
    /// Whether a sum is final as it is.
    fn is_nothing(&self) -> bool {
        self.bias.is_none() && self.residual.is_none() && self.function == Elementwise::Identity
    }
}

/// `finish(a · bᵀ)` for `a` with `b.inner()` columns, in parallel.
pub(in crate::clip::ops) fn matmul(a: &[f32], b: &PackedMatrix, finish: Finish<'_>) -> Vec<f32> {
    let num_rows = a.len() / b.inner();
    let rows = Rows {
        data: a,
        count: num_rows,
        stride: b.inner(),
    };
    match b.format() {
        Format::F32(b) => filled(num_rows, b.outputs, |out| {
            let whole = Task {
                a: rows,
                b,
                finish,
                out,
                rows: 0..num_rows,
                panels: 0..b.num_panels(),
            };
            in_blocks(num_rows, &b, |rows, panels| {
                Task {
                    rows,
                    panels,
                    ..whole.clone()
                }
                .run();
            });
        }),
        Format::Bf16(product, b) => numbers_of_pairs(product, &product.pairs(rows), b, finish),
    }
}

/// Cuts the output of `count` rows into tasks, and runs them: blocks of rows, and groups of panels where there are few rows.
pub(super) fn in_blocks<T: Sync>(
    count: usize,
    b: &PackedView<'_, T>,
    run: impl Fn(Range<usize>, Range<usize>) + Sync,
) {
    if count * b.outputs * b.inner < SERIAL_WORK {
        run(0..count, 0..b.num_panels());
        return;
    }
    let most_rows = BLOCK_NUMBERS / b.inner.min(BLOCK_INNER);
    let block_rows = count
        .div_ceil(count.div_ceil(most_rows))
        .next_multiple_of(TILE_ROWS);
    let row_blocks = count.div_ceil(block_rows);
    let group = panels_of_a_task(b.num_panels(), row_blocks, rayon::current_num_threads());
    let panel_groups = b.num_panels().div_ceil(group);
    (0..row_blocks * panel_groups)
        .into_par_iter()
        .for_each(|index| {
            let (block, first) = (index / panel_groups, index % panel_groups * group);
            let panels = first..(first + group).min(b.num_panels());
            let rows = block * block_rows..((block + 1) * block_rows).min(count);
            run(rows, panels);
        });
}

/// How many of `num_panels` panels a task takes, so that a thread has about four tasks, where possible as many as the others:
/// with nine tasks, one of two threads waited a tenth of the time.
fn panels_of_a_task(num_panels: usize, row_blocks: usize, threads: usize) -> usize {
    let least = (4 * threads).div_ceil(row_blocks).min(num_panels);
    let groups = (least..=num_panels)
        .find(|groups| (row_blocks * groups).is_multiple_of(threads))
        .unwrap_or(least);
    num_panels.div_ceil(groups)
}

/// A rectangle of the output.
#[derive(Clone)]
pub(super) struct Task<'a> {
    pub(super) a: Rows<'a>,
    pub(super) b: PackedView<'a>,
    pub(super) finish: Finish<'a>,
    pub(super) out: SharedRows<'a>,
    pub(super) rows: Range<usize>,
    pub(super) panels: Range<usize>,
}

impl Task<'_> {
    /// Computes the rectangle on this thread.
    pub(super) fn run(self) {
        dispatch(self);
    }
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for start in (0..self.b.inner).step_by(BLOCK_INNER) {
            let inner = start..(start + BLOCK_INNER).min(self.b.inner);
            for panel in self.panels.clone() {
                match self.b.panel(panel).len() / self.b.inner / S::F32_LANES {
                    1 => sweep_panel::<S, 1>(simd, &self, panel, inner.clone()),
                    2 => sweep_panel::<S, 2>(simd, &self, panel, inner.clone()),
                    _ => sweep_panel::<S, VECTORS>(simd, &self, panel, inner.clone()),
                }
            }
        }
    }
}

/// All rows of the task against the inner columns `inner` of one panel of `V` vectors.
#[inline(always)]
fn sweep_panel<S: Simd, const V: usize>(
    simd: S,
    task: &Task<'_>,
    panel: usize,
    inner: Range<usize>,
) {
    let (vectors, _) = S::as_simd_f32s(task.b.panel(panel));
    let first = panel * panel_width();
    let columns = first..(first + V * S::F32_LANES).min(task.b.outputs);
    sweep_part::<S, V>(
        simd,
        task,
        &vectors[inner.start * V..inner.end * V],
        columns.clone(),
        inner.start,
    );
    if inner.end == task.b.inner {
        finish_panel(
            simd,
            task.finish,
            task.out,
            task.rows.clone(),
            task.b.outputs,
            columns,
        );
    }
}

/// All rows of the task against a part of a panel, from inner column `start` on.
#[inline(always)]
fn sweep_part<S: Simd, const V: usize>(
    simd: S,
    task: &Task<'_>,
    part: &[S::f32s],
    columns: Range<usize>,
    start: usize,
) {
    let mut row = task.rows.start;
    while row < task.rows.end {
        let tile = Tile {
            a: &task.a.data[row * task.a.stride + start..],
            stride: task.a.stride,
            out: task.out.from(row, 0),
            columns: columns.clone(),
            first: start == 0,
        };
        // Half the rows where half the registers are there (AVX2).
        let left = task.rows.end - row;
        row += if left >= TILE_ROWS && S::REGISTER_COUNT >= 32 {
            tile.compute::<S, TILE_ROWS, V>(simd, part)
        } else if left >= 4 {
            tile.compute::<S, 4, V>(simd, part)
        } else if left >= 2 {
            tile.compute::<S, 2, V>(simd, part)
        } else {
            tile.compute::<S, 1, V>(simd, part)
        };
    }
}

/// A few rows of the output against one panel: all of it stays in registers.
struct Tile<'a> {
    a: &'a [f32],
    stride: usize,
    out: SharedRows<'a>,
    columns: Range<usize>,
    /// Whether the output holds nothing yet.
    first: bool,
}

impl Tile<'_> {
    /// Adds `a · panel` to `R` rows of `V` vectors, and returns `R`.
    #[inline(always)]
    fn compute<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        panel: &[S::f32s],
    ) -> usize {
        let (panel, _) = panel.as_chunks::<V>();
        let rows: [&[f32]; R] = std::array::from_fn(|r| &self.a[r * self.stride..][..panel.len()]);
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        for k in 0..panel.len() {
            for r in 0..R {
                let value = simd.splat_f32s(rows[r][k]);
                for v in 0..V {
                    sums[r][v] = simd.mul_add_e_f32s(value, panel[k][v], sums[r][v]);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            #[expect(unsafe_code, reason = "tasks are disjoint rectangles of the output")]
            let cells = unsafe { self.out.cells(r, self.columns.clone()) };
            self.put(simd, sums, cells);
        }
        R
    }

    /// Adds `sums` to one row of the output.
    #[inline(always)]
    fn put<S: Simd, const V: usize>(&self, simd: S, sums: &[S::f32s; V], cells: &mut [f32]) {
        if let Some(whole) = S::as_mut_simd_f32s(cells).0.first_chunk_mut::<V>() {
            for v in 0..V {
                whole[v] = if self.first {
                    sums[v]
                } else {
                    simd.add_f32s(whole[v], sums[v])
                };
            }
            return;
        }
        for (cells, sum) in cells.chunks_mut(S::F32_LANES).zip(sums) {
            let sum = if self.first {
                *sum
            } else {
                simd.add_f32s(load(simd, cells), *sum)
            };
            store(simd, cells, sum);
        }
    }
}

/// Bias, residual and function on the cells that were just computed, while they are in the first-level cache.
#[inline(always)]
pub(super) fn finish_panel<S: Simd>(
    simd: S,
    finish: Finish<'_>,
    out: SharedRows<'_>,
    rows: Range<usize>,
    outputs: usize,
    columns: Range<usize>,
) {
    if finish.is_nothing() {
        return;
    }
    for row in rows {
        #[expect(unsafe_code, reason = "tasks are disjoint rectangles of the output")]
        let cells = unsafe { out.cells(row, columns.clone()) };
        finish_cells(simd, finish, cells, row, outputs, columns.clone());
    }
}

/// The same on the cells of `columns` in row `row`.
#[inline(always)]
pub(super) fn finish_cells<S: Simd>(
    simd: S,
    finish: Finish<'_>,
    cells: &mut [f32],
    row: usize,
    outputs: usize,
    columns: Range<usize>,
) {
    let bias = finish.bias.map(|bias| &bias[columns.clone()]);
    let residual = finish.residual.map(|residual| {
        let row = row % (residual.len() / outputs);
        &residual[row * outputs..][columns]
    });
    for (index, cells) in cells.chunks_mut(S::F32_LANES).enumerate() {
        let start = index * S::F32_LANES;
        let part = start..start + cells.len();
        let mut sum = load(simd, cells);
        if let Some(bias) = bias {
            sum = simd.add_f32s(sum, load(simd, &bias[part.clone()]));
        }
        if let Some(residual) = residual {
            sum = simd.add_f32s(sum, load(simd, &residual[part]));
        }
        store(simd, cells, apply(simd, finish.function, sum));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kernel;
    use super::*;
    use crate::clip::NumberFormat;

    fn numbers(len: usize, seed: usize) -> Vec<f32> {
        (0..len)
            .map(|i| (((i + seed) * 7919 % 2003) as f32 / 1001.5) - 1.0)
            .collect()
    }

    const SHAPES: [(usize, usize, usize); 6] = [
        (1, 1, 1),
        (7, 49, 5),
        (3, 16, 31),
        (50, 100, 769),
        (97, 47, 1600),
        (13, 40, 2049),
    ];

    /// `relu(a · wᵀ + bias + residual)` of made-up numbers in `format`, and from the definition with both factors rounded
    /// by `round`.
    fn check(format: NumberFormat, round: impl Fn(f32) -> f32) {
        for (rows, outputs, inner) in SHAPES {
            let (a, w) = (numbers(rows * inner, 1), numbers(outputs * inner, 2));
            let (bias, residual) = (numbers(outputs, 3), numbers(rows * outputs, 4));
            let packed = PackedMatrix::new(&w, outputs, inner, format);
            let rounded: Vec<f32> = w.iter().map(|w| round(*w)).collect();
            assert_eq!(packed.unpacked(), rounded);
            let columns = (0..inner).flat_map(|k| rounded[k..].iter().step_by(inner).copied());
            let transposed = packed.transposed();
            assert_eq!((transposed.outputs(), transposed.inner()), (inner, outputs));
            assert_eq!(transposed.unpacked(), columns.collect::<Vec<_>>());
            let finish = Finish {
                bias: Some(&bias),
                residual: Some(&residual),
                function: Elementwise::Relu,
            };
            let out = matmul(&a, &packed, finish);
            for row in 0..rows {
                for column in 0..outputs {
                    let (x, y) = (&a[row * inner..], &rounded[column * inner..][..inner]);
                    let products = y.iter().zip(x).map(|(y, x)| f64::from(round(*x) * y));
                    let sum = products.sum::<f64>() as f32;
                    let expected = (sum + bias[column] + residual[row * outputs + column]).max(0.0);
                    let got = out[row * outputs + column];
                    assert!(
                        (got - expected).abs() < 1e-3 + 1e-5 * expected,
                        "{rows} x {outputs} x {inner} at {row}, {column}: {got}, not {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn threads_have_equally_many_tasks_where_that_is_possible() {
        // Panels, blocks of rows, threads; panels of a task, tasks.
        for (num_panels, row_blocks, threads, panels, tasks) in [
            (48, 3, 2, 12, 12),
            (16, 3, 2, 4, 12),
            (16, 5, 2, 8, 10),
            (48, 5, 16, 3, 80),
            (1, 3, 2, 1, 3),
            (2, 1, 64, 1, 2),
        ] {
            assert_eq!(panels_of_a_task(num_panels, row_blocks, threads), panels);
            assert_eq!(row_blocks * num_panels.div_ceil(panels), tasks);
        }
    }

    #[test]
    fn products_of_awkward_shapes_agree_with_the_definition() {
        check(NumberFormat::F32, |number| number);
    }

    #[test]
    fn products_of_rounded_numbers_agree_with_the_definition() {
        let forced = Kernel::forced().unwrap();
        if Kernel::Avx512Bf16.is_here() && matches!(forced, None | Some(Kernel::Avx512Bf16)) {
            check(NumberFormat::Bf16, |number| {
                half::bf16::from_f32(number).to_f32()
            });
        } else {
            println!("skipped: this processor has no AVX512-BF16, or another kernel is forced");
        }
    }
}
