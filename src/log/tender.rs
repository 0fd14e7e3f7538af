//! What a log does in the background, in two kinds of turns of one piece of work each. One keeps deadlines: it
//! ends the interval, marks an idle log, calls followers, looks after tickets, does what a call left undone because
//! it would not wait. The other keeps files: it prepares the next segment, retires and removes old ones. They are
//! two because preparing a file takes longer than any interval.
//!
//! ```text
//!   own threads       two, for this log alone, joined when it closes
//!   shared threads    the turns of many logs, one after the other
//!   none              `Log::tend` does what is due, when it is called
//! ```
//!
//! A turn waits for no other thread: what it asked for, where another thread is at it, comes with a later one.

use super::attempts::try_reach_all;
use super::idle::Idleness;
use super::machine::Goal;
use super::options::Durability;
use super::shared::{Guard, NOBODY, Shared, Tender};
use crate::storage::Environment;
use crate::storage::latch::{self, Condvar, JoinHandle, Mutex};
use crate::storage::threads::{Member, Rest, Tended, Work};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Who does it.
#[derive(Debug)]
pub(crate) enum Tending {
    /// No thread.
    Absent,
    /// Threads of its own, and where they sleep.
    Own {
        time: Condvar,
        files: Condvar,
        threads: Mutex<Vec<JoinHandle<()>>>,
    },
    Shared(Member),
}

impl Tending {
    /// What the environment has for a log. Nothing is done yet.
    pub(crate) fn of(environment: &Environment) -> Self {
        match &environment.shared_threads {
            _ if !environment.threads => Self::Absent,
            Some(threads) => Self::Shared(threads.enter()),
            None => {
                let (time, files) = (Condvar::new(), Condvar::new());
                Self::Own { time, files, threads: Mutex::new(Vec::new()) }
            }
        }
    }

    /// A turn of this kind is due.
    pub(crate) fn call(&self, work: Work) {
        match (self, work) {
            (Self::Absent, _) => {}
            (Self::Own { time, .. }, Work::Time) => _ = time.notify_one(),
            (Self::Own { files, .. }, Work::Files) => _ = files.notify_one(),
            (Self::Shared(member), work) => member.call(work),
        }
    }
}

/// Something that a turn wants to come true, and later turns look after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pursuit {
    goal: Goal,
    /// Grave failures that were counted when it began: a later one ends it.
    before: u64,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Interval,
    Mark,
}

/// Begins it.
///
/// # Errors
/// What the operating system says when it has no thread to give.
pub(crate) fn start(shared: &Arc<Shared>) -> io::Result<()> {
    match &shared.tending {
        Tending::Absent => {}
        Tending::Own { threads, .. } => {
            for (work, name) in [(Work::Time, "seawall-time"), (Work::Files, "seawall-files")] {
                let shared = Arc::clone(shared);
                let thread = latch::spawn(name, move || take_turns(&shared, work))?;
                threads.lock().push(thread);
            }
        }
        Tending::Shared(member) => member.begin(Arc::<Shared>::clone(shared)),
    }
    Ok(())
}

/// Ends it, once the log is to stop. Waits for turns that are under way, but for the one it is called in.
pub(crate) fn stop(shared: &Shared) {
    match &shared.tending {
        Tending::Absent => {}
        Tending::Own { time, files, threads } => {
            time.notify_one();
            files.notify_one();
            let threads = std::mem::take(&mut *threads.lock());
            for thread in threads.into_iter().filter(|thread| !latch::is_current(thread)) {
                // A panic of the thread was printed by it, and nothing of it is held here.
                let _printed = thread.join();
            }
        }
        Tending::Shared(member) => member.leave(),
    }
}

/// What a thread of the log's own does.
fn take_turns(shared: &Shared, work: Work) {
    let Tending::Own { time, files, .. } = &shared.tending else { return };
    let condition = match work {
        Work::Time => time,
        Work::Files => files,
    };
    let mut state = shared.lock();
    while !state.threads_stop {
        match shared.take_turn(&mut state, work) {
            Rest::Again => {}
            Rest::For(limit) => state.wait_for(condition, limit),
            Rest::UntilCalled => state.wait(condition),
        }
    }
}

impl Tended for Shared {
    fn turn(&self, work: Work) -> Rest {
        let mut state = self.lock();
        if state.threads_stop { Rest::UntilCalled } else { self.take_turn(&mut state, work) }
    }
}

impl Shared {
    fn take_turn(&self, state: &mut Guard<'_>, work: Work) -> Rest {
        match work {
            Work::Time => {
                state.tender = Tender::Awake;
                self.keep_deadlines(state)
            }
            Work::Files => {
                state.upkeep_rests = false;
                if self.tend_step(state) {
                    return Rest::Again;
                }
                state.upkeep_rests = true;
                Rest::UntilCalled
            }
        }
    }

    fn keep_deadlines(&self, state: &mut Guard<'_>) -> Rest {
        // Work that a call left undone because it would not wait for it.
        if std::mem::take(&mut state.handed_over) {
            return self.one_step_for_others(state);
        }
        if self.pursue(state) {
            return Rest::Again;
        }
        let now = self.clock.now();
        // A clock that went back holds nothing up: an interval is never longer than it is.
        if let Durability::Interval(interval) = self.options.durability {
            let latest = now.saturating_add(interval);
            state.interval_ends = state.interval_ends.map(|ends| ends.min(latest));
        }
        // While another thread is at what was begun, nothing like it is begun.
        let pursues = state.pursuit.is_some();
        let interval_ends = state.interval_ends.filter(|_| !pursues);
        if interval_ends.is_some_and(|ends| ends <= now) {
            state.interval_ends = None;
            state.machine.interval_over();
            return self.begin_to_pursue(state, Why::Interval);
        }
        if state.audience.due_by(now) {
            self.call_followers_late(state);
            return Rest::Again;
        }
        if state.tickets.due_by(now) {
            self.look_after_tickets(state, now);
            return Rest::Again;
        }
        let mark_at = idle_deadline(state, now).filter(|_| !pursues);
        if mark_at.is_some_and(|at| at <= now) {
            if state.machine.accept_idle_mark() {
                return self.begin_to_pursue(state, Why::Mark);
            }
            state.idleness.iter_mut().for_each(Idleness::on_marked);
            return Rest::Again;
        }
        let followers_at = state.audience.due_at();
        let deadlines = [interval_ends, mark_at, followers_at, state.tickets.due_at];
        match deadlines.into_iter().flatten().min() {
            Some(deadline) => {
                state.tender = Tender::Until(deadline);
                Rest::For(deadline.saturating_sub(now))
            }
            None => {
                state.tender = Tender::Rests;
                Rest::UntilCalled
            }
        }
    }

    /// One action of what a call left undone. A failure ends it: on a disk that takes nothing the same would
    /// be tried without end. Who still wants it asks again.
    fn one_step_for_others(&self, state: &mut Guard<'_>) -> Rest {
        let before = state.machine.failures();
        if self.step(state) && state.machine.failures() == before {
            state.handed_over = true;
        }
        Rest::Again
    }

    /// Everything accepted is to become durable. Failures are returned to the next append or sync,
    /// through the machine.
    fn begin_to_pursue(&self, state: &mut Guard<'_>, why: Why) -> Rest {
        let end = state.machine.watermarks().accepted;
        let goal = Goal::Durable { lsn: NOBODY, end };
        state.pursuit = Some(Pursuit { goal, before: state.machine.grave_failures(), why });
        Rest::Again
    }

    /// Goes on with what a turn before began, as far as it can: whether it could.
    fn pursue(&self, state: &mut Guard<'_>) -> bool {
        let Some(Pursuit { goal, before, why }) = state.pursuit else { return false };
        let Some(outcome) = try_reach_all(&mut state.machine, goal, before) else {
            // Asking for an action may settle the matter without one. Else another thread is at it, and calls when it
            // brings the event.
            return self.step(state) || try_reach_all(&mut state.machine, goal, before).is_some();
        };
        state.pursuit = None;
        match (why, outcome) {
            (Why::Interval, Err(_)) => self.arm_again(state),
            (Why::Interval, Ok(())) => {}
            (Why::Mark, _) => state.idleness.iter_mut().for_each(Idleness::on_marked),
        }
        true
    }
}

/// When the log counts as idle, if nothing is appended until then.
fn idle_deadline(state: &mut Guard<'_>, now: Duration) -> Option<Duration> {
    let due = state.machine.idle_mark_due();
    let accepted = state.machine.watermarks().accepted;
    let idleness = state.idleness.as_mut().filter(|_| due)?;
    Some(idleness.deadline(accepted, now))
}
