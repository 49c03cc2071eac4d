//! PIL's antialiased bicubic resize, for the part of the result that is wanted.
//!
//! Follows Pillow 13's `Resample.c`: one direction after the other, with 8-bit pixels between them. Pillow adds
//! 22-bit integers; here 32-bit floats give the same bytes but for ties. Which direction comes first shows wherever an
//! edge overshoots (0.12 levels on average): across, but down in a picture that loses more than twice as many pixels down
//! as across (measured on 1,492 random sizes with Pillow 13.0.0; its older releases always begin across).

#![expect(
    clippy::inline_always,
    reason = "only what is inlined into a dispatched function is compiled for its instructions"
)]

mod strips;

use std::ops::Range;

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use pulp::Arch;

use crate::image_io::Strips;

/// How far the filter reaches, in pixels of the larger grid.
const REACH: f64 = 2.0;
/// Pixels are widened to four lanes, which is what vector registers hold.
const LANES: usize = 4;
const CHANNELS: usize = 3;
/// Rows that are summed side by side: one vector of 16 numbers, or two of 8, or four.
const ABREAST: usize = 4;

/// One side of an image: how long it is, how long it becomes, and which part of that is wanted.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// Pixels of the image.
    pub(super) from: u32,
    /// Pixels of the whole result.
    pub(super) to: u64,
    /// Pixels of the result that are computed.
    pub(super) part: Range<u64>,
}

/// Weights of the image's pixels for one pixel of the result.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// The wanted part of an RGB image `[rows.from, columns.from, 3]`, resized: `[rows.part, columns.part, 3]`.
pub(super) fn resize(pixels: &[u8], columns: &Axis, rows: &Axis) -> Vec<u8> {
    let (column_taps, row_taps) = (columns.taps(), rows.taps());
    let stride = columns.from as usize * CHANNELS;
    if goes_down_first(columns, rows) {
        let low = resize_columns(pixels, stride, 0, &row_taps);
        return resize_rows(&low, stride, &column_taps);
    }
    let needed = needed(&row_taps);
    let narrow = resize_rows(
        &pixels[needed.start * stride..needed.end * stride],
        stride,
        &column_taps,
    );
    resize_columns(
        &narrow,
        column_taps.len() * CHANNELS,
        needed.start,
        &row_taps,
    )
}

/// The same of a JPEG that is decoded meanwhile, strip by strip, so that its pixels are never all there: `columns` and `rows` are
/// those of the upright picture. `None` where it has to be decoded in another way.
pub(super) fn resize_strips(
    strips: &Strips<'_>,
    orientation: Orientation,
    columns: &Axis,
    rows: &Axis,
) -> Option<RgbImage> {
    let [turns, mirrors_columns, mirrors_rows] = turn(orientation);
    let (across, down) = if turns {
        (rows, columns)
    } else {
        (columns, rows)
    };
    let column_taps = across.mirrored_if(mirrors_columns).taps();
    let row_taps = down.mirrored_if(mirrors_rows).taps();
    let pixels = if goes_down_first(columns, rows) == turns {
        strips::resize_across_first(strips, &column_taps, &row_taps)
    } else {
        strips::resize_down_first(strips, &column_taps, &row_taps)
    };
    let image = RgbImage::from_raw(column_taps.len() as u32, row_taps.len() as u32, pixels?)?;
    let mut image = DynamicImage::from(image);
    image.apply_orientation(orientation);
    Some(image.into_rgb8())
}

/// Whether the sides change places, and whether columns and rows of the file run the other way in the upright picture.
fn turn(orientation: Orientation) -> [bool; 3] {
    match orientation {
        Orientation::NoTransforms => [false, false, false],
        Orientation::FlipHorizontal => [false, true, false],
        Orientation::Rotate180 => [false, true, true],
        Orientation::FlipVertical => [false, false, true],
        Orientation::Rotate90FlipH => [true, false, false],
        Orientation::Rotate90 => [true, false, true],
        Orientation::Rotate270FlipH => [true, true, true],
        Orientation::Rotate270 => [true, true, false],
    }
}

/// Which direction Pillow resizes first.
fn goes_down_first(columns: &Axis, rows: &Axis) -> bool {
    rows.loss() > 0 && rows.loss() > 2 * columns.loss()
}

impl Axis {
    /// The same side, from its other end if it is mirrored.
    fn mirrored_if(&self, is_mirrored: bool) -> Self {
        let part = if is_mirrored {
            self.to - self.part.end..self.to - self.part.start
        } else {
            self.part.clone()
        };
        Self { part, ..*self }
    }

    /// Pixels that are lost; negative where some are gained.
    fn loss(&self) -> i64 {
        i64::from(self.from) - self.to as i64
    }

    fn taps(&self) -> Vec<Taps> {
        let scale = f64::from(self.from) / self.to as f64;
        let widening = scale.max(1.0);
        let reach = REACH * widening;
        let taps_of = |index: u64| {
            let centre = (index as f64 + 0.5) * scale;
            let first = (centre - reach + 0.5).max(0.0) as usize;
            let end = ((centre + reach + 0.5) as usize).min(self.from as usize);
            let at = |pixel: usize| bicubic((pixel as f64 - centre + 0.5) / widening);
            let sum: f64 = (first..end).map(at).sum();
            Taps {
                first,
                weights: (first..end).map(|pixel| (at(pixel) / sum) as f32).collect(),
            }
        };
        self.part.clone().map(taps_of).collect()
    }
}

/// Keys' cubic with a = -0.5, Pillow's `BICUBIC`.
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// The pixels of the image that any of `taps` reads.
fn needed(taps: &[Taps]) -> Range<usize> {
    let start = taps.iter().map(|taps| taps.first).min().unwrap_or(0);
    let end = taps
        .iter()
        .map(|taps| taps.first + taps.weights.len())
        .max()
        .unwrap_or(0);
    start..end
}

/// `[rows, width, 3]` to `[rows, taps, 3]`; `stride` is `width * 3`.
///
/// A sum waits for each of its additions in turn, so several rows are summed side by side: on a photo of 4000 × 3000
/// pixels that is most of the time.
fn resize_rows(pixels: &[u8], stride: usize, taps: &[Taps]) -> Vec<u8> {
    let width = taps.len() * CHANNELS;
    let mut resized = vec![0; pixels.len() / stride * width];
    let mut lanes = vec![[0.0; ABREAST * LANES]; needed(taps).len()];
    let (arch, blocks) = (Arch::new(), pixels.chunks(ABREAST * stride));
    for (rows, resized) in blocks.zip(resized.chunks_mut(ABREAST * width)) {
        arch.dispatch(|| resize_block((rows, stride), taps, &mut lanes, (resized, width)));
    }
    resized
}

/// [`ABREAST`] rows or fewer; `lanes` is scratch space for the pixels that `taps` read.
#[inline(always)]
fn resize_block(
    (rows, stride): (&[u8], usize),
    taps: &[Taps],
    lanes: &mut [[f32; ABREAST * LANES]],
    (resized, width): (&mut [u8], usize),
) {
    let first = taps.iter().map(|taps| taps.first).min().unwrap_or(0);
    // Each pixel is read by four or more taps, so it is converted once.
    for (index, row) in rows.chunks_exact(stride).enumerate() {
        let pixels = &row.as_chunks::<CHANNELS>().0[first..];
        for (lanes, pixel) in lanes.iter_mut().zip(pixels) {
            for channel in 0..CHANNELS {
                lanes[index * LANES + channel] = f32::from(pixel[channel]);
            }
        }
    }
    for (column, taps) in taps.iter().enumerate() {
        let sums = weighted_sums(&lanes[taps.first - first..], &taps.weights);
        let rows = resized.chunks_exact_mut(width);
        for (row, sum) in rows.zip(sums.as_chunks::<LANES>().0) {
            let pixel = &mut row[column * CHANNELS..][..CHANNELS];
            for channel in 0..CHANNELS {
                pixel[channel] = to_byte(sum[channel]);
            }
        }
    }
}

#[inline(always)]
fn weighted_sums(pixels: &[[f32; ABREAST * LANES]], weights: &[f32]) -> [f32; ABREAST * LANES] {
    let mut sums = [0.0; ABREAST * LANES];
    for (pixels, weight) in pixels.iter().zip(weights) {
        for (sum, pixel) in sums.iter_mut().zip(pixels) {
            *sum += pixel * weight;
        }
    }
    sums
}

/// `[rows, stride]` to `[taps, stride]`; the first row is number `first_row` of the image.
fn resize_columns(pixels: &[u8], stride: usize, first_row: usize, taps: &[Taps]) -> Vec<u8> {
    let mut resized = vec![0; taps.len() * stride];
    let mut sums = vec![0.0; stride];
    let arch = Arch::new();
    for (taps, resized) in taps.iter().zip(resized.chunks_exact_mut(stride)) {
        let rows = &pixels[(taps.first - first_row) * stride..];
        arch.dispatch(|| add_rows((rows, stride), &taps.weights, &mut sums, resized));
    }
    resized
}

/// The weighted sum of rows.
#[inline(always)]
fn add_rows((rows, stride): (&[u8], usize), weights: &[f32], sums: &mut [f32], resized: &mut [u8]) {
    sums.fill(0.0);
    for (row, weight) in rows.chunks_exact(stride).zip(weights) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += f32::from(*value) * weight;
        }
    }
    for (resized, sum) in resized.iter_mut().zip(sums) {
        *resized = to_byte(*sum);
    }
}

/// Rounded half up, as Pillow rounds; the filter overshoots at edges.
fn to_byte(value: f32) -> u8 {
    (value + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_that_keeps_its_length_is_copied() {
        let pixels: Vec<u8> = (0..60).collect();
        let columns = Axis {
            from: 5,
            to: 5,
            part: 1..4,
        };
        let rows = Axis {
            from: 4,
            to: 4,
            part: 0..4,
        };
        let expected: Vec<u8> = pixels
            .chunks_exact(15)
            .flat_map(|row| row[3..12].to_vec())
            .collect();
        assert_eq!(resize(&pixels, &columns, &rows), expected);
    }

    #[test]
    fn a_part_is_the_same_as_that_part_of_the_whole() {
        let pixels: Vec<u8> = (0..90 * 70 * 3_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let (columns, rows) = (
            Axis {
                from: 90,
                to: 31,
                part: 0..31,
            },
            Axis {
                from: 70,
                to: 101,
                part: 0..101,
            },
        );
        let whole = resize(&pixels, &columns, &rows);
        let part = resize(
            &pixels,
            &Axis {
                part: 7..20,
                ..columns
            },
            &Axis {
                part: 50..60,
                ..rows
            },
        );
        let expected: Vec<u8> = whole
            .chunks_exact(93)
            .skip(50)
            .take(10)
            .flat_map(|row| row[21..60].to_vec())
            .collect();
        assert_eq!(part, expected);
    }
}
