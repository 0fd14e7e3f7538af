//! A counter that threads sleep on until it moves, as the kernel offers it.

use rustix::thread::futex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The longest that is waited at once: what the kernel takes of any clock it has.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Counts moments. A thread looks at the count, then at the world, and sleeps only if the count
/// is still the same; so whoever changes the world and then counts is never missed.
#[derive(Debug, Default)]
pub(crate) struct EventCount(AtomicU32);

impl EventCount {
    /// The count; look at the world after it.
    pub(crate) fn now(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Sleeps while the count is `seen`. May return at any time: the caller looks for itself.
    pub(crate) fn wait(&self, seen: u32) {
        let _looked_at_again = futex::wait(&self.0, futex::Flags::PRIVATE, seen, None);
    }

    /// As [`wait`](Self::wait), but no longer than this.
    pub(crate) fn wait_for(&self, seen: u32, limit: Duration) {
        let limit = futex::Timespec::try_from(limit.min(LONGEST)).ok();
        let _looked_at_again = futex::wait(&self.0, futex::Flags::PRIVATE, seen, limit.as_ref());
    }

    /// Counts on; change the world before it. Who sleeps already has to be woken as well.
    pub(crate) fn advance(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    /// Wakes at least one that sleeps, if any does.
    pub(crate) fn wake_one(&self) {
        self.wake(1);
    }

    /// Wakes all that sleep.
    pub(crate) fn wake_all(&self) {
        self.wake(i32::MAX.unsigned_abs());
    }

    fn wake(&self, count: u32) {
        futex::wake(&self.0, futex::Flags::PRIVATE, count)
            .expect("the kernel refuses only a word that is no word of this process");
    }
}
