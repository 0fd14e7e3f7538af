//! How many bytes to read at an address, before the length of the frame there is known.
//!
//! A second call of the disk costs more than copying 4 KiB does, and most of a first call that
//! asks for little; so the guess is short only after a row of short frames, and long again as
//! soon as one was longer than expected. At most one frame in 33 that would fit into the longest
//! guess takes a second call.

use crate::format::frame::MARKED_HEADER_LEN;
use crate::storage::latch::{AtomicU64, Ordering};

/// The longest guess: a record of 4 KiB with its header. A longer one takes a second call.
pub(super) const LONGEST: usize = 4096 + MARKED_HEADER_LEN;

/// The shortest is the longest, halved so often. Less would save nothing.
const HALVED_MAX: u64 = 3;

/// So many frames in a row that needed at most half of the guess halve it.
const PATIENCE: u64 = 32;

#[derive(Debug)]
pub(super) struct Guess {
    /// How often it is halved, and how many frames in a row needed at most half of it. A hint:
    /// threads that change it at the same time may undo what the other did.
    state: AtomicU64,
}

impl Guess {
    pub(super) fn new() -> Self {
        Self { state: AtomicU64::new(0) }
    }

    /// How much to read.
    pub(super) fn len(&self) -> usize {
        LONGEST >> self.halved_and_spared().0
    }

    /// A frame needed so many bytes.
    pub(super) fn learn(&self, needed: usize) {
        let before @ (halved, spared) = self.halved_and_spared();
        let fits = |halved| needed <= LONGEST >> halved;
        let after = if !fits(halved) {
            (0, 0)
        } else if halved == HALVED_MAX || !fits(halved + 1) {
            (halved, 0)
        } else if spared + 1 < PATIENCE {
            (halved, spared + 1)
        } else {
            (halved + 1, 0)
        };
        // Mostly there is nothing new, and no reason to take the line from other processors.
        if after != before {
            let (halved, spared) = after;
            self.state.store(halved << 32 | spared, Ordering::Relaxed);
        }
    }

    fn halved_and_spared(&self) -> (u64, u64) {
        let state = self.state.load(Ordering::Relaxed);
        ((state >> 32).min(HALVED_MAX), state & u64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_guess_halves_when_many_frames_in_a_row_were_short_and_grows_with_the_first_long_one() {
        let guess = Guess::new();
        assert_eq!(guess.len(), LONGEST);
        for halved in [1, 2, 3, 3] {
            (0..PATIENCE).for_each(|_| guess.learn(100));
            assert_eq!(guess.len(), LONGEST >> halved);
        }
        guess.learn(1000);
        assert_eq!(guess.len(), LONGEST);
        (1..PATIENCE).for_each(|_| guess.learn(100));
        guess.learn(LONGEST);
        (1..PATIENCE).for_each(|_| guess.learn(100));
        assert_eq!(guess.len(), LONGEST, "neither row of short frames was long enough");
    }

    proptest! {
        #[test]
        fn a_frame_is_guessed_too_short_at_most_once_in_so_many(
            lens in prop::collection::vec(0..=LONGEST, 0..400),
        ) {
            let (guess, mut since) = (Guess::new(), 0);
            for needed in lens {
                if guess.len() < needed {
                    prop_assert!(since >= PATIENCE, "only {since} since the last");
                    since = 0;
                } else {
                    since += 1;
                }
                guess.learn(needed);
                prop_assert!(guess.len() >= needed.min(LONGEST));
            }
        }
    }
}
