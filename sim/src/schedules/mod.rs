//! Real threads of the real log in every order a scheduler can think of, on the simulated disk.
//! Compiled only under `--cfg seawall_shuttle`.
//!
//! A *harness* is a small program of two to four threads with an oracle; [`explore`] runs it under
//! a portfolio of schedulers and says how many different orders it saw. What was drawn inside an
//! execution came from the scheduler, so that a schedule alone repeats it: [`replay`].

mod book;
mod explore;
mod following;
mod harnesses;
mod stage;
mod stepped;
mod tickets;

pub use explore::{ScheduleFailure, ScheduleReport, SchedulerKind, explore, replay};

/// A small program whose threads are put in many orders.
#[derive(Clone, Copy, Debug)]
pub struct Harness {
    /// Its name.
    pub name: &'static str,
    /// Whether it is so small that a search in order of depth says something too.
    pub small: bool,
    run: fn(u64),
}

const fn harness(name: &'static str, run: fn(u64)) -> Harness {
    Harness { name, small: false, run }
}

const fn small(name: &'static str, run: fn(u64)) -> Harness {
    Harness { name, small: true, run }
}

/// All of them.
pub const HARNESSES: &[Harness] = &[
    harness("group_commit", harnesses::group_commit),
    harness("rotation", harnesses::rotation),
    harness("unsynced", harnesses::unsynced),
    harness("batches", harnesses::batches),
    harness("close", harnesses::close),
    harness("poison", harnesses::poison),
    harness("failing_writes", harnesses::failing_writes),
    harness("followers", harnesses::followers),
    harness("rounds", harnesses::rounds),
    harness("following", following::following),
    harness("shown", following::shown),
    harness("waits", harnesses::waits),
    harness("tickets", tickets::tickets),
    harness("polls", tickets::polls),
    harness("shared", tickets::shared),
    harness("orphans", tickets::orphans),
    harness("preparing", harnesses::preparing),
    harness("views", harnesses::views),
    harness("trimming", harnesses::trimming),
    harness("interval", harnesses::interval),
    harness("levels", harnesses::levels),
    small("two_threads", harnesses::two_threads),
    small("two_appends", harnesses::two_appends),
    small("append_and_close", harnesses::append_and_close),
];

/// The harness of this name.
#[must_use]
pub fn named(name: &str) -> Option<Harness> {
    HARNESSES.iter().copied().find(|harness| harness.name == name)
}

/// A mistake that a build with `--cfg seawall_planted` can make, and the harness that must find it.
#[derive(Clone, Copy, Debug)]
pub struct Mistake {
    /// Its name.
    pub name: &'static str,
    /// The name of the harness.
    pub harness: &'static str,
    /// The seed from which it is found before long: one of few where it needs much to come together.
    pub seed: u64,
}

const fn mistake(name: &'static str, harness: &'static str) -> Mistake {
    Mistake { name, harness, seed: 1 }
}

/// All of them.
pub const PLANTED: &[Mistake] = &[
    mistake("lost-wakeup", "rotation"),
    mistake("two-leaders", "two_threads"),
    mistake("follower-told-ok", "poison"),
    mistake("rotation-races-batch", "rotation"),
    mistake("left-counted-with-the-one-before", "unsynced"),
    mistake("left-synced-and-no-one-woken", "unsynced"),
    mistake("left-synced-opens-one-door", "unsynced"),
    mistake("close-races-append", "close"),
    mistake("reader-before-bytes", "followers"),
    mistake("cancelled-waiter", "failing_writes"),
    mistake("abandoned-waiter", "orphans"),
    mistake("write-back-shares-the-descriptor", "levels"),
    mistake("handover-forgotten", "group_commit"),
    mistake("turn-not-given-back", "group_commit"),
    Mistake { seed: 6, ..mistake("wants-lost-while-gathering", "preparing") },
    mistake("told-by-watermark-alone", "failing_writes"),
    mistake("count-looked-at-too-late", "group_commit"),
    mistake("through-beside-a-write", "levels"),
    mistake("address-outside-the-lock", "levels"),
    mistake("count-looked-at-too-late", "waits"),
    mistake("cancelled-waiter", "waits"),
    mistake("sync-behind-a-write-opens-one-door", "waits"),
    mistake("follower-looks-at-the-count-too-late", "rounds"),
    mistake("round-ends-without-a-look", "rounds"),
    mistake("turn-kept-by-who-sleeps-again", "rounds"),
    mistake("failure-calls-no-follower", "rounds"),
    mistake("failure-calls-no-follower", "following"),
    mistake("follower-enters-after-it-looked", "shown"),
    mistake("cancel-looked-at-before-the-count", "following"),
    mistake("timeout-drops-a-record", "following"),
    mistake("timed-out-follower-keeps-its-turn", "shown"),
    mistake("failure-told-once", "tickets"),
    mistake("waker-lost-before-it-is-entered", "tickets"),
    mistake("ticket-answered-by-watermark-alone", "tickets"),
    mistake("stale-submit-accepted", "tickets"),
    mistake("dropped-ticket-never-written", "tickets"),
    mistake("tickets-left-to-others", "polls"),
    mistake("failure-calls-no-waker", "tickets"),
    mistake("call-during-a-turn-forgotten", "shared"),
];
