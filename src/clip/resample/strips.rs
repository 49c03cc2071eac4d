//! Strips of a JPEG to the resized picture, row by row while they come. The same sums in the same order as of whole pictures.

use pulp::{Arch, Simd, WithSimd};

use super::{CHANNELS, Taps, needed, resize_columns, resize_rows, to_byte, weighted_sums};
use crate::image_io::{Strip, Strips};

/// Rows that are summed side by side: as many as a strip has at most.
const ROWS: usize = 16;

/// Across, then down: `[rows, columns, 3]`. `None` where the file makes no sense.
pub(super) fn resize_across_first(
    strips: &Strips<'_>,
    columns: &[Taps],
    rows: &[Taps],
) -> Option<Vec<u8>> {
    let (needed_rows, needed_columns) = (needed(rows), needed(columns));
    let width = columns.len() * CHANNELS;
    let mut narrow = vec![0; needed_rows.len() * width];
    let mut pixels = vec![[0.0; ROWS]; needed_columns.len()];
    let mut words = [0; ROWS / 4].map(|_| vec![0; needed_columns.len()]);
    strips.for_each(needed_columns.clone(), needed_rows.clone(), |strip| {
        let skipped = needed_rows.start.saturating_sub(strip.first_row);
        let first = strip.first_row + skipped - needed_rows.start;
        let num_rows = (strip.num_rows - skipped).min(needed_rows.len() - first);
        let narrow = &mut narrow[first * width..][..num_rows * width];
        for channel in 0..CHANNELS {
            let plane = &strip.planes[channel][skipped * strip.stride..];
            Arch::new().dispatch(Narrow {
                rows: (plane, strip.stride, num_rows),
                first_column: needed_columns.start,
                words: &mut words,
                pixels: &mut pixels,
                taps: columns,
                result: (&mut narrow[channel..], width),
            });
        }
    })?;
    Some(resize_columns(&narrow, width, needed_rows.start, rows))
}

/// One channel of the rows of a strip, resized across.
struct Narrow<'a> {
    /// The samples, from one row to the next, and how many rows.
    rows: (&'a [u8], usize, usize),
    first_column: usize,
    /// Scratch space: four rows' pixels of each column in a word.
    words: &'a mut [Vec<u32>; ROWS / 4],
    /// Scratch space: all rows' pixels of each column.
    pixels: &'a mut [[f32; ROWS]],
    taps: &'a [Taps],
    /// The result, from its first sample of this channel on, and the samples of all channels of a row.
    result: (&'a mut [u8], usize),
}

impl WithSimd for Narrow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (samples, stride, num_rows) = self.rows;
        let row = |index: usize| {
            // Rows that are not there are copies of one that is; nobody reads their sums.
            &samples[index.min(num_rows - 1) * stride + self.first_column..][..self.pixels.len()]
        };
        let rows: [&[u8]; ROWS] = std::array::from_fn(row);
        turn(&rows, self.words, self.pixels);
        let (narrow, width) = self.result;
        for (column, taps) in self.taps.iter().enumerate() {
            let pixels = &self.pixels[taps.first - self.first_column..];
            let bytes = weighted_sums(pixels, &taps.weights).map(to_byte);
            for (row, byte) in bytes.iter().enumerate().take(num_rows) {
                narrow[row * width + column * CHANNELS] = *byte;
            }
        }
    }
}

/// Rows to columns, by words of four rows: both steps are ones that compilers make vectors of.
#[inline(always)]
fn turn(rows: &[&[u8]; ROWS], words: &mut [Vec<u32>; ROWS / 4], pixels: &mut [[f32; ROWS]]) {
    let length = pixels.len();
    for (rows, words) in rows.as_chunks::<4>().0.iter().zip(&mut *words) {
        let [a, b, c, d] = rows.map(|row| &row[..length]);
        let words = &mut words[..length];
        for column in 0..length {
            let word = |row: &[u8], place: u32| u32::from(row[column]) << (8 * place);
            words[column] = word(a, 0) | word(b, 1) | word(c, 2) | word(d, 3);
        }
    }
    let [a, b, c, d] = words.each_ref().map(|words| &words[..length]);
    for (column, pixels) in pixels.iter_mut().enumerate() {
        let bytes = [a[column], b[column], c[column], d[column]].map(u32::to_le_bytes);
        for (pixel, byte) in pixels.iter_mut().zip(bytes.as_flattened()) {
            *pixel = f32::from(*byte);
        }
    }
}

/// Down, then across: `[rows, columns, 3]`. `None` where the file makes no sense.
pub(super) fn resize_down_first(
    strips: &Strips<'_>,
    columns: &[Taps],
    rows: &[Taps],
) -> Option<Vec<u8>> {
    let mut low = LowPicture::new(strips.size()[0], rows);
    strips.for_each(needed(columns), needed(rows), |strip| {
        for row in 0..strip.num_rows {
            low.add(strip, row);
        }
    })?;
    Some(resize_rows(&low.pixels, low.stride, columns))
}

/// Rows of the result, as wide as the photo, while they are being summed.
struct LowPicture<'a> {
    taps: &'a [Taps],
    /// Sums by channel of the rows of the result that are begun and not finished: row `r` has number `r % sums.len()`.
    sums: Vec<[Vec<f32>; CHANNELS]>,
    num_finished: usize,
    /// Scratch space: one row of a channel.
    row: Vec<f32>,
    /// `[rows, stride]`.
    pixels: Vec<u8>,
    stride: usize,
}

impl<'a> LowPicture<'a> {
    fn new(width: usize, taps: &'a [Taps]) -> Self {
        let end = |taps: &Taps| taps.first + taps.weights.len();
        let at_once = |(index, own): (usize, &Taps)| {
            let later = taps[index..].iter();
            later.take_while(|later| later.first < end(own)).count()
        };
        let most_at_once = taps.iter().enumerate().map(at_once).max();
        let sums = [0; CHANNELS].map(|_| vec![0.0; width]);
        Self {
            taps,
            sums: vec![sums; most_at_once.unwrap_or(0)],
            num_finished: 0,
            row: vec![0.0; width],
            pixels: vec![0; taps.len() * width * CHANNELS],
            stride: width * CHANNELS,
        }
    }

    /// Adds a row of a strip to the rows of the result that it touches.
    fn add(&mut self, strip: &Strip, row: usize) {
        let number = strip.first_row + row;
        let begun = |taps: &&Taps| taps.first <= number;
        let touched = self.taps[self.num_finished..].iter().take_while(begun);
        let num_touched = touched.count();
        if num_touched == 0 {
            return;
        }
        let (first, num_sums) = (self.num_finished, self.sums.len());
        for channel in 0..CHANNELS {
            let samples = &strip.planes[channel][row * strip.stride..];
            for (value, sample) in self.row.iter_mut().zip(samples) {
                *value = f32::from(*sample);
            }
            for index in first..first + num_touched {
                let taps = &self.taps[index];
                let sums = &mut self.sums[index % num_sums][channel];
                let weight = taps.weights[number - taps.first];
                let row = &self.row;
                Arch::new().dispatch(|| add_row(row, weight, sums));
            }
        }
        let is_finished = |taps: &Taps| taps.first + taps.weights.len() == number + 1;
        while self.taps.get(self.num_finished).is_some_and(is_finished) {
            self.finish();
        }
    }

    /// The oldest row that is not finished is.
    fn finish(&mut self) {
        let num_sums = self.sums.len();
        let pixels = &mut self.pixels[self.num_finished * self.stride..][..self.stride];
        for (channel, sums) in self.sums[self.num_finished % num_sums]
            .iter_mut()
            .enumerate()
        {
            for (sum, pixel) in sums.iter_mut().zip(pixels.as_chunks_mut::<CHANNELS>().0) {
                pixel[channel] = to_byte(std::mem::take(sum));
            }
        }
        self.num_finished += 1;
    }
}

#[inline(always)]
fn add_row(row: &[f32], weight: f32, sums: &mut [f32]) {
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum += value * weight;
    }
}
