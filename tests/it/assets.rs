//! What the repository carries: licences named, demo pictures in order, not too heavy.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::source_text::{files_below, relative, root};

const MAX_TRACKED_BYTES: u64 = 40 * 1024 * 1024;
const MAX_DEMO_BYTES: u64 = 3 * 1024 * 1024;

#[test]
fn every_asset_is_named_in_the_licences() {
    let licences = fs::read_to_string(root().join("assets/LICENSES.md")).unwrap();
    let named: Vec<&str> = licences
        .split('`')
        .filter(|span| span.starts_with("assets/"))
        .collect();
    assert!(!named.is_empty(), "assets/LICENSES.md names no file");

    let unnamed: Vec<String> = files_below(&root().join("assets"))
        .iter()
        .map(|path| relative(path))
        .filter(|path| !named.iter().any(|name| covers(name, path)))
        .collect();
    assert!(
        unnamed.is_empty(),
        "give these a row in assets/LICENSES.md (source, licence, notice): {unnamed:#?}"
    );
}

#[test]
fn tracked_files_are_within_the_limit() {
    let Ok(listing) = Command::new("git")
        .arg("ls-files")
        .arg("-z")
        .current_dir(root())
        .output()
    else {
        println!("skipped: no git");
        return;
    };
    if !listing.status.success() {
        println!("skipped: not a git checkout");
        return;
    }
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let mut sizes: Vec<(u64, &str)> = listing
        .split_terminator('\0')
        .filter_map(|path| Some((fs::metadata(root().join(path)).ok()?.len(), path)))
        .collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let total: u64 = sizes.iter().map(|(bytes, _)| bytes).sum();
    assert!(total > 0, "git lists no file");
    assert!(
        total <= MAX_TRACKED_BYTES,
        "tracked files have {total} bytes, at most {MAX_TRACKED_BYTES}; the largest: {:#?}",
        &sizes[..sizes.len().min(8)]
    );
}

#[test]
fn every_demo_picture_has_its_source() {
    let table = fs::read_to_string(root().join("assets/demo/SOURCES.tsv")).unwrap();
    let mut rows = table
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    assert_eq!(
        rows.next().unwrap(),
        [
            "file",
            "original",
            "licence",
            "title",
            "author",
            "original_sha256"
        ]
    );

    let mut named = BTreeSet::new();
    for row in rows {
        assert_eq!(row.len(), 6, "{row:?}");
        assert_eq!(row[2], "public domain", "{row:?}");
        assert!(
            named.insert(row[0].to_owned()),
            "{} stands twice in SOURCES.tsv",
            row[0]
        );
    }
    let there: BTreeSet<String> = demo_pictures().into_keys().collect();
    assert_eq!(there, named, "assets/demo and its SOURCES.tsv differ");
}

#[test]
fn the_demo_has_shots_and_pool_of_the_same_classes() {
    let pictures = demo_pictures();
    let mut shots = BTreeMap::<&str, usize>::new();
    let mut pool = BTreeMap::<&str, usize>::new();
    for path in pictures.keys() {
        let (part, rest) = path.split_once('/').unwrap();
        let class = rest.split_once('/').unwrap().0;
        *if part == "support" {
            shots.entry(class)
        } else {
            pool.entry(class)
        }
        .or_default() += 1;
    }
    assert!((5..=8).contains(&shots.len()), "{shots:?}");
    assert!(shots.keys().eq(pool.keys()), "{shots:?} and {pool:?}");
    assert!(shots.values().all(|&count| count == 8), "{shots:?}");
    assert!(pool.values().all(|&count| count >= 8), "{pool:?}");
}

#[test]
fn demo_pictures_are_small_distinct_and_free_of_metadata() {
    let pictures = demo_pictures();
    let total: u64 = pictures.values().map(|bytes| bytes.len() as u64).sum();
    assert!(total <= MAX_DEMO_BYTES, "{total} bytes of demo pictures");

    let mut seen = BTreeMap::new();
    for (path, bytes) in &pictures {
        let image =
            image::load_from_memory(bytes).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!((image.width(), image.height()), (288, 288), "{path}");
        assert!(
            !bytes.windows(4).any(|window| window == b"Exif"),
            "{path} carries metadata"
        );
        if let Some(twin) = seen.insert(bytes, path) {
            panic!("{path} and {twin} are the same picture");
        }
    }
}

/// Whether a name in LICENSES.md stands for a path: itself, or `folder/**`.
fn covers(name: &str, path: &str) -> bool {
    match name.strip_suffix("/**") {
        Some(folder) => path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/')),
        None => name == path,
    }
}

/// Path below `assets/demo` and bytes of each picture.
fn demo_pictures() -> BTreeMap<String, Vec<u8>> {
    let demo = root().join("assets/demo");
    ["support", "pool"]
        .into_iter()
        .flat_map(|part| files_below(&demo.join(part)))
        .map(|path| (relative(&path).replacen("assets/demo/", "", 1), read(&path)))
        .collect()
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
