//! `(x - mean) / sqrt(variance + eps) · weight + bias` along the last dimension.

use candle_core::{CpuStorage, CustomOp3, D, Layout, Result, Shape, Tensor};

use super::{PairProduct, Path, check_count, cpu, gradient_like, numbers, rows_and_width};

/// Layer normalisation with weight and bias, both `[width]`.
#[derive(Clone)]
pub(crate) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
    path: Path,
}

impl LayerNorm {
    /// From tensors, which may be variables.
    pub(crate) fn new(weight: Tensor, bias: Tensor, eps: f64, path: Path) -> Self {
        Self {
            weight,
            bias,
            eps,
            path,
        }
    }

    /// The same rounded to pairs of bf16, shape `[.., width / 2]`, for layers that multiply such; where a gradient is wanted they
    /// get numbers.
    pub(crate) fn rounded(&self, x: &Tensor, product: PairProduct) -> Result<Tensor> {
        if [x, &self.weight, &self.bias]
            .iter()
            .any(|tensor| tensor.track_op())
        {
            return self.forward(x);
        }
        let fused = Fused {
            eps: self.eps,
            pairs: Some(product),
        };
        x.contiguous()?
            .apply_op3_no_bwd(&self.weight, &self.bias, &fused)
    }

    /// The same of numbers, rows of `width`, in parallel.
    pub(super) fn of_rows(&self, x: &[f32]) -> Result<Vec<f32>> {
        let (weight, bias) = (self.weight.to_vec1()?, self.bias.to_vec1()?);
        Ok(cpu::layer_norm(x, &weight, &bias, self.eps as f32))
    }

    /// The gradient of rows from that of the normalised rows, plus `beside`, with frozen weight and bias.
    pub(super) fn way_back(
        &self,
        x: &[f32],
        gradient: &[f32],
        beside: Option<&[f32]>,
    ) -> Result<Vec<f32>> {
        let (weight, eps) = (self.weight.to_vec1()?, self.eps as f32);
        Ok(cpu::layer_norm_gradient(x, &weight, gradient, beside, eps))
    }

    /// Normalises every row of `x`, shape `[.., width]`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self.path {
            Path::Fused => {
                let fused = Fused {
                    eps: self.eps,
                    pairs: None,
                };
                x.contiguous()?.apply_op3(&self.weight, &self.bias, fused)
            }
            Path::BuiltIn => standardised(x, self.eps)?
                .0
                .broadcast_mul(&self.weight)?
                .broadcast_add(&self.bias),
        }
    }
}

/// `x` with mean 0 and variance 1 in every row, and what it was divided by.
fn standardised(x: &Tensor, eps: f64) -> Result<(Tensor, Tensor)> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?;
    Ok((centred.broadcast_div(&deviation)?, deviation))
}

struct Fused {
    eps: f64,
    /// What rounds the rows, when they are to be pairs; these have no gradient.
    pairs: Option<PairProduct>,
}

impl CustomOp3 for Fused {
    fn name(&self) -> &'static str {
        "layer norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (weight, bias) = (numbers(weight, weight_layout)?, numbers(bias, bias_layout)?);
        if layout.dims().last() != Some(&weight.len()) || weight.len() != bias.len() {
            candle_core::bail!("layer norm of {} got {:?}", weight.len(), layout.dims());
        }
        let (x, eps) = (numbers(x, layout)?, self.eps as f32);
        let Some(product) = self.pairs else {
            let out = cpu::layer_norm(x, weight, bias, eps);
            return Ok((CpuStorage::F32(out), layout.shape().clone()));
        };
        let [rows @ .., width] = layout.dims() else {
            candle_core::bail!("layer norm of a number by itself");
        };
        if !width.is_multiple_of(2) {
            candle_core::bail!("rows of {width} numbers are not pairs");
        }
        let out = cpu::layer_norm_pairs(x, weight, bias, eps, product);
        Ok((CpuStorage::U32(out), [rows, &[width / 2]].concat().into()))
    }

    /// With n = standardised x and g = gradient · weight: dx = (g - mean(g) - n · mean(g · n)) / deviation.
    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (x, weight_values) = (x.detach(), weight.detach());
        if !weight.track_op() && !bias.track_op() {
            let (weight, eps) = (weight_values.to_vec1()?, self.eps as f32);
            let of_x = gradient_like(&x, gradient, |x, gradient| {
                check_count(x, gradient)?;
                Ok(cpu::layer_norm_gradient(x, &weight, gradient, None, eps))
            })?;
            return Ok((Some(of_x), None, None));
        }
        let (n, deviation) = standardised(&x, self.eps)?;
        let g = gradient.broadcast_mul(&weight_values)?;
        let along = n.broadcast_mul(&(&g * &n)?.mean_keepdim(D::Minus1)?)?;
        let centred = g.broadcast_sub(&g.mean_keepdim(D::Minus1)?)?;
        let x_gradient = (centred - along)?.broadcast_div(&deviation)?;
        let (num_rows, width) = rows_and_width(gradient)?;
        let over_rows = |tensor: &Tensor| tensor.reshape((num_rows, width))?.sum(0);
        let weight_gradient = weight
            .track_op()
            .then(|| over_rows(&(gradient * &n)?))
            .transpose()?;
        let bias_gradient = bias.track_op().then(|| over_rows(gradient)).transpose()?;
        Ok((Some(x_gradient), weight_gradient, bias_gradient))
    }
}
