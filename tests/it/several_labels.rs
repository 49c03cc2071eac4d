//! Photos with several labels out of a project and in again; and what is learnt of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shotlens::ids::PhotoId;
use shotlens::project::{Edit, LabelSource, Project, ProjectState, Settings};

use crate::cli::Shell;
use crate::eval::paint;

/// The last one has what joins names in a cell.
const CLASSES: [&str; 4] = ["red", "green", "blue", r"na|vy\"];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Two shots of every class but the last, and a pool with two labels, one, two with the last class among them, that alone, none.
fn project(shell: &Shell) -> PathBuf {
    let mut lines = vec!["path,label,decided_by".to_owned()];
    let mut add = |name: &str, colour: usize, number: usize, label: &str, by: &str| {
        let photo = shell.path(name);
        paint(&photo, colour, number);
        lines.push(format!("{},{label},{by}", photo.display()));
    };
    for (colour, class) in CLASSES[..3].iter().enumerate() {
        for number in 0..2 {
            add(
                &format!("{class}-{number}.png"),
                colour,
                number,
                class,
                "shot",
            );
        }
    }
    let pool = [
        ("a.png", "red|green"),
        ("b.png", "blue"),
        ("c.png", r"na\|vy\\|blue"),
        ("d.png", r"na\|vy\\"),
        ("e.png", ""),
    ];
    for (number, (name, label)) in pool.into_iter().enumerate() {
        add(name, 2, 3 + number, label, "");
    }
    let (list, path) = (shell.path("list.csv"), shell.path("colours.shotlens"));
    fs::write(&list, lines.join("\n")).unwrap();
    shell.succeed(&["import", text(&list), "--out", text(&path)]);
    path
}

fn opened(path: &Path) -> Project {
    Project::open(path, std::sync::Arc::new(|| ())).unwrap()
}

/// The labels of every photo of the pool that has some, sorted by the photo's name.
fn labels(state: &ProjectState) -> BTreeMap<String, Vec<String>> {
    let photos = state.pool().iter().filter_map(|id| state.photo(*id));
    let named = photos.map(|photo| {
        let name = photo.path.file_name().unwrap().to_str().unwrap();
        let labels = photo.labels();
        let classes = labels.map(|class| state.class(class).unwrap().name.clone());
        (name.to_owned(), classes.collect::<Vec<String>>())
    });
    named
        .filter(|(name, labels)| name.len() == "a.png".len() && !labels.is_empty())
        .collect()
}

fn export(shell: &Shell, project: &Path, format: &str) -> PathBuf {
    let out = shell.path(&format!("out-{format}"));
    let arguments = [
        "export",
        text(project),
        "--format",
        format,
        "--labelled-only",
    ];
    shell.succeed(&[&arguments[..], &["--force", "--out", text(&out)]].concat());
    out
}

#[test]
fn what_was_exported_with_several_labels_is_imported_as_it_was() {
    let shell = Shell::new();
    let project = project(&shell);
    let expected = labels(opened(&project).state());
    let wanted: [(&str, &[&str]); 4] = [
        ("a.png", &["red", "green"]),
        ("b.png", &["blue"]),
        ("c.png", &[CLASSES[3], "blue"]),
        ("d.png", &[CLASSES[3]]),
    ];
    let wanted = wanted.map(|(photo, classes)| {
        let classes: Vec<String> = classes.iter().map(ToString::to_string).collect();
        (photo.to_owned(), classes)
    });
    assert_eq!(expected, BTreeMap::from(wanted));
    for format in ["csv", "imagefolder", "fiftyone"] {
        let out = export(&shell, &project, format);
        let again = shell.path(&format!("{format}.shotlens"));
        shell.succeed(&[
            "import",
            text(&out),
            "--format",
            format,
            "--out",
            text(&again),
        ]);
        let again = opened(&again);
        assert_eq!(labels(again.state()), expected, "{format}");
        assert!(again.state().settings().multi_label, "{format}");
    }
    let table = fs::read_to_string(export(&shell, &project, "csv")).unwrap();
    assert!(table.contains(",red|green,"), "{table}");
}

#[test]
fn folders_and_lists_name_every_label() {
    let shell = Shell::new();
    let project = project(&shell);
    let folders = export(&shell, &project, "folders");
    let holds = |photo: &str| -> Vec<String> {
        let entries = fs::read_dir(&folders).unwrap().map(|entry| entry.unwrap());
        let holding = entries.filter(|entry| entry.path().join(photo).is_file());
        let mut names: Vec<String> = holding
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(holds("a.png"), ["green", "red"]);
    assert_eq!(holds("b.png"), ["blue"]);
    assert_eq!(holds("c.png"), ["blue", "na_vy_"]);

    let yolo = export(&shell, &project, "yolo");
    for part in ["train", "val"] {
        let is_there = |class: &str| yolo.join(part).join(class).join("a.png").is_file();
        assert_eq!(
            is_there("red"),
            is_there("green"),
            "no photo learns and judges"
        );
    }

    let read = |path: PathBuf| fs::read_to_string(path).unwrap();
    let lines = read(export(&shell, &project, "imagefolder").join("metadata.jsonl"));
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |name: &str| {
        let mut lines = lines.iter();
        let line = lines.find(|line| line["file_name"].as_str().unwrap().ends_with(name));
        line.unwrap()["label"].clone()
    };
    assert_eq!(of("a.png"), json!(["red", "green"]));
    assert_eq!(of("b.png"), json!("blue"));
    assert_eq!(of("e.png"), Value::Null);

    let list: Value = serde_json::from_str(&read(
        export(&shell, &project, "fiftyone").join("labels.json"),
    ))
    .unwrap();
    let place = |class: &str| {
        let mut classes = list["classes"].as_array().unwrap().iter();
        classes.position(|name| name == class).unwrap()
    };
    assert_eq!(list["labels"]["a"], json!([place("red"), place("green")]));
    assert_eq!(list["labels"]["b"], json!(place("blue")));

    let coco: Value = serde_json::from_str(&read(
        export(&shell, &project, "coco").join("annotations.json"),
    ))
    .unwrap();
    let images = coco["images"].as_array().unwrap();
    let mut images = images.iter();
    let image = images.find(|image| image["file_name"].as_str().unwrap().ends_with("a.png"));
    let annotations = coco["annotations"].as_array().unwrap().iter();
    let own = annotations.filter(|one| one["image_id"] == image.unwrap()["id"]);
    let own: Vec<&Value> = own.map(|one| &one["category_id"]).collect();
    assert_eq!(own, [&json!(place("red") + 1), &json!(place("green") + 1)]);
}

/// The prediction of a photo in the table of a project.
fn prediction(shell: &Shell, project: &Path, photo: &str) -> String {
    let table = fs::read_to_string(export(shell, project, "csv")).unwrap();
    let lines = shotlens::engine::csv::lines(&table);
    let mut rows = lines.into_iter().map(|line| line.cells);
    rows.find(|row| row[0].ends_with(photo)).unwrap()[2].clone()
}

fn photo_named(state: &ProjectState, name: &str) -> PhotoId {
    let mut photos = state.photos().iter();
    photos.find(|photo| photo.path.ends_with(name)).unwrap().id
}

#[test]
fn a_photo_learnt_as_several_classes_is_left_out_of_all_of_them_at_once() {
    let shell = Shell::new();
    let path = project(&shell);
    let mut project = opened(&path);
    let settings = Settings {
        learn_from_labels: true,
        auto_tuned: false,
        // The shots decide.
        alpha: 50.0,
        ..project.state().settings().clone()
    };
    project.perform(Edit::SetSettings(settings)).unwrap();
    // One blue shot is left: it outweighs the photo's own keys only where those are left out, both of them.
    let a = photo_named(project.state(), "a.png");
    let others = ["b.png", "c.png", "d.png", "blue-1.png"];
    let others = others.map(|name| photo_named(project.state(), name));
    project
        .perform(Edit::RemovePhotos(others.to_vec()))
        .unwrap();
    let support = project.state().support();
    let places: Vec<usize> = support
        .iter()
        .filter(|(photo, _)| *photo == a)
        .map(|(_, place)| *place)
        .collect();
    assert_eq!(places.len(), 2, "{support:?}");
    assert!(project.flush());
    drop(project);
    assert_eq!(prediction(&shell, &path, "a.png"), "blue", "by the others");
    let alike = prediction(&shell, &path, "e.png");
    assert_ne!(alike, "blue", "to other photos its keys do count");

    // Without a label the same is said of it.
    let mut project = opened(&path);
    let clear = Edit::label(a, None, LabelSource::User);
    project.perform(clear).unwrap();
    assert!(project.flush());
    drop(project);
    assert_eq!(prediction(&shell, &path, "a.png"), "blue");
}
