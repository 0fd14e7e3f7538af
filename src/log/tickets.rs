//! What the log owes to appends that were submitted: their wakers, and the moment at which its own thread
//! writes and syncs what no caller asked for. Pure: takes the time as a value.
//!
//! ```text
//!   a ticket is handed out   due after [`DELAY`], unless others are due before
//!   due, and reached         the next ones are due after [`DELAY`], if there are any
//!   due, and not reached     the thread asks for it; due again after [`AGAIN`], should it fail
//!   asked for, and reached   nothing is due any more: the next ticket has its own [`DELAY`]
//! ```
//!
//! Callers that wait mostly come first: then nothing is done here.

use super::machine::{Goal, Watermarks};
use super::shared::NOBODY;
use super::wakers::{Calls, Wakers};
use crate::position::Lsn;
use std::time::Duration;

/// A ticket that no caller waits for is asked for after so long.
const DELAY: Duration = Duration::from_millis(1);
/// And again, where that failed.
const AGAIN: Duration = Duration::from_millis(100);

/// How far something goes: written, durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    written: Lsn,
    durable: Lsn,
}

impl Ends {
    const NONE: Self = Self { written: Lsn::FIRST, durable: Lsn::FIRST };

    fn are_reached(self, marks: Watermarks) -> bool {
        self.written <= marks.written && self.durable <= marks.durable
    }
}

/// Kept under the lock.
#[derive(Debug)]
pub(crate) struct Tickets {
    pub(crate) wakers: Wakers,
    /// When the log's thread looks after those that no caller waits for.
    pub(crate) due_at: Option<Duration>,
    /// What all tickets want.
    wanted: Ends,
    /// What those want that are due.
    due: Ends,
    /// The thread asked for them, and they are not reached.
    asked: bool,
}

impl Default for Tickets {
    fn default() -> Self {
        let (wakers, wanted, due) = (Wakers::default(), Ends::NONE, Ends::NONE);
        Self { wakers, due_at: None, wanted, due, asked: false }
    }
}

impl Tickets {
    /// A ticket for `goal` was handed out.
    pub(crate) fn note(&mut self, goal: Goal, now: impl FnOnce() -> Duration) {
        match goal {
            Goal::Written { end, .. } => self.wanted.written = self.wanted.written.max(end),
            Goal::Durable { end, .. } => self.wanted.durable = self.wanted.durable.max(end),
        }
        if self.due_at.is_none() && !planted!("dropped-ticket-never-written") {
            self.due = self.wanted;
            self.due_at = Some(now().saturating_add(DELAY));
        }
    }

    /// Whether the log's thread is to look now. A clock that went back holds nothing up.
    pub(crate) fn due_by(&mut self, now: Duration) -> bool {
        let latest = now.saturating_add(AGAIN);
        self.due_at = self.due_at.map(|at| at.min(latest));
        self.due_at.is_some_and(|at| at <= now)
    }

    /// What the thread is to ask for now, of a log that has come so far.
    pub(crate) fn overdue(&mut self, marks: Watermarks, now: Duration) -> Option<[Goal; 2]> {
        if self.wanted.are_reached(marks) {
            self.asked = false;
            self.due_at = None;
            return None;
        }
        let late = !self.due.are_reached(marks);
        self.due = self.wanted;
        self.due_at = Some(now.saturating_add(if late { AGAIN } else { DELAY }));
        if late { self.unreached(marks) } else { None }
    }

    /// A watermark moved. What was asked for and is reached makes no later ticket wait.
    pub(crate) fn reached(&mut self, marks: Watermarks, calls: &mut Calls) {
        self.wakers.reached(marks, calls);
        if self.asked && self.wanted.are_reached(marks) {
            self.give_up();
        }
    }

    /// What is to be asked for of all tickets, due or not.
    pub(crate) fn unreached(&mut self, marks: Watermarks) -> Option<[Goal; 2]> {
        self.asked = !self.wanted.are_reached(marks);
        let Ends { written, durable } = self.wanted;
        let goals = [
            Goal::Written { lsn: NOBODY, end: written },
            Goal::Durable { lsn: NOBODY, end: durable },
        ];
        self.asked.then_some(goals)
    }

    /// A write failed, and took all that was accepted behind `written`: no ticket wants that any more.
    pub(crate) fn failed_behind(&mut self, written: Lsn) {
        for ends in [&mut self.wanted, &mut self.due] {
            ends.written = ends.written.min(written);
            ends.durable = ends.durable.min(written);
        }
    }

    /// Nothing is due any more.
    pub(crate) fn give_up(&mut self) {
        (self.asked, self.due_at) = (false, None);
    }

    /// Whether somebody waits without a thread that would go on where another one stopped.
    pub(crate) fn are_left_to_the_log(&self) -> bool {
        self.asked || !self.wakers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(written: u64, durable: u64) -> Watermarks {
        let lsn = Lsn::new;
        Watermarks { accepted: lsn(1 << 20), written: lsn(written), durable: lsn(durable) }
    }

    fn durable(end: u64) -> Goal {
        Goal::Durable { lsn: NOBODY, end: Lsn::new(end) }
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_ticket_that_no_caller_waits_for_is_asked_for_in_time() {
        let mut tickets = Tickets::default();
        tickets.note(durable(64), || ms(10));
        tickets.note(durable(128), || unreachable!("the time is known already"));
        assert!(!tickets.due_by(ms(10)));
        assert!(tickets.due_by(ms(11)));
        let asked = tickets.overdue(marks(0, 0), ms(11)).expect("no caller asked");
        assert_eq!(asked[1], durable(128));
        assert!(tickets.are_left_to_the_log());
        assert!(!tickets.due_by(ms(110)));
        assert!(tickets.due_by(ms(111)), "in case it failed");
        assert_eq!(tickets.overdue(marks(128, 128), ms(111)), None);
        assert_eq!(tickets.due_at, None);
        assert!(!tickets.are_left_to_the_log());
    }

    #[test]
    fn tickets_that_callers_wait_for_are_left_to_them() {
        let mut tickets = Tickets::default();
        tickets.note(durable(64), || ms(10));
        tickets.note(durable(128), || unreachable!("the time is known already"));
        assert_eq!(tickets.overdue(marks(128, 64), ms(11)), None, "the second is young");
        assert_eq!(tickets.due_at, Some(ms(12)));
        assert_eq!(tickets.overdue(marks(128, 128), ms(12)), None);
        assert_eq!(tickets.due_at, None);
    }

    #[test]
    fn what_failed_is_not_asked_for_without_end() {
        let mut tickets = Tickets::default();
        tickets.note(durable(64), || ms(10));
        tickets.note(durable(128), || unreachable!("the time is known already"));
        tickets.failed_behind(Lsn::new(64));
        let asked = tickets.overdue(marks(64, 0), ms(11)).expect("the first was written");
        assert_eq!(asked[1], durable(64));
        assert_eq!(tickets.overdue(marks(64, 64), ms(111)), None);
        assert_eq!(tickets.due_at, None);
    }

    #[test]
    fn what_was_asked_for_and_came_makes_no_later_ticket_wait() {
        let (mut tickets, mut calls) = (Tickets::default(), Calls::default());
        tickets.note(durable(64), || ms(10));
        assert!(tickets.overdue(marks(0, 0), ms(11)).is_some());
        tickets.reached(marks(64, 0), &mut calls);
        assert_eq!(tickets.due_at, Some(ms(111)), "it is not there yet");
        tickets.reached(marks(64, 64), &mut calls);
        assert_eq!(tickets.due_at, None);
        tickets.note(durable(128), || ms(20));
        assert_eq!(tickets.due_at, Some(ms(21)));
    }

    #[test]
    fn a_clock_that_goes_back_holds_nothing_up() {
        let mut tickets = Tickets::default();
        tickets.note(durable(64), || ms(1_000_000));
        assert!(!tickets.due_by(ms(5)));
        assert!(tickets.due_by(ms(105)));
    }
}
