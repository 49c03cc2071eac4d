//! The encoder's operations one by one, and what a photo goes through before it: `cargo bench --bench kernels`.
//!
//! `SHOTLENS_KERNEL` chooses the instructions, so that the paths of one processor can be compared.

use std::io::Cursor;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use image::RgbImage;
use shotlens::clip::KernelSample;
use shotlens::clip::preprocess::Preprocess;
use shotlens::image_io::{ContentHash, decode_rgb};

fn kernels(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encoder");
    for sample in KernelSample::all() {
        group.throughput(Throughput::Elements(sample.operations()));
        group.bench_function(sample.name(), |bencher| bencher.iter(|| sample.run()));
    }
}

/// A photo with something to see at every scale.
fn photo(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let wave = |a: u32| {
            (((x * a + y * 3) % 509) as f32 / 30.0)
                .sin()
                .mul_add(90.0, 128.0)
        };
        image::Rgb([wave(1), wave(2), wave(5)].map(|value| value as u8))
    })
}

fn before_the_encoder(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("before the encoder");
    group.sample_size(20);
    for (width, height) in [(500, 375), (4000, 3000)] {
        let picture = photo(width, height);
        let mut jpeg = Cursor::new(Vec::new());
        if picture
            .write_to(&mut jpeg, image::ImageFormat::Jpeg)
            .is_err()
        {
            continue;
        }
        let jpeg = jpeg.into_inner();
        let size = format!("{width} x {height}");
        group.throughput(Throughput::Bytes(jpeg.len() as u64));
        group.bench_function(format!("hash of a JPEG, {size}"), |bencher| {
            bencher.iter(|| ContentHash::of(&jpeg));
        });
        group.bench_function(format!("JPEG to pixels, {size}"), |bencher| {
            bencher.iter(|| decode_rgb(&jpeg, Path::new("photo.jpg")).is_ok());
        });
        let preprocess = Preprocess::openai(224);
        group.bench_function(format!("pixels to crop, {size}"), |bencher| {
            bencher.iter(|| preprocess.crop(&picture));
        });
        group.bench_function(format!("JPEG to crop, {size}"), |bencher| {
            bencher.iter(|| preprocess.crop_file(&jpeg, Path::new("photo.jpg")).is_ok());
        });
    }
}

criterion_group!(benches, kernels, before_the_encoder);
criterion_main!(benches);
