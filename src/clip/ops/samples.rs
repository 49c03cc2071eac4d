//! The CPU's operations on the sizes of real towers, for `benches/kernels.rs`.

use super::cpu::{
    Finish, PackedMatrix, attention, attention_of_pairs, layer_norm, layer_norm_pairs, matmul,
    pairs_of_pairs,
};
use super::{AttentionShape, Elementwise, PairProduct};
use crate::clip::NumberFormat;

/// Tokens of a batch, as the encoder takes them on a CPU.
const TOKENS: usize = 1600;

/// An operation with its operands.
pub struct KernelSample {
    name: String,
    operations: u64,
    compute: Box<dyn Fn() -> SampleResult>,
}

/// What a sample computes.
pub enum SampleResult {
    /// Numbers.
    Numbers(Vec<f32>),
    /// Pairs of 16-bit brain floats.
    Pairs(Vec<u32>),
}

impl KernelSample {
    /// The products, attentions, layer norms of ViT-B/32, B/16 and L/14, products in f32 and, where the processor has it, bf16.
    pub fn all() -> Vec<Self> {
        let mut samples = Vec::new();
        let pairs = PairProduct::of(NumberFormat::Bf16);
        for (outputs, inner) in [(2304, 768), (3072, 768), (768, 3072), (4096, 1024)] {
            samples.push(Self::product(outputs, inner, NumberFormat::F32));
            if pairs.is_some() {
                samples.push(Self::product(outputs, inner, NumberFormat::Bf16));
                samples.extend(Self::product_of_pairs(outputs, inner));
            }
        }
        for num_tokens in [50, 197, 257] {
            samples.push(Self::attention(num_tokens, None));
            samples.extend(pairs.map(|pairs| Self::attention(num_tokens, Some(pairs))));
        }
        samples.push(Self::layer_norm(768, None));
        samples.extend(pairs.map(|pairs| Self::layer_norm(768, Some(pairs))));
        samples
    }

    /// What is computed, and how large.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Multiplications and additions.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Computes it once.
    pub fn run(&self) -> SampleResult {
        (self.compute)()
    }

    fn product(outputs: usize, inner: usize, format: NumberFormat) -> Self {
        let x = numbers(TOKENS * inner);
        let weight = PackedMatrix::new(&numbers(outputs * inner), outputs, inner, format);
        let bias = numbers(outputs);
        Self {
            name: format!(
                "product of {TOKENS} x {inner} and {inner} x {outputs}, QuickGELU, {}",
                format.name()
            ),
            operations: (2 * TOKENS * inner * outputs) as u64,
            compute: Box::new(move || {
                let finish = Finish {
                    bias: Some(&bias),
                    residual: None,
                    function: Elementwise::QuickGelu,
                };
                SampleResult::Numbers(matmul(&x, &weight, finish))
            }),
        }
    }

    /// As it stands between layers that multiply pairs; `None` where none do.
    fn product_of_pairs(outputs: usize, inner: usize) -> Option<Self> {
        let bias = numbers(outputs);
        let weight = numbers(outputs * inner);
        let weight = PackedMatrix::new(&weight, outputs, inner, NumberFormat::Bf16);
        let (product, _) = weight.pairs()?;
        let x = pairs(TOKENS * inner, product);
        Some(Self {
            name: format!(
                "product of {TOKENS} x {inner} and {inner} x {outputs}, QuickGELU, pairs of bf16"
            ),
            operations: (2 * TOKENS * inner * outputs) as u64,
            compute: Box::new(move || {
                let finish = Finish {
                    bias: Some(&bias),
                    residual: None,
                    function: Elementwise::QuickGelu,
                };
                let panels = weight.pairs().map(|(_, panels)| panels);
                let out = panels.map(|panels| pairs_of_pairs(product, &x, panels, finish));
                SampleResult::Pairs(out.unwrap_or_default())
            }),
        })
    }

    fn attention(num_tokens: usize, pairs_with: Option<PairProduct>) -> Self {
        let (width, num_heads) = (768, 12);
        let num_sequences = TOKENS / num_tokens;
        let len = num_sequences * num_tokens * 3 * width;
        let shape = AttentionShape {
            num_tokens,
            width,
            num_heads,
            is_causal: false,
        };
        let (format, compute): (_, Box<dyn Fn() -> SampleResult>) = match pairs_with {
            None => {
                let qkv = numbers(len);
                let compute = move || SampleResult::Numbers(attention(&qkv, shape));
                ("f32", Box::new(compute))
            }
            Some(product) => {
                let qkv = pairs(len, product);
                let compute = move || SampleResult::Pairs(attention_of_pairs(product, &qkv, shape));
                ("pairs of bf16", Box::new(compute))
            }
        };
        Self {
            name: format!(
                "attention of {num_sequences} x {num_tokens} tokens, 12 heads of 64, {format}"
            ),
            operations: (4 * num_sequences * num_tokens * num_tokens * width) as u64,
            compute,
        }
    }

    fn layer_norm(width: usize, pairs_with: Option<PairProduct>) -> Self {
        let x = numbers(TOKENS * width);
        let (weight, bias) = (numbers(width), numbers(width));
        let format = pairs_with.map_or("f32", |_| "to pairs of bf16");
        Self {
            name: format!("layer norm of {TOKENS} x {width}, {format}"),
            operations: (8 * TOKENS * width) as u64,
            compute: Box::new(move || match pairs_with {
                None => SampleResult::Numbers(layer_norm(&x, &weight, &bias, 1e-5)),
                Some(product) => {
                    SampleResult::Pairs(layer_norm_pairs(&x, &weight, &bias, 1e-5, product))
                }
            }),
        }
    }
}

/// The same numbers in every run, rounded.
fn pairs(len: usize, product: PairProduct) -> Vec<u32> {
    let mut pairs = vec![0; len.div_ceil(2)];
    product.round(&numbers(len), &mut pairs);
    pairs
}

/// Numbers in [-1, 1), the same every time.
fn numbers(len: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_computes_finite_numbers() {
        for sample in KernelSample::all() {
            let is_finite = match sample.run() {
                SampleResult::Numbers(numbers) => numbers.iter().all(|x| x.is_finite()),
                SampleResult::Pairs(pairs) => pairs.iter().all(|pair| {
                    let both = [pair << 16, pair & 0xffff_0000];
                    both.iter().all(|bits| f32::from_bits(*bits).is_finite())
                }),
            };
            assert!(is_finite, "{}", sample.name());
            assert!(sample.operations() > 0);
        }
    }
}
