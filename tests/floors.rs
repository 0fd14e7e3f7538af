//! Imports go down: a file of one floor names no floor above or beside it.
//!
//! ```text
//!   planted    nothing; every floor may ask it whether a bug is planted
//!   position   nothing
//!   format     position
//!   storage    position, observer
//!   error      position, format
//!   observer   position
//!   log        position, format, error, observer, storage; never the real disk behind the trait
//! ```
//!
//! Comments are not looked at: a document may point anywhere.

#![expect(clippy::disallowed_methods, reason = "reads the sources of the library, no log")]

use std::fs;
use std::path::{Path, PathBuf};

/// Each floor, and which others it may name.
const FLOORS: [(&str, &[&str]); 7] = [
    ("planted", &[]),
    ("position", &["planted"]),
    ("format", &["position", "planted"]),
    ("storage", &["position", "observer", "planted"]),
    ("error", &["position", "format", "planted"]),
    ("observer", &["position", "planted"]),
    ("log", &["position", "format", "error", "observer", "storage", "planted"]),
];

/// What stands behind the trait `Storage`. Only the floor itself, and whoever assembles an
/// environment, names it.
const REAL_DISK: [&str; 2] = ["posix", "Posix"];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(dir).expect("a directory of sources");
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The modules of a file from the root of the crate: `log`, `machine`, `commit`.
fn modules(path: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        path.iter().map(|name| name.to_str().expect("a plain name").replace(".rs", "")).collect();
    if names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    names
}

/// The code without its comments. Text in quotes stays, which a floor's name does not stand in.
fn code(text: &str) -> String {
    text.lines()
        .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
        .collect::<Vec<_>>()
        .join("\n")
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// What stands behind each `crate::`, and behind each row of `super::` that reaches the root.
fn named_from_root(code: &str, depth: usize) -> Vec<&str> {
    let mut named = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        named.push(&code[at + "crate::".len()..]);
    }
    for (at, _) in code.match_indices("super::") {
        if code[..at].ends_with("super::") {
            continue;
        }
        let (mut rest, mut climbed) = (&code[at..], 0);
        while let Some(behind) = rest.strip_prefix("super::") {
            (rest, climbed) = (behind, climbed + 1);
        }
        // In a module inside the file `super` is the file itself: then this looks one too high,
        // where no floor's name is found.
        if climbed >= depth {
            named.push(rest);
        }
    }
    named
}

/// What is wrong with a file of this floor.
fn wrong(floor: &str, path: &Path, text: &str) -> Vec<String> {
    let (_, allowed) = FLOORS.iter().find(|(name, _)| *name == floor).expect("a floor");
    let code = code(text);
    let mut wrong = Vec::new();
    for rest in named_from_root(&code, modules(path).len()) {
        if rest.starts_with('{') {
            wrong.push("a group at the root of the crate hides which floors it names".to_owned());
            continue;
        }
        let Some(name) = words(rest).next().filter(|name| rest.starts_with(name)) else {
            continue;
        };
        let is_floor = FLOORS.iter().any(|(floor, _)| *floor == name);
        let is_paved = name.starts_with(char::is_uppercase);
        if is_paved {
            wrong.push(format!("{name} is named past the floor it stands on"));
        } else if is_floor && name != floor && !allowed.contains(&name) {
            wrong.push(format!("{floor} names {name}"));
        }
    }
    if floor == "log" {
        let real = words(&code).filter(|word| REAL_DISK.contains(word));
        wrong.extend(real.map(|word| format!("{floor} names {word}")));
    }
    wrong
}

#[test]
fn every_import_points_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let (mut looked_at, mut found) = (0, Vec::new());
    for file in files {
        let path = file.strip_prefix(&root).expect("it was found there");
        let floor = modules(path).into_iter().next().expect("a file has a name");
        if floor == "lib" {
            continue;
        }
        looked_at += 1;
        assert!(
            FLOORS.iter().any(|(name, _)| *name == floor),
            "{} stands on no floor: give it one here and in docs/ARCHITECTURE.md",
            path.display()
        );
        let text = fs::read_to_string(&file).expect("a source is text");
        let wrong = wrong(&floor, path, &text);
        found.extend(wrong.into_iter().map(|what| format!("{}: {what}", path.display())));
    }
    assert!(looked_at > 30, "only {looked_at} files were found");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn imports_that_point_up_or_sideways_are_found() {
    for (path, text) in [
        ("position.rs", "use crate::format::layout;"),
        ("format/frame.rs", "use crate::storage::Storage;"),
        ("format/frame/tests.rs", "use super::super::super::log::Log;"),
        ("format/mod.rs", "use super::storage;"),
        ("format/frame.rs", "use crate::error::Error;"),
        ("storage/mod.rs", "fn f() -> crate::log::Lsn {}"),
        ("storage/posix.rs", "use crate::format::name::FileName;"),
        ("error.rs", "use crate::storage::WriteFailure;"),
        ("log/recover.rs", "use crate::storage::Posix;"),
        ("log/recover.rs", "use crate::storage::{Environment, Posix};"),
        ("log/machine/mod.rs", "use crate::Options;"),
        ("log/machine/mod.rs", "use crate::{format, storage};"),
    ] {
        let path = Path::new(path);
        let floor = &modules(path)[0];
        assert!(!wrong(floor, path, text).is_empty(), "{}: {text}", path.display());
    }
    for (path, text) in [
        ("format/frame.rs", "use crate::position::Lsn; // not crate::storage"),
        ("format/frame/tests.rs", "use super::super::layout;"),
        ("position.rs", "mod tests { use super::*; }"),
        ("error.rs", "use crate::format::frame::FrameError;"),
        ("log/machine/commit.rs", "use super::super::action::Action;"),
        ("log/recover.rs", "/// See [`Log`](crate::Log).\nuse crate::storage::Storage;"),
    ] {
        let path = Path::new(path);
        let wrong = wrong(&modules(path)[0], path, text);
        assert!(wrong.is_empty(), "{}: {text}: {wrong:?}", path.display());
    }
}
