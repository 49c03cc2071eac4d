//! From a photo to the square of pixels that an image tower sees, as PIL and torchvision cut it.
//!
//! `Resize(size, BICUBIC)`, then `CenterCrop(size)` of OpenAI's `clip/clip.py`: the shorter side becomes `size`, antialiased,
//! the longer one `int(size * long / short)`; the crop's corner is rounded half to even, as Python rounds.

use std::fmt::Write as _;
use std::path::Path;

use image::RgbImage;

use super::resample::{Axis, resize, resize_strips};
use crate::image_io::{DecodeError, OpenPhoto};

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
        let size = self.size;
        let (width, height) = image.dimensions();
        let pixels = if width == 0 || height == 0 || size == 0 {
            vec![0; size * size * 3]
        } else {
            let (columns, rows) = self.axes(width, height);
            resize(image.as_raw(), &columns, &rows)
        };
        Crop { size, pixels }
    }

    /// The square of an encoded photo, as [`Self::crop`] of the decoded one; `path` only names it in errors.
    ///
    /// A colour JPEG is resized while it is decoded: of 4000 x 3000 pixels never more than a few rows are there, and a square of
    /// 224 takes 40 ms on one core. libjpeg-turbo-rs takes 87 ms to decode it, and [`Self::crop`] 20.
    pub fn crop_file(&self, bytes: &[u8], path: &Path) -> Result<Crop, DecodeError> {
        let photo = OpenPhoto::read_header(bytes, path)?;
        let strips = photo.strips().filter(|_| self.size > 0);
        let resized = strips.and_then(|strips| {
            let (width, height) = photo.upright_size();
            let (columns, rows) = self.axes(width, height);
            resize_strips(&strips, photo.orientation(), &columns, &rows)
        });
        match resized {
            Some(image) => Ok(Crop {
                size: self.size,
                pixels: image.into_raw(),
            }),
            None => Ok(self.crop(&photo.decode()?)),
        }
    }

    /// The square's columns and rows in a photo of this size.
    fn axes(&self, width: u32, height: u32) -> (Axis, Axis) {
        let axis = |side| middle(side, width.min(height), self.size);
        (axis(width), axis(height))
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

/// The middle `size` pixels of `side`, once the photo is resized so that `short_side` becomes `size`.
fn middle(side: u32, short_side: u32, size: usize) -> Axis {
    let size = size as u64;
    // 64 bits: a strip of 65,535 x 1 pixels becomes 14,679,840 x 224
    let to = size * u64::from(side) / u64::from(short_side);
    let margin = to - size;
    let first = margin / 2 + u64::from(margin % 4 == 3);
    Axis {
        from: side,
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

    /// The same picture as the file lies, with an orientation.
    fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
        let mut exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0".to_vec();
        exif[29] = orientation;
        [&jpeg[..2], &exif, &jpeg[2..]].concat()
    }

    #[test]
    fn a_jpeg_resized_while_it_is_decoded_is_the_decoded_one_resized() {
        let path = Path::new("a.jpg");
        // Wide and tall, smaller and larger than the square, and so tall that it is resized down first.
        for (width, height) in [(559, 700), (901, 603), (60, 45), (225, 224), (90, 1300)] {
            let plain = jpeg(width, height);
            for orientation in 1..=8 {
                let bytes = with_orientation(&plain, orientation);
                let decoded = crate::image_io::decode_rgb(&bytes, path).unwrap();
                let is_turned = orientation > 4;
                assert_eq!(decoded.width() == height, is_turned, "{orientation}");
                for size in [1, 64, 224] {
                    let preprocess = Preprocess::openai(size);
                    let from_file = preprocess.crop_file(&bytes, path).unwrap();
                    let whole = preprocess.crop(&decoded);
                    let off = |(a, b): (&u8, &u8)| usize::from(a.abs_diff(*b));
                    let pairs = || from_file.pixels.iter().zip(&whole.pixels);
                    let total: usize = pairs().map(off).sum();
                    // From the other end the same numbers are added in another order, so ties may fall the other way.
                    let allowed = if [1, 5].contains(&orientation) {
                        0
                    } else {
                        1 + whole.pixels.len() / 1000
                    };
                    assert!(
                        total <= allowed,
                        "{width} x {height}, {orientation}, {size}: {total}"
                    );
                    assert!(pairs().map(off).all(|off| off <= 1));
                }
            }
        }
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
