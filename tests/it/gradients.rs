//! Every tensor of an adapter receives a gradient through all blocks, and it is the derivative.

use candle_core::{Device, Tensor, Var};
use shotlens::clip::{
    AdapterTensors, BottleneckAdapter, Clip, ClipError, DeviceChoice, OpenOptions, Path, Precision,
};

use crate::clip_data::{assert_close, crops, files};

const WIDTH: usize = 64;
const BOTTLENECK: usize = 8;
const NUM_BLOCKS: usize = 4;

/// The same numbers in every run, in [-size, size].
fn numbers(dims: &[usize], seed: usize, size: f32) -> Tensor {
    let len: usize = dims.iter().product();
    let value = |i: usize| (((i + 1) * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0;
    let values: Vec<f32> = (0..len).map(|i| value(i) * size).collect();
    Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
}

/// Down, down's bias, up, up's bias of every block.
fn variables() -> Vec<Var> {
    let mut vars = Vec::new();
    for block in 0..NUM_BLOCKS {
        let shapes: [&[usize]; 4] = [
            &[BOTTLENECK, WIDTH],
            &[BOTTLENECK],
            &[WIDTH, BOTTLENECK],
            &[WIDTH],
        ];
        for (index, shape) in shapes.into_iter().enumerate() {
            vars.push(Var::from_tensor(&numbers(shape, 4 * block + index, 0.2)).unwrap());
        }
    }
    vars
}

fn adapter(vars: &[Var]) -> BottleneckAdapter {
    let tensor = |var: &Var| var.as_tensor().clone();
    let block = |vars: &[Var]| AdapterTensors {
        down: (tensor(&vars[0]), tensor(&vars[1])),
        up: (tensor(&vars[2]), tensor(&vars[3])),
    };
    BottleneckAdapter::from_tensors(vars.chunks(4).map(block).collect(), 0.5, "test".to_owned())
}

fn loss(clip: &Clip, vars: &[Var], num_crops: usize) -> Tensor {
    let features = clip
        .crops_for_training(&crops(224)[..num_crops], &adapter(vars))
        .unwrap();
    (&features * numbers(features.dims(), 99, 1.0))
        .unwrap()
        .sum_all()
        .unwrap()
}

/// How the loss changes along `direction`, by central differences.
fn numerical_slope(
    clip: &Clip,
    vars: &[Var],
    index: usize,
    direction: &Tensor,
    num_crops: usize,
) -> f32 {
    // Small, because the residual stream is large and ReLU bends where a step crosses 0.
    const STEP: f64 = 0.001;
    let origin = vars[index].as_tensor().copy().unwrap();
    let at = |distance: f64| {
        vars[index]
            .set(&(&origin + (direction * distance).unwrap()).unwrap())
            .unwrap();
        loss(clip, vars, num_crops).to_scalar::<f32>().unwrap()
    };
    let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP as f32);
    vars[index].set(&origin).unwrap();
    slope
}

#[test]
fn every_tensor_of_an_adapter_gets_its_derivative_on_both_paths() {
    for path in [Path::Fused, Path::BuiltIn] {
        let options = OpenOptions {
            device: DeviceChoice::Cpu,
            precision: Precision::F32,
            activation: None,
        };
        let clip = Clip::open_on_path(&files("openai_vit"), &options, path).unwrap();
        for num_crops in [1, 3] {
            let vars = variables();
            let gradients = loss(&clip, &vars, num_crops).backward().unwrap();
            for (index, var) in vars.iter().enumerate() {
                let name = format!(
                    "{path:?}, {num_crops} crops, block {} tensor {}",
                    index / 4,
                    index % 4
                );
                let gradient = gradients
                    .get(var)
                    .unwrap_or_else(|| panic!("{name}: no gradient"));
                let length: f32 = gradient
                    .sqr()
                    .unwrap()
                    .sum_all()
                    .unwrap()
                    .sqrt()
                    .unwrap()
                    .to_scalar()
                    .unwrap();
                assert!(length > 1e-3, "{name}: gradient vanishes");
                let direction = (gradient / f64::from(length)).unwrap();
                let slope = numerical_slope(&clip, &vars, index, &direction, num_crops);
                assert!(
                    (slope - length).abs() < 0.03 * length,
                    "{name}: slope {slope}, gradient {length}"
                );
            }
        }
    }
}

#[test]
fn gradients_in_bf16_point_where_those_in_f32_do() {
    let gradients = |precision| {
        let options = OpenOptions {
            device: DeviceChoice::Cpu,
            precision,
            activation: None,
        };
        let clip = Clip::open(&files("openai_vit"), &options)?;
        let vars = variables();
        let gradients = loss(&clip, &vars, 3).backward().unwrap();
        let of = |var| gradients.get(var).unwrap().flatten_all().unwrap();
        Ok::<_, ClipError>(vars.iter().map(|var| of(var)).collect::<Vec<Tensor>>())
    };
    let halves = match gradients(Precision::Bf16) {
        Ok(halves) => halves,
        Err(error) => return println!("skipped: {error}"),
    };
    let floats = gradients(Precision::F32).unwrap();
    let dot = |a: &Tensor, b: &Tensor| {
        let product = (a * b).unwrap().sum_all().unwrap();
        product.to_scalar::<f32>().unwrap()
    };
    for (index, (half, float)) in halves.iter().zip(&floats).enumerate() {
        let cosine = dot(half, float) / (dot(half, half) * dot(float, float)).sqrt();
        let ratio = (dot(half, half) / dot(float, float)).sqrt();
        assert!(cosine > 0.995, "tensor {index}: cosine {cosine}");
        assert!((ratio - 1.0).abs() < 0.05, "tensor {index}: ratio {ratio}");
    }
}

#[test]
fn an_adapter_of_tensors_gives_the_features_of_the_same_adapter_from_a_file() {
    let clip = Clip::open(&files("openai_vit"), &OpenOptions::default()).unwrap();
    let path = crate::clip_data::data("imo_adapter/adapter.safetensors");
    let tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    let block = |index: usize| {
        let part = |name: &str| {
            tensors[&format!("visual.transformer.resblocks.{index}.adaptmlp.{name}")].clone()
        };
        let pair = |name: &str| {
            (
                part(&format!("{name}.weight")),
                part(&format!("{name}.bias")),
            )
        };
        AdapterTensors {
            down: pair("down_proj"),
            up: pair("up_proj"),
        }
    };
    let from_tensors = BottleneckAdapter::from_tensors(
        (0..NUM_BLOCKS).map(block).collect(),
        0.1,
        "test".to_owned(),
    );
    let from_file = BottleneckAdapter::open(&path, None, &clip).unwrap();
    let features = |adapter| {
        clip.encode_crops(&crops(224), Some(adapter))
            .unwrap()
            .features
    };
    assert_close(&features(&from_tensors), &features(&from_file), 1e-5);
}
