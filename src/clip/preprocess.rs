//! From a photo to the square of pixels that an image tower sees, as PIL and torchvision cut it.
//!
//! `Resize(size, BICUBIC)`, then `CenterCrop(size)` of OpenAI's `clip/clip.py`: the shorter side becomes `size`, antialiased,
//! the longer one `int(size * long / short)`; the crop's corner is rounded half to even, as Python rounds.

use std::fmt::Write as _;
use std::path::Path;

use image::RgbImage;

use super::resample::{Axis, resize};
use crate::image_io::{DecodeError, Reduced, decode_reduced};

/// How many times larger than the square a JPEG is at least decoded.
///
/// Measured with the demo model on 268 collages of four photos of clothing each, with detail down to the pixel: at 3.0 crops
/// are off by 0.32 levels on average, cosines are 0.9994 (least 0.985), and 5 zero-shot predictions change, 3 of Tip-Adapter;
/// at 2.5 12 and 5, at 2.0 19 and 11. That is more than nothing, so whoever wants it asks for it.
const MARGIN: f64 = 3.0;

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
    /// PIL 13's bytes, but for ties. What the square leaves out is never resized.
    /// An image without pixels gives a black square.
    pub fn crop(&self, image: &RgbImage) -> Crop {
        self.crop_divided(image, image.dimensions(), 1)
    }

    /// The square of an encoded photo; `path` only names it in errors.
    ///
    /// As [`Self::crop`] of the decoded photo, but that a JPEG which is much larger than the square is decoded at a half, a
    /// quarter or an eighth of its size (see `MARGIN`): 43 ms and 4 to decode and resize 4000 x 3000 pixels to a square of 224, instead of
    /// 152 and 32.
    pub fn crop_file(&self, bytes: &[u8], path: &Path) -> Result<Crop, DecodeError> {
        let least_side = (MARGIN * self.size as f64).ceil() as u32;
        let Reduced {
            image,
            width,
            height,
            divisor,
        } = decode_reduced(bytes, path, least_side)?;
        Ok(self.crop_divided(&image, (width, height), divisor))
    }

    /// The square of a photo of `width` x `height` pixels, of which `image` is a `divisor`th.
    fn crop_divided(&self, image: &RgbImage, (width, height): (u32, u32), divisor: u32) -> Crop {
        let size = self.size;
        let short_side = width.min(height);
        let pixels = if short_side == 0 || size == 0 {
            vec![0; size * size * 3]
        } else {
            let axis = |side: u32, from: u32| Axis {
                from,
                covers: f64::from(side) / f64::from(divisor),
                ..middle(side, short_side, size)
            };
            let (columns, rows) = (axis(width, image.width()), axis(height, image.height()));
            resize(image.as_raw(), &columns, &rows)
        };
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

    /// A name for how [`Self::crop_file`] makes squares, so that the cache keeps their features apart.
    pub fn reduced_id(&self) -> String {
        format!("{}-reduced-{MARGIN}", self.id())
    }
}

/// The middle `size` pixels of `side`, once the photo is resized so that `short_side` becomes `size`.
fn middle(side: u32, short_side: u32, size: usize) -> Axis {
    let size = size as u64;
    // 64 bits: a strip of 65,535 x 1 pixels becomes 14,679,840 x 224
    let to = size * u64::from(side) / u64::from(short_side);
    let margin = to - size;
    let first = margin / 2 + u64::from(margin % 4 == 3);
    Axis {
        from: side,
        covers: f64::from(side),
        to,
        part: first..first + size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_of_margin(margin: u32) -> u64 {
        middle(4 + margin, 4, 4).part.start
    }

    #[test]
    fn the_corner_is_rounded_half_to_even() {
        assert_eq!([0, 1, 2, 3, 4, 5].map(first_of_margin), [0, 0, 1, 2, 2, 2]);
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
            assert!(
                crop.pixels.iter().all(|&value| value == expected),
                "{width} x {height}"
            );
        }
    }

    /// Waves of several lengths, so that there is something to lose.
    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        let image = RgbImage::from_fn(width, height, |x, y| {
            let wave = |length: f32| (x as f32 / length).sin() * (y as f32 / length).cos();
            let value = 128.0 + 50.0 * wave(31.0) + 30.0 * wave(9.0) + 10.0 * wave(2.0);
            image::Rgb([value as u8, (255.0 - value) as u8, (x % 200) as u8])
        });
        let mut bytes = std::io::Cursor::new(Vec::new());
        image
            .write_to(&mut bytes, image::ImageFormat::Jpeg)
            .unwrap();
        bytes.into_inner()
    }

    #[test]
    fn only_a_photo_much_larger_than_the_square_is_reduced() {
        let preprocess = Preprocess::openai(112);
        for (width, height, is_exact) in [(559, 700, true), (701, 673, false), (901, 1203, false)] {
            let bytes = jpeg(width, height);
            let path = Path::new("a.jpg");
            let from_file = preprocess.crop_file(&bytes, path).unwrap();
            let whole = preprocess.crop(&crate::image_io::decode_rgb(&bytes, path).unwrap());
            let off = |(a, b): (&u8, &u8)| u32::from(a.abs_diff(*b));
            let total: u32 = from_file.pixels.iter().zip(&whole.pixels).map(off).sum();
            let mean = f64::from(total) / whole.pixels.len() as f64;
            assert_eq!(total == 0, is_exact, "{width} x {height}");
            assert!(mean < 1.0, "{width} x {height}: {mean} levels");
        }
    }

    #[test]
    fn features_of_reduced_photos_have_keys_of_their_own() {
        let preprocess = Preprocess::openai(224);
        assert_ne!(preprocess.reduced_id(), preprocess.id());
    }

    #[test]
    fn the_id_tells_settings_apart() {
        let base = Preprocess::openai(224);
        let other_std = Preprocess {
            std: [0.5; 3],
            ..base.clone()
        };
        assert_ne!(base.id(), Preprocess::openai(96).id());
        assert_ne!(base.id(), other_std.id());
    }
}
