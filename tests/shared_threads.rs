//! Logs that share their threads: how many threads and descriptors there are, what goes on when one is closed
//! or its disk is stuck. Each test counts what the process has, so they take turns.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "counts the threads and descriptors of this process"
)]

mod watched;

use parking_lot::Mutex;
use seawall::{Batch, Durability, Environment, Failures, Log, Lsn, Options, Threads};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;
use watched::{Call, On, Watcher};

static TURN: Mutex<()> = Mutex::new(());

const INTERVAL: Duration = Duration::from_millis(2);

fn options() -> Options {
    Options::new()
        .durability(Durability::Interval(INTERVAL))
        .segment_len(16 << 10)
        .first_segment_len(16 << 10)
        .idle_mark(Some(Duration::from_millis(5)))
}

/// Threads of logs that this process has.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with(b"seawall-")).count()
}

/// Returns once there are so many: one that begins has no name yet, and one that ended is seen a moment longer.
fn until_threads(count: usize) {
    while threads() != count {
        std::thread::yield_now();
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Returns once everything that was appended is durable, and for no other reason than that it is.
fn until_durable(log: &Log) {
    loop {
        let marks = log.watermarks();
        if marks.durable == marks.accepted {
            return;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_hundred_logs_have_two_threads_and_each_keeps_its_deadlines() {
    let _turn = TURN.lock();
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let before = (threads(), descriptors());
    let shared = Threads::new(2).unwrap();
    let open = |nth: usize| {
        let environment = Environment::real(dir.path().join(format!("log-{nth}"))).unwrap();
        Log::open_in(environment.shared_threads(shared.clone()), options()).unwrap()
    };
    let logs: Vec<Log> = (0..100).map(open).collect();
    until_threads(before.0 + 2);
    // Each holds its directory and its lock; the first append opens files.
    assert!(descriptors() <= before.1 + 2 * 100, "{} descriptors", descriptors());
    let append = |log: &Log, nth: u8| {
        for _ in 0..20 {
            log.append(&[nth; 1000]).unwrap();
        }
    };
    logs.iter().for_each(|log| append(log, 1));
    logs.iter().for_each(until_durable);
    // Some go, the others go on.
    for log in logs.iter().step_by(2) {
        log.close().unwrap();
    }
    logs.iter().skip(1).step_by(2).for_each(|log| append(log, 2));
    logs.iter().skip(1).step_by(2).for_each(until_durable);
    assert_eq!(threads(), before.0 + 2);
    // A trim removes files, and a ticket that is dropped is synced.
    for log in logs.iter().skip(1).step_by(2) {
        assert!(log.trim(log.segments()[1].base()).unwrap().files > 0);
        let batch: Batch<'_> = [b"dropped"].into_iter().collect();
        let ticket = log.submit(&batch, Durability::Sync, Failures::ANY);
        ticket.into_iter().for_each(drop);
        until_durable(log);
    }
    drop(logs);
    assert_eq!(threads(), before.0 + 2, "they are the handle's");
    drop(shared);
    until_threads(before.0);
    assert_eq!(descriptors(), before.1);
    for nth in 0..100 {
        let log = Log::open(dir.path().join(format!("log-{nth}")), options()).unwrap();
        assert!(log.report().clean);
        let expected = if nth % 2 == 0 { 20 } else { 40 };
        let count = log.scan(Lsn::FIRST).unwrap().count();
        assert!(count <= expected + 1 && count > 0, "{count} records");
    }
}

#[test]
fn threads_last_as_long_as_a_log_that_uses_them() {
    let _turn = TURN.lock();
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let before = threads();
    let shared = Threads::new(5).unwrap();
    let environment = Environment::real(dir.path()).unwrap().shared_threads(shared);
    let log = Log::open_in(environment, options()).unwrap();
    until_threads(before + 5);
    log.append(b"one").unwrap();
    until_durable(&log);
    drop(log);
    until_threads(before);
}

/// A log whose disk is stuck in a sync that the background made.
fn stuck(dir: &std::path::Path, shared: &Threads) -> (Log, Watcher) {
    let (environment, watcher) = Watcher::environment(dir);
    let log = Log::open_in(environment.shared_threads(shared.clone()), options()).unwrap();
    log.append_at(b"first", Durability::Sync).unwrap();
    watcher.hold(On::Segment, Call::SyncData);
    log.append(b"its interval comes").unwrap();
    watcher.wait_for_held(On::Segment, Call::SyncData);
    (log, watcher)
}

#[test]
fn a_stuck_disk_keeps_one_thread_and_with_others_nobody_waits() {
    let _turn = TURN.lock();
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let shared = Threads::new(4).unwrap();
    let (first, watcher) = stuck(&dir.path().join("stuck"), &shared);
    let environment = Environment::real(dir.path().join("other")).unwrap();
    let other = Log::open_in(environment.shared_threads(shared.clone()), options()).unwrap();
    for nth in 0..20 {
        other.append(&[nth; 1000]).unwrap();
        until_durable(&other);
    }
    other.close().unwrap();
    watcher.release(On::Segment, Call::SyncData);
    until_durable(&first);
    first.close().unwrap();
}

#[test]
fn a_stuck_disk_delays_the_deadlines_of_others_by_one_action_and_no_caller() {
    let _turn = TURN.lock();
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let shared = Threads::new(2).unwrap();
    let (first, watcher) = stuck(&dir.path().join("stuck"), &shared);
    let environment = Environment::real(dir.path().join("other")).unwrap();
    let other = Log::open_in(environment.shared_threads(shared.clone()), options()).unwrap();
    // Who waits for its own does it itself, also across segments.
    for nth in 0..40 {
        other.append_at(&[nth; 1000], Durability::Sync).unwrap();
    }
    other.append(b"its interval has to wait").unwrap();
    assert!(watcher.is_waiting(On::Segment, Call::SyncData));
    std::thread::scope(|scope| {
        // It waits for its write, and so for the sync before it.
        scope.spawn(|| first.append(b"another interval").unwrap());
        // The action that is under way ends, and the next sync of that log is stuck again: in between it is
        // the other's turn.
        watcher.let_one_go();
        until_durable(&other);
        other.close().unwrap();
        watcher.release(On::Segment, Call::SyncData);
    });
    until_durable(&first);
    first.close().unwrap();
}

/// Drops the last handle of a log when it is called, on whatever thread that is.
struct DropsTheLog(Mutex<Option<Log>>, std::sync::mpsc::Sender<()>);

impl Wake for DropsTheLog {
    fn wake(self: Arc<Self>) {
        drop(self.0.lock().take());
        self.1.send(()).unwrap();
    }
}

#[test]
fn the_last_handle_may_be_dropped_by_a_waker_on_a_thread_of_the_log() {
    let _turn = TURN.lock();
    for share in [false, true] {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let environment = Environment::real(dir.path()).unwrap();
        let environment =
            if share { environment.shared_threads(Threads::new(2).unwrap()) } else { environment };
        let log = Log::open_in(environment, options()).unwrap();
        log.append_at(b"first", Durability::Sync).unwrap();
        let batch: Batch<'_> = [b"second"].into_iter().collect();
        let mut ticket = log.submit(&batch, Durability::Sync, Failures::ANY).unwrap();
        let (called, receiver) = std::sync::mpsc::channel();
        let drops = Arc::new(DropsTheLog(Mutex::new(None), called));
        // No caller does the work, so the waker is called by the log's thread.
        *drops.0.lock() = Some(log);
        let pending = ticket.poll(Durability::Sync, &Waker::from(Arc::clone(&drops))).is_pending();
        if pending {
            receiver.recv().unwrap();
        }
        drop(drops.0.lock().take());
        let log = Log::open(dir.path(), options()).unwrap();
        assert_eq!(log.scan(Lsn::FIRST).unwrap().count(), 2);
    }
}
