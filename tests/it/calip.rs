//! CALIP against its authors' lines in float64, from pixels to logits.

use std::path::PathBuf;

use shotlens::clip::{Clip, DeviceChoice, OpenOptions, Path, Precision};
use shotlens::features::{Features, Matrix};
use shotlens::methods::{Knowledge, Method, MethodError, Parameters, Parts, Queries, check, fit};
use shotlens::support::SupportSet;

use crate::clip_data::{assert_close, crops, files, matrix, open};

fn golden(name: &str) -> Matrix {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/calip/golden.safetensors");
    matrix(&path, name)
}

fn unit(rows: &Matrix) -> Features {
    Features::normalized(rows.clone()).unwrap()
}

/// Logits of the golden crops at the reference's weights.
fn logits(clip: &Clip) -> Matrix {
    let crops = crops(224);
    let (queries, parts) = (
        unit(&clip.encode_crops(&crops, None).unwrap().features),
        unit(&clip.encode_parts(&crops).unwrap().unwrap()),
    );
    let (text, none) = (unit(&golden("text")), no_shots(5));
    let knowledge = Knowledge {
        has_parts: true,
        ..Knowledge::new(&none, &text)
    };
    check(Method::Calip, &knowledge).unwrap();
    let parameters = Parameters {
        alpha: 1.12,
        beta: 0.3,
        ..Parameters::default()
    };
    let num_parts = clip.num_parts().unwrap();
    let queries = Queries {
        parts: Some(Parts {
            features: &parts,
            num_parts,
        }),
        ..Queries::new(&queries)
    };
    fit(Method::Calip, &parameters, &knowledge)
        .unwrap()
        .logits(queries)
        .unwrap()
        .0
}

fn no_shots(num_classes: usize) -> SupportSet {
    SupportSet::new(Features::default(), Vec::new(), num_classes, Vec::new()).unwrap()
}

#[test]
fn parts_and_logits_are_those_of_the_reference() {
    for path in [Path::Fused, Path::BuiltIn] {
        let options = OpenOptions {
            device: DeviceChoice::Cpu,
            precision: Precision::F32,
            activation: None,
        };
        let clip = Clip::open_on_path(&files("openai_rn_small"), &options, path).unwrap();
        assert_eq!(clip.num_parts(), Some(49));
        let parts = clip.encode_parts(&crops(224)[..3]).unwrap().unwrap();
        assert_close(&parts, &golden("parts"), 1e-3);
        assert_close(&logits(&clip), &golden("logits"), 1e-3);
    }
}

#[test]
fn a_tower_without_parts_is_refused_with_the_remedy() {
    let clip = open("openai_vit");
    assert_eq!(clip.num_parts(), None);
    assert_eq!(clip.encode_parts(&crops(224)[..1]).unwrap(), None);
    let (text, none) = (unit(&golden("text")), no_shots(5));
    let knowledge = Knowledge::new(&none, &text);
    let method = Method::Calip;
    assert_eq!(
        check(method, &knowledge),
        Err(MethodError::NoParts { method })
    );
    let classifier = fit(method, &Parameters::default(), &knowledge).unwrap();
    assert_eq!(
        classifier.logits(Queries::new(&text)).unwrap_err(),
        MethodError::NoParts { method }
    );
}

#[test]
fn parts_that_do_not_fit_the_photos_are_refused() {
    let (text, none) = (unit(&golden("text")), no_shots(5));
    let knowledge = Knowledge {
        has_parts: true,
        ..Knowledge::new(&none, &text)
    };
    let classifier = fit(Method::Calip, &Parameters::default(), &knowledge).unwrap();
    let parts = unit(&golden("parts"));
    let queries = Queries {
        parts: Some(Parts {
            features: &parts,
            num_parts: 49,
        }),
        ..Queries::new(&text)
    };
    let expected = MethodError::Rows {
        what: "parts of queries",
        got: 147,
        expected: 245,
    };
    assert_eq!(classifier.logits(queries).unwrap_err(), expected);
}
