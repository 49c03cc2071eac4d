//! What learns: the adapters' tensors and the head's, with their moments.

use candle_core::{Device, Result, Tensor, Var, backprop::GradStore};

use super::options::Settled;
use crate::clip::{AdapterTensors, BottleneckAdapter, Dropout};
use crate::support::random::Random;

/// Width of the bottleneck, the paper's.
pub(super) const BOTTLENECK: usize = 64;
/// PyTorch's defaults for `AdamW`.
const BETAS: (f64, f64) = (0.9, 0.999);

/// One tensor that learns.
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) var: Var,
    /// `AdamW`'s mean gradient and mean squared gradient.
    pub(super) moments: [Vec<f32>; 2],
}

impl Parameter {
    pub(super) fn new(name: String, value: &Tensor) -> Result<Self> {
        let zeros = vec![0.0; value.elem_count()];
        Ok(Self {
            name,
            var: Var::from_tensor(value)?,
            moments: [zeros.clone(), zeros],
        })
    }

    pub(super) fn numbers(&self) -> Result<Vec<f32>> {
        self.var.flatten_all()?.to_vec1()
    }

    pub(super) fn set(&self, numbers: &[f32]) -> Result<()> {
        self.var.set(&Tensor::from_slice(
            numbers,
            self.var.dims(),
            self.var.device(),
        )?)
    }
}

/// Everything that learns: four tensors for each adapted block, then the head's.
pub(super) struct Parameters {
    pub(super) all: Vec<Parameter>,
    num_of_adapters: usize,
}

impl Parameters {
    /// Down uniform within ±1/√width (`kaiming_uniform(a = √5)`), everything else of an adapter zero, so that training starts at
    /// the original features; the head as PyTorch's `Linear` starts. `head` is its `[classes, dim]`.
    pub(super) fn new(
        settled: &Settled,
        width: usize,
        head: Option<[usize; 2]>,
        device: &Device,
    ) -> Result<Self> {
        let mut random = Random::new(settled.seed);
        let mut uniform = |dims: &[usize], inner: usize| {
            let bound = 1.0 / (inner as f64).sqrt();
            let numbers = (0..dims.iter().product())
                .map(|_| (bound * (2.0 * random.uniform() - 1.0)) as f32)
                .collect::<Vec<_>>();
            Tensor::from_vec(numbers, dims, device)
        };
        let zeros = |dims: &[usize]| Tensor::zeros(dims, candle_core::DType::F32, device);
        let mut all = Vec::new();
        for block in settled.blocks.clone() {
            let mut push = |part: &str, value: Tensor| {
                all.push(Parameter::new(tensor_name(block, part), &value)?);
                Ok::<_, candle_core::Error>(())
            };
            push("down_proj.weight", uniform(&[BOTTLENECK, width], width)?)?;
            push("down_proj.bias", zeros(&[BOTTLENECK])?)?;
            push("up_proj.weight", zeros(&[width, BOTTLENECK])?)?;
            push("up_proj.bias", zeros(&[width])?)?;
        }
        let num_of_adapters = all.len();
        if let Some([classes, dim]) = head {
            all.push(Parameter::new(
                "head.weight".to_owned(),
                &uniform(&[classes, dim], dim)?,
            )?);
            all.push(Parameter::new(
                "head.bias".to_owned(),
                &uniform(&[classes], dim)?,
            )?);
        }
        Ok(Self {
            all,
            num_of_adapters,
        })
    }

    /// The adapters as they are, once more, for a teacher that follows them; behind them `centre`.
    pub(super) fn for_teacher(&self, centre: &Tensor) -> Result<Self> {
        let copy = |parameter: &Parameter| {
            let name = format!("teacher.{}", parameter.name);
            Parameter::new(name, &parameter.var.as_tensor().copy()?)
        };
        let mut all: Vec<Parameter> = self.adapters().iter().map(copy).collect::<Result<_>>()?;
        all.push(Parameter::new("centre".to_owned(), centre)?);
        Ok(Self {
            all,
            num_of_adapters: self.num_of_adapters,
        })
    }

    /// The adapters' tensors.
    pub(super) fn adapters(&self) -> &[Parameter] {
        &self.all[..self.num_of_adapters]
    }

    /// Weight and bias of the head, or a teacher's centre.
    pub(super) fn head(&self) -> &[Parameter] {
        &self.all[self.num_of_adapters..]
    }

    /// The adapter as it is now.
    pub(super) fn adapter(&self, settled: &Settled, dropout: Option<Dropout>) -> BottleneckAdapter {
        self.adapter_of(settled, |parameter| parameter.var.as_tensor().clone())
            .with_dropout(dropout)
    }

    /// The same for looking through: what is computed with it keeps nothing for a way back.
    pub(super) fn frozen(&self, settled: &Settled) -> BottleneckAdapter {
        self.adapter_of(settled, |parameter| parameter.var.detach())
    }

    fn adapter_of(
        &self,
        settled: &Settled,
        tensor: impl Fn(&Parameter) -> Tensor,
    ) -> BottleneckAdapter {
        let blocks = self.adapters().chunks_exact(4).map(|parts| AdapterTensors {
            down: (tensor(&parts[0]), tensor(&parts[1])),
            up: (tensor(&parts[2]), tensor(&parts[3])),
        });
        BottleneckAdapter::from_tensors(blocks.collect(), settled.scale, "training".to_owned())
            .beside_blocks_from(settled.blocks.start)
    }

    /// Numbers of the adapters' tensors.
    pub(super) fn adapter_numbers(&self) -> Result<Vec<Vec<f32>>> {
        self.adapters().iter().map(Parameter::numbers).collect()
    }
}

/// The authors' name of a tensor.
pub(super) fn tensor_name(block: usize, part: &str) -> String {
    format!("visual.transformer.resblocks.{block}.adaptmlp.{part}")
}

/// Gradients of all parameters, summed over the parts of a batch.
pub(super) struct Gradients(Vec<Option<Vec<f32>>>);

impl Gradients {
    pub(super) fn none(parameters: &Parameters) -> Self {
        Self(parameters.all.iter().map(|_| None).collect())
    }

    pub(super) fn add(
        &mut self,
        parameters: &[Parameter],
        first: usize,
        found: &GradStore,
    ) -> Result<()> {
        for (own, parameter) in self.0[first..].iter_mut().zip(parameters) {
            let Some(gradient) = found.get(&parameter.var) else {
                candle_core::bail!("{} has no gradient", parameter.name);
            };
            let gradient: Vec<f32> = gradient.flatten_all()?.to_vec1()?;
            match own {
                Some(sum) => sum.iter_mut().zip(gradient).for_each(|(sum, x)| *sum += x),
                None => *own = Some(gradient),
            }
        }
        Ok(())
    }

    /// The gradient of each tensor, where it has one yet.
    #[cfg(test)]
    pub(super) fn of_tensors(&self) -> impl Iterator<Item = Option<&[f32]>> {
        self.0.iter().map(Option::as_deref)
    }

    /// Scales each tensor's gradient down to a length of at most `limit` (`clip_gradients` of DINO's `utils.py`).
    pub(super) fn clip(&mut self, limit: f64) {
        for gradient in self.0.iter_mut().flatten() {
            let square: f64 = gradient.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
            let factor = limit / (square.sqrt() + 1e-6);
            if factor < 1.0 {
                for x in gradient {
                    *x *= factor as f32;
                }
            }
        }
    }
}

/// `AdamW` (Loshchilov and Hutter, ICLR 2019) as PyTorch computes it.
#[derive(Clone, Copy)]
pub(super) struct AdamW {
    pub(super) learning_rate: f64,
    pub(super) weight_decay: f64,
    pub(super) epsilon: f64,
}

impl AdamW {
    /// One step, the `number`th from 1.
    pub(super) fn step(
        &self,
        parameters: &mut Parameters,
        gradients: &Gradients,
        number: usize,
    ) -> Result<()> {
        self.step_with(parameters, gradients, number, |_| true)
    }

    /// One step in which only tensors of two dimensions decay (`get_params_groups` of DINO's `utils.py`).
    pub(super) fn step_sparing_biases(
        &self,
        parameters: &mut Parameters,
        gradients: &Gradients,
        number: usize,
    ) -> Result<()> {
        self.step_with(parameters, gradients, number, |parameter| {
            parameter.var.rank() > 1
        })
    }

    fn step_with(
        &self,
        parameters: &mut Parameters,
        gradients: &Gradients,
        number: usize,
        decays: impl Fn(&Parameter) -> bool,
    ) -> Result<()> {
        for (parameter, gradient) in parameters.all.iter_mut().zip(&gradients.0) {
            let Some(gradient) = gradient else {
                candle_core::bail!("{} has no gradient", parameter.name);
            };
            let mut numbers = parameter.numbers()?;
            let weight_decay = if decays(parameter) {
                self.weight_decay
            } else {
                0.0
            };
            let own = Self {
                weight_decay,
                ..*self
            };
            own.update(&mut numbers, gradient, &mut parameter.moments, number);
            parameter.set(&numbers)?;
        }
        Ok(())
    }

    pub(super) fn update(
        &self,
        values: &mut [f32],
        gradient: &[f32],
        [mean, square]: &mut [Vec<f32>; 2],
        number: usize,
    ) {
        let correction = |beta: f64| 1.0 - beta.powi(i32::try_from(number).unwrap_or(i32::MAX));
        let (first, second) = (correction(BETAS.0), correction(BETAS.1).sqrt());
        let decay = (1.0 - self.learning_rate * self.weight_decay) as f32;
        let (kept, kept_square) = (BETAS.0 as f32, BETAS.1 as f32);
        let (new, new_square) = ((1.0 - BETAS.0) as f32, (1.0 - BETAS.1) as f32);
        let moments = mean.iter_mut().zip(square);
        for ((value, gradient), (mean, square)) in values.iter_mut().zip(gradient).zip(moments) {
            *mean = kept * *mean + new * gradient;
            *square = kept_square * *square + new_square * gradient * gradient;
            let size = f64::from(square.sqrt()) / second + self.epsilon;
            let step = self.learning_rate * f64::from(*mean) / first / size;
            *value = decay * *value - step as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adamw_is_pytorchs() {
        // torch.optim.AdamW([1.0, -2.0], lr=0.1), gradients (0.5, 1), (-0.25, 3), (1, 0), in float64.
        let adamw = AdamW {
            learning_rate: 0.1,
            weight_decay: 0.01,
            epsilon: 1e-8,
        };
        let (mut values, mut moments) = ([1.0, -2.0], [vec![0.0; 2], vec![0.0; 2]]);
        for (index, gradient) in [[0.5, 1.0], [-0.25, 3.0], [1.0, 0.0]].iter().enumerate() {
            adamw.update(&mut values, gradient, &mut moments, index + 1);
        }
        let expected = [0.804_784_7, -2.256_437_2];
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{values:?}");
        }
    }
}
