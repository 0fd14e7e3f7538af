//! What an operator does with a log that does not open: verify, repair, repair with --apply, look
//! into the quarantine, go back. And copies, beside a writer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod harness;

use harness::{copy, ended, feed, files, patch, run, segment, start};
use seawall::storage::{Posix, Storage};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A log of several segments that was closed, and what was appended.
fn log() -> (TempDir, PathBuf, Vec<u8>) {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("log");
    let mut input = Vec::new();
    for line in 0..900 {
        input.extend_from_slice(format!("{line} {:x>100}\n", "").as_bytes());
    }
    feed("append", &dir, &["--segment-len", "32768"], &input).expect(0);
    (scratch, dir, input)
}

/// The bytes of the files in a directory, without those of directories in it.
fn bytes(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = names
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_damaged_log_is_repaired_goes_on_and_can_be_put_back() {
    let (_scratch, dir, input) = log();
    patch(&dir.join(segment(1)), |bytes| bytes[8192 + 3000] ^= 1);
    // The last one has lost its headers, so that the log does not open.
    patch(&dir.join(segment(3)), |bytes| bytes[..8192].fill(0));
    let before = bytes(&dir);
    let left = run("cat", &dir, &[]).expect(3).stdout;
    assert!(left.len() < input.len());
    feed("append", &dir, &[], b"refused\n").expect(3);
    run("verify", &dir, &[]).expect(3);

    let plan = run("repair", &dir, &[]).expect(3);
    assert!(plan.text().contains("--apply"), "{}", plan.text());
    let steps = run("repair", &dir, &["--json"]).expect(3).json()["steps"].clone();
    assert_eq!(steps[0]["action"], "rewrite-with-gap");
    assert_eq!(steps[1]["action"], "stand-in");
    assert!(bytes(&dir) == before, "a plan changes nothing");

    let done = run("repair", &dir, &["--apply", "--json"]).expect(0).json();
    assert_eq!(done["applied"], true);
    assert_eq!(done["steps"], steps);
    let kept = done["quarantined"].as_array().unwrap().clone();
    assert_eq!(kept.len(), 2);
    assert_eq!(run("cat", &dir, &[]).expect(3).stdout, left, "all that was shown still is");
    let found = run("verify", &dir, &["--json"]).expect(3).json();
    let damage = found["damage"].as_array().unwrap();
    assert!(damage.iter().all(|range| range["recorded"] == true), "{found}");
    assert!(found["advice"].as_str().unwrap().starts_with("nothing to do"), "{found}");

    // Going back: each file of the quarantine under the name that it had.
    let repaired = scratch_copy(&dir);
    for name in &kept {
        let name = name.as_str().unwrap();
        let (number, _) = name.split_once(".seg.").unwrap();
        let file = repaired.path().join(format!("{number}.seg"));
        fs::copy(dir.join("quarantine").join(name), file).unwrap();
    }
    assert!(bytes(repaired.path()) == before, "the log is as it was");

    feed("append", &dir, &[], b"it goes on\n").expect(0);
    let mut expected = left;
    expected.extend_from_slice(b"it goes on\n");
    assert_eq!(run("cat", &dir, &[]).expect(3).stdout, expected);
    let again = run("repair", &dir, &["--apply"]).expect(0);
    assert!(again.text().contains("nothing to do"), "{}", again.text());
}

fn scratch_copy(dir: &Path) -> TempDir {
    let scratch = tempfile::tempdir().unwrap();
    for (name, bytes) in bytes(dir) {
        fs::write(scratch.path().join(name), bytes).unwrap();
    }
    scratch
}

#[test]
fn a_missing_segment_gets_a_stand_in_and_a_quarantine_may_be_elsewhere() {
    let (scratch, dir, _) = log();
    fs::remove_file(dir.join(segment(2))).unwrap();
    patch(&dir.join(segment(3)), |bytes| bytes[8192 + 3000] ^= 1);
    let left = run("cat", &dir, &[]).expect(3).stdout;
    let elsewhere = scratch.path().join("kept");
    let options = ["--apply", "--quarantine", elsewhere.to_str().unwrap()];
    let done = run("repair", &dir, &options).expect(0);
    assert!(done.text().contains("kept: "), "{}", done.text());
    assert_eq!(files(&elsewhere).len(), 1, "nothing is left of the segment that is gone");
    assert!(!dir.join("quarantine").exists());
    assert_eq!(run("cat", &dir, &[]).expect(3).stdout, left);
    feed("append", &dir, &[], b"it goes on\n").expect(0);
    assert!(left.len() + 11 == run("cat", &dir, &[]).expect(3).stdout.len());
}

#[test]
fn a_sound_log_is_not_touched() {
    let (_scratch, dir, _) = log();
    let before = files(&dir);
    let told = run("repair", &dir, &["--apply"]).expect(0);
    assert!(told.text().contains("nothing to do"), "{}", told.text());
    assert_eq!(run("repair", &dir, &["--apply", "--json"]).expect(0).json()["applied"], false);
    assert!(files(&dir) == before);
    run("repair", &dir, &["--quarantine", "kept"]).expect(1);
}

#[test]
fn a_repair_beside_a_writer_is_refused() {
    let (_scratch, dir, _) = log();
    // A record that the writer does not read again.
    patch(&dir.join(segment(2)), |bytes| bytes[8192 + 3000] ^= 1);
    let mut writer = start("append", &dir, &["--ack", "--sync", "always"]);
    let mut stdin = writer.stdin.take().unwrap();
    let mut acks = BufReader::new(writer.stdout.take().unwrap());
    stdin.write_all(b"mine\n").unwrap();
    acks.read_line(&mut String::new()).unwrap();
    let damaged = || fs::read(dir.join(segment(2))).unwrap();
    let before = damaged();
    let refused = run("repair", &dir, &["--apply"]).expect(4);
    assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
    assert!(damaged() == before && !dir.join("quarantine").exists());
    drop(stdin);
    ended(writer).expect(0);
    run("repair", &dir, &["--apply"]).expect(0);
}

#[test]
fn a_copy_beside_a_writer_holds_what_was_synced_and_is_a_log_of_its_own() {
    let (scratch, dir, input) = log();
    let mut writer = start("append", &dir, &["--ack", "--sync", "always"]);
    let mut stdin = writer.stdin.take().unwrap();
    let mut acks = BufReader::new(writer.stdout.take().unwrap());
    for line in [b"one\n", b"two\n", b"new\n"] {
        stdin.write_all(line).unwrap();
        acks.read_line(&mut String::new()).unwrap();
    }
    let dest = scratch.path().join("copy");
    let copied = run("copy", &dir, &[dest.to_str().unwrap(), "--json"]).expect(0).json();
    let end = copied["end"].as_u64().unwrap();
    run("verify", &dest, &[]).expect(0);
    let shown = run("cat", &dest, &[]).expect(0).stdout;
    // The mark for the newest may be under way.
    assert!(shown.starts_with(&input) && shown.len() >= input.len() + 8, "{}", shown.len());
    let proven = run("cat", &dir, &["--proven"]).expect(0).stdout;
    assert!(proven.starts_with(&shown), "all of it is in the log");
    for line in run("cat", &dest, &["--json"]).json_lines() {
        assert!(line["lsn"].as_u64().unwrap() < end);
    }
    let refused = run("copy", &dir, &[dest.to_str().unwrap()]).expect(1);
    assert!(refused.stderr.contains("not empty"), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
    drop(stdin);
    ended(writer).expect(0);

    let whole = scratch.path().join("whole");
    run("copy", &dir, &[whole.to_str().unwrap()]).expect(0);
    assert_eq!(run("cat", &whole, &[]).expect(0).stdout, run("cat", &dir, &[]).stdout);
    // It was closed, and its copy is not: who goes on with that jumps, and repeats no address.
    assert_eq!(run("inspect", &dir, &["--json"]).expect(0).json()["clean"], true);
    assert_eq!(run("inspect", &whole, &["--json"]).expect(0).json()["clean"], false);
    feed("append", &whole, &[], b"it goes on\n").expect(0);
}

#[test]
fn a_copy_that_fails_half_way_does_not_open() {
    let (scratch, dir, _) = log();
    patch(&dir.join(segment(2)), |bytes| bytes[8192 + 3000] ^= 1);
    let dest = scratch.path().join("copy");
    run("copy", &dir, &[dest.to_str().unwrap()]).expect(3);
    run("verify", &dest, &[]).expect(3);
    feed("append", &dest, &[], b"refused\n").expect(3);
    let placeholder = fs::read_to_string(dest.join(segment(1))).unwrap();
    assert!(placeholder.contains("not finished"), "{placeholder}");
    // A repaired log can be copied, gaps and all.
    run("repair", &dir, &["--apply"]).expect(0);
    let dest = scratch.path().join("repaired");
    run("copy", &dir, &[dest.to_str().unwrap()]).expect(0);
    assert_eq!(run("cat", &dest, &[]).expect(3).stdout, run("cat", &dir, &[]).expect(3).stdout);
    let unused = scratch.path().join("unused");
    copy(&dest, &unused);
    run("repair", &unused, &["--apply"]).expect(0);
}

#[test]
fn a_quarantine_that_another_repair_has_or_that_is_the_log_is_refused() {
    let (scratch, dir, _) = log();
    patch(&dir.join(segment(2)), |bytes| bytes[8192 + 3000] ^= 1);
    let before = bytes(&dir);
    let place = scratch.path().join("kept");
    let storage = Posix::create(&place).unwrap();
    let held = storage.lock().unwrap();
    let options = ["--apply", "--quarantine", place.to_str().unwrap()];
    let refused = run("repair", &dir, &options).expect(4);
    assert!(refused.stderr.contains("hint: another repair"), "{}", refused.stderr);
    drop(held);
    let options = ["--apply", "--quarantine", dir.to_str().unwrap()];
    let refused = run("repair", &dir, &options).expect(1);
    assert!(refused.stderr.contains("is the log itself"), "{}", refused.stderr);
    assert!(bytes(&dir) == before);
}
