//! Readers beside a writer: they see no damage where there is none, change nothing, and the
//! lock holds for everybody else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod harness;

use harness::{copy, feed, files, run};
use seawall::{Durability, Error, Log, LogView, Options, Verdict};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Files that must go through the writer's hands: removed, or recycled.
const RECYCLED_MIN: u64 = 200;
/// Verifications beside it, by the binary and in this process.
const VERIFIED_MIN: u64 = 60;

fn small() -> Options {
    Options::new().segment_len(32 << 10).buffer_max(64 << 10)
}

#[test]
fn verify_beside_a_writer_that_rotates_trims_and_recycles_never_cries_damage() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let log = Log::open(dir, small().durability(Durability::Os)).unwrap();
    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut counter = 0_u64;
            while !enough.load(Ordering::Acquire) || log.stats().removed < RECYCLED_MIN {
                for _ in 0..100 {
                    counter += 1;
                    let len = usize::try_from(counter % 900).unwrap();
                    log.append(&counter.to_le_bytes().repeat(1 + len / 8)).unwrap();
                }
                // Keeps about three segments.
                let segments = log.segments();
                if let [.., keep, _, _] = segments[..] {
                    log.trim(keep.base()).unwrap();
                }
            }
        });
        let mut verified = 0;
        while verified < VERIFIED_MIN || (!writer.is_finished() && recycled(&log) < RECYCLED_MIN) {
            let ran = run("verify", dir, &["--json"]);
            assert!(
                matches!(ran.code, Some(0 | 2)),
                "{:?} {} {}",
                ran.code,
                ran.text(),
                ran.stderr
            );
            for _ in 0..10 {
                let mut view = LogView::open(dir).unwrap();
                let found = view.verify(|_| {}).unwrap();
                assert!(found.verdict <= Verdict::TornTail, "{found:?}");
            }
            verified += 1;
        }
        enough.store(true, Ordering::Release);
        writer.join().unwrap();
    });
    assert!(recycled(&log) >= RECYCLED_MIN);
    log.close().unwrap();
    run("verify", dir, &[]).expect(0);
}

fn recycled(log: &Log) -> u64 {
    log.stats().removed
}

#[test]
fn readers_beside_an_idle_writer_change_no_byte_and_no_time() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    // One segment, so that nothing is sealed meanwhile.
    let log = Log::open(dir, small().prepare_ahead(false)).unwrap();
    let mut end = seawall::Lsn::FIRST;
    for counter in 0..80_u64 {
        end = log.append(&counter.to_le_bytes().repeat(30)).unwrap().end;
    }
    assert_eq!(log.segments().len(), 1);
    // Idle, and its idle mark written: the one thing it does on its own account.
    while log.watermarks().durable <= end {
        thread::yield_now();
    }
    let before = files(dir);
    for command in ["cat", "inspect", "verify", "repair"] {
        run(command, dir, &[]).expect(0);
        assert!(files(dir) == before, "{command} left a trace");
    }
    let mut view = LogView::open(dir).unwrap();
    view.verify(|_| {}).unwrap();
    view.refresh().unwrap();
    assert!(files(dir) == before, "a view left a trace");
    // The lock is not so much as looked at: the writer goes on, and others are still refused.
    log.append(b"on").unwrap();
    feed("append", dir, &[], b"refused\n").expect(4);
}

#[test]
fn a_second_writer_is_refused_from_this_process_and_from_another_until_the_first_is_gone() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let log = Log::open(dir, small()).unwrap();
    log.append(b"first\n").unwrap();
    assert!(matches!(Log::open(dir, small()), Err(Error::Locked { .. })));
    // By another path, too.
    let other = dir.join("..").join(dir.file_name().unwrap());
    assert!(matches!(Log::open(&other, small()), Err(Error::Locked { .. })));
    feed("append", dir, &[], b"second\n").expect(4);
    // A copy is another log, and free.
    let copied = tempfile::tempdir().unwrap();
    copy(dir, copied.path());
    feed("append", copied.path(), &[], b"second\n").expect(0);
    log.close().unwrap();
    feed("append", dir, &[], b"second\n").expect(0);
    assert_eq!(run("cat", dir, &[]).expect(0).stdout, b"first\nsecond\n");
}
