//! Who follows a log and waits: at each of three levels, threads that sleep, and polls that wait by a
//! waker.
//!
//! ```text
//!   level       waits for                      threads       polls
//!   accepted    an append                      in rounds     few: called at once, all that have something
//!   written     a write that came back         (`rounds`)    many: by the log's own thread, all at once, and
//!   durable     a sync, or what proves it                    not too often
//! ```
//!
//! Followers of one level are not called by what another one shows. A poll that was called owes nobody
//! anything: unlike a thread it may look much later, or never. Knows neither threads nor files.

use super::options::Durability;
use super::rounds::{FEW, PAUSE_MAX, Place, Rounds};
use super::seat::Seat;
use super::wakers::{Calls, Queue};
use crate::position::Lsn;
use crate::storage::Clock;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// After many polls were called there is a pause of so long for each of them: about nine times what
/// it takes to look.
const PAUSE_EACH: Duration = Duration::from_micros(9);

/// At which level a follower sees records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Accepted,
    Written,
    Durable,
}

impl Level {
    pub(crate) const ALL: [Self; 3] = [Self::Accepted, Self::Written, Self::Durable];

    pub(crate) const fn of(durability: Durability) -> Self {
        match durability {
            Durability::Buffered => Self::Accepted,
            Durability::Os => Self::Written,
            Durability::Interval(_) | Durability::Sync => Self::Durable,
        }
    }

    /// What has to be true of a record before it is shown.
    pub(crate) const fn durability(self) -> Durability {
        match self {
            Self::Accepted => Durability::Buffered,
            Self::Written => Durability::Os,
            Self::Durable => Durability::Sync,
        }
    }
}

/// How far the log can be seen at each level.
pub(crate) type Sights = [Lsn; 3];

/// Those who wait for what is visible at one level.
#[derive(Debug)]
struct Row {
    threads: Rounds,
    polls: Polls,
}

/// All of them. Kept under the lock.
#[derive(Debug)]
pub(crate) struct Audience {
    rows: [Row; 3],
}

impl Audience {
    /// `paced`: there is a thread that keeps deadlines.
    pub(crate) const fn new(paced: bool) -> Self {
        const fn row(paced: bool) -> Row {
            Row { threads: Rounds::new(paced), polls: Polls::new(paced) }
        }
        Self { rows: [row(paced), row(paced), row(paced)] }
    }

    fn row(&mut self, level: Level) -> &mut Row {
        let [accepted, written, durable] = &mut self.rows;
        match level {
            Level::Accepted => accepted,
            Level::Written => written,
            Level::Durable => durable,
        }
    }

    /// A thread goes to sleep until something beyond `looked_to` can be seen.
    pub(crate) fn enter(&mut self, level: Level, looked_to: Lsn, seat: Arc<Seat>) -> Place {
        self.row(level).threads.enter(looked_to, seat)
    }

    /// A poll waits for the same.
    pub(crate) fn enter_poll(&mut self, level: Level, looked_to: Lsn, waker: Waker) -> Place {
        self.row(level).polls.queue.enter(looked_to, waker)
    }

    /// It does not wait any more.
    pub(crate) fn withdraw_poll(&mut self, level: Level, place: Place) -> Option<Waker> {
        self.row(level).polls.queue.withdraw(place)
    }

    /// A thread that slept passes its turn on; see [`Rounds::leave`]. Whether its round is over, and what is
    /// visible is to be looked at.
    pub(crate) fn leave(
        &mut self,
        level: Level,
        place: Place,
        clock: &dyn Clock,
        calls: &mut Calls,
    ) -> bool {
        let threads = &mut self.row(level).threads;
        let next = threads.leave(place);
        let over = next.is_none() && threads.is_over();
        calls.add(next);
        if over {
            threads.end(clock);
        }
        over
    }

    /// Whether anybody waits who is to be called once something can be seen.
    #[inline]
    pub(crate) fn listens(&self) -> bool {
        self.rows.iter().any(Row::listens)
    }

    /// Whether anybody does who is shown what is only accepted.
    #[inline]
    pub(crate) fn listens_to_appends(&self) -> bool {
        let [accepted, ..] = &self.rows;
        accepted.listens()
    }

    /// Calls those who wait for what can be seen now. Whether some got a time instead, at which the log's own
    /// thread calls them.
    pub(crate) fn call(
        &mut self,
        sights: Sights,
        now: impl Fn() -> Duration,
        by: Calling<'_>,
    ) -> bool {
        let Calling { calls, in_time } = by;
        let mut postponed = false;
        for (row, end) in self.rows.iter_mut().zip(sights) {
            if row.threads.await_what_is_before(end) {
                let woken = row.threads.begin(end, now());
                postponed |= woken.is_none();
                calls.add(woken);
            }
            postponed |= row.polls.call(end, &now, Calling { calls, in_time });
        }
        postponed
    }

    /// Calls all: the log has come to its end.
    pub(crate) fn call_all(&mut self, calls: &mut Calls) {
        for row in &mut self.rows {
            calls.add(row.threads.begin_at_once());
            row.polls.all(calls);
        }
    }

    /// The first moment at which somebody is to be called.
    pub(crate) fn due_at(&self) -> Option<Duration> {
        let both = |row: &Row| [row.threads.due_at(), row.polls.due_at];
        self.rows.iter().flat_map(both).flatten().min()
    }

    /// Whether that is now. A clock that went back holds nothing up.
    pub(crate) fn due_by(&mut self, now: Duration) -> bool {
        let row = |row: &mut Row| row.threads.due_by(now) | row.polls.due_by(now);
        self.rows.iter_mut().fold(false, |due, each| row(each) | due)
    }

    /// What has its time is looked at again, by who calls next.
    pub(crate) fn look_again(&mut self) {
        for row in &mut self.rows {
            row.threads.look_again();
            row.polls.due_at = None;
        }
    }
}

/// Where those go who are to be called.
pub(crate) struct Calling<'a> {
    pub(crate) calls: &'a mut Calls,
    /// By the log's own thread, or for a reason so rare that it does not matter who pays for it.
    pub(crate) in_time: bool,
}

impl Row {
    #[inline]
    fn listens(&self) -> bool {
        self.threads.listen() || self.polls.listen()
    }
}

/// Polls that wait, of one level.
#[derive(Debug)]
struct Polls {
    queue: Queue,
    paced: bool,
    not_before: Duration,
    due_at: Option<Duration>,
}

impl Polls {
    const fn new(paced: bool) -> Self {
        Self { queue: Queue::new(), paced, not_before: Duration::ZERO, due_at: None }
    }

    #[inline]
    fn listen(&self) -> bool {
        !self.queue.is_empty() && self.due_at.is_none()
    }

    fn call(&mut self, end: Lsn, now: impl Fn() -> Duration, by: Calling<'_>) -> bool {
        // What begins at `end` cannot be seen.
        let waits = self.queue.first().is_some_and(|at| at < end);
        if !waits || !self.listen() {
            return false;
        }
        let many = self.paced && self.queue.len() > FEW;
        if many {
            let now = now();
            let at = self.not_before.min(now.saturating_add(PAUSE_MAX)).max(now);
            if !by.in_time || at > now {
                self.due_at = Some(at);
                return true;
            }
            let count = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
            let pause = PAUSE_EACH.saturating_mul(count).min(PAUSE_MAX);
            self.not_before = now.saturating_add(pause);
        }
        self.queue.before(end, by.calls);
        false
    }

    fn all(&mut self, calls: &mut Calls) {
        self.due_at = None;
        self.queue.all(calls);
    }

    fn due_by(&mut self, now: Duration) -> bool {
        let latest = now.saturating_add(PAUSE_MAX);
        self.due_at = self.due_at.map(|at| at.min(latest));
        self.due_at.is_some_and(|at| at <= now)
    }
}

#[cfg(all(test, not(seawall_shuttle)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Counted {
        fn count(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    const fn lsn(at: u64) -> Lsn {
        Lsn::new(at)
    }

    fn called(audience: &mut Audience, sights: Sights, now: Duration, in_time: bool) -> bool {
        let mut calls = Calls::default();
        audience.call(sights, || now, Calling { calls: &mut calls, in_time })
    }

    const NOW: Duration = Duration::from_secs(1);

    #[test]
    fn each_level_is_called_by_its_own_watermark_and_not_by_what_begins_there() {
        let mut audience = Audience::new(true);
        let counts: Vec<Arc<Counted>> = Level::ALL.iter().map(|_| Arc::default()).collect();
        for (level, count) in Level::ALL.into_iter().zip(&counts) {
            audience.enter_poll(level, lsn(64), Waker::from(Arc::clone(count)));
        }
        let all = |counts: &[Arc<Counted>]| -> Vec<usize> {
            counts.iter().map(|count| count.count()).collect()
        };
        for (sights, expected) in [
            ([64, 64, 64], [0, 0, 0]),
            ([72, 64, 64], [1, 0, 0]),
            ([80, 72, 64], [1, 1, 0]),
            ([96, 96, 72], [1, 1, 1]),
        ] {
            assert!(!called(&mut audience, sights.map(lsn), NOW, false));
            assert_eq!(all(&counts), expected, "{sights:?}");
        }
        assert!(!audience.listens());
    }

    #[test]
    fn many_polls_are_called_by_the_logs_own_thread_all_at_once_and_after_a_pause() {
        let mut audience = Audience::new(true);
        let count = Arc::<Counted>::default();
        let enter = |audience: &mut Audience, at: u64| {
            for _ in 0..1000 {
                let waker = Waker::from(Arc::clone(&count));
                audience.enter_poll(Level::Written, lsn(at), waker);
            }
        };
        enter(&mut audience, 0);
        let sights = |at| [lsn(at), lsn(at), lsn(0)];
        assert!(called(&mut audience, sights(8), NOW, false), "who appends calls nobody");
        assert_eq!((count.count(), audience.due_at()), (0, Some(NOW)));
        assert!(!audience.listens(), "they have their time");
        assert!(audience.due_by(NOW));
        audience.look_again();
        assert!(!called(&mut audience, sights(8), NOW, true));
        assert_eq!(count.count(), 1000);
        enter(&mut audience, 8);
        audience.look_again();
        assert!(called(&mut audience, sights(16), NOW, true), "not so soon");
        assert_eq!((count.count(), audience.due_at()), (1000, Some(NOW + PAUSE_EACH * 1000)));
        // A clock that goes back holds nothing up for long.
        assert!(!audience.due_by(Duration::ZERO));
        assert!(audience.due_by(PAUSE_MAX));
        let mut calls = Calls::default();
        audience.call_all(&mut calls);
        drop(calls);
        assert_eq!((count.count(), audience.due_at()), (2000, None));
    }

    #[test]
    fn a_poll_that_withdrew_is_not_called() {
        let mut audience = Audience::new(false);
        let count = Arc::<Counted>::default();
        let place = audience.enter_poll(Level::Durable, lsn(0), Waker::from(Arc::clone(&count)));
        assert!(audience.withdraw_poll(Level::Durable, place).is_some());
        assert!(audience.withdraw_poll(Level::Durable, place).is_none());
        assert!(!called(&mut audience, [lsn(8); 3], NOW, true));
        assert_eq!(count.count(), 0);
    }
}
