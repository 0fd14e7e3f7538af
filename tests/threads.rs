//! Many threads, one log: appenders, followers, readers, closers on a real disk.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod watched;

use seawall::{Durability, Error, Log, LogView, Lsn, Options, Receipt};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, mpsc};
use std::time::Duration;
use watched::{Call, On, Watcher};

const LEVELS: [Durability; 4] = [
    Durability::Buffered,
    Durability::Os,
    Durability::Interval(Duration::from_millis(1)),
    Durability::Sync,
];

/// Segments so small that hundreds of records cross many of them.
fn small() -> Options {
    Options::new().segment_len(32 << 10).buffer_max(16 << 10).write_at(4 << 10)
}

/// Record `nth` of `thread`: both numbers, then as many bytes as they make of them.
fn record(thread: u64, nth: u64) -> Vec<u8> {
    let len = usize::try_from((thread * 37 + nth * 101) % 700).unwrap();
    let fill = u8::try_from((thread * 7 + nth) % 251).unwrap();
    let mut bytes = [thread.to_le_bytes(), nth.to_le_bytes()].concat();
    bytes.resize(16 + len, fill);
    bytes
}

/// Which record this is; every byte must be as [`record`] made it.
fn told(bytes: &[u8]) -> (u64, u64) {
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let (thread, nth) = (number(0), number(8));
    assert_eq!(bytes, record(thread, nth), "record {nth} of thread {thread}");
    (thread, nth)
}

/// Holds records against what each thread appended, in its order.
#[derive(Default)]
struct Ledger {
    next: BTreeMap<u64, u64>,
}

impl Ledger {
    fn enter(&mut self, bytes: &[u8]) {
        let (thread, nth) = told(bytes);
        let next = self.next.entry(thread).or_default();
        assert_eq!(nth, *next, "thread {thread}: none twice, none left out, none out of order");
        *next += 1;
    }

    fn count(&self) -> u64 {
        self.next.values().sum()
    }
}

fn append_all(log: &Log, thread: u64, each: u64) {
    let mut end = Lsn::FIRST;
    for nth in 0..each {
        let receipt = log.append(&record(thread, nth)).unwrap();
        assert!(receipt.lsn >= end, "addresses of one thread grow");
        assert!(receipt.end > receipt.lsn);
        end = receipt.end;
    }
}

fn assert_holds(log: &Log, threads: u64, each: u64) {
    let mut ledger = Ledger::default();
    for found in log.scan(Lsn::FIRST).unwrap() {
        ledger.enter(&found.unwrap().bytes);
    }
    assert!(ledger.next.values().all(|&count| count == each), "{:?}", ledger.next);
    assert_eq!(ledger.count(), threads * each);
}

#[test]
fn log_is_send_sync_and_clone() {
    fn is<T: Send + Sync + Clone + 'static>() {}
    fn moves<T: Send + 'static>() {}
    is::<Log>();
    moves::<seawall::Follower>();
    moves::<seawall::LogScan>();
    moves::<Error>();
}

#[test]
fn every_record_of_every_thread_is_there_once_and_in_its_order() {
    let (threads, each) = (8, 150);
    for level in LEVELS {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path(), small().durability(level)).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let log = log.clone();
                scope.spawn(move || append_all(&log, thread, each));
            }
        });
        assert!(log.segments().len() > 4, "many rotations");
        log.sync().unwrap();
        assert_holds(&log, threads, each);
        log.close().unwrap();
        let log = Log::open(dir.path(), small()).unwrap();
        assert!(log.report().clean, "{level:?}: {}", log.report());
        assert_holds(&log, threads, each);
    }
}

#[test]
fn levels_mixed_in_one_log_keep_their_order() {
    let (threads, each) = (8, 100);
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), small().durability(Durability::Buffered)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let log = &log;
            scope.spawn(move || {
                for nth in 0..each {
                    let level = LEVELS[usize::try_from((thread + nth) % 4).unwrap()];
                    let receipt = log.append_at(&record(thread, nth), level).unwrap();
                    let marks = log.watermarks();
                    match level {
                        Durability::Buffered => assert!(marks.accepted >= receipt.end),
                        Durability::Os => assert!(marks.written >= receipt.end),
                        _ => assert!(marks.durable >= receipt.end),
                    }
                }
            });
        }
    });
    assert_holds(&log, threads, each);
}

#[test]
fn batches_of_many_threads_stay_whole() {
    let (threads, batches, len) = (6_u64, 40_u64, 9_u64);
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), small().durability(Durability::Os)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let log = &log;
            scope.spawn(move || {
                for nth in 0..batches {
                    let batch: Vec<_> =
                        (nth * len..(nth + 1) * len).map(|nth| record(thread, nth)).collect();
                    let receipt = log.append_batch(&batch).unwrap();
                    let read = log.read_batch(receipt.lsn).unwrap();
                    assert!(read.iter().map(|record| &record.bytes[..]).eq(batch.iter()));
                }
            });
        }
    });
    let all: Vec<_> =
        log.scan(Lsn::FIRST).unwrap().map(|found| told(&found.unwrap().bytes)).collect();
    let whole = usize::try_from(len).unwrap();
    assert_eq!(all.len() as u64, threads * batches * len);
    for batch in all.chunks(whole) {
        let (thread, first) = batch[0];
        assert!(batch.iter().copied().eq((first..first + len).map(|nth| (thread, nth))));
    }
}

#[test]
fn followers_see_every_record_once_in_order_and_end_at_close() {
    let (threads, each) = (4, 150);
    for level in LEVELS {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path(), small().durability(level)).unwrap();
        std::thread::scope(|scope| {
            let followers: Vec<_> = (0..3)
                .map(|_| {
                    let mut follower = log.follow(Lsn::FIRST).unwrap();
                    scope.spawn(move || {
                        let (mut ledger, mut at) = (Ledger::default(), Lsn::FIRST);
                        while let Some(record) = follower.next().unwrap() {
                            assert!(record.lsn >= at, "in order");
                            at = record.lsn;
                            ledger.enter(&record.bytes);
                        }
                        ledger.count()
                    })
                })
                .collect();
            let appenders: Vec<_> = (0..threads)
                .map(|thread| {
                    let log = &log;
                    scope.spawn(move || append_all(log, thread, each))
                })
                .collect();
            for appender in appenders {
                appender.join().unwrap();
            }
            log.close().unwrap();
            for follower in followers {
                assert_eq!(follower.join().unwrap(), threads * each, "{level:?}");
            }
        });
    }
}

#[test]
fn a_follower_gets_each_record_without_another_append() {
    for level in LEVELS {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path(), small().durability(level)).unwrap();
        let mut follower = log.follow(Lsn::FIRST).unwrap();
        let (seen, next) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while let Some(record) = follower.next().unwrap() {
                    seen.send(told(&record.bytes)).unwrap();
                }
            });
            for nth in 0..100 {
                log.append(&record(1, nth)).unwrap();
                assert_eq!(next.recv().unwrap(), (1, nth), "{level:?}");
            }
            log.close().unwrap();
            assert!(next.recv().is_err(), "the follower ended");
        });
    }
}

/// So many are woken one after the other, with pauses: the last one gets it all the same.
#[test]
fn many_followers_get_each_record_without_another_append() {
    let count = 50;
    for level in LEVELS {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path(), small().durability(level)).unwrap();
        let (seen, next) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..count {
                let (mut follower, seen) = (log.follow(Lsn::FIRST).unwrap(), seen.clone());
                scope.spawn(move || {
                    while let Some(record) = follower.next().unwrap() {
                        seen.send(told(&record.bytes)).unwrap();
                    }
                });
            }
            drop(seen);
            for nth in 0..6 {
                log.append(&record(1, nth)).unwrap();
                for _ in 0..count {
                    assert_eq!(next.recv().unwrap(), (1, nth), "{level:?}");
                }
            }
            log.close().unwrap();
            assert!(next.recv().is_err(), "all followers ended");
        });
    }
}

#[test]
fn an_address_can_be_read_as_soon_as_its_append_returned() {
    let (threads, each) = (3, 200);
    for level in LEVELS {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path(), small().durability(level)).unwrap();
        let (log, (send, addresses)) = (&log, mpsc::channel::<(Receipt, u64, u64)>());
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let send = send.clone();
                scope.spawn(move || {
                    for nth in 0..each {
                        let receipt = log.append(&record(thread, nth)).unwrap();
                        // By the thread itself, at once, and by another one later.
                        assert_eq!(told(&log.read(receipt.lsn).unwrap().bytes), (thread, nth));
                        send.send((receipt, thread, nth)).unwrap();
                    }
                });
            }
            drop(send);
            scope.spawn(move || {
                for (receipt, thread, nth) in addresses {
                    assert_eq!(told(&log.read(receipt.lsn).unwrap().bytes), (thread, nth));
                    assert!(matches!(
                        log.read(Lsn::new(receipt.lsn.get() + 1)),
                        Err(Error::NoRecord { .. })
                    ));
                }
            });
        });
    }
}

#[test]
fn scans_beside_appends_see_a_prefix() {
    let (threads, each) = (4, 150);
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), small().durability(Durability::Os)).unwrap();
    let running = AtomicU64::new(threads);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (log, running) = (&log, &running);
            scope.spawn(move || {
                append_all(log, thread, each);
                running.fetch_sub(1, Ordering::SeqCst);
            });
        }
        scope.spawn(|| {
            let mut before = 0;
            while running.load(Ordering::SeqCst) > 0 {
                let mut ledger = Ledger::default();
                let mut scan = log.scan(Lsn::FIRST).unwrap();
                while let Some(record) = scan.next_ref().unwrap() {
                    ledger.enter(record.bytes);
                }
                assert!(ledger.count() >= before, "what was seen stays");
                before = ledger.count();
            }
        });
    });
    assert_holds(&log, threads, each);
}

#[test]
fn readers_without_the_lock_see_a_prefix_beside_the_writer() {
    let each = 400;
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), small().durability(Durability::Os)).unwrap();
    append_all(&log, 0, 1);
    let running = AtomicU64::new(1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            append_all(&log, 1, each);
            running.fetch_sub(1, Ordering::SeqCst);
        });
        let mut before = 0;
        while running.load(Ordering::SeqCst) > 0 {
            let view = LogView::open(dir.path()).unwrap();
            let mut ledger = Ledger::default();
            for record in view.scan(Lsn::FIRST).unwrap() {
                ledger.enter(&record.unwrap().bytes);
            }
            assert!(ledger.count() >= before, "what was seen stays");
            before = ledger.count();
        }
    });
    log.close().unwrap();
}

#[test]
fn try_append_says_busy_while_the_buffer_is_full_and_the_disk_is_stuck() {
    let dir = tempfile::tempdir().unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let options = Options::new()
        .durability(Durability::Buffered)
        .segment_len(1 << 20)
        .first_segment_len(1 << 20)
        .buffer_max(64 << 10)
        .write_at(4 << 10)
        .idle_mark(None);
    let log = Log::open_in(environment, options).unwrap();
    log.append(&record(0, 0)).unwrap();
    watcher.hold(On::Segment, Call::Write);
    let taken = std::thread::scope(|scope| {
        // Its buffer is worth a write before long, in which it gets stuck.
        scope.spawn(|| (1..50).for_each(|nth| drop(log.append(&record(0, nth)))));
        watcher.wait_for_held(On::Segment, Call::Write);
        let mut taken = 0;
        let outcome = loop {
            match log.try_append(&record(1, taken)) {
                Ok(_) => taken += 1,
                Err(error) => break error,
            }
            assert!(taken < 10_000, "the buffer is bounded");
        };
        assert!(matches!(outcome, Error::Busy), "{outcome:?}");
        let marks = log.watermarks();
        assert!(marks.accepted.since(marks.written).unwrap() <= 64 << 10);
        assert!(matches!(log.try_append(&record(1, taken)), Err(Error::Busy)), "still");
        watcher.release(On::Segment, Call::Write);
        taken
    });
    // The disk works again, and so does the log.
    log.append(&record(1, taken)).unwrap();
    log.sync().unwrap();
    log.try_append(&record(1, taken + 1)).unwrap();
    let mut ledger = Ledger::default();
    log.scan(Lsn::FIRST).unwrap().for_each(|found| ledger.enter(&found.unwrap().bytes));
    assert_eq!(ledger.next[&0], 50);
    assert_eq!(ledger.next[&1], taken + 2);
}

#[test]
fn an_append_waits_while_the_buffer_is_full_and_goes_on_afterwards() {
    let (threads, each) = (6, 60);
    let dir = tempfile::tempdir().unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let log = Log::open_in(environment, small().durability(Durability::Buffered)).unwrap();
    watcher.hold(On::Segment, Call::Write);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let log = &log;
            scope.spawn(move || append_all(log, thread, each));
        }
        // The header of the first segment, then the first ten writes, one at a time.
        for _ in 0..10 {
            watcher.wait_for_held(On::Segment, Call::Write);
            watcher.let_one_go();
        }
        watcher.release(On::Segment, Call::Write);
    });
    assert_holds(&log, threads, each);
}

/// Appends until the log is closed; how many appends returned a receipt.
fn append_until_closed(log: &Log, thread: u64, appended: &AtomicU64) -> u64 {
    for nth in 0.. {
        match log.append(&record(thread, nth)) {
            Ok(_) => appended.fetch_add(1, Ordering::SeqCst),
            Err(Error::Closed) => return nth,
            Err(error) => panic!("{error:?}"),
        };
    }
    unreachable!("the log is closed before long")
}

#[test]
fn closing_beside_appends_ends_each_with_success_or_closed() {
    for level in LEVELS {
        for clones_closing in [1, 3] {
            let dir = tempfile::tempdir().unwrap();
            let log = Log::open(dir.path(), small().durability(level)).unwrap();
            let appended = AtomicU64::new(0);
            let returned: Vec<u64> = std::thread::scope(|scope| {
                let appenders: Vec<_> = (0..8)
                    .map(|thread| {
                        let (log, appended) = (&log, &appended);
                        scope.spawn(move || append_until_closed(log, thread, appended))
                    })
                    .collect();
                while appended.load(Ordering::SeqCst) < 200 {
                    std::thread::yield_now();
                }
                let closers: Vec<_> =
                    (0..clones_closing).map(|_| scope.spawn(|| log.close().unwrap())).collect();
                closers.into_iter().for_each(|closer| closer.join().unwrap());
                appenders.into_iter().map(|appender| appender.join().unwrap()).collect()
            });
            assert!(matches!(log.append(b"late"), Err(Error::Closed)));
            assert!(matches!(log.try_append(b"late"), Err(Error::Closed)));
            let log = Log::open(dir.path(), small()).unwrap();
            assert!(log.report().clean, "{}", log.report());
            let mut ledger = Ledger::default();
            log.scan(Lsn::FIRST).unwrap().for_each(|found| ledger.enter(&found.unwrap().bytes));
            for (thread, count) in (0..).zip(returned) {
                let found = ledger.next.get(&thread).copied().unwrap_or(0);
                assert_eq!(found, count, "{level:?}: those that said Closed left nothing");
            }
        }
    }
}

#[test]
fn the_last_handle_dropped_releases_the_lock() {
    for level in LEVELS {
        let dir = tempfile::tempdir().unwrap();
        for round in 0..5 {
            let log = Log::open(dir.path(), small().durability(level)).unwrap();
            assert!(matches!(Log::open(dir.path(), small()), Err(Error::Locked { .. })));
            assert_eq!(log.scan(Lsn::FIRST).unwrap().count() as u64, round * 4);
            let start = Barrier::new(4);
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let (log, start) = (log.clone(), &start);
                    scope.spawn(move || {
                        start.wait();
                        log.append(&record(thread, round)).unwrap();
                    });
                }
                // The handle of the test goes first or last or in between: as it happens.
                drop(log);
            });
        }
        let log = Log::open(dir.path(), small()).unwrap();
        assert!(log.report().clean, "a drop closes as well as it can");
    }
}

#[test]
fn readers_that_outlive_the_handle_do_not_keep_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), small()).unwrap();
    append_all(&log, 0, 5);
    let mut follower = log.follow(Lsn::FIRST).unwrap();
    let mut scan = log.scan(Lsn::FIRST).unwrap();
    drop(log);
    let next = Log::open(dir.path(), small()).unwrap();
    for nth in 0..5 {
        assert_eq!(told(&follower.next().unwrap().unwrap().bytes), (0, nth));
        assert_eq!(told(scan.next_ref().unwrap().unwrap().bytes), (0, nth));
    }
    assert!(follower.next().unwrap().is_none(), "closed");
    assert!(scan.next_ref().unwrap().is_none());
    append_all(&next, 1, 5);
    assert!(follower.next().unwrap().is_none(), "another log: not followed");
}

#[test]
fn trimming_beside_appends_and_followers_never_hides_what_is_left() {
    let each = 600;
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), small().durability(Durability::Os)).unwrap();
    let (send, receipts) = mpsc::channel::<Receipt>();
    std::thread::scope(|scope| {
        let log = &log;
        let mut follower = log.follow(Lsn::FIRST).unwrap();
        scope.spawn(move || {
            for nth in 0..each {
                send.send(log.append(&record(0, nth)).unwrap()).unwrap();
            }
        });
        // Keeps fifty records and trims what is before them.
        let trimmer = scope.spawn(move || {
            let receipts: &mut dyn Iterator<Item = Receipt> = &mut receipts.into_iter();
            let mut kept = std::collections::VecDeque::new();
            for receipt in receipts {
                kept.push_back(receipt.lsn);
                if kept.len() > 100 {
                    kept.drain(..50);
                    let trimmed = log.trim(kept[0]).unwrap();
                    assert!(trimmed.first <= kept[0]);
                    kept.iter().for_each(|&lsn| drop(log.read(lsn).unwrap()));
                }
            }
        });
        let followed = scope.spawn(move || {
            let mut expected = 0;
            loop {
                match follower.next() {
                    Ok(Some(record)) => {
                        assert_eq!(told(&record.bytes), (0, expected));
                        expected += 1;
                    }
                    Ok(None) => return,
                    // It was overtaken, and is told so; it goes on where the log begins now.
                    Err(Error::Trimmed { .. }) => {
                        follower = log.follow(Lsn::FIRST).unwrap();
                        match follower.next().unwrap() {
                            Some(record) => expected = told(&record.bytes).1 + 1,
                            None => return,
                        }
                    }
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
        trimmer.join().unwrap();
        log.close().unwrap();
        followed.join().unwrap();
    });
}

#[test]
fn try_append_alone_gets_through_before_long() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path(), small()).unwrap();
    for nth in 0..200 {
        let mut tries = 0_u64;
        while let Err(error) = log.try_append(&record(0, nth)) {
            assert!(matches!(error, Error::Busy), "{error:?}");
            tries += 1;
            assert!(tries < 1_000_000, "append {nth} is busy for ever");
            std::thread::yield_now();
        }
    }
}

/// Whether no second writer gets in, although it tries often; time enough for others to go on.
fn stays_locked(dir: &std::path::Path) -> bool {
    (0..1000).all(|_| {
        std::thread::yield_now();
        matches!(Log::open(dir, small()), Err(Error::Locked { .. }))
    })
}

#[test]
fn a_trim_that_a_close_overtakes_returns() {
    let dir = tempfile::tempdir().unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let log = Log::open_in(environment, small().idle_mark(None)).unwrap();
    append_all(&log, 0, 20);
    // The log's thread gets stuck in retiring the first segment.
    watcher.hold(On::Segment, Call::SetLen);
    append_all(&log, 1, 100);
    watcher.wait_for_held(On::Segment, Call::SetLen);
    let end = log.watermarks().accepted;
    std::thread::scope(|scope| {
        let trim = scope.spawn(|| log.trim(end));
        while log.watermarks().durable <= end {
            std::thread::yield_now();
        }
        // The trim is durable and waits for its turn to remove files. Now the log is closed, as
        // far as that goes without its thread, which the close then waits for.
        let close = scope.spawn(|| log.close());
        assert!(stays_locked(dir.path()));
        watcher.release(On::Segment, Call::SetLen);
        close.join().unwrap().unwrap();
        let outcome = trim.join().unwrap();
        assert!(matches!(outcome, Ok(_) | Err(Error::Closed)), "{outcome:?}");
    });
}

#[test]
fn a_close_keeps_the_lock_while_a_trim_removes_files() {
    let dir = tempfile::tempdir().unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let options = small().durability(Durability::Os).spares_max(0).prepare_ahead(false);
    let log = Log::open_in(environment, options.idle_mark(None)).unwrap();
    append_all(&log, 0, 200);
    let end = log.watermarks().accepted;
    watcher.hold(On::Segment, Call::Remove);
    let locked = std::thread::scope(|scope| {
        let trim = scope.spawn(|| log.trim(end));
        watcher.wait_for_held(On::Segment, Call::Remove);
        let close = scope.spawn(|| log.close());
        let locked = stays_locked(dir.path());
        watcher.release(On::Segment, Call::Remove);
        close.join().unwrap().unwrap();
        drop(trim.join().unwrap());
        locked
    });
    assert!(locked, "a second writer got in while the first was removing a file");
}

#[test]
fn a_close_of_a_poisoned_log_keeps_the_lock_while_a_write_is_under_way() {
    let dir = tempfile::tempdir().unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let options = Options::new()
        .segment_len(1 << 20)
        .first_segment_len(1 << 20)
        .durability(Durability::Os)
        .idle_mark(None);
    let log = Log::open_in(environment, options).unwrap();
    log.append(b"prepares the segment").unwrap();
    watcher.hold(On::Spare, Call::SyncAll);
    log.append(&[1; 600_000]).unwrap();
    watcher.wait_for_held(On::Spare, Call::SyncAll);
    watcher.hold(On::Segment, Call::Write);
    let locked = std::thread::scope(|scope| {
        let append = scope.spawn(|| log.append(b"on its way"));
        watcher.wait_for_held(On::Segment, Call::Write);
        // The next segment's name cannot be made durable: the log is poisoned while the write hangs.
        watcher.fail(On::Directory, Call::SyncDir, 5);
        watcher.release(On::Spare, Call::SyncAll);
        while log.trim(Lsn::FIRST).is_ok() {
            std::thread::yield_now();
        }
        let close = scope.spawn(|| log.close());
        let locked = stays_locked(dir.path());
        watcher.release(On::Segment, Call::Write);
        assert!(close.join().unwrap().unwrap_err().is_poisoned());
        drop(append.join().unwrap());
        locked
    });
    assert!(locked, "a second writer got in while the first was still writing");
}

#[test]
fn a_close_does_not_wait_for_the_rest_of_the_next_file() {
    let dir = tempfile::tempdir().unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let options = Options::new()
        .segment_len(8 << 20)
        .first_segment_len(8 << 20)
        .durability(Durability::Sync)
        .idle_mark(None);
    let log = Log::open_in(environment, options).unwrap();
    log.append(b"prepares the segment").unwrap();
    watcher.hold(On::Spare, Call::SyncData);
    log.append(&vec![1; 5 << 20]).unwrap();
    watcher.wait_for_held(On::Spare, Call::SyncData);
    // A piece of the next file is written, six are left.
    let counts = std::thread::scope(|scope| {
        let close = scope.spawn(|| log.close());
        while log.append(b"another").is_ok() {
            std::thread::yield_now();
        }
        watcher.take_counts();
        watcher.release(On::Spare, Call::SyncData);
        close.join().unwrap().unwrap();
        watcher.take_counts()
    });
    let spare = |call| counts.of(On::Spare, call);
    assert_eq!([Call::Write, Call::SyncData, Call::SyncAll, Call::Rename].map(spare), [0; 4]);
    assert_eq!(spare(Call::Remove), 1, "nothing is left of it");
    let log = Log::open(dir.path(), Options::new()).unwrap();
    assert!(log.report().clean && log.stats().spares == 0, "{}", log.report());
}

#[test]
fn an_interval_is_kept_after_an_idle_mark() {
    let dir = tempfile::tempdir().unwrap();
    let (mut environment, _) = Watcher::environment(dir.path());
    // The test says when the interval is over and the log idle.
    environment.threads = false;
    let options = small().durability(Durability::Interval(Duration::from_millis(1)));
    let log = Log::open_in(environment, options).unwrap();
    for nth in 0..3 {
        log.append(&record(0, nth)).unwrap();
        log.tend().unwrap();
        let marks = log.watermarks();
        assert_eq!(marks.durable, marks.accepted, "after the interval of record {nth}");
    }
}

#[test]
fn an_interval_is_kept_while_the_idle_mark_is_far() {
    let dir = tempfile::tempdir().unwrap();
    let options = small()
        .durability(Durability::Interval(Duration::from_millis(1)))
        .idle_mark(Some(Duration::from_secs(3600)));
    let log = Log::open(dir.path(), options).unwrap();
    let mut follower = log.follow(Lsn::FIRST).unwrap();
    for nth in 0..100 {
        log.append(&record(0, nth)).unwrap();
        // Visible once it is durable, which is up to the log.
        assert_eq!(told(&follower.next().unwrap().unwrap().bytes), (0, nth));
    }
}
