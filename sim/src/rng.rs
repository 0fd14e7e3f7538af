//! One seed, and a stream of numbers of its own for each thing that is drawn.
//!
//! Since no two concerns share a stream, leaving out an operation of the workload moves no
//! crash, and another crash moves no latency: this is what makes a failure shrink. The bounded
//! draws are made here, from the raw words of the generator, so that no upgrade of a library
//! changes what a seed means.
//!
//! Or no seed: a stream may also be read from given bytes, each decision from as few of them as it
//! needs ([`Rng::from_decisions`]). Then a fuzzer decides.

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
    /// Which tags records have.
    Tags,
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
            Self::Tags => 11,
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
pub struct Rng(Source);

#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all streams are generated: a box would cost them"
)]
enum Source {
    Generated(ChaCha8Rng),
    Decided { bytes: Vec<u8>, at: usize },
}

/// Of 64 bits that are drawn whole so many bytes are decided; the others are 0. All that is made of
/// such a word is the seed of something, and its neighbours are as good.
const WORD_BYTES: u32 = 2;

impl Rng {
    /// A stream whose numbers stand in `bytes`: below 256, one byte for each; below 65,536, two, the
    /// less significant first; 64 bits from two. Behind their end every number is 0.
    ///
    /// Smaller bytes decide smaller numbers, and every number can be decided.
    ///
    /// ```
    /// use seawall_sim::Rng;
    ///
    /// let mut rng = Rng::from_decisions(&[0x80, 0xff, 0x34, 0x12]);
    /// assert_eq!((rng.below(10), rng.below(10), rng.next_u64()), (5, 9, 0x1234));
    /// assert_eq!((rng.below(1000), rng.position()), (0, 4));
    /// ```
    #[must_use]
    pub fn from_decisions(bytes: &[u8]) -> Self {
        Self(Source::Decided { bytes: bytes.to_vec(), at: 0 })
    }

    fn keyed(seed: Seed, concern: u64) -> Self {
        let words = [seed.master, seed.branch, concern, 0x5345_4157_414c_4c31];
        let mut key = [0; 32];
        for (to, word) in key.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        Self(Source::Generated(ChaCha8Rng::from_seed(key)))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.word(WORD_BYTES)
    }

    /// The next 64 bits, of which so many bytes are decided if somebody decides.
    fn word(&mut self, decided: u32) -> u64 {
        match &mut self.0 {
            Source::Generated(rng) => rng.next_u64(),
            Source::Decided { bytes, at } => {
                let rest = bytes.get(*at..).unwrap_or_default();
                let taken = rest.iter().take(decided as usize);
                let word = taken.zip(0..).map(|(&byte, nth)| u64::from(byte) << (8 * nth)).sum();
                *at = at.saturating_add(decided as usize).min(bytes.len());
                word
            }
        }
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        let bits = match self.0 {
            Source::Generated(_) => u64::BITS,
            Source::Decided { .. } => {
                end.saturating_sub(1).checked_ilog2().map_or(0, |log| log + 1)
            }
        };
        let bytes = bits.div_ceil(u8::BITS);
        let product = u128::from(self.word(bytes)).wrapping_mul(u128::from(end));
        u64::try_from(product >> (bytes * u8::BITS)).unwrap_or(0)
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
        match &self.0 {
            Source::Generated(rng) => rng.get_word_pos(),
            Source::Decided { at, .. } => *at as u128,
        }
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
    fn a_decision_takes_the_bytes_it_needs_and_reaches_its_whole_range() {
        for end in [2, 3, 10, 255, 256, 257, 1000, 65_536, 65_537] {
            let bytes = if end <= 256 {
                1
            } else if end <= 65_536 {
                2
            } else {
                3
            };
            let mut rng = Rng::from_decisions(&[0xff; 8]);
            assert_eq!((rng.below(end), rng.position()), (end - 1, bytes));
            assert_eq!(Rng::from_decisions(&[0; 8]).below(end), 0);
        }
        let all: Vec<u64> = (0..=255).map(|byte| Rng::from_decisions(&[byte]).below(7)).collect();
        assert!(all.is_sorted() && (0..7).all(|number| all.contains(&number)));
    }

    #[test]
    fn one_possible_number_is_no_decision() {
        let mut rng = Rng::from_decisions(&[9]);
        assert_eq!((rng.below(0), rng.below(1), rng.position()), (0, 0, 0));
        assert_eq!((rng.next_u64(), rng.next_u64(), rng.position()), (9, 0, 1));
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
