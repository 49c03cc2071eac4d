//! Fused and built-in operations against each other, and gradients against numerical derivatives.

use candle_core::{Device, Result, Tensor, Var};

use super::*;
use crate::clip::NumberFormat;

/// The same numbers in every run, in [-1, 1].
fn numbers_like(dims: &[usize], seed: usize) -> Tensor {
    let len: usize = dims.iter().product();
    let values: Vec<f32> = (0..len)
        .map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0)
        .collect();
    Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
    let difference = (a - b).unwrap().abs().unwrap();
    difference.max_all().unwrap().to_scalar().unwrap()
}

fn linear(path: Path, function: Elementwise) -> Linear {
    linear_of(path, function, [20, 12])
}

fn linear_of(path: Path, function: Elementwise, [outputs, inner]: [usize; 2]) -> Linear {
    let weight = numbers_like(&[outputs, inner], 1).flatten_all().unwrap();
    let weight: Vec<f32> = weight.to_vec1().unwrap();
    let bias = numbers_like(&[outputs], 2).to_vec1().unwrap();
    Linear::frozen(
        &weight,
        Some(bias),
        outputs,
        path,
        NumberFormat::F32,
        &Device::Cpu,
    )
    .unwrap()
    .then(function)
}

fn norm(path: Path, width: usize) -> LayerNorm {
    let (weight, bias) = (numbers_like(&[width], 2), numbers_like(&[width], 3));
    LayerNorm::new(weight, bias, 1e-5, path)
}

/// The sum of all numbers of `y` with fixed weights, and the gradients of it.
fn loss(y: &Tensor) -> Tensor {
    (y * numbers_like(y.dims(), 9)).unwrap().sum_all().unwrap()
}

/// How `loss` changes along `direction`, by central differences.
fn numerical_slope(var: &Var, direction: &Tensor, loss: impl Fn() -> Tensor) -> f32 {
    const STEP: f64 = 0.02;
    let origin = var.as_tensor().copy().unwrap();
    let at = |distance: f64| {
        var.set(&(&origin + (direction * distance).unwrap()).unwrap())
            .unwrap();
        loss().to_scalar::<f32>().unwrap()
    };
    let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP as f32);
    var.set(&origin).unwrap();
    slope
}

/// Fused and built-in give the same values and the same gradients of all variables, and these are the derivatives.
#[track_caller]
fn check(vars: &[Var], f: impl Fn(Path) -> Result<Tensor>) {
    let (fused, built_in) = (f(Path::Fused).unwrap(), f(Path::BuiltIn).unwrap());
    assert!(
        largest_difference(&fused, &built_in) < 1e-4,
        "values differ"
    );
    let (fused, built_in) = (
        loss(&fused).backward().unwrap(),
        loss(&built_in).backward().unwrap(),
    );
    for (index, var) in vars.iter().enumerate() {
        let a = fused
            .get(var)
            .unwrap_or_else(|| panic!("variable {index} has no gradient"));
        let b = built_in
            .get(var)
            .unwrap_or_else(|| panic!("variable {index} has no gradient"));
        assert!(
            largest_difference(a, b) < 1e-3,
            "gradients of variable {index} differ"
        );
        let length: f32 = a
            .sqr()
            .unwrap()
            .sum_all()
            .unwrap()
            .sqrt()
            .unwrap()
            .to_scalar()
            .unwrap();
        assert!(length > 1e-3, "gradient of variable {index} vanishes");
        let direction = (a / f64::from(length)).unwrap();
        let slope = numerical_slope(var, &direction, || loss(&f(Path::BuiltIn).unwrap()));
        assert!(
            (slope - length).abs() < 0.02 * length,
            "variable {index}: slope {slope}, gradient {length}"
        );
    }
}

fn var(dims: &[usize], seed: usize) -> Var {
    Var::from_tensor(&numbers_like(dims, seed)).unwrap()
}

#[test]
fn linear_layers_are_the_same_on_both_paths() {
    let (x, residual, position) = (var(&[3, 5, 12], 3), var(&[3, 5, 20], 4), var(&[5, 20], 5));
    for function in [
        Elementwise::Identity,
        Elementwise::Relu,
        Elementwise::QuickGelu,
        Elementwise::Gelu,
    ] {
        check(std::slice::from_ref(&x), |path| {
            linear(path, function).forward(&x)
        });
        check(&[x.clone(), residual.clone()], |path| {
            linear(path, function).forward_plus(&x, &residual)
        });
        check(&[x.clone(), position.clone()], |path| {
            linear(path, function).forward_plus(&x, &position)
        });
    }
}

#[test]
fn layer_norm_is_the_same_on_both_paths() {
    let (x, weight, bias) = (var(&[2, 3, 37], 1), var(&[37], 2), var(&[37], 3));
    check(&[x.clone(), weight.clone(), bias.clone()], |path| {
        LayerNorm::new(
            weight.as_tensor().clone(),
            bias.as_tensor().clone(),
            1e-5,
            path,
        )
        .forward(&x)
    });
}

#[test]
fn layer_norm_with_frozen_weights_is_the_same_on_both_paths() {
    let x = var(&[2, 3, 37], 1);
    check(std::slice::from_ref(&x), |path| norm(path, 37).forward(&x));
}

#[test]
fn attention_is_the_same_on_both_paths() {
    for (num_tokens, head_width, num_heads) in [(7, 8, 3), (50, 16, 2), (1, 4, 1)] {
        let qkv = var(&[2, num_tokens, 3 * head_width * num_heads], 1);
        for is_causal in [false, true] {
            check(std::slice::from_ref(&qkv), |path| {
                attention(&qkv, num_heads, is_causal, path)
            });
        }
    }
}

#[test]
fn sublayers_are_their_operations_one_by_one() {
    let (num_heads, width) = (2, 20);
    let x = var(&[2, 19, width], 1);
    for is_causal in [false, true] {
        check(std::slice::from_ref(&x), |path| {
            let qkv = linear_of(path, Elementwise::Identity, [3 * width, width]);
            let out = linear_of(path, Elementwise::Identity, [width, width]);
            match path {
                Path::Fused => {
                    attention_sublayer(&x, &norm(path, width), [&qkv, &out], num_heads, is_causal)
                }
                Path::BuiltIn => {
                    let qkv = qkv.forward(&norm(path, width).forward(&x)?)?;
                    out.forward_plus(&attention(&qkv, num_heads, is_causal, path)?, &x)
                }
            }
        });
    }
    for function in [Elementwise::QuickGelu, Elementwise::Gelu] {
        check(std::slice::from_ref(&x), |path| {
            let expand = linear_of(path, function, [33, width]);
            let contract = linear_of(path, Elementwise::Identity, [width, 33]);
            match path {
                Path::Fused => mlp_sublayer(&x, &norm(path, width), [&expand, &contract]),
                Path::BuiltIn => {
                    let inner = expand.forward(&norm(path, width).forward(&x)?)?;
                    contract.forward_plus(&inner, &x)
                }
            }
        });
    }
}

#[test]
fn layers_that_learn_are_the_same_on_both_paths() {
    let (x, residual) = (var(&[3, 5, 12], 3), var(&[3, 5, 20], 4));
    let (weight, bias) = (var(&[20, 12], 5), var(&[20], 6));
    let layer = |path| {
        let (weight, bias) = (weight.as_tensor().clone(), bias.as_tensor().clone());
        Linear::trained(weight, bias, 0.7, path)
    };
    for function in [Elementwise::Relu, Elementwise::QuickGelu] {
        check(&[x.clone(), weight.clone(), bias.clone()], |path| {
            layer(path).then(function).forward(&x)
        });
    }
    let all = [x.clone(), weight.clone(), bias.clone(), residual.clone()];
    check(&all, |path| layer(path).forward_plus(&x, &residual));
}

#[test]
fn functions_stay_finite_for_huge_numbers() {
    let x = Tensor::new(
        &[
            -1e6f32, -200.0, -90.0, -1e-30, 0.0, 1e-30, 90.0, 200.0, 1e30,
        ],
        &Device::Cpu,
    )
    .unwrap();
    let x = x.reshape((9, 1)).unwrap();
    for function in [Elementwise::Relu, Elementwise::QuickGelu, Elementwise::Gelu] {
        let identity = Linear::frozen(
            &[1.0],
            None,
            1,
            Path::Fused,
            NumberFormat::F32,
            &Device::Cpu,
        )
        .unwrap()
        .then(function);
        let y: Vec<f32> = identity
            .forward(&x)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap();
        assert!(y.iter().all(|y| y.is_finite()), "{function:?}: {y:?}");
        assert!((y[8] / 1e30 - 1.0).abs() < 1e-6);
        assert!(
            y[..3].iter().all(|y| y.abs() < 1e-30),
            "{function:?}: {y:?}"
        );
    }
}

#[test]
fn windows_and_pools_are_the_same_on_both_paths() {
    let x = numbers_like(&[2, 6, 4, 3], 1);
    for f in [windows, average_pool] {
        let (fused, built_in) = (f(&x, Path::Fused).unwrap(), f(&x, Path::BuiltIn).unwrap());
        assert_eq!(fused.dims(), built_in.dims());
        assert!(largest_difference(&fused, &built_in) < 1e-6);
    }
}

/// Every test of the operations again in a process of its own for each kernel that this processor has.
#[test]
fn every_kernel_passes_the_tests_of_the_operations() {
    if std::env::var_os("SHOTLENS_KERNEL").is_some() {
        return; // one of those processes
    }
    for kernel in Kernel::ALL {
        if !kernel.is_here() {
            println!("skipped: this processor has no {}", kernel.name());
            continue;
        }
        let tests = std::env::current_exe().unwrap();
        let run = std::process::Command::new(tests)
            .arg("clip::ops::")
            .env("SHOTLENS_KERNEL", kernel.name())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{}:\n{said}", kernel.name());
        assert!(!said.contains(" 0 passed"), "{said}");
    }
}
