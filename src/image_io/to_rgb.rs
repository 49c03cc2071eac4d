//! Any pixel layout to 8-bit RGB, as PIL's `convert("RGB")` does it.

use image::{DynamicImage, Pixel, Rgb, RgbImage};

/// `image` as 8-bit RGB: alpha dropped (not blended with anything), grey repeated, palettes looked up.
///
/// Equal to PIL 13 but for one deliberate difference: 16-bit grey is scaled by its high byte, as PIL itself does for
/// 16-bit colour. PIL cuts it off at 255 instead, which turns nearly every such picture white.
pub(super) fn to_rgb(image: DynamicImage) -> RgbImage {
    match image {
        DynamicImage::ImageRgb8(image) => image,
        DynamicImage::ImageRgba8(image) => map_pixels(&image, |p| [p.0[0], p.0[1], p.0[2]]),
        DynamicImage::ImageLuma8(image) => map_pixels(&image, |p| [p.0[0]; 3]),
        DynamicImage::ImageLumaA8(image) => map_pixels(&image, |p| [p.0[0]; 3]),
        DynamicImage::ImageLuma16(image) => map_pixels(&image, |p| [high_byte(p.0[0]); 3]),
        DynamicImage::ImageLumaA16(image) => map_pixels(&image, |p| [high_byte(p.0[0]); 3]),
        DynamicImage::ImageRgb16(image) => map_pixels(&image, |p| p.0.map(high_byte)),
        DynamicImage::ImageRgba16(image) => {
            map_pixels(&image, |p| [p.0[0], p.0[1], p.0[2]].map(high_byte))
        }
        // floating point, 0 to 1: no reader of ours makes more, and PIL opens none
        other => other.into_rgb8(),
    }
}

fn high_byte(value: u16) -> u8 {
    (value >> 8) as u8
}

fn map_pixels<P: Pixel>(
    image: &image::ImageBuffer<P, Vec<P::Subpixel>>,
    to_rgb: impl Fn(&P) -> [u8; 3],
) -> RgbImage {
    let mut rgb = RgbImage::new(image.width(), image.height());
    for (to, from) in rgb.pixels_mut().zip(image.pixels()) {
        *to = Rgb(to_rgb(from));
    }
    rgb
}

#[cfg(test)]
mod tests {
    use image::{GrayAlphaImage, RgbaImage};

    use super::*;

    #[test]
    fn alpha_is_dropped_not_blended() {
        let image = RgbaImage::from_pixel(1, 1, image::Rgba([10, 20, 30, 0]));
        assert_eq!(to_rgb(image.into()).into_raw(), [10, 20, 30]);
        let image = GrayAlphaImage::from_pixel(1, 1, image::LumaA([77, 1]));
        assert_eq!(to_rgb(image.into()).into_raw(), [77; 3]);
    }

    #[test]
    fn sixteen_bits_keep_their_high_byte() {
        let image = image::ImageBuffer::from_pixel(1, 1, Rgb([255_u16, 256, 65535]));
        assert_eq!(to_rgb(image.into()).into_raw(), [0, 1, 255]);
    }
}
