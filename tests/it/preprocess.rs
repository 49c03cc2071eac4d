//! Crops against PIL's and torchvision's.

use std::path::{Path, PathBuf};

use image::RgbImage;
use shotlens::clip::preprocess::{Crop, Preprocess};
use shotlens::clip::view::View;
use shotlens::image_io::{decode_rgb, read_photo};

/// Row of the strip of crops, and the photo beside it; the strip's other rows have photos too large to keep.
const PHOTOS: [(usize, &str); 8] = [
    (0, "0.jpg"),
    (1, "1.jpg"),
    (3, "3_tall.png"),
    (4, "4_gray.png"),
    (5, "5_rgba.png"),
    (6, "6_palette.png"),
    (7, "7_tiny.png"),
    (10, "9_exif.jpg"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/preprocess")
}

fn decode(name: &str) -> RgbImage {
    let path = folder().join(name);
    let (bytes, _) = read_photo(&path).unwrap();
    decode_rgb(&bytes, &path).unwrap()
}

#[track_caller]
fn check(size: usize, strip: &str) {
    let strip = decode(strip).into_raw();
    let preprocess = Preprocess::openai(size);
    for (row, name) in PHOTOS {
        let crop = preprocess.crop(&decode(name));
        check_crop(&crop, row, &strip, name);
    }
}

/// Only ties are left, which Pillow's integers round otherwise than floats.
#[track_caller]
fn check_crop(crop: &Crop, row: usize, strip: &[u8], name: &str) {
    let len = crop.size * crop.size * 3;
    let expected = &strip[row * len..][..len];
    let differences = crop
        .pixels
        .iter()
        .zip(expected)
        .map(|(a, b)| a.abs_diff(*b));
    let worst = differences.clone().max().unwrap();
    let mean = differences.map(f64::from).sum::<f64>() / len as f64;
    println!("{name} at {}: worst {worst}, mean {mean:.4}", crop.size);
    assert!(
        worst <= 1 && mean <= 0.005,
        "{name} at {}: worst {worst}, mean {mean}",
        crop.size
    );
}

#[test]
fn crops_of_224_pixels_are_pils() {
    check(224, "crops.webp");
}

#[test]
fn crops_of_96_pixels_are_pils() {
    check(96, "crops96.webp");
}

#[test]
fn views_are_those_of_torchvision() {
    // VIEWS of tests/data/preprocess/make_views.py
    let views = [
        ("0.jpg", [31, 17, 150, 130], false),
        ("0.jpg", [200, 300, 101, 123], true),
        ("1.jpg", [10, 20, 300, 390], true),
        ("3_tall.png", [3, 40, 61, 80], false),
        ("7_tiny.png", [0, 1, 2, 2], true),
    ];
    let strip = decode("views.webp").into_raw();
    for (row, (name, [left, top, width, height], is_mirrored)) in views.into_iter().enumerate() {
        let view = View {
            left,
            top,
            width,
            height,
            is_mirrored,
        };
        let crop = Preprocess::openai(96).view(&decode(name), &view);
        check_crop(&crop, row, &strip, name);
    }
}
