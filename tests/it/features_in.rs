//! Features of other tools: measured as they lie, and photos with them as a project that embeds nothing.

use std::fs;
use std::path::{Path, PathBuf};

use shotlens::engine::feature_files::{FeatureSource, npy};
use shotlens::project::Project;

use crate::cli::{Shell, text};
use crate::eval::paint;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/features/clip_retrieval.parquet")
}

fn array(path: &Path, descr: &str, shape: &str, data: &[u8]) {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    fs::write(path, bytes).unwrap();
}

fn floats(path: &Path, rows: &[[f32; 2]]) {
    let data: Vec<u8> = rows
        .as_flattened()
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    array(path, "<f4", &format!("{}, 2", rows.len()), &data);
}

fn labels(path: &Path, labels: &[i64]) {
    let data: Vec<u8> = labels.iter().flat_map(|x| x.to_le_bytes()).collect();
    array(path, "<i8", &format!("{},", labels.len()), &data);
}

#[test]
fn pandas_tables_are_read_row_by_row() {
    let source = FeatureSource::open(&fixture()).unwrap();
    assert_eq!((source.num_rows(), source.model()), (6, None));
    // Rows of both groups.
    let (photos, features) = source.read(&[1, 3, 5]).unwrap();
    let found: Vec<_> = photos
        .iter()
        .map(|photo| (photo.path.as_str(), photo.label.as_deref()))
        .collect();
    assert_eq!(
        found,
        [
            ("000000001", None),
            ("000000003", Some("red")),
            ("000000005", None)
        ]
    );
    assert_eq!(features.row(1), [1.125, 0.125, 0.125, 0.125]);
}

#[test]
fn arrays_and_tables_are_measured_as_safetensors_are() {
    let shell = Shell::new();
    let folder = shell.path("arrays");
    fs::create_dir(&folder).unwrap();
    let (rows, classes) = (
        [[1.0, 0.1], [0.9, 0.0], [0.1, 1.0], [0.0, 0.9]],
        [0, 0, 1, 1],
    );
    floats(&folder.join("features.npy"), &rows);
    labels(&folder.join("classes.npy"), &classes);
    let (features, named) = (folder.join("features.npy"), folder.join("classes.npy"));
    shell.refuses(&["overlap", text(&features)], &["--labels", "features.npy"]);
    let found = shell.json(&[
        "overlap",
        text(&features),
        "--labels",
        text(&named),
        "--json",
    ]);
    assert_eq!(
        (&found["num_paired"], &found["auroc"]),
        (&2.into(), &1.0.into())
    );
    fs::rename(named, folder.join("labels.npy")).unwrap();
    assert_eq!(shell.json(&["overlap", text(&folder), "--json"]), found);
    let table = shell.json(&["overlap", text(&fixture()), "--json"]);
    assert_eq!(
        table["num_paired"], 1,
        "three labelled rows, two of them red: {table}"
    );

    for name in ["support", "queries"] {
        floats(&folder.join(format!("{name}.npy")), &rows);
    }
    floats(&folder.join("text.npy"), &[[1.0, 0.0], [0.0, 1.0]]);
    labels(&folder.join("query_labels.npy"), &classes);
    let tuned = shell.json(&["tune", text(&folder), "--method", "tip-adapter"]);
    assert_eq!(tuned["accuracy"], 100.0, "{tuned}");
    let out = shell.path("l.safetensors");
    shell.succeed(&[
        "score",
        text(&folder),
        "--method",
        "gda",
        "--out",
        text(&out),
    ]);
    fs::remove_file(folder.join("text.npy")).unwrap();
    shell.refuses(
        &[
            "score",
            text(&folder),
            "--method",
            "gda",
            "--out",
            text(&out),
        ],
        &["text.npy"],
    );
}

/// Photos of three colours and a project of them, their features as clip-retrieval has them.
fn exported(shell: &Shell) -> (PathBuf, PathBuf) {
    let photos = shell.path("photos");
    for (class, colour) in ["red", "green", "blue"].iter().enumerate() {
        for number in 0..3 {
            paint(
                &photos.join(format!("{colour}/{number}.png")),
                class,
                number,
            );
        }
    }
    let (project, out) = (shell.path("p.shotlens"), shell.path("emb"));
    shell.succeed(&["import", text(&photos), "--out", text(&project)]);
    shell.succeed(&[
        "export",
        text(&project),
        "--format",
        "clip-retrieval",
        "--out",
        text(&out),
    ]);
    (photos, out)
}

#[test]
fn a_sample_is_a_project_that_teaches_and_is_exported_without_its_files() {
    let shell = Shell::new();
    let (photos, emb) = exported(&shell);
    let project = shell.path("here.shotlens");
    let said = shell.json(&[
        "import",
        text(&emb),
        "--out",
        text(&project),
        "--sample",
        "6",
        "--seed",
        "2",
        "--json",
    ]);
    assert_eq!(
        (&said["photos"], &said["without_file"]),
        (&6.into(), &0.into()),
        "{said}"
    );

    fs::remove_dir_all(photos).unwrap();
    let project = shell.path("gone.shotlens");
    let said = shell.json(&["import", text(&emb), "--out", text(&project), "--json"]);
    assert_eq!(
        (&said["photos"], &said["without_file"]),
        (&9.into(), &9.into()),
        "{said}"
    );
    let state = Project::open(&project, std::sync::Arc::new(|| ()))
        .unwrap()
        .state()
        .clone();
    assert!(
        state.settings().learn_from_labels
            && state.photos().iter().all(|photo| photo.file.hash.is_some())
    );
    // Predicted by what is labelled, without one photo's file.
    let table = shell.path("labels.csv");
    shell.succeed(&[
        "export",
        text(&project),
        "--format",
        "csv",
        "--out",
        text(&table),
    ]);
    assert_eq!(fs::read_to_string(&table).unwrap().lines().count(), 10);
    let classifier = shell.path("c.safetensors");
    shell.succeed(&[
        "export",
        text(&project),
        "--format",
        "classifier",
        "--out",
        text(&classifier),
    ]);
}

#[test]
fn features_of_another_model_are_refused() {
    let shell = Shell::new();
    let (_photos, emb) = exported(&shell);
    let out = shell.path("q.shotlens");
    // As another tool writes them: without the model's name, and with rows that are not these photos'.
    let mut rows: Vec<Vec<f32>> = vec![vec![0.0; 256]; 9];
    for (index, row) in rows.iter_mut().enumerate() {
        row[index] = 1.0;
    }
    let mut bytes = Vec::new();
    npy::write_halves(&mut bytes, 256, rows.iter().map(Vec::as_slice)).unwrap();
    fs::write(emb.join("img_emb/img_emb_0.npy"), bytes).unwrap();
    shell.refuses(
        &["import", text(&emb), "--out", text(&out)],
        &["not of the model", ".png"],
    );
    shell.refuses(
        &["import", text(&fixture()), "--out", text(&out)],
        &["--model"],
    );
    shell.refuses(
        &[
            "import",
            text(&fixture()),
            "--out",
            text(&out),
            "--model",
            "embedded",
        ],
        &["4 numbers", "256"],
    );
    assert!(!out.exists());
}
