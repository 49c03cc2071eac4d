//! Random views of a photo, as torchvision's `RandomResizedCrop` and `RandomHorizontalFlip` draw them for the caches of
//! few-shot methods: half of the area or more, between 3:4 and 4:3, resized to the square, mirrored every other time.

use image::{RgbImage, imageops};

use super::preprocess::{Crop, Preprocess};
use super::resample::{Axis, resize};

/// Least and largest share of the photo's area (Tip-Adapter's `scale`).
const SCALE: (f64, f64) = (0.5, 1.0);
/// Narrowest and widest shape, width over height (torchvision's default `ratio`).
const RATIO: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);
/// How often a rectangle that does not fit is drawn again.
const NUM_TRIES: usize = 10;

/// A rectangle of a photo, mirrored or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Pixels left out on the left.
    pub left: u32,
    /// Pixels left out above.
    pub top: u32,
    /// Pixels across, at least 1.
    pub width: u32,
    /// Pixels down, at least 1.
    pub height: u32,
    /// Whether left and right change places.
    pub is_mirrored: bool,
}

impl View {
    /// Draws a view of a photo of `width` × `height` pixels, at least 1 × 1; `fraction` gives numbers evenly spread over `[0, 1)`.
    ///
    /// torchvision's `RandomResizedCrop.get_params`: area, then shape (evenly on a logarithmic scale), then place; where ten
    /// rectangles do not fit, the largest one in the middle that is no narrower and no wider than allowed.
    pub fn draw(width: u32, height: u32, fraction: &mut dyn FnMut() -> f64) -> Self {
        Self::draw_of_scale(SCALE, width, height, fraction)
    }

    /// The same with another least and largest share of the photo's area, both above 0 and at most 1.
    pub fn draw_of_scale(
        scale: (f64, f64),
        width: u32,
        height: u32,
        fraction: &mut dyn FnMut() -> f64,
    ) -> Self {
        let mut between = |low: f64, high: f64| low + (high - low) * fraction();
        let (full_width, full_height) = (f64::from(width), f64::from(height));
        let mut drawn = None;
        for _ in 0..NUM_TRIES {
            let area = full_width * full_height * between(scale.0, scale.1);
            let ratio = between(RATIO.0.ln(), RATIO.1.ln()).exp();
            let across = (area * ratio).sqrt().round_ties_even();
            let down = (area / ratio).sqrt().round_ties_even();
            let fits = |side: f64, full: f64| 0.0 < side && side <= full;
            if fits(across, full_width) && fits(down, full_height) {
                let top = between(0.0, full_height - down + 1.0) as u32;
                let left = between(0.0, full_width - across + 1.0) as u32;
                drawn = Some((left, top, across as u32, down as u32));
                break;
            }
        }
        let (left, top, across, down) = drawn.unwrap_or_else(|| middle(width, height));
        Self {
            left: left.min(width - across),
            top: top.min(height - down),
            width: across,
            height: down,
            is_mirrored: between(0.0, 1.0) < 0.5,
        }
    }
}

/// The largest rectangle in the middle whose shape is allowed.
fn middle(width: u32, height: u32) -> (u32, u32, u32, u32) {
    let (full_width, full_height) = (f64::from(width), f64::from(height));
    let ratio = full_width / full_height;
    let (across, down) = if ratio < RATIO.0 {
        (width, (full_width / RATIO.0).round_ties_even() as u32)
    } else if ratio > RATIO.1 {
        ((full_height * RATIO.1).round_ties_even() as u32, height)
    } else {
        (width, height)
    };
    let (across, down) = (across.clamp(1, width), down.clamp(1, height));
    ((width - across) / 2, (height - down) / 2, across, down)
}

impl Preprocess {
    /// The view, resized to the square as PIL resizes (bicubic, antialiased): every pixel of it counts, whatever its shape.
    ///
    /// An image without pixels gives a black square.
    ///
    /// # Panics
    /// When the view reaches beyond the image.
    pub fn view(&self, image: &RgbImage, view: &View) -> Crop {
        let size = self.size;
        if image.width() == 0 || image.height() == 0 || size == 0 {
            return self.crop(image);
        }
        let axis = |from: u32| Axis {
            from,
            to: size as u64,
            part: 0..size as u64,
        };
        let part = imageops::crop_imm(image, view.left, view.top, view.width, view.height);
        let part = part.to_image();
        assert_eq!(
            part.dimensions(),
            (view.width, view.height),
            "a view lies inside its photo"
        );
        let mut pixels = resize(part.as_raw(), &axis(view.width), &axis(view.height));
        if view.is_mirrored {
            for row in pixels.chunks_exact_mut(size * 3) {
                row.as_chunks_mut::<3>().0.reverse();
            }
        }
        Crop { size, pixels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that is good enough to spread.
    fn fractions() -> impl FnMut() -> f64 {
        let mut state = 1_u64;
        move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    #[test]
    fn views_keep_to_area_and_shape_and_reach_every_corner() {
        let mut fraction = fractions();
        let views: Vec<View> = (0..2000)
            .map(|_| View::draw(500, 375, &mut fraction))
            .collect();
        for view in &views {
            let area = f64::from(view.width * view.height) / (500.0 * 375.0);
            let ratio = f64::from(view.width) / f64::from(view.height);
            assert!((0.495..=1.0).contains(&area), "{view:?}");
            assert!((0.74..1.35).contains(&ratio), "{view:?}");
            assert!(view.left + view.width <= 500 && view.top + view.height <= 375);
        }
        let touches = |at: &dyn Fn(&View) -> bool| views.iter().any(at);
        assert!(touches(&|view| view.left == 0) && touches(&|view| view.top == 0));
        assert!(touches(&|view| view.left + view.width == 500));
        assert!(touches(&|view| view.top + view.height == 375));
        let mirrored = views.iter().filter(|view| view.is_mirrored).count();
        assert!((900..1100).contains(&mirrored), "{mirrored} of 2000");
        let mean_area = views
            .iter()
            .map(|view| f64::from(view.width * view.height))
            .sum::<f64>()
            / (2000.0 * 500.0 * 375.0);
        // 0.75 for a square; a photo of 4:3 refuses some of the large tall ones
        assert!((0.65..0.76).contains(&mean_area), "{mean_area}");
    }

    #[test]
    fn a_strip_gives_its_middle() {
        let view = View::draw(300, 10, &mut fractions());
        assert_eq!((view.width, view.height, view.left), (13, 10, 143));
        let view = View::draw(10, 300, &mut fractions());
        assert_eq!((view.width, view.height, view.top), (10, 13, 143));
        let view = View::draw(1, 1, &mut fractions());
        assert_eq!((view.width, view.height), (1, 1));
    }

    #[test]
    fn the_whole_photo_is_itself_and_its_mirror_image() {
        let image = RgbImage::from_fn(4, 4, |x, y| image::Rgb([x as u8, y as u8, 9]));
        let mut view = View {
            left: 0,
            top: 0,
            width: 4,
            height: 4,
            is_mirrored: false,
        };
        let preprocess = Preprocess::openai(4);
        assert_eq!(preprocess.view(&image, &view).pixels, *image.as_raw());
        view.is_mirrored = true;
        let mirrored = imageops::flip_horizontal(&image);
        assert_eq!(preprocess.view(&image, &view).pixels, mirrored.into_raw());
        view = View {
            left: 2,
            top: 1,
            width: 2,
            height: 2,
            is_mirrored: false,
        };
        let part = Preprocess::openai(2).view(&image, &view).pixels;
        assert_eq!(part, [2, 1, 9, 3, 1, 9, 2, 2, 9, 3, 2, 9]);
    }
}
