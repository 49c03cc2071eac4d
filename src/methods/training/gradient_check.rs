//! Gradients against central differences, for every trained model in a state away from its start.

use super::super::{Knowledge, Parameters};
use super::descent::Start;
use super::{Model, ape_t, clip_adapter, lp_pp, taskres, tip_adapter_f};
use crate::features::{Features, Matrix};
use crate::support::SupportSet;
use crate::support::random::Random;

const CLASSES: usize = 3;
const DIM: usize = 12;

/// Even numbers in [-size, size].
fn noise(random: &mut Random, rows: usize, cols: usize, size: f32) -> Matrix {
    let unit = |random: &mut Random| (random.next_u64() >> 40) as f32 / (1 << 24) as f32;
    Matrix::from_fn(rows, cols, |_, _| size * (2.0 * unit(random) - 1.0))
}

struct Scene {
    support: SupportSet,
    text: Features,
}

impl Scene {
    fn new() -> Self {
        let mut random = Random::new(11);
        let labels: Vec<usize> = (0..9).map(|row| row % CLASSES).collect();
        let rows = noise(&mut random, labels.len(), DIM, 1.0);
        let support = SupportSet::from_rows(Features::normalized(rows).unwrap(), labels, CLASSES);
        // Texts close to each other, so that no softmax is saturated and every class has a gradient.
        let mut text = noise(&mut random, CLASSES, DIM, 0.02);
        for class in 0..CLASSES {
            text.row_mut(class)[0] += 1.0;
        }
        Self {
            support: support.unwrap(),
            text: Features::normalized(text).unwrap(),
        }
    }

    fn knowledge(&self) -> Knowledge<'_> {
        Knowledge::new(&self.support, &self.text)
    }

    /// Moves the weights off their start, then compares the slope along a random direction for every matrix.
    #[track_caller]
    fn check<M: Model>(&self, start: Start<M>, size: f32) {
        let mut model = start.model;
        let mut random = Random::new(5);
        for weights in model.weights() {
            let shift = noise(&mut random, weights.rows(), weights.cols(), size);
            add(weights, &shift, 1.0);
        }
        let rows = self.support.features().matrix();
        let labels = self.support.labels();
        let share = 1.0 / labels.len() as f32;
        let (_, gradients) = model.gradients(rows, labels, share);
        assert_eq!(gradients.len(), model.weights().len());
        for (index, gradient) in gradients.iter().enumerate() {
            // Along the gradient itself the slope is its squared length: as far from rounding as can be.
            let length = gradient
                .as_slice()
                .iter()
                .map(|x| x * x)
                .sum::<f32>()
                .sqrt();
            assert!(length > 1e-4, "matrix {index} has no gradient");
            let step = 2e-3 / length;
            let loss_at = |step: f32| {
                let mut moved = model.clone();
                add(moved.weights()[index], gradient, step);
                moved.gradients(rows, labels, share).0
            };
            let slope = (loss_at(step) - loss_at(-step)) / (2.0 * step);
            let expected = length * length;
            assert!(
                (slope - expected).abs() < 0.02 * expected,
                "matrix {index}: {slope} is not {expected}"
            );
        }
    }
}

fn add(weights: &mut Matrix, step: &Matrix, factor: f32) {
    assert_eq!((weights.rows(), weights.cols()), (step.rows(), step.cols()));
    let steps = step.as_slice().iter();
    for (w, x) in weights.as_mut_slice().iter_mut().zip(steps) {
        *w += factor * x;
    }
}

#[test]
fn of_tip_adapter_f() {
    let scene = Scene::new();
    let parameters = Parameters::default();
    let start = tip_adapter_f::start(&parameters, &scene.knowledge(), &scene.support, 1.0);
    scene.check(start, 0.1);
}

#[test]
fn of_ape_t() {
    let scene = Scene::new();
    let parameters = Parameters {
        beta: 2.0,
        channels: Some(7),
        ..Parameters::default()
    };
    let knowledge = scene.knowledge();
    let channels = ape_t::channels(&parameters, &knowledge);
    assert_eq!(channels.len(), 7);
    let start = ape_t::start(&parameters, &knowledge, &scene.support, &channels, 1.0);
    scene.check(start, 0.02);
}

#[test]
fn of_clip_adapter() {
    let scene = Scene::new();
    let parameters = Parameters {
        alpha: 0.6,
        ..Parameters::default()
    };
    let start = clip_adapter::start(&parameters, &scene.knowledge(), 1.0);
    scene.check(start, 0.0);
}

#[test]
fn of_taskres() {
    let scene = Scene::new();
    let parameters = Parameters {
        alpha: 0.5,
        ..Parameters::default()
    };
    let start = taskres::start(&parameters, &scene.knowledge(), 1.0);
    scene.check(start, 0.05);
}

#[test]
fn of_lp_pp() {
    let scene = Scene::new();
    let start = lp_pp::start(&Parameters::default(), &scene.knowledge(), &scene.support);
    scene.check(start.unwrap(), 0.3);
}
