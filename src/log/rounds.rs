//! How threads that follow a log are woken: in rounds, one follower after the other.
//!
//! ```text
//!   sleep    under the lock: a follower enters the next round
//!   round    begins when something is visible that some of them wait for: the first of these is woken
//!   turn     a woken follower passes it on once it has its record, or has nothing and sleeps again
//!   end      no follower of the round is left asleep: if the next one is due it begins, at once or later
//! ```
//!
//! So an append wakes one follower at most, however many there are; those that are awake at one
//! time are few, and so is the memory that they read into. And rounds of many take at most a part of
//! the time: what is appended meanwhile is shown by the next one together. Followers that enter while a
//! round is under way belong to the next, so that no round is without end. Knows neither threads nor
//! files, nor at which level its followers see.

use super::seat::Seat;
use crate::position::Lsn;
use crate::storage::Clock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// Rounds of so many follow each other at once. Under a scheduler of threads few are many.
pub(crate) const FEW: usize = if cfg!(seawall_shuttle) { 1 } else { 8 };
/// After a round of more there is a pause of so many times its length,
const PAUSE: u32 = 9;
/// but no longer than this.
pub(crate) const PAUSE_MAX: Duration =
    Duration::from_millis(if cfg!(seawall_shuttle) { 4 } else { 100 });

/// Where a follower sleeps: what it waits for begins here, and which one it is.
pub(crate) type Place = (Lsn, u64);

/// The rounds of the followers of one level. Kept under the lock.
#[derive(Debug)]
pub(crate) struct Rounds {
    /// Whether there is a thread that keeps deadlines. Otherwise no round waits for one.
    paced: bool,
    entered: u64,
    /// Of the next one: followers that were not woken.
    next: BTreeMap<Place, Arc<Seat>>,
    /// The same of the one that is under way.
    left: BTreeMap<Place, Arc<Seat>>,
    under_way: Option<UnderWay>,
    /// No round of many begins before.
    not_before: Duration,
    /// The next one is due, and waits for that moment.
    due_at: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct UnderWay {
    /// Where the clock was not looked at there is no pause afterwards.
    began: Option<Duration>,
    followers: usize,
    /// Who was woken, and did not take its turn yet.
    offered: Option<Place>,
}

impl Rounds {
    pub(crate) const fn new(paced: bool) -> Self {
        Self {
            paced,
            entered: 0,
            next: BTreeMap::new(),
            left: BTreeMap::new(),
            under_way: None,
            not_before: Duration::ZERO,
            due_at: None,
        }
    }

    /// A follower goes to sleep until there is something beyond `looked_to`.
    pub(crate) fn enter(&mut self, looked_to: Lsn, seat: Arc<Seat>) -> Place {
        self.entered += 1;
        let place = (looked_to, self.entered);
        self.next.insert(place, seat);
        place
    }

    /// Whether followers wait that are to be called once something is visible to them. While a round is
    /// under way, or has its time, none is: their end looks again.
    #[inline]
    pub(crate) fn listen(&self) -> bool {
        !self.next.is_empty() && self.under_way.is_none() && self.due_at.is_none()
    }

    /// Whether one of them waits for what is visible to here.
    pub(crate) fn await_what_is_before(&self, visible: Lsn) -> bool {
        let first = self.next.first_key_value().map(|(&(at, _), _)| at);
        self.listen() && first.is_some_and(|at| at < visible)
    }

    /// The next round begins, of those who wait for what is visible to here, or gets its time; who is
    /// woken then is handed out.
    pub(crate) fn begin(&mut self, visible: Lsn, now: Duration) -> Option<Waker> {
        let many = self.next.range(..(visible, 0)).nth(FEW).is_some() && self.paced;
        // A clock that went back makes no pause longer.
        let not_before = self.not_before.min(now.saturating_add(PAUSE_MAX));
        if many && not_before > now {
            self.due_at = Some(not_before);
            return None;
        }
        self.begin_at(visible, Some(now))
    }

    /// When a round that has its time is to begin.
    pub(crate) const fn due_at(&self) -> Option<Duration> {
        self.due_at
    }

    /// Whether that is now.
    pub(crate) fn due_by(&mut self, now: Duration) -> bool {
        let latest = now.saturating_add(PAUSE_MAX);
        self.due_at = self.due_at.map(|at| at.min(latest));
        self.due_at.is_some_and(|at| at <= now)
    }

    /// Nothing has its time any more: what is due is looked at again.
    pub(crate) const fn look_again(&mut self) {
        self.due_at = None;
    }

    /// As [`begin`](Self::begin), of all, with neither pause nor clock.
    pub(crate) fn begin_at_once(&mut self) -> Option<Waker> {
        let all = Lsn::new(u64::MAX);
        if self.under_way.is_some() { None } else { self.begin_at(all, None) }
    }

    fn begin_at(&mut self, visible: Lsn, began: Option<Duration>) -> Option<Waker> {
        self.due_at = None;
        let later = self.next.split_off(&(visible, 0));
        self.left = std::mem::replace(&mut self.next, later);
        if self.left.is_empty() {
            return None;
        }
        self.under_way = Some(UnderWay { began, followers: self.left.len(), offered: None });
        self.offer()
    }

    /// The turn goes to one that sleeps, if any does.
    fn offer(&mut self) -> Option<Waker> {
        let (place, seat) = self.left.pop_first()?;
        self.under_way.as_mut()?.offered = Some(place);
        Some(Waker::from(seat))
    }

    /// The follower that slept here is done with what it was woken for, or woke by itself. Who is woken
    /// next is handed out; `None` as well where the round is over, or is not this one's affair.
    pub(crate) fn leave(&mut self, place: Place) -> Option<Waker> {
        match &mut self.under_way {
            Some(way) if way.offered == Some(place) => {
                way.offered = None;
                self.offer()
            }
            _ => {
                let _woke_by_itself = self.left.remove(&place).or_else(|| self.next.remove(&place));
                None
            }
        }
    }

    /// Whether the round under way has come to its end.
    pub(crate) fn is_over(&self) -> bool {
        self.left.is_empty() && self.under_way.is_some_and(|way| way.offered.is_none())
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
}

#[cfg(all(test, not(seawall_shuttle)))]
mod tests;
