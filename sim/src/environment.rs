//! Time that is moved by hand, randomness from a seed, no threads.

use crate::disk::SimDisk;
use crate::rng::{Concern, Rng, Seed};
use parking_lot::Mutex;
use seawall::storage::{Clock, Entropy, Environment};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The time of day at which a simulated clock begins: the first of January 2026, since 1970.
pub const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// A clock that stands still until it is moved. Clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct SimClock(Arc<AtomicU64>);

impl SimClock {
    /// A clock at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets time go by.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Sets the time, also back: what a clock must never do, and does.
    pub fn set(&self, to: Duration) {
        let nanos = u64::try_from(to.as_nanos()).unwrap_or(u64::MAX);
        self.0.store(nanos, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// Goes with the other: at zero it is [`EPOCH`].
    fn wall(&self) -> Option<Duration> {
        EPOCH.checked_add(self.now())
    }
}

/// Randomness from a seed: the same seed gives the same bytes.
#[derive(Debug)]
pub struct SimEntropy(Mutex<Rng>);

impl SimEntropy {
    /// The stream of this seed, from its beginning.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(Seed::new(seed).rng(Concern::Entropy)))
    }
}

impl Entropy for SimEntropy {
    fn fill(&self, into: &mut [u8]) -> io::Result<()> {
        self.0.lock().fill(into);
        Ok(())
    }
}

/// What a log is opened in on this disk: a clock at zero, randomness from `seed`, no threads.
/// A test that moves the clock puts its own [`SimClock`] into the `clock` field.
#[must_use]
pub fn environment(disk: &SimDisk, seed: u64) -> Environment {
    Environment::new(Arc::new(disk.clone()))
        .clock(Arc::new(SimClock::new()))
        .entropy(Arc::new(SimEntropy::new(seed)))
        .threads(false)
}
