//! JPEG, with libjpeg's colours.

use std::io::Cursor;

use image::{DynamicImage, RgbImage};
use jpeg_decoder::{Decoder, PixelFormat};

/// Decodes an ordinary colour JPEG, not turned upright; `None` for grey, CMYK and whatever this decoder does not know,
/// which the `image` crate's does.
///
/// Nearly all photos have chroma at half resolution. `zune-jpeg`, which `image` uses, rounds twice when it interpolates
/// it, which reddens pictures by 0.1 levels on average and puts crops up to 3 levels off PIL's; this decoder interpolates
/// as libjpeg does.
pub(super) fn decode_colour_jpeg(bytes: &[u8]) -> Option<DynamicImage> {
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.read_info().ok()?;
    let info = decoder
        .info()
        .filter(|info| info.pixel_format == PixelFormat::RGB24)?;
    let pixels = decoder.decode().ok()?;
    RgbImage::from_raw(u32::from(info.width), u32::from(info.height), pixels)
        .map(DynamicImage::from)
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
