//! A follower in another process: it misses nothing, prints nothing twice, and says so when what
//! it was about to read, or had read, is gone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod harness;

use harness::{copy, ended, feed, start};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use seawall::{Durability, Log, Options};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout};

fn small() -> Options {
    Options::new().segment_len(32 << 10).idle_mark(None).prepare_ahead(false)
}

/// A follower that looks all the time, and what it prints.
fn follow(dir: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = start("follow", dir, &["--poll", "1"]);
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Holds a process where it stands; returns once it does.
fn hold(child: &Child) {
    signal(child, Signal::STOP);
    let pid = Some(Pid::from_child(child));
    let (_, status) = waitpid(pid, WaitOptions::UNTRACED).unwrap().unwrap();
    assert!(status.stopped());
}

#[track_caller]
fn assert_prints(stdout: &mut BufReader<ChildStdout>, expected: &str) {
    let mut printed = vec![0; expected.len()];
    stdout.read_exact(&mut printed).unwrap();
    assert_eq!(std::str::from_utf8(&printed).unwrap(), expected);
}

#[test]
fn follow_goes_on_behind_writers_that_were_killed() {
    let scratch = tempfile::tempdir().unwrap();
    let (child, mut stdout) = follow(scratch.path());
    for round in 0..5 {
        let mut writer = start("append", scratch.path(), &["--ack", "--quiet"]);
        let mut stdin = writer.stdin.take().unwrap();
        let mut acks = BufReader::new(writer.stdout.take().unwrap());
        let line = format!("round {round}\n");
        stdin.write_all(line.as_bytes()).unwrap();
        acks.read_line(&mut String::new()).unwrap();
        assert_prints(&mut stdout, &line);
        signal(&writer, Signal::KILL);
        assert_eq!(ended(writer).code, None);
    }
    signal(&child, Signal::INT);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!((ended(child).expect(0).stderr.as_str(), rest.as_str()), ("", ""));
}

#[test]
fn a_follower_that_a_trim_overtook_says_so() {
    let scratch = tempfile::tempdir().unwrap();
    let log = Log::open(scratch.path(), small().durability(Durability::Os)).unwrap();
    log.append(b"one\n").unwrap();
    let (child, mut stdout) = follow(scratch.path());
    assert_prints(&mut stdout, "one\n");
    hold(&child);
    log.append(b"never seen\n").unwrap();
    while log.segments().len() < 4 {
        log.append(&[b'x'; 3000]).unwrap();
    }
    let trim = log.segments()[2].base();
    log.trim(trim).unwrap();
    signal(&child, Signal::CONT);
    let told = ended(child).expect(1);
    assert!(told.stderr.contains("was trimmed"), "{}", told.stderr);
    assert!(told.stderr.contains(&format!("--from {trim}")), "{}", told.stderr);
}

#[test]
fn a_follower_whose_last_records_a_power_cut_took_says_so() {
    let scratch = tempfile::tempdir().unwrap();
    let (earlier, dir) = (scratch.path().join("earlier"), scratch.path().join("log"));
    let source = scratch.path().join("source");
    let log = Log::open(&source, small()).unwrap();
    log.append(b"one\n").unwrap();
    copy(&source, &earlier);
    log.append(b"two\n").unwrap();
    copy(&source, &dir);

    let (child, mut stdout) = follow(&dir);
    assert_prints(&mut stdout, "one\ntwo\n");
    hold(&child);
    // The machine comes back with what was on the disk earlier, and the next writer goes on.
    copy(&earlier, &dir);
    feed("append", &dir, &[], b"three\n").expect(0);
    signal(&child, Signal::CONT);
    let told = ended(child).expect(1);
    assert!(told.stderr.contains("no longer part of the log"), "{}", told.stderr);
    assert!(told.stderr.contains("hint: "), "{}", told.stderr);
}
