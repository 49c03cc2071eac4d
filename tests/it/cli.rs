//! The command line as scripts use it: the real binary, the embedded model, the goldens.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use safetensors::SafeTensors;
use serde_json::Value;

/// A place of its own for what Shotlens keeps.
pub(crate) struct Shell {
    folder: tempfile::TempDir,
}

impl Shell {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_shotlens"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("SHOTLENS_HOME", self.path("home"))
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .output()
            .unwrap()
    }

    #[track_caller]
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.succeed(arguments)).unwrap()
    }

    /// What a failing command says, with its status.
    #[track_caller]
    pub(crate) fn fail(&self, arguments: &[&str], status: i32) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// A command does not work (status 1), and says why in these words.
    #[track_caller]
    pub(crate) fn refuses(&self, arguments: &[&str], words: &[&str]) {
        let message = self.fail(arguments, 1);
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }
}

pub(crate) fn project(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn floats(path: &Path, name: &str) -> (Vec<usize>, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let view = file.tensor(name).unwrap();
    let values = view
        .data()
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    (view.shape().to_vec(), values)
}

/// Scores a file of tests/data/methods by all of its methods for which `counts`, and compares with its logits.
fn check_scores(name: &str, counts: fn(&str) -> bool) {
    let shell = Shell::new();
    let file = project(&format!("tests/data/methods/{name}.safetensors"));
    let json = std::fs::read(project(&format!("tests/data/methods/{name}.json"))).unwrap();
    let golden: Value = serde_json::from_slice(&json).unwrap();
    let out = shell.path("logits.safetensors");
    let methods = golden["hyper"].as_object().unwrap().iter();
    for (method, hyper) in methods.filter(|(method, _)| counts(method)) {
        let mut arguments = vec![
            "score".to_owned(),
            text(&file).to_owned(),
            "--method".to_owned(),
            method.clone(),
        ];
        for (name, value) in hyper.as_object().unwrap() {
            let flag = match name.as_str() {
                "lam" => "lambda",
                "num_prompts" => "prompts-per-class",
                name => name,
            };
            arguments.extend([format!("--{flag}"), value.to_string()]);
        }
        arguments.extend(["--out".to_owned(), text(&out).to_owned()]);
        shell.succeed(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let (shape, logits) = floats(&out, "logits");
        let (expected_shape, expected) = floats(&file, &format!("logits.{method}"));
        assert_eq!(shape, expected_shape);
        let largest = expected
            .iter()
            .fold(0.0_f32, |largest, x| largest.max(x.abs()));
        let error = logits
            .iter()
            .zip(&expected)
            .map(|(x, y)| (x - y).abs())
            .fold(0.0, f32::max);
        assert!(
            error < 1e-3 * largest,
            "{method}: off by {error} of {largest}"
        );
    }
}

#[test]
fn score_reproduces_the_reference() {
    check_scores("0", |_| true);
}

#[test]
fn score_reads_views_and_prompts() {
    // LP++ draws no views, so it is the one trained method whose reference holds with views in the file.
    let is_fixed =
        |method: &str| !["tip-adapter-f", "ape-t", "clip-adapter", "taskres"].contains(&method);
    check_scores("more", is_fixed);
}

#[test]
fn score_trains_with_the_seed_and_epochs_asked_for() {
    let shell = Shell::new();
    let file = project("tests/data/methods/more.safetensors");
    let logits = |seed: &str, epochs: &str| {
        let out = shell.path("logits.safetensors");
        let file = text(&file);
        let rest = [
            "--method",
            "clip-adapter",
            "--seed",
            seed,
            "--epochs",
            epochs,
            "--lr",
            "0.01",
        ];
        let arguments = [&["score", file, "--out", text(&out)], &rest[..]].concat();
        shell.succeed(&arguments);
        floats(&out, "logits").1
    };
    assert_eq!(logits("1", "3"), logits("1", "3"));
    assert_ne!(logits("1", "3"), logits("2", "3"));
    assert_ne!(logits("1", "3"), logits("1", "4"));
    let said = shell.fail(
        &[
            "score",
            text(&file),
            "--method",
            "taskres",
            "--lr",
            "0",
            "--out",
            "x",
        ],
        2,
    );
    assert!(said.contains("above 0"), "{said}");
}

#[test]
fn embed_walks_folders_names_classes_and_skips_what_is_broken() {
    let shell = Shell::new();
    let photos = shell.path("photos");
    for (from, to) in [
        ("bird/crow-01.jpg", "b/1.jpg"),
        ("bird/crow-01.jpg", "a/2.jpg"),
        ("bird/crow-01.jpg", "loose.jpg"),
    ] {
        let to = photos.join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        let any = std::fs::read_dir(project("assets/demo/pool/bird"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let from = Some(project("assets/demo/pool").join(from))
            .filter(|path| path.exists())
            .unwrap_or(any);
        std::fs::copy(from, to).unwrap();
    }
    std::fs::write(photos.join("a/broken.jpg"), b"no picture").unwrap();
    let out = shell.path("features.safetensors");
    let output = shell.run(&["embed", text(&photos), "--out", text(&out)]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("broken.jpg"));
    let bytes = std::fs::read(&out).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = metadata.metadata().clone().unwrap();
    assert_eq!(metadata["paths"], r#"["a/2.jpg","b/1.jpg","loose.jpg"]"#);
    assert_eq!(metadata["classes"], r#"["a","b"]"#);
    assert_eq!(metadata["skipped"], r#"["a/broken.jpg"]"#);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let labels = file.tensor("labels").unwrap();
    let labels: Vec<i64> = labels
        .data()
        .as_chunks::<8>()
        .0
        .iter()
        .map(|bytes| i64::from_le_bytes(*bytes))
        .collect();
    assert_eq!(labels, [0, 1, -1]);
    let (shape, features) = floats(&out, "features");
    assert_eq!(shape, [3, 256]);
    for row in features.chunks(256) {
        assert!(
            (row.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5,
            "rows have unit length"
        );
    }
}

#[test]
fn crops_give_the_same_features_as_their_photos() {
    let shell = Shell::new();
    let photos = project("assets/demo/pool/fruit");
    let [crops, from_crops, from_photos] =
        ["c", "fc", "fp"].map(|name| shell.path(&format!("{name}.safetensors")));
    shell.succeed(&["preprocess", text(&photos), "--out", text(&crops)]);
    shell.succeed(&["embed", "--crops", text(&crops), "--out", text(&from_crops)]);
    shell.succeed(&["embed", text(&photos), "--out", text(&from_photos)]);
    let (shape, a) = floats(&from_crops, "features");
    let (_, b) = floats(&from_photos, "features");
    assert_eq!(shape[1], 256);
    let error = a
        .iter()
        .zip(&b)
        .map(|(x, y)| (x - y).abs())
        .fold(0.0, f32::max);
    assert!(error < 1e-4, "off by {error}");
}

#[test]
fn texts_keep_blank_lines_and_count_what_was_cut() {
    let shell = Shell::new();
    let lines = shell.path("texts.txt");
    std::fs::write(
        &lines,
        format!("\u{feff}a photo of a cat\r\n\n{}\n", "word ".repeat(200)),
    )
    .unwrap();
    // A bare name lies in the folder that the command runs in.
    let json = shell.json(&[
        "embed",
        "--texts",
        text(&lines),
        "--out",
        "texts.safetensors",
        "--json",
    ]);
    assert!(shell.path("texts.safetensors").is_file());
    assert_eq!(
        (json["features"].as_u64(), json["truncated"].as_u64()),
        (Some(3), Some(1))
    );
}

#[test]
fn eval_compares_methods_and_never_reports_on_what_was_learnt() {
    let shell = Shell::new();
    let (support, pool) = (project("assets/demo/support"), project("assets/demo/pool"));
    let rows = shell.json(&[
        "eval",
        "--support",
        text(&support),
        "--test",
        text(&pool),
        "--json",
        "--methods",
        "zero-shot,tip-adapter,tip-adapter-pp",
    ]);
    let accuracy = |method: &str| {
        let row = rows
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["method"] == method)
            .unwrap();
        row["accuracy"].as_f64().unwrap()
    };
    // The demo's point: a few shots take away more than half of the errors that names alone make.
    let errors = |method| 100.0 - accuracy(method);
    assert!(2.0 * errors("tip-adapter") < errors("zero-shot"), "{rows}");
    assert!(
        accuracy("tip-adapter-pp") > accuracy("zero-shot") + 2.0,
        "{rows}"
    );
    let message = shell.fail(
        &[
            "eval",
            "--support",
            text(&support),
            "--test",
            text(&support),
        ],
        1,
    );
    assert!(message.contains("also in the support set"), "{message}");
}

#[test]
fn an_adapter_is_trained_tells_of_itself_and_is_not_measured_on_its_own_photos() {
    let shell = Shell::new();
    let (support, pool) = (project("assets/demo/support"), project("assets/demo/pool"));
    let model = shell.path("model.safetensors");
    std::fs::write(&model, crate::clip_data::checkpoint("openai_vit")).unwrap();
    let (model, out) = (text(&model), shell.path("a.safetensors"));
    let train = [
        "--model",
        model,
        "adapter",
        "train",
        "--images",
        text(&support),
        "--out",
        text(&out),
    ];
    let printed = shell.succeed(&[&train[..], &["--epochs", "1", "--json"]].concat());
    let last: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["photos"], &last["held_out"], &last["steps"]),
        (&36.into(), &12.into(), &1.into())
    );
    assert_eq!(last["finished"], true);
    let info = shell.json(&["adapter", "info", text(&out), "--json"]);
    assert_eq!(
        (&info["trained_on"], &info["metadata"]["training"]["loss"]),
        (&36.into(), &"ce".into())
    );
    let evaluate = |support: &Path, test: &Path| {
        [
            "--model",
            model,
            "eval",
            "--methods",
            "tip-adapter-pp",
            "--adapter",
            text(&out),
            "--support",
            text(support),
            "--test",
            text(test),
        ]
        .map(str::to_owned)
    };
    let arguments = evaluate(&pool, &support);
    let message = shell.fail(&arguments.each_ref().map(String::as_str), 1);
    assert!(
        message.contains("36 photos") && message.contains("trained the adapter"),
        "{message}"
    );
    let arguments = evaluate(&support, &pool);
    let output = shell.run(&arguments.each_ref().map(String::as_str));
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("tuned on the others"), "{said}");
    let message = shell.fail(&["adapter", "info", model], 1);
    assert!(message.contains("neither adapters nor"), "{message}");
    let message = shell.fail(
        &[
            "adapter",
            "train",
            "--images",
            text(&support),
            "--out",
            "x",
            "--blocks",
            "4",
        ],
        2,
    );
    assert!(message.contains("FIRST..END"), "{message}");
}

#[test]
fn overlap_and_tune_print_the_keys_of_the_contract() {
    let shell = Shell::new();
    let file = project("tests/data/methods/0.safetensors");
    let overlap = shell.json(&["overlap", text(&file), "--json", "--bins", "50"]);
    let keys = [
        "overlap",
        "auroc",
        "paired_mean",
        "unpaired_mean",
        "num_paired",
        "num_unpaired",
        "variance",
        "bins",
        "paired",
        "unpaired",
    ];
    assert!(keys.iter().all(|key| !overlap[key].is_null()), "{overlap}");
    assert_eq!(overlap["paired"].as_array().unwrap().len(), 50);
    let tuned = shell.json(&["tune", text(&file), "--method", "tip-adapter", "--json"]);
    assert_eq!(tuned["combinations"], 4000);
    assert!(
        ["method", "alpha", "beta", "gamma", "accuracy", "seconds"]
            .iter()
            .all(|key| !tuned[key].is_null()),
        "{tuned}"
    );
}

#[test]
fn tune_takes_every_grid_by_name() {
    let shell = Shell::new();
    let file = project("tests/data/methods/0.safetensors");
    let tuned = |method: &str, more: &[&str]| {
        let arguments = [&["tune", text(&file), "--method", method], more].concat();
        shell.json(&arguments)
    };
    assert_eq!(tuned("gda", &[])["combinations"], 7);
    let proker = tuned("proker", &[]);
    assert_eq!(proker["combinations"], 200);
    assert!(proker["lambda"].is_number(), "{proker}");
    // 64 numbers: 400 of 1,024 channels are 25.
    let ape = tuned("ape", &["--grid", "dtd"]);
    assert_eq!(
        (&ape["combinations"], &ape["channels"]),
        (&80_000.into(), &25.into())
    );
    let other = tuned("ape", &["--grid", "imagenet", "--channels", "9"]);
    assert_eq!(
        (&other["combinations"], &other["channels"]),
        (&20_000.into(), &9.into())
    );
    let message = shell.fail(
        &["tune", text(&file), "--method", "gda", "--grid", "moon"],
        2,
    );
    assert!(
        message.contains("moon") && message.contains("eurosat"),
        "{message}"
    );
}

#[test]
fn benchmarks_of_searches_print_the_keys_of_the_contract() {
    let shell = Shell::new();
    let size = [
        "--keys",
        "12",
        "--classes",
        "3",
        "--queries",
        "20",
        "--dim",
        "8",
    ];
    let features = shell.path("features.safetensors");
    let arguments = [
        "bench",
        "tune",
        "--search",
        "tip-adapter",
        "--out",
        text(&features),
        "--json",
    ];
    let rows = shell.json(&[&arguments[..], &size[..]].concat());
    let row = &rows[0];
    assert_eq!(
        (
            &row["search"],
            &row["combinations"],
            &row["keys"],
            &row["classes"],
            &row["queries"],
            &row["dim"]
        ),
        (
            &"tip-adapter".into(),
            &4000.into(),
            &12.into(),
            &3.into(),
            &20.into(),
            &8.into()
        )
    );
    assert!(row["seconds"].as_f64().unwrap() > 0.0);
    // The features are those that were searched.
    let tuned = shell.json(&["tune", text(&features), "--method", "tip-adapter"]);
    for key in ["accuracy", "alpha", "beta"] {
        assert_eq!(tuned[key], row[key], "{key}");
    }
    let rows = shell.json(&[&["bench", "score", "--json"], &size[..]].concat());
    let methods = rows.as_array().unwrap();
    let names: Vec<&str> = methods
        .iter()
        .filter_map(|row| row["method"].as_str())
        .collect();
    assert!(
        ["zero-shot", "tip-x", "gda-pp", "proker", "timo"]
            .iter()
            .all(|name| names.contains(name)),
        "{rows}"
    );
    for row in methods {
        assert!(
            row["fit_seconds"].is_number() && row["microseconds_per_query"].is_number(),
            "{row}"
        );
    }
}

#[test]
fn mistakes_are_told_with_their_remedy() {
    let shell = Shell::new();
    let empty = shell.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let message = shell.fail(&["embed", text(&empty), "--out", "x"], 1);
    assert!(
        message.contains("no photos") && message.contains("jpg"),
        "{message}"
    );
    let message = shell.fail(&["model", "path", "vit-b-32"], 1);
    assert!(message.contains("shotlens model"), "{message}");
    let message = shell.fail(
        &[
            "--model",
            "nowhere.safetensors",
            "embed",
            text(&empty),
            "--out",
            "x",
        ],
        1,
    );
    assert!(message.contains("nowhere.safetensors"), "{message}");
    let message = shell.fail(&["score", "x", "--method", "magic", "--out", "y"], 2);
    assert!(message.contains("tip-adapter"), "{message}");
    assert!(!shell.fail(&["embed"], 2).is_empty());
}

#[test]
fn without_a_display_the_demo_runs_without_a_window() {
    let shell = Shell::new();
    let output = shell.run(&[]);
    let (printed, said) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    if cfg!(target_os = "linux") {
        assert!(output.status.success(), "{said}");
        assert!(said.contains("no display"), "{said}");
        assert!(
            printed.contains("Tip-Adapter") && printed.contains("overlap after"),
            "{printed}"
        );
    }
}

#[test]
fn readme_lists_every_command_and_no_other() {
    use clap::CommandFactory as _;
    let readme = std::fs::read_to_string(project("README.md")).unwrap();
    let listed: std::collections::BTreeSet<String> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("shotlens "))
        .filter_map(|rest| rest.split_whitespace().next())
        .filter(|word| word.chars().all(|letter| letter.is_ascii_lowercase()) && *word != "the")
        .map(str::to_owned)
        .collect();
    let command = shotlens::cli::Cli::command();
    let known = command
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    assert_eq!(listed, known);
}
