//! How many callers a group of appends may still expect.
//!
//! ```text
//!   a group is synced: those it held come back, those who wait already fill the next one
//!   expected = callers of the synced group + callers of the next one
//!   worth waiting for: fewer are there than expected, and the last waits were not in vain
//! ```
//!
//! One caller alone expects nobody, and never waits. Knows neither time nor threads: how long is
//! waited is the shell's matter.

/// After so many waits in vain none is tried for a while.
const MISSES_MAX: u32 = 3;
/// Groups that go without a wait then.
const RESTS: u32 = 32;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arrivals {
    /// In the group that fills.
    callers: u32,
    /// In groups that are on their way.
    in_flight: u32,
    expected: u32,
    misses: u32,
    rests: u32,
}

impl Arrivals {
    /// A caller that waits for durability joined the group.
    pub(super) const fn joined(&mut self) {
        self.callers = self.callers.saturating_add(1);
    }

    /// A caller waits for what is on its way already.
    pub(super) const fn boarded(&mut self) {
        self.in_flight = self.in_flight.saturating_add(1);
    }

    /// Whether more are expected.
    pub(super) const fn awaited(&self) -> bool {
        self.rests == 0 && self.callers > 0 && self.callers < self.expected
    }

    /// The group is on its way.
    pub(super) const fn sealed(&mut self) {
        if self.rests > 0 {
            self.rests -= 1;
        } else if self.expected > 1 {
            self.misses =
                if self.callers < self.expected.div_ceil(2) { self.misses + 1 } else { 0 };
            if self.misses >= MISSES_MAX {
                (self.misses, self.rests) = (0, RESTS);
            }
        }
        self.in_flight = self.in_flight.saturating_add(self.callers);
        self.callers = 0;
    }

    /// What was on its way is durable.
    pub(super) const fn settled(&mut self) {
        self.expected = self.in_flight.saturating_add(self.callers);
        self.in_flight = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(arrivals: &mut Arrivals, callers: u32) {
        (0..callers).for_each(|_| arrivals.joined());
        arrivals.sealed();
        arrivals.settled();
    }

    #[test]
    fn a_caller_alone_is_never_made_to_wait() {
        let mut arrivals = Arrivals::default();
        for _ in 0..100 {
            group(&mut arrivals, 1);
            arrivals.joined();
            assert!(!arrivals.awaited(), "{arrivals:?}");
            arrivals.sealed();
            arrivals.settled();
        }
    }

    #[test]
    fn a_group_waits_for_those_who_were_in_the_last_one() {
        let mut arrivals = Arrivals::default();
        group(&mut arrivals, 4);
        for _ in 0..3 {
            arrivals.joined();
            assert!(arrivals.awaited(), "{arrivals:?}");
        }
        arrivals.joined();
        assert!(!arrivals.awaited(), "all four are there");
    }

    #[test]
    fn two_that_take_turns_find_each_other() {
        let mut arrivals = Arrivals::default();
        arrivals.joined();
        arrivals.sealed();
        // The second came while the first was on its way.
        arrivals.joined();
        arrivals.settled();
        assert!(arrivals.awaited(), "the first comes back");
        arrivals.joined();
        assert!(!arrivals.awaited());
    }

    #[test]
    fn waits_in_vain_are_given_up_and_tried_again_later() {
        let mut arrivals = Arrivals::default();
        group(&mut arrivals, 8);
        let mut waits = 0;
        for _ in 0..200 {
            arrivals.joined();
            waits += u32::from(arrivals.awaited());
            arrivals.sealed();
            // Seven who will not come back in time.
            arrivals.in_flight = 8;
            arrivals.settled();
        }
        assert!((MISSES_MAX..40).contains(&waits), "{waits} waits in 200 groups");
    }
}
