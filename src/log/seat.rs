//! Where one follower waits: as a thread that sleeps, or by a waker, without one. It is called by the log
//! when there is something for it, and by whoever cancels it.
//!
//! ```text
//!   wait      the waker of a poll is put here; the count is read; then the flag is looked at
//!   call      the count moves on, the thread is woken, the waker is called
//!   cancel    the flag is set, then as a call
//! ```
//!
//! So neither is missed, whichever comes between. Knows nothing of the log, and is never asked under its
//! lock to call code of the caller.

use crate::storage::latch::{AtomicU64, EventCount, Mutex, Ordering};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

/// The seat of one follower.
#[derive(Debug)]
pub(crate) struct Seat {
    calls: EventCount,
    cancelled: AtomicU64,
    /// Of the last poll that waits.
    waker: Mutex<Option<Waker>>,
}

impl Seat {
    pub(crate) fn new() -> Self {
        let (calls, cancelled) = (EventCount::default(), AtomicU64::new(0));
        Self { calls, cancelled, waker: Mutex::new(None) }
    }

    /// Whoever is called from now on is this one; the old one is handed out, to be dropped without a lock.
    pub(crate) fn put(&self, waker: Option<Waker>) -> Option<Waker> {
        std::mem::replace(&mut *self.waker.lock(), waker)
    }

    /// The count to sleep with; look at the flag and at the log after it.
    pub(crate) fn now(&self) -> u32 {
        self.calls.now()
    }

    /// Sleeps while the count is `seen`, or until it pleases; no longer than `limit`, if there is one.
    pub(crate) fn sleep(&self, seen: u32, limit: Option<Duration>) {
        match limit {
            Some(limit) => self.calls.wait_for(seen, limit),
            None => self.calls.wait(seen),
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire) != 0
    }

    /// Ends every wait of now and later.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(1, Ordering::Release);
        self.call();
    }

    fn call(&self) {
        self.calls.advance();
        self.calls.wake_one();
        if let Some(waker) = self.put(None) {
            waker.wake();
        }
    }
}

impl Wake for Seat {
    fn wake(self: Arc<Self>) {
        self.call();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.call();
    }
}

#[cfg(all(test, not(seawall_shuttle)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[derive(Default)]
    struct Counted(AtomicU32);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_call_before_the_sleep_is_not_missed_and_wakes_the_last_waker_once() {
        let seat = Arc::new(Seat::new());
        let (old, new) = (Arc::<Counted>::default(), Arc::<Counted>::default());
        assert!(seat.put(Some(Waker::from(Arc::clone(&old)))).is_none());
        assert!(seat.put(Some(Waker::from(Arc::clone(&new)))).is_some());
        let seen = seat.now();
        let waker = Waker::from(Arc::clone(&seat));
        waker.wake_by_ref();
        // It would not return otherwise.
        seat.sleep(seen, None);
        waker.wake();
        let called = [old, new].map(|count| count.0.load(Ordering::Relaxed));
        assert_eq!(called, [0, 1]);
        assert!(!seat.is_cancelled());
    }

    #[test]
    fn a_cancel_is_kept_for_every_later_wait() {
        let seat = Seat::new();
        let count = Arc::<Counted>::default();
        seat.put(Some(Waker::from(Arc::clone(&count))));
        let seen = seat.now();
        seat.cancel();
        seat.sleep(seen, None);
        assert!(seat.is_cancelled());
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_wait_with_a_limit_ends_though_nobody_calls() {
        let seat = Seat::new();
        for limit in [Duration::ZERO, Duration::from_millis(1)] {
            seat.sleep(seat.now(), Some(limit));
        }
        // The longest there is does not overflow anything.
        seat.sleep(seat.now().wrapping_add(1), Some(Duration::MAX));
    }
}
