//! How long calls take: a clock that is given to a disk moves at every call.

use crate::counters::{Counters, count};
use crate::disk::SimDisk;
use crate::environment::SimClock;
use crate::rng::{Concern, Rng};
use std::time::Duration;

/// How long calls take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Latency {
    /// The longest that a usual call takes.
    pub usual: Duration,
    /// The longest that a slow one takes.
    pub slow: Duration,
    /// How many calls in a thousand are slow.
    pub slow_per_mille: u16,
    /// How long a stuck one takes: a device that resets, a path that is lost.
    pub stuck: Duration,
    /// How many calls in ten thousand are stuck.
    pub stuck_per_myriad: u16,
}

impl Default for Latency {
    /// 200 µs; one call in a hundred 50 ms, one in a thousand half a minute.
    fn default() -> Self {
        Self {
            usual: Duration::from_micros(200),
            slow: Duration::from_millis(50),
            slow_per_mille: 10,
            stuck: Duration::from_secs(30),
            stuck_per_myriad: 10,
        }
    }
}

/// A clock, and how it moves.
#[derive(Clone, Debug)]
pub(crate) struct Timer {
    clock: SimClock,
    latency: Latency,
    rng: Rng,
}

impl Timer {
    /// A call is made.
    pub(crate) fn pass(&mut self, counters: &mut Counters) {
        let draw = self.rng.below(10_000);
        let stuck = u64::from(self.latency.stuck_per_myriad);
        let slow = u64::from(self.latency.slow_per_mille).saturating_mul(10);
        let up_to = |rng: &mut Rng, most: Duration| {
            let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
            Duration::from_nanos(rng.between(0, nanos))
        };
        let took = if draw < stuck {
            count(&mut counters.stuck_calls);
            self.latency.stuck
        } else if draw < stuck.saturating_add(slow) {
            count(&mut counters.slow_calls);
            up_to(&mut self.rng, self.latency.slow)
        } else {
            up_to(&mut self.rng, self.latency.usual)
        };
        self.clock.advance(took);
    }
}

impl SimDisk {
    /// From now on every call takes its time on this clock. The disks after a crash go on with
    /// it. How long is drawn of [`Concern::Latency`], so that nothing else moves by it.
    pub fn set_clock(&self, clock: &SimClock, latency: Latency) {
        let mut inner = self.lock_inner();
        let rng = inner.state.options.seed.rng(Concern::Latency);
        inner.timer = Some(Box::new(Timer { clock: clock.clone(), latency, rng }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{disk, settled};
    use seawall::storage::{Clock, Storage};

    #[test]
    fn calls_take_time_and_nothing_else_changes() {
        let run = |clock: Option<&SimClock>| {
            let disk = disk();
            if let Some(clock) = clock {
                disk.set_clock(clock, Latency::default());
            }
            for nth in 0..2000 {
                drop(settled(&disk, "a", 1, nth % 700));
                disk.remove("a").unwrap();
            }
            (disk.event_hash(), disk.counters())
        };
        let (clock, again) = (SimClock::new(), SimClock::new());
        let ((hash, counters), (hash_again, _)) = (run(Some(&clock)), run(Some(&again)));
        assert_eq!((hash, hash), (hash_again, run(None).0));
        assert_eq!(clock.now(), again.now());
        assert!(counters.slow_calls > 50 && counters.stuck_calls > 3);
        let stuck = u32::try_from(counters.stuck_calls).unwrap() * Duration::from_secs(30);
        assert!(clock.now() > stuck && clock.now() < stuck + Duration::from_secs(30));
    }
}
