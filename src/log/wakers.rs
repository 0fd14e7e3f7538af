//! Those who wait without a thread: wakers, in the order of the LSNs that they wait for.
//!
//! ```text
//!   enter      under the lock, by a poll that found its goal not reached
//!   reached    an event moved a watermark: the wakers up to there leave, in order
//!   failed     a write or a sync failed: all leave, since any may be concerned
//!   withdrawn  who waited is dropped, or waits with another waker
//! ```
//!
//! A waker is code of the caller: it is cloned, called and dropped without the lock, so what leaves here
//! is handed out and never called here. Knows neither threads nor the machine.

use super::machine::{Goal, Watermarks};
use crate::position::Lsn;
use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::task::Waker;

/// Where a waker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    line: Line,
    end: Lsn,
    nth: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Written,
    Durable,
    Room,
}

/// Wakers in the order of the LSNs that they wait for; of the same one, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: BTreeMap<(Lsn, u64), Waker>,
    entered: u64,
}

impl Queue {
    pub(crate) const fn new() -> Self {
        Self { waiting: BTreeMap::new(), entered: 0 }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The least that any of them waits for.
    pub(crate) fn first(&self) -> Option<Lsn> {
        self.waiting.first_key_value().map(|(&(end, _), _)| end)
    }

    /// Enters a waker that waits for `end`.
    pub(crate) fn enter(&mut self, end: Lsn, waker: Waker) -> (Lsn, u64) {
        self.entered += 1;
        let place = (end, self.entered);
        self.waiting.insert(place, waker);
        place
    }

    /// The waker at this place leaves, if it is still there.
    pub(crate) fn withdraw(&mut self, place: (Lsn, u64)) -> Option<Waker> {
        self.waiting.remove(&place)
    }

    /// Those that wait for no more than this leave.
    pub(crate) fn reached(&mut self, mark: Lsn, calls: &mut Calls) {
        while let Some(first) = self.waiting.first_entry()
            && first.key().0 <= mark
        {
            calls.0.push(first.remove());
        }
    }

    /// Those that wait for less than this leave.
    pub(crate) fn before(&mut self, mark: Lsn, calls: &mut Calls) {
        let later = self.waiting.split_off(&(mark, 0));
        calls.0.extend(std::mem::replace(&mut self.waiting, later).into_values());
    }

    /// All leave.
    pub(crate) fn all(&mut self, calls: &mut Calls) {
        calls.0.extend(std::mem::take(&mut self.waiting).into_values());
    }
}

/// The wakers of those who wait for what they appended, or for room. Kept under the lock.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    written: Queue,
    durable: Queue,
    /// Those that wait for room.
    room: Queue,
}

impl Wakers {
    pub(crate) fn is_empty(&self) -> bool {
        self.written.is_empty() && self.durable.is_empty() && self.room.is_empty()
    }

    /// Enters a waker that waits for `goal`. What stood at `before` leaves.
    pub(crate) fn enter(
        &mut self,
        goal: Goal,
        before: &mut Option<Place>,
        waker: Waker,
    ) -> Option<Waker> {
        let (line, end) = match goal {
            Goal::Written { end, .. } => (Line::Written, end),
            Goal::Durable { end, .. } => (Line::Durable, end),
        };
        self.enter_line(line, end, before, waker)
    }

    /// The same of a waker that waits for room.
    pub(crate) fn enter_room(&mut self, before: &mut Option<Place>, waker: Waker) -> Option<Waker> {
        self.enter_line(Line::Room, Lsn::FIRST, before, waker)
    }

    fn enter_line(
        &mut self,
        line: Line,
        end: Lsn,
        before: &mut Option<Place>,
        waker: Waker,
    ) -> Option<Waker> {
        let old = before.take().and_then(|place| self.withdraw(place));
        let (end, nth) = self.line(line).enter(end, waker);
        *before = Some(Place { line, end, nth });
        old
    }

    /// The waker at this place leaves, if it is still there.
    pub(crate) fn withdraw(&mut self, place: Place) -> Option<Waker> {
        self.line(place.line).withdraw((place.end, place.nth))
    }

    /// Those whose goal is reached leave, and those that wait for room, who are to look again.
    pub(crate) fn reached(&mut self, marks: Watermarks, calls: &mut Calls) {
        // Every write of every append comes here, and mostly nobody waits.
        if self.is_empty() {
            return;
        }
        self.written.reached(marks.written, calls);
        self.durable.reached(marks.durable, calls);
        self.room.all(calls);
    }

    /// All leave: each has to look for itself.
    pub(crate) fn all(&mut self, calls: &mut Calls) {
        for line in [&mut self.written, &mut self.durable, &mut self.room] {
            line.all(calls);
        }
    }

    fn line(&mut self, line: Line) -> &mut Queue {
        match line {
            Line::Written => &mut self.written,
            Line::Durable => &mut self.durable,
            Line::Room => &mut self.room,
        }
    }
}

/// Wakers that are to be called once the lock is free; at the latest when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Calls(Vec<Waker>);

impl Calls {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One more is to be called.
    pub(crate) fn add(&mut self, waker: Option<Waker>) {
        self.0.extend(waker);
    }

    /// Calls them. A waker that panics, which has printed why, keeps no other from being called, and
    /// is no fault of the log's.
    #[inline]
    pub(crate) fn make(&mut self) {
        if !self.0.is_empty() {
            self.make_each();
        }
    }

    #[cold]
    fn make_each(&mut self) {
        for waker in std::mem::take(&mut self.0) {
            let _printed = panic::catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.make();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Counted(AtomicU32);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn lsn(at: u64) -> Lsn {
        Lsn::new(at)
    }

    fn durable(end: u64) -> Goal {
        Goal::Durable { lsn: lsn(0), end: lsn(end) }
    }

    fn marks(written: u64, durable: u64) -> Watermarks {
        Watermarks { accepted: lsn(1 << 20), written: lsn(written), durable: lsn(durable) }
    }

    fn called(counts: &[Arc<Counted>]) -> Vec<u32> {
        counts.iter().map(|count| count.0.load(Ordering::Relaxed)).collect()
    }

    #[test]
    fn those_up_to_a_watermark_leave_and_no_others_do() {
        let (mut wakers, mut calls) = (Wakers::default(), Calls::default());
        let counts: Vec<Arc<Counted>> = (0..4).map(|_| Arc::default()).collect();
        let goals =
            [durable(8), durable(16), durable(16), Goal::Written { lsn: lsn(0), end: lsn(24) }];
        for (goal, count) in goals.into_iter().zip(&counts) {
            assert!(wakers.enter(goal, &mut None, Waker::from(Arc::clone(count))).is_none());
        }
        wakers.reached(marks(23, 7), &mut calls);
        assert!(calls.is_empty());
        wakers.reached(marks(23, 16), &mut calls);
        calls.make();
        assert_eq!(called(&counts), [1, 1, 1, 0]);
        wakers.reached(marks(24, 16), &mut calls);
        drop(calls);
        assert_eq!(called(&counts), [1, 1, 1, 1]);
        assert!(wakers.is_empty());
    }

    #[test]
    fn a_failure_calls_all_and_who_withdrew_is_not_called() {
        let (mut wakers, mut calls) = (Wakers::default(), Calls::default());
        let counts: Vec<Arc<Counted>> = (0..3).map(|_| Arc::default()).collect();
        let mut places = [None; 3];
        for (place, count) in places.iter_mut().zip(&counts) {
            wakers.enter(durable(8), place, Waker::from(Arc::clone(count)));
        }
        let second = places[1].expect("it was entered");
        assert!(wakers.withdraw(second).is_some());
        assert!(wakers.withdraw(second).is_none());
        wakers.all(&mut calls);
        calls.make();
        assert_eq!(called(&counts), [1, 0, 1]);
    }

    #[test]
    fn who_enters_again_has_one_place() {
        let (mut wakers, mut calls) = (Wakers::default(), Calls::default());
        let (old, new) = (Arc::<Counted>::default(), Arc::<Counted>::default());
        let mut place = None;
        wakers.enter(durable(8), &mut place, Waker::from(Arc::clone(&old)));
        assert!(wakers.enter(durable(8), &mut place, Waker::from(Arc::clone(&new))).is_some());
        wakers.reached(marks(8, 8), &mut calls);
        calls.make();
        assert_eq!(called(&[old, new]), [0, 1]);
    }

    #[test]
    fn a_waker_that_panics_keeps_no_other_from_being_called() {
        struct Panics;
        impl Wake for Panics {
            fn wake(self: Arc<Self>) {
                panic!("a waker of the caller");
            }
        }
        let (mut wakers, mut calls) = (Wakers::default(), Calls::default());
        let count = Arc::<Counted>::default();
        wakers.enter(durable(8), &mut None, Waker::from(Arc::new(Panics)));
        wakers.enter(durable(16), &mut None, Waker::from(Arc::clone(&count)));
        wakers.enter_room(&mut None, Waker::from(Arc::clone(&count)));
        wakers.all(&mut calls);
        calls.make();
        assert_eq!(called(&[count]), [2]);
    }
}
