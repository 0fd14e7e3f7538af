//! The small programs whose threads are put in every order: each is a function of its seed.

use super::stage::{Plan, Stage, small};
use crate::faults::{EIO, ENOSPC, FaultPlan, Operation};
use crate::rng::{Concern, Rng, Seed};
use seawall::{Durability, Options};
use std::time::Duration;

/// A record of which three fill a segment.
const LARGE: usize = 2400;

/// Longer than a look at the clock takes: who waits for it lets others go on.
const INTERVAL: Duration = Duration::from_millis(5);

const IDLE: Duration = Duration::from_millis(6);

pub(super) fn rng(seed: u64) -> Rng {
    Seed::new(seed).rng(Concern::Scheduler)
}

pub(super) fn plan(options: Options) -> Plan {
    Plan {
        options,
        threads: true,
        shared: false,
        stepped: true,
        crashes: true,
        begun: false,
        reopened: true,
        fault: None,
    }
}

pub(super) fn level(rng: &mut Rng) -> Durability {
    let interval = Durability::Interval(INTERVAL);
    [Durability::Buffered, Durability::Os, interval, Durability::Sync][rng.index(4)]
}

pub(super) fn group_commit(seed: u64) {
    let mut rng = rng(seed);
    let begun = rng.chance(3, 4);
    let mut stage = Stage::open(seed, rng, Plan { begun, ..plan(small(Durability::Sync)) });
    stage.run(|mut actor| {
        actor.append(40);
        actor.append(50);
    });
    stage.run(|mut actor| {
        actor.append(60);
        actor.sync();
    });
    stage.run(|mut actor| {
        actor.append(70);
        actor.read(0);
        actor.append(10);
    });
    stage.finish();
}

pub(super) fn rotation(seed: u64) {
    let mut rng = rng(seed);
    let options = small(Durability::Sync).prepare_ahead(rng.chance(2, 3));
    let begun = rng.chance(3, 4);
    let mut stage = Stage::open(seed, rng, Plan { begun, ..plan(options) });
    for _ in 0..2 {
        stage.run(|mut actor| {
            (0..3).for_each(|_| _ = actor.append(LARGE));
            actor.read(1);
        });
    }
    stage.finish();
}

/// Segments are left before they are synced, and synced beside the appends, or by a thread that waits.
pub(super) fn unsynced(seed: u64) {
    let mut rng = rng(seed);
    let level =
        [Durability::Buffered, Durability::Os, Durability::Interval(INTERVAL)][rng.index(3)];
    // Without a bound, and with one that the third segment meets.
    let max = if rng.chance(1, 2) { 1 << 20 } else { 40 << 10 };
    let options = small(level).unsynced_max(max).prepare_ahead(rng.chance(1, 2));
    let (fails, begun, waits) = (rng.chance(1, 5), rng.chance(3, 4), rng.chance(2, 3));
    let fault = FaultPlan::new(Operation::SyncData, EIO).after(rng.below(6));
    let plan = Plan { fault: fails.then_some(fault), crashes: !fails, ..plan(options) };
    let mut stage = Stage::open(seed, rng, Plan { begun, ..plan });
    // Two rotations of its own, so that a segment may be left while the one before it is being synced.
    stage.run(|mut actor| {
        (0..7).for_each(|_| _ = actor.append(LARGE));
        actor.wait_durable();
    });
    stage.run(|mut actor| {
        actor.append(LARGE);
        actor.append_at(40, Durability::Sync);
        actor.append(50);
        actor.sync();
    });
    if waits {
        stage.run(|mut actor| {
            actor.append_at(60, Durability::Os);
            actor.wait_durable();
            actor.read(1);
        });
    }
    stage.finish();
}

pub(super) fn batches(seed: u64) {
    let mut rng = rng(seed);
    let options = small(level(&mut rng)).prepare_ahead(rng.chance(1, 2)).batch_frame_max(1024);
    let large = rng.chance(1, 4);
    let mut stage = Stage::open(seed, rng, Plan { begun: true, ..plan(options) });
    stage.run(move |mut actor| {
        actor.batch(3, 900);
        actor.batch(4, if large { 3000 } else { 300 });
    });
    stage.run(|mut actor| {
        actor.append(LARGE);
        actor.batch(2, 100);
        actor.wait_durable();
        actor.append(LARGE);
    });
    stage.run(|actor| {
        actor.scan();
        actor.read(2);
    });
    stage.finish();
}

pub(super) fn close(seed: u64) {
    let mut rng = rng(seed);
    let options = small(level(&mut rng));
    let (begun, closers) = (rng.chance(3, 4), 1 + rng.below(2));
    let mut stage = Stage::open(seed, rng, Plan { begun, ..plan(options) });
    for _ in 0..2 {
        stage.run(|mut actor| {
            (0..3).for_each(|_| _ = actor.append(40));
        });
    }
    for _ in 0..closers {
        stage.run(|actor| actor.close());
    }
    stage.finish();
}

pub(super) fn poison(seed: u64) {
    let mut rng = rng(seed);
    let operation = if rng.chance(3, 4) { Operation::SyncData } else { Operation::SyncAll };
    let fault = FaultPlan::new(operation, EIO).after(rng.below(4));
    let (begun, follows) = (rng.chance(3, 4), rng.chance(1, 2));
    let mut stage = Stage::open(
        seed,
        rng,
        Plan { begun, fault: Some(fault), crashes: false, ..plan(small(Durability::Sync)) },
    );
    for _ in 0..3 {
        stage.run(|mut actor| {
            actor.append(40);
            actor.append(50);
        });
    }
    if follows {
        stage.follow();
    }
    stage.finish();
}

pub(super) fn failing_writes(seed: u64) {
    let mut rng = rng(seed);
    let errno = if rng.chance(1, 2) { EIO } else { ENOSPC };
    let operation = [Operation::Write, Operation::Write, Operation::Rename][rng.index(3)];
    let fault = FaultPlan::new(operation, errno).after(rng.below(6)).times(1 + rng.below(2));
    let (begun, level) = (rng.chance(3, 4), level(&mut rng));
    let len = if rng.chance(1, 3) { LARGE } else { 60 };
    let mut stage = Stage::open(
        seed,
        rng,
        Plan { begun, fault: Some(fault), crashes: false, ..plan(small(level)) },
    );
    for _ in 0..2 {
        stage.run(move |mut actor| {
            actor.append(40);
            actor.append(len);
        });
    }
    stage.run(move |mut actor| {
        actor.append_at(len, Durability::Sync);
        actor.sync();
    });
    stage.finish();
}

pub(super) fn followers(seed: u64) {
    let mut rng = rng(seed);
    let options = small(level(&mut rng));
    let (begun, len) = (rng.chance(1, 2), if rng.chance(1, 4) { LARGE } else { 40 });
    let mut stage = Stage::open(seed, rng, Plan { begun, ..plan(options) });
    stage.follow();
    for _ in 0..2 {
        stage.run(move |mut actor| {
            actor.append(len);
            actor.append(50);
        });
    }
    if stage.rng.chance(1, 2) {
        stage.follow();
    }
    stage.finish();
}

/// More followers than are woken at once, to the end of the log, whatever that is.
pub(super) fn rounds(seed: u64) {
    let mut rng = rng(seed);
    let marks = rng.chance(1, 2).then_some(IDLE);
    let options = small(level(&mut rng)).idle_mark(marks);
    let fails = rng.chance(1, 4);
    let fault = FaultPlan::new(Operation::SyncData, EIO).after(1 + rng.below(3));
    let plan = Plan { fault: fails.then_some(fault), crashes: !fails, ..plan(options) };
    let (begun, threads) = (rng.chance(1, 2), rng.chance(3, 4));
    let mut stage = Stage::open(seed, rng, Plan { begun, threads, ..plan });
    for _ in 0..3 {
        stage.follow();
    }
    stage.run(|mut actor| {
        actor.append(40);
        actor.append(50);
        actor.append(60);
    });
    stage.finish();
}

/// Waits for durability apart from the appends.
pub(super) fn waits(seed: u64) {
    let mut rng = rng(seed);
    let fails = rng.chance(1, 3);
    let operation = if rng.chance(1, 2) { Operation::Write } else { Operation::SyncData };
    let fault = FaultPlan::new(operation, EIO).after(rng.below(5));
    let options = small(level(&mut rng));
    let plan = Plan { fault: fails.then_some(fault), crashes: !fails, ..plan(options) };
    let begun = rng.chance(3, 4);
    let mut stage = Stage::open(seed, rng, Plan { begun, ..plan });
    stage.run(|mut actor| {
        actor.append(40);
        actor.wait_durable();
        actor.append(50);
        actor.sync();
    });
    stage.run(|mut actor| {
        actor.append(60);
        actor.wait_durable();
        actor.append_at(20, Durability::Os);
    });
    stage.run(|mut actor| {
        actor.append(70);
        actor.wait_durable();
    });
    stage.finish();
}

pub(super) fn views(seed: u64) {
    let mut rng = rng(seed);
    let options = small(if rng.chance(1, 2) { Durability::Sync } else { Durability::Os });
    let len = if rng.chance(1, 2) { LARGE } else { 40 };
    let mut stage = Stage::open(seed, rng, Plan { begun: true, ..plan(options) });
    for _ in 0..2 {
        stage.run(move |mut actor| {
            actor.append(len);
            actor.append(len);
        });
    }
    if stage.rng.chance(1, 3) {
        stage.run(|actor| actor.trim(2));
    }
    stage.view(2);
    stage.finish();
}

pub(super) fn trimming(seed: u64) {
    let mut rng = rng(seed);
    let options = small(if rng.chance(1, 2) { Durability::Sync } else { Durability::Os });
    let (choice, follows, closes) = (rng.index(8), rng.chance(1, 3), rng.chance(1, 4));
    let mut stage = Stage::open(seed, rng, Plan { begun: true, ..plan(options) });
    stage.run(|mut actor| (0..5).for_each(|_| _ = actor.append(LARGE)));
    stage.run(move |actor| {
        actor.read(choice);
        actor.trim(choice);
        actor.trim(choice + 2);
    });
    stage.run(move |actor| {
        actor.read(choice + 1);
        if closes {
            actor.close();
        }
        actor.scan();
    });
    if follows {
        stage.follow();
    }
    stage.finish();
}

pub(super) fn interval(seed: u64) {
    let rng = rng(seed);
    let options = small(Durability::Interval(INTERVAL)).idle_mark(Some(IDLE));
    let mut stage = Stage::open(seed, rng, Plan { begun: true, ..plan(options) });
    stage.follow();
    stage.run(|mut actor| {
        actor.append(40);
        actor.append(50);
    });
    stage.run(|mut actor| {
        actor.append(60);
        actor.wait_durable();
    });
    stage.finish();
}

pub(super) fn levels(seed: u64) {
    let mut rng = rng(seed);
    let options = small(Durability::Buffered).buffer_max(4 << 10).write_at(2 << 10);
    let options = options.write_back(Some(4 << 10));
    let begun = rng.chance(3, 4);
    let mut stage = Stage::open(seed, rng, Plan { begun, ..plan(options) });
    stage.run(|mut actor| {
        actor.append(LARGE);
        actor.append(LARGE);
        actor.append_at(40, Durability::Sync);
    });
    stage.run(|mut actor| {
        actor.try_append(LARGE);
        actor.append_at(50, Durability::Os);
        actor.try_append(60);
    });
    stage.run(|mut actor| {
        actor.append(70);
        actor.scan();
    });
    stage.finish();
}

/// Two threads, three operations, every disk call a point; no threads of the log's own.
pub(super) fn two_threads(seed: u64) {
    let mut rng = rng(seed);
    let begun = rng.chance(3, 4);
    let mut stage =
        Stage::open(seed, rng, Plan { begun, threads: false, ..plan(small(Durability::Sync)) });
    stage.run(|mut actor| {
        actor.append(40);
        actor.append(50);
    });
    stage.run(|mut actor| {
        actor.append(60);
    });
    stage.finish();
}

/// Only locks are points: so few that all orders can be tried.
pub(super) fn two_appends(seed: u64) {
    let plan = Plan {
        begun: true,
        reopened: false,
        threads: false,
        stepped: false,
        crashes: false,
        ..plan(small(Durability::Sync))
    };
    let mut stage = Stage::open(seed, rng(seed), plan);
    for _ in 0..2 {
        stage.run(|mut actor| {
            actor.append(40);
        });
    }
    stage.finish();
}

/// As [`two_appends`]: an append, and a close beside it.
pub(super) fn append_and_close(seed: u64) {
    let plan = Plan {
        begun: true,
        reopened: false,
        threads: false,
        stepped: false,
        crashes: false,
        ..plan(small(Durability::Sync))
    };
    let mut stage = Stage::open(seed, rng(seed), plan);
    stage.run(|mut actor| {
        actor.append(40);
    });
    stage.run(|actor| actor.close());
    stage.finish();
}

/// The next file cannot be made while callers of one group wait for the others, and one of them needs it.
pub(super) fn preparing(seed: u64) {
    let mut rng = rng(seed);
    let options = small(Durability::Sync).prepare_ahead(true).spares_max(0);
    let operation = if rng.chance(1, 2) { Operation::Create } else { Operation::SyncAll };
    let fault = FaultPlan::new(operation, EIO).times(1 + rng.below(3)).suffix(".spare");
    let plan =
        Plan { fault: Some(fault), crashes: false, begun: true, reopened: false, ..plan(options) };
    let mut stage = Stage::open(seed, rng, plan);
    for _ in 0..2 {
        stage.run(|mut actor| {
            actor.append(LARGE);
            actor.append(40);
            actor.append(50);
            actor.append(LARGE);
        });
    }
    stage.run(|mut actor| (0..4).for_each(|_| _ = actor.append(60)));
    stage.finish();
}
