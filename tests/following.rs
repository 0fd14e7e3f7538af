//! Followers at each level: what they are shown and when, how a wait ends, thousands on one thread, and
//! what those at the end read.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod executor;
mod watched;

use executor::{block_on, join_all};
use seawall::{Batch, Durability, Error, Failures, Followed, Follower, Log, Lsn, Options, Tag};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;
use watched::{Call, On, Watcher};

const EIO: i32 = 5;
const LEVELS: [Durability; 3] = [Durability::Buffered, Durability::Os, Durability::Sync];
const FAR: Duration = Duration::from_secs(3600);

fn options(level: Durability) -> Options {
    Options::new().durability(level).segment_len(64 << 10).idle_mark(None)
}

fn opened(level: Durability) -> (tempfile::TempDir, Log) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let log = Log::open(dir.path(), options(level)).unwrap();
    (dir, log)
}

/// One follower at each level, at the end of the log.
fn followers(log: &Log) -> [Follower; 3] {
    LEVELS.map(|level| {
        let mut follower = log.follow_at(Lsn::FIRST, level).unwrap();
        assert_eq!(follower.level(), level);
        all(&mut follower);
        follower
    })
}

/// What it can show now.
fn all(follower: &mut Follower) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| follower.try_next().unwrap()).map(|r| r.bytes.to_vec()).collect()
}

fn counts(followers: &mut [Follower; 3]) -> [usize; 3] {
    followers.each_mut().map(|follower| all(follower).len())
}

#[derive(Default)]
struct Counted(AtomicU32);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn each_level_shows_what_is_so_safe_and_nothing_else() {
    let (_dir, log) = opened(Durability::Buffered);
    log.append_at(b"first", Durability::Sync).unwrap();
    let mut followers = followers(&log);
    log.append(b"only accepted").unwrap();
    assert_eq!(counts(&mut followers), [1, 0, 0]);
    assert_eq!(log.watermarks().written, log.watermarks().durable, "nobody asked for a write");
    log.append_at(b"in the hands of the system", Durability::Os).unwrap();
    assert_eq!(counts(&mut followers), [1, 2, 0]);
    log.sync().unwrap();
    assert_eq!(counts(&mut followers), [0, 0, 2]);
    log.close().unwrap();
    for mut follower in followers {
        assert!(follower.next().unwrap().is_none());
    }
}

#[test]
fn what_is_on_its_way_is_shown_at_the_level_that_asks_for_no_more() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let log = Log::open_in(environment, options(Durability::Sync)).unwrap();
    log.append(b"first").unwrap();
    let mut followers = followers(&log);
    watcher.hold(On::Segment, Call::Write);
    watcher.hold(On::Segment, Call::SyncData);
    std::thread::scope(|scope| {
        let append = scope.spawn(|| log.append(b"second").unwrap());
        watcher.wait_for_held(On::Segment, Call::Write);
        assert_eq!(counts(&mut followers), [1, 0, 0], "the write is under way");
        watcher.release(On::Segment, Call::Write);
        watcher.wait_for_held(On::Segment, Call::SyncData);
        // Write and sync are one action here: neither is known before both are done.
        assert_eq!(counts(&mut followers), [0, 0, 0], "the sync is under way");
        watcher.release(On::Segment, Call::SyncData);
        append.join().unwrap();
    });
    assert_eq!(counts(&mut followers), [0, 1, 1]);
    log.close().unwrap();
}

#[test]
fn what_a_failed_write_takes_is_told_as_a_void_and_shown_at_no_higher_level() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let log = Log::open_in(environment, options(Durability::Os)).unwrap();
    log.append_at(b"first", Durability::Sync).unwrap();
    let [mut accepted, mut written, mut durable] = followers(&log);
    let seen = log.failures();
    watcher.fail(On::Segment, Call::Write, EIO);
    watcher.hold(On::Segment, Call::Write);
    let shown = std::thread::scope(|scope| {
        let append = scope.spawn(|| log.append(b"lost").unwrap_err());
        watcher.wait_for_held(On::Segment, Call::Write);
        let shown = accepted.next().unwrap().unwrap();
        assert_eq!(shown.bytes, "lost");
        assert!(!log.is_failed(shown.lsn));
        watcher.release(On::Segment, Call::Write);
        assert!(matches!(append.join().unwrap(), Error::Io { .. }));
        shown
    });
    assert!(log.failures() > seen, "there is something new");
    assert!(log.is_failed(shown.lsn));
    let [void] = log.failed().try_into().unwrap();
    assert!(void.contains(&shown.lsn));
    watcher.stop_failing();
    log.append(b"kept").unwrap();
    log.sync().unwrap();
    for follower in [&mut accepted, &mut written, &mut durable] {
        assert_eq!(all(follower), [b"kept"]);
    }
    log.close().unwrap();
}

#[test]
fn what_failed_is_not_shown_from_what_a_follower_has_in_its_hands() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let log = Log::open_in(environment.threads(false), options(Durability::Buffered)).unwrap();
    log.append_at(b"first", Durability::Sync).unwrap();
    let submit = |records: &[&[u8]], level| {
        log.submit(&records.iter().copied().collect(), level, Failures::ANY).unwrap()
    };
    // A batch that stays, and one that fails, each read in part when the write fails.
    let next = |follower: &mut Follower| follower.try_next().unwrap().map(|r| r.bytes.to_vec());
    let mut followers = [0, 1, 2].map(|_| log.follow_at(Lsn::FIRST, Durability::Buffered).unwrap());
    let stays = submit(&[b"a", b"b", b"c"], Durability::Buffered);
    let fails = submit(&[b"d", b"e", b"f"], Durability::Os);
    submit(&[b"g"], Durability::Buffered).wait(Durability::Buffered).unwrap();
    for (follower, count) in followers.iter_mut().zip([2, 5, 8]) {
        (0..count).for_each(|_| assert!(next(follower).is_some()));
    }
    watcher.fail(On::Segment, Call::Write, EIO);
    assert!(fails.wait(Durability::Os).is_err());
    assert!(log.is_failed(fails.lsn()) && !log.is_failed(stays.lsn()));
    let rest = followers.each_mut().map(all);
    assert_eq!(rest[0], [b"b", b"c", b"g"]);
    assert_eq!(rest[1], [b"g"]);
    assert_eq!(rest[2], Vec::<Vec<u8>>::new());
    watcher.stop_failing();
    log.close().unwrap();
}

#[test]
fn a_disk_that_takes_nothing_hides_nothing_that_is_accepted() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let log = Log::open_in(environment, options(Durability::Buffered)).unwrap();
    log.append_at(b"first", Durability::Sync).unwrap();
    let mut early = followers(&log);
    watcher.fail(On::Segment, Call::Write, EIO);
    let records: Vec<Vec<u8>> = (0..300_u16).map(|nth| vec![nth.to_le_bytes()[0]; 100]).collect();
    for (nth, record) in records.iter().enumerate() {
        log.append(record).unwrap();
        if nth % 100 == 50 {
            assert!(log.sync().is_err(), "they stay buffered");
        }
    }
    // One that was there, and one that came too late to see any of it pass by.
    let mut late = log.follow_at(log.watermarks().durable, Durability::Buffered).unwrap();
    assert_eq!(all(&mut late), records);
    let [accepted, written, durable] = &mut early;
    assert_eq!(all(accepted), records);
    assert_eq!((all(written).len(), all(durable).len()), (0, 0));
    watcher.stop_failing();
    log.sync().unwrap();
    assert_eq!((all(written), all(durable)), (records.clone(), records));
    log.close().unwrap();
}

#[test]
fn a_wait_with_a_limit_says_that_there_is_nothing_yet_and_loses_nothing() {
    for level in LEVELS {
        let (_dir, log) = opened(Durability::Buffered);
        let mut follower = log.follow_at(Lsn::FIRST, level).unwrap();
        let nothing = |follower: &mut Follower| {
            for timeout in [Duration::ZERO, Duration::from_millis(1)] {
                assert_eq!(follower.next_timeout(timeout).unwrap(), Followed::NothingYet);
            }
        };
        nothing(&mut follower);
        for nth in 0..3_u8 {
            let receipt = log.append_at(&[nth], Durability::Sync).unwrap();
            let Followed::Record(record) = follower.next_timeout(FAR).unwrap() else {
                panic!("it was appended")
            };
            assert_eq!((record.lsn, record.bytes.as_ref()), (receipt.lsn, [nth].as_slice()));
            nothing(&mut follower);
        }
        // Whichever comes first.
        std::thread::scope(|scope| {
            let log = &log;
            scope.spawn(move || {
                for nth in 0..200_u8 {
                    log.append_at(&[nth], Durability::Sync).unwrap();
                }
            });
            let mut next = 0;
            while next < 200 {
                match follower.next_timeout(Duration::from_micros(100)).unwrap() {
                    Followed::Record(record) => {
                        assert_eq!(record.bytes.as_ref(), [next], "{level:?}");
                        next += 1;
                    }
                    Followed::NothingYet => {}
                    other => panic!("{other:?}"),
                }
            }
        });
        log.close().unwrap();
        assert_eq!(follower.next_timeout(FAR).unwrap(), Followed::End);
    }
}

#[test]
fn a_cancel_ends_a_wait_and_those_to_come_and_hides_no_record() {
    let (_dir, log) = opened(Durability::Os);
    let mut follower = log.follow(Lsn::FIRST).unwrap();
    let mut other = log.follow(Lsn::FIRST).unwrap();
    let canceller = follower.canceller();
    std::thread::scope(|scope| {
        let follows = scope.spawn(|| follower.next());
        let beside = scope.spawn(|| other.next());
        assert!(!canceller.is_cancelled());
        let clone = canceller.clone();
        scope.spawn(move || clone.cancel());
        assert!(matches!(follows.join().unwrap(), Err(Error::Cancelled)));
        log.append(b"a record").unwrap();
        assert_eq!(beside.join().unwrap().unwrap().unwrap().bytes, "a record");
    });
    assert!(canceller.is_cancelled());
    assert_eq!(follower.next().unwrap().unwrap().bytes, "a record");
    assert!(matches!(follower.next(), Err(Error::Cancelled)));
    assert!(matches!(follower.next_timeout(FAR), Err(Error::Cancelled)));
    assert!(matches!(follower.poll_next(Waker::noop()), Poll::Ready(Err(Error::Cancelled))));
    assert!(follower.try_next().unwrap().is_none(), "it does not wait");
    log.close().unwrap();
    assert!(follower.next().unwrap().is_none(), "there is nothing to wait for");
}

#[test]
fn a_cancel_calls_the_waker_of_a_poll() {
    let (_dir, log) = opened(Durability::Os);
    let mut follower = log.follow(Lsn::FIRST).unwrap();
    let canceller = follower.canceller();
    std::thread::scope(|scope| {
        let follows = scope.spawn(move || {
            let outcome = block_on(poll_fn(|context| follower.poll_next(context.waker())));
            assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
        });
        canceller.cancel();
        follows.join().unwrap();
    });
    log.close().unwrap();
}

#[test]
fn a_poll_is_called_once_and_by_its_own_level_and_who_is_dropped_holds_no_waker() {
    let (_dir, log) = opened(Durability::Buffered);
    log.append_at(b"first", Durability::Sync).unwrap();
    let mut followers = followers(&log);
    let called: [Arc<Counted>; 3] = Default::default();
    let poll = |follower: &mut Follower, count: &Arc<Counted>| {
        follower.poll_next(&Waker::from(Arc::clone(count)))
    };
    for (follower, count) in followers.iter_mut().zip(&called) {
        for _ in 0..3 {
            assert!(poll(follower, count).is_pending());
        }
        assert_eq!(Arc::strong_count(count), 2, "the last waker alone");
    }
    let count = |called: &[Arc<Counted>; 3]| {
        [0, 1, 2].map(|nth: usize| called[nth].0.load(Ordering::Relaxed))
    };
    log.append(b"accepted").unwrap();
    assert_eq!(count(&called), [1, 0, 0]);
    log.append_at(b"written", Durability::Os).unwrap();
    assert_eq!(count(&called), [1, 1, 0]);
    let [accepted, written, _] = &mut followers;
    for expected in ["accepted", "written"] {
        let Poll::Ready(Ok(Some(record))) = poll(written, &called[1]) else {
            panic!("it is there")
        };
        assert_eq!(record.bytes, expected);
        assert!(matches!(poll(accepted, &called[0]), Poll::Ready(Ok(Some(_)))));
    }
    assert!(poll(written, &called[1]).is_pending());
    drop(followers);
    assert!(called.iter().all(|count| Arc::strong_count(count) == 1));
    log.close().unwrap();
    assert_eq!(count(&called), [1, 1, 0]);
}

/// Records until the log is closed.
async fn followed(mut follower: Follower) -> Result<Vec<u64>, Error> {
    let mut seen = Vec::new();
    while let Some(record) = poll_fn(|context| follower.poll_next(context.waker())).await? {
        seen.push(u64::from_le_bytes(record.bytes.as_ref().try_into().unwrap()));
    }
    Ok(seen)
}

#[test]
fn ten_thousand_followers_wait_on_one_thread() {
    let records = 20;
    for log_level in [Durability::Buffered, Durability::Sync] {
        let (_dir, log) = opened(log_level);
        let follower = |nth: usize| log.follow_at(Lsn::FIRST, LEVELS[nth % 3]).unwrap();
        let followers: Vec<Follower> = (0..10_000).map(follower).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for nth in 0..records {
                    log.append(&u64::to_le_bytes(nth)).unwrap();
                    if nth % 5 == 0 {
                        log.sync().unwrap();
                    }
                }
                log.close().unwrap();
            });
            let seen = block_on(join_all(followers.into_iter().map(followed)));
            assert_eq!(seen.len(), 10_000);
            for seen in seen {
                assert!(seen.unwrap().into_iter().eq(0..records), "each record once, in order");
            }
        });
    }
}

#[test]
fn a_failed_sync_ends_those_who_wait_by_wakers() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let log = Log::open_in(environment, options(Durability::Sync)).unwrap();
    log.append(&0_u64.to_le_bytes()).unwrap();
    let followers: Vec<Follower> =
        (0..100).map(|nth| log.follow_at(Lsn::FIRST, LEVELS[nth % 3]).unwrap()).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            watcher.fail(On::Segment, Call::SyncData, EIO);
            assert!(log.append(&1_u64.to_le_bytes()).unwrap_err().is_poisoned());
        });
        for outcome in block_on(join_all(followers.into_iter().map(followed))) {
            assert!(outcome.unwrap_err().is_poisoned());
        }
    });
    assert!(log.close().unwrap_err().is_poisoned());
}

/// Appends beside so many followers that keep up; how often files of segments are read meanwhile.
fn reads_beside(count: usize, log_level: Durability) -> u64 {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let options = options(log_level).segment_len(8 << 20).first_segment_len(8 << 20);
    let log = Log::open_in(environment.threads(false), options).unwrap();
    log.append_at(b"first", Durability::Sync).unwrap();
    let at_end = |nth: usize| log.follow_at(log.watermarks().durable, LEVELS[nth % 3]).unwrap();
    let mut followers: Vec<Follower> = (0..count).map(at_end).collect();
    for follower in &mut followers {
        assert!(follower.try_next().unwrap().is_none());
    }
    watcher.take_counts();
    for nth in 0..100_u8 {
        log.append(&vec![nth; 20_000]).unwrap();
        if nth % 3 == 0 {
            log.append_batch(&[[nth; 10], [nth; 10]]).unwrap();
        }
        log.sync().unwrap();
        let mut places = std::collections::BTreeSet::new();
        // Kept until all have theirs: no place is used twice.
        let mut kept = Vec::new();
        for follower in &mut followers {
            let records: Vec<_> = std::iter::from_fn(|| follower.try_next().unwrap()).collect();
            assert_eq!(records.len(), if nth % 3 == 0 { 3 } else { 1 }, "{:?}", follower.level());
            assert_eq!(records[0].bytes, vec![nth; 20_000]);
            places.insert(records[0].bytes.as_ptr());
            kept.extend(records);
        }
        assert!(places.len() <= 1, "they share the bytes");
    }
    let reads = watcher.take_counts().of(On::Segment, Call::Read);
    log.close().unwrap();
    reads
}

#[test]
fn those_at_the_end_read_no_file_and_share_one_copy() {
    for log_level in LEVELS {
        // The log itself reads, to see whether its files are what it made of them.
        assert_eq!(reads_beside(30, log_level), reads_beside(0, log_level), "{log_level:?}");
    }
}

/// Who falls behind reads files, and memory again once it has caught up; all see what a scan does.
#[test]
fn however_far_behind_a_follower_is_it_sees_what_a_scan_sees() {
    for log_level in LEVELS {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let options = options(log_level).segment_len(1 << 20).first_segment_len(64 << 10);
        let options = options.batch_frame_max(300).buffer_max(1 << 20).write_at(40_000);
        let log = Log::open(dir.path(), options).unwrap();
        let mut followers: Vec<(Follower, Vec<_>)> = LEVELS
            .iter()
            .cycle()
            .take(12)
            .map(|&level| (log.follow_at(Lsn::FIRST, level).unwrap(), Vec::new()))
            .collect();
        let mut drawn = 1_u64;
        let mut draw = |below: u64| {
            drawn = drawn
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (drawn >> 33) % below
        };
        for nth in 0..3000_u64 {
            let len = if draw(50) == 0 { draw(400_000) } else { draw(2000) };
            let record = vec![u8::try_from(nth % 251).unwrap(); usize::try_from(len).unwrap()];
            let tag = Tag::new(u16::try_from(draw(3)).unwrap());
            match draw(5) {
                0 => {
                    let records: Vec<(Tag, Vec<u8>)> = (0..1 + draw(5))
                        .map(|n| (Tag::new(u16::try_from(n / 2).unwrap()), record.clone()))
                        .collect();
                    log.append_batch_tagged(&records).unwrap();
                }
                1 => drop(log.append_at(&record, Durability::Os).unwrap()),
                2 if draw(20) == 0 => drop(log.append_at(&record, Durability::Sync).unwrap()),
                3 => {
                    let mut batch = Batch::new();
                    batch.push_tagged(tag, &[&record, b"tail"]);
                    drop(log.submit(&batch, Durability::Buffered, Failures::ANY));
                }
                _ => drop(log.append_tagged(tag, &record).unwrap()),
            }
            let lazy = usize::try_from(draw(200)).unwrap();
            if let Some((follower, seen)) = followers.get_mut(lazy) {
                while let Some(record) = follower.try_next().unwrap() {
                    seen.push((record.lsn, record.index, record.tag, record.bytes.len()));
                }
                // Nothing is left that its level shows.
                let mut rest = log.scan_at(follower.position(), follower.level()).unwrap();
                let left = rest.next_ref().unwrap().map(|record| record.lsn);
                assert_eq!(left, None, "{:?} at {}", follower.level(), follower.position());
            }
        }
        log.sync().unwrap();
        let all: Vec<_> = log
            .scan(Lsn::FIRST)
            .unwrap()
            .map(|record| record.unwrap())
            .map(|record| (record.lsn, record.index, record.tag, record.bytes.len()))
            .collect();
        for (mut follower, mut seen) in followers {
            while let Some(record) = follower.try_next().unwrap() {
                seen.push((record.lsn, record.index, record.tag, record.bytes.len()));
            }
            assert!(seen == all, "{:?} of {log_level:?}", follower.level());
        }
        log.close().unwrap();
    }
}

/// What is too long to be copied for those who are shown what is accepted is written first.
#[test]
fn a_long_record_is_shown_although_nobody_asks_for_its_write() {
    let (_dir, log) = opened(Durability::Buffered);
    log.append_at(b"first", Durability::Sync).unwrap();
    let end = log.watermarks().accepted;
    let [mut thread, mut poll] = [0, 1].map(|_| log.follow_at(end, Durability::Buffered).unwrap());
    let record = vec![7; 3 << 20];
    log.append(&record).unwrap();
    assert_eq!(thread.next().unwrap().unwrap().bytes, record);
    let shown = block_on(poll_fn(|context| poll.poll_next(context.waker())));
    assert_eq!(shown.unwrap().unwrap().bytes, record);
    log.close().unwrap();
}
