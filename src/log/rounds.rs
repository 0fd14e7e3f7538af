//! How followers that wait for records are woken: in rounds, one follower after the other.
//!
//! ```text
//!   sleep    under the lock: a follower enters the next round
//!   round    begins when records are visible that one of them waits for: the first is woken
//!   turn     a woken follower passes it on once it has its record, or has nothing and sleeps again
//!   end      no follower of the round is left asleep: if the next one is due it begins, at once or later
//! ```
//!
//! So an append wakes one follower at most, however many there are; those that are awake at one
//! time are few, and so is the memory that they read into. And rounds of many take at most a part of
//! the time: what is appended meanwhile is shown by the next one together. Followers that enter while a
//! round is under way belong to the next, so that no round is without end: two places to sleep at are
//! enough. Knows neither threads nor files.

use super::doors::Door;
use crate::position::Lsn;
use crate::storage::Clock;
use std::time::Duration;

/// Rounds of so many follow each other at once. Under a scheduler of threads few are many.
const FEW: u32 = if cfg!(seawall_shuttle) { 1 } else { 8 };
/// After a round of more there is a pause of so many times its length,
const PAUSE: u32 = 9;
/// but no longer than this.
const PAUSE_MAX: Duration = Duration::from_millis(if cfg!(seawall_shuttle) { 4 } else { 100 });

/// Nothing is ever visible beyond.
const NOBODY_WAITS: Lsn = Lsn::new(u64::MAX);

/// Which of two places a follower sleeps at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Round(bool);

impl Round {
    const fn next(self) -> Self {
        Self(!self.0)
    }

    pub(crate) const fn door(self) -> Door {
        Door::round(self.0)
    }
}

/// The rounds of a log. Kept under the lock.
#[derive(Debug)]
pub(crate) struct Rounds {
    /// Whether there is a thread that keeps deadlines. Otherwise no round waits for one.
    paced: bool,
    /// The one that followers enter.
    next: Round,
    /// Of the round before, and of the next one: followers that were not woken.
    asleep: [u32; 2],
    /// The lowest position of those that entered the next one.
    from: Lsn,
    under_way: Option<UnderWay>,
    /// No round of many begins before.
    not_before: Duration,
    /// The next one is due, and waits for that moment.
    pub(crate) due_at: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct UnderWay {
    /// Where the clock was not looked at there is no pause afterwards.
    began: Option<Duration>,
    followers: u32,
    /// A follower was woken, and did not take its turn yet.
    offered: bool,
}

impl Rounds {
    pub(crate) const fn new(paced: bool) -> Self {
        Self {
            paced,
            next: Round(false),
            asleep: [0; 2],
            from: NOBODY_WAITS,
            under_way: None,
            not_before: Duration::ZERO,
            due_at: None,
        }
    }

    /// A follower goes to sleep until there is something beyond `looked_to`.
    pub(crate) fn enter(&mut self, looked_to: Lsn) -> Round {
        *self.asleep_in(self.next) += 1;
        self.from = self.from.min(looked_to);
        self.next
    }

    /// Whether followers wait that are to be called once something is visible to them. While a round is
    /// under way, or has its time, none is: their end looks again.
    #[inline]
    pub(crate) fn listen(&self) -> bool {
        self.from != NOBODY_WAITS && self.under_way.is_none() && self.due_at.is_none()
    }

    /// Whether one of them waits for what is visible to here.
    #[inline]
    pub(crate) fn await_what_is_before(&self, visible: Lsn) -> bool {
        self.listen() && visible > self.from
    }

    /// The next round begins, or gets its time; who is woken then sleeps at this door.
    pub(crate) fn begin(&mut self, now: Duration) -> Option<Door> {
        let many = *self.asleep_in(self.next) > FEW && self.paced;
        // A clock that went back makes no pause longer.
        let not_before = self.not_before.min(now.saturating_add(PAUSE_MAX));
        if many && not_before > now {
            self.due_at = Some(not_before);
            return None;
        }
        self.begin_at(Some(now))
    }

    /// Whether a round that has its time is to begin now.
    pub(crate) fn due_by(&mut self, now: Duration) -> bool {
        let latest = now.saturating_add(PAUSE_MAX);
        self.due_at = self.due_at.map(|at| at.min(latest));
        self.due_at.is_some_and(|at| at <= now)
    }

    /// As [`begin`](Self::begin), with neither pause nor clock.
    pub(crate) fn begin_at_once(&mut self) -> Option<Door> {
        if self.under_way.is_some() { None } else { self.begin_at(None) }
    }

    fn begin_at(&mut self, began: Option<Duration>) -> Option<Door> {
        self.due_at = None;
        let round = self.next;
        let followers = *self.asleep_in(round);
        self.from = NOBODY_WAITS;
        if followers == 0 {
            return None;
        }
        self.next = round.next();
        self.under_way = Some(UnderWay { began, followers, offered: false });
        self.offer()
    }

    /// The turn goes to one that sleeps, if any does.
    fn offer(&mut self) -> Option<Door> {
        let round = self.next.next();
        let asleep = self.asleep_in(round);
        *asleep = asleep.checked_sub(1)?;
        self.under_way.as_mut()?.offered = true;
        Some(round.door())
    }

    /// A follower that slept in `round` is done with what it was woken for, or woke by itself. Who is
    /// woken next sleeps at this door; `None` as well where the round is over, or is not this one's
    /// affair.
    pub(crate) fn leave(&mut self, round: Round) -> Option<Door> {
        match &mut self.under_way {
            // Whose turn it was meant to be does not matter: one takes it for the other.
            Some(way) if way.offered && round != self.next => {
                way.offered = false;
                self.offer()
            }
            _ => {
                let asleep = self.asleep_in(round);
                *asleep = asleep.saturating_sub(1);
                None
            }
        }
    }

    /// Whether the round under way has come to its end.
    pub(crate) fn is_over(&mut self) -> bool {
        let before = self.next.next();
        let left = *self.asleep_in(before);
        left == 0 && self.under_way.is_some_and(|way| !way.offered)
    }

    /// The round is over. The clock is looked at where that matters.
    pub(crate) fn end(&mut self, clock: &dyn Clock) {
        if let Some(UnderWay { began: Some(began), followers, .. }) = self.under_way.take()
            && self.paced
            && followers > FEW
        {
            let now = clock.now();
            let pause = now.saturating_sub(began).saturating_mul(PAUSE).min(PAUSE_MAX);
            self.not_before = now.saturating_add(pause);
        }
    }

    fn asleep_in(&mut self, round: Round) -> &mut u32 {
        let [even, odd] = &mut self.asleep;
        if round.0 { odd } else { even }
    }
}
