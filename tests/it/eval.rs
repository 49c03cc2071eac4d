//! `shotlens eval` on made-up photos of three colours: a small copy of each data set's layout, and plain folders.

use std::fs;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use shotlens::clip::OpenOptions;
use shotlens::engine::Engine;
use shotlens::engine::embed::Lens;
use shotlens::image_io::ContentHash;
use shotlens::progress::Progress;
use shotlens::project::feature_cache::{CachedRow, FeatureCache};

use crate::cli::Shell;

const COLOURS: [&str; 3] = ["red", "green", "blue"];

/// A picture of one colour with a soft edge; every `number` has other bytes.
pub(crate) fn paint(path: &Path, class: usize, number: usize) {
    let picture = RgbImage::from_fn(32, 32, |x, y| {
        let mut pixel = [20 + 3 * number as u8, 10 + x as u8, 10 + y as u8];
        pixel[class] = 235 - number as u8;
        Rgb(pixel)
    });
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture
        .save_with_format(path, image::ImageFormat::Png)
        .unwrap();
}

/// Photos 0 and 1 of each class are for training, 2 for validation, 3 for testing.
const PARTS: [(&str, &[usize]); 3] = [("train", &[1, 0]), ("val", &[2]), ("test", &[3])];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs GDA, which needs the right labels and nothing else, and checks what every data set must give.
fn check_dataset(shell: &Shell, name: &str, tune: &str) -> Vec<Value> {
    let root = shell.path("data");
    let arguments = [
        "eval",
        "--dataset",
        name,
        "--root",
        text(&root),
        "--shots",
        "2",
        "--methods",
        "zero-shot,gda,tip-adapter",
        "--tune",
        tune,
        "--json",
    ];
    let output = shell.run(&arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = rows.as_array().unwrap().clone();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[1]["method"], "gda");
    assert_eq!(rows[1]["accuracy"], 100.0, "{}", rows[1]);
    for row in &rows {
        assert_eq!(row["num_test"], 3, "{row}");
        assert_eq!(row["shots"], 2, "{row}");
        assert!(row["published"].is_null() && row["difference"].is_null());
    }
    assert!(
        said.contains("no comparison for gda: published with OpenAI RN50, not with this model"),
        "{said}"
    );
    rows
}

/// A data set whose lists are one JSON file: `photo(class, number)` is a photo's path in it.
fn check_split(
    name: &str,
    (folder, images, list): (&str, &str, &str),
    photo: impl Fn(usize, usize) -> String,
) {
    let shell = Shell::new();
    let folder = shell.path("data").join(folder);
    let mut lists = serde_json::Map::new();
    for (part, numbers) in PARTS {
        let mut items = Vec::new();
        for class in [2, 0, 1] {
            for number in numbers {
                let path = photo(class, *number);
                paint(&folder.join(images).join(&path), class, *number);
                items.push(json!([path, class, COLOURS[class]]));
            }
        }
        lists.insert(part.to_owned(), items.into());
    }
    fs::write(folder.join(list), Value::from(lists).to_string()).unwrap();
    let rows = check_dataset(&shell, name, "val");
    assert_eq!(rows[0]["dataset"], name);
}

#[test]
fn caltech101_is_read() {
    let names = (
        "caltech-101",
        "101_ObjectCategories",
        "split_zhou_Caltech101.json",
    );
    check_split("caltech101", names, |class, number| {
        format!("{}/image_{number:04}.jpg", COLOURS[class])
    });
}

#[test]
fn dtd_is_read() {
    let names = ("dtd", "images", "split_zhou_DescribableTextures.json");
    check_split("dtd", names, |class, number| {
        format!("{0}/{0}_{number:04}.jpg", COLOURS[class])
    });
}

#[test]
fn eurosat_is_read() {
    let names = ("eurosat", "2750", "split_zhou_EuroSAT.json");
    check_split("eurosat", names, |class, number| {
        format!("{0}/{0}_{number}.jpg", COLOURS[class])
    });
}

#[test]
fn food101_is_read() {
    let names = ("food-101", "images", "split_zhou_Food101.json");
    check_split("food101", names, |class, number| {
        format!("{}/{number}.jpg", COLOURS[class])
    });
}

#[test]
fn oxford_flowers_is_read() {
    let names = ("oxford_flowers", "jpg", "split_zhou_OxfordFlowers.json");
    check_split("oxford_flowers", names, |class, number| {
        format!("image_{:05}.jpg", 10 * number + class)
    });
}

#[test]
fn oxford_pets_is_read() {
    let names = ("oxford_pets", "images", "split_zhou_OxfordPets.json");
    check_split("oxford_pets", names, |class, number| {
        format!("{}_{number}.jpg", COLOURS[class])
    });
}

#[test]
fn stanford_cars_is_read() {
    let names = ("stanford_cars", "", "split_zhou_StanfordCars.json");
    check_split("stanford_cars", names, |class, number| {
        let part = if number == 3 { "test" } else { "train" };
        format!("cars_{part}/{:05}.jpg", 10 * number + class)
    });
}

#[test]
fn sun397_is_read() {
    let names = ("sun397", "SUN397", "split_zhou_SUN397.json");
    check_split("sun397", names, |class, number| {
        let name = COLOURS[class];
        format!("{}/{name}/indoor/sun_{number}.jpg", &name[..1])
    });
}

#[test]
fn ucf101_is_read() {
    let names = ("ucf101", "UCF-101-midframes", "split_zhou_UCF101.json");
    check_split("ucf101", names, |class, number| {
        format!("Paint_{0}/v_Paint{0}_g{number:02}_c01.jpg", COLOURS[class])
    });
}

#[test]
fn fgvc_aircraft_is_read_under_its_short_name() {
    let shell = Shell::new();
    let folder = shell.path("data/fgvc_aircraft");
    let numbers_of = |numbers: &[usize]| {
        let mut lines = String::new();
        for number in numbers {
            for class in [1, 2, 0] {
                let photo = format!("{:07}", 100 * number + class);
                paint(&folder.join(format!("images/{photo}.jpg")), class, *number);
                lines.extend([photo.as_str(), " DC ", COLOURS[class], "\n"]);
            }
        }
        lines
    };
    for (part, numbers) in PARTS {
        let lines = numbers_of(numbers);
        fs::write(folder.join(format!("images_variant_{part}.txt")), lines).unwrap();
    }
    fs::write(folder.join("variants.txt"), "DC red\nDC green\nDC blue\n").unwrap();
    let rows = check_dataset(&shell, "fgvc", "val");
    assert_eq!(rows[0]["dataset"], "fgvc_aircraft");
}

#[test]
fn imagenet_is_read_and_never_tuned_on_its_test_photos() {
    let shell = Shell::new();
    let folder = shell.path("data/imagenet");
    for class in 0..3 {
        for (part, number) in [("train", 0), ("train", 1), ("val", 3)] {
            let path = format!("images/{part}/n0{class}/{number}.JPEG");
            paint(&folder.join(path), class, number);
        }
    }
    fs::write(
        folder.join("classnames.txt"),
        "n02 missile\nn01 green snake\nn00 missile\n",
    )
    .unwrap();
    check_dataset(&shell, "imagenet", "loo");
    let root = shell.path("data");
    let message = shell.fail(
        &[
            "eval",
            "--dataset",
            "imagenet",
            "--root",
            text(&root),
            "--tune",
            "val",
            "--methods",
            "zero-shot",
        ],
        1,
    );
    assert!(
        message.contains("missile and missile") || message.contains("no validation photos"),
        "{message}"
    );
    assert!(message.contains("no validation photos"), "{message}");
}

/// Folders of three colours with `num_photos` each.
fn folders(shell: &Shell, name: &str, first: usize, num_photos: usize) -> PathBuf {
    let folder = shell.path(name);
    for (class, colour) in COLOURS.iter().enumerate() {
        for number in first..first + num_photos {
            paint(
                &folder.join(format!("{colour}/{number}.png")),
                class,
                number,
            );
        }
    }
    folder
}

fn of<'a>(rows: &'a Value, method: &str) -> Vec<&'a Value> {
    let rows = rows.as_array().unwrap().iter();
    rows.filter(|row| row["method"] == method).collect()
}

#[test]
fn views_prompts_shots_and_the_table_go_together() {
    let shell = Shell::new();
    let (support, test) = (
        folders(&shell, "support", 0, 2),
        folders(&shell, "test", 5, 1),
    );
    fs::create_dir(support.join("violet")).unwrap();
    let file = shell.path("prompts.json");
    fs::write(
        &file,
        r#"{"Red": ["a red tomato", "a fire engine"], "GREEN": ["grass"]}"#,
    )
    .unwrap();
    let base = [
        "eval",
        "--support",
        text(&support),
        "--test",
        text(&test),
        "--tune",
        "none",
        "--methods",
        "zero-shot,gda,timo",
        "--json",
    ];
    let plain = shell.json(&[base.as_slice(), &["--shots", "1"]].concat());
    let reason = |row: &Value| row["reason"].as_str().unwrap_or_default().to_owned();
    assert!(reason(of(&plain, "gda")[0]).contains("views"), "{plain}");
    let timo = reason(of(&plain, "timo")[0]);
    assert!(of(&plain, "timo")[0]["accuracy"].is_null(), "{plain}");
    assert!(!timo.is_empty());

    let both = format!("imagenet+{}", text(&file));
    let table = shell.path("table.md");
    let more = [
        "--shots",
        "1,2",
        "--seeds",
        "1,2",
        "--views",
        "2",
        "--prompts",
        &both,
        "--markdown",
        text(&table),
    ];
    let output = shell.run(&[base.as_slice(), &more].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("without photos are left out: violet"),
        "{said}"
    );
    assert!(said.contains("get the template alone: blue"), "{said}");
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    let gda = of(&rows, "gda");
    let settings: Vec<(u64, u64)> = gda
        .iter()
        .map(|row| {
            (
                row["shots"].as_u64().unwrap(),
                row["seed"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(settings, [(1, 1), (1, 2), (2, 1), (2, 2)]);
    for row in gda {
        assert!(!reason(row).contains("switch views on"), "{row}");
        assert!(row["fit_seconds"].is_number() && row["predict_us"].is_number());
        if row["shots"] == 2 {
            assert_eq!(row["accuracy"], 100.0, "{row}");
        }
    }
    for row in of(&rows, "timo") {
        assert!(!reason(row).contains("several prompts"), "{row}");
    }
    check_table(&fs::read_to_string(&table).unwrap());
}

/// The table says how it was made, and has GDA's row.
fn check_table(document: &str) {
    assert!(
        document.contains("shotlens eval --support") && document.contains("model embedded"),
        "{document}"
    );
    let line = document.lines().find(|line| line.starts_with("| GDA |"));
    assert!(line.unwrap().ends_with("| 100.00 ± 0.00 |"), "{document}");
}

#[test]
fn one_class_and_classes_with_the_same_texts_are_told() {
    let shell = Shell::new();
    let folder = shell.path("one");
    paint(&folder.join("red/0.png"), 0, 0);
    let arguments = |support, test| {
        [
            "eval",
            "--support",
            support,
            "--test",
            test,
            "--methods",
            "zero-shot",
        ]
    };
    let message = shell.fail(&arguments(text(&folder), text(&folder)), 1);
    assert!(message.contains("has one class, red"), "{message}");
    paint(&folder.join("sea_lake/1.png"), 1, 1);
    paint(&folder.join("sea lake/2.png"), 2, 2);
    let test = shell.path("test");
    paint(&test.join("red/3.png"), 0, 3);
    paint(&test.join("orange/4.png"), 0, 4);
    let output = shell.run(&arguments(text(&folder), text(&test)));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("sea lake and sea_lake"), "{said}");
    assert!(
        said.contains("1 photos in") && said.contains("without support"),
        "{said}"
    );
    assert!(said.contains("no photo can be reported on"), "{said}");
}

#[test]
fn a_view_that_is_cached_is_not_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let photo = folder.path().join("photo.png");
    paint(&photo, 0, 0);
    let hash = ContentHash::of(&fs::read(&photo).unwrap());
    let cache = folder.path().join("features.sqlite");
    let open = || {
        let (cache, _) = FeatureCache::open(&cache).unwrap();
        Engine::open(None, &OpenOptions::default(), Some(cache)).unwrap()
    };
    let row = |engine: &Engine, view| {
        let lens = Lens {
            view,
            ..Lens::default()
        };
        let rows = engine
            .embed_rows(std::slice::from_ref(&photo), &[], lens, &Progress::silent())
            .unwrap();
        rows.features.into_vec()
    };
    let engine = open();
    let (middle, first, second) = (
        row(&engine, None),
        row(&engine, Some(0)),
        row(&engine, Some(1)),
    );
    assert!(middle != first && first != second);
    let space = format!("{}/view-1-0", engine.feature_space(None));
    let planted = CachedRow {
        features: vec![0.5; first.len()],
        hidden: None,
    };
    let (mut writer, _) = FeatureCache::open(&cache).unwrap();
    assert!(writer.put_many(&space, &[(hash, planted.clone())]));
    let again = open();
    assert_eq!(
        row(&again, Some(0)),
        planted.features,
        "what is cached counts"
    );
    assert_eq!(row(&again, Some(1)), second);
    assert_eq!(row(&again, None), middle);
}
