//! The golden directories: `tests/golden/vN/` holds logs as format version N has them, each with
//! what the commands say of it beside it. Never changed once N is released.
//!
//! `SEAWALL_BLESS=1 cargo test -p seawall-cli --test golden written_today` writes those of the version
//! that this code writes, and their reports.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod golden_logs;
mod harness;

use harness::{Ran, run};
use seawall::format::header::{VERSION, VERSION_OLDEST};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const QUESTIONS: [&str; 3] = ["verify", "inspect", "cat"];

/// The newest version of which somebody outside may have files: what it wrote is never blessed again.
const RELEASED: u32 = 0;

/// Logs that are written otherwise today, and are read as before: repairs did not mark the end of a
/// log that they made anew as a copy.
const KEPT: [&str; 5] = [
    "repaired-emptied",
    "repaired-hole",
    "repaired-last-header",
    "repaired-missing-newest",
    "repaired-record",
];

/// What is said in words: each reader has its own, and they may change. And what the device answers,
/// which is no part of the log.
const WORDS: [&str; 3] = ["cause", "advice", "device"];

fn golden(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/golden/v{version}"))
}

/// The directories of every version that is read.
fn directories() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for version in VERSION_OLDEST..=VERSION {
        let entries = fs::read_dir(golden(version)).unwrap().map(|entry| entry.unwrap().path());
        found.extend(entries.filter(|path| path.is_dir()));
    }
    found.sort();
    found
}

fn name_of(dir: &Path) -> &str {
    dir.file_name().unwrap().to_str().unwrap()
}

fn report_of(dir: &Path) -> PathBuf {
    dir.with_extension("txt")
}

fn expected(dir: &Path) -> String {
    fs::read_to_string(report_of(dir)).unwrap()
}

/// Questions and answers as on a terminal, without words, and in an order that does not matter.
fn report(story: &str, dir: &Path, ask: impl Fn(&str, &Path) -> Ran) -> String {
    let mut text = format!("# {story}\n");
    for question in QUESTIONS {
        writeln!(text, "$ {question} --json").unwrap();
        let answer = ask(question, dir);
        let said = serde_json::Deserializer::from_slice(&answer.stdout).into_iter::<Value>();
        for value in said {
            let mut value = value.unwrap();
            without_words(&mut value);
            if question == "cat" {
                writeln!(text, "{value}").unwrap();
            } else {
                writeln!(text, "{value:#}").unwrap();
            }
        }
        writeln!(text, "exit code {}", answer.code.unwrap()).unwrap();
    }
    text
}

fn without_words(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !WORDS.contains(&name.as_str()));
            for (name, field) in fields {
                without_words(field);
                if let (true, Value::Array(findings)) = (name == "findings", field) {
                    findings.sort_by_key(ToString::to_string);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(without_words),
        _ => {}
    }
}

fn library(question: &str, dir: &Path) -> Ran {
    run(question, dir, &["--json"])
}

fn second_reader(question: &str, dir: &Path) -> Ran {
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/reader.py");
    let output =
        Command::new("python3").arg(reader).arg(question).arg(dir).arg("--json").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!stderr.contains("Traceback"), "{stderr}");
    Ran { code: output.status.code(), stdout: output.stdout, stderr }
}

/// What a directory shows, as its report has it.
fn story(expected: &str) -> &str {
    expected.lines().next().unwrap().trim_start_matches("# ")
}

#[test]
fn logs_that_are_written_today_have_the_bytes_of_the_golden_directories() {
    let bless = std::env::var_os("SEAWALL_BLESS").is_some_and(|value| value == "1");
    let dir = golden(VERSION);
    if bless {
        assert_ne!(VERSION, RELEASED, "it was released: its directories stay as they are");
        let old = directories().into_iter().filter(|place| place.parent() == Some(&*dir));
        for place in old.filter(|place| !KEPT.contains(&name_of(place))) {
            fs::remove_dir_all(&place).unwrap();
            fs::remove_file(report_of(&place)).unwrap();
        }
        for place in KEPT.map(|name| dir.join(name)) {
            let expected = expected(&place);
            fs::write(report_of(&place), report(story(&expected), &place, library)).unwrap();
        }
    }
    let mut names = BTreeSet::new();
    for log in golden_logs::all() {
        let place = dir.join(log.name);
        let made = log.files();
        if bless {
            fs::create_dir_all(&place).unwrap();
            for (name, bytes) in &made {
                fs::write(place.join(name), bytes).unwrap();
            }
            fs::write(report_of(&place), report(log.story, &place, library)).unwrap();
        }
        let kept: BTreeMap<_, _> =
            harness::files(&place).into_iter().map(|(name, (bytes, _))| (name, bytes)).collect();
        assert_eq!(kept.keys().collect::<Vec<_>>(), made.keys().collect::<Vec<_>>());
        for (name, bytes) in &made {
            let differs = bytes.iter().zip(&kept[name]).position(|(made, kept)| made != kept);
            let same = bytes.len() == kept[name].len() && differs.is_none();
            assert!(
                same,
                "{}/{name} is written otherwise than format version {VERSION} has it, from byte \
                 {differs:?} on. If the bytes mean something else now, that is a new version: \
                 raise VERSION in src/format/header.rs, leave the directories of version \
                 {VERSION} as they are, and bless those of the next. If they are another log of \
                 the same format (the writer marks or rotates elsewhere), bless these: \
                 SEAWALL_BLESS=1 cargo test -p seawall-cli --test golden written_today",
                log.name
            );
        }
        names.insert(log.name.to_owned());
    }
    let kept: BTreeSet<_> = directories()
        .iter()
        .filter(|path| path.parent() == Some(&*dir))
        .map(|path| name_of(path).to_owned())
        .collect();
    names.extend(KEPT.map(str::to_owned));
    assert_eq!(kept, names, "every directory has a log that makes it");
}

#[test]
fn the_library_says_of_every_golden_directory_what_is_written_beside_it() {
    let directories = directories();
    assert!(directories.len() > 30, "only {}", directories.len());
    let mut codes = BTreeSet::new();
    for dir in directories {
        let expected = expected(&dir);
        assert_eq!(report(story(&expected), &dir, library), expected, "{}", dir.display());
        let told = expected.lines().filter_map(|line| line.strip_prefix("exit code "));
        codes.extend(told.map(|code| code.parse::<i32>().unwrap()));
    }
    assert_eq!(codes, BTreeSet::from([0, 2, 3, 5]), "sound, torn, damaged and refused ones");
}

/// A row of the recovery table that bytes alone can reach, and whether something is proven beyond.
/// What is not for this version is refused before it is judged, and has no row in a report.
const CELLS: [(&str, bool); 25] = [
    ("Closed", false),
    ("Closed", true),
    ("Contradiction", false),
    ("Contradiction", true),
    ("Dropped", false),
    ("Dropped", true),
    ("HalfBatch", false),
    ("HalfBatch", true),
    ("HeaderLost", false),
    ("HeaderLost", true),
    ("Missing", true),
    ("NotLog", false),
    ("NotLog", true),
    ("OneCopy", true),
    ("Shortened", false),
    ("Shortened", true),
    ("Torn", false),
    ("Torn", true),
    ("Trimmed", false),
    ("Unborn", false),
    ("Unborn", true),
    ("Undecodable", false),
    ("Undecodable", true),
    ("Zeros", false),
    ("Zeros", true),
];

#[test]
fn every_row_that_bytes_can_reach_has_a_golden_directory() {
    let mut met = BTreeSet::new();
    for dir in directories() {
        let expected = expected(&dir);
        let proven =
            expected.lines().filter_map(|line| line.trim().strip_prefix("\"proven_beyond\": "));
        let rows = expected.lines().filter_map(|line| line.trim().strip_prefix("\"row\": "));
        for (proven, row) in proven.zip(rows) {
            met.insert((row.trim_matches('"').to_owned(), proven == "true,"));
        }
    }
    let cells = CELLS.map(|(row, proven)| (row.to_owned(), proven));
    assert_eq!(met, BTreeSet::from(cells));
}

#[test]
fn the_second_reader_says_the_same_of_every_golden_directory() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no python3");
        return;
    }
    for dir in directories() {
        let expected = expected(&dir);
        assert_eq!(report(story(&expected), &dir, second_reader), expected, "{}", dir.display());
    }
}

/// The example in the document: offset in the file, bytes, what they mean.
#[test]
fn the_whole_log_of_the_worked_example_is_the_golden_directory() {
    let document = include_str!("../../docs/FORMAT.md");
    let (_, section) = document.split_once("\n### A whole log\n").unwrap();
    let (_, block) = section.split_once("```text\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let files = harness::files(&golden(1).join("worked-example"));
    let (bytes, _) = &files["00000000000000000001.seg"];
    let mut told = vec![0; bytes.len()];
    for line in block.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut columns = line.split(" | ");
        let mut column = || columns.next().unwrap_or_else(|| panic!("three columns: {line}"));
        let (offset, digits, meaning) = (column(), column(), column());
        let offset = usize::from_str_radix(offset, 16).unwrap();
        let digits: Vec<u8> =
            digits.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        told[offset..offset + digits.len()].copy_from_slice(&digits);
        let Some((_, value)) = meaning.split_once(" = ") else { continue };
        let number = digits.iter().rev().take(8).fold(0, |all, &byte| all << 8 | u64::from(byte));
        let hex: String = digits.iter().map(|byte| format!("{byte:02x}")).collect();
        let says = [number.to_string(), format!("{number:#x}"), hex];
        let text = String::from_utf8_lossy(&digits);
        let right = says.iter().any(|say| say == value) || text.trim_end_matches('\0') == value;
        assert!(right, "{line}: that is {says:?}");
    }
    let differs = bytes.iter().zip(&told).position(|(kept, told)| kept != told);
    assert!(differs.is_none(), "the document is silent or wrong about byte {differs:x?}");
}
