//! The rules of `ARCHITECTURE.md`, read off the sources: who may use whom, and what must not stand where.

use std::fs;

use regex::Regex;

use crate::source_text::{Source, files_below, line_number, relative, root, sources};

/// Who may use whom: a module and the modules that it may name. What is not in a row is forbidden.
const MAY_USE: &[(&str, &[&str])] = &[
    ("ids", &[]),
    ("memory", &[]),
    ("progress", &[]),
    ("features", &[]),
    ("image_io", &["ids", "progress"]),
    ("clip", &["ids", "progress", "features", "image_io"]),
    ("support", &["ids", "progress", "features"]),
    ("methods", &["ids", "progress", "features", "support"]),
    (
        "project",
        &["ids", "progress", "features", "image_io", "support"],
    ),
    ("models", &["ids", "progress", "image_io", "clip"]),
    (
        "engine",
        &[
            "ids", "progress", "features", "image_io", "clip", "support", "methods", "project",
            "models",
        ],
    ),
    (
        "worker",
        &[
            "ids", "memory", "progress", "features", "image_io", "clip", "support", "methods",
            "project", "models", "engine",
        ],
    ),
    (
        "app",
        &[
            "ids", "progress", "features", "image_io", "clip", "support", "methods", "project",
            "models", "engine", "worker",
        ],
    ),
    (
        "cli",
        &[
            "ids", "progress", "features", "image_io", "clip", "support", "methods", "project",
            "models", "engine", "worker", "app",
        ],
    ),
    (
        "ui",
        &[
            "ids", "progress", "image_io", "support", "methods", "project", "models", "worker",
            "app",
        ],
    ),
];

/// Packages with a place of their own: outside these folders nothing may name them.
const PLACES: &[(&str, &[&str])] = &[
    ("egui", &["src/ui/"]),
    ("eframe", &["src/ui/"]),
    ("egui_plot", &["src/ui/"]),
    ("rfd", &["src/ui/"]),
    ("arboard", &["src/ui/"]),
    ("candle_core", &["src/clip/", "src/engine/"]),
    ("candle_nn", &["src/clip/", "src/engine/"]),
    ("rusqlite", &["src/project/"]),
    ("hf_hub", &["src/models/"]),
];

/// Modules that touch no file: their inputs are values, and the window never waits for a disk.
const NO_FILES: &[&str] = &[
    "ids", "memory", "progress", "features", "support", "methods", "app", "ui",
];

/// Where serde's derives may stand: what is written to a file or printed, never what the program computes with.
const SERDE: &[&str] = &[
    "src/project/",
    "src/models/",
    "src/clip/checkpoint/",
    "src/cli/",
    "src/ids.rs",
    "src/engine/remote/",
];

const MAX_LINES: usize = 600;

#[test]
fn no_module_uses_one_above_it() {
    let mut offences = Vec::new();
    for source in sources("src") {
        let user = module(&source.path);
        if matches!(user, "lib" | "main") {
            continue;
        }
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == user) else {
            offences.push(format!(
                "{}: module {user} has no row in MAY_USE",
                source.path
            ));
            continue;
        };
        for (used, position) in crate_uses(&source.shipped) {
            if used != user
                && !allowed.contains(&used)
                && MAY_USE.iter().any(|(name, _)| *name == used)
            {
                offences.push(place(&source, position, &format!("{user} uses {used}")));
            }
        }
    }
    check(
        "a module may use those that its row in MAY_USE names",
        &offences,
    );
}

#[test]
fn the_table_of_layers_has_no_cycle() {
    for (index, (name, allowed)) in MAY_USE.iter().enumerate() {
        for used in *allowed {
            let below = MAY_USE[..index].iter().any(|(other, _)| other == used);
            assert!(
                below,
                "{name} may use {used}, which does not stand above it in MAY_USE"
            );
        }
    }
}

#[test]
fn packages_stay_in_their_place() {
    let mut offences = Vec::new();
    for (package, folders) in PLACES {
        let name = Regex::new(&format!(r"\b{package}(::|;| as )")).unwrap();
        for source in sources("src")
            .iter()
            .filter(|source| !starts_with_any(&source.path, folders))
        {
            for found in name.find_iter(&source.shipped) {
                offences.push(place(
                    source,
                    found.start(),
                    &format!("{package} belongs under {folders:?}"),
                ));
            }
        }
    }
    check("packages are named only in their own place", &offences);
}

#[test]
fn modules_that_compute_touch_no_file() {
    let files = Regex::new(r"\bstd::fs\b|\bfs::|\bFile::(open|create)|\bwalkdir\b").unwrap();
    let mut offences = Vec::new();
    for source in sources("src")
        .iter()
        .filter(|source| NO_FILES.contains(&module(&source.path)))
    {
        for found in files.find_iter(&source.shipped) {
            offences.push(place(source, found.start(), "reads or writes files"));
        }
    }
    check(&format!("no file access in {NO_FILES:?}"), &offences);
}

#[test]
fn serde_derives_stand_only_at_the_boundary() {
    let derive = Regex::new(r"\b(Serialize|Deserialize)\b").unwrap();
    let mut offences = Vec::new();
    for source in sources("src")
        .iter()
        .filter(|source| !starts_with_any(&source.path, SERDE))
    {
        for found in derive.find_iter(&source.shipped) {
            offences.push(place(source, found.start(), found.as_str()));
        }
    }
    check(
        &format!("serde's derives stand only in {SERDE:?}"),
        &offences,
    );
}

#[test]
fn threads_start_only_where_they_are_named() {
    let spawn = Regex::new(r"\bthread::spawn\b|\bunbounded\s*(::<[^>]*>)?\(").unwrap();
    let mut offences = Vec::new();
    for source in sources("src") {
        for found in spawn.find_iter(&source.shipped) {
            offences.push(place(&source, found.start(), found.as_str()));
        }
    }
    check(
        "threads are named (thread::Builder) and channels bounded",
        &offences,
    );
}

#[test]
fn shipped_code_does_not_unwrap() {
    let mut offences = Vec::new();
    for source in sources("src") {
        for (position, _) in source.shipped.match_indices(".unwrap()") {
            offences.push(place(&source, position, "unwrap() outside tests"));
        }
    }
    check("errors are handled: no unwrap() outside tests", &offences);
}

#[test]
fn no_source_file_is_longer_than_the_limit() {
    let offences: Vec<String> = ["src", "tests"]
        .into_iter()
        .flat_map(sources)
        .filter(|source| source.text.lines().count() > MAX_LINES)
        .map(|source| format!("{}: {} lines", source.path, source.text.lines().count()))
        .collect();
    check(
        &format!("at most {MAX_LINES} lines a file, one idea each"),
        &offences,
    );
}

#[test]
fn what_is_left_to_do_names_its_issue() {
    let bare = Regex::new(r"\b(TO[D]O|FIX[M]E|XX[X])\b").unwrap();
    let named = Regex::new(r"^\w+\(#\d+\)").unwrap();
    let mut offences = Vec::new();
    for source in ["src", "tests"].into_iter().flat_map(sources) {
        for found in bare.find_iter(&source.text) {
            if !named.is_match(&source.text[found.start()..]) {
                offences.push(place(&source, found.start(), found.as_str()));
            }
        }
    }
    check(
        "a note about work left names its issue, as in (#12)",
        &offences,
    );
}

#[test]
fn no_text_names_a_developers_machine() {
    // Spelt so that this file does not find itself.
    let machine = Regex::new(r"/(work|root)[/]\S|C:\\Users\\").unwrap();
    let mut offences = Vec::new();
    for path in project_texts() {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        for found in machine.find_iter(&text) {
            offences.push(format!(
                "{}:{}: {}",
                relative(&path),
                line_number(&text, found.start()),
                found.as_str()
            ));
        }
    }
    check(
        "no path of a developer's machine in the project's text",
        &offences,
    );
}

#[test]
fn the_codemap_names_every_module() {
    let codemap = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for (name, _) in MAY_USE {
        assert!(
            codemap.contains(&format!("`{name}")),
            "ARCHITECTURE.md says nothing about the module {name}"
        );
    }
    let num_lines = codemap.lines().count();
    assert!(
        num_lines <= 120,
        "ARCHITECTURE.md has {num_lines} lines: it is to be read in one sitting, 120 at most"
    );
}

#[test]
fn uses_are_found_in_paths_groups_and_visibilities() {
    let code = "use crate::ui::Window; use crate::{clip::{Clip, Crop}, methods::fit,\n app}; pub(in crate::cli) fn f() { crate::worker::run() }";
    let mut used: Vec<&str> = crate_uses(code).into_iter().map(|(name, _)| name).collect();
    used.sort_unstable();
    assert_eq!(used, ["app", "cli", "clip", "methods", "ui", "worker"]);
}

/// Fails with the rule and every place that breaks it.
#[track_caller]
fn check(rule: &str, offences: &[String]) {
    assert!(
        offences.is_empty(),
        "{rule}; broken in {} places:\n{}",
        offences.len(),
        offences.join("\n")
    );
}

/// `file:line: what`, followed by the line.
fn place(source: &Source, position: usize, what: &str) -> String {
    let number = line_number(&source.text, position);
    let line = source
        .text
        .lines()
        .nth(number - 1)
        .unwrap_or_default()
        .trim();
    format!("{}:{number}: {what}: {line}", source.path)
}

/// `clip` of `src/clip/text.rs`, `ids` of `src/ids.rs`.
fn module(path: &str) -> &str {
    let path = path.strip_prefix("src/").unwrap_or(path);
    path.split_once('/')
        .map_or(path.strip_suffix(".rs").unwrap_or(path), |(module, _)| {
            module
        })
}

fn starts_with_any(path: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| path.starts_with(prefix))
}

/// The top modules that a text names after `crate::`, with their byte positions; groups are looked into.
fn crate_uses(code: &str) -> Vec<(&str, usize)> {
    let mut uses = Vec::new();
    for (position, prefix) in code.match_indices("crate::") {
        if code[..position].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
            continue;
        }
        let start = position + prefix.len();
        if code[start..].starts_with('{') {
            uses.extend(group_heads(code, start));
        } else {
            uses.push((word(&code[start..]), start));
        }
    }
    uses
}

/// The first word of each member of the group that opens at `start`.
fn group_heads(code: &str, start: usize) -> Vec<(&str, usize)> {
    let (mut heads, mut depth, mut expects_head) = (Vec::new(), 0, false);
    for (offset, character) in code[start..].char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match character {
            '{' | ',' if depth == 1 => expects_head = true,
            _ if expects_head && character.is_alphabetic() => {
                heads.push((word(&code[start + offset..]), start + offset));
                expects_head = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

fn word(text: &str) -> &str {
    let end = text
        .find(|character: char| !character.is_alphanumeric() && character != '_')
        .unwrap_or(text.len());
    &text[..end]
}

/// Sources, tests, benches, documents and scripts: everything that a reader of the project sees as text.
fn project_texts() -> Vec<std::path::PathBuf> {
    let folders = ["src", "tests", "benches", ".ci", "assets"].map(|folder| root().join(folder));
    let mut files: Vec<_> = folders
        .into_iter()
        .filter(|folder| folder.is_dir())
        .flat_map(|folder| files_below(&folder))
        .collect();
    files.extend(
        ["README.md", "ARCHITECTURE.md", "Cargo.toml", "clippy.toml"].map(|file| root().join(file)),
    );
    files
}
