//! Intra-modal overlap against the reference and against brute force.

use shotlens::features::{Features, Matrix};
use shotlens::methods::overlap::{
    Kind, Overlap, OverlapOptions, Pair, PairQuery, bin_edge, extreme_pairs, measure,
};
use shotlens::progress::Progress;
use shotlens::support::random::Random;

use crate::golden::Golden;

fn measured(features: &Features, labels: &[usize], options: OverlapOptions) -> Overlap {
    measure(features, labels, &options, &Progress::silent()).expect("test data")
}

#[test]
fn the_overlap_is_the_references() {
    for name in ["0", "2"] {
        let Some(golden) = Golden::find(name) else {
            continue;
        };
        let got = measured(
            &golden.features("support"),
            golden.integers("labels"),
            OverlapOptions::default(),
        );
        let expected = &golden.json["overlap"];
        for (key, value) in [
            ("auroc", got.auroc),
            ("paired_mean", got.paired_mean),
            ("unpaired_mean", got.unpaired_mean),
        ] {
            assert!(
                (value.unwrap() - expected[key].as_f64().unwrap()).abs() < 1e-5,
                "{name} {key}"
            );
        }
        for (key, shares, count) in [
            ("paired", &got.paired, got.num_paired),
            ("unpaired", &got.unpaired, got.num_unpaired),
        ] {
            let reference = expected[key].as_array().unwrap();
            assert_eq!(shares.len(), reference.len());
            for (share, reference) in shares.iter().zip(reference) {
                assert!(
                    (share - reference.as_f64().unwrap()).abs() * count as f64 <= 1.0 + 1e-6,
                    "{name} {key}"
                );
            }
        }
        let overlap = expected["overlap"].as_f64().unwrap();
        assert!(
            (got.overlap.unwrap() - overlap).abs() <= 2.0 / got.num_paired as f64,
            "{name}"
        );
        assert!(!got.is_sampled);
    }
}

#[test]
fn a_sample_of_pairs_comes_close_to_all_of_them() {
    let Some(golden) = Golden::find("2") else {
        return;
    };
    let (features, labels) = (golden.features("support"), golden.integers("labels"));
    let with = |max_pairs| {
        let options = OverlapOptions {
            max_pairs,
            ..OverlapOptions::default()
        };
        measured(&features, labels, options)
    };
    let all = with(1_000_000);
    let sampled = with(60_000);
    assert!(sampled.is_sampled && !all.is_sampled);
    assert_eq!(sampled.num_paired, all.num_paired);
    assert!((50_000..=60_000).contains(&(sampled.num_paired + sampled.num_unpaired)));
    assert!((sampled.unpaired_mean.unwrap() - all.unpaired_mean.unwrap()).abs() < 2e-3);
    assert!((sampled.paired_mean.unwrap() - all.paired_mean.unwrap()).abs() < 1e-6);
    let both = with(6_000);
    assert!(both.num_paired < all.num_paired && both.num_paired + both.num_unpaired <= 6_000);
    assert!((both.paired_mean.unwrap() - all.paired_mean.unwrap()).abs() < 0.03);
    assert!((both.auroc.unwrap() - all.auroc.unwrap()).abs() < 5e-3);
    assert_eq!(both, with(6_000), "the seed decides");
}

#[test]
fn the_interval_holds_the_figure_and_narrows_with_more_photos() {
    // 37 classes of 16 photos, each around a direction of its own.
    let labels: Vec<usize> = (0..592).map(|row| row / 16).collect();
    let mut random = Random::new(3);
    let centres = Matrix::from_fn(37, 128, |_, _| random.normal() as f32);
    let rows = Matrix::from_fn(592, 128, |row, col| {
        centres.row(row / 16)[col] + random.normal() as f32
    });
    let adapted = Features::normalized(rows).unwrap();
    let width = |count: usize| {
        // Noise in the labels brings the AUROC down from 1, where every interval would be narrow.
        let mut random = Random::new(5);
        let rows: Vec<usize> = (0..count).map(|i| i * (labels.len() / count)).collect();
        let noisy: Vec<usize> = rows
            .iter()
            .map(|row| {
                if random.below(3) == 0 {
                    random.below(4)
                } else {
                    labels[*row] % 4
                }
            })
            .collect();
        let overlap = measured(&adapted.select(&rows), &noisy, OverlapOptions::headline());
        let (auroc, interval) = (overlap.auroc.unwrap(), overlap.auroc_interval.unwrap());
        assert!(
            interval.low < auroc && auroc < interval.high,
            "{interval:?} {auroc}"
        );
        assert!(!overlap.has_too_few);
        interval.high - interval.low
    };
    assert!(width(500) < width(60));
}

#[test]
fn adaptive_bins_hold_ten_pairs_of_the_sparser_kind() {
    let golden = Golden::open("0");
    let overlap = measured(
        &golden.features("support"),
        golden.integers("labels"),
        OverlapOptions::headline(),
    );
    assert_eq!(
        (overlap.num_paired, overlap.num_bins(), overlap.has_too_few),
        (42, 4, true)
    );
    assert!((bin_edge(1, 4) + 0.5).abs() < 1e-12 && (bin_edge(4, 4) - 1.0).abs() < 1e-12);
}

#[test]
fn the_variance_is_the_mean_over_dimensions() {
    let features =
        Features::normalized(Matrix::new(2, 2, vec![1.0, 0.0, 0.0, 1.0]).unwrap()).unwrap();
    let overlap = measured(&features, &[0, 1], OverlapOptions::default());
    assert!((overlap.variance - 0.25).abs() < 1e-7);
}

#[test]
fn the_most_surprising_pairs_are_those_of_a_full_sort() {
    let Some(golden) = Golden::find("2") else {
        return;
    };
    let (features, labels) = (golden.features("support_imo"), golden.integers("labels"));
    let groups: Vec<usize> = (0..labels.len()).map(|row| row / 2).collect();
    let cosines = features.cosines(&features);
    for (kind, low, high) in [
        (Kind::Unpaired, -1.0, 1.0),
        (Kind::Paired, -1.0, 1.0),
        (Kind::Paired, 0.4, 0.5),
    ] {
        let mut expected = Vec::new();
        for first in 0..labels.len() {
            for second in first + 1..labels.len() {
                let cosine = cosines.row(first)[second];
                let is_kind = (labels[first] == labels[second]) == (kind == Kind::Paired);
                if is_kind && groups[first] != groups[second] && (low..=high).contains(&cosine) {
                    expected.push(Pair {
                        first,
                        second,
                        cosine,
                    });
                }
            }
        }
        expected.sort_by(|a, b| {
            if kind == Kind::Unpaired {
                b.cosine.total_cmp(&a.cosine)
            } else {
                a.cosine.total_cmp(&b.cosine)
            }
        });
        let query = PairQuery {
            kind,
            low,
            high,
            count: 12,
        };
        let got = extreme_pairs(
            &features,
            labels,
            Some(&groups),
            &query,
            &Progress::silent(),
        )
        .unwrap();
        assert_eq!(got.len(), 12);
        for (got, expected) in got.iter().zip(&expected) {
            assert_eq!((got.first, got.second), (expected.first, expected.second));
        }
    }
}
