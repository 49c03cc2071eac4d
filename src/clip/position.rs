//! Positions for pictures of another size than the model's (`interpolate_pos_encoding` of DINO's `vision_transformer.py`).

use candle_core::{Result, Tensor};

/// PyTorch's bicubic kernel, `a = -3/4`.
const A: f64 = -0.75;

/// A table of positions `[from² + 1, width]`, class token first, for `to × to` patches: `[to² + 1, width]`.
///
/// PyTorch's `interpolate(mode = "bicubic")` by sizes; the authors add 0.1 to the number of patches against rounding, which shifts
/// theirs by a few hundredths of a patch. The class token's row stays.
pub(super) fn interpolated(table: &Tensor, from: usize, to: usize) -> Result<Tensor> {
    let along = weights(from, to);
    let columns = from * from + 1;
    let mut numbers = vec![0.0_f32; (to * to + 1) * columns];
    numbers[0] = 1.0;
    for (row, numbers) in numbers.chunks_exact_mut(columns).skip(1).enumerate() {
        let (down, across) = (&along[row / to], &along[row % to]);
        for (cell, number) in numbers[1..].iter_mut().enumerate() {
            *number = (down[cell / from] * across[cell % from]) as f32;
        }
    }
    Tensor::from_vec(numbers, (to * to + 1, columns), table.device())?.matmul(table)
}

/// How much each of `from` places counts at each of `to` places along one side; what lies outside counts as the last inside.
fn weights(from: usize, to: usize) -> Vec<Vec<f64>> {
    let at = |place: usize| {
        let centre = (place as f64 + 0.5) * from as f64 / to as f64 - 0.5;
        let first = centre.floor() - 1.0;
        let mut weights = vec![0.0; from];
        for tap in 0..4 {
            let position = first + f64::from(tap);
            let inside = position.clamp(0.0, (from - 1) as f64) as usize;
            weights[inside] += kernel((centre - position).abs());
        }
        weights
    };
    (0..to).map(at).collect()
}

/// Keys' cubic convolution at a distance below 2.
fn kernel(x: f64) -> f64 {
    if x <= 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else {
        ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn positions_are_interpolated_as_pytorch_does() {
        // Position i of 5 × 5 is (i * i % 11, i); torch.nn.functional.interpolate(size=(3, 3), mode="bicubic").
        let mut numbers = vec![100.0, 200.0];
        numbers.extend((0..25_u8).flat_map(|i| [f32::from(i) * f32::from(i) % 11.0, f32::from(i)]));
        let table = Tensor::from_vec(numbers, (26, 2), &Device::Cpu).unwrap();
        let small: Vec<Vec<f32>> = interpolated(&table, 5, 3).unwrap().to_vec2().unwrap();
        assert_eq!(small[0], [100.0, 200.0]);
        let expected = [
            [1.136_488, 1.555_556],
            [4.537_037, 3.296_296],
            [6.204_047, 5.037_037],
            [0.629_63, 10.259_259],
            [1.0, 12.0],
            [7.592_593, 13.740_741],
            [3.715_364, 18.962_963],
            [1.055_556, 20.703_704],
            [4.617_97, 22.444_444],
        ];
        for (row, expected) in small[1..].iter().zip(expected) {
            for (x, expected) in row.iter().zip(expected) {
                assert!((x - expected).abs() < 1e-4, "{small:?}");
            }
        }
    }
}
