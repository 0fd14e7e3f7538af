//! Tickets on the simulated disk, in the hands of one thread: nothing happens but what a test asks for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use seawall::{Batch, Durability, Error, Failures, Log, Lsn, Options, Refused, Ticket};
use seawall_sim::{EIO, FaultPlan, Operation, Seed, SimDisk, environment};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Wake, Waker};

#[derive(Default)]
struct Counted(AtomicU32);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A log that may take records, at this level.
fn begun(level: Durability) -> (SimDisk, Log) {
    let disk = SimDisk::new(Seed::new(1));
    let options = Options::new().segment_len(16 << 10).idle_mark(None).durability(level);
    let log = Log::open_in(environment(&disk, 1), options).unwrap();
    log.append(b"first").unwrap();
    (disk, log)
}

fn submitted(log: &Log, record: &[u8], level: Durability) -> Ticket {
    let batch: Batch<'_> = [record].into_iter().collect();
    log.submit(&batch, level, Failures::ANY).unwrap()
}

#[test]
fn a_submit_makes_no_call_of_the_disk_and_neither_does_a_poll() {
    let (disk, log) = begun(Durability::Sync);
    let before = disk.steps();
    let mut ticket = submitted(&log, b"second", Durability::Sync);
    assert!(ticket.poll(Durability::Sync, Waker::noop()).is_pending());
    assert_eq!(disk.steps(), before);
    ticket.wait(Durability::Sync).unwrap();
    assert!(disk.steps() > before);
}

#[test]
fn a_ticket_that_is_dropped_holds_no_waker_and_its_record_is_written() {
    let (_disk, log) = begun(Durability::Sync);
    let count = Arc::<Counted>::default();
    let mut ticket = submitted(&log, b"second", Durability::Sync);
    for _ in 0..3 {
        let waker = Waker::from(Arc::clone(&count));
        assert!(ticket.poll(Durability::Sync, &waker).is_pending());
    }
    assert_eq!(Arc::strong_count(&count), 2, "the last waker alone");
    let (lsn, end) = (ticket.lsn(), ticket.end());
    drop(ticket);
    assert_eq!(Arc::strong_count(&count), 1);
    log.tend().unwrap();
    assert!(log.watermarks().durable >= end);
    assert_eq!(log.read(lsn).unwrap().bytes, "second");
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
}

#[test]
fn a_waker_is_called_once_by_the_level_that_it_waits_for() {
    let (_disk, log) = begun(Durability::Os);
    let counts: [Arc<Counted>; 2] = [Arc::default(), Arc::default()];
    let mut tickets = [Durability::Os, Durability::Sync].map(|level| submitted(&log, b"x", level));
    for ((ticket, level), count) in
        tickets.iter_mut().zip([Durability::Os, Durability::Sync]).zip(&counts)
    {
        assert!(ticket.poll(level, &Waker::from(Arc::clone(count))).is_pending());
    }
    log.tend().unwrap();
    assert_eq!(counts.map(|count| count.0.load(Ordering::Relaxed)), [1, 1]);
    let [os, sync] = &mut tickets;
    assert!(matches!(os.poll(Durability::Os, Waker::noop()), Poll::Ready(Ok(()))));
    assert!(matches!(sync.poll(Durability::Sync, Waker::noop()), Poll::Ready(Ok(()))));
}

#[test]
fn what_failed_is_known_by_its_range_and_nothing_is_placed_behind_it_unseen() {
    let (disk, log) = begun(Durability::Sync);
    let seen = log.failures();
    let tickets: Vec<Ticket> = (0..3).map(|_| submitted(&log, b"lost", Durability::Sync)).collect();
    disk.fail(FaultPlan::new(Operation::Write, EIO));
    assert!(matches!(tickets.first().unwrap().wait(Durability::Sync), Err(Error::Io { .. })));
    let lost = tickets.first().unwrap().lsn()..tickets.last().unwrap().end();
    assert_eq!(
        log.failed(),
        std::slice::from_ref(&lost),
        "from one point to what was accepted then"
    );
    for _ in 0..2 {
        for ticket in &tickets {
            assert!(log.is_failed(ticket.lsn()));
            assert!(matches!(ticket.wait(Durability::Sync), Err(Error::Io { .. })));
        }
    }
    let batch: Batch<'_> = [b"next"].into_iter().collect();
    let refused = log.submit(&batch, Durability::Sync, seen);
    assert!(
        matches!(refused, Err(Refused::Stale { from, to }) if (from..to) == lost),
        "{refused:?}"
    );
    let next = log.submit(&batch, Durability::Sync, log.failures()).unwrap();
    next.wait(Durability::Sync).unwrap();
    assert!(!log.is_failed(next.lsn()));
    // The watermark has moved over the void by now.
    assert!(matches!(tickets.last().unwrap().wait(Durability::Sync), Err(Error::Io { .. })));
    let shown: Vec<_> = log.scan(Lsn::FIRST).unwrap().map(|record| record.unwrap().bytes).collect();
    assert_eq!(shown, ["first", "next"]);
}

#[test]
fn a_failed_sync_ends_every_ticket_that_is_not_durable_and_no_other() {
    let (disk, log) = begun(Durability::Sync);
    let durable = submitted(&log, b"durable", Durability::Sync);
    durable.wait(Durability::Sync).unwrap();
    let lost = submitted(&log, b"lost", Durability::Sync);
    disk.fail(FaultPlan::new(Operation::SyncData, EIO));
    for _ in 0..2 {
        assert!(matches!(lost.wait(Durability::Sync), Err(Error::Poisoned { .. })));
        durable.wait(Durability::Sync).unwrap();
    }
    let batch: Batch<'_> = [b"next"].into_iter().collect();
    let refused = log.submit(&batch, Durability::Os, Failures::ANY);
    assert!(matches!(refused, Err(Refused::Never(Error::Poisoned { .. }))), "{refused:?}");
}

#[test]
fn what_is_only_buffered_is_not_lost_by_a_write_that_fails() {
    let (disk, log) = begun(Durability::Buffered);
    let ticket = submitted(&log, b"kept", Durability::Buffered);
    disk.fail(FaultPlan::new(Operation::Write, EIO));
    assert!(matches!(ticket.wait(Durability::Sync), Err(Error::Io { .. })));
    assert!(!log.is_failed(ticket.lsn()));
    ticket.wait(Durability::Sync).unwrap();
    assert_eq!(log.read(ticket.lsn()).unwrap().bytes, "kept");
}
