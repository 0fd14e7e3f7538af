//! The documents name tests, commands and files that exist.

#![expect(clippy::disallowed_methods, reason = "reads the documents and sources, no log")]
#![allow(clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 9] = [
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "docs/ARCHITECTURE.md",
    "docs/ASSUMPTIONS.md",
    "docs/FORMAT.md",
    "docs/HACKING.md",
    "docs/PERFORMANCE.md",
    "docs/TESTING.md",
];

const SOURCES: [&str; 7] = ["src", "tests", "benches", "examples", "sim", "cli", "fuzz"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All code of the project.
fn code(dir: &Path, into: &mut String) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    for path in paths {
        if path.is_dir() && !path.ends_with("target") {
            code(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(&path).expect("a source is text"));
        }
    }
}

/// The functions of the project: the tests, and what macros make them of.
fn functions() -> BTreeSet<String> {
    let mut text = String::new();
    for dir in SOURCES {
        code(&root().join(dir), &mut text);
    }
    let name = |rest: &str| {
        rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned()
    };
    let mut names: BTreeSet<String> = text.split("fn ").skip(1).map(name).collect();
    // `name_of_a_test: …` in the list of a macro.
    names.extend(text.lines().filter_map(|line| {
        let (name, _) = line.trim().split_once(':')?;
        is_sentence(name).then(|| name.to_owned())
    }));
    names
}

/// What stands between single backticks, outside of blocks of code.
fn quoted(text: &str) -> Vec<String> {
    let prose = text.split("```").step_by(2).collect::<String>();
    prose.split('`').skip(1).step_by(2).map(|quote| quote.replace('\n', " ")).collect()
}

/// A name as tests have them: a sentence.
fn is_sentence(quote: &str) -> bool {
    quote.matches('_').count() >= 3
        && quote.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn every_test_that_a_document_names_exists() {
    let functions = functions();
    let mut named = 0;
    for name in DOCUMENTS {
        for quote in quoted(&document(name)).iter().filter(|quote| is_sentence(quote)) {
            named += 1;
            assert!(functions.contains(quote), "{name} names `{quote}`, which is no test");
        }
    }
    assert!(named > 20, "only {named} tests are named");
}

#[test]
fn every_test_command_of_a_document_names_a_file_that_exists() {
    let mut named = 0;
    for name in DOCUMENTS {
        let text = document(name);
        for command in text.split("cargo test").skip(1) {
            let command = command.split(['`', '\n', '#']).next().unwrap_or_default();
            let words: Vec<&str> = command.split_whitespace().collect();
            let after = |option: &str| {
                let at = words.iter().position(|word| *word == option)?;
                words.get(at + 1).copied()
            };
            let Some(test) = after("--test").filter(|test| test.starts_with(char::is_lowercase))
            else {
                continue;
            };
            let dir = match after("-p") {
                Some("seawall-sim") => "sim/tests",
                Some("seawall-cli") => "cli/tests",
                _ => "tests",
            };
            named += 1;
            let file = root().join(dir).join(format!("{test}.rs"));
            assert!(file.exists(), "{name}: `cargo test{command}`: {}", file.display());
        }
    }
    assert!(named > 10, "only {named} commands name a test");
}

#[test]
fn every_link_between_documents_and_every_path_in_them_exists() {
    for name in DOCUMENTS {
        let text = document(name);
        let here = root().join(name);
        let here = here.parent().expect("a document stands in a directory");
        for link in text.split("](").skip(1) {
            let link = link.split([')', '#']).next().unwrap_or_default();
            if !link.is_empty() && !link.contains("://") {
                assert!(here.join(link).exists(), "{name} links to {link}");
            }
        }
        for quote in quoted(&text) {
            let is_path = SOURCES.iter().any(|dir| quote.starts_with(&format!("{dir}/")))
                && !quote.contains([' ', '*', '<', '{', '…'])
                && !quote.chars().any(|c| c.is_ascii_uppercase());
            if is_path {
                assert!(root().join(&quote).exists(), "{name} names {quote}");
            }
        }
    }
}

#[test]
fn every_promise_stands_in_the_first_page_with_a_test() {
    let readme = document("README.md");
    for promise in 1..=12 {
        let head = format!("| G{promise} |");
        let row = readme.lines().find(|line| line.starts_with(&head));
        let row = row.unwrap_or_else(|| panic!("G{promise} has no row"));
        let tests = row.split('|').nth(3).unwrap_or_default();
        let told = quoted(tests).iter().any(|quote| is_sentence(quote))
            || tests.contains("crash points as in G1")
            || tests.contains("not tested yet");
        assert!(told, "G{promise} names no test and does not say so");
    }
}
