//! The receipt of an append that did not wait: where its records stand, and, for as long as one likes to
//! ask, what became of them.
//!
//! ```text
//!   submitted --> written --> durable        an answer once given stays the same
//!            \--> failed                     its write failed: it is not in the log
//! ```
//!
//! A waiting call drives the log as an append does. A poll leaves that to the log's own thread.

use super::attempts::{grave_failure_since, try_reach};
use super::handle::Log;
use super::machine::{Goal, Machine};
use super::options::Durability;
use super::placed::Placed;
use super::record::Receipt;
use super::shared::{NOBODY, Shared};
use super::wakers::Place;
use crate::error::{Error, Result};
use crate::position::Lsn;
use crate::storage::latch::{self, AtomicU64, Ordering};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// An append that was taken by [`Log::submit`]. Tickets of one log, in the order of their submits, are in
/// the order of their LSNs.
///
/// It may be asked any number of times, at any level, from any thread, and also after the log was
/// closed. Dropped, it cancels nothing: the records are written all the same, and synced if that is
/// their level, by a thread of the log if no caller waits for it, within milliseconds unless the disk
/// takes longer.
///
/// As a future it resolves, without a runtime of any kind, once the level of its submit is reached.
#[must_use = "a ticket tells whether the records came into the log"]
pub struct Ticket {
    shared: Arc<Shared>,
    placed: Placed,
    level: Durability,
    /// Failures that were counted when it was taken: while there are no more a watermark is an answer.
    failures: u64,
    /// The goals that are known to be reached, a bit each.
    reached: AtomicU64,
    place: Option<Place>,
    /// Grave failures there were when it began to poll for more than its level.
    polled: Option<u64>,
}

/// What a ticket is made of.
pub(super) struct Taken {
    pub(super) placed: Placed,
    pub(super) level: Durability,
    pub(super) failures: u64,
}

impl Ticket {
    pub(super) fn new(shared: Arc<Shared>, taken: Taken) -> Self {
        let Taken { placed, level, failures } = taken;
        let reached = AtomicU64::new(0);
        let (place, polled) = (None, None);
        Self { shared, placed, level, failures, reached, place, polled }
    }

    /// LSN of the first frame.
    #[must_use]
    pub fn lsn(&self) -> Lsn {
        self.placed.receipt().lsn
    }

    /// Where the next append may go.
    #[must_use]
    pub fn end(&self) -> Lsn {
        self.placed.receipt().end
    }

    /// Both, as an append returns them.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        self.placed.receipt()
    }

    /// How many records were submitted.
    #[must_use]
    pub fn records(&self) -> u32 {
        self.placed.records()
    }

    /// The address of the `nth` record of the batch, counted from 0, which [`Log::read_at`] reads: its
    /// frame, and its index there. `None` past the last one.
    #[must_use]
    pub fn place(&self, nth: u32) -> Option<(Lsn, u32)> {
        self.placed.place(nth)
    }

    /// The addresses of all records, which remain of use when the ticket is gone.
    #[must_use]
    pub fn placed(&self) -> &Placed {
        &self.placed
    }

    /// Waits until the records are as safe as `level` says. [`Durability::Buffered`] is reached as soon
    /// as there is a ticket. Starts the write or the sync itself, and never waits for another's.
    ///
    /// # Errors
    /// Of the level of the submit, and below it, the same however often it is asked: [`Error::Full`],
    /// [`Error::Io`]: the write failed, and the records are not in the log; [`Error::Poisoned`],
    /// [`Error::Disturbed`]; [`Error::Closed`]. Above it also what a failure of others says: the
    /// records are in the log still, and it may be asked again.
    pub fn wait(&self, level: Durability) -> Result<()> {
        let Some(goal) = self.goal(level) else { return Ok(()) };
        if self.is_known(goal) {
            return Ok(());
        }
        let mut state = self.shared.lock();
        let before = state.machine.grave_failures();
        if let Some(outcome) = self.outcome(&mut state.machine, goal, before) {
            return self.note(goal, outcome);
        }
        let outcome = if self.is_awaited() {
            state.machine.request(goal);
            self.shared.sleep(state, goal, self.failures, |machine| try_reach(machine, goal))
        } else if let Goal::Durable { end, .. } = goal {
            self.shared.settle_all(state, end, Some(end))
        } else {
            self.shared.reach_all(&mut state, goal)
        };
        self.note(goal, outcome)
    }

    /// As [`wait`](Self::wait), without waiting: where it would, `waker` is called once it is worth asking
    /// again. Of several polls the last waker counts. Performs no I/O.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn poll(&mut self, level: Durability, waker: &Waker) -> Poll<Result<()>> {
        let Some(goal) = self.goal(level) else { return Poll::Ready(Ok(())) };
        if self.is_known(goal) {
            return Poll::Ready(Ok(()));
        }
        // Code of the caller, as its drop is: not under the lock.
        let waker = waker.clone();
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        let before = *self.polled.get_or_insert_with(|| state.machine.grave_failures());
        if let Some(outcome) = self.outcome(&mut state.machine, goal, before) {
            let old = self.place.take().and_then(|place| state.tickets.wakers.withdraw(place));
            drop(state);
            drop((old, waker));
            self.polled = None;
            return Poll::Ready(self.note(goal, outcome));
        }
        if planted!("waker-lost-before-it-is-entered") {
            drop(state);
            state = shared.lock();
        }
        state.machine.request(goal);
        let old = state.tickets.wakers.enter(goal, &mut self.place, waker);
        state.handed_over = true;
        shared.wake_threads(&mut state);
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// What has to come true for this level; `None` where a ticket says all.
    fn goal(&self, level: Durability) -> Option<Goal> {
        let Receipt { lsn, end } = self.placed.receipt();
        let lsn = if self.is_awaited() { lsn } else { NOBODY };
        match (self.shared.options.durability, level) {
            _ if self.placed.records() == 0 => None,
            (_, Durability::Buffered) => None,
            (_, Durability::Os) | (Durability::Interval(_), Durability::Interval(_)) => {
                Some(Goal::Written { lsn, end })
            }
            (_, Durability::Interval(_) | Durability::Sync) => Some(Goal::Durable { lsn, end }),
        }
    }

    /// Whether a failed write takes the records out of the log. Those that are only buffered stay, to
    /// be written again.
    fn is_awaited(&self) -> bool {
        self.level != Durability::Buffered
    }

    fn is_known(&self, goal: Goal) -> bool {
        if self.reached.load(Ordering::Acquire) & bit(goal) != 0 {
            return true;
        }
        let known = self.is_awaited() && self.shared.doors.tell(goal, self.failures);
        if known {
            self.reached.fetch_or(bit(goal), Ordering::AcqRel);
        }
        known
    }

    fn outcome(&self, machine: &mut Machine, goal: Goal, before: u64) -> Option<Result<()>> {
        if planted!("ticket-answered-by-watermark-alone") {
            let marks = machine.watermarks();
            let (mark, end) = match goal {
                Goal::Written { end, .. } => (marks.written, end),
                Goal::Durable { end, .. } => (marks.durable, end),
            };
            if mark >= end {
                return Some(Ok(()));
            }
        }
        let outcome = machine.outcome(goal);
        if self.is_awaited() {
            return outcome;
        }
        outcome.or_else(|| grave_failure_since(machine, before).map(Err))
    }

    fn note(&self, goal: Goal, outcome: Result<()>) -> Result<()> {
        if outcome.is_ok() {
            self.reached.fetch_or(bit(goal), Ordering::AcqRel);
        }
        outcome
    }
}

const fn bit(goal: Goal) -> u64 {
    match goal {
        Goal::Written { .. } => 1,
        Goal::Durable { .. } => 2,
    }
}

impl Future for Ticket {
    type Output = Result<Receipt, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ticket = self.get_mut();
        let (level, receipt) = (ticket.level, ticket.receipt());
        Self::poll(ticket, level, context.waker()).map(|outcome| outcome.map(|()| receipt))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(place) = self.place.take()
            && !latch::execution_is_over()
        {
            let old = self.shared.lock().tickets.wakers.withdraw(place);
            drop(old);
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("lsn", &self.lsn())
            .field("end", &self.end())
            .field("records", &self.records())
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// The log that a ticket belongs to is named in errors only; it may be gone.
const _: fn() = || {
    fn shared_between_threads<T: Send + Sync + Unpin>() {}
    shared_between_threads::<Ticket>();
    shared_between_threads::<Log>();
};
