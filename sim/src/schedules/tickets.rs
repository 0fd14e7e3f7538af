//! Appends that do not wait, by threads that wait for their tickets, poll them, or drop them.

use super::harnesses::{level, plan, rng};
use super::stage::{Actor, Plan, Stage, small};
use crate::faults::{EIO, FaultPlan, Operation};
use seawall::{Batch, Durability, Error, Failures, Log, Lsn, Receipt, Refused, Ticket};
use shuttle::sync::{Condvar, Mutex};
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

/// What becomes of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Waits,
    Polls,
    /// It is dropped, and a follower shows the record.
    Drops,
}

const SYNC: (Durability, Durability) = (Durability::Sync, Durability::Sync);
const WAYS: [Way; 3] = [Way::Waits, Way::Polls, Way::Drops];

/// A thread that sleeps until its waker is called.
#[derive(Debug, Default)]
pub(super) struct Called {
    called: Mutex<bool>,
    condition: Condvar,
}

impl Called {
    pub(super) fn sleep(&self) {
        let mut called = self.called.lock().expect("a panic ends the execution");
        while !*called {
            called = self.condition.wait(called).expect("a panic ends the execution");
        }
        *called = false;
    }
}

impl Wake for Called {
    fn wake(self: Arc<Self>) {
        *self.called.lock().expect("a panic ends the execution") = true;
        self.condition.notify_one();
    }
}

fn polled(ticket: &mut Ticket, level: Durability) -> seawall::Result<()> {
    let called = Arc::<Called>::default();
    let waker = Waker::from(Arc::clone(&called));
    loop {
        match ticket.poll(level, &waker) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => called.sleep(),
        }
    }
}

fn submitted(
    log: &Log,
    batch: &Batch<'_>,
    level: Durability,
    seen: Failures,
) -> seawall::Result<Ticket> {
    loop {
        match log.submit(batch, level, seen) {
            Ok(ticket) => return Ok(ticket),
            Err(Refused::Busy { need }) => log.wait_room(need)?,
            Err(Refused::Never(error)) => return Err(error),
            Err(refused) => unreachable!("it does not matter what failed: {refused}"),
        }
    }
}

fn submit(
    log: &Log,
    records: &[Vec<u8>],
    (level, asked): (Durability, Durability),
    way: Way,
) -> seawall::Result<Receipt> {
    let batch: Batch<'_> = records.iter().collect();
    let seen = log.failures();
    let mut ticket = submitted(log, &batch, level, Failures::ANY)?;
    let receipt = ticket.receipt();
    let outcome = match way {
        Way::Waits => ticket.wait(asked),
        Way::Polls => polled(&mut ticket, asked),
        Way::Drops => {
            drop(ticket);
            return shown(log, receipt.lsn).map(|()| receipt);
        }
    };
    // Who asks again gets the same answer.
    let again = [ticket.wait(asked), polled(&mut ticket, asked)];
    assert!(again.iter().all(|again| again.is_ok() == outcome.is_ok()), "{outcome:?}, {again:?}");
    // What was only buffered stays, to be written again.
    if level == asked
        && let Err(Error::Io { .. } | Error::Full { .. }) = &outcome
    {
        assert!(log.is_failed(receipt.lsn));
        let later = log.submit(&batch, level, seen);
        assert!(matches!(later, Err(Refused::Stale { .. } | Refused::Never(_))), "{later:?}");
    }
    outcome.map(|()| receipt)
}

/// Waits until a follower shows what stands at `lsn`: what is durable, and it asks for nothing.
fn shown(log: &Log, lsn: Lsn) -> seawall::Result<()> {
    let mut follower = log.follow(lsn)?;
    match follower.next()? {
        Some(record) => {
            assert_eq!(record.lsn, lsn);
            Ok(())
        }
        None => Err(Error::Closed),
    }
}

impl Actor {
    /// Submits at one level and asks at another, or at the log's.
    fn submit(
        &mut self,
        records: u8,
        len: usize,
        levels: (Durability, Durability),
        way: Way,
    ) -> bool {
        let (level, asked) = (levels.0.max(self.level), levels.1.max(self.level));
        // Of a record that fails a follower shows nothing, however long it waits.
        let way = if way == Way::Drops && !self.sound { Way::Polls } else { way };
        self.appending((records, len), asked, |log, records| {
            submit(log, records, (level, asked), way)
        })
    }
}

impl Actor {
    /// Submits, gives its handle up, and then waits: the log may be gone by then, and says so.
    fn submit_and_leave(mut self, len: usize) {
        let level = Durability::Buffered;
        self.append(len);
        let name = (self.thread, self.nth);
        let records = self.book.begin(name, 1, len);
        let batch: Batch<'_> = records.iter().collect();
        let ticket = match submitted(self.log(), &batch, level, Failures::ANY) {
            Ok(ticket) => ticket,
            Err(error) => return self.book.appended(name, level, &Err(error)),
        };
        let Self { handle, book, .. } = self;
        drop(handle);
        match ticket.wait(Durability::Os) {
            // What became of it is not known, or it is only buffered still.
            Err(_) => book.unknown(name),
            Ok(()) => book.appended(name, Durability::Os, &Ok(ticket.receipt())),
        }
    }
}

/// The last handle goes while others wait for their tickets, on a disk that refuses what a close writes.
pub(super) fn orphans(seed: u64) {
    let mut rng = rng(seed);
    let fault = FaultPlan::new(Operation::Write, EIO).after(rng.below(4)).times(1 + rng.below(3));
    let threads = rng.chance(1, 2);
    let options = small(Durability::Buffered);
    let plan = Plan { fault: Some(fault), crashes: false, threads, ..plan(options) };
    let mut stage = Stage::open(seed, rng, Plan { begun: true, reopened: false, ..plan });
    for _ in 0..2 {
        stage.run(|actor| actor.submit_and_leave(40));
    }
    stage.finish_early();
}

pub(super) fn tickets(seed: u64) {
    let mut rng = rng(seed);
    let fails = rng.chance(1, 3);
    let operation = if rng.chance(2, 3) { Operation::Write } else { Operation::SyncData };
    let fault = FaultPlan::new(operation, EIO).after(rng.below(5)).times(1 + rng.below(2));
    let (log_level, begun) = (level(&mut rng), rng.chance(1, 2));
    // Where the header of a next segment fails, a close leaves no record behind.
    let long = if rng.chance(1, 4) && !fails { 2400 } else { 60 };
    let options = small(log_level).batch_frame_max(1024);
    let plan = Plan { fault: fails.then_some(fault), crashes: !fails, begun, ..plan(options) };
    let mut stage = Stage::open(seed, rng, plan);
    // Only what is durable is shown by a follower that asks for nothing.
    let syncs = !matches!(log_level, Durability::Buffered | Durability::Os);
    for _ in 0..2 {
        let mut way = || {
            let way = WAYS[stage.rng.index(3)];
            if way == Way::Drops && !syncs { Way::Polls } else { way }
        };
        let ways = [way(), way()];
        stage.run(move |mut actor| {
            actor.submit(1, 40, SYNC, ways[0]);
            actor.submit(3, long / 3, SYNC, ways[1]);
        });
    }
    let way = if stage.rng.chance(1, 2) { Way::Waits } else { Way::Polls };
    let at_level = level(&mut stage.rng);
    // What is only buffered stays in the log when a write fails.
    let asked = if fails { at_level } else { Durability::Sync };
    stage.run(move |mut actor| {
        actor.append(long);
        actor.submit(1, 50, (at_level, asked), way);
    });
    stage.finish();
}

/// Two logs on the same two threads: what no caller waits for is done for both.
pub(super) fn shared(seed: u64) {
    let mut rng = rng(seed);
    let interval = Durability::Interval(Duration::from_millis(5));
    let at = if rng.chance(1, 2) { interval } else { Durability::Sync };
    let options = small(at).idle_mark(rng.chance(1, 2).then_some(Duration::from_millis(6)));
    let begun = rng.chance(1, 2);
    let plan = Plan { begun, shared: true, crashes: false, ..plan(options) };
    let mut stage = Stage::open(seed, rng, plan);
    stage.neighbour(2);
    let ways = [WAYS[stage.rng.index(3)], Way::Drops];
    stage.run(move |mut actor| {
        actor.submit(1, 40, SYNC, ways[0]);
        actor.submit(1, 50, SYNC, ways[1]);
        actor.append(2400);
        actor.append(2400);
    });
    if stage.rng.chance(1, 2) {
        stage.follow();
    }
    stage.finish();
}

/// Tickets of what is only buffered, polled for more: no deadline of the log comes to help.
pub(super) fn polls(seed: u64) {
    let mut rng = rng(seed);
    let levels =
        (Durability::Buffered, if rng.chance(1, 2) { Durability::Os } else { Durability::Sync });
    let options = small(Durability::Buffered);
    let mut stage = Stage::open(seed, rng, Plan { begun: true, crashes: false, ..plan(options) });
    stage.run(|mut actor| {
        actor.append_at(40, Durability::Os);
        actor.append_at(50, Durability::Sync);
    });
    stage.run(move |mut actor| {
        actor.submit(1, 60, levels, Way::Polls);
        actor.submit(2, 30, levels, Way::Polls);
    });
    stage.finish();
}
