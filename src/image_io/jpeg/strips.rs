//! Blocks to rows of red, green and blue: libjpeg's bytes, a strip of 8 or 16 rows at a time.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::blocks::{Blocks, Line};
use super::inverse_dct::{LANES, to_samples};

/// Rows of a picture, plane by plane.
pub struct Strip {
    /// Red, green and blue: `[num_rows, stride]`.
    pub planes: [Vec<u8>; 3],
    /// Bytes from one row of a plane to the next; those of columns that nobody asked for are arbitrary.
    pub stride: usize,
    /// The picture's row that is the first one here.
    pub first_row: usize,
    /// 1 to 16.
    pub num_rows: usize,
}

impl Strip {
    /// Row `row` of the strip as pixels `[width, 3]`.
    pub fn interleave(&self, row: usize, pixels: &mut [u8]) {
        let width = pixels.len() / 3;
        let planes =
            [0, 1, 2].map(|plane: usize| &self.planes[plane][row * self.stride..][..width]);
        for (index, pixel) in pixels.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            *pixel = planes.map(|plane| plane[index]);
        }
    }
}

/// A colour JPEG that is decoded strip by strip.
pub struct Strips<'a> {
    blocks: Blocks<'a>,
}

/// Samples of a row of units.
#[derive(Clone)]
struct Samples {
    /// `[rows of a unit, stride of luma]`.
    luma: Vec<u8>,
    /// `[8, stride of chroma]` each.
    chroma: [Vec<u8>; 2],
}

impl<'a> Strips<'a> {
    /// `None` for what this decoder does not know: other ones do.
    pub(in crate::image_io) fn open(bytes: &'a [u8]) -> Option<Self> {
        let blocks = Blocks::open(bytes)?;
        Some(Self { blocks })
    }

    /// Pixels across and down in the file.
    pub fn size(&self) -> [usize; 2] {
        self.blocks.size
    }

    /// Decodes the strips that have any of `rows`, from the top to the bottom; only `columns` of them need to be looked at, and others are
    /// arbitrary.
    ///
    /// `None` where the file makes no sense, possibly after some strips. What is below `rows` is not read.
    pub fn for_each(
        &self,
        columns: Range<usize>,
        rows: Range<usize>,
        mut each: impl FnMut(&Strip),
    ) -> Option<()> {
        let mut decoder = StripDecoder::new(&self.blocks, columns, rows);
        self.blocks.for_each_row(|lines| {
            if let Some(strip) = decoder.take(lines) {
                each(strip);
            }
            !decoder.is_done()
        })?;
        if let Some(strip) = decoder.last() {
            each(strip);
        }
        Some(())
    }
}

/// What is known while the units of one row after the other come.
struct StripDecoder<'a> {
    blocks: &'a Blocks<'a>,
    columns: Range<usize>,
    rows: Range<usize>,
    /// Bytes of a row of samples, of luma and of chroma.
    strides: [usize; 2],
    /// The row of units that the strip is made of, and the one after it.
    current: Samples,
    next: Samples,
    /// Chroma of the row before the strip.
    above: [Vec<u8>; 2],
    /// Rows of units that came.
    num_taken: usize,
    /// Scratch space: chroma of one row at the resolution of luma.
    doubled: [Vec<u8>; 2],
    /// Scratch space: sums of two rows of chroma, with one more at both ends.
    sums: Vec<u16>,
    strip: Strip,
}

impl<'a> StripDecoder<'a> {
    fn new(blocks: &'a Blocks<'a>, columns: Range<usize>, rows: Range<usize>) -> Self {
        let strides = [0, 1].map(|plane: usize| {
            8 * blocks.planes[plane]
                .num_blocks_across
                .next_multiple_of(LANES)
        });
        let num_rows = 8 * blocks.planes[0].blocks_of_unit[1];
        let samples = Samples {
            luma: vec![0; num_rows * strides[0]],
            chroma: [vec![0; 8 * strides[1]], vec![0; 8 * strides[1]]],
        };
        let row = |length: usize| [vec![0; length], vec![0; length]];
        Self {
            blocks,
            columns,
            rows,
            strides,
            current: samples.clone(),
            next: samples,
            above: row(strides[1]),
            num_taken: 0,
            doubled: row(2 * strides[1].max(strides[0])),
            sums: vec![0; strides[1] + 2],
            strip: Strip {
                planes: [0, 1, 2].map(|_| vec![0; num_rows * strides[0]]),
                stride: strides[0],
                first_row: 0,
                num_rows: 0,
            },
        }
    }

    /// Takes the next row of units; gives the strip of the one before it, for chroma of a row is mixed with that of the row below.
    fn take(&mut self, lines: &[Vec<Line>; 3]) -> Option<&Strip> {
        if self.num_taken > 1 {
            self.advance();
        }
        let height = self.height_of_unit();
        let first_row = self.num_taken * height;
        // Chroma reaches a row up and down.
        let is_needed = first_row <= self.rows.end && first_row + height >= self.rows.start;
        if is_needed {
            self.transform(lines);
        }
        self.num_taken += 1;
        self.make(self.num_taken.checked_sub(2)?)
    }

    /// The strip of the last row of units.
    fn last(&mut self) -> Option<&Strip> {
        if self.is_done() {
            return None;
        }
        if self.num_taken > 1 {
            self.advance();
        }
        self.make(self.num_taken.checked_sub(1)?)
    }

    /// Whether all rows that are wanted were made.
    fn is_done(&self) -> bool {
        self.num_taken.saturating_sub(1) * self.height_of_unit() >= self.rows.end
    }

    fn height_of_unit(&self) -> usize {
        self.current.luma.len() / self.strides[0]
    }

    /// Samples of a row of units.
    fn transform(&mut self, lines: &[Vec<Line>; 3]) {
        let across = self.blocks.planes[0].blocks_of_unit[0];
        let samples = if self.num_taken == 0 {
            &mut self.current
        } else {
            &mut self.next
        };
        let [blue, red] = &mut samples.chroma;
        let planes = [&mut samples.luma, blue, red];
        for (number, samples) in planes.into_iter().enumerate() {
            let columns = if number == 0 {
                self.columns.clone()
            } else {
                (self.columns.start / across).saturating_sub(1)
                    ..self.columns.end.div_ceil(across) + 1
            };
            let stride = self.strides[number.min(1)];
            let rows_of_lines = samples.chunks_exact_mut(8 * stride);
            for (line, rows) in lines[number].iter().zip(rows_of_lines) {
                to_samples(line, &self.blocks.planes[number], columns.clone(), rows);
            }
        }
    }

    /// The next row of units becomes the current one.
    fn advance(&mut self) {
        for (above, chroma) in self.above.iter_mut().zip(&self.current.chroma) {
            above.copy_from_slice(&chroma[7 * self.strides[1]..]);
        }
        std::mem::swap(&mut self.current, &mut self.next);
    }

    /// Makes the strip of `current`, which is row number `unit` of units; `None` where none of it is wanted.
    fn make(&mut self, unit: usize) -> Option<&Strip> {
        let (stride, height) = (self.strides[0], self.height_of_unit());
        let first_row = unit * height;
        let num_rows = height.min(self.blocks.size[1] - first_row);
        if first_row >= self.rows.end || first_row + num_rows <= self.rows.start {
            return None;
        }
        let columns = self.columns.clone();
        for row in 0..num_rows {
            for plane in 0..2 {
                self.double(plane, first_row + row, unit);
            }
            let rgb = self.strip.planes.each_mut();
            Arch::new().dispatch(ToRgb {
                luma: &self.current.luma[row * stride..][columns.clone()],
                chroma: self
                    .doubled
                    .each_ref()
                    .map(|chroma| &chroma[columns.clone()]),
                rgb: rgb.map(|plane| &mut plane[row * stride..][columns.clone()]),
            });
        }
        self.strip.first_row = first_row;
        self.strip.num_rows = num_rows;
        Some(&self.strip)
    }

    /// Chroma of row `row` of the picture, which lies in row `unit` of units.
    fn double(&mut self, plane: usize, row: usize, unit: usize) {
        let [width, height] = self.blocks.size;
        let [across, down] = self.blocks.planes[0].blocks_of_unit;
        let samples = [&self.above, &self.current.chroma, &self.next.chroma];
        let chroma = |row: usize| {
            // counted from the row above the strip
            let (samples, row) = match (row + 1).saturating_sub(8 * unit) {
                0 => (samples[0], 0),
                number @ 1..=8 => (samples[1], number - 1),
                number => (samples[2], number - 9),
            };
            &samples[plane][row * self.strides[1]..][..width.div_ceil(across)]
        };
        let doubled = &mut self.doubled[plane];
        let sums = &mut self.sums;
        match [across, down] {
            [1, _] => doubled[..width].copy_from_slice(chroma(row)),
            [_, 1] => {
                let chroma = chroma(row);
                Arch::new().dispatch(DoubleAcross {
                    chroma,
                    sums,
                    doubled,
                });
            }
            _ => {
                let (near, far) = doubled_from(row, height.div_ceil(2));
                Arch::new().dispatch(DoubleBoth {
                    near: chroma(near),
                    far: chroma(far),
                    sums,
                    doubled,
                });
            }
        }
    }
}

/// The rows of chroma of which a row of pixels has three quarters and one quarter, of `num_rows` at half the resolution.
fn doubled_from(row: usize, num_rows: usize) -> (usize, usize) {
    let near = row / 2;
    let far = if row.is_multiple_of(2) {
        near.saturating_sub(1)
    } else {
        (near + 1).min(num_rows - 1)
    };
    (near, far)
}

/// libjpeg's `h2v1_fancy_upsample`: each pixel is three quarters of its own sample and one of the sample next to it.
struct DoubleAcross<'a> {
    chroma: &'a [u8],
    sums: &'a mut [u16],
    doubled: &'a mut [u8],
}

impl WithSimd for DoubleAcross<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (sum, value) in self.sums[1..].iter_mut().zip(self.chroma) {
            *sum = u16::from(*value);
        }
        mix_neighbours::<2>(self.sums, self.chroma.len(), [1, 2], self.doubled);
    }
}

/// libjpeg's `h2v2_fancy_upsample`: the same in both directions.
struct DoubleBoth<'a> {
    near: &'a [u8],
    far: &'a [u8],
    sums: &'a mut [u16],
    doubled: &'a mut [u8],
}

impl WithSimd for DoubleBoth<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.near.iter().zip(self.far);
        for (sum, (near, far)) in self.sums[1..].iter_mut().zip(rows) {
            *sum = 3 * u16::from(*near) + u16::from(*far);
        }
        mix_neighbours::<4>(self.sums, self.near.len(), [8, 7], self.doubled);
    }
}

/// Two pixels for each of `num` sums, which begin with the second; the first and the last one stand in for what is beyond them.
#[inline(always)]
fn mix_neighbours<const SHIFT: u32>(
    sums: &mut [u16],
    num: usize,
    rounding: [u16; 2],
    doubled: &mut [u8],
) {
    (sums[0], sums[num + 1]) = (sums[1], sums[num]);
    let (before, own, after) = (&sums[..num], &sums[1..=num], &sums[2..num + 2]);
    let pairs = doubled.as_chunks_mut::<2>().0.iter_mut();
    for (((pair, before), own), after) in pairs.zip(before).zip(own).zip(after) {
        *pair = [
            ((3 * own + before + rounding[0]) >> SHIFT) as u8,
            ((3 * own + after + rounding[1]) >> SHIFT) as u8,
        ];
    }
}

/// libjpeg's `ycc_rgb_convert`: fixed point with 16 bits.
struct ToRgb<'a> {
    luma: &'a [u8],
    /// Blue and red.
    chroma: [&'a [u8]; 2],
    rgb: [&'a mut [u8]; 3],
}

impl WithSimd for ToRgb<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        const HALF: i32 = 1 << 15;
        let [red, green, blue] = self.rgb;
        let [blue_chroma, red_chroma] = self.chroma;
        let length = self.luma.len();
        let (blue_chroma, red_chroma) = (&blue_chroma[..length], &red_chroma[..length]);
        let (red, green, blue) = (
            &mut red[..length],
            &mut green[..length],
            &mut blue[..length],
        );
        for index in 0..length {
            let luma = i32::from(self.luma[index]);
            let cb = i32::from(blue_chroma[index]) - 128;
            let cr = i32::from(red_chroma[index]) - 128;
            let byte = |value: i32| value.clamp(0, 255) as u8;
            red[index] = byte(luma + ((91_881 * cr + HALF) >> 16));
            green[index] = byte(luma + ((-22_554 * cb - 46_802 * cr + HALF) >> 16));
            blue[index] = byte(luma + ((116_130 * cb + HALF) >> 16));
        }
    }
}
