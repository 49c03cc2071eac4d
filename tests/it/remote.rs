//! Photos encoded in other processes: the same features, whatever becomes of the workers.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shotlens::clip::OpenOptions;
use shotlens::engine::Engine;
use shotlens::engine::embed::PhotoRequest;
use shotlens::engine::remote::{
    Connect, Limits, Link, PROTOCOL, RemoteEncoder, RemoteError, Reply, Request, WorkerSpec,
    read_frame, serve, write_frame,
};
use shotlens::progress::{CancelToken, Progress};

use crate::photos::requests_of;
use crate::window::assets;

pub(crate) const BRIEF: Limits = Limits {
    greeting: Duration::from_secs(20),
    opening: Duration::from_mins(2),
    batch: Duration::from_mins(1),
    step: Duration::from_mins(2),
    saving: Duration::from_mins(1),
    num_photos: 4,
};

pub(crate) fn engine() -> Engine {
    Engine::open(None, &OpenOptions::default(), None).unwrap()
}

fn requests() -> Vec<PhotoRequest<usize>> {
    requests_of("pool/bug")
}

/// Features of the pool, in its order.
pub(crate) fn features(engine: &Engine) -> Vec<Vec<f32>> {
    let mut found = vec![Vec::new(); requests().len()];
    let mut keep = |batch: Vec<(usize, shotlens::engine::embed::PhotoOutcome)>| {
        for (key, outcome) in batch {
            assert!(found[key].is_empty(), "{key} came twice");
            found[key] = outcome.unwrap().features;
        }
    };
    engine
        .embed_photos(&requests(), None, &Progress::silent(), &mut keep)
        .unwrap();
    assert!(found.iter().all(|row| !row.is_empty()));
    found
}

/// A thread for the other end of a pipe.
pub(crate) fn start(body: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("worker".to_owned())
        .spawn(body)?;
    Ok(())
}

/// A worker on threads of this process; `spoil` gets in between it and whoever listens.
pub(crate) fn worker(
    spoil: impl Fn(Box<dyn Write + Send>) -> Box<dyn Write + Send> + Send + Sync + 'static,
) -> Connect {
    Box::new(move || {
        let (requests, input) = std::io::pipe()?;
        let (output, replies) = std::io::pipe()?;
        let replies = spoil(Box::new(replies));
        start(move || drop(serve(requests, replies)))?;
        Ok(Link::over(input, output))
    })
}

pub(crate) fn remote(
    connect: Connect,
    patience: Limits,
    engine: &Engine,
) -> Result<RemoteEncoder, RemoteError> {
    let name = "the worker".to_owned();
    let options = OpenOptions::default();
    RemoteEncoder::over(name, connect, patience, None, &options, engine.clip())
}

/// An engine with these workers, and what it says of them.
pub(crate) fn with_workers(workers: Vec<RemoteEncoder>) -> (Engine, Arc<Mutex<Vec<String>>>) {
    let said = Arc::<Mutex<Vec<String>>>::default();
    let heard = Arc::clone(&said);
    let say = Box::new(move |text| heard.lock().unwrap().push(text));
    (engine().with_workers(workers, say), said)
}

#[test]
fn one_worker_and_two_give_the_features_of_none() {
    let here = engine();
    let expected = features(&here);
    for count in [1, 2] {
        let workers = (0..count).map(|_| remote(worker(|stream| stream), BRIEF, &here).unwrap());
        let (engine, said) = with_workers(workers.collect());
        assert_eq!(features(&engine), expected, "{count}");
        assert_eq!(features(&engine), expected, "{count}, a second time");
        assert_eq!(*said.lock().unwrap(), Vec::<String>::new());
    }
}

/// A stream that breaks after so many bytes, counted over all connections.
struct Breaking {
    stream: Box<dyn Write + Send>,
    left: Arc<AtomicUsize>,
}

impl Write for Breaking {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let left = self.left.load(Ordering::Relaxed);
        if left < bytes.len() {
            // Once: the next connection is a good one.
            self.left.store(usize::MAX, Ordering::Relaxed);
            self.stream.write_all(&bytes[..left])?;
            return Err(std::io::Error::other("broken"));
        }
        self.left.fetch_sub(bytes.len(), Ordering::Relaxed);
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

#[test]
fn a_worker_that_crashes_is_started_again_and_nothing_is_missing() {
    let here = engine();
    let expected = features(&here);
    // In the first batch's reply, and between two.
    for bytes in [2_000, 12_000] {
        let left = Arc::new(AtomicUsize::new(bytes));
        let connect = worker(move |stream| {
            let left = Arc::clone(&left);
            Box::new(Breaking { stream, left })
        });
        let (engine, said) = with_workers(vec![remote(connect, BRIEF, &here).unwrap()]);
        assert_eq!(features(&engine), expected);
        let said = said.lock().unwrap();
        assert!(
            said.len() == 1 && said[0].contains("started again"),
            "{said:?}"
        );
    }
}

#[test]
fn a_worker_that_always_crashes_is_given_up_and_the_rest_is_encoded_here() {
    let here = engine();
    let expected = features(&here);
    let num_starts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&num_starts);
    let connect = worker(move |stream| {
        counted.fetch_add(1, Ordering::Relaxed);
        // Enough for the greetings.
        let left = Arc::new(AtomicUsize::new(1_000));
        Box::new(Breaking { stream, left })
    });
    let (engine, said) = with_workers(vec![remote(connect, BRIEF, &here).unwrap()]);
    assert_eq!(features(&engine), expected);
    assert_eq!(num_starts.load(Ordering::Relaxed), 4);
    let said = said.lock().unwrap();
    assert!(said[said.len() - 1].contains("without it"), "{said:?}");
    drop(said);
    assert_eq!(features(&engine), expected, "without workers from now on");
}

/// Swallows everything behind the first bytes, as a process that hangs does.
struct Hanging {
    stream: Box<dyn Write + Send>,
    left: usize,
}

impl Write for Hanging {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.left >= bytes.len() {
            self.left -= bytes.len();
            return self.stream.write(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

#[test]
fn a_worker_that_falls_silent_is_not_waited_for_for_ever() {
    let here = engine();
    let patience = Limits {
        batch: Duration::from_millis(300),
        ..BRIEF
    };
    let connect = worker(|stream| {
        Box::new(Hanging {
            stream,
            left: 1_000,
        })
    });
    let (engine, said) = with_workers(vec![remote(connect, patience, &here).unwrap()]);
    assert_eq!(features(&engine), features(&here));
    let said = said.lock().unwrap();
    assert!(said[0].contains("has not answered for"), "{said:?}");
}

/// Changes one byte in so many.
struct Noisy {
    stream: Box<dyn Write + Send>,
    count: usize,
    every: usize,
}

impl Write for Noisy {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut changed = bytes.to_vec();
        for byte in &mut changed {
            self.count += 1;
            if self.count > 1_000 && self.count.is_multiple_of(self.every) {
                *byte = byte.wrapping_add(97);
            }
        }
        self.stream.write_all(&changed)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

#[test]
fn noise_on_the_line_ends_the_worker_and_not_the_program() {
    let here = engine();
    // The length of the first batch's reply lies at byte 1,000 or a little behind: four bytes of noise spoil it.
    let connect = worker(|stream| {
        Box::new(Noisy {
            stream,
            count: 1_000,
            every: 1,
        })
    });
    let refused = remote(connect, BRIEF, &here).err().unwrap();
    let is_told = matches!(
        refused,
        RemoteError::Babble { .. } | RemoteError::Gone { .. } | RemoteError::Version { .. }
    );
    assert!(is_told, "{refused:?}");
}

/// A worker between which and its user somebody passes replies on, or others, or (`None`) ends it all.
pub(crate) fn relayed(pass: impl Fn(Reply) -> Option<Reply> + Send + Sync + 'static) -> Connect {
    let pass = Arc::new(pass);
    Box::new(move || {
        let (requests, input) = std::io::pipe()?;
        let (output, mut replies) = std::io::pipe()?;
        let (mut inner_output, inner_replies) = std::io::pipe()?;
        start(move || drop(serve(requests, inner_replies)))?;
        let pass = Arc::clone(&pass);
        start(move || {
            while let Ok(reply) = read_frame::<Reply>(&mut inner_output) {
                let Some(reply) = pass(reply) else { return };
                if write_frame(&mut replies, &reply).is_err() {
                    return;
                }
            }
        })?;
        Ok(Link::over(input, output))
    })
}

/// A worker that answers every request with what `answer` says.
fn actor(answer: impl Fn(Request) -> Reply + Send + Sync + Copy + 'static) -> Connect {
    Box::new(move || {
        let (mut requests, input) = std::io::pipe()?;
        let (output, mut replies) = std::io::pipe()?;
        start(move || {
            while let Ok(request) = read_frame::<Request>(&mut requests) {
                write_frame(&mut replies, &answer(request)).unwrap();
            }
        })?;
        Ok(Link::over(input, output))
    })
}

#[test]
fn another_version_and_other_weights_are_refused_with_a_remedy() {
    let here = engine();
    let old = actor(|_| Reply::Hello {
        protocol: PROTOCOL + 1,
        program: "9".to_owned(),
    });
    let error = remote(old, BRIEF, &here).err().unwrap().to_string();
    assert!(
        error.contains("install the same version at both ends"),
        "{error}"
    );

    let other = actor(|request| match request {
        Request::Hello { .. } => Reply::Hello {
            protocol: PROTOCOL,
            program: "0".to_owned(),
        },
        _ => Reply::Opened {
            space: "another".to_owned(),
            device: "CPU".to_owned(),
        },
    });
    let error = remote(other, BRIEF, &here).err().unwrap().to_string();
    assert!(error.contains("other weights"), "{error}");
}

#[test]
fn a_worker_without_memory_gets_smaller_batches() {
    static LARGEST: AtomicUsize = AtomicUsize::new(1);
    let here = engine();
    let expected = features(&here);
    // Passes requests on to a real worker, except batches that are too large for it.
    let connect: Connect = Box::new(|| {
        let (mut requests, input) = std::io::pipe()?;
        let (output, mut replies) = std::io::pipe()?;
        let (inner_requests, mut inner_input) = std::io::pipe()?;
        let (mut inner_output, inner_replies) = std::io::pipe()?;
        start(move || drop(serve(inner_requests, inner_replies)))?;
        start(move || {
            while let Ok(request) = read_frame::<Request>(&mut requests) {
                let crops = match &request {
                    Request::Encode { size, pixels, .. } => {
                        pixels.len() / (*size as usize * *size as usize * 3)
                    }
                    _ => 0,
                };
                let reply = if crops > LARGEST.load(Ordering::Relaxed) {
                    Reply::Failed {
                        id: None,
                        reason: "CUDA out of memory".to_owned(),
                        is_memory: true,
                    }
                } else {
                    write_frame(&mut inner_input, &request).unwrap();
                    read_frame::<Reply>(&mut inner_output).unwrap()
                };
                if write_frame(&mut replies, &reply).is_err() {
                    return;
                }
            }
        })?;
        Ok(Link::over(input, output))
    });
    let (engine, said) = with_workers(vec![remote(connect, BRIEF, &here).unwrap()]);
    assert_eq!(features(&engine), expected);
    let said = said.lock().unwrap();
    assert!(
        said.iter()
            .all(|text| text.contains("out of memory") || text.contains("ended")),
        "{said:?}"
    );
    assert!(
        said[said.len() - 1].contains("with 1 photos at a time"),
        "{said:?}"
    );
}

#[test]
fn a_cancelled_run_leaves_the_worker_ready_for_the_next() {
    let here = engine();
    let (engine, said) = with_workers(vec![remote(worker(|stream| stream), BRIEF, &here).unwrap()]);
    let cancel = CancelToken::default();
    let report = |done: usize, _| {
        if done > 0 {
            cancel.cancel();
        }
    };
    let progress = Progress::new(&report, &cancel);
    let ended = engine.embed_photos(&requests(), None, &progress, &mut |_| ());
    assert!(ended.is_err());
    assert_eq!(features(&engine), features(&here));
    assert_eq!(*said.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn the_program_serves_the_program() {
    let program = env!("CARGO_BIN_EXE_shotlens");
    let folder = tempfile::tempdir().unwrap();
    let embed = |name: &str, workers: &[&str]| {
        let out = folder.path().join(name);
        let mut command = Command::new(program);
        command.env(
            "SHOTLENS_HOME",
            folder.path().join(format!("home of {name}")),
        );
        command
            .arg("embed")
            .arg(assets("pool"))
            .arg("--out")
            .arg(&out);
        for worker in workers {
            command.args(["--worker", worker]);
        }
        let ended = command.output().unwrap();
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success(), "{told}");
        let bytes = std::fs::read(&out).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        (file.tensor("features").unwrap().data().to_vec(), told)
    };
    let (expected, _) = embed("alone", &[]);
    assert!(embed("one", &[program]).0 == expected);
    assert!(embed("two", &[program, program]).0 == expected);
    let (found, told) = embed("none", &["/no/such/program"]);
    assert!(found == expected);
    assert!(
        told.contains("could not be started") && told.contains("/no/such/program"),
        "{told}"
    );
    // A program that is no worker.
    let (found, told) = embed("true", &["/bin/true"]);
    assert!(found == expected);
    assert!(told.contains("/bin/true ended"), "{told}");
}

/// In the place of ssh: a script that runs what it is asked to in a shell, as ssh does at the other end.
#[cfg(unix)]
#[test]
fn a_host_is_reached_by_ssh_and_the_program_there_may_have_a_space_in_its_path() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let folder = tempfile::tempdir().unwrap();
    let ssh = folder.path().join("ssh");
    let script = "#!/bin/sh\necho \"$@\" >> \"$(dirname \"$0\")/asked\"\nfor last; do :; done\nexec sh -c \"$last\"\n";
    std::fs::write(&ssh, script).unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let there = folder.path().join("my tools");
    std::fs::create_dir(&there).unwrap();
    symlink(env!("CARGO_BIN_EXE_shotlens"), there.join("shotlens")).unwrap();

    let out = folder.path().join("features.safetensors");
    let path = format!(
        "{}:{}",
        folder.path().display(),
        std::env::var("PATH").unwrap()
    );
    let ended = Command::new(env!("CARGO_BIN_EXE_shotlens"))
        .env("SHOTLENS_HOME", folder.path().join("home"))
        .env("PATH", path)
        .args([
            "embed".as_ref(),
            assets("pool/bug").as_os_str(),
            "--out".as_ref(),
            out.as_os_str(),
        ])
        .arg("--worker")
        .arg(format!("ssh:me@gpu:{}", there.join("shotlens").display()))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(
        ended.status.success() && !told.contains("without it"),
        "{told}"
    );
    let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
    assert!(
        asked.starts_with("-T -o BatchMode=yes -- me@gpu '"),
        "{asked}"
    );
}

/// The program under a name of its own, so that signals to it reach no other test's, and a worker started from there.
#[cfg(unix)]
fn worker_called(name: &str, folder: &Path, patience: Limits, here: &Engine) -> RemoteEncoder {
    let program = folder.join(name);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_shotlens"), &program).unwrap();
    let connect = WorkerSpec::Program(program).connect();
    remote(connect, patience, here).unwrap()
}

#[cfg(unix)]
#[test]
fn a_killed_worker_process_is_replaced_and_the_signal_is_told() {
    let (here, folder) = (engine(), tempfile::tempdir().unwrap());
    let first = worker_called("killed-worker", folder.path(), BRIEF, &here);
    let (engine, said) = with_workers(vec![first]);
    if !signalled("-KILL", "killed-worker") {
        return;
    }
    assert_eq!(features(&engine), features(&here));
    let said = said.lock().unwrap();
    assert!(
        said[0].contains("SIGKILL") && said[0].contains("started again"),
        "{said:?}"
    );
}

/// It reads nothing any more, so that the pipe to it is full before the first batch is written.
#[cfg(unix)]
#[test]
fn a_stopped_worker_process_holds_nobody_up() {
    let (here, folder) = (engine(), tempfile::tempdir().unwrap());
    let patience = Limits {
        batch: Duration::from_millis(300),
        ..BRIEF
    };
    let first = worker_called("stopped-worker", folder.path(), patience, &here);
    let (engine, said) = with_workers(vec![first]);
    if !signalled("-STOP", "stopped-worker") {
        return;
    }
    assert_eq!(features(&engine), features(&here));
    let said = said.lock().unwrap();
    assert!(said[0].contains("has not answered for"), "{said:?}");
}

/// Sends a signal to this process's own children of that name; `false` where they cannot be found.
#[cfg(unix)]
fn signalled(signal: &str, name: &str) -> bool {
    let own = std::process::id().to_string();
    let Ok(entries) = std::fs::read_dir("/proc") else {
        println!("skipped: the signal, because there is no /proc");
        return false;
    };
    let mut num_reached = 0;
    for entry in entries.flatten() {
        let mut stat = String::new();
        let opened = std::fs::File::open(entry.path().join("stat"));
        if opened.is_ok_and(|mut file| file.read_to_string(&mut stat).is_ok())
            && stat.contains(&format!("({name})"))
            && stat
                .rsplit(')')
                .next()
                .is_some_and(|rest| rest.split_whitespace().nth(1) == Some(own.as_str()))
        {
            let id = entry.file_name();
            let sent = Command::new("kill").arg(signal).arg(&id).status();
            num_reached += usize::from(sent.is_ok_and(|status| status.success()));
        }
    }
    assert!(num_reached > 0, "no worker to send {signal} to");
    true
}

/// Features that would spoil the cache, or the next line of the program: too few, too many, of another width, no numbers.
#[test]
fn features_that_no_model_gives_are_not_taken_in() {
    let here = engine();
    let expected = features(&here);
    let spoilt: [fn(&mut Reply); 4] = [
        |reply| {
            if let Reply::Encoded { features, .. } = reply {
                features.pop();
            }
        },
        |reply| {
            if let Reply::Encoded { hidden, .. } = reply {
                hidden.pop();
            }
        },
        |reply| {
            if let Reply::Encoded { dim, .. } = reply {
                *dim = 0;
            }
        },
        |reply| {
            if let Reply::Encoded { features, .. } = reply {
                features[3] = f32::NAN;
            }
        },
    ];
    for spoil in spoilt {
        let connect = relayed(move |mut reply| {
            spoil(&mut reply);
            Some(reply)
        });
        let (engine, said) = with_workers(vec![remote(connect, BRIEF, &here).unwrap()]);
        assert_eq!(features(&engine), expected);
        let said = said.lock().unwrap();
        assert!(
            said.len() == 1 && said[0].contains("does not speak as a worker"),
            "{said:?}"
        );
    }
}
