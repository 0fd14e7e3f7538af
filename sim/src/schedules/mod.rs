//! Real threads of the real log in every order a scheduler can think of, on the simulated disk.
//! Compiled only under `--cfg seawall_shuttle`.
//!
//! A *harness* is a small program of two to four threads with an oracle; [`explore`] runs it under
//! a portfolio of schedulers and says how many different orders it saw. What was drawn inside an
//! execution came from the scheduler, so that a schedule alone repeats it: [`replay`].

mod book;
mod explore;
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
pub const HARNESSES: [Harness; 19] = [
    harness("group_commit", harnesses::group_commit),
    harness("rotation", harnesses::rotation),
    harness("batches", harnesses::batches),
    harness("close", harnesses::close),
    harness("poison", harnesses::poison),
    harness("failing_writes", harnesses::failing_writes),
    harness("followers", harnesses::followers),
    harness("rounds", harnesses::rounds),
    harness("waits", harnesses::waits),
    harness("tickets", tickets::tickets),
    harness("polls", tickets::polls),
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
    HARNESSES.into_iter().find(|harness| harness.name == name)
}

/// Mistakes that a build with `--cfg seawall_planted` can make, and the harness that must find
/// each.
pub const PLANTED: [(&str, &str); 30] = [
    ("lost-wakeup", "rotation"),
    ("two-leaders", "two_threads"),
    ("follower-told-ok", "poison"),
    ("rotation-races-batch", "rotation"),
    ("close-races-append", "close"),
    ("reader-before-bytes", "followers"),
    ("cancelled-waiter", "failing_writes"),
    ("abandoned-waiter", "failing_writes"),
    ("write-back-shares-the-descriptor", "levels"),
    ("handover-forgotten", "group_commit"),
    ("turn-not-given-back", "group_commit"),
    ("wants-lost-while-gathering", "preparing"),
    ("told-by-watermark-alone", "failing_writes"),
    ("count-looked-at-too-late", "group_commit"),
    ("through-beside-a-write", "levels"),
    ("address-outside-the-lock", "levels"),
    ("count-looked-at-too-late", "waits"),
    ("cancelled-waiter", "waits"),
    ("sync-behind-a-write-opens-one-door", "waits"),
    ("follower-looks-at-the-count-too-late", "rounds"),
    ("round-ends-without-a-look", "rounds"),
    ("turn-kept-by-who-sleeps-again", "rounds"),
    ("failure-calls-no-follower", "rounds"),
    ("failure-told-once", "tickets"),
    ("waker-lost-before-it-is-entered", "tickets"),
    ("ticket-answered-by-watermark-alone", "tickets"),
    ("stale-submit-accepted", "tickets"),
    ("dropped-ticket-never-written", "tickets"),
    ("tickets-left-to-others", "polls"),
    ("failure-calls-no-waker", "tickets"),
];
