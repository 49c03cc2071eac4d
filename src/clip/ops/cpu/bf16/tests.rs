//! What is rounded between layers against what is rounded by the layer itself.

use half::bf16;

use super::super::attention::attention;
use super::super::kernel::Kernel;
use super::super::matmul::matmul;
use super::super::norm::{layer_norm, layer_norm_pairs};
use super::super::pack::PackedMatrix;
use super::*;
use crate::clip::ops::{AttentionShape, Elementwise};

fn numbers(len: usize, seed: usize) -> Vec<f32> {
    (0..len)
        .map(|i| (((i + seed) * 7919 % 2003) as f32 / 1001.5) - 1.0)
        .collect()
}

fn rounded(numbers: &[f32]) -> Vec<f32> {
    numbers
        .iter()
        .map(|x| bf16::from_f32(*x).to_f32())
        .collect()
}

/// Rows of `width` numbers as rows of pairs, by the definition.
fn pairs(numbers: &[f32], width: usize) -> Vec<u32> {
    let rows = numbers.chunks(width);
    rows.flat_map(|row| row.chunks(2).map(pair)).collect()
}

fn numbers_of(pairs: &[u32]) -> Vec<f32> {
    let both = |pair: &u32| [number_of_pair(*pair, 0), number_of_pair(*pair, 1)];
    pairs.iter().flat_map(both).collect()
}

/// The product, or a printed line that says why there is none.
fn product() -> Option<PairProduct> {
    let product = PairProduct::of(NumberFormat::Bf16);
    let is_expected = Kernel::Avx512Bf16.is_here()
        && matches!(
            Kernel::forced(),
            Ok(None | Some(Kernel::Avx512 | Kernel::Avx512Bf16))
        );
    assert_eq!(product.is_some(), is_expected);
    if product.is_none() {
        println!("skipped: this processor has no AVX512-BF16, or another kernel is forced");
    }
    product
}

#[test]
fn numbers_are_rounded_as_the_definition_says_whatever_their_count() {
    let Some(product) = product() else { return };
    for count in [1, 2, 3, 15, 16, 17, 31, 32, 33, 48, 80, 197] {
        let numbers = numbers(count, count);
        let mut got = vec![7; count.div_ceil(2) + 1];
        product.round(&numbers, &mut got[..count.div_ceil(2)]);
        assert_eq!(got.pop(), Some(7), "{count}: written past the end");
        assert_eq!(got, pairs(&numbers, count), "{count}");
    }
}

#[test]
fn a_layer_on_pairs_gives_what_it_gives_on_numbers() {
    let Some(product) = product() else { return };
    for (rows, outputs, inner) in [
        (1, 2, 2),
        (7, 50, 6),
        (50, 100, 768),
        (97, 46, 1600),
        (13, 112, 3072),
    ] {
        let (a, w) = (numbers(rows * inner, 1), numbers(outputs * inner, 2));
        let (bias, residual) = (numbers(outputs, 3), numbers(rows * outputs, 4));
        let packed = PackedMatrix::new(&w, outputs, inner, NumberFormat::Bf16);
        let (_, panels) = packed.pairs().unwrap();
        let finish = Finish {
            bias: Some(&bias),
            residual: Some(&residual),
            function: Elementwise::QuickGelu,
        };
        let expected = matmul(&a, &packed, finish);
        let a = pairs(&a, inner);
        assert_eq!(numbers_of_pairs(product, &a, panels, finish), expected);
        let got = pairs_of_pairs(product, &a, panels, finish);
        let got = numbers_of(&got);
        for (index, (got, expected)) in got.iter().zip(&expected).enumerate() {
            // Long rows are added up in two parts for numbers, in one for pairs.
            let off = (got - expected).abs();
            assert!(
                off <= expected.abs() / 256.0 + 1e-4,
                "{index}: {got}, not {expected}"
            );
        }
    }
}

#[test]
fn a_layer_norm_to_pairs_is_the_layer_norm_rounded() {
    let Some(product) = product() else { return };
    for (rows, width) in [(1, 2), (3, 48), (37, 768), (70, 1022)] {
        let (x, weight, bias) = (
            numbers(rows * width, 1),
            numbers(width, 2),
            numbers(width, 3),
        );
        let expected = layer_norm(&x, &weight, &bias, 1e-5);
        let got = layer_norm_pairs(&x, &weight, &bias, 1e-5, product);
        assert_eq!(got, pairs(&expected, width));
    }
}

#[test]
fn attention_on_pairs_is_attention_on_rounded_numbers() {
    let Some(product) = product() else { return };
    for (num_tokens, head_width, num_heads) in
        [(1, 2, 1), (7, 8, 3), (50, 64, 2), (77, 62, 2), (197, 64, 1)]
    {
        let width = head_width * num_heads;
        let qkv = rounded(&numbers(2 * num_tokens * 3 * width, 5));
        for is_causal in [false, true] {
            let shape = AttentionShape {
                num_tokens,
                width,
                num_heads,
                is_causal,
            };
            let expected = attention(&qkv, shape);
            let got = numbers_of(&attention_of_pairs(product, &pairs(&qkv, 3 * width), shape));
            assert_eq!(got.len(), expected.len());
            for (index, (got, expected)) in got.iter().zip(&expected).enumerate() {
                assert!(
                    (got - expected).abs() < 0.01,
                    "{num_tokens} tokens, {num_heads} heads of {head_width}, {index}: {got}, not {expected}"
                );
            }
        }
    }
}
