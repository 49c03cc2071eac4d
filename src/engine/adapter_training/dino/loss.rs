//! `DINOLoss` of DINO's `main_dino.py`: cross-entropy between what the teacher makes of one view of a photo and the student of
//! another.

use candle_core::{D, Result, Tensor};

/// Views that the teacher sees.
pub(super) const NUM_GLOBAL: usize = 2;
/// The student's temperature.
const STUDENT_TEMPERATURE: f64 = 0.1;
/// How much of itself the centre keeps.
const CENTRE_MOMENTUM: f64 = 0.9;

/// `softmax((logits - centre) / temperature)` of logits `[rows, out_dim]` and a centre `[out_dim]`.
pub(super) fn sharpened(logits: &Tensor, centre: &Tensor, temperature: f64) -> Result<Tensor> {
    log_softmax(&(logits.broadcast_sub(centre)? / temperature)?)?.exp()
}

/// The loss that these photos have a part in: `student` is logits `[views · photos, out_dim]`, view after view, `teacher`
/// probabilities `[2 · photos, out_dim]` of the first two views; the mean over pairs of different views and over `num_photos`.
pub(super) fn distilled(student: &Tensor, teacher: &Tensor, num_photos: usize) -> Result<Tensor> {
    let part = teacher.dim(0)? / NUM_GLOBAL;
    let num_views = student.dim(0)? / part;
    let [first, second] = [0, part].map(|start| teacher.narrow(0, start, part));
    let (first, second) = (first?, second?);
    let both = (&first + &second)?;
    let mut targets = vec![second, first];
    targets.resize(num_views, both);
    let log_shares = log_softmax(&(student / STUDENT_TEMPERATURE)?)?;
    let num_pairs = NUM_GLOBAL * num_views - NUM_GLOBAL;
    (log_shares * Tensor::cat(&targets, 0)?)?.sum_all()? / -((num_pairs * num_photos) as f64)
}

/// The centre after a step in which the teacher's logits were `mean` on average.
pub(super) fn moved_centre(centre: &Tensor, mean: &Tensor) -> Result<Tensor> {
    (centre * CENTRE_MOMENTUM)? + (mean * (1.0 - CENTRE_MOMENTUM))?
}

fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    logits.broadcast_sub(&logits.log_sum_exp(D::Minus1)?.unsqueeze(D::Minus1)?)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn numbers(rows: usize, seed: usize) -> Tensor {
        let value = |i: usize| (((i + 1) * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0;
        let values: Vec<f32> = (0..rows * 5).map(value).collect();
        Tensor::from_vec(values, (rows, 5), &Device::Cpu).unwrap()
    }

    #[test]
    fn loss_and_centre_are_their_formulas() {
        // Two photos, three views, five outputs; the expected numbers by numpy in float64, pair by pair.
        let (student, teacher) = (numbers(6, 1), numbers(4, 2));
        let centre = numbers(1, 3).squeeze(0).unwrap();
        let shares = sharpened(&teacher, &centre, 0.055).unwrap();
        let loss: f32 = distilled(&student, &shares, 2)
            .unwrap()
            .to_scalar()
            .unwrap();
        let expected = 4.486_638;
        assert!((loss - expected).abs() < 1e-4, "{loss}");
        let moved = moved_centre(&centre, &teacher.mean(0).unwrap()).unwrap();
        let expected = [0.546_705, 0.453_844, 0.410_984, 0.318_123, 0.225_262];
        for (x, expected) in moved.to_vec1::<f32>().unwrap().iter().zip(expected) {
            assert!((x - expected).abs() < 1e-6, "{x} {expected}");
        }
        // Photos in two parts add up to the same loss.
        let part = |rows: &[usize], from: &Tensor| {
            let rows: Vec<Tensor> = rows
                .iter()
                .map(|row| from.narrow(0, *row, 1).unwrap())
                .collect();
            Tensor::cat(&rows, 0).unwrap()
        };
        let of = |photo: usize| {
            let student = part(&[photo, photo + 2, photo + 4], &student);
            let shares = part(&[photo, photo + 2], &shares);
            let loss = distilled(&student, &shares, 2).unwrap();
            loss.to_scalar::<f32>().unwrap()
        };
        assert!((of(0) + of(1) - loss).abs() < 1e-5);
    }
}
