//! `IsoCLIP` and PCA against the reference.

use shotlens::features::{Features, Matrix};
use shotlens::methods::MethodError;
use shotlens::methods::projection::{Cut, IsoClip, Projection, ProjectionInput};
use shotlens::support::SupportSet;

use crate::methods::Golden;

#[track_caller]
fn check_rows(got: &Features, expected: &Matrix) {
    assert_eq!((got.len(), got.dim()), (expected.rows(), expected.cols()));
    let worst = got
        .matrix()
        .as_slice()
        .iter()
        .zip(expected.as_slice())
        .map(|(x, y)| (x - y).abs())
        .fold(0.0, f32::max);
    assert!(worst < 1e-3, "differs by {worst:e}");
}

#[test]
fn isoclip_is_the_references() {
    let golden = Golden::open("projections");
    let isoclip = IsoClip::new(golden.matrix("w_image"), golden.matrix("w_text")).unwrap();
    assert_eq!(isoclip.num_directions(), 80);
    let projection = isoclip.projection(Cut { top: 20, bottom: 6 }).unwrap();
    assert_eq!(
        (projection.id(), projection.input()),
        ("isoclip:20,6", ProjectionInput::Hidden)
    );
    check_rows(
        &projection.apply(golden.matrix("hidden")).unwrap(),
        golden.matrix("isoclip_20_6"),
    );
}

#[test]
fn pca_is_the_references_up_to_the_sign_of_its_axes() {
    let golden = Golden::open("projections");
    let projection = Projection::pca(&golden.features("words"), 32).unwrap();
    let got = projection.apply(golden.matrix("features")).unwrap();
    let expected = golden.matrix("pca_32");
    // A singular vector's sign is arbitrary: align every column with the reference before comparing.
    let sign = |col: usize| {
        (0..got.len())
            .map(|row| got.row(row)[col] * expected.row(row)[col])
            .sum::<f32>()
            .signum()
    };
    let signs: Vec<f32> = (0..got.dim()).map(sign).collect();
    let aligned = Matrix::from_fn(got.len(), got.dim(), |row, col| {
        got.row(row)[col] * signs[col]
    });
    check_rows(&Features::normalized(aligned).unwrap(), expected);
}

#[test]
fn a_cut_that_leaves_nothing_is_refused() {
    let golden = Golden::open("projections");
    let isoclip = IsoClip::new(golden.matrix("w_image"), golden.matrix("w_text")).unwrap();
    let error = isoclip
        .projection(Cut {
            top: 70,
            bottom: 10,
        })
        .unwrap_err();
    assert_eq!(
        error,
        MethodError::Cut {
            top: 70,
            bottom: 10,
            available: 80
        }
    );
    assert!(Projection::pca(&golden.features("words"), 65).is_err());
}

#[test]
fn the_chosen_cut_is_the_best_of_those_tried() {
    let golden = Golden::open("projections");
    let isoclip = IsoClip::new(golden.matrix("w_image"), golden.matrix("w_text")).unwrap();
    let hidden = golden.matrix("hidden");
    let labels: Vec<usize> = (0..hidden.rows()).map(|row| row % 3).collect();
    let support = SupportSet::from_rows(golden.features("features"), labels.clone(), 3).unwrap();
    let chosen = isoclip.choose_cut(hidden, &support).unwrap();
    let auroc = |cut| {
        let features = isoclip.projection(cut).unwrap().apply(hidden).unwrap();
        let options = shotlens::methods::overlap::OverlapOptions::default();
        let overlap = shotlens::methods::overlap::measure(
            &features,
            &labels,
            &options,
            &shotlens::progress::Progress::silent(),
        );
        overlap.unwrap().auroc.unwrap()
    };
    assert!((auroc(chosen.cut) - chosen.auroc).abs() < 1e-3);
    assert!(chosen.auroc >= auroc(Cut::default()) - 1e-3);
    assert_eq!(chosen.num_cuts, 20);
}
