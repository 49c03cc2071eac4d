//! `function(x · Wᵀ + b + residual)`.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Device, Layout, Result, Shape, Tensor};

use super::cpu::{Finish, PackedMatrix, matmul, numbers_of_pairs, pairs_of_pairs, times_slope};
use super::trained::Trained;
use super::{Elementwise, Path, check_count, gradient_like, numbers, pairs, read, rows_and_width};
use crate::clip::NumberFormat;

/// A matrix product with what follows it.
#[derive(Clone)]
pub(crate) struct Linear {
    weight: Weight,
    function: Elementwise,
}

#[derive(Clone)]
enum Weight {
    /// Packed for the CPU's kernel, with the bias; never trained.
    Packed(Arc<Packed>),
    /// `[outputs, inner]` and `[outputs]`, for candle's operations; never trained.
    Plain {
        weight: Tensor,
        bias: Option<Tensor>,
    },
    /// The same with what the sum is multiplied by; trained when they are variables.
    Trained {
        weight: Tensor,
        bias: Tensor,
        scale: f64,
        path: Path,
    },
}

struct Packed {
    weight: PackedMatrix,
    bias: Option<Vec<f32>>,
}

impl Linear {
    /// A frozen layer from `weight`, `outputs` rows of as many numbers as the input has, and `bias`; on the fused path it
    /// multiplies numbers of `format`.
    pub(crate) fn frozen(
        weight: &[f32],
        bias: Option<Vec<f32>>,
        outputs: usize,
        path: Path,
        format: NumberFormat,
        device: &Device,
    ) -> Result<Self> {
        let inner = weight.len() / outputs;
        let weight = match path {
            Path::Fused => Weight::Packed(Arc::new(Packed {
                weight: PackedMatrix::new(weight, outputs, inner, format),
                bias,
            })),
            Path::BuiltIn => Weight::Plain {
                weight: Tensor::from_slice(weight, (outputs, inner), device)?,
                bias: bias.map(|bias| Tensor::new(bias, device)).transpose()?,
            },
        };
        Ok(Self {
            weight,
            function: Elementwise::Identity,
        })
    }

    /// `scale · (x · Wᵀ + b)` with tensors `[outputs, inner]` and `[outputs]`, which may be variables.
    pub(crate) fn trained(weight: Tensor, bias: Tensor, scale: f64, path: Path) -> Self {
        Self {
            weight: Weight::Trained {
                weight,
                bias,
                scale,
                path,
            },
            function: Elementwise::Identity,
        }
    }

    /// The same layer followed by `function`.
    #[must_use]
    pub(crate) fn then(self, function: Elementwise) -> Self {
        Self { function, ..self }
    }

    /// `function(x · Wᵀ + b)`, shape `[.., outputs]` for `x` of shape `[.., inner]`; pairs where `x` is of pairs.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match &self.weight {
            Weight::Packed(packed) => x.contiguous()?.apply_op1(self.operation(packed)),
            _ => self.with_tensors(x, None),
        }
    }

    /// `function(x · Wᵀ + b + residual)`, always numbers; a frozen layer repeats a residual with fewer rows.
    pub(crate) fn forward_plus(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        match &self.weight {
            Weight::Packed(packed) => x
                .contiguous()?
                .apply_op2(&residual.contiguous()?, self.operation(packed)),
            _ => self.with_tensors(x, Some(residual)),
        }
    }

    /// The same where the weights are tensors.
    fn with_tensors(&self, x: &Tensor, residual: Option<&Tensor>) -> Result<Tensor> {
        let sum = match &self.weight {
            Weight::Packed(_) => candle_core::bail!("packed weights are no tensors"),
            Weight::Plain { weight, bias } => product(x, weight, bias.as_ref())?,
            Weight::Trained {
                weight,
                bias,
                scale,
                path,
            } => {
                let trained = Trained::new(self.function, *scale);
                if let Some(trained) = trained.filter(|_| *path == Path::Fused) {
                    return trained.forward(x, weight, bias, residual);
                }
                (product(x, weight, Some(bias))? * *scale)?
            }
        };
        match residual {
            Some(residual) => self.function.apply(&sum.broadcast_add(residual)?),
            None => self.function.apply(&sum),
        }
    }

    /// The layer with its packed weights.
    ///
    /// # Errors
    /// For a layer whose weights are tensors.
    pub(super) fn packed(&self) -> Result<PackedLinear> {
        match &self.weight {
            Weight::Packed(packed) => Ok(self.operation(packed)),
            _ => candle_core::bail!("the weights of a sublayer are to be packed"),
        }
    }

    fn operation(&self, packed: &Arc<Packed>) -> PackedLinear {
        PackedLinear {
            packed: packed.clone(),
            function: self.function,
        }
    }
}

/// `x · weightᵀ + bias` on candle's operations.
fn product(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (num_rows, width) = rows_and_width(x)?;
    let mut shape = x.dims().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = weight.dim(0)?;
    }
    let sum = x.reshape((num_rows, width))?.matmul(&weight.t()?)?;
    let sum = match bias {
        Some(bias) => sum.broadcast_add(bias)?,
        None => sum,
    };
    sum.reshape(shape)
}

/// The fused operation; the weight is part of it and gets no gradient, `x` and the residual do.
pub(super) struct PackedLinear {
    packed: Arc<Packed>,
    function: Elementwise,
}

/// `layout`'s shape with rows of `outputs` in the place of rows of `inner`.
pub(super) fn shape_of(layout: &Layout, inner: usize, outputs: usize) -> Result<Shape> {
    match layout.dims() {
        [rows @ .., last] if *last == inner => Ok([rows, &[outputs]].concat().into()),
        dims => candle_core::bail!("a layer for rows of {inner} got {dims:?}"),
    }
}

/// The gradient of what `function` is applied to, from that of its result; `x` is the former, or anything of the same slopes.
pub(super) fn before_function(
    x: &Tensor,
    gradient: &Tensor,
    function: Elementwise,
) -> Result<Tensor> {
    gradient_like(x, gradient, |x, gradient| {
        check_count(x, gradient)?;
        let mut numbers = gradient.to_vec();
        times_slope(&mut numbers, x, function);
        Ok(numbers)
    })
}

impl PackedLinear {
    fn compute(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        residual: Option<&[f32]>,
    ) -> Result<(CpuStorage, Shape)> {
        let weight = &self.packed.weight;
        let Some(x) = pairs(x, layout)? else {
            let shape = shape_of(layout, weight.inner(), weight.outputs())?;
            let out = self.of_rows(numbers(x, layout)?, residual);
            return Ok((CpuStorage::F32(out), shape));
        };
        let finish = self.finish(residual);
        let Some((product, panels)) = weight.pairs() else {
            candle_core::bail!("a layer that multiplies numbers got pairs");
        };
        if residual.is_some() {
            let shape = shape_of(layout, panels.inner, weight.outputs())?;
            let out = numbers_of_pairs(product, x, panels, finish);
            return Ok((CpuStorage::F32(out), shape));
        }
        if !weight.outputs().is_multiple_of(2) {
            candle_core::bail!("{} outputs are not pairs", weight.outputs());
        }
        let shape = shape_of(layout, panels.inner, weight.outputs() / 2)?;
        let out = pairs_of_pairs(product, x, panels, finish);
        Ok((CpuStorage::U32(out), shape))
    }

    /// What is applied to the sum.
    pub(super) fn function(&self) -> Elementwise {
        self.function
    }

    /// `function(x · Wᵀ + b + residual)` of rows of numbers.
    pub(super) fn of_rows(&self, x: &[f32], residual: Option<&[f32]>) -> Vec<f32> {
        matmul(x, &self.packed.weight, self.finish(residual))
    }

    fn finish<'a>(&'a self, residual: Option<&'a [f32]>) -> Finish<'a> {
        Finish {
            bias: self.packed.bias.as_deref(),
            residual,
            function: self.function,
        }
    }

    /// `x · Wᵀ + b` of rows of numbers.
    pub(super) fn sums_of_rows(&self, x: &[f32]) -> Vec<f32> {
        self.without_function().of_rows(x, None)
    }

    /// The gradient of rows of input from that of their sums.
    ///
    /// The weight is packed anew each time, in a few hundredths of a step: kept, it would double the weights' memory.
    pub(super) fn way_back(&self, sum_gradient: &[f32]) -> Vec<f32> {
        let weight = self.packed.weight.transposed();
        matmul(sum_gradient, &weight, Finish::default())
    }

    fn without_function(&self) -> Self {
        Self {
            packed: self.packed.clone(),
            function: Elementwise::Identity,
        }
    }

    /// Gradient of the sum before `function`.
    fn sum_gradient(
        &self,
        x: &Tensor,
        residual: Option<&Tensor>,
        gradient: &Tensor,
    ) -> Result<Tensor> {
        if self.function == Elementwise::Identity {
            return gradient.contiguous();
        }
        let linear = self.without_function();
        let x = x.detach();
        let sum = match residual {
            Some(residual) => x.apply_op2_no_bwd(&residual.detach(), &linear)?,
            None => x.apply_op1_no_bwd(&linear)?,
        };
        before_function(&sum, gradient, self.function)
    }

    /// Gradient of `x` from that of the sum.
    fn input_gradient(&self, x: &Tensor, sum_gradient: &Tensor) -> Result<Tensor> {
        let of_x = read(&sum_gradient.contiguous()?, |gradient| {
            Ok(self.way_back(gradient))
        })?;
        Tensor::from_vec(of_x, x.shape(), x.device())
    }
}

impl CustomOp1 for PackedLinear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        self.compute(x, layout, None)
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let sum_gradient = self.sum_gradient(x, None, gradient)?;
        Ok(Some(self.input_gradient(x, &sum_gradient)?))
    }
}

impl CustomOp2 for PackedLinear {
    fn name(&self) -> &'static str {
        "linear with residual"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        residual: &CpuStorage,
        residual_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let outputs = self.packed.weight.outputs();
        if residual_layout.dims().last() != Some(&outputs) {
            candle_core::bail!(
                "residual {:?} for rows of {outputs}",
                residual_layout.dims()
            );
        }
        let residual = numbers(residual, residual_layout)?;
        self.compute(x, layout, Some(residual))
    }

    fn bwd(
        &self,
        x: &Tensor,
        residual: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let sum_gradient = self.sum_gradient(x, Some(residual), gradient)?;
        let x_gradient = self.input_gradient(x, &sum_gradient)?;
        // A repeated residual collects the gradients of all its repetitions.
        let repetitions = sum_gradient.elem_count() / residual.elem_count();
        let residual_gradient = sum_gradient
            .reshape((repetitions, residual.elem_count()))?
            .sum(0)?
            .reshape(residual.shape())?;
        Ok((Some(x_gradient), Some(residual_gradient)))
    }
}
