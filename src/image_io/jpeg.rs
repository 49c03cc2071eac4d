//! JPEG, with libjpeg's colours.
//!
//! The `image` crate decodes through `zune-jpeg` as well, but lets it convert to RGB, which rounds differently from
//! libjpeg (and so from PIL) by up to 2 levels, and 3 after a resize. Here `zune-jpeg` stops at `YCbCr`, and the
//! conversion is libjpeg's own. What is left is `zune-jpeg`'s interpolation of half-resolution chroma.

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// A JPEG whose header was read.
pub(super) struct Jpeg<'a> {
    decoder: JpegDecoder<ZCursor<&'a [u8]>>,
    /// Pixels across and down, before it is turned upright.
    pub(super) dimensions: (u32, u32),
    /// How to turn it upright.
    pub(super) orientation: Orientation,
}

impl<'a> Jpeg<'a> {
    /// Reads the header alone.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, DecodeErrors> {
        // not strict, as libjpeg is not: warnings about a few bad bytes are no reason to refuse a photo
        let options = DecoderOptions::default()
            .set_strict_mode(false)
            .set_max_width(usize::from(u16::MAX))
            .set_max_height(usize::from(u16::MAX));
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
        decoder.decode_headers()?;
        let (width, height) = decoder.dimensions().unwrap_or_default();
        let exif = decoder
            .exif()
            .and_then(|exif| Orientation::from_exif_chunk(exif));
        let target = match decoder.input_colorspace() {
            Some(ColorSpace::YCbCr) => ColorSpace::YCbCr,
            Some(ColorSpace::Luma) => ColorSpace::Luma,
            // RGB as it is; CMYK and YCCK inverted as Adobe writes them, which is PIL's reading, too
            _ => ColorSpace::RGB,
        };
        decoder.set_options(options.jpeg_set_out_colorspace(target));
        let orientation = exif.unwrap_or(Orientation::NoTransforms);
        Ok(Self {
            decoder,
            dimensions: (width as u32, height as u32),
            orientation,
        })
    }

    /// Decodes the pixels, not yet upright.
    pub(super) fn decode(mut self) -> Result<DynamicImage, DecodeErrors> {
        let (width, height) = self.dimensions;
        let is_ycc = self.decoder.input_colorspace() == Some(ColorSpace::YCbCr);
        let is_grey = self.decoder.input_colorspace() == Some(ColorSpace::Luma);
        let mut pixels = self.decoder.decode()?;
        if is_ycc {
            ycc_to_rgb(&mut pixels);
        }
        let image = if is_grey {
            GrayImage::from_raw(width, height, pixels).map(DynamicImage::from)
        } else {
            RgbImage::from_raw(width, height, pixels).map(DynamicImage::from)
        };
        image.ok_or(DecodeErrors::FormatStatic(
            "another number of pixels than the header says",
        ))
    }
}

/// libjpeg's `jdcolor.c`: 16-bit fixed point, rounded half up.
fn ycc_to_rgb(pixels: &mut [u8]) {
    const HALF: i32 = 1 << 15;
    // 1.402, 1.772, 0.71414 and 0.34414, times 65536
    const RED: i32 = 91_881;
    const BLUE: i32 = 116_130;
    const GREEN_OF_RED: i32 = 46_802;
    const GREEN_OF_BLUE: i32 = 22_554;
    for pixel in pixels.as_chunks_mut::<3>().0 {
        let [luma, cb, cr] = pixel.map(i32::from);
        let (cb, cr) = (cb - 128, cr - 128);
        let red = luma + ((RED * cr + HALF) >> 16);
        let green = luma + ((HALF - GREEN_OF_BLUE * cb - GREEN_OF_RED * cr) >> 16);
        let blue = luma + ((BLUE * cb + HALF) >> 16);
        *pixel = [red, green, blue].map(|value| value.clamp(0, 255) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_stays_grey_and_colours_are_clamped() {
        let mut pixels = [77, 128, 128, 255, 255, 255, 0, 0, 0, 81, 90, 240];
        ycc_to_rgb(&mut pixels);
        assert_eq!(pixels, [77, 77, 77, 255, 121, 255, 0, 135, 0, 238, 14, 14]);
    }
}
