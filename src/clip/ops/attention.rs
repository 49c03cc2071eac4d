//! `softmax(q · kᵀ / sqrt(head width)) · v`, from queries, keys and values that lie side by side.

use candle_core::{CpuStorage, CustomOp1, D, DType, Layout, Result, Shape, Tensor};

use super::{PairProduct, Path, cpu, gradient_like, numbers, pairs};

/// How the rows of packed queries, keys and values are to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttentionShape {
    /// Tokens of a sequence.
    pub(crate) num_tokens: usize,
    /// Numbers of a token's query; a row has three times as many.
    pub(crate) width: usize,
    /// Heads that the width is cut into.
    pub(crate) num_heads: usize,
    /// Whether a token sees only itself and those before it.
    pub(crate) is_causal: bool,
}

impl AttentionShape {
    /// Numbers of a query in one head.
    pub(super) fn head_width(&self) -> usize {
        self.width / self.num_heads
    }
}

/// Attention, shape `[num_sequences, num_tokens, width]`, for `qkv` of shape `[num_sequences, num_tokens, 3 · width]`; of pairs
/// where these are pairs.
pub(crate) fn attention(
    qkv: &Tensor,
    num_heads: usize,
    is_causal: bool,
    path: Path,
) -> Result<Tensor> {
    let (_, num_tokens, columns) = qkv.dims3()?;
    let columns = match qkv.dtype() {
        DType::U32 => 2 * columns,
        _ => columns,
    };
    let shape = AttentionShape {
        num_tokens,
        width: columns / 3,
        num_heads,
        is_causal,
    };
    if !columns.is_multiple_of(3 * num_heads) {
        candle_core::bail!(
            "{columns} columns are not queries, keys and values of {num_heads} heads"
        );
    }
    match path {
        Path::Fused => qkv.contiguous()?.apply_op1(Fused(shape)),
        Path::BuiltIn => {
            let Parts { q, k, v } = Parts::of(qkv, shape)?;
            joined(&weights(&q, &k, shape)?.matmul(&v)?)
        }
    }
}

/// Queries, keys and values, each `[num_sequences, num_heads, num_tokens, head width]`.
struct Parts {
    q: Tensor,
    k: Tensor,
    v: Tensor,
}

impl Parts {
    fn of(qkv: &Tensor, shape: AttentionShape) -> Result<Self> {
        let part = |index| {
            let part = qkv.narrow(D::Minus1, index * shape.width, shape.width)?;
            split(&part.contiguous()?, shape)
        };
        Ok(Self {
            q: part(0)?,
            k: part(1)?,
            v: part(2)?,
        })
    }
}

/// `[sequences, tokens, width]` to `[sequences, heads, tokens, head width]`.
fn split(x: &Tensor, shape: AttentionShape) -> Result<Tensor> {
    let dims = (
        x.dim(0)?,
        shape.num_tokens,
        shape.num_heads,
        shape.head_width(),
    );
    x.reshape(dims)?.transpose(1, 2)?.contiguous()
}

/// `[sequences, heads, tokens, head width]` to `[sequences, tokens, width]`.
fn joined(x: &Tensor) -> Result<Tensor> {
    x.transpose(1, 2)?.contiguous()?.flatten_from(2)
}

fn scale(shape: AttentionShape) -> f64 {
    1.0 / (shape.head_width() as f64).sqrt()
}

/// Who looks how much at whom, `[sequences, heads, tokens, tokens]`, rows sum to 1.
fn weights(q: &Tensor, k: &Tensor, shape: AttentionShape) -> Result<Tensor> {
    let mut scores = (q.matmul(&k.t()?.contiguous()?)? * scale(shape))?;
    if shape.is_causal {
        let n = shape.num_tokens;
        let mask: Vec<f32> = (0..n * n)
            .map(|cell| {
                if cell % n > cell / n {
                    f32::NEG_INFINITY
                } else {
                    0.0
                }
            })
            .collect();
        let mask = Tensor::from_vec(mask, (n, n), q.device())?.to_dtype(q.dtype())?;
        scores = scores.broadcast_add(&mask)?;
    }
    candle_nn::ops::softmax(&scores, D::Minus1)
}

struct Fused(AttentionShape);

impl CustomOp1 for Fused {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let AttentionShape {
            num_tokens, width, ..
        } = self.0;
        let num_sequences = layout.dims()[0];
        let Some(qkv) = pairs(qkv, layout)? else {
            let out = cpu::attention(numbers(qkv, layout)?, self.0);
            let shape = (num_sequences, num_tokens, width);
            return Ok((CpuStorage::F32(out), shape.into()));
        };
        let Some(product) =
            PairProduct::try_new().filter(|_| self.0.head_width().is_multiple_of(2))
        else {
            candle_core::bail!(
                "no attention of pairs with heads of {}",
                self.0.head_width()
            );
        };
        let out = cpu::attention_of_pairs(product, qkv, self.0);
        let shape = (num_sequences, num_tokens, width / 2);
        Ok((CpuStorage::U32(out), shape.into()))
    }

    fn bwd(&self, qkv: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let of_qkv =
            |qkv: &[f32], gradient: &[f32]| Ok(cpu::attention_gradient(qkv, gradient, self.0));
        gradient_like(qkv, gradient, of_qkv).map(Some)
    }
}
