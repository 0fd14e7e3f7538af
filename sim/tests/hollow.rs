//! Campaigns that would pass whatever the log did prove nothing: a disk that forgets what it was
//! told to keep, and opens that show nothing or refuse everything, turn them red at once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use seawall_sim::{
    Before, Campaign, Class, Failure, FaultPlan, Figures, LogOp, LogOptions, Opened, Operation,
    Rng, Sabotage, SeawallLog, Seed, SimDisk, Stop, Subject, World,
};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// A seed of this order is one of the first that a campaign of some seconds runs.
const SEEDS: u64 = 1000;

fn cheated(sabotage: Sabotage) -> Box<Failure<SeawallLog>> {
    let mut campaign = Campaign::<SeawallLog>::new();
    campaign.draw.class = Some(Class::Crash);
    campaign.sabotage = Some(sabotage);
    let failure = campaign.run(0..SEEDS).expect_err("nothing notices");
    println!("{sabotage:?}: {failure}");
    failure
}

#[test]
fn a_campaign_notices_syncs_that_do_nothing_within_a_thousand_seeds() {
    cheated(Sabotage::SyncDoesNothing);
}

#[test]
fn a_campaign_notices_directory_syncs_that_do_nothing_within_a_thousand_seeds() {
    cheated(Sabotage::SyncDirDoesNothing);
}

/// What is wrong with an open.
trait Wrong: 'static {
    /// The storage that an open gets in place of the disk.
    fn storage(world: &World) -> SimDisk;
}

/// After a crash it shows an empty log: what was there is not looked at.
struct Empty;

impl Wrong for Empty {
    fn storage(world: &World) -> SimDisk {
        match world.before {
            Before::Nothing => world.disk.clone(),
            Before::PowerCut | Before::Kill => SimDisk::new(Seed::new(world.entropy)),
        }
    }
}

/// After a crash it refuses, whatever is there.
struct Refusing;

impl Wrong for Refusing {
    fn storage(world: &World) -> SimDisk {
        if world.before == Before::Nothing {
            return world.disk.clone();
        }
        let disk = SimDisk::new(Seed::new(world.entropy));
        disk.fail(FaultPlan::new(Operation::List, seawall_sim::EIO).times(u64::MAX));
        disk
    }
}

/// The log with such an open, and the oracle as it is.
struct Hollow<W>(SeawallLog, std::marker::PhantomData<W>);

impl<W: Wrong> Subject for Hollow<W> {
    type Op = LogOp;
    type Options = LogOptions;

    fn draw_options(class: Class, rng: &mut Rng) -> LogOptions {
        SeawallLog::draw_options(class, rng)
    }

    fn draw_op(options: &LogOptions, rng: &mut Rng) -> LogOp {
        SeawallLog::draw_op(options, rng)
    }

    fn new(options: &LogOptions) -> Self {
        Self(SeawallLog::new(options), std::marker::PhantomData)
    }

    fn open(&mut self, world: &World) -> Result<Opened, Stop> {
        let mut world = world.clone();
        world.storage = Arc::new(W::storage(&world));
        self.0.open(&world)
    }

    fn make(&mut self, world: &World, op: &LogOp) -> Result<(), Stop> {
        self.0.make(world, op)
    }

    fn finish(&mut self, world: &World) -> Result<(), Stop> {
        self.0.finish(world)
    }

    fn abandon(&mut self) {
        self.0.abandon();
    }

    fn fork(&self) -> Self {
        Self(self.0.fork(), std::marker::PhantomData)
    }
}

/// How many cycles went well before a promise broke.
fn hollow<W: Wrong>() -> Figures {
    let campaign = Campaign::<Hollow<W>>::new();
    let (figures, failure) = campaign.run_while(0..1, NonZeroUsize::MIN, |_| true);
    println!("{}", failure.expect("nothing notices"));
    figures
}

#[test]
fn an_open_that_shows_an_empty_log_breaks_a_promise_in_the_first_cycle() {
    assert_eq!(hollow::<Empty>().crash_cycles, 0);
}

#[test]
fn an_open_that_always_refuses_breaks_a_promise_in_the_first_cycle() {
    assert_eq!(hollow::<Refusing>().crash_cycles, 0);
}
