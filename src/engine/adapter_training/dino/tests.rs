//! On a small model: the gradient is the derivative, a step changes every tensor, the teacher follows.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::clip::{CheckpointFiles, ConfigSource, OpenOptions, WeightsSource};
use crate::engine::Engine;
use crate::engine::adapter_training::options::{Loss, TrainingOptions};
use crate::engine::adapter_training::photos::Photos;
use crate::support::random::Random;

const BATCH: [usize; 3] = [0, 1, 2];

/// The small model of the goldens, four blocks of width 64.
fn engine() -> Engine {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clip/openai_vit");
    let packed = std::fs::read(folder.join("model.safetensors.gz")).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice())
        .read_to_end(&mut bytes)
        .unwrap();
    let files = CheckpointFiles {
        weights: WeightsSource::Bytes(bytes.leak()),
        config: ConfigSource::None,
    };
    let clip = Clip::open(&files, &OpenOptions::default()).unwrap();
    Engine::new(clip, "test".to_owned(), None).unwrap()
}

/// Three photos of noise.
fn photos(folder: &Path) -> Photos {
    let mut random = Random::new(1);
    let paths: Vec<PathBuf> = BATCH
        .iter()
        .map(|index| {
            let path = folder.join(format!("{index}.png"));
            let tint = 80 * *index as u32;
            let image = image::RgbImage::from_fn(250, 240, |x, y| {
                let noise = random.below(60) as u32;
                image::Rgb([x + tint, y, x / 2 + y / 3 + noise].map(|x| x.min(255) as u8))
            });
            image.save(&path).unwrap();
            path
        })
        .collect();
    let listed: Vec<_> = paths.iter().map(|path| (path, None)).collect();
    Photos::read(&listed, &Progress::silent()).unwrap()
}

/// Adapters that already do something, and what the steps need, in parts of so many photos.
fn scene<'a>(course: &'a Course<'a>, part: usize) -> (Parameters, Dino<'a>) {
    let options = TrainingOptions {
        loss: Loss::Dino,
        preset: Some(Preset::FewShot),
        scale: Some(0.5),
        ..TrainingOptions::default()
    };
    let (num_blocks, width) = course.engine.clip().adapter_places().unwrap();
    let settled = Settled::new(&options, BATCH.len(), num_blocks);
    let device = course.engine.clip().device();
    let parameters = Parameters::new(&settled, width, None, device).unwrap();
    let mut random = Random::new(7);
    for parameter in parameters.adapters() {
        let numbers: Vec<f32> = (0..parameter.var.elem_count())
            .map(|_| 0.1 * random.normal() as f32)
            .collect();
        parameter.set(&numbers).unwrap();
    }
    let plan = Plan {
        part,
        ..plan(course, &settled, num_blocks)
    };
    let dino = Dino::new(course, &settled, &plan, &parameters, &Progress::silent()).unwrap();
    // A student that is no longer its teacher.
    for parameter in parameters.adapters() {
        let numbers = parameter.numbers().unwrap();
        let moved: Vec<f32> = numbers
            .iter()
            .map(|x| x + 0.03 * random.normal() as f32)
            .collect();
        parameter.set(&moved).unwrap();
    }
    (parameters, dino)
}

fn with_course(test: impl FnOnce(&Course<'_>)) {
    let folder = tempfile::tempdir().unwrap();
    let (engine, photos) = (engine(), photos(folder.path()));
    let parts = photos.parts(0, 0);
    test(&Course {
        engine: &engine,
        photos: &photos,
        parts: &parts,
        num_classes: 0,
    });
}

#[test]
fn the_gradient_is_the_derivative_and_reaches_every_tensor() {
    with_course(|course| {
        let (parameters, dino) = scene(course, 2);
        let loss = || dino.gradients(&parameters, 50, &BATCH).unwrap().0;
        let (_, gradients, _) = dino.gradients(&parameters, 50, &BATCH).unwrap();
        for (parameter, gradient) in parameters.adapters().iter().zip(gradients.of_tensors()) {
            let gradient = gradient.unwrap();
            let length = gradient.iter().map(|x| x * x).sum::<f32>().sqrt();
            assert!(length > 1e-4, "{} {length}", parameter.name);
            // Along the gradient itself the slope is its length.
            let origin = parameter.numbers().unwrap();
            let at = |distance: f32| {
                let moved: Vec<f32> = origin
                    .iter()
                    .zip(gradient)
                    .map(|(x, g)| x + distance * g / length)
                    .collect();
                parameter.set(&moved).unwrap();
                let loss = loss();
                parameter.set(&origin).unwrap();
                loss
            };
            let distance = 0.01;
            let slope = (at(distance) - at(-distance)) / (2.0 * distance);
            assert!(
                (slope / length - 1.0).abs() < 0.03,
                "{}: {slope} by differences, {length} by gradient",
                parameter.name
            );
        }
    });
}

#[test]
fn a_step_changes_every_tensor_and_the_teacher_and_centre_follow() {
    with_course(|course| {
        let (mut parameters, dino) = scene(course, 3);
        let numbers = |parameters: &Parameters| parameters.adapter_numbers().unwrap();
        let (student, teacher) = (numbers(&parameters), numbers(&dino.teacher));
        let (_, _, mean) = dino.gradients(&parameters, 5, &BATCH).unwrap();
        dino.step(&mut parameters, 5, &BATCH).unwrap();
        let moved = numbers(&parameters);
        for ((before, after), parameter) in student.iter().zip(&moved).zip(parameters.adapters()) {
            let changed = before
                .iter()
                .zip(after)
                .filter(|(a, b)| (*a - *b).abs() > 0.0)
                .count();
            // Where ReLU lets nothing of any view through, nothing is learned.
            assert!(3 * changed > before.len(), "{}", parameter.name);
        }
        // 0.98 → 1 along a cosine over 100 steps, at the sixth.
        let kept = 1.0 - 0.02 * 0.5 * (1.0 + (std::f64::consts::PI * 5.0 / 100.0).cos());
        for ((old, student), new) in teacher.iter().zip(&moved).zip(numbers(&dino.teacher)) {
            for ((old, student), new) in old.iter().zip(student).zip(new) {
                let expected = kept * f64::from(*old) + (1.0 - kept) * f64::from(*student);
                assert!((f64::from(new) - expected).abs() < 1e-6, "{new} {expected}");
            }
        }
        let centre = dino.centre().numbers().unwrap();
        let mean: Vec<f32> = mean.to_vec1().unwrap();
        assert!(mean.iter().any(|x| x.abs() > 1e-3));
        for (centre, mean) in centre.iter().zip(mean) {
            assert!((centre - 0.1 * mean).abs() < 1e-6, "{centre} {mean}");
        }
    });
}

#[test]
fn parts_add_up_and_views_do_not_depend_on_neighbours() {
    with_course(|course| {
        let gradients = |part: usize| {
            let (parameters, dino) = scene(course, part);
            let (loss, gradients, mean) = dino.gradients(&parameters, 9, &BATCH).unwrap();
            let gradients: Vec<Vec<f32>> = gradients
                .of_tensors()
                .map(|gradient| gradient.unwrap().to_vec())
                .collect();
            (loss, gradients, mean.to_vec1::<f32>().unwrap())
        };
        let (whole, parts) = (gradients(3), gradients(1));
        assert!((whole.0 - parts.0).abs() < 1e-4, "{} {}", whole.0, parts.0);
        let close = |a: &[f32], b: &[f32]| {
            let size = a.iter().fold(0.0_f32, |size, x| size.max(x.abs()));
            let far = a.iter().zip(b).map(|(a, b)| (a - b).abs());
            let far = far.fold(0.0, f32::max);
            assert!(far < 2e-3 * size, "{far} of {size}");
        };
        close(&whole.2, &parts.2);
        for (whole, parts) in whole.1.iter().zip(&parts.1) {
            close(whole, parts);
        }
    });
}
