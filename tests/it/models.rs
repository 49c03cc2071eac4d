//! Finding, adding and fetching models; the hub is a thread that answers as huggingface.co does.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};
use shotlens::clip::{CheckpointFiles, ConfigSource, WeightsSource};
use shotlens::models::{Hub, KnownModel, ModelError, ModelStore, files_at, known_models, resolve};
use shotlens::progress::{CancelToken, Progress};

fn write(folder: &Path, names: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    for name in names {
        fs::write(folder.join(name), b"{}").unwrap();
    }
}

fn weights_name(files: &CheckpointFiles) -> String {
    match &files.weights {
        WeightsSource::File(path) => path.file_name().unwrap().to_str().unwrap().to_owned(),
        WeightsSource::Bytes(_) | WeightsSource::Hashed { .. } => "embedded".to_owned(),
    }
}

#[test]
fn a_folder_is_read_in_its_publishers_dialect() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(
        &root.join("hf"),
        &[
            "model.safetensors",
            "config.json",
            "preprocessor_config.json",
            "pytorch_model.bin",
        ],
    );
    write(
        &root.join("open_clip"),
        &[
            "open_clip_model.safetensors",
            "open_clip_config.json",
            "model.safetensors",
        ],
    );
    write(&root.join("bare"), &["anything.safetensors"]);
    write(
        &root.join("packed"),
        &["model-int8.safetensors", "config.json"],
    );
    let at = |name: &str| files_at(&root.join(name)).unwrap();

    assert!(matches!(
        at("hf").config,
        ConfigSource::HuggingFace {
            preprocessor: Some(_),
            ..
        }
    ));
    assert_eq!(
        weights_name(&at("open_clip")),
        "open_clip_model.safetensors"
    );
    assert!(matches!(
        at("open_clip").config,
        ConfigSource::OpenClip { .. }
    ));
    assert!(matches!(at("bare").config, ConfigSource::None));
    assert!(matches!(
        at("packed").config,
        ConfigSource::HuggingFace {
            preprocessor: None,
            ..
        }
    ));
    assert!(matches!(
        at("hf/model.safetensors").config,
        ConfigSource::HuggingFace { .. }
    ));
    assert!(matches!(
        at("bare/anything.safetensors").config,
        ConfigSource::None
    ));
}

#[test]
fn what_is_no_checkpoint_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, &["model.pt", "notes.txt"]);
    write(&root.join("pickled"), &["pytorch_model.bin", "config.json"]);
    write(&root.join("empty"), &[]);
    let error = |name: &str| resolve(root.join(name).to_str()).unwrap_err();

    assert!(matches!(error("model.pt"), ModelError::Pickle { .. }));
    assert!(
        error("model.pt")
            .to_string()
            .contains("safetensors.torch.save_file")
    );
    assert!(matches!(error("pickled"), ModelError::Pickle { .. }));
    assert!(matches!(error("notes.txt"), ModelError::UnknownFile { .. }));
    assert!(matches!(error("empty"), ModelError::NoCheckpoint { .. }));
    assert!(matches!(
        error("gone.safetensors"),
        ModelError::Missing { .. }
    ));
}

#[test]
fn a_known_model_that_is_not_here_names_the_command_that_brings_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = ModelStore::at(folder.path().join("models"));
    let error = store.resolve("openai-vit-b-32").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`shotlens model add openai-vit-b-32`"),
        "{error}"
    );
    let error = store.resolve("vit-b-33").unwrap_err();
    assert!(error.to_string().contains("laion-vit-b-16"), "{error}");
    assert!(store.list().unwrap().is_empty());
}

#[cfg(feature = "embedded-assets")]
#[test]
fn without_a_name_the_embedded_model_comes() {
    let resolved = resolve(None).unwrap();
    let WeightsSource::Hashed { bytes, sha256 } = resolved.files.weights else {
        panic!("{:?}", resolved.files.weights)
    };
    let mut hash = String::new();
    for byte in Sha256::digest(bytes) {
        std::fmt::Write::write_fmt(&mut hash, format_args!("{byte:02x}")).unwrap();
    }
    assert_eq!(sha256, hash);
    let tensors = safetensors::SafeTensors::deserialize(bytes).unwrap();
    assert!(tensors.tensor("visual_projection.weight").is_ok());
    assert!(matches!(
        resolved.files.config,
        ConfigSource::HuggingFace {
            preprocessor: Some(_),
            ..
        }
    ));
}

#[test]
fn a_local_model_can_be_added_listed_used_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    write(&source, &["model.safetensors", "config.json", "README.md"]);
    let store = ModelStore::at(folder.path().join("models"));
    let path = store.add_local(&source, "mine").unwrap();

    let list = store.list().unwrap();
    assert_eq!(
        (list.len(), list[0].name.as_str(), &list[0].path),
        (1, "mine", &path)
    );
    assert!(list[0].origin.as_ref().unwrap().source.ends_with("source"));
    assert!(matches!(
        store.resolve("mine").unwrap().files.config,
        ConfigSource::HuggingFace { .. }
    ));
    assert!(!path.join("README.md").exists());
    assert!(matches!(
        store.add_local(&source, "mine"),
        Err(ModelError::Exists { .. })
    ));

    store.remove("mine").unwrap();
    assert!(source.join("model.safetensors").is_file());
    assert!(matches!(
        store.remove("mine"),
        Err(ModelError::NotInstalled { .. })
    ));
}

/// Answers `HEAD` and `GET` for the files of one model like the hub: large files redirect to a storage address.
struct FakeHub {
    hub: Hub,
    /// Request lines with their range, in order.
    requests: Arc<Mutex<Vec<String>>>,
}

const CONFIG: &[u8] = br#"{"model_cfg": {}}"#;

fn content() -> Vec<u8> {
    (0..2_000_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

fn sha256_of(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut hex = String::new();
    for byte in Sha256::digest(bytes) {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}

fn fake_hub(stated_sha256: String) -> FakeHub {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = requests.clone();
    std::thread::Builder::new()
        .name("fake hub".into())
        .spawn(move || {
            for stream in listener.incoming() {
                answer(&mut stream.unwrap(), &stated_sha256, &log);
            }
        })
        .unwrap();
    FakeHub {
        hub: Hub::at(&format!("http://{address}/")),
        requests,
    }
}

fn answer(stream: &mut TcpStream, stated_sha256: &str, log: &Mutex<Vec<String>>) {
    let lines: Vec<String> = BufReader::new(&mut *stream)
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let Some(request) = lines.first().cloned() else {
        return;
    };
    let range = lines.iter().find_map(|line| {
        line.to_lowercase()
            .strip_prefix("range: bytes=")
            .map(str::to_owned)
    });
    log.lock()
        .unwrap()
        .push(format!("{request} {}", range.clone().unwrap_or_default()));
    let is_head = request.starts_with("HEAD");
    let content = content();
    let (status, headers, body) = if request.contains("open_clip_config.json") {
        ("200 OK", "X-Repo-Commit: abc\r\n".to_owned(), CONFIG)
    } else if request.contains("/storage/") {
        let start: usize = range
            .and_then(|range| range.trim_end_matches('-').parse().ok())
            .unwrap_or(0);
        (
            if start > 0 {
                "206 Partial Content"
            } else {
                "200 OK"
            },
            String::new(),
            &content[start..],
        )
    } else {
        let size = content.len();
        let headers = format!(
            "X-Repo-Commit: abc\r\nX-Linked-Etag: \"{stated_sha256}\"\r\nX-Linked-Size: {size}\r\nLocation: /storage/blob\r\n"
        );
        ("302 Found", headers, &[][..])
    };
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // a client that was cancelled hangs up in the middle
    stream.write_all(head.as_bytes()).ok();
    if !is_head {
        stream.write_all(body).ok();
    }
}

fn model() -> &'static KnownModel {
    &known_models()[0]
}

#[test]
fn a_download_is_verified_recorded_and_usable() {
    let folder = tempfile::tempdir().unwrap();
    let store = ModelStore::at(folder.path().to_owned());
    let FakeHub { hub, .. } = fake_hub(sha256_of(&content()));
    let path = store.download(model(), &hub, &Progress::silent()).unwrap();

    assert_eq!(fs::read(path.join(&model().weights)).unwrap(), content());
    let origin = store.list().unwrap()[0].origin.clone().unwrap();
    assert_eq!(origin.commit.as_deref(), Some("abc"));
    assert_eq!(origin.sha256[&model().weights], sha256_of(&content()));
    let resolved = store.resolve(&model().name).unwrap();
    assert!(matches!(
        resolved.files.config,
        ConfigSource::OpenClip { .. }
    ));
    assert_eq!(resolved.activation, Some(model().activation));
}

#[test]
fn a_file_with_another_hash_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = ModelStore::at(folder.path().to_owned());
    let FakeHub { hub, .. } = fake_hub("0".repeat(64));
    let error = store
        .download(model(), &hub, &Progress::silent())
        .unwrap_err();
    assert!(matches!(error, ModelError::WrongHash { .. }), "{error}");
    assert!(store.list().unwrap().is_empty());
    let left: Vec<_> = walk(folder.path());
    assert!(
        left.iter().all(|name| !name.contains("safetensors")),
        "{left:?}"
    );
}

fn walk(folder: &Path) -> Vec<String> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect()
}

#[test]
fn a_cancelled_download_continues_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let store = ModelStore::at(folder.path().to_owned());
    let FakeHub { hub, requests } = fake_hub(sha256_of(&content()));
    let token = CancelToken::default();
    let cancel_half_way = |done, _total| {
        if done > content().len() / 2 {
            token.cancel();
        }
    };
    let error = store
        .download(model(), &hub, &Progress::new(&cancel_half_way, &token))
        .unwrap_err();
    assert!(matches!(error, ModelError::Cancelled), "{error}");
    assert!(store.list().unwrap().is_empty());

    let path = store.download(model(), &hub, &Progress::silent()).unwrap();
    assert_eq!(fs::read(path.join(&model().weights)).unwrap(), content());
    let requests = requests.lock().unwrap();
    let last = requests.last().unwrap();
    assert!(
        last.contains("/storage/") && last.ends_with('-'),
        "continued by a range: {last}"
    );
}

#[test]
fn without_a_connection_the_error_says_what_else_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let store = ModelStore::at(folder.path().to_owned());
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = store
        .download(
            model(),
            &Hub::at(&format!("http://{closed}")),
            &Progress::silent(),
        )
        .unwrap_err();
    assert!(
        error.to_string().contains("shotlens model add FILE NAME"),
        "{error}"
    );
}
