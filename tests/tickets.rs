//! Tickets: appends that do not wait, by threads, futures and wakers, without a runtime.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod executor;

use executor::{block_on, join_all};
use parking_lot::Mutex;
use seawall::{Batch, Durability, Error, Failures, Log, Lsn, Options, Receipt, Refused, Ticket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Poll, Wake, Waker};

fn options(level: Durability) -> Options {
    Options::new().segment_len(64 << 10).durability(level)
}

fn opened(level: Durability) -> (tempfile::TempDir, Log) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let log = Log::open(dir.path(), options(level)).unwrap();
    (dir, log)
}

fn submitted(log: &Log, batch: &Batch<'_>, level: Durability) -> Ticket {
    loop {
        match log.submit(batch, level, Failures::ANY) {
            Ok(ticket) => return ticket,
            Err(Refused::Busy { need }) => log.wait_room(need).unwrap(),
            Err(refused) => unreachable!("{refused}"),
        }
    }
}

/// The same without a thread that waits.
async fn appended(log: &Log, record: &[u8]) -> Result<Receipt, Error> {
    loop {
        match log.submit(&[record].into_iter().collect(), Durability::Sync, Failures::ANY) {
            Ok(ticket) => return ticket.await,
            Err(Refused::Busy { need }) => log.room(need).await?,
            Err(Refused::Never(error)) => return Err(error),
            Err(refused) => unreachable!("{refused}"),
        }
    }
}

#[test]
fn tickets_of_many_threads_are_in_the_order_of_their_lsns_and_each_record_is_there() {
    for level in [Durability::Buffered, Durability::Os, Durability::Sync] {
        let (_dir, log) = opened(level);
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for thread in 0..8_u8 {
                let (log, order) = (&log, &order);
                scope.spawn(move || {
                    for nth in 0..60_u8 {
                        let record = vec![thread ^ nth; 1 + usize::from(nth) * 20];
                        let mut batch = Batch::new();
                        batch.push(&record);
                        if nth % 3 == 0 {
                            batch.push_parts(&[b"two", &record]);
                        }
                        let mut order = order.lock();
                        let ticket = submitted(log, &batch, level);
                        order.push(ticket.receipt());
                        drop(order);
                        ticket.wait(level).unwrap();
                        ticket.wait(Durability::Sync).unwrap();
                        ticket.wait(Durability::Os).unwrap();
                        let (lsn, index) = ticket.place(0).unwrap();
                        assert_eq!(log.read_in_batch(lsn, index).unwrap().bytes, record);
                        if let Some((lsn, index)) = ticket.place(1) {
                            let read = log.read_in_batch(lsn, index).unwrap();
                            assert_eq!(read.bytes, [b"two", record.as_slice()].concat());
                        }
                        assert_eq!(ticket.place(2), None);
                    }
                });
            }
        });
        let order = order.into_inner();
        assert!(order.is_sorted());
        assert_eq!(order.len(), 480);
        log.close().unwrap();
    }
}

#[test]
fn each_record_of_a_batch_in_many_frames_stands_where_its_ticket_says() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let options = options(Durability::Sync).batch_frame_max(1000);
    let log = Log::open(dir.path(), options).unwrap();
    // The second one carries a mark: its first frame is longer.
    for round in 0..3_u8 {
        let records: Vec<Vec<u8>> =
            (0..200_u8).map(|nth| vec![nth ^ round; usize::from(nth) * 7 % 300]).collect();
        let batch: Batch<'_> = records.iter().collect();
        let ticket = submitted(&log, &batch, Durability::Sync);
        ticket.wait(Durability::Sync).unwrap();
        assert_eq!(ticket.records(), 200);
        let mut frames = std::collections::BTreeSet::new();
        for (nth, record) in (0..).zip(&records) {
            let (lsn, index) = ticket.place(nth).unwrap();
            frames.insert(lsn);
            assert_eq!(log.read_in_batch(lsn, index).unwrap().bytes, record.as_slice(), "{nth}");
        }
        assert!(frames.len() > 10);
        // A frame that is an address of its own says where the next begins.
        let all = log.read_batch(ticket.lsn()).unwrap();
        let places: Vec<_> = all.iter().map(|record| Some((record.lsn, record.index))).collect();
        assert_eq!(places, (0..200).map(|nth| ticket.place(nth)).collect::<Vec<_>>());
    }
    log.close().unwrap();
}

#[test]
fn ten_thousand_appends_wait_on_one_thread_without_a_runtime() {
    let (_dir, log) = opened(Durability::Sync);
    let log = &log;
    let records: Vec<[u8; 8]> = (0..10_000_u64).map(u64::to_le_bytes).collect();
    let receipts = block_on(join_all(records.iter().map(|record| appended(log, record))));
    let mut seen: Vec<_> = receipts.into_iter().map(Result::unwrap).collect();
    assert_eq!(log.watermarks().durable, seen.iter().map(|receipt| receipt.end).max().unwrap());
    for (receipt, record) in seen.iter().zip(&records) {
        assert_eq!(log.read(receipt.lsn).unwrap().bytes, record.as_slice());
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 10_000);
    log.close().unwrap();
}

#[test]
fn a_ticket_that_is_dropped_is_synced_all_the_same() {
    let (_dir, log) = opened(Durability::Sync);
    let mut follower = log.follow(Lsn::FIRST).unwrap();
    for nth in 0..50_u8 {
        drop(submitted(&log, &[&[nth; 100]].into_iter().collect(), Durability::Sync));
        // It shows what is durable, and asks for no sync.
        assert_eq!(follower.next().unwrap().unwrap().bytes, [nth; 100].as_slice());
    }
    log.close().unwrap();
}

#[test]
fn a_ticket_is_asked_as_often_as_one_likes_and_after_the_log_is_closed() {
    let (_dir, log) = opened(Durability::Buffered);
    let mut ticket = submitted(&log, &[b"one"].into_iter().collect(), Durability::Buffered);
    assert_eq!(log.watermarks().written, Lsn::FIRST, "a submit writes nothing");
    log.close().unwrap();
    for _ in 0..3 {
        for level in [Durability::Sync, Durability::Os, Durability::Buffered] {
            ticket.wait(level).unwrap();
            let poll = ticket.poll(level, Waker::noop());
            assert!(matches!(poll, Poll::Ready(Ok(()))));
        }
    }
    let refused = log.submit(&[b"two"].into_iter().collect(), Durability::Os, Failures::ANY);
    assert!(matches!(refused, Err(Refused::Never(Error::Closed))));
    drop(log);
    ticket.wait(Durability::Sync).unwrap();
}

#[test]
fn an_empty_batch_has_a_ticket_and_writes_nothing() {
    let (_dir, log) = opened(Durability::Sync);
    log.append(b"one").unwrap();
    let end = log.watermarks().accepted;
    let ticket = submitted(&log, &Batch::new(), Durability::Sync);
    assert_eq!(
        (ticket.lsn(), ticket.end(), ticket.records(), ticket.place(0)),
        (end, end, 0, None)
    );
    ticket.wait(Durability::Sync).unwrap();
    assert_eq!(log.watermarks().accepted, end);
    log.close().unwrap();
}

/// Appends again from within its waker, as a flush callback may.
struct Callback {
    log: Log,
    calls: AtomicU64,
    done: Barrier,
}

impl Wake for Callback {
    fn wake(self: Arc<Self>) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let next = [b"from the callback"].into_iter().collect();
        drop(self.log.submit(&next, Durability::Sync, Failures::ANY));
        let _marks = self.log.watermarks();
        self.done.wait();
    }
}

#[test]
fn a_waker_may_use_the_log_that_calls_it() {
    let (_dir, log) = opened(Durability::Sync);
    log.append(b"one").unwrap();
    let callback =
        Arc::new(Callback { log: log.clone(), calls: AtomicU64::new(0), done: Barrier::new(2) });
    let mut ticket = submitted(&log, &[b"two"].into_iter().collect(), Durability::Sync);
    let poll = ticket.poll(Durability::Sync, &Waker::from(Arc::clone(&callback)));
    if poll.is_pending() {
        callback.done.wait();
        assert_eq!(callback.calls.load(Ordering::Relaxed), 1);
        assert!(matches!(ticket.poll(Durability::Sync, Waker::noop()), Poll::Ready(Ok(()))));
    }
    log.close().unwrap();
}

#[test]
fn gaps_are_the_jumps_between_runs_and_the_first_lsn_is_the_durable_trim_point() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let log = Log::open(dir.path(), options(Durability::Sync)).unwrap();
    log.append(b"one").unwrap();
    assert_eq!((log.gaps(), log.first()), (Vec::new(), Lsn::FIRST));
    let copy = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let target = seawall::Environment::real(copy.path()).unwrap().storage;
    seawall::LogView::open(dir.path()).unwrap().copy_to(&*target, |_| {}).unwrap();
    log.close().unwrap();
    // A copy never ends cleanly.
    let log = Log::open(copy.path(), options(Durability::Sync)).unwrap();
    let next = log.append(b"two").unwrap();
    let [gap] = log.gaps().try_into().unwrap();
    assert_eq!(gap.end, next.lsn);
    assert!(gap.start < gap.end);
    log.trim(next.lsn).unwrap();
    assert_eq!(log.first(), next.lsn);
    log.close().unwrap();
}
