//! A counter that threads sleep on until it moves, made of a lock and a condition variable: where
//! the kernel has none to offer, and where a scheduler decides who goes on.

use super::{Condvar, Mutex};
use std::time::Duration;

/// Counts moments. A thread looks at the count, then at the world, and sleeps only if the count
/// is still the same; so whoever changes the world and then counts is never missed.
#[derive(Debug)]
pub(crate) struct EventCount {
    count: Mutex<u32>,
    moved: Condvar,
}

impl Default for EventCount {
    fn default() -> Self {
        Self { count: Mutex::new(0), moved: Condvar::new() }
    }
}

impl EventCount {
    /// The count; look at the world after it.
    pub(crate) fn now(&self) -> u32 {
        *self.count.lock()
    }

    /// Sleeps while the count is `seen`. May return at any time: the caller looks for itself.
    pub(crate) fn wait(&self, seen: u32) {
        let mut count = self.count.lock();
        if *count == seen {
            self.moved.wait(&mut count);
        }
    }

    /// As [`wait`](Self::wait), but no longer than this.
    pub(crate) fn wait_for(&self, seen: u32, limit: Duration) {
        let mut count = self.count.lock();
        if *count == seen {
            self.moved.wait_for(&mut count, limit);
        }
    }

    /// Counts on; change the world before it. Who sleeps already has to be woken as well.
    pub(crate) fn advance(&self) {
        let mut count = self.count.lock();
        *count = count.wrapping_add(1);
    }

    /// Wakes at least one that sleeps, if any does.
    pub(crate) fn wake_one(&self) {
        self.moved.notify_one();
    }

    /// Wakes all that sleep.
    pub(crate) fn wake_all(&self) {
        self.moved.notify_all();
    }
}
