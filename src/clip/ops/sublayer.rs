//! A block's sublayers, `x + f(LN(x))` with frozen weights, each as one operation for the way back.
//!
//! As operations one by one they have the same gradients, but candle keeps the input of each until the way back, and adds up the
//! gradients between them on one thread. One operation keeps its input and what would cost a product to compute again.

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::linear::PackedLinear;
use super::{AttentionShape, LayerNorm, Linear, cpu, gradient_like, numbers};

/// `x + out(attention(qkv(LN(x))))` of numbers on the fused path, for `x` of shape `[num_sequences, num_tokens, width]`.
pub(crate) fn attention_sublayer(
    x: &Tensor,
    norm: &LayerNorm,
    [qkv, out]: [&Linear; 2],
    num_heads: usize,
    is_causal: bool,
) -> Result<Tensor> {
    let (_, num_tokens, width) = x.dims3()?;
    x.contiguous()?.apply_op1(AttentionSublayer {
        norm: norm.clone(),
        qkv: qkv.packed()?,
        out: out.packed()?,
        shape: AttentionShape {
            num_tokens,
            width,
            num_heads,
            is_causal,
        },
        kept: OnceLock::new(),
    })
}

/// `h + contract(function(expand(LN(h))))` of numbers on the fused path, for `h` of shape `[.., width]`.
pub(crate) fn mlp_sublayer(
    h: &Tensor,
    norm: &LayerNorm,
    [expand, contract]: [&Linear; 2],
) -> Result<Tensor> {
    h.contiguous()?.apply_op1(MlpSublayer {
        norm: norm.clone(),
        expand: expand.packed()?,
        contract: contract.packed()?,
        kept: OnceLock::new(),
    })
}

/// What the way there has kept.
fn kept(kept: &OnceLock<Vec<f32>>) -> Result<&[f32]> {
    match kept.get() {
        Some(kept) => Ok(kept),
        None => candle_core::bail!("a sublayer goes back before it went there"),
    }
}

struct AttentionSublayer {
    norm: LayerNorm,
    qkv: PackedLinear,
    out: PackedLinear,
    shape: AttentionShape,
    /// Queries, keys and values.
    kept: OnceLock<Vec<f32>>,
}

impl CustomOp1 for AttentionSublayer {
    fn name(&self) -> &'static str {
        "attention sublayer"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = numbers(x, layout)?;
        let qkv = self.qkv.of_rows(&self.norm.of_rows(x)?, None);
        let attended = cpu::attention(&qkv, self.shape);
        self.kept.get_or_init(|| qkv);
        let out = self.out.of_rows(&attended, Some(x));
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let of_x = |x: &[f32], gradient: &[f32]| {
            let attended = self.out.way_back(gradient);
            let qkv = cpu::attention_gradient(kept(&self.kept)?, &attended, self.shape);
            drop(attended);
            let normed = self.qkv.way_back(&qkv);
            self.norm.way_back(x, &normed, Some(gradient))
        };
        gradient_like(x, gradient, of_x).map(Some)
    }
}

struct MlpSublayer {
    norm: LayerNorm,
    expand: PackedLinear,
    contract: PackedLinear,
    /// What `expand`'s function is applied to.
    kept: OnceLock<Vec<f32>>,
}

impl CustomOp1 for MlpSublayer {
    fn name(&self) -> &'static str {
        "MLP sublayer"
    }

    fn cpu_fwd(&self, h: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let h = numbers(h, layout)?;
        let sums = self.expand.sums_of_rows(&self.norm.of_rows(h)?);
        let inner = cpu::applied(self.expand.function(), &sums);
        self.kept.get_or_init(|| sums);
        let out = self.contract.of_rows(&inner, Some(h));
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, h: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let of_h = |h: &[f32], gradient: &[f32]| {
            let mut sums = self.contract.way_back(gradient);
            cpu::times_slope(&mut sums, kept(&self.kept)?, self.expand.function());
            let normed = self.expand.way_back(&sums);
            self.norm.way_back(h, &normed, Some(gradient))
        };
        gradient_like(h, gradient, of_h).map(Some)
    }
}
