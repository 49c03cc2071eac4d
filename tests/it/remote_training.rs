//! Adapters trained in other processes: the same as in this one, whatever becomes of the workers.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shotlens::clip::OpenOptions;
use shotlens::engine::adapter_training::{
    Lesson, Loss, Outcome, Preset, Report, TrainingOptions, info,
};
use shotlens::engine::remote::{
    Limits, News, RemoteEncoder, Reply, Request, WorkerSpec, read_frame, serve, write_frame,
};
use shotlens::engine::{Engine, EngineError};
use shotlens::progress::{CancelToken, Progress};

use crate::adapter_training::tensors;
use crate::cli::{Shell, text};
use crate::remote::{BRIEF, engine, relayed, remote, start, with_workers, worker};
use crate::window::assets;

/// A state comes back after every step.
const OFTEN: Limits = Limits {
    saving: Duration::ZERO,
    ..BRIEF
};

/// Six photos of each of two classes.
fn photos() -> Vec<(PathBuf, usize)> {
    let of_class = |(label, class): (usize, &str)| {
        let folder = assets(&format!("pool/{class}"));
        let found = shotlens::image_io::list_photos(&folder).unwrap();
        let paths = found.into_iter().take(6).map(|path| folder.join(path));
        paths.map(|path| (path, label)).collect::<Vec<_>>()
    };
    [(0, "bug"), (1, "fruit")]
        .into_iter()
        .flat_map(of_class)
        .collect()
}

/// Six steps of four photos; the last block alone learns, as it is the cheapest.
fn options(loss: Loss) -> TrainingOptions {
    let (num_blocks, _) = engine().clip().adapter_places().unwrap();
    let epochs = if loss == Loss::ProLip { 6 } else { 3 };
    TrainingOptions {
        preset: Some(Preset::Paper),
        loss,
        epochs: Some(epochs),
        batch: Some(4),
        blocks: Some(num_blocks - 1..num_blocks),
        seed: 5,
        ..TrainingOptions::default()
    }
}

fn train(
    engine: &Engine,
    options: &TrainingOptions,
    out: &Path,
    progress: &Progress<'_>,
) -> Result<(Outcome, Vec<Report>), EngineError> {
    let (photos, mut reports) = (photos(), Vec::new());
    let classes = ["bug", "fruit"].map(str::to_owned);
    let lesson = Lesson {
        photos: &photos,
        classes: &classes,
        unlabelled: &[],
    };
    let outcome = engine.train_adapter(lesson, options, out, progress, &mut |report| {
        reports.push(report);
    })?;
    Ok((outcome, reports))
}

/// What is told, without what depends on the clock and on who trains.
fn told(reports: &[Report]) -> Vec<String> {
    let word = |report: &Report| match report {
        Report::Planned(plan) => format!("{} and {}", plan.num_photos, plan.num_held_out),
        Report::Step(step) => format!("{} of {}: {}", step.step, step.total, step.loss),
        Report::HeldOut(looked) => {
            format!("{}: {:?} {:?}", looked.step, looked.labels, looked.figures)
        }
    };
    reports.iter().map(word).collect()
}

fn steps(reports: &[Report]) -> Vec<usize> {
    let step = |report: &Report| match report {
        Report::Step(step) => Some(step.step),
        _ => None,
    };
    reports.iter().filter_map(step).collect()
}

fn worker_of(reports: &[Report]) -> Option<String> {
    let of_plan = |report: &Report| match report {
        Report::Planned(plan) => Some(plan.worker.clone()),
        _ => None,
    };
    reports.iter().filter_map(of_plan).next_back().flatten()
}

fn is_step(reply: &Reply, wanted: u64) -> bool {
    matches!(reply, Reply::News { news, .. } if matches!(**news, News::Step { step, .. } if step == wanted))
}

#[test]
fn every_loss_gives_the_adapter_and_the_words_of_training_here() {
    let folder = tempfile::tempdir().unwrap();
    let (here, silent) = (engine(), Progress::silent());
    let (there, said) = with_workers(vec![remote(worker(|stream| stream), BRIEF, &here).unwrap()]);
    for loss in [
        Loss::CrossEntropy,
        Loss::Contrastive,
        Loss::ProLip,
        Loss::Dino,
    ] {
        let options = options(loss);
        let [own, remote] = ["own", "remote"].map(|name| folder.path().join(name));
        let (outcome, expected) = train(&here, &options, &own, &silent).unwrap();
        let (found, reports) = train(&there, &options, &remote, &silent).unwrap();
        assert_eq!(found, outcome, "{loss:?}");
        assert_eq!(told(&reports), told(&expected), "{loss:?}");
        assert_eq!(worker_of(&expected), None);
        assert!(worker_of(&reports).unwrap().starts_with("the worker, CPU"));
        assert_eq!(tensors(&remote), tensors(&own), "{loss:?}");
        let [own, remote] = [own, remote].map(|path| info(&path).unwrap());
        assert_eq!(remote.metadata, own.metadata, "{loss:?}");
        assert_eq!(remote.num_photos, own.num_photos, "{loss:?}");
    }
    assert_eq!(*said.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn a_worker_that_dies_is_replaced_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (here, silent) = (engine(), Progress::silent());
    for loss in [Loss::CrossEntropy, Loss::Dino] {
        let options = options(loss);
        let [own, remote_file] = ["own", "remote"].map(|name| folder.path().join(name));
        let (outcome, _) = train(&here, &options, &own, &silent).unwrap();
        let num_deaths = AtomicUsize::new(0);
        let connect = relayed(move |reply| {
            let dies = is_step(&reply, 3) && num_deaths.fetch_add(1, Ordering::Relaxed) == 0;
            (!dies).then_some(reply)
        });
        let (there, said) = with_workers(vec![remote(connect, OFTEN, &here).unwrap()]);
        let (found, reports) = train(&there, &options, &remote_file, &silent).unwrap();
        assert_eq!(found, outcome, "{loss:?}");
        // The third was never heard of, and is the first of the second process.
        assert_eq!(steps(&reports), [1, 2, 3, 4, 5, 6], "{loss:?}");
        assert!(worker_of(&reports).is_some());
        assert_eq!(tensors(&remote_file), tensors(&own), "{loss:?}");
        let said = said.lock().unwrap();
        assert!(
            said.len() == 1 && said[0].contains("ended; the training goes on in a new process"),
            "{said:?}"
        );
    }
}

#[test]
fn a_worker_that_dies_again_leaves_the_rest_to_this_process() {
    let folder = tempfile::tempdir().unwrap();
    let (here, silent) = (engine(), Progress::silent());
    let options = TrainingOptions {
        checkpoint: Some(folder.path().join("state")),
        ..options(Loss::CrossEntropy)
    };
    let [own, remote_file] = ["own", "remote"].map(|name| folder.path().join(name));
    let (outcome, _) = train(&here, &options, &own, &silent).unwrap();
    let connect = relayed(|reply| (!is_step(&reply, 3) && !is_step(&reply, 5)).then_some(reply));
    let (there, said) = with_workers(vec![remote(connect, OFTEN, &here).unwrap()]);
    let (found, reports) = train(&there, &options, &remote_file, &silent).unwrap();
    assert_eq!(found, outcome);
    assert_eq!(steps(&reports), [1, 2, 3, 4, 5, 6]);
    assert_eq!(worker_of(&reports), None, "it ended here");
    assert_eq!(tensors(&remote_file), tensors(&own));
    assert!(!folder.path().join("state").exists());
    let said = said.lock().unwrap();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[1].contains("trained without it"), "{said:?}");
}

#[test]
fn out_of_memory_is_half_the_memory_and_then_this_process() {
    let folder = tempfile::tempdir().unwrap();
    let (here, silent) = (engine(), Progress::silent());
    let options = options(Loss::CrossEntropy);
    let [own, remote_file] = ["own", "remote"].map(|name| folder.path().join(name));
    train(&here, &options, &own, &silent).unwrap();
    let connect = relayed(|reply| {
        Some(match reply {
            Reply::News { id, news } if matches!(*news, News::Step { .. }) => Reply::Failed {
                id: Some(id),
                reason: "CUDA out of memory".to_owned(),
                is_memory: true,
            },
            other => other,
        })
    });
    let (there, said) = with_workers(vec![remote(connect, BRIEF, &here).unwrap()]);
    train(&there, &options, &remote_file, &silent).unwrap();
    assert_eq!(tensors(&remote_file), tensors(&own));
    let said = said.lock().unwrap();
    assert!(
        said[0]
            .contains("out of memory; the training goes on in a new process, with half the memory"),
        "{said:?}"
    );
}

#[test]
fn what_makes_no_sense_is_trained_here() {
    let folder = tempfile::tempdir().unwrap();
    let (here, silent) = (engine(), Progress::silent());
    let options = options(Loss::CrossEntropy);
    let out = folder.path().join("a");
    let other = |reply: Reply| match reply {
        Reply::News { id, news } => {
            let news = match *news {
                News::HeldOut {
                    step,
                    mut features,
                    labels,
                    figures,
                } => {
                    features.pop();
                    News::HeldOut {
                        step,
                        features,
                        labels,
                        figures,
                    }
                }
                other => other,
            };
            let news = Box::new(news);
            Some(Reply::News { id, news })
        }
        other => Some(other),
    };
    // Other photos than were sent.
    let counted = |reply: Reply| match reply {
        Reply::Kept { count } => Some(Reply::Kept { count: count + 1 }),
        other => Some(other),
    };
    let ended = |reply: Reply| match reply {
        Reply::Trained { id, .. } => Some(Reply::Cancelled { id }),
        other => Some(other),
    };
    for connect in [relayed(other), relayed(counted), relayed(ended)] {
        let (there, said) = with_workers(vec![remote(connect, BRIEF, &here).unwrap()]);
        let (outcome, _) = train(&there, &options, &out, &silent).unwrap();
        assert!(outcome.is_finished);
        let said = said.lock().unwrap();
        assert!(
            said.len() == 1 && said[0].contains("does not speak as a worker"),
            "{said:?}"
        );
    }
}

#[test]
fn what_cannot_be_trained_is_refused_in_the_same_words_and_not_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let (here, silent) = (engine(), Progress::silent());
    let options = TrainingOptions {
        blocks: Some(40..41),
        ..options(Loss::CrossEntropy)
    };
    let out = folder.path().join("a");
    let (there, said) = with_workers(vec![remote(worker(|stream| stream), BRIEF, &here).unwrap()]);
    let [expected, found] = [&here, &there].map(|engine| {
        let refused = train(engine, &options, &out, &silent);
        refused.unwrap_err().to_string()
    });
    assert_eq!(found, expected);
    assert!(found.contains("--blocks"), "{found}");
    assert_eq!(*said.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn an_ended_training_leaves_a_state_from_which_this_process_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let here = engine();
    let [own, part, rest] = ["own", "part", "rest"].map(|name| folder.path().join(name));
    let whole = options(Loss::CrossEntropy);
    train(&here, &whole, &own, &Progress::silent()).unwrap();
    let options = TrainingOptions {
        checkpoint: Some(folder.path().join("state")),
        resume: true,
        ..whole
    };
    let cancel = CancelToken::default();
    let token = cancel.clone();
    let connect = relayed(move |reply| {
        if is_step(&reply, 2) {
            token.cancel();
        }
        Some(reply)
    });
    let (there, said) = with_workers(vec![remote(connect, BRIEF, &here).unwrap()]);
    let progress = Progress::new(&|_, _| (), &cancel);
    let (outcome, _) = train(&there, &options, &part, &progress).unwrap();
    // The worker was some steps further when it heard of it.
    assert!(outcome.steps >= 2, "{outcome:?}");
    assert!(part.exists());
    assert_eq!(*said.lock().unwrap(), Vec::<String>::new());
    let (_, reports) = train(&here, &options, &rest, &Progress::silent()).unwrap();
    assert!(outcome.is_finished || steps(&reports).len() == 6 - outcome.steps);
    assert_eq!(tensors(&rest), tensors(&own));
}

#[test]
fn a_process_trains_what_this_process_trains() {
    let folder = tempfile::tempdir().unwrap();
    let here = engine();
    let options = options(Loss::CrossEntropy);
    let [own, remote_file] = ["own", "remote"].map(|name| folder.path().join(name));
    train(&here, &options, &own, &Progress::silent()).unwrap();
    let spec = WorkerSpec::Program(env!("CARGO_BIN_EXE_shotlens").into());
    let open = OpenOptions::default();
    let first = RemoteEncoder::start(&spec, None, &open, here.clip()).unwrap();
    let (there, said) = with_workers(vec![first]);
    let (_, reports) = train(&there, &options, &remote_file, &Progress::silent()).unwrap();
    assert!(worker_of(&reports).unwrap().contains("shotlens"));
    assert_eq!(tensors(&remote_file), tensors(&own));
    assert_eq!(*said.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn the_command_has_a_worker_train_and_says_so() {
    let shell = Shell::new();
    let [own, remote_file] = ["own", "remote"].map(|name| shell.path(name));
    let program = env!("CARGO_BIN_EXE_shotlens");
    let images = assets("pool");
    let recipe = ["--preset", "paper", "--epochs", "1", "--batch", "16"];
    let train = |out: &Path, workers: &[&str]| {
        let files = ["--images", text(&images), "--out", text(out)];
        let command = [workers, &["adapter", "train"], &files, &recipe].concat();
        shell.succeed(&command)
    };
    let alone = train(&own, &[]);
    let printed = train(&remote_file, &["--worker", program]);
    assert!(!alone.contains("trained by"), "{alone}");
    assert!(
        printed.starts_with(&format!("trained by the worker {program}, CPU")),
        "{printed}"
    );
    assert_eq!(tensors(&remote_file), tensors(&own));
    let figures = |text: &str| {
        let lines = text.lines().filter(|line| line.starts_with("held-out"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(figures(&printed), figures(&alone));
}

#[test]
fn a_worker_whose_user_hung_up_trains_for_nobody() {
    let (requests, mut input) = std::io::pipe().unwrap();
    let (mut output, replies) = std::io::pipe().unwrap();
    let (ended, has_ended) = std::sync::mpsc::sync_channel(1);
    start(move || {
        drop(serve(requests, replies));
        ended.send(()).unwrap();
    })
    .unwrap();
    // Bytes that are a message, but of nothing that was opened: each is answered, and none ends the worker.
    for request in [
        Request::Learn { photos: Vec::new() },
        Request::Encode {
            id: 1,
            size: u32::MAX,
            pixels: vec![1, 2, 3],
            adapter: None,
        },
    ] {
        write_frame(&mut input, &request).unwrap();
        let reply = read_frame::<Reply>(&mut output).unwrap();
        assert!(
            matches!(reply, Reply::Kept { count: 0 } | Reply::Failed { .. }),
            "{reply:?}"
        );
    }
    drop(input);
    has_ended.recv().unwrap();
}
