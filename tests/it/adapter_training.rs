//! Training adapters on a small model: where it starts, what changes and what does not, going on after an interruption.

use std::path::{Path, PathBuf};

use candle_core::Device;
use safetensors::SafeTensors;
use shotlens::clip::{AdaptedProjection, AdapterTensors, BottleneckAdapter, PixelValues};
use shotlens::engine::adapted::{AdaptedEncoder, AdapterSpec};
use shotlens::engine::adapter_training::{
    Lesson, Loss, Outcome, Preset, Report, TrainingOptions, info,
};
use shotlens::engine::{Engine, EngineError};
use shotlens::features::{Features, Matrix};
use shotlens::image_io::ContentHash;
use shotlens::progress::{CancelToken, Progress};

use crate::clip_data::{assert_close, crops, data, open};

pub(crate) fn engine() -> Engine {
    Engine::new(open("openai_vit"), "test".to_owned(), None).unwrap()
}

/// Golden crops as photos of two classes, six each.
pub(crate) fn photos(folder: &Path) -> Vec<(PathBuf, usize)> {
    let crops = crops(224);
    (0..12)
        .map(|index| {
            let path = folder.join(format!("{index}.png"));
            // Eleven crops: the twelfth photo is the first, mirrored.
            let mut pixels = crops[index % crops.len()].pixels.clone();
            if index == crops.len() {
                pixels.reverse();
            }
            let image = image::RgbImage::from_raw(224, 224, pixels).unwrap();
            image.save(&path).unwrap();
            (path, index % 2)
        })
        .collect()
}

pub(crate) fn names() -> Vec<String> {
    ["cat", "dog"].map(str::to_owned).to_vec()
}

/// Three passes over eight photos in batches of four, of which the last state counts.
pub(crate) fn options() -> TrainingOptions {
    TrainingOptions {
        preset: Some(Preset::Paper),
        epochs: Some(3),
        batch: Some(4),
        seed: 5,
        scale: Some(0.5),
        ..TrainingOptions::default()
    }
}

fn train(
    folder: &Path,
    out: &str,
    options: &TrainingOptions,
    progress: &Progress<'_>,
) -> Result<(Outcome, Vec<Report>), EngineError> {
    let mut reports = Vec::new();
    let photos = photos(folder);
    let names = names();
    let lesson = Lesson {
        photos: &photos,
        classes: &names,
        unlabelled: &[],
    };
    let outcome = engine().train_adapter(
        lesson,
        options,
        &folder.join(out),
        progress,
        &mut |report| reports.push(report),
    )?;
    Ok((outcome, reports))
}

/// All tensors of a file, sorted by name.
pub(crate) fn tensors(path: &Path) -> Vec<(String, Vec<f32>)> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let numbers = |data: &[u8]| {
        data.as_chunks()
            .0
            .iter()
            .map(|x| f32::from_le_bytes(*x))
            .collect()
    };
    let mut tensors: Vec<_> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, numbers(view.data())))
        .collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    tensors
}

#[test]
fn activations_and_the_rest_of_the_way_are_the_whole_way() {
    let clip = open("openai_vit");
    let crops = crops(224);
    let path = data("imo_adapter/adapter.safetensors");
    let adapter = BottleneckAdapter::open(&path, None, &clip).unwrap();
    let whole = clip.encode_crops(&crops, Some(&adapter)).unwrap().features;
    let activations = clip
        .activations(&crops, 0, PixelValues::Normalised)
        .unwrap();
    let features = clip.finish_for_training(&activations, 0, &adapter).unwrap();
    let features = Matrix::new(
        crops.len(),
        clip.dim(),
        features.flatten_all().unwrap().to_vec1().unwrap(),
    )
    .unwrap();
    assert_close(&features, &whole, 2e-5);

    // From block 2 on, with adapters that do nothing, it is the way without adapters.
    let zeros = |dims: &[usize]| {
        candle_core::Tensor::zeros(dims, candle_core::DType::F32, &Device::Cpu).unwrap()
    };
    let block = || AdapterTensors {
        down: (zeros(&[8, 64]), zeros(&[8])),
        up: (zeros(&[64, 8]), zeros(&[64])),
    };
    let idle = BottleneckAdapter::from_tensors(vec![block(), block()], 0.5, "idle".to_owned())
        .beside_blocks_from(2);
    let activations = clip
        .activations(&crops, 2, PixelValues::Normalised)
        .unwrap();
    let features = clip.finish_for_training(&activations, 2, &idle).unwrap();
    let features = Matrix::new(
        crops.len(),
        clip.dim(),
        features.flatten_all().unwrap().to_vec1().unwrap(),
    )
    .unwrap();
    assert_close(
        &features,
        &clip.encode_crops(&crops, None).unwrap().features,
        2e-5,
    );
}

#[test]
fn raw_bytes_are_other_activations() {
    let clip = open("openai_vit");
    let of = |values| {
        clip.activations(&crops(224)[..1], 0, values)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
    };
    assert_ne!(of(PixelValues::ZeroToOne), of(PixelValues::Normalised));
}

#[test]
fn training_starts_at_the_original_features_and_changes_adapters_alone() {
    let folder = tempfile::tempdir().unwrap();
    let clip = open("openai_vit");
    let before = clip.encode_crops(&crops(224), None).unwrap().features;
    let engine = engine();
    let photos = photos(folder.path());
    let names = names();
    let lesson = Lesson {
        photos: &photos,
        classes: &names,
        unlabelled: &[],
    };
    let out = folder.path().join("a.safetensors");
    let mut reports = Vec::new();
    let options = TrainingOptions {
        epochs: Some(1),
        ..options()
    };
    let outcome = engine
        .train_adapter(lesson, &options, &out, &Progress::silent(), &mut |report| {
            reports.push(report);
        })
        .unwrap();
    assert_eq!(
        (outcome.steps, outcome.num_photos, outcome.num_held_out),
        (2, 8, 4)
    );
    let Report::Planned(plan) = &reports[0] else {
        panic!("{:?}", reports[0])
    };
    assert!(plan.bytes_of_step > 0 && plan.steps == 2, "{plan:?}");
    let Report::HeldOut(start) = &reports[1] else {
        panic!("{:?}", reports[1])
    };
    let crops: Vec<_> = photos
        .iter()
        .map(|(path, _)| engine.crop_of(path).unwrap())
        .collect();
    let original =
        Features::normalized(engine.clip().encode_crops(&crops, None).unwrap().features).unwrap();
    for row in 0..start.features.len() {
        let closest = (0..12).map(|photo| {
            let difference = |(a, b): (&f32, &f32)| (a - b).abs();
            start
                .features
                .row(row)
                .iter()
                .zip(original.row(photo))
                .map(difference)
                .fold(0.0, f32::max)
        });
        assert!(
            closest.fold(f32::INFINITY, f32::min) < 1e-5,
            "row {row} is no original feature"
        );
    }
    // Up starts at zero, so the first step moves Up alone, and the second Down as well.
    for (name, numbers) in tensors(&out) {
        let is_bias_of_down = name.ends_with("down_proj.bias");
        assert!(numbers.iter().any(|x| *x != 0.0), "{name} did not learn");
        assert!(
            !is_bias_of_down || numbers.iter().any(|x| x.abs() > 1e-5),
            "{name} did not learn"
        );
    }
    assert_eq!(
        engine
            .clip()
            .encode_crops(&self::crops(224), None)
            .unwrap()
            .features,
        before
    );
    let adapter = BottleneckAdapter::open(&out, None, engine.clip()).unwrap();
    assert_ne!(
        engine
            .clip()
            .encode_crops(&self::crops(224), Some(&adapter))
            .unwrap()
            .features,
        before
    );
}

#[test]
fn going_on_after_an_interruption_gives_the_same_bits() {
    for loss in [Loss::CrossEntropy, Loss::Dino] {
        interrupted_and_resumed(TrainingOptions {
            loss,
            epochs: Some(3),
            ..options()
        });
    }
}

/// Six steps at once, and two, then four.
fn interrupted_and_resumed(whole: TrainingOptions) {
    let folder = tempfile::tempdir().unwrap();
    train(
        folder.path(),
        "whole.safetensors",
        &whole,
        &Progress::silent(),
    )
    .unwrap();
    let checkpoint = folder.path().join("state");
    let options = TrainingOptions {
        checkpoint: Some(checkpoint.clone()),
        resume: true,
        ..whole
    };
    let token = CancelToken::default();
    // Six steps: asked to stop when the third is about to begin.
    let stop = |done, total| {
        if (done, total) == (2, 6) {
            token.cancel();
        }
    };
    let (outcome, _) = train(
        folder.path(),
        "part.safetensors",
        &options,
        &Progress::new(&stop, &token),
    )
    .unwrap();
    assert_eq!((outcome.steps, outcome.is_finished), (2, false));
    assert!(checkpoint.exists());
    let other = TrainingOptions {
        seed: 6,
        ..options.clone()
    };
    let error = train(folder.path(), "x.safetensors", &other, &Progress::silent()).unwrap_err();
    assert!(
        error.to_string().contains("other photos or options"),
        "{error}"
    );
    let (outcome, reports) = train(
        folder.path(),
        "resumed.safetensors",
        &options,
        &Progress::silent(),
    )
    .unwrap();
    assert_eq!((outcome.steps, outcome.is_finished), (6, true));
    assert_eq!(
        reports
            .iter()
            .filter(|report| matches!(report, Report::Step(_)))
            .count(),
        4
    );
    assert!(!checkpoint.exists());
    assert_eq!(
        tensors(&folder.path().join("resumed.safetensors")),
        tensors(&folder.path().join("whole.safetensors"))
    );
}

#[test]
fn steps_in_parts_and_photos_read_anew_give_the_same_adapter() {
    let folder = tempfile::tempdir().unwrap();
    for loss in [Loss::CrossEntropy, Loss::Contrastive] {
        let whole = TrainingOptions { loss, ..options() };
        train(
            folder.path(),
            "whole.safetensors",
            &whole,
            &Progress::silent(),
        )
        .unwrap();
        let little = TrainingOptions {
            memory: Some(1),
            ..whole
        };
        let (_, reports) = train(
            folder.path(),
            "parts.safetensors",
            &little,
            &Progress::silent(),
        )
        .unwrap();
        let Report::Planned(plan) = &reports[0] else {
            panic!("{:?}", reports[0])
        };
        assert_eq!((plan.part, plan.bytes_of_activations), (1, 0));
        for ((name, a), (_, b)) in tensors(&folder.path().join("whole.safetensors"))
            .into_iter()
            .zip(tensors(&folder.path().join("parts.safetensors")))
        {
            // AdamW's first steps divide by the gradient's size, so that rounding shows where a gradient is next to nothing.
            let far = a
                .iter()
                .zip(&b)
                .filter(|(a, b)| (*a - *b).abs() > 1e-3)
                .count();
            assert!(
                far <= a.len() / 50,
                "{loss:?} {name}: {far} of {} numbers differ",
                a.len()
            );
        }
    }
}

#[test]
fn the_loss_falls_and_the_best_state_is_no_worse_than_the_start() {
    let folder = tempfile::tempdir().unwrap();
    for loss in [Loss::CrossEntropy, Loss::Contrastive, Loss::ProLip] {
        let options = TrainingOptions {
            preset: Some(Preset::FewShot),
            loss,
            epochs: Some(30),
            batch: Some(8),
            learning_rate: Some(if loss == Loss::ProLip { 1e-3 } else { 5e-3 }),
            ..TrainingOptions::default()
        };
        let (outcome, reports) = train(
            folder.path(),
            "a.safetensors",
            &options,
            &Progress::silent(),
        )
        .unwrap();
        let losses: Vec<f32> = reports
            .iter()
            .filter_map(|report| match report {
                Report::Step(step) => Some(step.loss),
                _ => None,
            })
            .collect();
        assert_eq!(losses.len(), 30);
        assert!(losses[29] < 0.85 * losses[0], "{loss:?}: {losses:?}");
        if loss != Loss::ProLip {
            assert!(outcome.after.auroc >= outcome.before.auroc, "{outcome:?}");
        }
    }
}

#[test]
fn a_file_tells_its_making_and_fits_its_own_model_alone() {
    let folder = tempfile::tempdir().unwrap();
    train(
        folder.path(),
        "a.safetensors",
        &options(),
        &Progress::silent(),
    )
    .unwrap();
    let path = folder.path().join("a.safetensors");
    let info = info(&path).unwrap();
    assert_eq!(info.num_photos, Some(8));
    let value = |key: &str| {
        info.metadata
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.clone())
            .unwrap()
    };
    let training: serde_json::Value = serde_json::from_str(&value("training")).unwrap();
    assert_eq!(
        (&training["preset"], &training["photos"], &training["steps"]),
        (&"paper".into(), &8.into(), &6.into())
    );
    assert!(
        training["before"]["auroc"].is_number() && training["after"]["overlap"].is_number(),
        "{training}"
    );
    assert_eq!(value("scale"), "0.5");
    assert_eq!(value("base_model_hash"), open("openai_vit").hash());

    let engine = engine();
    let encoder =
        AdaptedEncoder::without_support(&AdapterSpec::File(path.clone()), None, &engine).unwrap();
    let seen = photos(folder.path())
        .iter()
        .filter(|(path, _)| {
            encoder
                .trained_on()
                .contains(&ContentHash::of(&std::fs::read(path).unwrap()))
        })
        .count();
    assert_eq!(seen, 8);

    let other = BottleneckAdapter::open(&path, None, &open("open_clip"))
        .err()
        .unwrap();
    assert!(
        other
            .to_string()
            .starts_with("the adapter was made for the model with hash"),
        "{other}"
    );
}

#[test]
fn a_trained_projection_is_used_in_place_of_the_models_own() {
    let folder = tempfile::tempdir().unwrap();
    let options = TrainingOptions {
        loss: Loss::ProLip,
        learning_rate: Some(1e-3),
        epochs: Some(5),
        ..TrainingOptions::default()
    };
    train(
        folder.path(),
        "p.safetensors",
        &options,
        &Progress::silent(),
    )
    .unwrap();
    let path = folder.path().join("p.safetensors");
    let engine = engine();
    let projection = AdaptedProjection::open(&path, engine.clip())
        .unwrap()
        .unwrap();
    let own = engine.clip().image_projection().unwrap();
    assert_eq!(
        (projection.matrix.rows(), projection.matrix.cols()),
        (own.rows(), own.cols())
    );
    let far = projection
        .matrix
        .as_slice()
        .iter()
        .zip(own.as_slice())
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    // Five steps of at most 1e-3 each.
    assert!(far > 1e-4 && far < 5.1e-3, "{far}");
    let encoder = AdaptedEncoder::without_support(&AdapterSpec::File(path), None, &engine).unwrap();
    assert_eq!(encoder.trained_on().len(), 8);
    let encoded = engine.clip().encode_crops(&crops(224), None).unwrap();
    let adapted = encoder
        .adapt(&encoded.features, encoded.hidden.as_ref())
        .unwrap();
    let expected =
        Features::normalized(encoded.hidden.unwrap().times_transposed(&projection.matrix)).unwrap();
    assert_close(&adapted, expected.matrix(), 1e-6);
}

#[test]
fn what_cannot_be_trained_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine();
    let mut photos = photos(folder.path());
    for (_, label) in &mut photos {
        *label = 0;
    }
    let names = names();
    let fail = |photos: &[(PathBuf, usize)], options: &TrainingOptions| {
        let lesson = Lesson {
            photos,
            classes: &names,
            unlabelled: &[],
        };
        let out = folder.path().join("a.safetensors");
        engine
            .train_adapter(lesson, options, &out, &Progress::silent(), &mut |_| ())
            .unwrap_err()
            .to_string()
    };
    assert!(fail(&photos, &options()).contains("two classes"));
    assert!(fail(&[], &options()).contains("none can be read"));
    let alone = TrainingOptions {
        loss: Loss::Dino,
        ..options()
    };
    assert!(fail(&photos[..1], &alone).contains("two different photos"));
    photos[0].1 = 1;
    photos[1].1 = 1;
    let nowhere = TrainingOptions {
        blocks: Some(4..9),
        ..options()
    };
    assert!(fail(&photos, &nowhere).contains("--blocks"));
    let resnet = Engine::new(open("openai_rn_small"), "test".to_owned(), None).unwrap();
    let lesson = Lesson {
        photos: &photos,
        classes: &names,
        unlabelled: &[],
    };
    let error = resnet
        .train_adapter(
            lesson,
            &options(),
            Path::new("x"),
            &Progress::silent(),
            &mut |_| (),
        )
        .unwrap_err();
    assert!(error.to_string().contains("vision transformer"), "{error}");
}
