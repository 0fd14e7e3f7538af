//! A refused open names the range that `verify` names for the same damage, in the same words.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod harness;

use harness::{copy, feed, run};
use std::fs;
use std::path::{Path, PathBuf};

/// The golden logs that are damaged, one for each way in which they can be.
fn damaged() -> Vec<PathBuf> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/v1");
    let entries = fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: &PathBuf| {
        path.is_dir() && path.file_name().unwrap().to_str().unwrap().starts_with("damaged-")
    };
    entries.filter(named).collect()
}

#[test]
fn append_names_the_lost_range_that_verify_names() {
    let scratch = tempfile::tempdir().unwrap();
    let (mut refused, mut differ) = (0, Vec::new());
    for golden in damaged() {
        let name = golden.file_name().unwrap().to_str().unwrap().to_owned();
        let dir = scratch.path().join(&name);
        copy(&golden, &dir);
        let append = feed("append", &dir, &["-q"], b"one more\n");
        // What is damaged in a closed segment is met by its readers, and not by an open.
        if append.code == Some(0) {
            continue;
        }
        let named =
            append.stderr.lines().find_map(|line| line.strip_prefix("error: the log is damaged: "));
        let Some(named) = named else { panic!("{name}: {}", append.stderr) };
        refused += 1;
        let verify = run("verify", &dir, &[]).expect(3);
        let ranges: Vec<&str> =
            verify.text().lines().filter_map(|line| line.strip_prefix("damage: ")).collect();
        if !ranges.contains(&named) {
            differ.push(format!("{name}\n  append {named}\n  verify {ranges:?}"));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert!(refused >= 15, "{refused} refused");
}

/// A segment is missing: the range begins where the one before it ends, and not where that begins.
#[test]
fn a_missing_segment_is_named_from_the_end_of_the_one_before() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("log");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/v1/damaged-missing"), &dir);
    let append = feed("append", &dir, &["-q"], b"one more\n").expect(3);
    let range = "LSN 7608 to 15216, 00000000000000000002.seg from byte 0 on";
    assert!(append.stderr.contains(range), "{}", append.stderr);
}
