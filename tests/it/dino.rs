//! Training without labels, end to end on a small model.

use std::path::PathBuf;

use serde_json::Value;
use shotlens::clip::BottleneckAdapter;
use shotlens::engine::adapter_training::{Lesson, Loss, Report, TrainingOptions, info};
use shotlens::progress::Progress;

use crate::adapter_training::{engine, names, options, photos, tensors};
use crate::cli::{Shell, project, text};

#[test]
fn dino_learns_from_photos_without_classes_and_classes_only_judge() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, labelled) = (engine(), photos(folder.path()));
    let names = names();
    let loose: Vec<PathBuf> = labelled.iter().map(|(path, _)| path.clone()).collect();
    let out = folder.path().join("a.safetensors");
    let train = |photos: &[(PathBuf, usize)], unlabelled: &[PathBuf], memory| {
        let lesson = Lesson {
            photos,
            classes: &names,
            unlabelled,
        };
        let options = TrainingOptions {
            loss: Loss::Dino,
            epochs: Some(2),
            memory,
            ..options()
        };
        let mut reports = Vec::new();
        let outcome =
            engine.train_adapter(lesson, &options, &out, &Progress::silent(), &mut |report| {
                reports.push(report);
            });
        let Report::Planned(plan) = reports[0].clone() else {
            panic!("{:?}", reports[0])
        };
        (outcome.unwrap(), plan, tensors(&out))
    };

    let (outcome, plan, learned) = train(&[], &loose, None);
    assert_eq!((outcome.num_photos, outcome.num_held_out), (12, 0));
    assert_eq!((outcome.steps, outcome.kept_step), (6, 6));
    assert_eq!((outcome.before.auroc, outcome.after.overlap), (None, None));
    // 224 × 224 × 3 bytes of each photo
    assert_eq!(plan.bytes_of_activations, 12 * 150_528);
    for (name, numbers) in &learned {
        assert!(numbers.iter().any(|x| *x != 0.0), "{name} did not learn");
    }
    BottleneckAdapter::open(&out, None, engine.clip()).unwrap();
    let info = info(&out).unwrap();
    assert_eq!(info.num_photos, Some(12));

    // With next to no memory: photo by photo, read anew for each step, to about the same numbers.
    let (_, plan, little) = train(&[], &loose, Some(1));
    assert_eq!((plan.part, plan.bytes_of_activations), (1, 0));
    for ((name, a), (_, b)) in learned.iter().zip(&little) {
        let far = a.iter().zip(b).filter(|(a, b)| (*a - *b).abs() > 1e-3);
        assert!(far.count() <= a.len() / 50, "{name}");
    }

    // Eight photos of two classes learn, four judge; a copy of one of those teaches nothing.
    let (outcome, _, _) = train(&labelled, &[], None);
    assert_eq!((outcome.num_photos, outcome.num_held_out), (8, 4));
    assert!(outcome.before.auroc.is_some() && outcome.after.auroc.is_some());
    let (outcome, _, _) = train(&labelled, &loose, None);
    assert_eq!((outcome.num_photos, outcome.num_held_out), (16, 4));
    // One class cannot judge.
    let one: Vec<(PathBuf, usize)> = loose.iter().map(|path| (path.clone(), 0)).collect();
    let (outcome, _, _) = train(&one, &[], None);
    assert_eq!((outcome.num_photos, outcome.num_held_out), (12, 0));
}

#[test]
fn dino_trains_on_a_folder_without_classes_and_embed_takes_what_it_wrote() {
    let shell = Shell::new();
    let (folder, model) = (shell.path("photos"), shell.path("model.safetensors"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(&model, crate::clip_data::checkpoint("openai_vit")).unwrap();
    let bird = project("assets/demo/pool/bird");
    for entry in std::fs::read_dir(bird).unwrap().take(6) {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    let (model, out) = (text(&model), shell.path("a.safetensors"));
    let images = ["--images", text(&folder), "--out", text(&out)];
    let train = ["--model", model, "adapter", "train", "--epochs", "2"];
    let printed = shell.succeed(&[&train[..], &images, &["--loss", "dino", "--json"]].concat());
    let last: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["photos"], &last["held_out"], &last["steps"]),
        (&6.into(), &0.into(), &2.into())
    );
    assert_eq!(last["after"]["auroc"], Value::Null);
    let info = shell.json(&["adapter", "info", text(&out), "--json"]);
    assert_eq!(info["metadata"]["training"]["loss"], "dino");
    let features = shell.path("f.safetensors");
    let embed = ["--model", model, "embed", text(&folder), "--adapter"];
    shell.succeed(&[&embed[..], &[text(&out), "--out", text(&features)]].concat());
    assert!(features.exists());
    // Other losses need classes, and say so.
    let message = shell.fail(&[&train[..], &images].concat(), 1);
    assert!(message.contains("two at least"), "{message}");
}
