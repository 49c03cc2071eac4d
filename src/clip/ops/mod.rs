//! The operations that the towers are made of: [`Linear`], [`LayerNorm`] and [`attention()`].
//!
//! Each has two ways to the same numbers: [`Path::Fused`], our own code for CPUs, and [`Path::BuiltIn`], candle's
//! operations, which run on every device. Both are differentiable. candle's own fused layer norm and softmax are not,
//! and drop gradients without a word, so they are used in neither.
//!
//! On the fused path a tensor of `u32` is one of pairs of 16-bit brain floats, half as wide as its numbers are many: what
//! a layer that multiplies such gets rounded, it gives on rounded. Tensors that a gradient is wanted of stay numbers.

mod attention;
mod cpu;
mod grid;
mod layer_norm;
mod linear;
mod samples;
mod sublayer;
mod trained;

use candle_core::{CpuStorage, Device, Layout, Result, Storage, Tensor};

pub(crate) use attention::{AttentionShape, attention};
pub use cpu::Kernel;
pub(in crate::clip) use cpu::{PairProduct, rows};
pub(crate) use grid::{average_pool, windows};
pub(crate) use layer_norm::LayerNorm;
pub(crate) use linear::Linear;
pub use samples::{KernelSample, SampleResult};
pub(crate) use sublayer::{attention_sublayer, mlp_sublayer};

/// Which code computes the operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Our own, for CPUs only.
    Fused,
    /// candle's, for every device.
    BuiltIn,
}

impl Path {
    /// The faster way on `device`, unless candle's operations are forced.
    pub fn for_device(device: &Device) -> Self {
        let forced = Kernel::forced().ok().flatten();
        if device.is_cpu() && forced != Some(Kernel::BuiltIn) {
            Self::Fused
        } else {
            Self::BuiltIn
        }
    }
}

/// A function of every number by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Elementwise {
    /// `x`
    #[default]
    Identity,
    /// `max(x, 0)`
    Relu,
    /// `x · sigmoid(1.702 x)`, OpenAI's
    QuickGelu,
    /// `x · Φ(x)`, through the error function
    Gelu,
}

impl Elementwise {
    /// The function of every number in `x`.
    fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Identity => Ok(x.clone()),
            Self::Relu => x.relu(),
            Self::QuickGelu => x * sigmoid(&(x * 1.702)?)?,
            Self::Gelu => x.gelu_erf(),
        }
    }
}

/// `1 / (1 + e^-x)` from operations that have a gradient on every device.
fn sigmoid(x: &Tensor) -> Result<Tensor> {
    (x.neg()?.exp()? + 1.0)?.recip()
}

/// The numbers of a contiguous tensor.
fn numbers<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let all = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&all[start..end]),
        None => candle_core::bail!("fused operations need contiguous tensors, got {layout:?}"),
    }
}

/// What `f` makes of the numbers of a contiguous tensor on the CPU.
fn read<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => f(numbers(storage, layout)?),
        _ => candle_core::bail!("fused operations are for CPUs"),
    }
}

/// A gradient like `x`, from the numbers of `x` and those of the gradient that came back.
fn gradient_like(
    x: &Tensor,
    gradient: &Tensor,
    f: impl FnOnce(&[f32], &[f32]) -> Result<Vec<f32>>,
) -> Result<Tensor> {
    let of_x = read(x, |x| {
        read(&gradient.contiguous()?, |gradient| f(x, gradient))
    })?;
    Tensor::from_vec(of_x, x.shape(), x.device())
}

/// Refuses a gradient that has not a number for each of `x`.
fn check_count(x: &[f32], gradient: &[f32]) -> Result<()> {
    if gradient.len() != x.len() {
        candle_core::bail!("{} gradients for {} numbers", gradient.len(), x.len());
    }
    Ok(())
}

/// The pairs of bf16 of a contiguous tensor; `None` when it holds numbers.
fn pairs<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<Option<&'a [u32]>> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::U32(all), Some((start, end))) => Ok(Some(&all[start..end])),
        (CpuStorage::U32(_), None) => {
            candle_core::bail!("fused operations need contiguous tensors, got {layout:?}")
        }
        _ => Ok(None),
    }
}

/// Number of rows when all but the last dimension count as rows, and the length of each.
fn rows_and_width(x: &Tensor) -> Result<(usize, usize)> {
    let width = x.dim(candle_core::D::Minus1)?;
    Ok((x.elem_count() / width.max(1), width))
}

#[cfg(test)]
mod tests;
