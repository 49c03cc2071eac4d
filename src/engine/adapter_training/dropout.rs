//! Dropout that can be made again: what is switched off depends on seed, step, photo and block alone, not on how a batch was
//! divided or when training was resumed.

use candle_core::{Device, Tensor};

use crate::clip::Dropout;
use crate::support::random::Random;

/// Masks for some photos of a step: 0 for `share` of the numbers, `1 / (1 - share)` for the others; `None` for no dropout.
pub(super) fn dropout(
    share: f64,
    seed: u64,
    step: usize,
    photos: &[usize],
    device: &Device,
) -> Option<Dropout> {
    if share <= 0.0 {
        return None;
    }
    let (photos, device) = (photos.to_vec(), device.clone());
    let kept = (1.0 / (1.0 - share)) as f32;
    // Two decisions from each random number.
    let threshold = (share * f64::from(u32::MAX)) as u32;
    Some(Box::new(move |block, dims| {
        let len = dims.iter().product::<usize>() / photos.len().max(1);
        let mut mask = Vec::with_capacity(len * photos.len());
        for photo in &photos {
            let mut random = Random::new(mixed(&[seed, step as u64, *photo as u64, block as u64]));
            let mut pending = None;
            mask.extend((0..len).map(|_| {
                let bits = pending.take().unwrap_or_else(|| {
                    let both = random.next_u64();
                    pending = Some((both >> 32) as u32);
                    both as u32
                });
                if bits < threshold { 0.0 } else { kept }
            }));
        }
        Tensor::from_vec(mask, dims, &device)
    }))
}

/// One seed from several.
pub(super) fn mixed(seeds: &[u64]) -> u64 {
    seeds
        .iter()
        .fold(0, |mixed, seed| Random::new(mixed ^ *seed).next_u64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_switched_off_and_the_mean_stays() {
        let mask = dropout(0.1, 1, 2, &[3, 4], &Device::Cpu).unwrap()(5, &[2, 500, 64]).unwrap();
        let numbers: Vec<f32> = mask.flatten_all().unwrap().to_vec1().unwrap();
        let off = numbers.iter().filter(|x| **x == 0.0).count() as f64 / numbers.len() as f64;
        let mean = numbers.iter().sum::<f32>() / numbers.len() as f32;
        assert!(
            (off - 0.1).abs() < 0.005 && (mean - 1.0).abs() < 0.006,
            "{off} {mean}"
        );
    }

    #[test]
    fn a_photos_mask_does_not_depend_on_its_neighbours() {
        let mask = |photos: &[usize]| -> Vec<f32> {
            let shape = [photos.len(), 7, 5];
            let mask = dropout(0.3, 1, 2, photos, &Device::Cpu).unwrap()(0, &shape).unwrap();
            mask.flatten_all().unwrap().to_vec1().unwrap()
        };
        assert_eq!(mask(&[3, 9])[35..], mask(&[9]));
        assert_ne!(mask(&[3]), mask(&[9]));
    }
}
