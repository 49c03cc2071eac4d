//! From a photo to the square of pixels that an image tower sees, as PIL and torchvision cut it.
//!
//! `Resize(size, BICUBIC)`, then `CenterCrop(size)` of OpenAI's `clip/clip.py`: the shorter side becomes `size`, antialiased,
//! the longer one `int(size * long / short)`; the crop's corner is rounded half to even, as Python rounds.

use std::fmt::Write as _;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// Reach of the bicubic filter in output pixels, on either side.
const BICUBIC_REACH: f64 = 2.0;

/// How a checkpoint wants its pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    /// Side of the square in pixels, at least 1.
    pub size: usize,
    /// What is subtracted from each of red, green, blue, on a scale of 0 to 1.
    pub mean: [f32; 3],
    /// What the rest is divided by.
    pub std: [f32; 3],
}

/// A square of pixels, ready for a tower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crop {
    /// Side in pixels.
    pub size: usize,
    /// Red, green, blue, row by row: `size * size * 3` bytes.
    pub pixels: Vec<u8>,
}

impl Preprocess {
    /// OpenAI's mean and deviation, which most checkpoints use, at `size` pixels.
    pub fn openai(size: usize) -> Self {
        let mean = [0.481_454_66, 0.457_827_5, 0.408_210_73];
        let std = [0.268_629_54, 0.261_302_6, 0.275_777_1];
        Self { size, mean, std }
    }

    /// The square in the middle of `image`, resized so that the shorter side fits.
    ///
    /// Equal to PIL 13 within one grey level on the goldens. What the square leaves out is never resized.
    /// An image without pixels gives a black square.
    pub fn crop(&self, image: &RgbImage) -> Crop {
        let size = self.size;
        let (width, height) = image.dimensions();
        let short_side = width.min(height);
        if short_side == 0 || size == 0 {
            return Crop { size, pixels: vec![0; size * size * 3] };
        }
        let columns = Span::middle(width, short_side, size as u32);
        let rows = Span::middle(height, short_side, size as u32);
        // PIL resizes all rows first, then all columns, and rounds between: the order shows where an edge overshoots.
        let (top, num_rows) = rows.needed();
        let narrow = resize(
            (image.as_raw(), width, height),
            (size as u32, num_rows),
            (columns.start, f64::from(top), columns.length, f64::from(num_rows)),
        );
        let pixels = resize(
            (&narrow, size as u32, num_rows),
            (size as u32, size as u32),
            (0.0, rows.start - f64::from(top), size as f64, rows.length),
        );
        Crop { size, pixels }
    }

    /// A name for these settings, part of every cache key; changes whenever the pixels or their scaling would.
    pub fn id(&self) -> String {
        let mut id = format!("pil-bicubic-{}", self.size);
        for value in self.mean.iter().chain(&self.std) {
            // writing to a string cannot fail
            write!(id, "-{value}").ok();
        }
        id
    }
}

/// A stretch of one side of a photo, in pixels of the photo.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: f64,
    length: f64,
    /// The whole side.
    side: u32,
    /// Pixels of the photo per pixel of the crop.
    scale: f64,
}

impl Span {
    /// The middle `size` pixels of `side`, once the photo is resized so that `short_side` becomes `size`.
    fn middle(side: u32, short_side: u32, size: u32) -> Self {
        // 64 bits: a strip of 65,535 x 1 pixels becomes 14,679,840 x 224
        let resized = u64::from(size) * u64::from(side) / u64::from(short_side);
        let margin = resized - u64::from(size);
        let first = margin / 2 + u64::from(margin % 4 == 3);
        let scale = f64::from(side) / resized as f64;
        let start = first as f64 * scale;
        let mut length = (f64::from(size) * scale).min(f64::from(side) - start);
        if start + length > f64::from(side) {
            // the sum was rounded up, and the resizer refuses a span beyond the side
            length = length.next_down();
        }
        Self { start, length, side, scale }
    }

    /// First pixel and number of pixels that the filter reads for this span.
    fn needed(&self) -> (u32, u32) {
        let reach = BICUBIC_REACH * self.scale.max(1.0);
        let first = (self.start - reach).floor().max(0.0) as u32;
        let end = (self.start + self.length + reach).ceil().min(f64::from(self.side)) as u32;
        (first, end - first)
    }
}

/// Resizes the part `(left, top, width, height)` of an RGB image `(pixels, width, height)` to `(width, height)`.
///
/// A side that keeps its length and starts at a whole pixel is copied, not filtered.
fn resize(image: (&[u8], u32, u32), to: (u32, u32), part: (f64, f64, f64, f64)) -> Vec<u8> {
    let ((pixels, width, height), (left, top, part_width, part_height)) = (image, part);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom))
        .crop(left, top, part_width, part_height);
    let mut resized = Image::new(to.0, to.1, PixelType::U8x3);
    ImageRef::new(width, height, pixels, PixelType::U8x3)
        .map_err(|error| error.to_string())
        .and_then(|image| {
            Resizer::new().resize(&image, &mut resized, &options).map_err(|error| error.to_string())
        })
        .unwrap_or_else(|error| unreachable!("{part:?} lies within {width} x {height} pixels: {error}"));
    resized.into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_of_margin(margin: u32) -> f64 {
        let span = Span::middle(4 + margin, 4, 4);
        span.start
    }

    #[test]
    fn the_corner_is_rounded_half_to_even() {
        assert_eq!([0, 1, 2, 3, 4, 5].map(first_of_margin), [0.0, 0.0, 1.0, 2.0, 2.0, 2.0]);
    }

    #[test]
    fn a_picture_of_the_right_size_is_untouched() {
        let image = RgbImage::from_fn(5, 5, |x, y| image::Rgb([x as u8, y as u8, 200]));
        assert_eq!(Preprocess::openai(5).crop(&image).pixels, image.into_raw());
    }

    #[test]
    fn awkward_shapes_give_a_full_square() {
        for (width, height) in [(1, 1), (1, 3000), (3000, 1), (2, 7), (223, 225), (0, 0)] {
            let image = RgbImage::from_pixel(width, height, image::Rgb([9, 9, 9]));
            let crop = Preprocess::openai(224).crop(&image);
            assert_eq!(crop.pixels.len(), 224 * 224 * 3);
            let expected = if width == 0 { 0 } else { 9 };
            assert!(crop.pixels.iter().all(|&value| value == expected), "{width} x {height}");
        }
    }

    #[test]
    fn the_id_tells_settings_apart() {
        let base = Preprocess::openai(224);
        let other_std = Preprocess { std: [0.5; 3], ..base.clone() };
        assert_ne!(base.id(), Preprocess::openai(96).id());
        assert_ne!(base.id(), other_std.id());
    }
}
