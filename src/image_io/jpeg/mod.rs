//! JPEG, with libjpeg's very bytes.
//!
//! Most photos are JPEGs, and reading a large one takes longer than CLIP does, so colour JPEGs are decoded here: entropy code
//! (`entropy`) to blocks of frequencies (`blocks`) to samples (`inverse_dct`) to strips of red, green and blue (`strips`), none of which
//! is larger than a few rows. What is rare (CMYK, arithmetic coding, chroma at a quarter) is left to libjpeg-turbo-rs, and what that
//! does not know to the `image` crate.

#![expect(
    clippy::inline_always,
    reason = "only what is inlined into a dispatched function is compiled for its instructions, or kept in registers"
)]

mod blocks;
mod entropy;
mod inverse_dct;
mod strips;

use std::panic::catch_unwind;

use image::{DynamicImage, RgbImage};
use libjpeg_turbo_rs::{Decoder, PixelFormat, ScalingFactor};

pub use self::strips::{Strip, Strips};

/// Decodes a colour JPEG to libjpeg's very bytes at a `divisor`th of its size (1, 2, 4 or 8), not turned upright; `None` for
/// what neither of the two decoders knows.
pub(super) fn decode_colour_jpeg(bytes: &[u8], divisor: u32) -> Option<DynamicImage> {
    let whole = (divisor == 1).then(|| decode_strips(bytes)).flatten();
    let image = whole.or_else(|| decode_by_library(bytes, divisor))?;
    Some(DynamicImage::from(image))
}

fn decode_strips(bytes: &[u8]) -> Option<RgbImage> {
    let strips = Strips::open(bytes)?;
    let [width, height] = strips.size();
    let mut pixels = vec![0; width * height * 3];
    strips.for_each(0..width, 0..height, |strip| {
        let rows = pixels.chunks_exact_mut(width * 3).skip(strip.first_row);
        for (index, row) in rows.take(strip.num_rows).enumerate() {
            strip.interleave(index, row);
        }
    })?;
    RgbImage::from_raw(width as u32, height as u32, pixels)
}

/// Reduced pictures equal Pillow 13's `draft` bit for bit (4000 x 3000 pixels at all four sizes).
///
/// The library's vector kernels stay off, for its authors do not yet vouch for their memory safety; it is young, so a panic
/// counts as not knowing. `zune-jpeg`, which `image` uses, rounds twice when it interpolates chroma: pictures get redder by 0.1
/// levels on average, and crops are up to 3 levels off PIL's.
fn decode_by_library(bytes: &[u8], divisor: u32) -> Option<RgbImage> {
    let decode = || {
        let decoder = Decoder::new(bytes)?.with_output_format(PixelFormat::Rgb);
        let scale = ScalingFactor::try_new(1, divisor)?;
        decoder.with_scale(scale).decode_image()
    };
    let decoded = catch_unwind(decode).ok()?.ok()?;
    let width = u32::try_from(decoded.width).ok()?;
    let height = u32::try_from(decoded.height).ok()?;
    RgbImage::from_raw(width, height, decoded.data)
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

#[cfg(test)]
mod tests {
    use libjpeg_turbo_rs::{Encoder, Subsampling};

    use super::*;

    /// Pixels with edges, gradients and noise.
    fn pixels(width: usize, height: usize) -> Vec<u8> {
        let mut state = (width * 31 + height) as u32;
        (0..width * height * 3)
            .map(|index| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (x, y) = (index / 3 % width, index / 3 / width);
                let edge = if (x / 9 + y / 13) % 2 == 0 { 0 } else { 190 };
                let noise = state >> 27;
                (edge + noise as usize + x % 30 + index % 3 * 10).min(255) as u8
            })
            .collect()
    }

    fn encoder(pixels: &[u8], width: usize, height: usize) -> Encoder<'_> {
        Encoder::new(pixels, width, height, PixelFormat::Rgb).quality(85)
    }

    fn check(bytes: &[u8], what: &str) {
        let library = decode_by_library(bytes, 1).unwrap();
        let ours = decode_strips(bytes).expect(what);
        assert_eq!(ours.dimensions(), library.dimensions(), "{what}");
        assert!(ours == library, "{what}: other bytes");
    }

    #[test]
    fn colour_jpegs_of_all_shapes_decode_to_libjpegs_bytes() {
        let sizes = [
            (5, 1),
            (6, 3),
            (7, 8),
            (16, 16),
            (17, 33),
            (129, 31),
            (300, 215),
        ];
        for (width, height) in sizes {
            let pixels = pixels(width, height);
            for subsampling in [Subsampling::S444, Subsampling::S422, Subsampling::S420] {
                for (progressive, restart, quality) in
                    [(false, 0, 85), (true, 0, 60), (false, 3, 97), (false, 1, 5)]
                {
                    let encoder = encoder(&pixels, width, height)
                        .subsampling(subsampling)
                        .quality(quality);
                    let encoder = encoder.progressive(progressive).restart_blocks(restart);
                    let what = format!(
                        "{width} x {height}, {subsampling:?}, {progressive}, {restart}, {quality}"
                    );
                    check(&encoder.encode().unwrap(), &what);
                }
            }
        }
    }

    #[test]
    fn what_is_rare_is_left_to_the_library() {
        let pixels = pixels(40, 30);
        for subsampling in [Subsampling::S440, Subsampling::S411] {
            let bytes = encoder(&pixels, 40, 30)
                .subsampling(subsampling)
                .encode()
                .unwrap();
            assert!(decode_strips(&bytes).is_none(), "{subsampling:?}");
            assert!(decode_colour_jpeg(&bytes, 1).is_some(), "{subsampling:?}");
        }
        let narrow = encoder(&pixels[..4 * 30 * 3], 4, 30);
        let narrow = narrow.subsampling(Subsampling::S420).encode().unwrap();
        assert!(decode_strips(&narrow).is_none());
        assert!(decode_colour_jpeg(&narrow, 1).is_some());
    }

    #[test]
    fn a_file_that_ends_early_is_not_decoded() {
        let pixels = pixels(120, 90);
        let bytes = encoder(&pixels, 120, 90).encode().unwrap();
        let end = bytes.len() - 2;
        for num_bytes in (0..end - 20).step_by(11) {
            assert!(decode_strips(&bytes[..num_bytes]).is_none(), "{num_bytes}");
        }
    }

    #[test]
    fn wrong_bytes_never_panic() {
        let pixels = pixels(120, 90);
        for restart in [0, 2] {
            let encoder = encoder(&pixels, 120, 90).restart_blocks(restart);
            let bytes = encoder.encode().unwrap();
            for place in 2..bytes.len() {
                let mut wrong = bytes.clone();
                wrong[place] ^= 0x41;
                if let Some(image) = decode_strips(&wrong) {
                    assert!(image.width() > 0, "{place}");
                }
            }
        }
    }
}
