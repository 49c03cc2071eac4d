//! JPEG, with libjpeg's colours.

use std::panic::catch_unwind;

use image::{DynamicImage, RgbImage};
use libjpeg_turbo_rs::{Decoder, PixelFormat, ScalingFactor};

/// Decodes a colour JPEG to libjpeg's very bytes at a `divisor`th of its size (1, 2, 4 or 8), not turned upright; `None` for
/// CMYK and whatever this decoder does not know, which the `image` crate's does.
///
/// Reduced pictures equal Pillow 13's `draft` bit for bit (4000 x 3000 pixels at all four sizes).
///
/// Nearly all photos have chroma at half resolution. `zune-jpeg`, which `image` uses, rounds twice when it interpolates
/// it: pictures get redder by 0.1 levels on average, and crops are up to 3 levels off PIL's. This one takes about as
/// long (1.4 ms against 0.9 for 400 x 533 pixels, 6.7 against 15.9 for a progressive 1001 x 777). Its vector kernels stay
/// off, for its authors do not yet vouch for their memory safety; it is young, so a panic counts as not knowing.
pub(super) fn decode_colour_jpeg(bytes: &[u8], divisor: u32) -> Option<DynamicImage> {
    let decode = || {
        let decoder = Decoder::new(bytes)?.with_output_format(PixelFormat::Rgb);
        let scale = ScalingFactor::try_new(1, divisor)?;
        decoder.with_scale(scale).decode_image()
    };
    let decoded = catch_unwind(decode).ok()?.ok()?;
    let width = u32::try_from(decoded.width).ok()?;
    let height = u32::try_from(decoded.height).ok()?;
    RgbImage::from_raw(width, height, decoded.data).map(DynamicImage::from)
}

/// Whether a JPEG's end-of-image marker follows its scans.
///
/// Walks the markers rather than looking at the last two bytes: cameras and phones append previews and videos.
pub(super) fn jpeg_is_complete(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    const END_OF_IMAGE: u8 = 0xd9;
    let mut at = 2;
    while let Some(&byte) = bytes.get(at) {
        if byte != 0xff {
            // a byte of a scan, or junk between segments, which decoders skip, too
            at += 1;
            continue;
        }
        match bytes.get(at + 1) {
            Some(&END_OF_IMAGE) => return true,
            // stuffing, restart markers and lone markers have no length; a scan's data end at the next marker
            Some(0 | 0x01 | 0xd0..=0xd8) => at += 2,
            Some(0xff) => at += 1,
            Some(&marker) => {
                let length = match bytes.get(at + 2..at + 4) {
                    Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
                    _ => return false,
                };
                at += if marker == START_OF_SCAN {
                    2
                } else {
                    2 + length
                };
            }
            None => return false,
        }
    }
    false
}
