//! `CoOp`: learned context against PyTorch in float64, and its gradient against numerical derivatives.

use candle_core::{Device, Tensor, Var};
use safetensors::SafeTensors;
use shotlens::clip::{Clip, ClipError, DeviceChoice, OpenOptions, Precision};
use shotlens::engine::coop::{CoOpOptions, CoOpStep, LearnedContext};
use shotlens::engine::{Engine, EngineError};
use shotlens::features::{Features, Matrix};
use shotlens::methods::{Knowledge, Method, Parameters, Queries, fit};
use shotlens::progress::{CancelToken, Progress};
use shotlens::support::SupportSet;

use crate::clip_data::{assert_close, files, matrix, open};

fn engine() -> Engine {
    Engine::new(open("openai_vit"), "test".to_owned(), None).unwrap()
}

fn names() -> Vec<String> {
    ["cat", "dog", "satellite_photo"]
        .map(str::to_owned)
        .to_vec()
}

fn golden(name: &str) -> Matrix {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/coop/golden.safetensors");
    matrix(&path, name)
}

fn golden_list<const SIZE: usize, T>(name: &str, number: fn([u8; SIZE]) -> T) -> Vec<T> {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/coop/golden.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let data = tensors.tensor(name).unwrap().data().to_vec();
    data.as_chunks::<SIZE>()
        .0
        .iter()
        .copied()
        .map(number)
        .collect()
}

fn support() -> SupportSet {
    let labels = golden_list("labels", i64::from_le_bytes);
    let labels = labels.into_iter().map(|label| label as usize).collect();
    SupportSet::from_rows(Features::normalized(golden("features")).unwrap(), labels, 3).unwrap()
}

fn options(num_context: usize) -> CoOpOptions {
    CoOpOptions {
        num_context,
        start: (num_context == 6).then(|| golden("start")),
        epochs: Some(40),
        ..CoOpOptions::default()
    }
}

fn learn(options: &CoOpOptions) -> (LearnedContext, Vec<CoOpStep>) {
    let mut steps = Vec::new();
    let learned = engine()
        .learn_context(
            &names(),
            &support(),
            options,
            &Progress::silent(),
            &mut |step| steps.push(step),
        )
        .unwrap();
    (learned, steps)
}

#[test]
fn context_and_logits_are_those_of_the_reference() {
    for (name, num_context) in [("words", 4), ("numbers", 6)] {
        let (learned, steps) = learn(&options(num_context));
        assert!(learned.is_finished);
        assert_close(&learned.context, &golden(&format!("{name}.context")), 1e-3);
        let (support, text) = (support(), learned.text.clone());
        let knowledge = Knowledge {
            learned_text: Some(&text),
            ..Knowledge::new(&support, &text)
        };
        let classifier = fit(Method::CoOp, &Parameters::default(), &knowledge).unwrap();
        let logits = classifier.logits(Queries::new(support.features())).unwrap();
        assert_close(&logits.0, &golden(&format!("{name}.logits")), 1e-3);
        let losses = golden_list(&format!("{name}.losses"), f32::from_le_bytes);
        assert_eq!(steps.len(), losses.len());
        for (step, expected) in steps.iter().zip(losses) {
            assert!(
                (step.loss - expected).abs() < 1e-3 * expected.max(0.1),
                "{step:?}: {expected}"
            );
        }
    }
}

#[test]
fn chunks_of_classes_give_the_same_context() {
    let (whole, _) = learn(&options(6));
    let (chunked, _) = learn(&CoOpOptions {
        memory: 1,
        ..options(6)
    });
    assert_close(&chunked.context, &whole.context, 1e-4);
    assert_close(chunked.text.matrix(), whole.text.matrix(), 1e-4);
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_another_context() {
    let few = |seed| CoOpOptions {
        seed,
        epochs: Some(3),
        batch: 4,
        ..CoOpOptions::default()
    };
    let (first, steps) = learn(&few(3));
    assert_eq!(learn(&few(3)).0, first);
    assert_ne!(learn(&few(4)).0.context, first.context);
    assert_eq!(first.context.rows(), 16);
    // Ten photos in batches of four: the third batch would not be full.
    assert_eq!(steps.len(), 6);
}

#[test]
fn stopping_keeps_the_best_epoch_and_stopping_at_once_is_an_error() {
    let (engine, token) = (engine(), CancelToken::default());
    let report = |_, _| ();
    let progress = Progress::new(&report, &token);
    let mut losses = Vec::new();
    let learned = engine
        .learn_context(&names(), &support(), &options(6), &progress, &mut |step| {
            losses.push(step.loss);
            if step.step == 10 {
                token.cancel();
            }
        })
        .unwrap();
    assert!(!learned.is_finished);
    assert_eq!(losses.len(), 10);
    let least = losses.iter().copied().fold(f32::INFINITY, f32::min);
    assert!((learned.loss - least).abs() < f32::EPSILON);
    let error = engine.learn_context(&names(), &support(), &options(6), &progress, &mut |_| ());
    assert!(matches!(error, Err(EngineError::Cancelled(_))));
}

#[test]
fn words_as_context_give_the_text_features_of_the_whole_prompt() {
    let clip = open("openai_vit");
    let words = clip.word_embeddings("a photo of a").unwrap();
    let context = Tensor::from_slice(words.as_slice(), (4, words.cols()), &Device::Cpu).unwrap();
    let prompts = clip.context_prompts(&names(), 4).unwrap();
    let features = clip.encode_with_context(&prompts, &context, 0..3).unwrap();
    let features = Matrix::new(
        3,
        clip.dim(),
        features.flatten_all().unwrap().to_vec1().unwrap(),
    )
    .unwrap();
    let texts = [
        "a photo of a cat.",
        "a photo of a dog.",
        "a photo of a satellite photo.",
    ];
    let whole = clip
        .encode_texts(&texts.map(str::to_owned))
        .unwrap()
        .features;
    assert_close(&features, &whole, 2e-5);
}

#[test]
fn the_contexts_gradient_is_the_derivative() {
    let clip = open("openai_vit");
    let prompts = clip.context_prompts(&names(), 6).unwrap();
    let start = golden("start");
    let context = Tensor::from_slice(start.as_slice(), (6, start.cols()), &Device::Cpu).unwrap();
    let weights: Vec<f32> = (0..3 * clip.dim())
        .map(|i| (i * 7919 % 2003) as f32 / 1001.5 - 1.0)
        .collect();
    let weights = Tensor::from_vec(weights, (3, clip.dim()), &Device::Cpu).unwrap();
    let loss = |clip: &Clip, context: &Tensor| {
        let features = clip.encode_with_context(&prompts, context, 0..3).unwrap();
        (features * &weights).unwrap().sum_all().unwrap()
    };
    let variable = Var::from_tensor(&context).unwrap();
    let gradients = loss(&clip, variable.as_tensor()).backward().unwrap();
    let gradient = gradients.get(&variable).unwrap();
    for row in 0..6 {
        let own = gradient.narrow(0, row, 1).unwrap();
        let length: f32 = own
            .sqr()
            .unwrap()
            .sum_all()
            .unwrap()
            .sqrt()
            .unwrap()
            .to_scalar()
            .unwrap();
        assert!(length > 1e-3, "vector {row}: the gradient vanishes");
        let mut direction = vec![0.0; 6 * start.cols()];
        let unit: Vec<f32> = (own / f64::from(length))
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap();
        direction[row * start.cols()..(row + 1) * start.cols()].copy_from_slice(&unit);
        let direction = Tensor::from_vec(direction, (6, start.cols()), &Device::Cpu).unwrap();
        let at = |distance: f64| {
            let moved = (&context + (&direction * distance).unwrap()).unwrap();
            loss(&clip, &moved).to_scalar::<f32>().unwrap()
        };
        let slope = (at(0.002) - at(-0.002)) / 0.004;
        assert!(
            (slope - length).abs() < 0.03 * length,
            "vector {row}: slope {slope}, gradient {length}"
        );
    }
}

#[test]
fn in_bf16_a_context_has_nearly_the_same_features_and_gradient() {
    let of = |precision| {
        let options = OpenOptions {
            device: DeviceChoice::Cpu,
            precision,
            activation: None,
        };
        let clip = Clip::open(&files("openai_vit"), &options)?;
        let prompts = clip.context_prompts(&names(), 6)?;
        let start = golden("start");
        let context = Tensor::from_slice(start.as_slice(), (6, start.cols()), &Device::Cpu)?;
        let variable = Var::from_tensor(&context)?;
        let features = clip.encode_with_context(&prompts, variable.as_tensor(), 0..3)?;
        let gradients = features.narrow(1, 0, 5)?.sum_all()?.backward()?;
        let gradient = gradients.get(&variable).unwrap().flatten_all()?;
        // Where nobody asks for a gradient, more is rounded between layers.
        let plain = clip.encode_with_context(&prompts, &context, 0..3)?;
        Ok::<_, ClipError>([gradient, features.flatten_all()?, plain.flatten_all()?])
    };
    let halves = match of(Precision::Bf16) {
        Ok(halves) => halves,
        Err(error) => return println!("skipped: {error}"),
    };
    let floats = of(Precision::F32).unwrap();
    let dot = |a: &Tensor, b: &Tensor| {
        let product = (a * b).unwrap().sum_all().unwrap();
        product.to_scalar::<f32>().unwrap()
    };
    for (what, (half, float)) in ["gradient", "features", "plain features"]
        .iter()
        .zip(halves.iter().zip(&floats))
    {
        let cosine = dot(half, float) / (dot(half, half) * dot(float, float)).sqrt();
        assert!(cosine > 0.995, "{what}: cosine {cosine}");
    }
}

#[test]
fn without_photos_or_room_it_says_so() {
    let engine = engine();
    let none = SupportSet::new(Features::default(), Vec::new(), 3, Vec::new()).unwrap();
    let learn = |support: &SupportSet, options: &CoOpOptions| {
        let progress = Progress::silent();
        engine
            .learn_context(&names(), support, options, &progress, &mut |_| ())
            .unwrap_err()
            .to_string()
    };
    assert!(learn(&none, &CoOpOptions::default()).contains("labelled photo"));
    let long = CoOpOptions {
        num_context: 75,
        ..CoOpOptions::default()
    };
    assert_eq!(
        learn(&support(), &long),
        "75 context vectors do not fit into a text; choose at most 74"
    );
}
