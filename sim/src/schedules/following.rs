//! Followers at every level, by threads, by threads with little patience, and by wakers; and their cancels.

use super::book::Reader;
use super::harnesses::{level, plan, rng};
use super::stage::{Plan, Stage, Watch, small};
use super::stepped::point;
use super::tickets::Called;
use crate::faults::{EIO, FaultPlan, Operation};
use seawall::{Durability, Error, Followed, Follower, Lsn, Record};
use shuttle::thread;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// How a follower waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Blocks,
    /// With a limit, a few times; then it blocks.
    Impatient,
    Polls,
}

const HOW: [How; 3] = [How::Blocks, How::Impatient, How::Polls];
const LEVELS: [Durability; 3] = [Durability::Buffered, Durability::Os, Durability::Sync];

/// So often one waits with a limit.
const PATIENCE: u32 = 3;
const LIMIT: Duration = Duration::from_millis(1);

impl How {
    /// The next record, by this way.
    pub(super) fn next(self, follower: &mut Follower) -> seawall::Result<Option<Record>> {
        match self {
            Self::Blocks => follower.next(),
            Self::Impatient => {
                for _ in 0..PATIENCE {
                    match follower.next_timeout(LIMIT)? {
                        Followed::Record(record) => return Ok(Some(record)),
                        Followed::End => return Ok(None),
                        _ => {}
                    }
                }
                follower.next()
            }
            Self::Polls => {
                let called = Arc::<Called>::default();
                let waker = Waker::from(Arc::clone(&called));
                loop {
                    match follower.poll_next(&waker) {
                        Poll::Ready(outcome) => return outcome,
                        Poll::Pending => called.sleep(),
                    }
                }
            }
        }
    }
}

impl Stage {
    /// Starts a thread that follows until it was shown so many records. No close comes to help it.
    fn follow_until(&mut self, count: usize, watch: Watch) {
        let log = self.log();
        let mut follower = log.follow_at(Lsn::FIRST, watch.level).expect("nobody closes it");
        drop(log);
        let book = self.book();
        self.threads.push(thread::spawn(move || {
            let mut reader = Reader::default();
            for _ in 0..count {
                let record = watch.how.next(&mut follower).expect("nothing fails");
                let record = record.expect("nobody closes it");
                let durable = watch.level == Durability::Sync;
                book.shown(&mut reader, record.lsn, &record.bytes, durable);
            }
        }));
    }

    /// Starts a thread that follows until it is cancelled, and another one that cancels it.
    fn follow_until_cancelled(&mut self, watch: Watch, steps: u64) {
        let log = self.log();
        let mut follower = match log.follow_at(Lsn::FIRST, watch.level) {
            Ok(follower) => follower,
            Err(_) => return,
        };
        drop(log);
        let canceller = follower.canceller();
        let (book, sound) = (self.book(), self.sound);
        self.threads.push(thread::spawn(move || {
            let mut reader = Reader::default();
            loop {
                match watch.how.next(&mut follower) {
                    Ok(Some(record)) => book.shown(&mut reader, record.lsn, &record.bytes, false),
                    Err(Error::Cancelled) => break,
                    // The last handle was dropped first.
                    Ok(None) => return,
                    Err(error) => {
                        assert!(!sound, "it was not cancelled: {error:?}");
                        return;
                    }
                }
            }
            // It waits no more, by whatever way.
            HOW.into_iter().for_each(|how| drop(how.next(&mut follower)));
        }));
        self.threads.push(thread::spawn(move || {
            (0..steps).for_each(|_| point());
            canceller.cancel();
        }));
    }
}

/// Followers of each kind to the end of the log, whatever that is.
pub(super) fn following(seed: u64) {
    let mut rng = rng(seed);
    let fails = rng.chance(1, 3);
    let operation = [Operation::Write, Operation::Write, Operation::SyncData][rng.index(3)];
    let fault = FaultPlan::new(operation, EIO).after(rng.below(4)).times(1 + rng.below(2));
    let threads = rng.chance(3, 4);
    let options = small(level(&mut rng));
    let plan = Plan { fault: fails.then_some(fault), crashes: !fails, threads, ..plan(options) };
    let begun = rng.chance(1, 2);
    let mut stage = Stage::open(seed, rng, Plan { begun, ..plan });
    for _ in 0..2 {
        let watch = Watch::drawn(&mut stage.rng);
        stage.watch(watch);
    }
    let (watch, steps) = (Watch::drawn(&mut stage.rng), stage.rng.below(12));
    stage.follow_until_cancelled(watch, steps);
    let level = LEVELS[stage.rng.index(3)];
    stage.run(move |mut actor| {
        actor.append(40);
        actor.append_at(50, level);
        actor.append(60);
    });
    stage.finish();
}

/// Each record is shown by itself: nothing that comes later helps, and no close.
pub(super) fn shown(seed: u64) {
    let mut rng = rng(seed);
    let at = level(&mut rng);
    let shown_at = LEVELS[rng.index(3)];
    let threads = rng.chance(3, 4);
    let plan = Plan { crashes: false, reopened: false, begun: false, threads, ..plan(small(at)) };
    let mut stage = Stage::open(seed, rng, plan);
    let count = 1 + stage.rng.index(2);
    for _ in 0..1 + stage.rng.index(3) {
        let how = HOW[stage.rng.index(3)];
        stage.follow_until(count, Watch { level: shown_at, how });
    }
    stage.run(move |mut actor| (0..count).for_each(|_| _ = actor.append_at(40, shown_at)));
    stage.finish();
}

impl Watch {
    fn drawn(rng: &mut crate::rng::Rng) -> Self {
        Self { level: LEVELS[rng.index(3)], how: HOW[rng.index(3)] }
    }
}
