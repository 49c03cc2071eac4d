//! Features of the towers against those of the reference implementations, from the same pixels and token ids.

use shotlens::clip::preprocess::Crop;
use shotlens::clip::{
    Architecture, BottleneckAdapter, CheckpointFiles, Clip, ConfigSource, DeviceChoice, Kernel,
    OpenOptions, Path, Precision, WeightsSource,
};
use shotlens::features::Matrix;

use crate::clip_data::{
    assert_close, crops, data, expected, files, is_here, matrix, open, shared_golden, token_ids,
};

/// What f32 sums in another order may differ by, relative to the largest number of a row.
const ROUNDING: f32 = 2e-5;

/// How far features may be from the references', relative to the largest number of a row: `exact` where layers multiply
/// f32; a 16-bit brain float has 8 significant bits, and every layer rounds to it anew.
fn tolerance(exact: f32) -> f32 {
    match Kernel::forced().unwrap() {
        Some(Kernel::Avx512Bf16) => 3e-2,
        _ => exact,
    }
}

fn text_features(clip: &Clip) -> Matrix {
    let ids = token_ids();
    let ids: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
    clip.encode_tokens(&ids).unwrap()
}

fn image_features(clip: &Clip, adapter: Option<&BottleneckAdapter>) -> Matrix {
    clip.encode_crops(&crops(clip.preprocess().size), adapter)
        .unwrap()
        .features
}

#[track_caller]
fn check(name: &str) {
    for path in [Path::Fused, Path::BuiltIn] {
        let clip = Clip::open_on_path(
            &files(name),
            &OpenOptions {
                device: DeviceChoice::Cpu,
                precision: Precision::Auto,
                activation: None,
            },
            path,
        )
        .unwrap();
        assert_close(
            &image_features(&clip, None),
            &expected(name, "image_features"),
            tolerance(1e-3),
        );
        assert_close(
            &text_features(&clip),
            &expected(name, "text_features"),
            tolerance(1e-3),
        );
    }
}

#[test]
fn the_hugging_face_golden_is_reproduced() {
    if is_here("vit") {
        check("vit");
    }
}

#[test]
fn the_open_ai_golden_is_reproduced() {
    check("openai_vit");
}

#[test]
fn the_open_clip_golden_is_reproduced() {
    check("open_clip");
}

#[test]
fn the_small_resnet_golden_is_reproduced() {
    check("openai_rn_small");
}

#[test]
fn the_full_resnet_golden_is_reproduced() {
    let Some(folder) = shared_golden("openai_rn") else {
        println!("skipped: goldens/openai_rn is not here");
        return;
    };
    let weights = WeightsSource::File(folder.join("model.safetensors"));
    let clip = Clip::open(
        &CheckpointFiles {
            weights,
            config: ConfigSource::None,
        },
        &OpenOptions::default(),
    )
    .unwrap();
    let path = folder.join("expected.safetensors");
    assert_close(
        &image_features(&clip, None),
        &matrix(&path, "image_features"),
        tolerance(1e-3),
    );
    assert_close(
        &text_features(&clip),
        &matrix(&path, "text_features"),
        tolerance(1e-3),
    );
    assert!(clip.projections().unwrap().is_none());
}

#[test]
fn the_adapter_golden_is_reproduced_on_and_off_by_the_same_model() {
    let path = data("imo_adapter/adapter.safetensors");
    for ops in [Path::Fused, Path::BuiltIn] {
        let clip = Clip::open_on_path(&files("openai_vit"), &OpenOptions::default(), ops).unwrap();
        let adapter = BottleneckAdapter::open(&path, None, &clip).unwrap();
        for _ in 0..2 {
            assert_close(
                &image_features(&clip, Some(&adapter)),
                &expected("imo_adapter", "image_features_adapter_on"),
                tolerance(1e-3),
            );
            assert_close(
                &image_features(&clip, None),
                &expected("imo_adapter", "image_features_adapter_off"),
                tolerance(1e-3),
            );
        }
    }
}

#[test]
fn the_adapters_scale_can_be_given_and_is_part_of_its_id() {
    let (clip, path) = (open("openai_vit"), data("imo_adapter/adapter.safetensors"));
    let written = BottleneckAdapter::open(&path, None, &clip).unwrap();
    let given = BottleneckAdapter::open(&path, Some(0.0), &clip).unwrap();
    assert_ne!(written.id(), given.id());
    assert_close(
        &image_features(&clip, Some(&given)),
        &image_features(&clip, None),
        ROUNDING,
    );
}

#[test]
fn a_batch_gives_the_same_as_single_pictures_and_texts() {
    for name in ["vit", "openai_vit", "open_clip", "openai_rn_small"]
        .into_iter()
        .filter(|name| is_here(name))
    {
        let clip = open(name);
        let crops = crops(clip.preprocess().size);
        let batch = clip.encode_crops(&crops, None).unwrap().features;
        for (index, crop) in crops.iter().enumerate() {
            let single = clip
                .encode_crops(std::slice::from_ref(crop), None)
                .unwrap()
                .features;
            assert_close(&single, &batch.select_rows(&[index]), ROUNDING);
        }
        let (ids, batch) = (token_ids(), text_features(&clip));
        for (index, ids) in ids.iter().enumerate() {
            assert_close(
                &clip.encode_tokens(&[ids]).unwrap(),
                &batch.select_rows(&[index]),
                ROUNDING,
            );
        }
    }
}

#[test]
fn features_are_hidden_features_times_the_projection() {
    for name in ["vit", "openai_vit"]
        .into_iter()
        .filter(|name| is_here(name))
    {
        let clip = open(name);
        let encoded = clip.encode_crops(&crops(224), None).unwrap();
        let (image, text) = clip.projections().unwrap().unwrap();
        assert_eq!((image.rows(), text.rows()), (clip.dim(), clip.dim()));
        assert_close(
            &encoded.hidden.unwrap().times_transposed(&image),
            &encoded.features,
            tolerance(ROUNDING),
        );
    }
}

#[test]
fn an_empty_batch_and_a_wrong_size_are_no_panic() {
    let clip = open("openai_vit");
    assert_eq!(clip.encode_crops(&[], None).unwrap().features.rows(), 0);
    assert_eq!(clip.encode_texts(&[]).unwrap().features.rows(), 0);
    let crop = Crop {
        size: 96,
        pixels: vec![0; 96 * 96 * 3],
    };
    let error = clip.encode_crops(&[crop], None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a crop of 96 pixels a side, this model takes 224"
    );
}

#[test]
fn candle_transformers_agrees_on_the_hugging_face_golden() {
    use candle_core::{Device, Tensor};
    use candle_nn::VarBuilder;
    use candle_transformers::models::clip::text_model::{Activation, ClipTextConfig};
    use candle_transformers::models::clip::vision_model::ClipVisionConfig;
    use candle_transformers::models::clip::{ClipConfig, ClipModel};

    if !is_here("vit") {
        return;
    }
    let activation = Activation::QuickGelu;
    let vision_config = ClipVisionConfig {
        embed_dim: 64,
        activation,
        intermediate_size: 256,
        num_hidden_layers: 4,
        num_attention_heads: 4,
        projection_dim: 48,
        num_channels: 3,
        image_size: 224,
        patch_size: 32,
    };
    let text_config = ClipTextConfig {
        vocab_size: 49408,
        embed_dim: 32,
        activation,
        intermediate_size: 128,
        max_position_embeddings: 77,
        pad_with: None,
        num_hidden_layers: 3,
        num_attention_heads: 4,
        projection_dim: 48,
    };
    let bytes = crate::clip_data::checkpoint("vit");
    let weights =
        VarBuilder::from_buffered_safetensors(bytes, candle_core::DType::F32, &Device::Cpu)
            .unwrap();
    let config = ClipConfig {
        text_config,
        vision_config,
        logit_scale_init_value: 2.6592,
        image_size: 224,
    };
    let theirs = ClipModel::new(weights, &config).unwrap();

    let ours = open("vit");
    let crops = crops(224);
    let (mean, std) = (ours.preprocess().mean, ours.preprocess().std);
    let pixel = |crop: &Crop, i: usize| {
        let (channel, cell) = (i / (224 * 224), i % (224 * 224));
        (f32::from(crop.pixels[cell * 3 + channel]) / 255.0 - mean[channel]) / std[channel]
    };
    let values: Vec<f32> = crops
        .iter()
        .flat_map(|crop| (0..3 * 224 * 224).map(move |i| pixel(crop, i)))
        .collect();
    let pixels = Tensor::from_vec(values, (crops.len(), 3, 224, 224), &Device::Cpu).unwrap();
    let features = theirs.get_image_features(&pixels).unwrap();
    let features = Matrix::new(
        crops.len(),
        48,
        features.flatten_all().unwrap().to_vec1().unwrap(),
    )
    .unwrap();
    assert_close(&image_features(&ours, None), &features, tolerance(1e-4));
}

#[test]
fn a_random_model_has_the_published_sizes_and_finite_features() {
    let clip = Clip::random(Architecture::VitB32, 1, &OpenOptions::default()).unwrap();
    let crop = Crop {
        size: 224,
        pixels: (0..224 * 224 * 3).map(|i| (i * 7 % 251) as u8).collect(),
    };
    let features = clip
        .encode_crops(std::slice::from_ref(&crop), None)
        .unwrap()
        .features;
    assert_eq!(features.cols(), 512);
    assert!(
        features
            .as_slice()
            .iter()
            .all(|x| x.is_finite() && x.abs() < 100.0)
    );
    let again = Clip::random(Architecture::VitB32, 1, &OpenOptions::default()).unwrap();
    assert_eq!(
        again.encode_crops(&[crop], None).unwrap().features,
        features
    );
}

/// Every test of this file again in a process of its own for each kernel that this processor has.
#[test]
fn every_kernel_reproduces_the_goldens() {
    if std::env::var_os("SHOTLENS_KERNEL").is_some() {
        return; // one of those processes
    }
    for kernel in Kernel::ALL {
        if !kernel.is_here() {
            println!("skipped: this processor has no {}", kernel.name());
            continue;
        }
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["clip_goldens::", "--skip", "random_model"])
            .env("SHOTLENS_KERNEL", kernel.name())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{}:\n{said}", kernel.name());
        assert!(!said.contains(" 0 passed"), "{said}");
    }
}
