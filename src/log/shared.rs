//! The thin shell around the machine: one lock, and threads that take turns at driving it.
//!
//! Whoever waits for something drives: it takes the next action under the lock, performs it
//! without, and brings the event back. While one thread does, the others' appends fill the next
//! group. So a commit needs no thread of its own, and a group is written and synced once for all
//! its waiters.
//!
//! ```text
//!   an event wakes      the group that was written or synced, all at once (`doors`)
//!                       whoever waits for something else (`progress`)
//!   the lane is free    and something is wanted: who lets go of the lock wakes one to go on
//!   before a group      is taken: those of the last one are on their way back, and may join
//! ```

use super::action::{Event, Lane};
use super::attempts::{TrimTaken, try_admit, try_admit_trim, try_reach, try_reach_all};
use super::audience::{Audience, Calling, Level};
use super::doors::{Asleep, Door, Doors, Opened, Wakes};
use super::files::Files;
use super::idle::Idleness;
use super::machine::{Goal, Machine, Refusal};
use super::observing::{Before, Observing};
use super::options::{Durability, Options};
use super::perform::Performer;
use super::record::Receipt;
use super::rounds::Place;
use super::tender::{Pursuit, Tending};
use super::tickets::Tickets;
use super::wakers::Calls;
use crate::error::{Error, Result};
use crate::format::tag::Part;
use crate::position::Lsn;
use crate::storage::latch::{self, Condvar, Mutex, MutexGuard};
use crate::storage::threads::Work;
use crate::storage::{Clock, DirLock};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

/// How the keeper of deadlines waits.
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
    /// How the keeper of deadlines waits.
    pub(crate) tender: Tender,
    /// The keeper of files waits for work.
    pub(crate) upkeep_rests: bool,
    pub(crate) threads_stop: bool,
    /// A call asked for room and did not wait for it.
    pub(crate) handed_over: bool,
    /// What the keeper of deadlines wants to come true.
    pub(crate) pursuit: Option<Pursuit>,
    pub(crate) idleness: Option<Idleness>,
    /// Those who follow, and wait.
    pub(crate) audience: Audience,
    pub(crate) asleep: Asleep,
    pub(crate) tickets: Tickets,
    /// Somebody lets others arrive before it takes the next action.
    gathering: bool,
    /// The last group that others were given time for.
    gathered: u64,
    /// An event came in, and nobody looked yet what is to be done next.
    orphaned: bool,
}

impl State {
    /// `tended`: threads keep its deadlines.
    pub(crate) fn new(machine: Machine, options: &Options, tended: bool) -> Self {
        Self {
            machine,
            interval_ends: None,
            tender: Tender::Awake,
            upkeep_rests: false,
            threads_stop: false,
            handed_over: false,
            pursuit: None,
            idleness: options.idle_mark.map(Idleness::new),
            audience: Audience::new(tended),
            asleep: Asleep::default(),
            tickets: Tickets::default(),
            gathering: false,
            gathered: 0,
            orphaned: false,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) state: Mutex<State>,
    /// An event came in.
    pub(crate) progress: Condvar,
    /// Where appends sleep.
    pub(crate) doors: Doors,
    pub(crate) tending: Tending,
    pub(crate) performer: Performer,
    pub(crate) files: Arc<Files>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observing: Option<Arc<Observing>>,
    pub(crate) lock: Mutex<Option<Box<dyn DirLock>>>,
    pub(crate) place: String,
}

/// Waits as nobody in particular: no append of its own may fail.
pub(crate) const NOBODY: Lsn = Lsn::new(u64::MAX);

/// So often a leader lets others go first before it takes a group that is not complete.
const YIELDS_MAX: u32 = 32;

/// The lock, held. Whoever lets go of it sees to it that what is wanted will be done, and wakes
/// whom it has to once the lock is free. It is let go of only where a function says so: what an event
/// made of the state can be looked at first.
#[derive(Debug)]
pub(crate) struct Guard<'a> {
    // Dropped in this order: the lock first.
    held: MutexGuard<'a, State>,
    wakes: Wakes<'a>,
    calls: Calls,
    progress: &'a Condvar,
    tending: &'a Tending,
    /// An action of this lane is out, and this thread is to bring its event.
    driving: Option<Lane>,
    /// The thread unwinds already, for a reason that is none of the log's.
    unwinds: bool,
}

impl Guard<'_> {
    /// Does something without the lock.
    pub(crate) fn unlocked<R>(&mut self, body: impl FnOnce() -> R) -> R {
        self.hand_over();
        let Self { held, wakes, calls, .. } = self;
        MutexGuard::unlocked(held, || {
            wakes.send();
            calls.make();
            body()
        })
    }

    /// Waits at `condition`. Where wakers are to be called it calls them and returns: what is waited for
    /// may have come meanwhile.
    pub(crate) fn wait(&mut self, condition: &Condvar) {
        if !self.calls.is_empty() {
            return self.unlocked(|| ());
        }
        self.hand_over();
        self.wakes.send();
        condition.wait(&mut self.held);
    }

    /// As [`wait`](Self::wait), but no longer than this.
    pub(crate) fn wait_for(&mut self, condition: &Condvar, limit: Duration) {
        if !self.calls.is_empty() {
            return self.unlocked(|| ());
        }
        self.hand_over();
        self.wakes.send();
        condition.wait_for(&mut self.held, limit);
    }

    /// Does the disk's work for an action that was taken: without the lock. Should it unwind, the
    /// drop of this guard says so to everybody.
    fn perform(&mut self, lane: Lane, work: impl FnOnce() -> Event) -> Event {
        self.driving = Some(lane);
        self.unlocked(work)
    }

    /// What became of an action of this lane is not known, and never will be.
    pub(crate) fn lose(&mut self, lane: Lane) {
        self.driving = Some(lane);
        self.forsake();
    }

    /// This thread unwinds out of the log: nobody knows what became of the work it had, so the log
    /// does nothing any more, and everybody who waits is told.
    #[cold]
    fn forsake(&mut self) {
        let Self { held, wakes, calls, progress, driving, .. } = self;
        let state: &mut State = held;
        state.tickets.wakers.all(calls);
        state.machine.forsake(driving.take());
        state.gathering = false;
        wakes.publish(state.machine.watermarks(), state.machine.failures());
        wakes.everybody(&mut state.asleep);
        state.audience.call_all(calls);
        progress.notify_all();
    }

    /// If the lane is free and something is wanted, somebody has to be awake to do it.
    fn hand_over(&mut self) {
        let Self { held, wakes, progress, tending, .. } = self;
        let state: &mut State = held;
        if std::mem::take(&mut state.orphaned)
            && state.machine.commit_wanted()
            && !planted!("handover-forgotten")
        {
            wakes.one_each(&mut state.asleep);
            progress.notify_all();
            // Who waits without a thread drives nothing, nor does what a turn left to a later one.
            let left = state.tickets.are_left_to_the_log() && !planted!("tickets-left-to-others");
            if left || state.pursuit.is_some() {
                state.handed_over = true;
                if std::mem::replace(&mut state.tender, Tender::Awake) != Tender::Awake {
                    tending.call(Work::Time);
                }
            }
        }
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if latch::execution_is_over() {
            return;
        }
        let unwinds = self.driving.is_some() || (!self.unwinds && std::thread::panicking());
        if unwinds && !planted!("unwinding-driver-leaves-the-lane") {
            self.forsake();
        }
        self.hand_over();
    }
}

impl Deref for Guard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.held
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.held
    }
}

impl Shared {
    /// Takes the lock.
    pub(crate) fn lock(&self) -> Guard<'_> {
        let unwinds = std::thread::panicking();
        let (held, wakes) = (self.state.lock(), Wakes::none(&self.doors));
        let (progress, tending, calls) = (&self.progress, &self.tending, Calls::default());
        Guard { held, wakes, calls, progress, tending, driving: None, unwinds }
    }

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
            state.wait(&self.progress);
        }
    }

    /// Performs the next action of the commit lane, if there is one.
    pub(crate) fn step(&self, state: &mut Guard<'_>) -> bool {
        if state.gathering {
            return false;
        }
        if state.machine.arrivals_awaited() && state.gathered != state.machine.group() {
            self.gather(state);
            // Meanwhile a failure may have dropped what is wanted: it has to be asked for again.
            if !planted!("wants-lost-while-gathering") {
                return true;
            }
        }
        state.orphaned = false;
        let Some(action) = state.machine.poll_commit() else {
            return false;
        };
        let event = state.perform(Lane::Commit, || self.performer.perform(action));
        self.take_back(state, event, Lane::Commit);
        true
    }

    /// Appends a record and writes it in one turn; `None` where more is to be done, or somebody
    /// else is at it: nothing was appended then.
    pub(crate) fn write_through<P: Part>(
        &self,
        state: &mut Guard<'_>,
        record: P,
    ) -> Option<Result<Receipt>> {
        let (receipt, write) = state.machine.append_through(record)?;
        state.orphaned = false;
        let event = state.perform(Lane::Commit, || self.performer.write(write));
        self.take_back(state, event, Lane::Commit);
        let Receipt { lsn, end } = receipt;
        if state.machine.watermarks().written >= end || planted!("through-told-unlooked") {
            return Some(Ok(receipt));
        }
        Some(self.reach(state, Goal::Written { lsn, end }).map(|()| receipt))
    }

    /// Lets those of the last group arrive, who were woken just now: otherwise groups split in
    /// two, and half of the callers wait while the other half is on its way.
    fn gather(&self, state: &mut Guard<'_>) {
        state.gathering = true;
        state.gathered = state.machine.group();
        let mut yields = 0;
        while yields < YIELDS_MAX && state.machine.arrivals_awaited() {
            state.unlocked(latch::yield_now);
            yields += 1;
        }
        state.gathering = planted!("turn-not-given-back") && yields < YIELDS_MAX;
        // Whoever came meanwhile was sent to sleep.
        state.orphaned = true;
    }

    /// Tells the machine, and whoever waits, what an action of a lane became.
    pub(crate) fn take_back(&self, state: &mut Guard<'_>, event: Event, lane: Lane) {
        let upkeep = lane == Lane::Upkeep;
        let silent = planted!("left-synced-and-no-one-woken")
            && upkeep
            && matches!(event, Event::SyncedLeft { .. });
        let (failures, voided) = (state.machine.failures(), state.machine.failed_end());
        let group = state.machine.group().wrapping_sub(1);
        let opened = Door::opened_by(&event, group, state.machine.is_settled());
        let before = self.observing.as_ref().map(|_| Before::look(&state.machine, &event));
        state.machine.on_event(event);
        state.driving = None;
        state.orphaned |= !upkeep;
        let failed = state.machine.failures() > failures;
        if state.machine.failed_end() > voided {
            let written = state.machine.watermarks().written;
            state.tickets.failed_behind(written);
        }
        self.doors.publish(state.machine.watermarks(), state.machine.failures());
        if upkeep && let Some(first) = state.machine.live().front() {
            self.files.forget_before(first.segment.number());
        }
        if !(planted!("cancelled-waiter") && failed || silent) {
            self.announce(state, opened.filter(|_| !failed), upkeep);
        }
        if failed {
            // What was on its way is in memory again: for some that is something to look at.
            self.call_followers_late(state);
        } else {
            self.call_followers(state);
        }
        self.call_wakers(state, failed);
        self.wake_threads(state);
        if let (Some(before), Some(observing)) = (before, &self.observing) {
            self.report(state, before, observing);
        }
    }

    /// Lets the observers know of the event that was taken. The lock is let go of meanwhile.
    #[cold]
    fn report(&self, state: &mut Guard<'_>, before: Before, observing: &Observing) {
        before.compare(&mut state.machine, observing);
        state.unlocked(|| observing.deliver());
    }

    /// Those who wait without a thread, and reached what they wait for. A failure may concern any.
    fn call_wakers(&self, state: &mut Guard<'_>, failed: bool) {
        let Guard { held, calls, .. } = state;
        let State { machine, tickets, .. } = &mut **held;
        if failed && !planted!("failure-calls-no-waker") {
            tickets.wakers.all(calls);
        } else {
            tickets.reached(machine.watermarks(), calls);
        }
    }

    /// Something happened that somebody may wait for: at these doors, or anywhere.
    fn announce(&self, state: &mut Guard<'_>, opened: Option<Opened>, upkeep: bool) {
        if planted!("lost-wakeup") && upkeep {
            return;
        }
        let Some(opened) = opened else {
            return self.wake_sleepers(state);
        };
        self.progress.notify_all();
        let Guard { held, wakes, .. } = state;
        opened.into_iter().flatten().for_each(|door| wakes.all_at(&mut held.asleep, door));
    }

    /// Has the followers woken, one after the other, if one of them waits for what is visible now, or
    /// nothing ever will be.
    #[inline]
    pub(crate) fn call_followers(&self, state: &mut Guard<'_>) {
        if state.audience.listens() {
            self.call_followers_that_listen(state, false);
        }
    }

    /// `in_time`: here and now, however many they are.
    fn call_followers_that_listen(&self, state: &mut Guard<'_>, in_time: bool) {
        let Guard { held, calls, .. } = state;
        let State { machine, audience, .. } = &mut **held;
        let over = (machine.is_closed() || machine.is_poisoned())
            && !planted!("failure-calls-no-follower");
        if over {
            return audience.call_all(calls);
        }
        let sights = Level::ALL.map(|level| machine.visible(level.durability()));
        if audience.call(sights, || self.clock.now(), Calling { calls, in_time }) {
            self.wake_threads(state);
        }
    }

    /// Followers had to wait for this moment.
    pub(crate) fn call_followers_late(&self, state: &mut Guard<'_>) {
        state.audience.look_again();
        if state.audience.listens() {
            self.call_followers_that_listen(state, true);
        }
    }

    /// A thread that follows at this level, and slept here, passes its turn on.
    pub(crate) fn leave_round(&self, state: &mut Guard<'_>, level: Level, place: Place) {
        let Guard { held, calls, .. } = state;
        let over = held.audience.leave(level, place, &*self.clock, calls);
        if over && !planted!("round-ends-without-a-look") {
            self.call_followers(state);
        }
    }

    /// What a reader is told that met `error`. The files of a closed log may be another's by now, who
    /// removes and recycles them as it likes: what they hold then is no damage.
    pub(crate) fn told_reader(&self, error: Error) -> Error {
        if matches!(error, Error::Closed) || planted!("closed-handle-reads") {
            return error;
        }
        self.state.lock().machine.readable().err().unwrap_or(error)
    }

    /// Wakes everybody who waits for anything.
    pub(crate) fn tell_everybody(&self, state: &mut Guard<'_>) {
        self.wake_sleepers(state);
        let Guard { held, calls, .. } = state;
        held.tickets.wakers.all(calls);
    }

    /// Wakes every thread that sleeps.
    fn wake_sleepers(&self, state: &mut Guard<'_>) {
        self.progress.notify_all();
        let Guard { held, wakes, .. } = state;
        wakes.everybody(&mut held.asleep);
        // A round that has its time may be due at once.
        self.call_followers_late(state);
    }

    /// Does what a call left undone because it would not wait. A failure ends it: on a disk that
    /// takes nothing the same would be tried without end. Who still wants it asks again.
    pub(crate) fn step_for_others(&self, state: &mut Guard<'_>) {
        let before = state.machine.failures();
        while state.machine.failures() == before && self.step(state) {}
    }

    /// Asks for the tickets that are due and that no caller waits for; what that takes is left to a later turn.
    pub(crate) fn look_after_tickets(&self, state: &mut Guard<'_>, now: Duration) {
        if state.machine.is_closed() || state.machine.is_poisoned() {
            return state.tickets.give_up();
        }
        let marks = state.machine.watermarks();
        if let Some(goals) = state.tickets.overdue(marks, now) {
            goals.into_iter().for_each(|goal| state.machine.request(goal));
            state.handed_over = true;
        }
    }

    /// Asks for all tickets that are not reached; whether there are any.
    pub(crate) fn request_tickets(&self, state: &mut Guard<'_>) -> bool {
        let marks = state.machine.watermarks();
        let goals = state.tickets.unreached(marks);
        goals.into_iter().flatten().for_each(|goal| state.machine.request(goal));
        goals.is_some()
    }

    /// Performs the next action of the upkeep lane, if there is one.
    pub(crate) fn tend_step(&self, state: &mut Guard<'_>) -> bool {
        let Some(action) = state.machine.poll_upkeep() else {
            return false;
        };
        let event = state.perform(Lane::Upkeep, || self.performer.perform(action));
        self.take_back(state, event, Lane::Upkeep);
        true
    }

    /// Tells those who tend the log that there is something to do, or to watch for.
    pub(crate) fn wake_threads(&self, state: &mut Guard<'_>) {
        if state.upkeep_rests && state.machine.upkeep_due() {
            state.upkeep_rests = false;
            self.tending.call(Work::Files);
        }
        let due = match state.tender {
            Tender::Awake => false,
            // It sleeps, but perhaps too long.
            Tender::Until(deadline) => {
                let sooner = |at: Option<Duration>| at.is_some_and(|at| at < deadline);
                state.handed_over
                    || state.pursuit.is_some()
                    || sooner(state.interval_ends)
                    || sooner(state.audience.due_at())
                    || sooner(state.tickets.due_at)
            }
            Tender::Rests => {
                let watch = self.options.idle_mark.is_some() && state.machine.idle_mark_due();
                let at = state.interval_ends.or(state.tickets.due_at);
                let at = at.or_else(|| state.audience.due_at());
                watch || state.handed_over || state.pursuit.is_some() || at.is_some()
            }
        };
        if due {
            state.tender = Tender::Awake;
            self.tending.call(Work::Time);
        }
    }

    /// Waits until `goal` is reached or never will be.
    pub(crate) fn reach(&self, state: &mut Guard<'_>, goal: Goal) -> Result<()> {
        self.drive(state, |machine| try_reach(machine, goal))
    }

    /// As [`reach`](Self::reach) for an append that was accepted just now, under this very lock:
    /// nothing of it can have come true or failed yet. Gives the lock up.
    pub(crate) fn settle<'a>(&'a self, mut state: Guard<'a>, goal: Goal) -> Result<()> {
        let failures = state.machine.failures();
        state.machine.request(goal);
        self.sleep(state, goal, failures, |machine| try_reach(machine, goal))
    }

    /// As [`reach_all`](Self::reach_all) for the durability of everything before `end`, but at the
    /// doors where appends wait. An append that ends at `own` and failed is the answer. Gives the lock
    /// up.
    pub(crate) fn settle_all<'a>(
        &'a self,
        mut state: Guard<'a>,
        end: Lsn,
        own: Option<Lsn>,
    ) -> Result<()> {
        let (failures, grave) = (state.machine.failures(), state.machine.grave_failures());
        let goal = Goal::Durable { lsn: NOBODY, end };
        let done = |machine: &mut Machine| {
            let failed = own.and_then(|own| machine.failed_before(own));
            failed.map(Err).or_else(|| try_reach_all(machine, goal, grave))
        };
        if let Some(outcome) = done(&mut state.machine) {
            return outcome;
        }
        state.machine.join(end);
        self.sleep(state, goal, failures, done)
    }

    /// Drives the commit lane, or sleeps at the door of `goal`, which is asked for, until `done` has
    /// the outcome. `failures` were counted when nothing of it had come true or failed.
    pub(crate) fn sleep<'a>(
        &'a self,
        mut state: Guard<'a>,
        goal: Goal,
        failures: u64,
        mut done: impl FnMut(&mut Machine) -> Option<Result<()>>,
    ) -> Result<()> {
        loop {
            // Asking for an action may settle the matter without one, where the log is closed. And who
            // sleeps at a door of a log that does nothing any more is never woken.
            if self.step(&mut state) || state.machine.is_closed() || state.machine.is_poisoned() {
                if let Some(outcome) = done(&mut state.machine) {
                    return outcome;
                }
                continue;
            }
            let door = match goal {
                Goal::Written { end, .. } => Door::written(state.machine.group_of(end)),
                Goal::Durable { end, .. } => Door::durable(state.machine.group_of(end)),
            };
            state.asleep.add(door);
            let seen = self.doors.now(door);
            drop(state);
            let seen = planted!("count-looked-at-too-late", seen => self.doors.now(door));
            self.doors.sleep(door, seen);
            if self.doors.tell(goal, failures) {
                return Ok(());
            }
            state = self.lock();
            if let Some(outcome) = done(&mut state.machine) {
                return outcome;
            }
        }
    }

    /// As [`reach`](Self::reach) for what belongs to no append of the caller's: any failure on
    /// the way ends it.
    pub(crate) fn reach_all(&self, state: &mut Guard<'_>, goal: Goal) -> Result<()> {
        let before = state.machine.grave_failures();
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

    /// As [`admit`](Self::admit) for a trim.
    pub(crate) fn admit_trim(&self, state: &mut Guard<'_>, point: Lsn) -> Result<TrimTaken> {
        let before = state.machine.grave_failures();
        self.drive(state, |machine| try_admit_trim(machine, before, point))
    }

    /// Starts the interval that an append armed.
    pub(crate) fn arm(&self, state: &mut Guard<'_>, interval: Duration) {
        state.interval_ends = Some(self.clock.now().saturating_add(interval));
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
        if outcome.is_err() {
            self.arm_again(state);
        }
        outcome
    }

    /// The end of an interval failed. A failed write of one caller is no reason to leave the records of others
    /// unsynced: another interval begins, if there are any.
    pub(crate) fn arm_again(&self, state: &mut Guard<'_>) {
        if let Durability::Interval(interval) = self.options.durability
            && state.machine.arm_interval()
        {
            state.interval_ends = Some(self.clock.now().saturating_add(interval));
        }
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
