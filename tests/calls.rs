//! What an append asks of the disk, counted; and what becomes of everybody when a sync fails.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod watched;

use seawall::{Durability, Error, Log, LogView, Lsn, Options};
use std::sync::atomic::{AtomicU64, Ordering};
use watched::{Call, Counts, On, Watcher};

const EIO: i32 = 5;
const THREADS: u64 = 32;
/// What both copies of a header take.
const HEADERS: u64 = 8 << 10;
/// What the reserve takes.
const RESERVE: u64 = 16 << 10;
/// Long beside the marks that ride along, so that bytes tell how many records there are.
const RECORD: [u8; 4000] = [7; 4000];

/// A segment of 8 MiB is enough for all appends here, and quickly prepared.
fn quiet() -> Options {
    Options::new().segment_len(8 << 20).first_segment_len(8 << 20).idle_mark(None)
}

/// Nothing grew, shrank or got another name; and a file was opened no more often than the looks at
/// it by its name take, which are one for 64 syncs and one for each mark.
fn assert_only_data_moved(counts: &Counts, marks: u64) {
    assert!(counts.all(Call::Open) <= counts.all(Call::SyncData) / 64 + marks, "{counts:?}");
    let others = [Call::Rename, Call::Remove, Call::SyncDir, Call::SyncAll];
    for call in others.into_iter().chain([Call::Allocate, Call::SetLen]) {
        assert_eq!(counts.all(call), 0, "{call:?} in {counts:?}");
    }
    assert_eq!(counts.all(Call::Write), counts.of(On::Segment, Call::Write), "{counts:?}");
}

fn file_lens(dir: &std::path::Path) -> Vec<u64> {
    let mut lens: Vec<u64> =
        dir.read_dir().unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
    lens.sort_unstable();
    lens
}

#[test]
fn a_durable_append_costs_one_write_and_one_sync() {
    let dir = tempfile::tempdir().unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let log = Log::open_in(environment, quiet()).unwrap();
    log.append(b"prepares the segment").unwrap();
    let lens = file_lens(dir.path());
    watcher.take_counts();

    for nth in 0..1000_u32 {
        log.append(&nth.to_le_bytes()).unwrap();
    }

    let counts = watcher.take_counts();
    assert!(counts.of(On::Segment, Call::Write) <= 1000, "{counts:?}");
    assert!(counts.of(On::Segment, Call::SyncData) <= 1000, "{counts:?}");
    assert_eq!(log.watermarks().durable, log.watermarks().accepted);
    assert_only_data_moved(&counts, 0);
    assert_eq!(file_lens(dir.path()), lens, "no file grows");
}

/// Each of them is needed: the reserve, the first segment with its header, the names of both; the record;
/// close mark and close record together.
#[test]
fn a_new_log_with_one_durable_record_and_a_close_makes_five_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let (mut environment, watcher) = Watcher::environment(dir.path());
    environment.threads = false;
    let log = Log::open_in(environment, Options::new()).unwrap();
    let syncs = |counts: &Counts| {
        [Call::SyncAll, Call::SyncDir, Call::SyncData].map(|call| counts.all(call))
    };
    assert_eq!(syncs(&watcher.take_counts()), [0, 0, 0], "nothing is there to be made stable");
    log.append(b"one").unwrap();
    assert_eq!(syncs(&watcher.take_counts()), [2, 1, 1]);
    log.close().unwrap();
    assert_eq!(syncs(&watcher.take_counts()), [0, 0, 1]);
    assert_eq!(file_lens(dir.path()), [16 << 10, 256 << 10], "and it takes 272 KiB");

    let (mut environment, watcher) = Watcher::environment(dir.path());
    environment.threads = false;
    let log = Log::open_in(environment, Options::new()).unwrap();
    assert!(log.report().clean);
    assert_eq!(syncs(&watcher.take_counts()), [1, 1, 0], "what is there is made stable");
}

#[test]
fn an_idle_mark_costs_one_write_and_one_sync_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (mut environment, watcher) = Watcher::environment(dir.path());
    // Without a thread the log is idle when the test says so, not when the machine is slow.
    environment.threads = false;
    let options = quiet().idle_mark(Some(std::time::Duration::from_millis(10)));
    let log = Log::open_in(environment, options).unwrap();
    log.append(b"prepares the segment").unwrap();
    let frames_before = frame_count(dir.path());
    let lens = file_lens(dir.path());
    watcher.take_counts();

    for nth in 0..1000_u32 {
        log.append(&nth.to_le_bytes()).unwrap();
        if nth % 100 == 99 {
            log.tend().unwrap();
            log.tend().unwrap(); // the mark is there: nothing to do
        }
    }

    let counts = watcher.take_counts();
    let marks = frame_count(dir.path()) - frames_before - 1000;
    assert_eq!(marks, 10);
    assert!(counts.of(On::Segment, Call::Write) <= 1000 + marks, "{counts:?}");
    assert!(counts.of(On::Segment, Call::SyncData) <= 1000 + marks, "{counts:?}");
    assert_only_data_moved(&counts, marks);
    assert_eq!(file_lens(dir.path()), lens, "no file grows");
}

fn frame_count(dir: &std::path::Path) -> u64 {
    let mut scan = LogView::open(dir).unwrap().scan(Lsn::FIRST).unwrap();
    while scan.next_ref().unwrap().is_some() {}
    scan.frames()
}

/// Waits until every one of `live` appenders has a record that is not durable: each is inside
/// its append, and none will come until a sync ends.
fn wait_until_queued(log: &Log, live: impl Fn() -> u64) {
    loop {
        let marks = log.watermarks();
        let waiting = marks.accepted.since(marks.durable).unwrap() / RECORD.len() as u64;
        if waiting >= live() {
            return;
        }
        std::thread::yield_now();
    }
}

#[test]
fn thirty_two_threads_share_their_syncs() {
    const EACH: u64 = 50;
    let dir = tempfile::tempdir().unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let log = Log::open_in(environment, quiet().segment_len(32 << 20).first_segment_len(32 << 20))
        .unwrap();
    log.append(b"prepares the segment").unwrap();
    let live = AtomicU64::new(THREADS);
    watcher.take_counts();
    watcher.hold(On::Segment, Call::SyncData);

    // Each sync lasts until everybody else is in the queue, as on a slow disk. So the appenders
    // fall into two groups that take turns, and a sync serves 16 of them on average.
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    log.append(&RECORD).unwrap();
                }
                live.fetch_sub(1, Ordering::SeqCst);
            });
        }
        while live.load(Ordering::SeqCst) > 0 {
            if watcher.is_waiting(On::Segment, Call::SyncData) {
                wait_until_queued(&log, || live.load(Ordering::SeqCst));
                watcher.let_one_go();
            }
            std::thread::yield_now();
        }
    });

    let counts = watcher.take_counts();
    watcher.release(On::Segment, Call::SyncData);
    let (appends, syncs) = (THREADS * EACH, counts.of(On::Segment, Call::SyncData));
    assert!(syncs * 8 <= appends, "{syncs} syncs for {appends} appends");
    assert!(counts.of(On::Segment, Call::Write) <= syncs, "one write for each sync: {counts:?}");
    assert_only_data_moved(&counts, 0);
}

#[test]
fn a_segment_is_prepared_in_large_writes_and_synced_once() {
    const SEGMENT: u64 = 64 << 20;
    let dir = tempfile::tempdir().unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let log =
        Log::open_in(environment, quiet().segment_len(SEGMENT).first_segment_len(SEGMENT)).unwrap();
    watcher.take_counts();

    log.append(b"prepares the segment").unwrap();

    let counts = watcher.take_counts();
    let writes = counts.of(On::Spare, Call::Write);
    assert_eq!(
        counts.written(On::Spare),
        SEGMENT + HEADERS + RESERVE,
        "each byte once, the header over zeros, and the reserve"
    );
    assert!(writes <= SEGMENT / (256 << 10) + 5, "{writes} writes");
    assert!(counts.longest_write(On::Spare) <= 256 << 10, "small writes into large pages are slow");
    // Of the segment, and of the reserve, which each run makes once.
    assert_eq!(counts.all(Call::SyncAll), 2);
    assert_eq!(counts.all(Call::SyncDir), 1);
    assert_eq!(counts.all(Call::Rename), 1);
    assert_eq!(counts.of(On::Segment, Call::SyncData), 1, "the record");
}

#[test]
fn levels_that_never_sync_a_commit_need_no_zeros() {
    let dir = tempfile::tempdir().unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let log = Log::open_in(environment, quiet().durability(Durability::Os)).unwrap();
    watcher.take_counts();
    log.append(b"prepares the segment").unwrap();
    let counts = watcher.take_counts();
    let zeros = counts.written(On::Spare) - RESERVE - HEADERS;
    assert!(zeros <= 3 * 4096, "header blocks and first frame block");
    assert_eq!(counts.of(On::Segment, Call::SyncData), 0, "nothing after the name");
}

#[test]
fn early_write_back_syncs_when_enough_was_written_and_not_before() {
    for (bytes, expected) in [(Some(64 << 10), 4), (None, 0)] {
        let dir = tempfile::tempdir().unwrap();
        let (mut environment, watcher) = Watcher::environment(dir.path());
        environment.threads = false;
        let options = quiet().durability(Durability::Os).write_back(bytes);
        let log = Log::open_in(environment, options).unwrap();
        log.append(b"prepares the segment").unwrap();
        log.tend().unwrap();
        watcher.take_counts();
        for _ in 0..4 {
            for _ in 0..17 {
                log.append(&RECORD).unwrap();
            }
            log.tend().unwrap();
            log.tend().unwrap(); // not so much was written since
        }
        let counts = watcher.take_counts();
        assert_eq!(counts.all(Call::SyncData), expected, "{bytes:?}: {counts:?}");
        assert!(log.watermarks().durable < log.watermarks().accepted, "it promises nothing");
    }
}

#[test]
fn a_segment_gives_its_unused_length_back_when_the_next_begins() {
    let dir = tempfile::tempdir().unwrap();
    let (mut environment, _watcher) = Watcher::environment(dir.path());
    environment.threads = false;
    let options = Options::new().segment_len(1 << 20).first_segment_len(1 << 20).idle_mark(None);
    let log = Log::open_in(environment, options).unwrap();
    // Three of these do not fit.
    for _ in 0..3 {
        log.append(&vec![7; 400 << 10]).unwrap();
    }
    log.tend().unwrap();
    let first = log.segments()[0];
    let name = format!("{:020}.seg", first.number().get());
    let len = dir.path().join(name).metadata().unwrap().len();
    assert!(len < 1 << 20, "{len} bytes are kept");
    assert_eq!(first.file_len, len, "and the log knows it");
}

#[test]
fn a_file_that_could_not_be_removed_is_removed_with_the_next_trim() {
    let dir = tempfile::tempdir().unwrap();
    let (mut environment, watcher) = Watcher::environment(dir.path());
    environment.threads = false;
    let options = Options::new()
        .segment_len(1 << 20)
        .first_segment_len(1 << 20)
        .idle_mark(None)
        .spares_max(0);
    let log = Log::open_in(environment, options).unwrap();
    for _ in 0..7 {
        log.append(&vec![7; 400 << 10]).unwrap();
    }
    log.tend().unwrap();
    let (files, point) = (file_lens(dir.path()).len(), log.segments()[2].base());
    watcher.fail(On::Segment, Call::Remove, EIO);
    let told = log.trim(point);
    assert!(matches!(told, Err(Error::Io { action: "remove", .. })), "{told:?}");
    assert!(file_lens(dir.path()).len() > files - 2, "one is still there");
    watcher.stop_failing();
    log.trim(point).unwrap();
    assert_eq!(file_lens(dir.path()).len(), files - 2);
}

#[test]
fn buffered_appends_reach_the_kernel_in_few_calls() {
    let dir = tempfile::tempdir().unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let options = quiet().durability(Durability::Buffered);
    let log = Log::open_in(environment, options).unwrap();
    log.append(b"prepares the segment").unwrap();
    watcher.take_counts();
    for _ in 0..1000 {
        log.append(&RECORD).unwrap();
    }
    let counts = watcher.take_counts();
    // Four million bytes, half a mebibyte at a time.
    assert!(counts.of(On::Segment, Call::Write) <= 8, "{counts:?}");
    assert_eq!(counts.all(Call::SyncData), 0, "{counts:?}");
}

#[test]
fn failed_sync_wakes_every_waiter_and_is_final() {
    let dir = tempfile::tempdir().unwrap();
    let (environment, watcher) = Watcher::environment(dir.path());
    let log = Log::open_in(environment, quiet()).unwrap();
    let durable: Vec<Lsn> = (0..10_u8).map(|nth| log.append(&[nth; 100]).unwrap().lsn).collect();
    let mut follower = log.follow(Lsn::FIRST).unwrap();
    let (everything, end) = (log.watermarks().durable, log.watermarks().accepted);

    watcher.hold(On::Segment, Call::SyncData);
    std::thread::scope(|scope| {
        let followed = scope.spawn(move || {
            let mut seen = 0;
            loop {
                match follower.next() {
                    Ok(Some(_)) => seen += 1,
                    Ok(None) => panic!("the log was not closed"),
                    Err(error) => return (seen, error),
                }
            }
        });
        let appends: Vec<_> =
            (0..THREADS).map(|_| scope.spawn(|| log.append(&RECORD).unwrap_err())).collect();
        watcher.wait_for_held(On::Segment, Call::SyncData);
        wait_until_queued(&log, || THREADS);
        watcher.fail(On::Segment, Call::SyncData, EIO);
        watcher.release(On::Segment, Call::SyncData);

        for append in appends {
            let error = append.join().unwrap();
            assert!(error.is_poisoned(), "{error:?}");
        }
        let (seen, error) = followed.join().unwrap();
        assert_eq!(seen, durable.len(), "what was durable came first");
        assert!(error.is_poisoned(), "{error:?}");
    });

    let counts = watcher.take_counts();
    let syncs = counts.of(On::Segment, Call::SyncData);
    let poisoned = |what: &str, outcome: Result<(), Error>| match outcome {
        Err(Error::Poisoned { cause }) => assert_eq!(cause.raw_os_error(), Some(EIO), "{what}"),
        other => panic!("{what} after a failed sync: {other:?}"),
    };
    let accepted = log.watermarks().accepted;
    assert!(accepted > end);
    poisoned("append", log.append(b"later").map(drop));
    poisoned("append_at", log.append_at(b"later", Durability::Sync).map(drop));
    poisoned("try_append", log.try_append(b"later").map(drop));
    poisoned("append_batch", log.append_batch(&[b"later", b"still"]).map(drop));
    poisoned("sync", log.sync().map(drop));
    poisoned("wait_durable", log.wait_durable(accepted));
    poisoned("trim", log.trim(everything).map(drop));
    assert_eq!(log.watermarks().durable, everything, "nothing became durable since");
    log.wait_durable(everything).unwrap();

    // What was durable can be read, by everybody.
    for (nth, &lsn) in (0..).zip(&durable) {
        assert_eq!(log.read(lsn).unwrap().bytes, [nth; 100].as_slice());
    }
    assert_eq!(log.scan(Lsn::FIRST).unwrap().map(Result::unwrap).count(), durable.len());
    let mut late = log.follow(Lsn::FIRST).unwrap();
    for _ in &durable {
        assert!(late.next().unwrap().is_some());
    }
    assert!(late.next().unwrap_err().is_poisoned());

    poisoned("close", log.close());
    assert_eq!(watcher.take_counts().of(On::Segment, Call::SyncData), 0, "never tried again");
    assert_eq!(syncs, 10 + 1, "ten records, the one that failed");
    drop(log);

    // The next open decides from the device: what was acknowledged is there.
    let log = Log::open(dir.path(), quiet()).unwrap();
    let found: Vec<Lsn> = log.scan(Lsn::FIRST).unwrap().map(|r| r.unwrap().lsn).collect();
    assert_eq!(found[..durable.len()], durable);
}
