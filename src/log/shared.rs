//! The thin shell around the machine: one lock, and threads that take turns at driving it.
//!
//! Whoever waits for something drives: it takes the next action under the lock, performs it
//! without, and brings the event back. While one thread does, the others' appends fill the next
//! group; every event wakes those who wait, and whoever still needs something drives on. So a
//! commit needs no thread of its own, and a group is written and synced once for all its waiters.

use super::action::Event;
use super::files::Files;
use super::machine::{Goal, Machine, Refusal};
use super::options::{Durability, Options};
use super::perform::Performer;
use crate::error::{Error, Result};
use crate::position::Lsn;
use crate::storage::latch::{Condvar, Mutex, MutexGuard};
use crate::storage::{Clock, DirLock};
use std::sync::Arc;
use std::time::Duration;

/// How the thread for deadlines waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tender {
    Awake,
    /// Until then.
    Until(Duration),
    /// Until it is woken.
    Rests,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) machine: Machine,
    /// When the interval of an `Interval` log is over.
    pub(crate) interval_ends: Option<Duration>,
    /// How the thread for deadlines waits.
    pub(crate) tender: Tender,
    /// The thread for files waits for work.
    pub(crate) upkeep_rests: bool,
    pub(crate) threads_stop: bool,
    /// A call asked for room and did not wait for it.
    pub(crate) handed_over: bool,
    /// Followers that wait for records which no event announces.
    pub(crate) watchers: usize,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) state: Mutex<State>,
    /// An event came in, or buffered records for a watcher.
    pub(crate) progress: Condvar,
    pub(crate) tender: Condvar,
    pub(crate) upkeep: Condvar,
    pub(crate) performer: Performer,
    pub(crate) files: Files,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lock: Mutex<Option<Box<dyn DirLock>>>,
    pub(crate) place: String,
}

pub(crate) type Guard<'a> = MutexGuard<'a, State>;

/// Waits as nobody in particular: no append of its own may fail.
pub(crate) const NOBODY: Lsn = Lsn::new(u64::MAX);

impl Shared {
    /// Drives the commit lane, or waits for who does, until `done` answers.
    pub(crate) fn drive<T>(
        &self,
        state: &mut Guard<'_>,
        mut done: impl FnMut(&mut Machine) -> Option<T>,
    ) -> T {
        loop {
            if let Some(answer) = done(&mut state.machine) {
                return answer;
            }
            if self.step(state) {
                continue;
            }
            // Asking for an action may have settled the matter without one.
            if let Some(answer) = done(&mut state.machine) {
                return answer;
            }
            self.progress.wait(state);
        }
    }

    /// Performs the next action of the commit lane, if there is one.
    pub(crate) fn step(&self, state: &mut Guard<'_>) -> bool {
        let Some(action) = state.machine.poll_commit() else {
            return false;
        };
        let event = MutexGuard::unlocked(state, || self.performer.perform(action));
        self.take_back(state, event, false);
        true
    }

    /// Tells the machine, and whoever waits, what an action of a lane became.
    pub(crate) fn take_back(&self, state: &mut Guard<'_>, event: Event, upkeep: bool) {
        let failures = state.machine.failures();
        state.machine.on_event(event);
        if upkeep && let Some(first) = state.machine.live().front() {
            self.files.forget_before(first.segment.number());
        }
        if !(planted!("cancelled-waiter") && state.machine.failures() > failures) {
            self.announce(upkeep);
        }
        self.wake_threads(state);
    }

    /// Something happened that somebody may wait for.
    fn announce(&self, upkeep: bool) {
        if !(planted!("lost-wakeup") && upkeep) {
            self.progress.notify_all();
        }
    }

    /// Does what a call left undone because it would not wait. A failure ends it: on a disk that
    /// takes nothing the same would be tried without end. Who still wants it asks again.
    pub(crate) fn step_for_others(&self, state: &mut Guard<'_>) {
        let before = state.machine.failures();
        while state.machine.failures() == before && self.step(state) {}
    }

    /// Performs the next action of the upkeep lane, if there is one.
    pub(crate) fn tend_step(&self, state: &mut Guard<'_>) -> bool {
        let Some(action) = state.machine.poll_upkeep() else {
            return false;
        };
        let event = MutexGuard::unlocked(state, || self.performer.perform(action));
        self.take_back(state, event, true);
        true
    }

    /// Tells the log's own threads that there is something to do, or to watch for.
    pub(crate) fn wake_threads(&self, state: &mut Guard<'_>) {
        if state.machine.upkeep_due() && std::mem::take(&mut state.upkeep_rests) {
            self.upkeep.notify_one();
        }
        let due = match state.tender {
            Tender::Awake => false,
            // It sleeps, but perhaps too long.
            Tender::Until(deadline) => {
                state.handed_over || state.interval_ends.is_some_and(|ends| ends < deadline)
            }
            Tender::Rests => {
                let watch = self.options.idle_mark.is_some() && state.machine.idle_mark_due();
                watch || state.handed_over || state.interval_ends.is_some()
            }
        };
        if due {
            state.tender = Tender::Awake;
            self.tender.notify_one();
        }
    }

    /// Waits until `goal` is reached or never will be.
    pub(crate) fn reach(&self, state: &mut Guard<'_>, goal: Goal) -> Result<()> {
        self.drive(state, |machine| try_reach(machine, goal))
    }

    /// As [`reach`](Self::reach) for what belongs to no append of the caller's: any failure on
    /// the way ends it.
    pub(crate) fn reach_all(&self, state: &mut Guard<'_>, goal: Goal) -> Result<()> {
        let before = state.machine.failures();
        self.drive(state, |machine| try_reach_all(machine, goal, before))
    }

    /// Calls `accept` until it takes what it is given, making room as long as that helps.
    pub(crate) fn admit<T>(
        &self,
        state: &mut Guard<'_>,
        mut accept: impl FnMut(&mut Machine) -> Result<T, Refusal>,
    ) -> Result<T> {
        let before = state.machine.failures();
        self.drive(state, |machine| try_admit(machine, before, &mut accept))
    }

    /// Starts the interval that an append armed.
    pub(crate) fn arm(&self, state: &mut Guard<'_>, interval: Duration) {
        state.interval_ends = Some(self.clock.now() + interval);
        self.wake_threads(state);
    }

    /// The interval is over: everything accepted becomes durable.
    ///
    /// # Errors
    /// What the write or the sync says; later appends are told as well.
    pub(crate) fn end_interval(&self, state: &mut Guard<'_>) -> Result<()> {
        state.interval_ends = None;
        state.machine.interval_over();
        let end = state.machine.watermarks().accepted;
        let outcome = self.reach_all(state, Goal::Durable { lsn: NOBODY, end });
        // Somebody's failed write is no reason to leave the others' records unsynced.
        if let (Err(_), Durability::Interval(interval)) = (&outcome, self.options.durability)
            && state.machine.arm_interval()
        {
            state.interval_ends = Some(self.clock.now() + interval);
        }
        outcome
    }

    /// Marks the durable end, if that is due.
    ///
    /// # Errors
    /// What the write or the sync says; later appends are told as well.
    pub(crate) fn mark_idle(&self, state: &mut Guard<'_>) -> Result<()> {
        if !state.machine.accept_idle_mark() {
            return Ok(());
        }
        let end = state.machine.watermarks().accepted;
        self.reach_all(state, Goal::Durable { lsn: NOBODY, end })
    }
}

/// Whether `goal` is reached or never will be; asks for it otherwise.
pub(crate) fn try_reach(machine: &mut Machine, goal: Goal) -> Option<Result<()>> {
    machine.outcome(goal).or_else(|| {
        machine.request(goal);
        None
    })
}

/// As [`try_reach`] for what belongs to no append: a failure since `before` ends it.
pub(crate) fn try_reach_all(machine: &mut Machine, goal: Goal, before: u64) -> Option<Result<()>> {
    machine.outcome(goal).or_else(|| failure_since(machine, before).map(Err)).or_else(|| {
        machine.request(goal);
        None
    })
}

/// Whether the machine takes what it is given, or never will; it is to be asked again otherwise.
pub(crate) fn try_admit<T>(
    machine: &mut Machine,
    before: u64,
    accept: &mut impl FnMut(&mut Machine) -> Result<T, Refusal>,
) -> Option<Result<T>> {
    if let Some(error) = failure_since(machine, before) {
        return Some(Err(error));
    }
    match accept(machine) {
        Ok(taken) => Some(Ok(taken)),
        Err(Refusal::Never(error)) => Some(Err(error)),
        Err(Refusal::Wait) => None,
    }
}

fn failure_since(machine: &Machine, before: u64) -> Option<Error> {
    let failed = machine.failures() > before;
    machine.poisoned().or_else(|| machine.last_failure().filter(|_| failed))
}
