//! The CPU's operations on the sizes of real towers, for `benches/kernels.rs`.

use super::cpu::{Finish, PackedMatrix, attention, layer_norm, matmul};
use super::{AttentionShape, Elementwise};
use crate::clip::NumberFormat;

/// Tokens of a batch, as the encoder takes them on a CPU.
const TOKENS: usize = 1600;

/// An operation with its operands.
pub struct KernelSample {
    name: String,
    operations: u64,
    compute: Box<dyn Fn() -> Vec<f32>>,
}

impl KernelSample {
    /// The products, attentions, layer norms of ViT-B/32, B/16 and L/14, products in f32 and, where the processor has it, bf16.
    pub fn all() -> Vec<Self> {
        let mut samples = Vec::new();
        for (outputs, inner) in [(2304, 768), (3072, 768), (768, 3072), (4096, 1024)] {
            samples.push(Self::product(outputs, inner, NumberFormat::F32));
            if super::Kernel::Avx512Bf16.is_here() {
                samples.push(Self::product(outputs, inner, NumberFormat::Bf16));
            }
        }
        samples.extend([50, 197, 257].map(Self::attention));
        samples.push(Self::layer_norm(768));
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
    pub fn run(&self) -> Vec<f32> {
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
                matmul(&x, &weight, finish)
            }),
        }
    }

    fn attention(num_tokens: usize) -> Self {
        let (width, num_heads) = (768, 12);
        let num_sequences = TOKENS / num_tokens;
        let qkv = numbers(num_sequences * num_tokens * 3 * width);
        let shape = AttentionShape {
            num_tokens,
            width,
            num_heads,
            is_causal: false,
        };
        Self {
            name: format!("attention of {num_sequences} x {num_tokens} tokens, 12 heads of 64"),
            operations: (4 * num_sequences * num_tokens * num_tokens * width) as u64,
            compute: Box::new(move || attention(&qkv, shape)),
        }
    }

    fn layer_norm(width: usize) -> Self {
        let x = numbers(TOKENS * width);
        let (weight, bias) = (numbers(width), numbers(width));
        Self {
            name: format!("layer norm of {TOKENS} x {width}"),
            operations: (8 * TOKENS * width) as u64,
            compute: Box::new(move || layer_norm(&x, &weight, &bias, 1e-5)),
        }
    }
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
            assert!(
                sample.run().iter().all(|x| x.is_finite()),
                "{}",
                sample.name()
            );
            assert!(sample.operations() > 0);
        }
    }
}
