//! One seed, and a stream of numbers of its own for each thing that is drawn.
//!
//! Since no two concerns share a stream, leaving out an operation of the workload moves no
//! crash, and another crash moves no latency: this is what makes a failure shrink. The bounded
//! draws are made here, from the raw words of the generator, so that no upgrade of a library
//! changes what a seed means.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

/// What a stream of numbers is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Concern {
    /// Which operations are made.
    Workload,
    /// Whose turn it is.
    Scheduler,
    /// How long things take.
    Latency,
    /// Which calls fail, and what a failing call leaves behind.
    Errors,
    /// Which calls are short or interrupted, and the order of listings.
    Calls,
    /// When a crash comes, and which policy resolves it.
    CrashPolicy,
    /// What a crash takes and keeps.
    CrashResolution,
    /// Damage of data at rest.
    Rot,
    /// What the log asks of [`Entropy`](seawall::storage::Entropy).
    Entropy,
    /// What a device does by itself: when a lying one drains its cache.
    Device,
}

impl Concern {
    /// Numbers that are never given away again: a seed means the same in every version.
    const fn number(self) -> u64 {
        match self {
            Self::Workload => 1,
            Self::Scheduler => 2,
            Self::Latency => 3,
            Self::Errors => 4,
            Self::Calls => 5,
            Self::CrashPolicy => 6,
            Self::CrashResolution => 7,
            Self::Rot => 8,
            Self::Entropy => 9,
            Self::Device => 10,
        }
    }
}

/// The root, or a branch, of the tree of seeds.
///
/// ```
/// use seawall_sim::{Concern, Seed};
///
/// let seed = Seed::new(7);
/// let (mut one, mut same) = (seed.rng(Concern::Errors), seed.rng(Concern::Errors));
/// assert_eq!(one.next_u64(), same.next_u64());
/// assert_ne!(one.next_u64(), seed.rng(Concern::Rot).next_u64());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed {
    master: u64,
    branch: u64,
}

impl Seed {
    /// The tree of this master seed.
    #[must_use]
    pub const fn new(master: u64) -> Self {
        Self { master, branch: 0 }
    }

    /// A tree of its own for the `index`-th part of a run, such as a lifetime between crashes.
    #[must_use]
    pub fn child(self, index: u64) -> Self {
        let mut rng = Rng::keyed(self, u64::MAX);
        Self { master: self.master, branch: rng.next_u64() ^ index.wrapping_add(1) }
    }

    /// The stream of one concern, from its beginning.
    #[must_use]
    pub fn rng(self, concern: Concern) -> Rng {
        Rng::keyed(self, concern.number())
    }
}

/// A stream of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    fn keyed(seed: Seed, concern: u64) -> Self {
        let words = [seed.master, seed.branch, concern, 0x5345_4157_414c_4c31];
        let mut key = [0; 32];
        for (to, word) in key.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        let product = u128::from(self.next_u64()).wrapping_mul(u128::from(end));
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// As [`below`](Self::below), for counting things in memory.
    pub fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(u64::try_from(end).unwrap_or(u64::MAX))).unwrap_or(0)
    }

    /// A number from `from` to `to`, both included; `from` when `to` is less.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        let width = to.saturating_sub(from).saturating_add(1);
        from.saturating_add(self.below(width))
    }

    /// True `numerator` times in `denominator`, on average; never when `denominator` is 0.
    pub fn chance(&mut self, numerator: u64, denominator: u64) -> bool {
        self.below(denominator) < numerator && denominator > 0
    }

    /// One of `items`, or `None` when there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.index(items.len()))
    }

    /// Puts `items` in any order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            let other = self.index(end.saturating_add(1));
            items.swap(end, other);
        }
    }

    /// Fills `into`.
    pub fn fill(&mut self, into: &mut [u8]) {
        for chunk in into.chunks_mut(8) {
            let word = self.next_u64().to_le_bytes();
            for (to, byte) in chunk.iter_mut().zip(word) {
                *to = byte;
            }
        }
    }

    /// How far the stream was read, for comparing two runs of one seed.
    #[must_use]
    pub fn position(&self) -> u128 {
        self.0.get_word_pos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut rng = Seed::new(42).rng(Concern::Workload);
        let first = [rng.next_u64(), rng.next_u64()];
        assert_eq!(first, PINNED, "changing this changes what every recorded seed means");
    }

    const PINNED: [u64; 2] = [15_035_723_955_788_239_791, 11_093_184_988_276_647_888];

    #[test]
    fn draws_stay_inside_their_bounds_and_reach_all_of_them() {
        let mut rng = Seed::new(1).rng(Concern::Errors);
        let mut seen = [false; 5];
        for _ in 0..1000 {
            seen[rng.index(5)] = true;
            assert!((3..=4).contains(&rng.between(3, 4)));
            assert!(rng.chance(1, 1) && !rng.chance(0, 7) && !rng.chance(1, 0));
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!((rng.below(0), rng.pick::<u8>(&[])), (0, None));
    }

    #[test]
    fn children_and_concerns_do_not_share_a_stream() {
        let seed = Seed::new(9);
        let mut firsts: Vec<u64> = (0..50)
            .flat_map(|i| {
                [Concern::Workload, Concern::Rot].map(|c| seed.child(i).rng(c).next_u64())
            })
            .collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), 100);
    }
}
