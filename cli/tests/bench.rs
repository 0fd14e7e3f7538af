//! Measurements leave nothing behind, say what they found, and refuse clearly. No figure is
//! asserted: a machine is as fast as it is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod harness;

use harness::{ended, run, start};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;

fn is_empty(dir: &Path) -> bool {
    dir.read_dir().unwrap().next().is_none()
}

#[test]
fn bench_tells_disk_ratio_and_latencies_and_leaves_nothing() {
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let options = ["--only", "durable, 2 threads", "--seconds", "1"];
    let ran = run("bench", scratch.path(), &options).expect(0);
    let text = ran.text();
    for told in [
        "The disk itself",
        "4 KiB written through",
        "One durable append takes",
        "Durable appends, 256 B (the record is on the device on return)",
        "durable, 2 threads",
        "ratio      how many times as much",
    ] {
        assert!(text.contains(told), "{told} is missing in\n{text}");
    }
    assert!(!text.contains("buffered burst"), "{text}");
    assert!(is_empty(scratch.path()));
}

#[test]
fn bench_as_json_has_every_figure_with_its_target() {
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let dir = scratch.path().join("fresh");
    let ran = run("bench", &dir, &["--only", "memory", "--seconds", "1", "--json"]).expect(0);
    let found = ran.json();
    assert_eq!(found["disk"].as_array().unwrap().len(), 3);
    let rows = found["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{found}");
    for row in rows {
        assert!(row["name"].as_str().unwrap().starts_with("memory"), "{row}");
        assert!(row["seawall"].is_number() && row["target"].is_number(), "{row}");
        assert_eq!(row["target_is"], "at most");
    }
    assert!(!dir.exists(), "what was made for the measurement is gone");
}

#[test]
fn bench_refuses_what_it_cannot_write_to_and_words_that_no_row_has() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("file");
    std::fs::write(&file, b"not a directory").unwrap();
    for dir in [&file, &scratch.path().join("not/there")] {
        let ran = run("bench", dir, &["--seconds", "1"]).expect(1);
        assert!(ran.stderr.contains("cannot measure in"), "{}", ran.stderr);
        assert!(ran.stderr.contains("hint: name a directory"), "{}", ran.stderr);
    }
    let ran = run("bench", scratch.path(), &["--only", "nonsense"]).expect(1);
    assert!(ran.stderr.contains("no row has nonsense in its name"), "{}", ran.stderr);
}

#[test]
fn interrupted_bench_leaves_nothing() {
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let child = start("bench", scratch.path(), &["--only", "durable", "--seconds", "600"]);
    // Its signals are in place before its directory is.
    while is_empty(scratch.path()) {
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    ended(child).expect(130);
    assert!(is_empty(scratch.path()));
}
