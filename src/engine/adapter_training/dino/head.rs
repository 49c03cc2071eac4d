//! `DINOHead` of DINO's `vision_transformer.py`, frozen at its random start as the authors freeze it: three layers with GELU, unit
//! length, and unit vectors to compare with.

use candle_core::{D, Device, Result, Tensor};

use crate::support::random::Random;

/// Width between the layers, DINO's.
pub(super) const HIDDEN: usize = 2048;
/// Width before the last layer, DINO's.
const BOTTLENECK: usize = 256;
/// Deviation that the layers are drawn with; what is farther than 2 is never drawn in practice.
const DEVIATION: f64 = 0.02;

/// From embeddings to logits.
pub(super) struct Head {
    /// `[dim, 2048]`, `[2048, 2048]`, `[2048, 256]`; their biases are zero.
    layers: [Tensor; 3],
    /// `[256, out_dim]`, columns of unit length.
    last: Tensor,
}

impl Head {
    /// The head of this seed for embeddings of `dim` numbers.
    pub(super) fn new(dim: usize, out_dim: usize, seed: u64, device: &Device) -> Result<Self> {
        let mut random = Random::new(seed);
        let mut layer = |inputs: usize, outputs: usize| {
            let numbers: Vec<f32> = (0..inputs * outputs)
                .map(|_| (DEVIATION * random.normal()) as f32)
                .collect();
            Tensor::from_vec(numbers, (inputs, outputs), device)
        };
        let layers = [
            layer(dim, HIDDEN)?,
            layer(HIDDEN, HIDDEN)?,
            layer(HIDDEN, BOTTLENECK)?,
        ];
        let numbers: Vec<f32> = (0..BOTTLENECK * out_dim)
            .map(|_| (2.0 * random.uniform() - 1.0) as f32)
            .collect();
        let last = Tensor::from_vec(numbers, (BOTTLENECK, out_dim), device)?;
        let lengths = last.sqr()?.sum_keepdim(0)?.sqrt()?;
        Ok(Self {
            layers,
            last: last.broadcast_div(&lengths)?,
        })
    }

    /// Logits `[rows, out_dim]`, cosines, of embeddings `[rows, dim]`.
    pub(super) fn forward(&self, embeddings: &Tensor) -> Result<Tensor> {
        let [first, second, third] = &self.layers;
        let inner = embeddings.matmul(first)?.gelu_erf()?;
        let inner = inner.matmul(second)?.gelu_erf()?.matmul(third)?;
        let length = (inner.sqr()?.sum_keepdim(D::Minus1)? + 1e-24)?.sqrt()?;
        inner.broadcast_div(&length)?.matmul(&self.last)
    }
}
