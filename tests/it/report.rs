//! `shotlens report` on small projects of three colours, against the library's own figures and against what a browser needs.

use std::fs;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use serde_json::Value;
use shotlens::project::{Edit, ProjectFile, ProjectState, Role, Settings, apply, stamp};

use crate::cli::Shell;

/// What a class name must not do to the page.
const CLASSES: [&str; 3] = ["<script>alert(1)</script>", "R&D \"green\"", "blue"];

/// A picture of one colour with a soft edge; every `number` has other bytes, and some lean towards the next colour.
fn paint(path: &Path, class: usize, number: usize) {
    let picture = RgbImage::from_fn(32, 32, |x, y| {
        let mut pixel = [20 + 3 * number as u8, 10 + x as u8, 10 + y as u8];
        pixel[class] = 235 - number as u8;
        pixel[(class + 1) % 3] = pixel[(class + 1) % 3].max(40 * (number % 5) as u8);
        Rgb(pixel)
    });
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture
        .save_with_format(path, image::ImageFormat::Png)
        .unwrap();
}

/// A project of three colours with `num_shots` shots each and `num_pool` photos each in the pool, of which `num_labelled` are labelled.
fn project(shell: &Shell, num_shots: usize, num_pool: usize, num_labelled: usize) -> PathBuf {
    let mut state = ProjectState::new();
    for (index, name) in CLASSES.iter().enumerate() {
        let class = state.new_class(name);
        let id = class.id;
        apply(&mut state, Edit::AddClass(class)).unwrap();
        for number in 0..num_shots + num_pool {
            let is_shot = number < num_shots;
            let folder = if is_shot { "shots" } else { "pool" };
            let path = shell.path(&format!("{folder}/{index}/{number}.png"));
            paint(&path, index, number);
            let role = if is_shot { Role::Shot(id) } else { Role::Pool };
            let mut photo = state.new_photo(&path, role, stamp(&path));
            photo.label = (!is_shot && number - num_shots < num_labelled).then_some(id);
            apply(&mut state, Edit::AddPhotos(vec![photo])).unwrap();
        }
    }
    let settings = Settings {
        adapter: None,
        ..state.settings().clone()
    };
    apply(&mut state, Edit::SetSettings(settings)).unwrap();
    let path = shell.path("colours & more.shotlens");
    drop(ProjectFile::create(&path, &state).unwrap());
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Every element that is opened is closed, in order, and every `&` begins an entity: what XML asks for.
#[track_caller]
fn check_well_formed(page: &str) {
    let page = page.strip_prefix("<!DOCTYPE html>").unwrap();
    let tag = regex::Regex::new(
        r#"<(/?)([a-zA-Z][a-zA-Z0-9]*)((?: [a-zA-Z][a-zA-Z0-9:-]*="[^"<>]*")*)(/?)>"#,
    )
    .unwrap();
    let mut open: Vec<&str> = Vec::new();
    let mut end = 0;
    let plain = |between: &str| {
        assert!(
            !between.contains('<') && !between.contains('>'),
            "stray markup: {between}"
        );
    };
    for found in tag.captures_iter(page) {
        let whole = found.get(0).unwrap();
        plain(&page[end..whole.start()]);
        end = whole.end();
        let name = found.get(2).unwrap().as_str();
        match (&found[1], &found[4]) {
            ("/", _) => assert_eq!(open.pop(), Some(name), "closed at {}", whole.start()),
            (_, "/") => {}
            _ => open.push(name),
        }
    }
    plain(&page[end..]);
    assert!(open.is_empty(), "left open: {open:?}");
    let entity = regex::Regex::new(r"^&(amp|lt|gt|quot|#39);").unwrap();
    for (at, _) in page.match_indices('&') {
        assert!(entity.is_match(&page[at..]), "{}", &page[at..at + 12]);
    }
}

#[cfg(feature = "embedded-assets")]
#[test]
fn a_report_has_the_figures_that_overlap_has_and_escapes_what_people_typed() {
    let shell = Shell::new();
    let project = project(&shell, 4, 2, 0);
    let before = fs::read(&project).unwrap();
    fs::remove_file(shell.path("pool/1/5.png")).unwrap();
    let out = shell.path("reports/colours.html");
    let arguments = ["report", text(&project), "--out", text(&out), "--json"];
    let run = shell.run(&arguments);
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "{said}");
    assert!(
        said.contains("left out") && said.contains("5.png"),
        "{said}"
    );
    let json: Value = serde_json::from_slice(&run.stdout).unwrap();

    let embedded = shell.path("shots.safetensors");
    let folder = shell.path("shots");
    shell.succeed(&["embed", text(&folder), "--out", text(&embedded)]);
    let bins = json["overlap"][0]["before"]["bins"].to_string();
    let expected = shell.json(&["overlap", text(&embedded), "--bins", &bins, "--json"]);
    for key in [
        "overlap",
        "auroc",
        "paired_mean",
        "unpaired_mean",
        "variance",
    ] {
        let got = json["overlap"][0]["before"][key].as_f64().unwrap();
        assert!(
            (got - expected[key].as_f64().unwrap()).abs() < 1e-6,
            "{key}: {got} {}",
            expected[key]
        );
    }
    // The window's stand-in where a project has no adapter, as "IsoCLIP (8, 32)".
    let title = json["overlap"][0]["adapter"].as_str().unwrap();
    let cut = title.strip_prefix("IsoCLIP (").unwrap().replace(", ", ",");
    let adapter = format!("isoclip:{}", cut.trim_end_matches(')'));
    let adapted = shell.path("isoclip.safetensors");
    shell.succeed(&[
        "embed",
        text(&folder),
        "--adapter",
        &adapter,
        "--out",
        text(&adapted),
    ]);
    let expected = shell.json(&["overlap", text(&adapted), "--bins", &bins, "--json"]);
    let got = json["overlap"][0]["after"]["auroc"].as_f64().unwrap();
    assert!(
        (got - expected["auroc"].as_f64().unwrap()).abs() < 1e-3,
        "{got} {}",
        expected["auroc"]
    );
    check_parts(&json);
    check_page(&fs::read_to_string(&out).unwrap());
    assert_eq!(
        fs::read(&project).unwrap(),
        before,
        "the project was written to"
    );
    let litter = fs::read_dir(project.parent().unwrap())
        .unwrap()
        .any(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.contains(".shotlens-") || name.contains(".lock")
        });
    assert!(!litter, "something was left beside the project");
}

/// What people typed stands there as text, and nothing leads out of the file.
#[track_caller]
fn check_page(page: &str) {
    check_well_formed(page);
    assert!(!page.contains("<script"), "a class name became markup");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("R&amp;D &quot;green&quot;"));
    assert!(page.contains("colours &amp; more"));
    assert!(page.contains("pool/1/5.png") && page.contains("Photos left out"));
    assert!(page.contains("The project has no adapter") && page.contains("Too few photos"));
    assert_eq!(page.matches("<svg").count(), 3);
    for elsewhere in ["http://", "https://", "src=", "@import", "url("] {
        let allowed = page
            .matches("xmlns=\"http://www.w3.org/1999/xhtml\"")
            .count();
        let own = page.matches("url(#hatch)").count();
        let found = page.matches(elsewhere).count();
        assert!(
            found
                <= if elsewhere == "http://" {
                    allowed
                } else if elsewhere == "url(" {
                    own
                } else {
                    0
                },
            "{elsewhere} leads out of the file"
        );
    }
}

/// Parts that must fit together, whatever the figures are.
#[track_caller]
fn check_parts(json: &Value) {
    assert_eq!(
        (&json["shots"], &json["basis"]),
        (&Value::from(12), &Value::from("shots"))
    );
    assert_eq!(json["missing"].as_array().unwrap().len(), 1);
    assert_eq!(json["pool"]["photos"], 5);
    let predicted: u64 = json["pool"]["classes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|class| class["photos"].as_u64().unwrap())
        .sum();
    assert_eq!(predicted, 5);
    let methods = json["methods"].as_array().unwrap();
    assert_eq!(methods.len(), 6 + 2 * 5);
    let row = |method: &str, adapter: &Value| {
        let found = methods
            .iter()
            .find(|row| row["method"] == method && row["adapter"] == *adapter);
        found.unwrap().clone()
    };
    assert_eq!(row("tip-adapter", &Value::Null)["shots"]["judged"], 12);
    let overlap = &json["overlap"][0];
    let parts = overlap["variance_before"]["within"].as_f64().unwrap()
        + overlap["variance_before"]["between"].as_f64().unwrap();
    assert!((parts - overlap["before"]["variance"].as_f64().unwrap()).abs() < 1e-6);
    // A scatter's point is the table's row, and its gain is that of the table.
    let point = &json["method_scatter"]["points"][0];
    let pp = row("tip-adapter-pp", &overlap["adapter"]);
    assert_eq!(point["accuracy_after"], pp["shots"]["accuracy"]);
    assert_eq!(point["overlap_before"], overlap["before"]["overlap"]);
    let gain =
        point["accuracy_after"].as_f64().unwrap() - point["accuracy_before"].as_f64().unwrap();
    assert!((gain - pp["gain_shots"].as_f64().unwrap()).abs() < 1e-9);
    assert_eq!(json["class_scatter"]["points"].as_array().unwrap().len(), 3);
    assert_ne!(json["class_scatter"]["trend"]["firm"], true);
}

#[cfg(feature = "embedded-assets")]
#[test]
fn labelled_photos_judge_from_ten_on_and_copies_of_shots_do_not() {
    let shell = Shell::new();
    let project = project(&shell, 2, 5, 4);
    // A labelled photo that is a shot, byte by byte.
    fs::copy(shell.path("shots/0/0.png"), shell.path("pool/0/2.png")).unwrap();
    let out = shell.path("report.html");
    let json = shell.json(&["report", text(&project), "--out", text(&out), "--json"]);
    assert_eq!(json["basis"], "labelled");
    assert_eq!(
        (&json["labelled"], &json["labelled_left_out"]),
        (&Value::from(11), &Value::from(1))
    );
    let judged: u64 = json["per_class"]
        .as_array()
        .unwrap()
        .iter()
        .map(|class| class["judged"].as_u64().unwrap())
        .sum();
    assert_eq!(judged, 11);
    for row in json["methods"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["reason"].is_null())
    {
        assert_eq!(row["labelled"]["judged"], 11, "{row}");
    }
    check_well_formed(&fs::read_to_string(&out).unwrap());
}

#[test]
fn what_is_no_project_is_told_with_a_remedy() {
    let shell = Shell::new();
    let (note, out) = (shell.path("note.txt"), shell.path("report.html"));
    fs::write(
        &note,
        "not a database, but long enough to be read as one".repeat(40),
    )
    .unwrap();
    let said = shell.fail(&["report", text(&note), "--out", text(&out)], 1);
    assert!(
        said.contains("note.txt")
            && said.contains("not a Shotlens project")
            && said.contains("NAME.shotlens"),
        "{said}"
    );
    let gone = shell.path("gone.shotlens");
    let said = shell.fail(&["report", text(&gone), "--out", text(&out)], 1);
    assert!(
        said.contains("gone.shotlens") && said.contains("moved or renamed"),
        "{said}"
    );
    assert!(!out.exists());
    let empty = shell.path("empty.shotlens");
    drop(ProjectFile::create(&empty, &ProjectState::new()).unwrap());
    let said = shell.fail(&["report", text(&empty), "--out", text(&empty)], 1);
    assert!(said.contains("replace the project"), "{said}");
    let held = ProjectFile::open(&empty).unwrap();
    let said = shell.fail(&["report", text(&empty), "--out", text(&out)], 1);
    assert!(
        said.contains("no shots") && said.contains("drop photos"),
        "{said}"
    );
    drop(held);
}

#[test]
fn a_look_reads_an_older_project_that_somebody_has_open_and_changes_nothing() {
    let shell = Shell::new();
    let path = shell.path("older.shotlens");
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/version-1.shotlens");
    fs::copy(old, &path).unwrap();
    let before = fs::read(&path).unwrap();
    let names = |state: &ProjectState| -> Vec<String> {
        let classes = state.classes().iter();
        classes.map(|class| class.name.clone()).collect()
    };
    assert_eq!(names(&ProjectFile::look(&path).unwrap()), ["dress", "cap"]);
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    // Open for writing elsewhere, with its log beside it.
    let held = ProjectFile::open(&path).unwrap().file;
    assert_eq!(names(&ProjectFile::look(&path).unwrap()), ["dress", "cap"]);
    assert_eq!(*held.access(), shotlens::project::Access::Writable);
}
