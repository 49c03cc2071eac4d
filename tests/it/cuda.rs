//! The towers on an NVIDIA GPU against those on the CPU, in every number format: for machines that have one.

use shotlens::clip::{BottleneckAdapter, Clip, DeviceChoice, OpenOptions, Precision};
use shotlens::features::Matrix;

use crate::clip_data::{crops, data, files, is_here};

/// Least cosine to the CPU's features, by format: 8 significant bits, 11, and 24 summed in another order.
const FORMATS: [(Precision, f32); 3] = [
    (Precision::Bf16, 0.999),
    (Precision::F16, 0.9999),
    (Precision::F32, 0.999_999),
];

fn on(name: &str, device: DeviceChoice, precision: Precision) -> Option<Clip> {
    let options = OpenOptions {
        device,
        precision,
        activation: None,
    };
    match Clip::open(&files(name), &options) {
        Ok(clip) => Some(clip),
        Err(error) => {
            println!("skipped {name} in {}: {error}", precision.name());
            None
        }
    }
}

fn image_features(clip: &Clip, adapter: Option<&BottleneckAdapter>) -> Matrix {
    let crops = crops(clip.preprocess().size);
    clip.encode_crops(&crops, adapter).unwrap().features
}

fn text_features(clip: &Clip) -> Matrix {
    let texts = ["a photo of a cat", "a drawing of nothing in particular"].map(str::to_owned);
    clip.encode_texts(&texts).unwrap().features
}

#[track_caller]
fn assert_alike(got: &Matrix, expected: &Matrix, least: f32) {
    assert_eq!((got.rows(), got.cols()), (expected.rows(), expected.cols()));
    for row in 0..got.rows() {
        let (a, b) = (got.row(row), expected.row(row));
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        assert!(cosine >= least, "row {row}: cosine {cosine}, not {least}");
    }
}

#[test]
fn a_gpu_gives_the_cpus_features() {
    for name in ["openai_vit", "open_clip", "vit", "openai_rn_small"] {
        if !is_here(name) {
            continue;
        }
        let cpu = on(name, DeviceChoice::Cpu, Precision::F32).unwrap();
        for (precision, least) in FORMATS {
            let Some(gpu) = on(name, DeviceChoice::Cuda, precision) else {
                continue;
            };
            println!(
                "{name} on {} in {}",
                gpu.device_description(),
                gpu.format().name()
            );
            assert_alike(
                &image_features(&gpu, None),
                &image_features(&cpu, None),
                least,
            );
            assert_alike(&text_features(&gpu), &text_features(&cpu), 0.999_999);
        }
    }
}

#[test]
fn an_adapter_on_a_gpu_gives_the_cpus_features() {
    let path = data("imo_adapter/adapter.safetensors");
    let cpu = on("openai_vit", DeviceChoice::Cpu, Precision::F32).unwrap();
    let adapter = BottleneckAdapter::open(&path, None, &cpu).unwrap();
    let expected = image_features(&cpu, Some(&adapter));
    for (precision, least) in FORMATS {
        let Some(gpu) = on("openai_vit", DeviceChoice::Cuda, precision) else {
            continue;
        };
        let adapter = BottleneckAdapter::open(&path, None, &gpu).unwrap();
        assert_alike(&image_features(&gpu, Some(&adapter)), &expected, least);
        // and the same model without it
        let plain = image_features(&cpu, None);
        assert_alike(&image_features(&gpu, None), &plain, least);
    }
}

#[test]
fn a_batch_on_a_gpu_gives_what_its_pictures_give_one_by_one() {
    let Some(gpu) = on("openai_vit", DeviceChoice::Cuda, Precision::F16) else {
        return;
    };
    let crops = crops(gpu.preprocess().size);
    let together = gpu.encode_crops(&crops, None).unwrap().features;
    for (row, crop) in crops.iter().enumerate() {
        let alone = gpu
            .encode_crops(std::slice::from_ref(crop), None)
            .unwrap()
            .features;
        let row = Matrix::new(1, together.cols(), together.row(row).to_vec()).unwrap();
        assert_alike(&alone, &row, 0.999_999);
    }
}
