//! Threads that several logs of a process share, in place of two for each.
//!
//! ```text
//!   two kinds of work      time: deadlines      files: preparing, retiring, removing
//!   a member is called     it waits in line behind the other members that have work of this kind
//!   its turn               one piece of work, one action of the disk at most; then it says how it rests:
//!                          again (at the end of the line), for so long, or until it is called
//!   it leaves              once none of the threads works for it
//! ```
//!
//! Half of the threads do work of one kind, half of the other, and one thread at a time works for a
//! member in each kind. Knows neither logs nor disks.

use super::{Clock, SystemClock};
use crate::storage::latch::{self, Condvar, JoinHandle, Mutex, MutexGuard, ThreadId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

/// Threads that logs share: for deadlines (intervals, idle marks, followers, tickets), and for files
/// (preparing, retiring and removing segments). A log that is not given any has two of its own.
///
/// A clone is the same threads. They end when the last clone is dropped, and the last log that uses them
/// is closed.
///
/// **What is isolated.** Appends, syncs, reads, trims and closes are done by their callers, as ever. In the
/// background each log takes its turn, for one action of its disk at a time, so a log that has much to do
/// holds no other up for longer than that. An action that does not return, because a disk is stuck, keeps
/// its thread: with two threads the deadlines of the other logs wait for it (an append that waits for its
/// own durability does not; an interval, a ticket that is dropped or polled, and an idle mark do). A log keeps
/// at most one thread of each kind, so among `2 * n` threads `n - 1` stuck disks hold no other log up. A panic
/// of a storage or an observer ends the log that it belongs to, and no thread.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = std::env::temp_dir().join(format!("seawall-shared-{}", std::process::id()));
/// use seawall::{Environment, Log, Options, Threads};
///
/// std::fs::create_dir_all(&dir)?;
/// let threads = Threads::new(2)?;
/// let open = |name: &str| {
///     let environment = Environment::real(dir.join(name))?.shared_threads(threads.clone());
///     Ok::<_, Box<dyn std::error::Error>>(Log::open_in(environment, Options::new())?)
/// };
/// let logs = [open("first")?, open("second")?];
/// for log in &logs {
///     log.append(b"a record")?;
///     log.close()?;
/// }
/// # std::fs::remove_dir_all(&dir).ok();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Threads(Arc<Owner>);

/// Ends the threads when it is dropped.
struct Owner {
    pool: Arc<Pool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Time,
    Files,
}

/// How a member rests when its turn is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Not at all: there is more to do.
    Again,
    /// No longer than this.
    For(Duration),
    UntilCalled,
}

/// Whom the threads work for.
pub(crate) trait Tended: Send + Sync {
    /// One piece of work. What is called for meanwhile brings the next turn.
    fn turn(&self, work: Work) -> Rest;
}

/// A place among those whom the threads work for. It leaves when it is asked to.
#[derive(Clone)]
pub(crate) struct Member {
    pool: Arc<Pool>,
    id: u64,
    /// The threads go on for as long as they have a member.
    _owner: Threads,
}

struct Pool {
    state: Mutex<State>,
    time: Condvar,
    files: Condvar,
    /// A turn of a member that leaves is over.
    left: Condvar,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    members: BTreeMap<u64, Place>,
    time: VecDeque<u64>,
    files: VecDeque<u64>,
    /// Members that rest for a time.
    alarms: BTreeSet<(Duration, u64)>,
    entered: u64,
    stop: bool,
}

struct Place {
    tended: Option<Arc<dyn Tended>>,
    time: Turn,
    files: Turn,
    alarm: Option<Duration>,
    /// The threads that are at work for it.
    by: Vec<ThreadId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Rests,
    Waits,
    Works,
    /// It was called meanwhile.
    WorksAndWaits,
    /// It never has a turn again.
    Over,
}

impl Place {
    fn of(&mut self, work: Work) -> &mut Turn {
        match work {
            Work::Time => &mut self.time,
            Work::Files => &mut self.files,
        }
    }

    /// Whether another thread than this one is at work.
    fn is_at_work(&self) -> bool {
        let this = latch::current_id();
        self.by.iter().any(|thread| *thread != this)
    }
}

impl State {
    fn line(&mut self, work: Work) -> &mut VecDeque<u64> {
        match work {
            Work::Time => &mut self.time,
            Work::Files => &mut self.files,
        }
    }

    /// Puts a member in line; whether a thread is to be woken for it.
    fn call(&mut self, id: u64, work: Work) -> bool {
        let Some(place) = self.members.get_mut(&id) else { return false };
        match place.of(work) {
            turn @ Turn::Rests => {
                *turn = Turn::Waits;
                if work == Work::Time
                    && let Some(alarm) = place.alarm.take()
                {
                    self.alarms.remove(&(alarm, id));
                }
                self.line(work).push_back(id);
                true
            }
            turn @ Turn::Works => {
                if !planted!("call-during-a-turn-forgotten") {
                    *turn = Turn::WorksAndWaits;
                }
                false
            }
            Turn::Waits | Turn::WorksAndWaits | Turn::Over => false,
        }
    }

    /// Those whose time has come wait in line.
    fn ring(&mut self, now: Duration) {
        while let Some(&(at, id)) = self.alarms.first().filter(|(at, _)| *at <= now) {
            self.alarms.remove(&(at, id));
            if let Some(place) = self.members.get_mut(&id) {
                place.alarm = None;
            }
            self.call(id, Work::Time);
        }
    }

    /// The member that is next in line has its turn from now on.
    fn next(&mut self, work: Work) -> Option<(u64, Arc<dyn Tended>)> {
        while let Some(id) = self.line(work).pop_front() {
            if let Some(place) = self.members.get_mut(&id)
                && let Some(tended) = place.tended.clone()
            {
                *place.of(work) = Turn::Works;
                place.by.push(latch::current_id());
                return Some((id, tended));
            }
        }
        None
    }

    /// A turn is over.
    fn rest(&mut self, id: u64, work: Work, rest: Rest, now: Duration) {
        let Some(place) = self.members.get_mut(&id) else { return };
        let this = latch::current_id();
        place.by.retain(|thread| *thread != this);
        let turn = place.of(work);
        let called = *turn == Turn::WorksAndWaits;
        if *turn == Turn::Over {
            return;
        }
        *turn = Turn::Rests;
        match rest {
            _ if called => _ = self.call(id, work),
            Rest::Again => _ = self.call(id, work),
            Rest::For(time) => {
                let at = now.saturating_add(time);
                place.alarm = Some(at);
                self.alarms.insert((at, id));
            }
            Rest::UntilCalled => {}
        }
    }
}

impl Threads {
    /// Starts so many, at least two.
    ///
    /// # Errors
    /// What the operating system says when it cannot.
    pub fn new(count: usize) -> io::Result<Self> {
        Self::on(count, Arc::new(SystemClock::default()))
    }

    /// The same on a clock that says how long a log rests, which is no clock of the logs.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn on(count: usize, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let pool = Arc::new(Pool {
            state: Mutex::new(State::default()),
            time: Condvar::new(),
            files: Condvar::new(),
            left: Condvar::new(),
            clock,
        });
        let owner = Owner { pool, threads: Mutex::new(Vec::new()) };
        for nth in 0..count.max(2) {
            let pool = Arc::clone(&owner.pool);
            let (work, name) = match nth % 2 {
                0 => (Work::Time, "seawall-time"),
                _ => (Work::Files, "seawall-files"),
            };
            // Should one not start, dropping the owner ends the others.
            let thread = latch::spawn(name, move || pool.work(work))?;
            owner.threads.lock().push(thread);
        }
        Ok(Self(Arc::new(owner)))
    }

    /// A place for a member, which the threads work for once it begins.
    pub(crate) fn enter(&self) -> Member {
        let mut state = self.0.pool.state.lock();
        state.entered += 1;
        let id = state.entered;
        let place = Place {
            tended: None,
            time: Turn::Rests,
            files: Turn::Rests,
            alarm: None,
            by: Vec::new(),
        };
        state.members.insert(id, place);
        Member { pool: Arc::clone(&self.0.pool), id, _owner: self.clone() }
    }
}

impl Member {
    /// Both kinds of work begin.
    pub(crate) fn begin(&self, tended: Arc<dyn Tended>) {
        let mut state = self.pool.state.lock();
        if let Some(place) = state.members.get_mut(&self.id) {
            place.tended = Some(tended);
            (place.time, place.files) = (Turn::Rests, Turn::Rests);
        }
        drop(state);
        self.call(Work::Time);
        self.call(Work::Files);
    }

    /// There is work of this kind.
    pub(crate) fn call(&self, work: Work) {
        if self.pool.state.lock().call(self.id, work) {
            self.pool.condition(work).notify_one();
        }
    }

    /// From the return of this on no thread works for it, or ever will. Waits for turns that are under way,
    /// but for the one that it is called in.
    pub(crate) fn leave(&self) {
        let mut state = self.pool.state.lock();
        let mut tended = None;
        if let Some(place) = state.members.get_mut(&self.id) {
            tended = place.tended.take();
        }
        while state.members.get(&self.id).is_some_and(Place::is_at_work) {
            self.pool.left.wait(&mut state);
        }
        if let Some(alarm) = state.members.remove(&self.id).and_then(|place| place.alarm) {
            state.alarms.remove(&(alarm, self.id));
        }
        drop(state);
        // The last that knows it may drop more than itself.
        drop(tended);
    }
}

impl Pool {
    fn condition(&self, work: Work) -> &Condvar {
        match work {
            Work::Time => &self.time,
            Work::Files => &self.files,
        }
    }

    /// What one thread does.
    fn work(&self, work: Work) {
        let mut state = self.state.lock();
        while !state.stop {
            let now = self.clock.now();
            if work == Work::Time {
                state.ring(now);
            }
            match state.next(work) {
                Some((id, tended)) => self.take_turn(&mut state, (id, work), tended),
                None => self.rest(&mut state, work, now),
            }
        }
    }

    fn take_turn(
        &self,
        state: &mut MutexGuard<'_, State>,
        (id, work): (u64, Work),
        tended: Arc<dyn Tended>,
    ) {
        // More may wait than one thread was woken for, and no other may watch the clock.
        if !state.line(work).is_empty() || work == Work::Time && !state.alarms.is_empty() {
            self.condition(work).notify_one();
        }
        let rest = MutexGuard::unlocked(state, || {
            // What unwinds has printed why, and its log is poisoned.
            let rest = panic::catch_unwind(AssertUnwindSafe(|| tended.turn(work)));
            drop(tended);
            rest
        });
        if let (Err(_), Some(place)) = (&rest, state.members.get_mut(&id)) {
            *place.of(work) = Turn::Over;
        }
        let now = self.clock.now();
        state.rest(id, work, rest.unwrap_or(Rest::UntilCalled), now);
        self.left.notify_all();
    }

    fn rest(&self, state: &mut MutexGuard<'_, State>, work: Work, now: Duration) {
        let alarm = state.alarms.first().map(|(at, _)| at.saturating_sub(now));
        match alarm.filter(|_| work == Work::Time) {
            Some(time) => _ = self.time.wait_for(state, time),
            None => self.condition(work).wait(state),
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if latch::execution_is_over() {
            return;
        }
        self.pool.state.lock().stop = true;
        self.pool.time.notify_all();
        self.pool.files.notify_all();
        for thread in self.threads.lock().drain(..) {
            // Dropped by one of them: it ends by itself.
            if !latch::is_current(&thread) {
                let _printed = thread.join();
            }
        }
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.pool.state.lock();
        f.debug_struct("Threads").field("logs", &state.members.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Member").field(&self.id).finish()
    }
}

#[cfg(all(test, not(seawall_shuttle)))]
mod tests;
