//! How many bytes to read at an address, before the length of the frame there is known.
//!
//! A second call of the disk costs more than copying 4 KiB does, and most of a first call that
//! asks for little; so the guess gets short only after a row of short frames, and long again as
//! soon as one was longer than expected. At most one frame in 33 that would fit into the longest
//! guess takes a second call.

use crate::format::frame::MARKED_HEADER_LEN;
use crate::storage::latch::{AtomicU64, Ordering};

/// The longest guess: a record of 4 KiB with its header. A longer one takes a second call.
pub(super) const LONGEST: usize = 4096 + MARKED_HEADER_LEN;

/// The longest guess where a frame of a batch is expected: one of 16 KiB with its header.
pub(super) const LONGEST_OF_BATCH: usize = (16 << 10) + MARKED_HEADER_LEN;

/// The guess is a multiple of this, but for the longest: less would save nothing.
const STEP: usize = 512;

/// After so many frames in a row the guess is what the longest of them needed.
const PATIENCE: u64 = 32;

#[derive(Debug)]
pub(super) struct Guess {
    longest: usize,
    /// A [`Learnt`]. A hint: threads that change it at the same time may undo what the other did.
    state: AtomicU64,
}

/// What the frames before were like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Learnt {
    guess: usize,
    /// The longest guess that the last frames needed, and how many they are.
    most: usize,
    frames: u64,
}

impl Learnt {
    const fn anew(guess: usize) -> Self {
        Self { guess, most: 0, frames: 0 }
    }

    fn of(state: u64) -> Self {
        let steps = |at: u32| usize::from((state >> at).to_le_bytes()[0]) * STEP;
        Self { guess: steps(0), most: steps(8), frames: state >> 16 }
    }

    fn state(self) -> u64 {
        let steps = |len: usize| len.div_ceil(STEP) as u64;
        steps(self.guess) | steps(self.most) << 8 | self.frames << 16
    }
}

impl Guess {
    /// For frames of one record.
    pub(super) fn of_records() -> Self {
        Self::up_to(LONGEST)
    }

    /// For frames of batches.
    pub(super) fn of_batches() -> Self {
        Self::up_to(LONGEST_OF_BATCH)
    }

    fn up_to(longest: usize) -> Self {
        Self { longest, state: AtomicU64::new(Learnt::anew(longest).state()) }
    }

    /// How much to read.
    pub(super) fn len(&self) -> usize {
        self.learnt().guess.min(self.longest)
    }

    /// A frame needed so many bytes.
    pub(super) fn learn(&self, needed: usize) {
        let before = self.learnt();
        let fitting = needed.max(1).next_multiple_of(STEP);
        let after = if fitting > before.guess {
            Learnt::anew(self.longest.next_multiple_of(STEP))
        } else if fitting == before.guess {
            Learnt::anew(before.guess)
        } else {
            let most = before.most.max(fitting);
            match before.frames + 1 {
                PATIENCE => Learnt::anew(most),
                frames => Learnt { most, frames, ..before },
            }
        };
        // Mostly there is nothing new, and no reason to take the line from other processors.
        if after != before {
            self.state.store(after.state(), Ordering::Relaxed);
        }
    }

    fn learnt(&self) -> Learnt {
        Learnt::of(self.state.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_guess_is_as_long_as_the_frames_before_and_longest_after_one_that_was_longer() {
        for guess in [Guess::of_records(), Guess::of_batches()] {
            let longest = guess.longest;
            assert_eq!(guess.len(), longest);
            let learn = |count, needed| (0..count).for_each(|_| guess.learn(needed));
            for (needed, expected) in [(3000, 3072), (1024, 1024), (100, 512), (0, 512)] {
                learn(PATIENCE - 1, needed);
                assert!(guess.len() > expected || guess.len() == 512);
                learn(1, needed);
                assert_eq!(guess.len(), expected);
            }
            learn(1, 513);
            assert_eq!(guess.len(), longest);
            // The longest of a row counts, wherever it was.
            learn(10, 100);
            learn(1, 2000);
            learn(PATIENCE - 11, 100);
            assert_eq!(guess.len(), 2048);
            // One that just fits ends the row.
            learn(PATIENCE - 1, 100);
            learn(1, 2048);
            learn(PATIENCE - 1, 100);
            assert_eq!(guess.len(), 2048, "neither row of short frames was long enough");
            learn(1, longest + 1);
            assert_eq!(guess.len(), longest);
        }
    }

    proptest! {
        #[test]
        fn a_frame_is_guessed_too_short_at_most_once_in_so_many(
            lens in prop::collection::vec(0..=LONGEST, 0..400),
        ) {
            let (guess, mut since) = (Guess::of_records(), 0);
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
