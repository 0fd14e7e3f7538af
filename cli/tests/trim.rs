//! `trim` forgets what it was asked to, in whole segments, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod harness;

use harness::{feed, files, run, start};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A log of a thousand lines in many segments of 16 KiB.
fn long() -> (TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("log");
    let lines: String = (0..1000).map(|n| format!("{n:0>99}\n")).collect();
    feed("append", &dir, &["--segment-len", "16384"], lines.as_bytes()).expect(0);
    (scratch, dir)
}

fn bases(dir: &Path) -> Vec<u64> {
    let seen = run("inspect", dir, &["--json"]).expect(0).json();
    let segments = seen["segments"].as_array().unwrap();
    segments.iter().map(|segment| segment["base"].as_u64().unwrap()).collect()
}

fn lines(dir: &Path) -> Vec<(u64, String)> {
    let printed = run("cat", dir, &["--json"]).expect(0).json_lines();
    let line = |line: &serde_json::Value| {
        (line["lsn"].as_u64().unwrap(), line["text"].as_str().unwrap().to_owned())
    };
    printed.iter().map(line).collect()
}

#[test]
fn a_dry_run_says_what_the_trim_then_does_and_changes_nothing() {
    let (_scratch, dir) = long();
    let (bases, all) = (bases(&dir), lines(&dir));
    assert!(bases.len() > 6, "{bases:?}");
    let point = bases[3].to_string();
    let before = files(&dir);
    let planned = run("trim", &dir, &["--before", &point, "--dry-run", "--json"]).expect(0).json();
    assert_eq!(files(&dir), before, "a dry run changes nothing");
    let told = run("trim", &dir, &["--before", &point, "--dry-run"]).expect(0);
    assert!(told.text().contains("3 segments would be removed"), "{}", told.text());
    assert!(told.text().contains("nothing was changed"), "{}", told.text());

    let done = run("trim", &dir, &["--before", &point, "--json"]).expect(0).json();
    for figure in ["trim", "first", "segments"] {
        assert_eq!(done[figure], planned[figure], "{figure}");
    }
    assert_eq!(done["first"], bases[3]);
    assert_eq!(done["segments"], 3);
    assert!(done["bytes_freed"].as_u64().unwrap() > 0 && planned["bytes_freed"].as_u64() > Some(0));
    let kept: Vec<_> = all.into_iter().filter(|(lsn, _)| *lsn >= bases[3]).collect();
    assert_eq!(lines(&dir), kept, "the rest is where it was");
    run("verify", &dir, &[]).expect(0);

    // The same again has nothing left to do, and the log goes on.
    let again = run("trim", &dir, &["--before", &point]).expect(0);
    assert!(again.text().contains("0 segments removed"), "{}", again.text());
    feed("append", &dir, &["--existing"], b"on\n").expect(0);
    assert_eq!(lines(&dir).len(), kept.len() + 1);
}

#[test]
fn the_last_bytes_are_kept_and_never_less() {
    let (_scratch, dir) = long();
    let (bases, end) = (bases(&dir), run("inspect", &dir, &["--json"]).json()["end"].clone());
    let end = end.as_u64().unwrap();
    // All of it, then a part, then no more than has to stay.
    let all = run("trim", &dir, &["--keep-bytes", "1GiB", "--json"]).expect(0).json();
    assert_eq!(all["segments"], 0);
    let some = run("trim", &dir, &["--keep-bytes", "30K", "--json"]).expect(0).json();
    let first = some["first"].as_u64().unwrap();
    assert!(end - first >= 30 << 10, "{first} to {end}");
    let at = bases.iter().position(|base| *base == first).unwrap();
    assert!(end - bases[at + 1] < 30 << 10, "one segment less would be too little");
    let none = run("trim", &dir, &["--keep-bytes", "0", "--json"]).expect(0).json();
    assert_eq!(none["first"], *bases.last().unwrap(), "the last segment stays");
    run("verify", &dir, &[]).expect(0);
}

#[test]
fn a_log_whose_writer_was_killed_is_trimmed_too() {
    let (_scratch, dir) = long();
    let mut writer = start("append", &dir, &["--ack", "--segment-len", "16384"]);
    let mut stdin = writer.stdin.take().unwrap();
    let mut acks = BufReader::new(writer.stdout.take().unwrap());
    stdin.write_all(b"last\n").unwrap();
    acks.read_line(&mut String::new()).unwrap();
    run("trim", &dir, &["--keep-bytes", "0"]).expect(4);
    let planned = run("trim", &dir, &["--keep-bytes", "0", "--dry-run", "--json"]).expect(0).json();
    kill_process(Pid::from_child(&writer), Signal::KILL).unwrap();
    writer.wait().unwrap();
    let done = run("trim", &dir, &["--keep-bytes", "0", "--json"]).expect(0).json();
    assert_eq!(done["first"], planned["first"]);
    assert_eq!(lines(&dir).last().unwrap().1, "last\n");
    run("verify", &dir, &[]).expect(0);
}

#[test]
fn a_trim_that_makes_no_sense_is_refused_and_changes_nothing() {
    let (scratch, dir) = long();
    let before = files(&dir);
    for options in [&[][..], &["--before", "8", "--keep-bytes", "8"], &["--keep-bytes", "some"]] {
        run("trim", &dir, options).expect(1);
    }
    for options in [&["--before", "99999999"][..], &["--before", "99999999", "--dry-run"]] {
        let refused = run("trim", &dir, options).expect(1);
        assert!(refused.stderr.contains("beyond the end"), "{}", refused.stderr);
        assert!(refused.stderr.contains("hint: `seawall inspect`"), "{}", refused.stderr);
    }
    let now = files(&dir);
    assert!(before.keys().eq(now.keys()), "no file came or went");
    let missing = scratch.path().join("missing");
    run("trim", &missing, &["--keep-bytes", "0"]).expect(1);
    assert!(!missing.exists());
    std::fs::create_dir(&missing).unwrap();
    let refused = run("trim", &missing, &["--keep-bytes", "0"]).expect(1);
    assert!(refused.stderr.contains("there is no log in"), "{}", refused.stderr);
    let refused = run("trim", &missing, &["--keep-bytes", "0", "--dry-run"]).expect(1);
    assert!(refused.stderr.contains("there is no log in"), "{}", refused.stderr);
}
