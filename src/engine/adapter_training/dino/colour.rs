//! Colours of a crop changed at random, as DINO's `DataAugmentationDINO` draws it: brightness, contrast, saturation and hue in
//! random order, grey, blur, solarisation. What each does is Pillow's, up to rounding.

use crate::clip::preprocess::Crop;
use crate::support::random::Random;

/// How often the four are changed at all, and how often a crop becomes grey.
const JITTER: f64 = 0.8;
const GREY: f64 = 0.2;
/// How far brightness and contrast, saturation, and hue (in turns) go.
const LIGHT: f64 = 0.4;
const SATURATION: f64 = 0.2;
const HUE: f64 = 0.1;
/// Least and largest deviation of the blur in pixels of a model that sees 224.
const BLUR: (f64, f64) = (0.1, 2.0);

/// How often a crop is blurred and how often its light values are inverted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chances {
    pub(super) blur: f64,
    pub(super) solarise: f64,
}

/// Changes the colours of `crop`; `model_size` is the side in pixels that the model sees.
pub(super) fn distort(crop: &mut Crop, model_size: usize, chances: Chances, random: &mut Random) {
    let (bytes, _) = crop.pixels.as_chunks::<3>();
    let mut pixels: Vec<[f32; 3]> = bytes.iter().map(|rgb| rgb.map(f32::from)).collect();
    if random.uniform() < JITTER {
        jitter(&mut pixels, random);
    }
    if random.uniform() < GREY {
        for pixel in &mut pixels {
            *pixel = [luma(*pixel); 3];
        }
    }
    if random.uniform() < chances.blur {
        let deviation = BLUR.0 + (BLUR.1 - BLUR.0) * random.uniform();
        pixels = blurred(&pixels, crop.size, deviation * model_size as f64 / 224.0);
    }
    if random.uniform() < chances.solarise {
        let invert = |x: f32| if x < 127.5 { x } else { 255.0 - x };
        for rgb in &mut pixels {
            *rgb = rgb.map(invert);
        }
    }
    crop.pixels = pixels
        .iter()
        .flatten()
        .map(|x| x.round().clamp(0.0, 255.0) as u8)
        .collect();
}

/// torchvision's `ColorJitter`.
fn jitter(pixels: &mut [[f32; 3]], random: &mut Random) {
    let mut order = [0, 1, 2, 3];
    random.shuffle(&mut order);
    for change in order {
        let mut within = |size: f64| (size * (2.0 * random.uniform() - 1.0)) as f32;
        match change {
            0 => blend(pixels, 1.0 + within(LIGHT), |_| 0.0),
            1 => {
                let grey = pixels.iter().map(|rgb| luma(*rgb)).sum::<f32>();
                let mean = grey / pixels.len().max(1) as f32;
                blend(pixels, 1.0 + within(LIGHT), |_| mean);
            }
            2 => blend(pixels, 1.0 + within(SATURATION), luma),
            _ => {
                let turns = within(HUE);
                for rgb in &mut *pixels {
                    *rgb = turned(*rgb, turns);
                }
            }
        }
    }
}

/// `factor` of each pixel and the rest of what `from` makes of it.
fn blend(pixels: &mut [[f32; 3]], factor: f32, from: impl Fn([f32; 3]) -> f32) {
    for rgb in pixels {
        let base = from(*rgb);
        *rgb = rgb.map(|x| (base + factor * (x - base)).clamp(0.0, 255.0));
    }
}

/// ITU-R 601-2, as Pillow's `convert("L")`.
fn luma([red, green, blue]: [f32; 3]) -> f32 {
    0.299 * red + 0.587 * green + 0.114 * blue
}

/// A colour with its hue moved on by a share of a turn; lightness and saturation (of HSV) stay.
fn turned(rgb: [f32; 3], turns: f32) -> [f32; 3] {
    let [red, green, blue] = rgb;
    let (high, low) = (red.max(green).max(blue), red.min(green).min(blue));
    let range = high - low;
    if range <= 0.0 {
        return rgb;
    }
    let sixths = if high <= red {
        (green - blue) / range
    } else if high <= green {
        2.0 + (blue - red) / range
    } else {
        4.0 + (red - green) / range
    };
    let sixths = (sixths + 6.0 * turns).rem_euclid(6.0);
    [5.0, 3.0, 1.0].map(|offset| {
        let k = (offset + sixths) % 6.0;
        high - range * k.min(4.0 - k).clamp(0.0, 1.0)
    })
}

/// Convolved with a Gaussian along both sides; what lies outside counts as the edge.
fn blurred(pixels: &[[f32; 3]], size: usize, deviation: f64) -> Vec<[f32; 3]> {
    let reach = (3.0 * deviation).ceil() as usize;
    let weight = |at: usize| {
        let distance = at as f64 - reach as f64;
        (-0.5 * (distance / deviation).powi(2)).exp()
    };
    let weights: Vec<f64> = (0..=2 * reach).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    let weights: Vec<f32> = weights.iter().map(|x| (x / sum) as f32).collect();
    let along = |pixels: &[[f32; 3]], index: &dyn Fn(usize, usize) -> usize| {
        let mut new = vec![[0.0_f32; 3]; pixels.len()];
        for line in 0..size {
            for place in 0..size {
                let mut sum = [0.0_f32; 3];
                for (tap, weight) in weights.iter().enumerate() {
                    let from = (place + tap).saturating_sub(reach).min(size - 1);
                    let pixel = pixels[index(line, from)];
                    sum.iter_mut()
                        .zip(pixel)
                        .for_each(|(sum, x)| *sum += weight * x);
                }
                new[index(line, place)] = sum;
            }
        }
        new
    };
    let across = along(pixels, &|line, place| line * size + place);
    along(&across, &|line, place| place * size + line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: [f32; 3], expected: [f32; 3]) {
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-3, "{found:?} {expected:?}");
        }
    }

    #[test]
    fn hues_turn_as_colorsys_turns_them() {
        // colorsys.hsv_to_rgb((h + turns) % 1, s, v)
        close(turned([255.0, 0.0, 0.0], 1.0 / 3.0), [0.0, 255.0, 0.0]);
        close(turned([255.0, 0.0, 0.0], -1.0 / 6.0), [255.0, 0.0, 255.0]);
        close(turned([200.0, 120.0, 40.0], 0.1), [184.0, 200.0, 40.0]);
        close(turned([10.0, 60.0, 200.0], -0.07), [10.0, 139.8, 200.0]);
        close(turned([90.0, 90.0, 90.0], 0.3), [90.0, 90.0, 90.0]);
    }

    #[test]
    fn a_blur_keeps_what_is_even_and_spreads_a_point() {
        let even = vec![[7.0, 70.0, 200.0]; 36];
        for rgb in blurred(&even, 6, 1.3) {
            close(rgb, even[0]);
        }
        let mut point = vec![[0.0; 3]; 81];
        point[40] = [100.0, 0.0, 50.0];
        let spread = blurred(&point, 9, 0.8);
        let sum: f32 = spread.iter().map(|rgb| rgb[0]).sum();
        assert!((sum - 100.0).abs() < 0.1, "{sum}");
        assert!((spread[39][0] - spread[49][0]).abs() < 1e-4 && spread[39][0] > 5.0);
        // exp(-1 / (2 · 0.8²)) of the middle's
        assert!((spread[39][0] / spread[40][0] - 0.457_833).abs() < 1e-4);
    }

    #[test]
    fn the_seed_decides_and_crops_differ() {
        let crop = || Crop {
            size: 8,
            pixels: (0..192).map(|i| (i * 13 % 251) as u8).collect(),
        };
        let chances = Chances {
            blur: 0.5,
            solarise: 0.2,
        };
        let distorted = |seed: u64| {
            let mut crop = crop();
            distort(&mut crop, 16, chances, &mut Random::new(seed));
            crop.pixels
        };
        assert_eq!(distorted(1), distorted(1));
        let mut all: Vec<_> = (0..20).map(distorted).collect();
        assert!(all.iter().any(|pixels| *pixels != crop().pixels));
        all.sort();
        all.dedup();
        assert!(all.len() > 15, "{} of 20", all.len());
    }
}
