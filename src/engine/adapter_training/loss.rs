//! From embeddings and labels to a loss and the gradient of the embeddings.

use candle_core::{D, Result, Tensor, Var};

use super::parameters::{Gradients, Parameter};

/// Temperature of the contrastive loss, its paper's for large batches.
const TEMPERATURE: f64 = 0.1;

/// The loss of a batch, `[batch, dim]` embeddings as they are, and its gradient with respect to them; the head's own gradients
/// join `gradients` from `first` on. Cross-entropy with a head, contrastive without.
pub(super) fn of_batch(
    embeddings: &Tensor,
    labels: &[usize],
    head: &[Parameter],
    first: usize,
    gradients: &mut Gradients,
) -> Result<(f32, Tensor)> {
    let embeddings = Var::from_tensor(embeddings)?;
    let loss = match head {
        [weight, bias] => cross_entropy(&embeddings, labels, weight, bias)?,
        _ => contrastive(&embeddings, labels)?,
    };
    let found = loss.backward()?;
    gradients.add(head, first, &found)?;
    let Some(gradient) = found.get(&embeddings) else {
        candle_core::bail!("the loss does not depend on the embeddings");
    };
    Ok((loss.to_scalar()?, gradient.detach()))
}

fn cross_entropy(
    embeddings: &Tensor,
    labels: &[usize],
    weight: &Parameter,
    bias: &Parameter,
) -> Result<Tensor> {
    let logits = embeddings
        .matmul(&weight.var.t()?)?
        .broadcast_add(&bias.var)?;
    let labels: Vec<u32> = labels.iter().map(|label| *label as u32).collect();
    candle_nn::loss::cross_entropy(&logits, &Tensor::new(labels, embeddings.device())?)
}

/// `mean over i of -1/|P(i)| · sum over p in P(i) of log(exp(z_i·z_p / τ) / sum over a ≠ i of exp(z_i·z_a / τ))`, with `z` at
/// unit length and `P(i)` the others of i's class; photos without such others are left out of the mean.
pub(super) fn contrastive(embeddings: &Tensor, labels: &[usize]) -> Result<Tensor> {
    let unit = embeddings.broadcast_div(&embeddings.sqr()?.sum_keepdim(1)?.sqrt()?)?;
    let cosines = (unit.matmul(&unit.t()?)? / TEMPERATURE)?;
    let count = labels.len();
    let table = |f: &dyn Fn(usize, usize) -> f32| {
        let numbers: Vec<f32> = (0..count * count)
            .map(|i| f(i / count, i % count))
            .collect();
        Tensor::from_vec(numbers, (count, count), embeddings.device())
    };
    let itself = table(&|i, j| if i == j { -1e9 } else { 0.0 })?;
    let others = (&cosines + itself)?;
    let log_shares = cosines.broadcast_sub(&others.log_sum_exp(D::Minus1)?.unsqueeze(1)?)?;
    let alike = |i: usize| {
        (0..count)
            .filter(|j| *j != i && labels[*j] == labels[i])
            .count()
    };
    let alike: Vec<usize> = (0..count).map(alike).collect();
    let num_judged = alike.iter().filter(|count| **count > 0).count().max(1);
    let weights = table(&|i, j| {
        if i != j && labels[i] == labels[j] {
            -1.0 / (alike[i] * num_judged) as f32
        } else {
            0.0
        }
    })?;
    (log_shares * weights)?.sum_all()
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn the_contrastive_loss_is_its_formula() {
        let rows = [
            [1.0, 0.2],
            [0.9, -0.3],
            [-0.4, 1.0],
            [0.1, 0.8],
            [-1.0, -1.0],
        ];
        let labels = [0, 0, 1, 1, 2];
        let unit: Vec<[f64; 2]> = rows
            .iter()
            .map(|[x, y]: &[f64; 2]| [x / x.hypot(*y), y / x.hypot(*y)])
            .collect();
        let s = |i: usize, j: usize| (unit[i][0] * unit[j][0] + unit[i][1] * unit[j][1]) / 0.1;
        let mut expected = 0.0;
        for (i, p) in [(0, 1), (1, 0), (2, 3), (3, 2)] {
            let sum: f64 = (0..5).filter(|a| *a != i).map(|a| s(i, a).exp()).sum();
            expected -= (s(i, p).exp() / sum).ln() / 4.0;
        }
        let numbers: Vec<f32> = rows.iter().flatten().map(|x| *x as f32).collect();
        let embeddings = Tensor::from_vec(numbers, (5, 2), &Device::Cpu).unwrap();
        let loss: f32 = contrastive(&embeddings, &labels)
            .unwrap()
            .to_scalar()
            .unwrap();
        assert!(
            (f64::from(loss) - expected).abs() < 1e-4,
            "{loss} {expected}"
        );
    }
}
