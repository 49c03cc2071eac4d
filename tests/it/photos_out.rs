//! Photos out of a project and in again, on made-up photos of three colours; a classifier file here and in numpy.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use shotlens::project::{Project, ProjectState, Role};

use crate::cli::{Shell, text};
use crate::eval::paint;

const COLOURS: [&str; 3] = ["red", "green", "blue"];

/// Two shots a class in `support`, one photo a class and a broken one in `pool`.
fn photos(shell: &Shell) -> (PathBuf, PathBuf) {
    let (support, pool) = (shell.path("support"), shell.path("pool"));
    for (class, colour) in COLOURS.iter().enumerate() {
        for number in 0..2 {
            paint(
                &support.join(colour).join(format!("{number}.png")),
                class,
                number,
            );
        }
        paint(&pool.join(format!("photo, {colour}.png")), class, 3);
    }
    fs::write(pool.join("broken.jpg"), "no picture").unwrap();
    (support, pool)
}

/// The same as a project: shots, one labelled photo, two to predict, and one that is missing.
fn project(shell: &Shell, method: &str) -> PathBuf {
    let (support, pool) = photos(shell);
    let path = shell.path("colours.shotlens");
    let mut lines = vec!["path,label,decided_by".to_owned()];
    for colour in COLOURS {
        for number in 0..2 {
            let shot = support.join(format!("{colour}/{number}.png"));
            lines.push(format!("{},{colour},shot", shot.display()));
        }
        let label = if colour == "red" { colour } else { "" };
        let photo = pool.join(format!("photo, {colour}.png"));
        lines.push(format!("\"{}\",{label},", photo.display()));
    }
    let gone = pool.join("gone.png");
    fs::copy(pool.join("photo, red.png"), &gone).unwrap();
    lines.push(format!("{},,", gone.display()));
    let list = shell.path("list.csv");
    fs::write(&list, lines.join("\n")).unwrap();
    // By its bare name, from its folder.
    shell.succeed(&["import", "list.csv", "--out", text(&path)]);
    fs::remove_file(gone).unwrap();
    let mut opened = Project::open(&path, std::sync::Arc::new(|| ())).unwrap();
    let settings = shotlens::project::Settings {
        method: method.to_owned(),
        ..opened.state().settings().clone()
    };
    opened
        .perform(shotlens::project::Edit::SetSettings(settings))
        .unwrap();
    assert!(opened.flush());
    path
}

fn state(path: &Path) -> ProjectState {
    let opened = Project::open(path, std::sync::Arc::new(|| ())).unwrap();
    opened.state().clone()
}

/// File name, class name and whether it is a shot, of every labelled photo, and how many photos there are.
fn labels(state: &ProjectState) -> (BTreeMap<String, (String, bool)>, usize) {
    let class = |id| state.class(id).unwrap().name.clone();
    let labelled = state.photos().iter().filter_map(|photo| {
        let (id, is_shot) = match photo.role {
            Role::Shot(id) => (id, true),
            Role::Pool => (photo.label?, false),
        };
        let path = photo
            .path
            .strip_prefix(photo.path.parent()?.parent()?)
            .ok()?;
        Some((text(path).to_owned(), (class(id), is_shot)))
    });
    (labelled.collect(), state.photos().len())
}

fn rows(table: &Path) -> Vec<Vec<String>> {
    let lines = shotlens::engine::csv::lines(&fs::read_to_string(table).unwrap());
    lines.into_iter().map(|line| line.cells).collect()
}

#[test]
fn a_folder_is_labelled_by_its_shots() {
    let shell = Shell::new();
    let (support, pool) = photos(&shell);
    let out = shell.path("labels.csv");
    let arguments = [
        "label",
        text(&pool),
        "--support",
        text(&support),
        "--method",
        "gda",
        "--out",
        text(&out),
        "--json",
    ];
    let summary = shell.json(&arguments);
    assert_eq!(summary["photos"], 3, "{summary}");
    assert_eq!(summary["skipped"][0], "broken.jpg");
    assert_eq!(summary["calibrated"], true);
    let rows = rows(&out);
    assert_eq!(
        rows[0],
        ["path", "label", "prediction", "confidence", "decided_by"]
    );
    for row in &rows[1..] {
        let colour = row[0]
            .strip_prefix("photo, ")
            .unwrap()
            .strip_suffix(".png")
            .unwrap();
        assert_eq!(
            (row[1].as_str(), row[2].as_str(), row[4].as_str()),
            ("", colour, "gda")
        );
        let confidence: f32 = row[3].parse().unwrap();
        assert!((0.0..=1.0).contains(&confidence));
    }
    shell.refuses(
        &[
            "label",
            text(&pool),
            "--classifier",
            text(&out),
            "--out",
            "x.csv",
        ],
        &["no classifier file", "labels.csv"],
    );
}

#[test]
fn a_classifier_file_predicts_as_its_project_and_as_numpy() {
    let shell = Shell::new();
    for method in ["tip-adapter", "zero-shot", "gda", "tip-x"] {
        let project = shell.path("colours.shotlens");
        fs::remove_file(&project).ok();
        let project = self::project(&shell, method);
        let (classifier, table, labels) = (
            shell.path("c.safetensors"),
            shell.path("table.csv"),
            shell.path("labels.csv"),
        );
        shell.succeed(&[
            "export",
            text(&project),
            "--format",
            "classifier",
            "--out",
            text(&classifier),
            "--force",
        ]);
        shell.succeed(&[
            "export",
            text(&project),
            "--format",
            "csv",
            "--out",
            text(&table),
            "--force",
        ]);
        let pool = shell.path("pool");
        shell.succeed(&[
            "label",
            text(&pool),
            "--classifier",
            text(&classifier),
            "--out",
            text(&labels),
        ]);
        let by_project: BTreeMap<String, Vec<String>> = rows(&table)
            .into_iter()
            .filter_map(|row| Some((row[0].strip_prefix("pool/")?.to_owned(), row[2..4].to_vec())))
            .collect();
        let by_file: BTreeMap<String, Vec<String>> = rows(&labels)[1..]
            .iter()
            .map(|row| (row[0].clone(), row[2..4].to_vec()))
            .collect();
        assert_eq!(by_project, by_file, "{method}");
        agrees_with_numpy(&shell, &classifier, &by_file);
    }
    other_models_are_refused(&shell);
}

/// Compares with the example in Python, to 1e-4 of a confidence.
fn agrees_with_numpy(shell: &Shell, classifier: &Path, expected: &BTreeMap<String, Vec<String>>) {
    let python = std::env::var("SHOTLENS_PYTHON").unwrap_or_else(|_unset| "python3".to_owned());
    let check = Command::new(&python)
        .args(["-c", "import numpy, safetensors"])
        .output();
    if !check.is_ok_and(|output| output.status.success()) {
        println!("skipped: no python3 with numpy and safetensors (SHOTLENS_PYTHON names one)");
        return;
    }
    let features = shell.path("f.safetensors");
    shell.succeed(&["embed", text(&shell.path("pool")), "--out", text(&features)]);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/apply_classifier.py");
    let output = Command::new(&python)
        .args([&example, classifier, &features])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(said.lines().count(), expected.len());
    for line in said.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let row = &expected[cells[0]];
        let (here, there): (f64, f64) = (row[1].parse().unwrap(), cells[2].parse().unwrap());
        assert_eq!(row[0], cells[1], "{line}");
        assert!((here - there).abs() < 1.5e-4, "{line} and here {here}");
    }
}

fn other_models_are_refused(shell: &Shell) {
    let file = shell.path("c.safetensors");
    let bytes = fs::read(&file).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let hash = header.metadata().as_ref().unwrap()["base_model_hash"].clone();
    let other = "0".repeat(hash.len());
    let edited = String::from_utf8_lossy(&bytes[..64_000.min(bytes.len())]).contains(&hash);
    assert!(edited, "the hash stands in the header");
    let mut changed = bytes.clone();
    let places: Vec<usize> = (0..bytes.len() - hash.len())
        .filter(|at| bytes[*at..].starts_with(hash.as_bytes()))
        .collect();
    for at in places {
        changed[at..at + hash.len()].copy_from_slice(other.as_bytes());
    }
    fs::write(&file, changed).unwrap();
    let pool = shell.path("pool");
    shell.refuses(
        &[
            "label",
            text(&pool),
            "--classifier",
            text(&file),
            "--out",
            "x.csv",
        ],
        &["--model", "000000000000"],
    );
}

#[test]
fn what_is_exported_is_imported_as_it_was() {
    let shell = Shell::new();
    let project = project(&shell, "tip-adapter");
    let (expected, num_photos) = labels(&state(&project));
    let out = shell.path("table.csv");
    shell.succeed(&[
        "export",
        text(&project),
        "--format",
        "csv",
        "--out",
        text(&out),
    ]);
    shell.refuses(
        &[
            "export",
            text(&project),
            "--format",
            "csv",
            "--out",
            text(&out),
        ],
        &["--force"],
    );
    let again = shell.path("again.shotlens");
    shell.succeed(&["import", text(&out), "--out", text(&again)]);
    let (found, num_found) = labels(&state(&again));
    assert_eq!(found, expected);
    assert_eq!(num_found, num_photos - 1, "all but the missing one");
    let by: Vec<String> = rows(&out)[1..].iter().map(|row| row[4].clone()).collect();
    assert!(
        by.contains(&"import".to_owned()) && by.contains(&"shot".to_owned()),
        "{by:?}"
    );
    assert!(by.contains(&"tip-adapter".to_owned()), "{by:?}");

    let names = |state: &ProjectState| -> Vec<String> {
        labels(state)
            .0
            .into_values()
            .map(|(class, _)| class)
            .collect()
    };
    for format in ["imagefolder", "fiftyone"] {
        let (out, again) = (
            shell.path(format),
            shell.path(&format!("{format}.shotlens")),
        );
        shell.succeed(&[
            "export",
            text(&project),
            "--format",
            format,
            "--out",
            text(&out),
            "--labelled-only",
        ]);
        shell.succeed(&["import", text(&out), "--out", text(&again)]);
        let (mut found, mut expected) = (names(&state(&again)), names(&state(&project)));
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{format}");
    }
}

#[test]
fn folders_for_other_programs_hold_what_they_expect() {
    let shell = Shell::new();
    let project = project(&shell, "gda");
    let export = |format: &str, more: &[&str]| {
        let out = shell.path(&format!("out-{format}"));
        let output = shell.run(
            &[
                &[
                    "export",
                    text(&project),
                    "--format",
                    format,
                    "--out",
                    text(&out),
                ],
                more,
            ]
            .concat(),
        );
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(
            said.contains("gone.png"),
            "the missing photo is named: {said}"
        );
        out
    };
    let folders = export("folders", &["--link", "hardlink"]);
    assert!(folders.join("red/0.png").is_file() && folders.join("blue/photo, blue.png").is_file());
    let coco: Value =
        serde_json::from_slice(&fs::read(export("coco", &[]).join("annotations.json")).unwrap())
            .unwrap();
    assert_eq!(coco["images"].as_array().unwrap().len(), 9);
    assert_eq!(
        coco["annotations"].as_array().unwrap().len(),
        7,
        "labelled photos only"
    );
    assert_eq!(coco["images"][0]["width"], 32);
    let yolo = export("yolo", &[]);
    for colour in COLOURS {
        let count = |part: &str| fs::read_dir(yolo.join(part).join(colour)).unwrap().count();
        assert_eq!((count("train"), count("val")), (2, 1));
    }
    let parquet = fs::read(export("parquet", &[])).unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    assert!(
        shell.path("support/red/0.png").is_file(),
        "nothing was moved"
    );
}

#[test]
fn coops_lists_are_imported_with_their_classes_in_order() {
    let shell = Shell::new();
    let folder = shell.path("eurosat");
    for (class, colour) in COLOURS.iter().enumerate() {
        paint(&folder.join(format!("2750/{colour}/0.png")), class, 0);
    }
    let list = serde_json::json!({"train": [["red/0.png", 2, "red"], ["green/0.png", 0, "green"]], "val": [["blue/0.png", 1, "blue"]], "test": []});
    fs::write(folder.join("split_zhou_EuroSAT.json"), list.to_string()).unwrap();
    let out = shell.path("p.shotlens");
    shell.succeed(&[
        "import",
        text(&folder.join("split_zhou_EuroSAT.json")),
        "--out",
        text(&out),
    ]);
    let state = state(&out);
    let names: Vec<&str> = state
        .classes()
        .iter()
        .map(|class| class.name.as_str())
        .collect();
    assert_eq!(names, ["green", "blue", "red"]);
    assert_eq!(labels(&state).0.len(), 3);
}
