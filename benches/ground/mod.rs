//! Where the data of a bench lies, and how its threads are timed.

#![allow(dead_code, reason = "each bench uses its part")]

use seawall::{Durability, Log, Lsn, Options, Receipt};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A fresh directory: in the folder that `SEAWALL_BENCH_DIR` names, or in the target folder.
pub(crate) fn scratch() -> TempDir {
    let below = std::env::var_os("SEAWALL_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    tempfile::tempdir_in(below).unwrap()
}

/// Says so where data would never see a device: a sync costs nothing there, and means nothing.
#[cfg(target_os = "linux")]
pub(crate) fn warn_of_memory() {
    const TMPFS: i64 = 0x0102_1994;
    let dir = scratch();
    let kind = rustix::fs::statfs(dir.path()).unwrap().f_type;
    if kind == TMPFS {
        eprintln!(
            "{} is memory, not a disk: set SEAWALL_BENCH_DIR to a folder on the disk to measure",
            dir.path().display()
        );
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn warn_of_memory() {}

#[expect(clippy::disallowed_methods, reason = "a bench looks at the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// How long `work` takes.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = now();
    black_box(work());
    start.elapsed()
}

/// How long it takes `threads` threads to call `append` `each` times: from the moment the first
/// begins until the last is done. All wait for each other before they begin.
pub(crate) fn in_threads<T>(threads: usize, each: u64, append: impl Fn() -> T + Sync) -> Duration {
    let all = || (0..each).for_each(|_| drop(black_box(append())));
    if threads == 1 {
        return timed(all);
    }
    let ready = Barrier::new(threads);
    let spans: Vec<(Instant, Instant)> = std::thread::scope(|scope| {
        let run = || {
            ready.wait();
            let start = now();
            all();
            (start, now())
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    let start = spans.iter().map(|&(start, _)| start).min().unwrap();
    let end = spans.iter().map(|&(_, end)| end).max().unwrap();
    end - start
}

/// A record of this length that does not compress to nothing.
pub(crate) fn record(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from((at * 31 + (at >> 8)) % 256).unwrap()).collect()
}

/// A log whose first segment is ready.
pub(crate) fn ready(dir: &Path, durability: Durability) -> Log {
    let log = Log::open(dir, Options::new().durability(durability)).unwrap();
    log.append(b"the first append prepares the segment").unwrap();
    log
}

/// A log of `count` times `record`, and where they are.
pub(crate) fn filled(dir: &Path, record: &[u8], count: u64) -> (Log, Vec<Lsn>) {
    let log = ready(dir, Durability::Buffered);
    let lsns = (0..count).map(|_| log.append(record).unwrap()).map(|Receipt { lsn, .. }| lsn);
    let lsns = lsns.collect();
    log.sync().unwrap();
    (log, lsns)
}

/// Copies a directory file by file, durably: what a log that was killed just now leaves.
pub(crate) fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let entry = entry.unwrap();
        let copy = to.join(entry.file_name());
        std::fs::copy(entry.path(), &copy).unwrap();
        std::fs::OpenOptions::new().write(true).open(&copy).unwrap().sync_all().unwrap();
    }
}

/// Numbers without a pattern, to jump around with.
pub(crate) fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
