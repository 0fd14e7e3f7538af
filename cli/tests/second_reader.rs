//! `tools/reader.py`, which was written from the document, and the library say the same of logs on the
//! real disk: of every level, closed, killed and gone on, trimmed, with recycled files.
//!
//! Golden directories have a test of their own; crash images by the thousand are compared by the
//! command in docs/TESTING.md.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod harness;

use harness::{Draw, copy, ended, start};
use seawall::{Durability, Log, Options};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LEVELS: [Durability; 4] = [
    Durability::Buffered,
    Durability::Os,
    Durability::Interval(Duration::from_millis(1)),
    Durability::Sync,
];

fn options(level: Durability) -> Options {
    Options::new()
        .durability(level)
        .segment_len(16 << 10)
        .batch_frame_max(2 << 10)
        .prepare_ahead(false)
}

/// Appends records and batches, and trims now and then, so that files are used again.
fn work(log: &Log, draw: &mut Draw) {
    for _ in 0..60 {
        let len = |draw: &mut Draw| usize::try_from(draw.below(1500)).unwrap();
        let receipt = if draw.below(3) == 0 {
            let records: Vec<_> = (0..1 + draw.below(6))
                .map(|_| {
                    let len = len(draw);
                    draw.bytes(len)
                })
                .collect();
            log.append_batch(&records).unwrap()
        } else {
            let len = len(draw);
            log.append(&draw.bytes(len)).unwrap()
        };
        if draw.below(12) == 0 {
            log.trim(receipt.lsn).unwrap();
        }
    }
    log.sync().unwrap();
}

/// Logs of one level: closed; as they stand while they are open; opened again after either.
fn of_level(level: Durability, scratch: &Path, draw: &mut Draw) -> Vec<PathBuf> {
    let place = |what: &str| scratch.join(format!("{level:?}-{what}").replace(['(', ')'], "-"));
    let [dir, open, closed, gone_on, cut] = ["log", "open", "closed", "gone-on", "cut"].map(place);
    let log = Log::open(&dir, options(level)).unwrap();
    work(&log, draw);
    // Nothing moves any more but a mark, and a copy of some of its bytes is a torn one.
    copy(&dir, &open);
    work(&log, draw);
    log.close().unwrap();
    copy(&dir, &closed);
    let log = Log::open(&dir, options(level)).unwrap();
    work(&log, draw);
    copy(&dir, &gone_on);
    log.close().unwrap();
    drop(log);
    // The copy was taken in the middle of a run: its next open goes on behind a jump.
    copy(&gone_on, &cut);
    let log = Log::open(&cut, options(level)).unwrap();
    work(&log, draw);
    log.close().unwrap();
    vec![open, closed, gone_on, cut]
}

/// What is left when the writer is killed after so many acknowledgements.
fn killed(dir: PathBuf, acks: usize) -> PathBuf {
    let mut writer =
        start("append", &dir, &["--sync", "always", "--ack", "--segment-len", "16384"]);
    let mut stdin = writer.stdin.take().unwrap();
    let mut told = BufReader::new(writer.stdout.take().unwrap()).lines();
    for number in 0..acks {
        writeln!(stdin, "record {number} {}", "x".repeat(number * 7 % 400)).unwrap();
        told.next().unwrap().unwrap();
    }
    stdin.write_all(b"one that nobody waited for\n").unwrap();
    writer.kill().unwrap();
    ended(writer);
    dir
}

#[test]
fn the_second_reader_agrees_on_logs_of_the_real_disk() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no python3");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut draw = Draw::new(0x005E_C04D);
    let mut logs: Vec<_> =
        LEVELS.iter().flat_map(|&level| of_level(level, scratch.path(), &mut draw)).collect();
    for acks in [1, 10, 200] {
        logs.push(killed(scratch.path().join(format!("killed-{acks}")), acks));
    }
    let files = |dir: &PathBuf| fs::read_dir(dir).unwrap().count();
    assert!(logs.iter().any(|dir| files(dir) > 2), "no log has several files");
    let compare = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/compare");
    let compared = Command::new("python3")
        .arg(compare)
        .arg(env!("CARGO_BIN_EXE_seawall"))
        .args(&logs)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&compared.stdout);
    let why = String::from_utf8_lossy(&compared.stderr);
    assert!(compared.status.success(), "{told}{why}");
    assert!(told.contains(&format!("{} directories", logs.len())), "{told}");
}
