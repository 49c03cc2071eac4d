//! `function(scale · (x · Wᵀ + b) + residual)` with weights that learn, on the fused path.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, D, Layout, Result, Shape, Tensor};

use super::cpu::{Finish, PackedMatrix, column_sums, matmul};
use super::linear::{before_function, shape_of};
use super::{Elementwise, numbers, read, rows_and_width};
use crate::clip::NumberFormat;

/// What is made of a product with weights that learn.
///
/// The weights are `[outputs, inner + 1]`, the last column is the bias: an operation of candle's has three tensors at most.
#[derive(Clone, Copy)]
pub(super) struct Trained {
    /// [`Elementwise::Identity`] or [`Elementwise::Relu`], whose derivative can be told from its result.
    function: Elementwise,
    scale: f64,
}

impl Trained {
    /// `None` for a function whose way back is not written.
    pub(super) fn new(function: Elementwise, scale: f64) -> Option<Self> {
        let is_written = matches!(function, Elementwise::Identity | Elementwise::Relu);
        is_written.then_some(Self { function, scale })
    }

    /// For `x` of shape `[.., inner]`, `weight` `[outputs, inner]`, `bias` `[outputs]` and `residual` as the output.
    pub(super) fn forward(
        self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        residual: Option<&Tensor>,
    ) -> Result<Tensor> {
        let weights = Tensor::cat(&[weight, &bias.unsqueeze(1)?], 1)?;
        let x = x.contiguous()?;
        match residual {
            None => x.apply_op2(&weights, self),
            Some(residual) => x.apply_op3(&weights, &residual.contiguous()?, self),
        }
    }

    fn compute(
        self,
        (x, layout): (&CpuStorage, &Layout),
        (weights, weights_layout): (&CpuStorage, &Layout),
        residual: Option<&[f32]>,
    ) -> Result<(CpuStorage, Shape)> {
        let (outputs, columns) = weights_layout.shape().dims2()?;
        let weights = numbers(weights, weights_layout)?;
        let inner = columns - 1;
        let shape = shape_of(layout, inner, outputs)?;
        if residual.is_some_and(|residual| residual.len() != shape.elem_count()) {
            candle_core::bail!("a residual for {shape:?} of another size");
        }
        let scale = self.scale as f32;
        let rows = || weights.chunks_exact(columns);
        let weight: Vec<f32> = rows()
            .flat_map(|row| row[..inner].iter().map(|x| x * scale))
            .collect();
        let bias: Vec<f32> = rows().map(|row| row[inner] * scale).collect();
        let weight = PackedMatrix::new(&weight, outputs, inner, NumberFormat::F32);
        let finish = Finish {
            bias: Some(&bias),
            residual,
            function: self.function,
        };
        let out = matmul(numbers(x, layout)?, &weight, finish);
        Ok((CpuStorage::F32(out), shape))
    }

    /// Gradients of `x` and of the weights.
    fn way_back(
        self,
        x: &Tensor,
        weights: &Tensor,
        out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let (num_rows, outputs) = rows_and_width(out)?;
        let gradient = match self.function {
            Elementwise::Identity => gradient.contiguous()?,
            function => before_function(out, gradient, function)?,
        };
        let gradient = gradient.reshape((num_rows, outputs))?;
        let (x, weights) = (x.detach(), weights.detach());
        let inner = weights.dim(1)? - 1;
        let rows = x.reshape((num_rows, inner))?;
        let weight = (weights.narrow(1, 0, inner)? * self.scale)?;
        let of_x = gradient.matmul(&weight)?.reshape(x.shape())?;
        let of_weight = gradient.t()?.matmul(&rows)?;
        let sums = read(&gradient, |gradient| Ok(column_sums(gradient, outputs)))?;
        let of_bias = Tensor::from_vec(sums, (outputs, 1), x.device())?;
        let of_weights = (Tensor::cat(&[of_weight, of_bias], D::Minus1)? * self.scale)?;
        Ok((of_x, of_weights))
    }
}

impl CustomOp2 for Trained {
    fn name(&self) -> &'static str {
        "trained linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.compute((x, layout), (weights, weights_layout), None)
    }

    fn bwd(
        &self,
        x: &Tensor,
        weights: &Tensor,
        out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (of_x, of_weights) = self.way_back(x, weights, out, gradient)?;
        Ok((Some(of_x), Some(of_weights)))
    }
}

impl CustomOp3 for Trained {
    fn name(&self) -> &'static str {
        "trained linear with residual"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
        residual: &CpuStorage,
        residual_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let residual = numbers(residual, residual_layout)?;
        self.compute((x, layout), (weights, weights_layout), Some(residual))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weights: &Tensor,
        residual: &Tensor,
        out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (of_x, of_weights) = self.way_back(x, weights, out, gradient)?;
        let of_residual = match self.function {
            Elementwise::Identity => gradient.reshape(residual.shape())?,
            _ => candle_core::bail!("a residual under a function has no way back"),
        };
        Ok((Some(of_x), Some(of_weights), Some(of_residual)))
    }
}
