//! Code that is not the log's panics under it: a storage, a record that is asked for its bytes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "unwinding/mod.rs"]
mod unwinding;

use seawall::observer::Observer;
use seawall::{Durability, Environment, Error, Log, Lsn};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use unwinding::{Panicking, options};

#[test]
fn a_storage_that_panics_poisons_the_log_and_gives_the_directory_back() {
    assert_eq!(unwinding::search(), None);
}

/// Appenders, waiters, a follower and the log's own threads: whichever drives when the storage
/// panics, all others are told, and the directory can be opened again.
#[test]
fn nobody_waits_for_a_thread_that_panicked() {
    const THREADS: usize = 6;
    for level in [Durability::Buffered, Durability::Os, Durability::Sync] {
        for nth in 0..60 {
            let storage = Panicking::new();
            let around = Environment { threads: true, ..storage.environment(1) };
            let log = Log::open_in(around, options(level)).unwrap();
            log.append(b"begins the run").unwrap();
            let start = Barrier::new(THREADS + 1);
            storage.panic_after(nth);
            let ends = |outcome: Result<(), Error>| {
                assert!(matches!(outcome, Err(Error::Poisoned { .. })), "{outcome:?}");
            };
            std::thread::scope(|scope| {
                let mut threads = Vec::new();
                for thread in 0..THREADS {
                    let (log, start) = (&log, &start);
                    threads.push(scope.spawn(move || {
                        start.wait();
                        loop {
                            let receipt = match log.append(&[7; 700]) {
                                Ok(receipt) => receipt,
                                Err(error) => break ends(Err(error)),
                            };
                            if thread % 2 == 0
                                && let Err(error) = log.wait_durable(receipt.end)
                            {
                                break ends(Err(error));
                            }
                        }
                    }));
                }
                let (log, start) = (&log, &start);
                let follower = scope.spawn(move || {
                    let mut follower = log.follow(Lsn::FIRST).unwrap();
                    start.wait();
                    loop {
                        match follower.next() {
                            Ok(Some(_)) => {}
                            Ok(None) => break,
                            Err(error) => break ends(Err(error)),
                        }
                    }
                });
                let unwound = threads.into_iter().filter_map(|thread| thread.join().err());
                let unwound = unwound.count() + usize::from(follower.join().is_err());
                assert!(
                    unwound <= 1,
                    "{level:?}, call {nth}: one call panics, {unwound} threads do"
                );
            });
            assert!(matches!(log.close(), Err(Error::Poisoned { .. })));
            drop(log);
            Log::open_in(storage.environment(2), options(level)).unwrap();
        }
    }
}

/// A record that is another each time it is asked, or panics.
struct Fickle<'a> {
    asked: Cell<u32>,
    bytes: &'a [u8],
    panics: bool,
}

impl AsRef<[u8]> for Fickle<'_> {
    fn as_ref(&self) -> &[u8] {
        assert!(!self.panics, "a record that panics");
        let asked = self.asked.replace(self.asked.get() + 1);
        if asked == 0 { &self.bytes[..5] } else { self.bytes }
    }
}

#[test]
fn a_record_is_asked_for_its_bytes_once_and_may_panic() {
    for level in [Durability::Buffered, Durability::Os, Durability::Sync] {
        let storage = Panicking::new();
        let log = Log::open_in(storage.environment(1), options(level)).unwrap();
        let bytes = [3; 4000];
        let fickle = |panics| Fickle { asked: Cell::new(0), bytes: &bytes, panics };
        let batch = [fickle(false), fickle(false), fickle(true)];
        let outcome = catch_unwind(AssertUnwindSafe(|| log.append_batch(&batch)));
        assert!(outcome.is_err());
        let before = log.watermarks().accepted;
        let receipt = log.append_batch(&[fickle(false), fickle(false)]).unwrap();
        assert!(receipt.lsn >= before);
        let shown = log.read_batch(receipt.lsn).unwrap();
        assert!(shown.iter().all(|record| record.bytes == bytes[..5]), "{shown:?}");
        assert_eq!(shown.len(), 2);
        log.close().unwrap();
    }
}

/// Counts how often it learns that the log stopped.
#[derive(Debug, Default)]
struct Stops(AtomicU64);

impl Observer for Stops {
    fn poisoned(&self, cause: &(dyn std::error::Error + 'static)) {
        assert!(cause.downcast_ref::<Error>().unwrap().is_poisoned());
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The thread that unwinds reports nothing; the close does, at the latest.
#[test]
fn observers_learn_of_a_log_that_stopped_because_a_storage_panicked() {
    for nth in 0..8 {
        let storage = Panicking::new();
        let stops = Arc::new(Stops::default());
        let around = storage.environment(1).observer(stops.clone());
        let log = Log::open_in(around, options(Durability::Sync)).unwrap();
        log.append(b"begins the run").unwrap();
        storage.panic_after(nth);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..8 {
                log.append(b"meets the panic").unwrap();
            }
        }));
        assert!(panicked.is_err(), "{nth}");
        drop(log.close());
        drop(log);
        assert_eq!(stops.0.load(Ordering::SeqCst), 1, "{nth}");
    }
}
