//! Small pictures for lists.

use fast_image_resize::images::{Image, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// `image`, no larger than `max_side` on either side, proportions kept; a small image stays as it is.
///
/// Bilinear and antialiased: half the work of the bicubic filter, and nobody looks at a thumbnail's edges.
pub fn thumbnail(image: &RgbImage, max_side: u32) -> RgbImage {
    let (width, height) = image.dimensions();
    let long_side = width.max(height);
    if long_side <= max_side {
        return image.clone();
    }
    let scaled = |side: u32| {
        let rounded = (u64::from(side) * u64::from(max_side) + u64::from(long_side) / 2)
            / u64::from(long_side);
        rounded.max(1) as u32
    };
    let mut small = Image::new(scaled(width), scaled(height), PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    let small_size = (small.width(), small.height());
    // Typed views: the resizer for all pixel types costs minutes of compilation, and photos have one type.
    let resized = small.typed_image_mut::<U8x3>().and_then(|mut small| {
        let view = TypedImageRef::<U8x3>::from_buffer(width, height, image.as_raw()).ok()?;
        Resizer::new()
            .resize_typed(&view, &mut small, &options)
            .ok()
    });
    resized
        .and_then(|()| RgbImage::from_raw(small_size.0, small_size.1, small.into_vec()))
        .unwrap_or_else(|| unreachable!("{width} x {height} pixels fit {small_size:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proportions_are_kept_and_nothing_grows() {
        for ((width, height), expected) in [
            ((400, 300), (100, 75)),
            ((300, 400), (75, 100)),
            ((50, 20), (50, 20)),
            ((5000, 3), (100, 1)),
        ] {
            assert_eq!(
                thumbnail(&RgbImage::new(width, height), 100).dimensions(),
                expected
            );
        }
    }

    #[test]
    fn colours_survive() {
        let image = RgbImage::from_pixel(333, 222, image::Rgb([10, 200, 90]));
        assert!(
            thumbnail(&image, 64)
                .pixels()
                .all(|pixel| pixel.0 == [10, 200, 90])
        );
    }
}
