//! A class that is really two: photos split where they are least alike.

use crate::features::{Features, dot};

/// Rounds of moving photos to the nearer of the two centres; it stops earlier where none moves.
const NUM_ROUNDS: usize = 50;

/// Spherical two-means (Dhillon and Modha, 2001): for each photo whether it is in the second group, the smaller one. Begins with
/// the photo furthest from all, and the one furthest from that. `None` for fewer than two photos, or where all are the same.
pub fn two_means(features: &Features) -> Option<Vec<bool>> {
    if features.len() < 2 {
        return None;
    }
    let mean = sum_of(features, |_| true);
    let first = furthest(features, &mean);
    let second = furthest(features, features.row(first));
    let mut centres = [features.row(first).to_vec(), features.row(second).to_vec()];
    let mut is_second = vec![false; features.len()];
    for _ in 0..NUM_ROUNDS {
        let nearer =
            |row: usize| dot(features.row(row), &centres[1]) > dot(features.row(row), &centres[0]);
        let next: Vec<bool> = (0..features.len()).map(nearer).collect();
        let is_settled = next == is_second;
        is_second = next;
        if is_settled {
            break;
        }
        centres = [false, true].map(|group| unit(sum_of(features, |row| is_second[row] == group)));
    }
    let num_second = is_second.iter().filter(|second| **second).count();
    if num_second == 0 || num_second == features.len() {
        return None;
    }
    if 2 * num_second > features.len() {
        for second in &mut is_second {
            *second = !*second;
        }
    }
    Some(is_second)
}

fn sum_of(features: &Features, is_in: impl Fn(usize) -> bool) -> Vec<f32> {
    let mut sum = vec![0.0; features.dim()];
    for row in (0..features.len()).filter(|row| is_in(*row)) {
        sum.iter_mut()
            .zip(features.row(row))
            .for_each(|(sum, x)| *sum += x);
    }
    sum
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = dot(&vector, &vector).sqrt();
    if length > 0.0 {
        for x in &mut vector {
            *x /= length;
        }
    }
    vector
}

/// The row that is least alike to `centre`.
fn furthest(features: &Features, centre: &[f32]) -> usize {
    let cosine = |row: &usize| dot(features.row(*row), centre);
    let rows = 0..features.len();
    rows.min_by(|a, b| cosine(a).total_cmp(&cosine(b)))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Matrix;

    fn features(rows: &[[f32; 2]]) -> Features {
        let rows = Matrix::from_rows(2, rows.iter().map(<[f32; 2]>::as_slice)).unwrap();
        Features::normalized(rows).unwrap()
    }

    #[test]
    fn two_bundles_come_apart_and_the_smaller_is_the_second() {
        let rows = [[1.0, 0.1], [0.1, 1.0], [1.0, 0.0], [1.0, -0.1], [0.0, 1.0]];
        let split = two_means(&features(&rows)).unwrap();
        assert_eq!(split, [false, true, false, false, true]);
    }

    #[test]
    fn what_is_all_the_same_is_not_split() {
        assert!(two_means(&features(&[[1.0, 0.0]])).is_none());
        assert!(two_means(&features(&[[1.0, 0.0]; 4])).is_none());
    }
}
